//! The order of pongs.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::Session;
use common::wire::{self, PING, PONG};

// CL-02, CL-04: a peer takes the last pong for the newest
#[test]
fn pings_in_one_batch_are_answered_in_their_order() {
    let mut session = Session::new();
    let pings: Vec<_> = (0..3000u32).map(|i| wire::client(PING, &i.to_be_bytes())).collect();
    session.events(&pings.concat());
    let numbers: Vec<_> = session
        .frames()
        .into_iter()
        .map(|frame| {
            assert_eq!(frame.first, PONG);
            u32::from_be_bytes(frame.payload[..].try_into().unwrap())
        })
        .collect();
    assert_eq!(numbers.last(), Some(&2999), "the latest is not answered, or not last");
    let sorted = numbers.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(sorted, "{:?}", &numbers[..numbers.len().min(10)]);
}
