//! Transports that take a part of what they are given, as TLS does with a record at a time.

use std::io::{self, IoSlice};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net;
use sansocket::{Buffer, Config, Error, Message, TimedOut};

use crate::fake::{Fake, Read, Write};
use crate::pipe::{Pipe, Way, over_pipe};
use crate::raw::{TEXT, config, frame};

// IO-02: a short write is not a stall
#[test]
fn short_writes_are_followed_by_the_next_at_once() {
    const RECORD: usize = 16 * 1024;
    let len = 100_000;
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

/// Takes so many bytes, and does not get rid of them.
struct Holding(Pipe, Mutex<usize>);

over_pipe! {
    Holding {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut room = self.1.lock().unwrap();
            let n = slices[0].len().min(*room);
            *room -= n;
            match n {
                0 => self.flush(),
                _ => self.0.write(&[IoSlice::new(&slices[0][..n])]),
            }
        }

        fn flush(&self) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(2));
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
}

// V38, IO-10: a write that took nothing has passed nothing on
#[test]
fn the_write_timeout_counts_while_a_transport_holds_its_bytes() {
    let hasty = config(|config| config.write_timeout(Duration::from_millis(1000)));
    let transport = Holding(Pipe::new(Way::Open), Mutex::new(b"\x81\x01a".len()));
    let (sender, mut receiver) = net::open(transport, Buffer::new(), hasty).unwrap();
    let receiving = thread::spawn(move || receiver.recv().map(|_| ()));
    let start = Instant::now();
    sender.try_send("a").unwrap();
    thread::sleep(Duration::from_millis(900));
    sender.try_send("b").unwrap();
    let end = receiving.join().unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
    assert!(start.elapsed() < Duration::from_millis(1700), "it took {:?}", start.elapsed());
}
