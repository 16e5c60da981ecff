//! How the types are shown, and small things that have no place elsewhere.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::FusedStream;
use sansocket::tokio::{Connections, Incoming, Listener, Receiver, Server, Upgrade};
use sansocket::{Config, Event, Prepared};
use tokio::io::AsyncReadExt;

use crate::common::wire::{self, BINARY, PING, TEXT};
use crate::peer::{Peer, Stream, config, poll_once};

const REQUEST: &[u8] = b"GET /secret HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nCookie: token=hunter2\r\n\r\n";

// RE-08: nothing that is shown for logs tells a header, a payload or a key
#[tokio::test(start_paused = true)]
async fn debug_output_tells_no_secrets() {
    let peer = Peer::new();
    peer.send(REQUEST);
    let incoming = Incoming::read(peer.stream(), Config::default()).await.unwrap();
    let mut shown = format!("{incoming:?}");
    let upgrade = incoming.upgrade().await.unwrap();
    let _: &Stream = upgrade.stream();
    shown += &format!("{upgrade:?}");
    let response = upgrade.request().accept();
    let (sender, mut receiver) = upgrade.accept(response).await.unwrap();
    peer.send(&wire::client(TEXT, b"hunter2"));
    assert!(receiver.recv().await.unwrap().is_some());
    shown += &format!("{sender:?} {receiver:?} {:?}", sender.send("hunter2"));
    shown += &format!("{:?} {:?} {:?}", sender.flush(), sender.ready(), receiver.recv());
    let connections = Connections::<Stream>::default();
    shown += &format!("{connections:?} {:?}", connections.permit());
    let (messages, sink) = (receiver.into_stream(), sender.into_sink());
    assert!(!messages.is_terminated());
    shown += &format!("{messages:?} {sink:?}");
    let server = Server::bind("127.0.0.1:0", Config::default()).await.unwrap();
    shown += &format!("{server:?}");
    assert!(shown.contains("Outgoing"));
    for word in ["Upgrade", "Sender", "Receiver", "Receiving", "Sending", "Messages", "Server"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains("dGhlIHNhbXBsZSBub25jZQ"), "{shown}");
}

// HS-14: plain HTTP where there are only WebSockets
#[tokio::test(start_paused = true)]
async fn plain_http_can_be_rejected() {
    let peer = Peer::new();
    peer.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    peer.end();
    let incoming = Incoming::read(peer.stream(), Config::default()).await.unwrap();
    assert!(format!("{incoming:?}").contains("Http"));
    let Incoming::Http(http) = incoming else { panic!() };
    let _: &Stream = http.stream();
    http.reject().await;
    assert!(peer.output().starts_with(b"HTTP/1.1 426 "));
    assert!(peer.is_closed());
}

// TA-05: whoever does not wait writes from where it lies, and what is left of it is queued
#[tokio::test(start_paused = true)]
async fn long_and_prepared_messages_are_tried_too() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    let (long, prepared) = (vec![7; 20_000], Prepared::new("news"));
    sender.try_send_prepared(&prepared).unwrap();
    peer.take_more(5000);
    sender.try_send(&long).unwrap();
    sender.try_send_prepared(&prepared).unwrap();
    assert!(sender.queued() > 0 && poll_once(pin!(sender.ready())).await.is_some());
    peer.take_more(usize::MAX);
    assert!(poll_once(pin!(receiver.recv())).await.is_none());
    let news = wire::server(TEXT, b"news");
    assert_eq!(peer.output(), [&news[..], &wire::server(BINARY, &long), &news].concat());
    peer.send(&wire::client(PING, b"?"));
    assert_eq!(receiver.event().await.unwrap(), Some(Event::Ping(b"?")));
}

/// Fails several times, each in its way, before it has a connection.
struct Failing(std::sync::Mutex<Vec<io::ErrorKind>>, Peer);

impl Listener for Failing {
    type Stream = Stream;
    type Address = u8;

    fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<(Stream, u8)>> {
        let mut kinds = self.0.lock().unwrap();
        match kinds.pop() {
            Some(io::ErrorKind::Other) => Poll::Ready(Ok((self.1.stream(), 7))),
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Pending,
        }
    }
}

// RE-12: failures to accept are waited out
#[tokio::test(start_paused = true)]
async fn failures_to_accept_are_waited_out() {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, Other, OutOfMemory};
    let peer = Peer::new();
    peer.send(REQUEST);
    let kinds = vec![Other, OutOfMemory, Interrupted, ConnectionReset, ConnectionAborted];
    let server = Server::from_listener(Failing(kinds.into(), peer.clone()), Config::default());
    let handle = server.handle();
    let running = tokio::spawn(server.run(|sender, mut receiver: Receiver<Stream>| async move {
        sender.send("hello").await?;
        Ok(receiver.drain().await?)
    }));
    while !peer.output().ends_with(b"\x81\x05hello") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_secs(1)).await, 1);
    assert_eq!(running.await.unwrap(), 1);
}

// CL-21: the end, and an error, within the head
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_within_the_head_is_an_error() {
    for fails in [false, true] {
        let (ours, mut theirs) = tokio::io::duplex(10_000);
        tokio::io::AsyncWriteExt::write_all(&mut theirs, &REQUEST[..30]).await.unwrap();
        match fails {
            false => tokio::io::AsyncWriteExt::shutdown(&mut theirs).await.unwrap(),
            true => tokio::io::AsyncWriteExt::write_all(&mut theirs, b"\n\n").await.unwrap(),
        }
        let reading = tokio::spawn(Upgrade::read(ours, Config::default()));
        let mut answer = vec![];
        theirs.read_to_end(&mut answer).await.unwrap();
        drop(theirs);
        assert!(reading.await.unwrap().is_err());
        assert_eq!(answer.starts_with(b"HTTP/1.1 400 "), fails);
    }
}
