//! Events, and what has arrived already.

use sansocket::{Event, Message, SendError};

use crate::common::wire::{self, PING, PONG, TEXT};
use crate::peer::{Peer, config};

// pings are answered whether they are seen or not
#[tokio::test]
async fn events_show_pings_and_pongs() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    sender.ping(b"now").unwrap();
    assert_eq!(sender.ping(&[0; 126]), Err(SendError::TooLong));
    peer.send(&wire::client(PONG, b"now"));
    peer.send(&wire::client(PING, b"you"));
    peer.send(&wire::client(TEXT, b"hi"));
    assert_eq!(receiver.event().await.unwrap(), Some(Event::Pong(b"now")));
    assert_eq!(receiver.event().await.unwrap(), Some(Event::Ping(b"you")));
    let message = Event::Message(Message::Text("hi"));
    assert_eq!(receiver.event().await.unwrap(), Some(message));
    sender.flush().await.unwrap();
    assert_eq!(peer.output(), b"\x89\x03now\x8a\x03you");
}

// TA-01: without a look at the stream
#[tokio::test]
async fn buffered_messages_are_those_that_were_read() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    assert_eq!(receiver.buffered().unwrap(), None);
    peer.send(&wire::client(TEXT, b"one"));
    peer.send(&wire::client(PING, b""));
    peer.send(&wire::client(TEXT, b"two"));
    assert_eq!(receiver.buffered().unwrap(), None);
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "one");
    peer.send(&wire::client(TEXT, b"three"));
    assert_eq!(receiver.buffered().unwrap().unwrap(), "two");
    assert_eq!(receiver.buffered().unwrap(), None);
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "three");
}

// L-12: a burst from one read leaves others their turn
#[tokio::test]
async fn a_burst_of_messages_yields_to_other_tasks() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"").repeat(20_000));
    let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let theirs = std::sync::Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            theirs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..20_000 {
        assert!(receiver.recv().await.unwrap().is_some());
    }
    other.abort();
    assert!(turns.load(std::sync::atomic::Ordering::SeqCst) > 1);
}

// CL-02, L-12: a flood of pings leaves others their turn, over any stream
#[tokio::test]
async fn a_flood_of_pings_yields_to_other_tasks() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    peer.flood(&wire::client(PING, b""));
    let receiving = tokio::spawn(async move { receiver.drain().await });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    receiving.abort();
}
