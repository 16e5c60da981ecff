//! Transports that take a part of what they are given, as TLS does with a record at a time.

use std::time::Duration;

use sansocket::{Config, Message};

use crate::fake::{Fake, Read, Write};
use crate::raw::{TEXT, frame};

// IO-02: a short write is not a stall
#[test]
fn short_writes_are_followed_by_the_next_at_once() {
    const RECORD: usize = 16 * 1024;
    let len = 1_000_000;
    let fake = Fake::new(
        vec![Read::Bytes(frame(TEXT, b"next"))],
        vec![Write::Take(RECORD); len / RECORD + 1],
    );
    let (sender, mut receiver) = fake.open_with(Config::default());
    sender.feed(&vec![7; len]).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("next")));
    assert_eq!(fake.written().len(), len + 10, "it read before all was written");
    let waits = fake.waits();
    assert!(waits.iter().all(|wait| *wait > Duration::from_millis(20)), "{waits:?}");
}
