//! Deadlines, with a clock that is the test's.

use std::time::Duration;

use sansocket::{CloseCode, Error, TimedOut};
use tokio::time::{Instant, sleep};

use crate::common::wire::{self, BINARY, PING, PONG, TEXT};
use crate::peer::{Peer, config};

// TA-07, L-10: a day of silence but for pongs, and then without
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_and_then_given_up() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    for pings in 1..=2880 {
        sleep(Duration::from_secs(30)).await;
        tokio::task::yield_now().await;
        assert_eq!(peer.output().len(), 2 * pings);
        peer.send(&wire::client(PONG, b""));
        tokio::task::yield_now().await;
    }
    assert!(peer.output().chunks(2).all(|frame| frame == wire::server(PING, b"")));
    let start = Instant::now();
    let end = receiving.await.unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Silence))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(peer.is_closed());
}

// L-10: a peer that talks is not pinged
#[tokio::test(start_paused = true)]
async fn any_byte_breaks_the_silence() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    for byte in wire::client(BINARY, &[7; 120]).split_last().unwrap().1 {
        sleep(Duration::from_secs(29)).await;
        peer.send(&[*byte]);
    }
    assert_eq!(peer.output(), b"");
    assert!(!receiving.is_finished());
}

// CL-15, CL-16: data does not put off the close timeout
#[tokio::test(start_paused = true)]
async fn a_close_without_an_answer_is_given_up() {
    for talks in [false, true] {
        let peer = Peer::new();
        let (_sender, receiver) = peer.open(config(|config| config));
        let start = Instant::now();
        let closing = tokio::spawn(receiver.close(CloseCode::NORMAL, "bye"));
        while !closing.is_finished() {
            sleep(Duration::from_millis(500)).await;
            if talks {
                peer.send(&wire::client(TEXT, b"on"));
                peer.send(&wire::client(PING, b"and on"));
            }
        }
        let end = closing.await.unwrap();
        assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
        assert!((10.0..=11.0).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
        assert!(peer.is_closed());
    }
}

// CL-16: nor does a peer that sends without end
#[tokio::test(start_paused = true)]
async fn a_flood_does_not_put_off_the_close_timeout() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    sender.close(CloseCode::NORMAL, "").unwrap();
    peer.flood(&wire::client(TEXT, b"on and on").repeat(10_000));
    let start = Instant::now();
    let receiving = tokio::spawn(async move { receiver.drain().await });
    while !receiving.is_finished() {
        tokio::time::advance(Duration::from_millis(100)).await;
        tokio::task::yield_now().await;
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    let end = receiving.await.unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
}

// L-10: what came in time, while the user was busy, is received first
#[tokio::test(start_paused = true)]
async fn a_user_who_was_busy_finds_what_came_in_time() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"work"));
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "work");
    sender.close(CloseCode::NORMAL, "").unwrap();
    let mut polled = std::pin::pin!(receiver.recv());
    assert!(crate::peer::poll_once(polled.as_mut()).await.is_none());
    peer.send(&wire::client(wire::CLOSE, b"\x03\xe8"));
    peer.end();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(polled.await.unwrap(), None);
}

// HS-02: the opening handshake
#[tokio::test(start_paused = true)]
async fn a_handshake_that_takes_too_long_is_answered_with_408() {
    let peer = Peer::new();
    peer.send(b"GET / HTTP/1.1\r\n");
    let start = Instant::now();
    let accepting = tokio::spawn(sansocket::tokio::accept(peer.stream(), config(|config| config)));
    sleep(Duration::from_millis(10_100)).await;
    assert!(peer.output().starts_with(b"HTTP/1.1 408 "));
    peer.end();
    let end = accepting.await.unwrap().map(|_| ());
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Handshake))), "{end:?}");
    assert!(start.elapsed() < Duration::from_secs(11));
    assert!(peer.is_shut() && peer.is_closed());
}

// the peer's end is waited for, but not for ever
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_end_its_side_is_left() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(wire::CLOSE, b"\x03\xe8"));
    let start = Instant::now();
    assert_eq!(receiver.recv().await.unwrap(), None);
    assert_eq!(start.elapsed().as_secs(), 2);
    assert!(peer.is_shut() && peer.is_closed());
}

// CL-16: a sink closes like a sender
#[tokio::test(start_paused = true)]
async fn the_close_of_a_sink_starts_the_clock() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    futures::SinkExt::<&str>::close(&mut sender.into_sink()).await.unwrap();
    let end = receiving.await.unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

// TA-06: a receiver that moves takes its timer along
#[tokio::test(start_paused = true)]
async fn the_timer_wakes_the_task_that_waits_now() {
    let peer = Peer::new();
    let (sender, receiver) = peer.open(config(|config| config.no_keepalive()));
    peer.take_more(0);
    sender.send("one").await.unwrap();
    let first = tokio::spawn(async move {
        let mut receiver = receiver;
        let wait = tokio::time::timeout(Duration::from_secs(1), receiver.recv()).await.is_err();
        assert!(wait, "the timer is armed");
        receiver
    });
    let mut receiver = first.await.unwrap();
    peer.take_more(usize::MAX);
    let second = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    sleep(Duration::from_secs(9)).await;
    assert_eq!(peer.output(), b"\x81\x03one");
    peer.take_more(0);
    let start = Instant::now();
    peer.send(&wire::client(PING, b"")); // whose answer waits
    let end = second.await.unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

// CL-24: pongs behind our Close end nothing
#[tokio::test(start_paused = true)]
async fn a_pong_that_waits_behind_the_close_is_no_stall() {
    let peer = Peer::new();
    let patient = config(|config| config.close_timeout(Duration::from_secs(100)));
    let (sender, mut receiver) = peer.open(patient);
    sender.close(CloseCode::NORMAL, "").unwrap();
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    sleep(Duration::from_secs(35)).await;
    peer.take_more(0);
    peer.send(&wire::client(PING, b"y"));
    sleep(Duration::from_secs(1)).await;
    assert!(!receiving.is_finished());
    peer.take_more(usize::MAX);
    peer.send(&wire::client(wire::CLOSE, b"\x03\xe8"));
    peer.end();
    receiving.await.unwrap().unwrap();
}

// HS-02: nor does a stream that keeps the answer hold it for ever
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_never_passed_on_is_given_up() {
    let peer = Peer::new();
    peer.buffers(1);
    peer.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    let start = Instant::now();
    let end = sansocket::tokio::accept(peer.stream(), config(|config| config)).await.map(|_| ());
    assert!(matches!(end, Err(Error::Handshake(_))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 30, "the write timeout");
    assert!(peer.is_closed());
}

// IO-08: a keepalive ping that cannot be written
#[tokio::test(start_paused = true)]
async fn a_ping_that_fails_is_told_within_the_linger_time() {
    let peer = Peer::new();
    let (_sender, mut receiver) = peer.open(config(|config| config));
    peer.fail(std::io::ErrorKind::BrokenPipe);
    let start = Instant::now();
    let end = receiver.recv().await.map(|_| ());
    assert!(matches!(end, Err(Error::Io(_))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 32);
}
