//! Events, and what has arrived already.

use sansocket::{Event, Message, SendError};

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ::tokio::task::coop;
use sansocket::{Disconnected, Error};

use crate::common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use crate::peer::{Peer, Stream, config, poll_once};

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

/// How often another task has its turn while this runs.
async fn turns_beside<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> (usize, T) {
    let work = tokio::spawn(work);
    let mut turns = 0;
    while !work.is_finished() {
        turns += 1;
        tokio::task::yield_now().await;
    }
    (turns, work.await.unwrap())
}

// TA-13: a burst from one read leaves others their turn, each 32 frames count as a unit of the 128 of a task's budget
#[tokio::test]
async fn a_burst_of_messages_yields_to_other_tasks() {
    let message = wire::client(TEXT, b"").repeat(30_000);
    let pong = wire::client(PONG, b"").repeat(30_000);
    let begun = [wire::client(TEXT & MORE, b"x"), wire::client(CONTINUATION, b"x")].concat();
    let fragments = begun.repeat(15_000);
    for (kind, frames) in [("whole", message), ("pongs", pong), ("fragments", fragments)] {
        for all_at_once in [false, true] {
            let peer = Peer::new();
            let (_sender, mut receiver) = peer.open(config(|config| config));
            peer.send(&frames);
            peer.send(&wire::client(TEXT, b"the end"));
            let received = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&received);
            let receiving = async move {
                let mut last = String::new();
                while last != "the end" {
                    last = receiver.recv().await.unwrap().unwrap().to_string();
                    count.fetch_add(1, Ordering::SeqCst);
                    if all_at_once {
                        while let Some(message) = receiver.buffered().unwrap() {
                            last = message.to_string();
                        }
                    }
                }
            };
            let receiving = tokio::spawn(receiving);
            let (mut turns, mut before, mut most) = (0, 0, 0);
            while !receiving.is_finished() {
                turns += 1;
                tokio::task::yield_now().await;
                let now = received.load(Ordering::SeqCst);
                most = most.max(now - before);
                before = now;
            }
            receiving.await.unwrap();
            assert!(most <= 128 * 32, "{kind} {all_at_once}: {most} in a turn");
            assert!((4..=9).contains(&turns), "{kind} {all_at_once}: {turns}");
        }
    }
}

// TA-13: also what one long read brings, of which one long message was the occasion
#[tokio::test]
async fn pings_behind_a_long_message_yield_to_other_tasks() {
    for kind in [PING, CONTINUATION] {
        let peer = Peer::new();
        let (_sender, mut receiver) = peer.open(config(|config| config.max_message(8 << 20)));
        peer.send(&wire::client(TEXT, &vec![b'a'; 8 << 20]));
        assert!(receiver.recv().await.unwrap().is_some());
        match kind {
            PING => peer.send(&wire::client(PING, b"").repeat(300_000)),
            _ => {
                peer.send(&wire::client(TEXT & MORE, b"x"));
                peer.send(&wire::client(CONTINUATION & MORE, b"x").repeat(300_000));
                peer.send(&wire::client(CONTINUATION, b"x"));
            }
        }
        peer.send(&wire::client(TEXT, b"the end"));
        let receiving =
            async move { while receiver.recv().await.unwrap().unwrap() != "the end" {} };
        let (turns, ()) = turns_beside(receiving).await;
        assert!(turns >= 300_000 / 4096, "{kind}: {turns}");
    }
}

// TA-13, TA-03: what was fed does not wait for the end of a flood
#[tokio::test]
async fn messages_that_were_fed_are_written_before_a_receiver_yields() {
    // A long message makes the next read long, a pong those after it short again.
    for first in [0, 8 << 20] {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open(config(|config| config.max_message(8 << 20)));
        peer.send(&wire::client(BINARY, &vec![7; first]));
        assert_eq!(receiver.recv().await.unwrap().unwrap().len(), first);
        peer.send(&wire::client(PONG, b"").repeat(3_000_000));
        for turn in 0..400 {
            if turn >= 40 && turn % 7 == 0 {
                sender.feed("fed").await.unwrap();
            }
            assert!(poll_once(pin!(receiver.recv())).await.is_none());
            assert_eq!(sender.queued(), 0, "{first} {turn}");
            tokio::task::yield_now().await;
        }
    }
}

/// Receives all there is, in a task whose budget is spent first when `spends` says so. How many messages there were.
async fn receive_without_budget(
    mut receiver: sansocket::tokio::Receiver<Stream>,
    spends: Arc<AtomicBool>,
) -> (usize, Error) {
    let mut messages = 0;
    loop {
        let mut receiving = pin!(receiver.recv());
        let received = poll_fn(|cx| {
            if spends.swap(false, Ordering::SeqCst) {
                while let Poll::Ready(unit) = coop::poll_proceed(cx) {
                    unit.made_progress();
                }
            }
            receiving.as_mut().poll(cx).map_ok(|message| assert!(message.is_some()))
        });
        match received.await {
            Ok(()) => messages += 1,
            Err(error) => return (messages, error),
        }
    }
}

