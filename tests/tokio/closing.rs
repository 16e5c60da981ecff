//! How a connection ends.

use sansocket::{CloseCode, Disconnected, Error, ProtocolError, SendError};

use crate::common::wire::{self, CLOSE, TEXT};
use crate::peer::{Peer, config};

//
#[tokio::test(start_paused = true)]
async fn a_close_is_answered_and_said_the_same_whenever_asked() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"last"));
    peer.send(&wire::client(CLOSE, &wire::body(1001, "away")));
    peer.end();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "last");
    for _ in 0..2 {
        assert_eq!(receiver.recv().await.unwrap(), None);
        assert_eq!(receiver.event().await.unwrap(), None);
    }
    assert_eq!(peer.output(), wire::server(CLOSE, &wire::body(1001, "away")));
    let close = receiver.close_frame().unwrap();
    assert_eq!((close.code, close.reason), (Some(CloseCode::GOING_AWAY), "away"));
    assert!(peer.is_closed());
    assert!(matches!(sender.send("more").await, Err(Error::Send(SendError::Closed))));
    sender.close(CloseCode::NORMAL, "").unwrap();
}

// TA-03: what was fed goes out in front of the Close
#[tokio::test(start_paused = true)]
async fn a_close_comes_behind_what_was_fed() {
    let peer = Peer::new();
    let (sender, receiver) = peer.open(config(|config| config));
    sender.feed("one").await.unwrap();
    let closing = tokio::spawn(receiver.close(CloseCode::GOING_AWAY, ""));
    peer.expect(b"\x81\x03one\x88\x02\x03\xe9").await;
    peer.send(&wire::client(TEXT, b"crossing"));
    peer.send(&wire::client(CLOSE, b"\x03\xe9"));
    peer.end();
    closing.await.unwrap().unwrap();
    assert!(peer.is_shut() && peer.is_closed());
}

// 1010 is the client's
#[tokio::test]
async fn a_server_does_not_close_with_1010() {
    let peer = Peer::new();
    let (sender, receiver) = peer.open(config(|config| config));
    let code = CloseCode::MANDATORY_EXTENSION;
    assert_eq!(sender.close(code, ""), Err(SendError::ClientOnlyCode));
    let end = receiver.close(code, "").await;
    assert!(matches!(end, Err(Error::Send(SendError::ClientOnlyCode))), "{end:?}");
}

// the error comes when the answer is written and the peer had time to read it
#[tokio::test(start_paused = true)]
async fn a_fault_is_answered_before_it_is_reported() {
    for (bytes, code, error) in [
        (wire::server(TEXT, b"plain"), 1002, ProtocolError::Unmasked),
        (wire::client(TEXT, b"\xff"), 1007, ProtocolError::InvalidText),
        (wire::client(CLOSE, b"\x03"), 1002, ProtocolError::TruncatedCloseCode),
    ] {
        for by_stream in [false, true] {
            let peer = Peer::new();
            let (_sender, mut receiver) = peer.open(config(|config| config));
            peer.send(&wire::client(TEXT, b"well"));
            peer.send(&bytes);
            assert_eq!(receiver.recv().await.unwrap().unwrap(), "well");
            let start = tokio::time::Instant::now();
            let end = match by_stream {
                false => receiver.recv().await.map(|_| ()).unwrap_err(),
                true => futures::StreamExt::next(&mut receiver.into_stream())
                    .await
                    .unwrap()
                    .map(|_| ())
                    .unwrap_err(),
            };
            assert!(matches!(end, Error::Protocol(found) if found == error), "{end:?}");
            assert_eq!(peer.output(), wire::failure(code));
            assert!(peer.is_shut() && peer.is_closed());
            assert_eq!(start.elapsed().as_secs(), 2, "the linger time");
        }
    }
}

// no Close
#[tokio::test]
async fn an_end_without_a_close_is_an_error() {
    for (bytes, mid_message) in [(vec![], false), (vec![0x81], true)] {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open(config(|config| config));
        peer.send(&bytes);
        peer.end();
        for _ in 0..2 {
            let end = receiver.recv().await.map(|_| ());
            let Err(Error::Disconnected(Disconnected { mid_message: is_mid, .. })) = end else {
                panic!("{end:?}");
            };
            assert_eq!(is_mid, mid_message);
        }
        assert!(peer.is_closed());
        assert!(sender.send("more").await.is_err());
    }
}

