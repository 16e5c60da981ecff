//! A task that has used up its budget (`tokio::task::coop`): no timer and no stream registers it then.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use sansocket::tokio::Upgrade;
use sansocket::{Buffer, Config, Error, TimedOut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::coop;

use crate::common::wire::{self, BINARY, TEXT};
use crate::peer::{Peer, config};

fn spend(cx: &mut Context<'_>) {
    while coop::has_budget_remaining() {
        if let Poll::Ready(restore) = coop::poll_proceed(cx) {
            restore.made_progress();
        }
    }
}

// The answer to a request that nobody answers
#[tokio::test]
async fn a_request_that_is_dropped_without_budget_is_answered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let dropping = tokio::spawn(async move {
        let mut upgrade = Some(Upgrade::read(stream, Config::default()).await.unwrap());
        poll_fn(|cx| {
            spend(cx);
            drop(upgrade.take());
            Poll::Ready(())
        })
        .await;
    });
    dropping.await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 500 "), "{response:?}");
}

const LONG: Duration = Duration::from_secs(3600);

fn is_silence(end: &Result<(), Error>) -> bool {
    matches!(end, Err(Error::TimedOut(TimedOut::Silence)))
}

// TA-07, L-10
#[tokio::test(start_paused = true)]
async fn a_first_wait_without_budget_has_its_deadline() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move {
        let (mut receiving, mut spent) = (pin!(receiver.recv()), false);
        poll_fn(|cx| {
            if !std::mem::replace(&mut spent, true) {
                spend(cx);
            }
            receiving.as_mut().poll(cx).map_ok(|_| ())
        })
        .await
    });
    let end = tokio::time::timeout(LONG, receiving).await.unwrap().unwrap();
    assert!(is_silence(&end), "{end:?}");
}

// TA-07, L-10
#[tokio::test(start_paused = true)]
async fn a_timer_that_has_come_without_budget_is_set_again() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    let spends = Arc::new(AtomicBool::new(false));
    let receiving = tokio::spawn({
        let spends = Arc::clone(&spends);
        async move {
            loop {
                let mut receiving = pin!(receiver.recv());
                let received = poll_fn(|cx| {
                    if spends.swap(false, Ordering::SeqCst) {
                        spend(cx);
                    }
                    receiving.as_mut().poll(cx).map_ok(|message| message.is_some())
                });
                match received.await {
                    Ok(true) => {}
                    end => return end.map(|_| ()),
                }
            }
        }
    });
    // The timer of the first wait, of 30 s, comes while the peer is not silent any more.
    tokio::time::sleep(Duration::from_secs(29)).await;
    peer.send(&wire::client(TEXT, b"on"));
    tokio::task::yield_now().await;
    spends.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!spends.load(Ordering::SeqCst));
    let end = tokio::time::timeout(LONG, receiving).await.unwrap().unwrap();
    assert!(is_silence(&end), "{end:?}");
}

// TA-07, L-10: over TCP, with nobody's help: a burst that is answered, and then silence
#[tokio::test]
async fn a_peer_that_falls_silent_after_a_burst_is_noticed() {
    let bursts = (100..=180).map(|n| (n, tokio::spawn(burst(n))));
    for (n, burst) in bursts.collect::<Vec<_>>() {
        let (answered, end) = burst.await.unwrap();
        assert!(answered == n && is_silence(&end), "{n}: {answered} {end:?}");
    }
}

async fn burst(n: usize) -> (usize, Result<(), Error>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    client.write_all(&wire::client(BINARY, &[7; 10]).repeat(n)).unwrap();
    let silence = Duration::from_secs(1);
    let config = config(|config| config.keepalive(silence, silence));
    let (sender, mut receiver) = sansocket::tokio::open(stream, Buffer::new(), config);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut answered = 0;
    let echo = async {
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
            answered += 1;
        }
        Ok(())
    };
    let end = tokio::time::timeout(10 * silence, echo).await;
    (answered, end.unwrap_or(Ok(())))
}