// TA-13: what came before a turn of others is known after it: here, that a message was whole
#[tokio::test(start_paused = true)]
async fn a_message_is_whole_though_the_receiver_yields_behind_it() {
    let peer = Peer::new();
    let (_sender, receiver) = peer.open(config(|config| config));
    let spends = Arc::new(AtomicBool::new(false));
    let receiving = tokio::spawn(receive_without_budget(receiver, Arc::clone(&spends)));
    let messages = wire::client(TEXT, b"x").repeat(32);
    peer.send(&messages[..1]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    spends.store(true, Ordering::SeqCst);
    peer.send(&messages[1..]);
    peer.end();
    let (received, end) = receiving.await.unwrap();
    assert_eq!(received, 32);
    assert!(matches!(end, Error::Disconnected(Disconnected { mid_message: false, .. })), "{end:?}");
}

// TA-13: and here, that the peer lives
#[tokio::test(start_paused = true)]
async fn fragments_are_a_sign_of_life_though_the_receiver_yields_behind_them() {
    let peer = Peer::new();
    let (_sender, receiver) = peer.open(config(|config| config));
    let start = tokio::time::Instant::now();
    let spends = Arc::new(AtomicBool::new(false));
    let receiving = tokio::spawn(receive_without_budget(receiver, Arc::clone(&spends)));
    tokio::time::sleep(Duration::from_secs(35)).await; // there was a ping at 30
    let mut fragments = wire::client(TEXT & MORE, b"");
    fragments.extend(wire::client(CONTINUATION & MORE, b"").repeat(31));
    spends.store(true, Ordering::SeqCst);
    peer.send(&fragments);
    let (_, end) = receiving.await.unwrap();
    assert!(matches!(end, Error::TimedOut(_)), "{end:?}");
    assert!(start.elapsed() > Duration::from_secs(90), "{:?}", start.elapsed());
}

// TA-03: nor for more than 64 KiB, which go at once
#[tokio::test]
async fn answers_are_written_when_64_kib_wait() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(BINARY, &[7; 16 * 1024]).repeat(12));
    let mut before = vec![];
    for _ in 0..10 {
        let message = receiver.recv().await.unwrap().unwrap();
        before.push(peer.output().len());
        sender.feed(message).await.unwrap();
    }
    let frame = 4 + 16 * 1024;
    let batches = [0, 0, 0, 0, 4, 4, 4, 4, 8, 8];
    assert_eq!(before, batches.map(|frames| frames * frame));
}

// TA-13: what a message becomes counts, and not what it was
#[cfg(feature = "deflate")]
#[tokio::test]
async fn compressed_messages_yield_to_other_tasks() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open_compressed();
    // However short they are: each is a unit at least.
    for (messages, len) in [(32, 1 << 20), (2000, 16 * 1024 - 1), (2000, 500), (2000, 0)] {
        peer.send(&wire::compressed(BINARY, &vec![0; len]).repeat(messages));
        let receiving = async move {
            for _ in 0..messages {
                assert_eq!(receiver.recv().await.unwrap().unwrap().len(), len);
            }
            receiver
        };
        let (turns, receiver_again) = turns_beside(receiving).await;
        receiver = receiver_again;
        assert!((14..=40).contains(&turns), "{messages} of {len}: {turns}");
    }
}

// TA-13: 2 MiB are as much
#[tokio::test]
async fn long_messages_yield_to_other_tasks() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(BINARY, &[7; 512 * 1024]).repeat(16));
    let receiving = async move {
        for _ in 0..16 {
            assert_eq!(receiver.recv().await.unwrap().unwrap().len(), 512 * 1024);
        }
    };
    let (turns, ()) = turns_beside(receiving).await;
    assert!((4..=8).contains(&turns), "{turns}");
}

// TA-13: tokio counts nothing there, and waits for nothing: a peer that sends without end would be alone for ever
#[tokio::test]
async fn a_flood_yields_to_other_tasks_though_the_task_is_unconstrained() {
    // Also behind a Close, or what breaks the protocol, until the deadline.
    let ends = [wire::client(CLOSE, b""), wire::server(TEXT, b"not masked")];
    let begins = [TEXT, PING, PONG].map(|kind| (vec![], kind));
    for (begin, kind) in begins.into_iter().chain(ends.map(|end| (end, TEXT))) {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open(config(|config| config));
        peer.send(&begin);
        peer.flood(&wire::client(kind, b""));
        let receiving = tokio::spawn(tokio::task::unconstrained(async move {
            while receiver.recv().await.unwrap().is_some() {}
        }));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!receiving.is_finished(), "it was alone until the end");
        sender.abort();
        let _ = receiving.await;
    }
}

// CL-02, TA-13: a flood of pings leaves others their turn, over any stream
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
