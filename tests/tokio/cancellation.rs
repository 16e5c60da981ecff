//! Futures that are dropped before they are ready, at every place where they can be.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use sansocket::tokio::Sender;
use sansocket::{Message, OwnedMessage, Prepared};

use crate::common::rng::Rng;
use crate::common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use crate::peer::{Peer, Stream, config, poll_once};

// TA-01: nothing that was received is lost, nor is a reply
#[tokio::test]
async fn a_recv_that_is_dropped_has_received_nothing() {
    let peer = Peer::new();
    peer.drip();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    let long = "long ".repeat(5000);
    peer.send(&wire::client(TEXT, b"one"));
    peer.send(&wire::client(PING, b"?"));
    peer.send(&wire::client(TEXT & MORE, b"tw"));
    peer.send(&wire::client(PING, b"!"));
    peer.send(&wire::client(CONTINUATION, b"o"));
    peer.send(&wire::client(BINARY, b""));
    peer.send(&wire::client(TEXT, long.as_bytes()));
    peer.send(&wire::client(CLOSE, b"\x03\xe8bye"));
    peer.end();
    let (mut received, mut dropped) = (vec![], 0);
    loop {
        let future = poll_once(pin!(receiver.recv())).await;
        let message = match future {
            None => {
                dropped += 1;
                continue;
            }
            Some(result) => result.unwrap().map(Message::into_owned),
        };
        match message {
            Some(message) => received.push(message),
            None => break,
        }
    }
    let wanted: [OwnedMessage; 4] =
        ["one".into(), "two".into(), b""[..].into(), long.as_str().into()];
    assert_eq!(received, wanted);
    assert!(dropped > 25_000, "{dropped}");
    let close = receiver.close_frame().unwrap();
    assert_eq!((close.code.map(u16::from), close.reason), (Some(1000), "bye"));
    let written = wire::parse(&peer.output());
    let firsts: Vec<_> = written.iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [PONG, PONG, CLOSE]);
    assert!(peer.is_shut() && peer.is_closed());
}

/// The messages on the wire.
fn written(peer: &Peer) -> Vec<Vec<u8>> {
    wire::parse(&peer.output()).into_iter().map(|frame| frame.payload).collect()
}

// TA-02: not one byte of it is queued
#[tokio::test]
async fn a_send_that_is_dropped_has_sent_nothing() {
    let peer = Peer::new();
    peer.take_more(0);
    // Sends wait while more than 100 bytes do.
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    sender.send(&[1; 60]).await.unwrap();
    sender.send(&[2; 60]).await.unwrap();
    let queued = sender.queued();
    assert_eq!(queued, 2 * 62);
    let prepared = Prepared::new(&[9; 60]);
    for polls in 0..4 {
        let mut futures = vec![Box::pin(sender.send(&[9; 60])), Box::pin(sender.feed(&[9; 60]))];
        futures.push(Box::pin(sender.send_prepared(&prepared)));
        for mut future in futures {
            for _ in 0..polls {
                assert!(poll_once(future.as_mut()).await.is_none());
            }
            drop(future);
            assert_eq!(sender.queued(), queued);
        }
    }
    peer.take_more(usize::MAX);
    assert!(poll_once(pin!(receiver.recv())).await.is_none());
    assert_eq!(written(&peer), [[1; 60], [2; 60]]);
    sender.send(&[3; 60]).await.unwrap();
    assert_eq!(written(&peer), [[1; 60], [2; 60], [3; 60]]);
}

// TA-02: those that finished, whole and in the order in which they did
#[tokio::test]
async fn the_wire_has_the_messages_whose_futures_were_ready() {
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let peer = Peer::new();
        if seed % 2 == 0 {
            peer.drip();
        }
        peer.take_more(0);
        let (sender, mut receiver) = peer.open(config(|config| config.max_queue(4000)));
        let payloads: Vec<Vec<u8>> =
            (0..60u8).map(|i| vec![i; [1, 200, 1000, 9000][rng.below(4)]]).collect();
        let (mut waiting, mut wanted) = (vec![], vec![]);
        for payload in &payloads {
            let mut future = match rng.below(2) {
                0 => Box::pin(sender.send(payload)),
                _ => Box::pin(sender.feed(payload)),
            };
            match poll_once(future.as_mut()).await {
                Some(result) => {
                    result.unwrap();
                    wanted.push(payload.clone());
                }
                None => waiting.push((future, payload)),
            }
            for _ in 0..rng.below(4) {
                peer.take_more(rng.below(3000));
                if waiting.is_empty() {
                    continue;
                }
                let (mut future, payload) = waiting.swap_remove(rng.below(waiting.len()));
                match (rng.below(3), poll_once(future.as_mut()).await) {
                    (_, Some(result)) => {
                        result.unwrap();
                        wanted.push(payload.clone());
                    }
                    (0, None) => drop(future),
                    (_, None) => waiting.push((future, payload)),
                }
            }
        }
        drop(waiting);
        peer.take_more(usize::MAX);
        while sender.queued() > 0 {
            assert!(poll_once(pin!(receiver.recv())).await.is_none());
        }
        assert_eq!(written(&peer), wanted, "seed {seed}");
    }
}

// TA-02
#[tokio::test]
async fn a_flush_that_is_dropped_loses_nothing() {
    let peer = Peer::new();
    peer.drip();
    let (sender, _receiver) = peer.open(config(|config| config));
    sender.feed("one").await.unwrap();
    sender.feed("two").await.unwrap();
    let mut dropped = 0;
    while poll_once(pin!(sender.flush())).await.is_none() {
        dropped += 1;
    }
    assert!(dropped > 4, "{dropped}");
    assert_eq!(written(&peer), [b"one", b"two"]);
    assert!(poll_once(pin!(sender.ready())).await.is_some());
}

// TA-01: a handshake that is dropped takes the stream along
#[tokio::test]
async fn an_accept_that_is_dropped_closes_the_stream() {
    for polls in 0..200 {
        let peer = Peer::new();
        peer.drip();
        peer.send(b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n");
        {
            let mut accepting =
                Box::pin(sansocket::tokio::accept(peer.stream(), config(|config| config)));
            for _ in 0..polls {
                assert!(poll_once(accepting.as_mut()).await.is_none());
            }
        }
        assert!(peer.is_closed());
        assert_eq!(peer.output(), b"");
    }
}

/// A waker whose task owns a sender of the connection that it waits for.
struct Task(Sender<Stream>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.0.queued();
    }
}

// TA-01: the last trace of a task that waited before may be its waker
#[tokio::test]
async fn the_waker_of_an_earlier_task_may_do_anything_when_it_is_dropped() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Task(sender.clone())));
            assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(receiver);
    });
    let start = std::time::Instant::now();
    while !dropping.is_finished() {
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "it waits for itself");
        tokio::task::yield_now().await;
    }
}

// TA-01: that of its timer, too, where a sender has found the end
#[tokio::test]
async fn the_waker_of_a_timer_may_do_anything_when_it_is_dropped() {
    let peer = Peer::new();
    let short = Duration::from_millis(10);
    let (sender, mut receiver) = peer.open(config(|config| config.write_timeout(short)));
    let dropping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let waker = Waker::from(Arc::new(Task(sender.clone())));
            assert!(receiver.poll_recv(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            peer.take_more(0);
            sender.feed("x").await.unwrap();
            assert!(sender.flush().await.is_err());
            peer.end();
            assert!(receiver.recv().await.is_err());
        });
    });
    let start = std::time::Instant::now();
    while !dropping.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(10), "it waits for itself");
        tokio::task::yield_now().await;
    }
    dropping.join().unwrap();
}