// CL-26: the socket is the receiver's, and who waits is told
#[tokio::test(start_paused = true)]
async fn dropping_the_receiver_closes_the_socket_whatever_senders_there_are() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, receiver) = peer.open(config(|config| config.max_queue(400)));
    sender.send(&[1; 110]).await.unwrap();
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send("room?").await }
    });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    drop(receiver);
    assert!(peer.is_closed());
    assert!(matches!(waiting.await.unwrap(), Err(Error::Send(SendError::Closed))));
    assert_eq!(start.elapsed().as_secs(), 0);
    assert_eq!(sender.try_send("more"), Err(SendError::Closed));
    assert_eq!(sender.queued(), 0);
}

// CL-26
#[tokio::test]
async fn an_abort_ends_everything_at_once() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move {
        let end = receiver.recv().await.map(|_| ());
        (end, receiver.with_stream(|_| ()))
    });
    tokio::task::yield_now().await;
    sender.abort();
    sender.abort();
    assert!(peer.is_closed());
    let (end, stream) = receiving.await.unwrap();
    assert!(matches!(end, Err(Error::Disconnected(_))), "{end:?}");
    assert_eq!(stream, None);
    assert_eq!(sender.ping(b""), Err(SendError::Closed));
}

// TA-12: both ends of one connection are told apart from others
#[tokio::test]
async fn senders_know_their_connection() {
    let (one, other) = (Peer::new(), Peer::new());
    let (sender, _receiver) = one.open(config(|config| config));
    let (stranger, _other_receiver) = other.open(config(|config| config));
    assert!(sender.same_connection(&sender.clone()) && !sender.same_connection(&stranger));
}

// TA-08, CL-26: a connection whose end is given up is closed, whoever keeps a sender
#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_while_it_finishes_closes_the_socket() {
    let connections = sansocket::tokio::Connections::new();
    let permit = connections.permit().unwrap();
    let peer = Peer::new();
    let (sender, receiver) = peer.open(config(|config| config));
    let audience = sender.clone();
    {
        let mut running = Box::pin(permit.run(sender, receiver, |_, _| async { Ok(()) }));
        assert!(crate::peer::poll_once(running.as_mut()).await.is_none(), "it lingers");
    }
    assert_eq!(connections.count(), 0);
    assert!(peer.is_closed());
    assert_eq!(audience.try_send("more"), Err(SendError::Closed));
}

// TA-05: who waits for room is told that there will be none
#[tokio::test(start_paused = true)]
async fn a_close_is_told_to_who_waits_for_room() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    tokio::spawn(async move { receiver.drain().await });
    sender.send(&[1; 110]).await.unwrap();
    let other = sender.clone();
    let waiting = tokio::spawn(async move { other.send("room?").await });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(Error::Send(SendError::Closed))));
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// A stream that looks at its connection when it is dropped.
struct Looking(
    crate::peer::Stream,
    std::sync::Arc<std::sync::OnceLock<sansocket::tokio::Sender<Self>>>,
);

impl Drop for Looking {
    fn drop(&mut self) {
        if let Some(sender) = self.1.get() {
            let _ = sender.queued();
        }
    }
}

impl tokio::io::AsyncRead for Looking {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        space: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, space)
    }
}

impl tokio::io::AsyncWrite for Looking {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

// RE-12: a stream is not dropped while the connection is locked
#[test]
fn a_stream_may_look_at_its_connection_when_it_is_dropped() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for fails in [false, true] {
                let (peer, place) = (Peer::new(), std::sync::Arc::default());
                let stream = Looking(peer.stream(), std::sync::Arc::clone(&place));
                let opened = sansocket::tokio::open(
                    stream,
                    sansocket::Buffer::new(),
                    config(|config| config),
                );
                let (sender, mut receiver) = opened;
                place.set(sender.clone()).unwrap();
                peer.end();
                if fails {
                    peer.fail(std::io::ErrorKind::BrokenPipe);
                    assert!(sender.send("lost").await.is_err());
                }
                assert!(receiver.recv().await.is_err());
            }
        });
        tell.send(()).unwrap();
    });
    told.recv_timeout(std::time::Duration::from_secs(20)).expect("a deadlock");
}
