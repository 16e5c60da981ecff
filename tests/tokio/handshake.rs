//! The opening handshake, from both sides.

use std::io::ErrorKind;

use sansocket::handshake::client::{self, Request};
use sansocket::handshake::{HandshakeError, Response, ResponseError};
use sansocket::tokio::{Incoming, Upgrade, accept, connect};
use sansocket::{Config, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::common::wire::{self, TEXT};
use crate::peer::{Peer, config};

const REQUEST: &[u8] = b"GET /chat?x=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, other\r\n\r\n";

/// A client that says this and ends its side, and hears the rest.
async fn ask(bytes: &[u8], serve: impl AsyncFnOnce(DuplexStream)) -> String {
    let (ours, mut theirs) = tokio::io::duplex(100_000);
    theirs.write_all(bytes).await.unwrap();
    theirs.shutdown().await.unwrap();
    serve(ours).await;
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).await.unwrap();
    answer
}

// HS-33: the first frames may come with the request
#[tokio::test]
async fn frames_behind_the_request_are_received() {
    let peer = Peer::new();
    peer.drip();
    peer.send(REQUEST);
    peer.send(&wire::client(TEXT, b"in a hurry"));
    let (_sender, mut receiver) = accept(peer.stream(), Config::default()).await.unwrap();
    assert_eq!(receiver.request().unwrap().path(), "/chat");
    assert!(peer.output().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    assert!(peer.output().ends_with(b"\r\n\r\n"));
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "in a hurry");
    assert!(receiver.take_request().is_none(), "it has waited since");
}

// look, decide, answer
#[tokio::test]
async fn a_request_is_looked_at_before_it_is_answered() {
    let answer = ask(REQUEST, async |stream| {
        let upgrade = Upgrade::read(stream, Config::default()).await.unwrap();
        let response = upgrade.request().accept().subprotocol("other").unwrap();
        let (_sender, mut receiver) = upgrade.accept(response).await.unwrap();
        assert!(receiver.take_request().is_some() && receiver.request().is_none());
        assert!(receiver.recv().await.is_err());
    })
    .await;
    assert!(answer.contains("Sec-WebSocket-Protocol: other\r\n"), "{answer}");
    let answer = ask(REQUEST, async |stream| {
        let upgrade = Upgrade::read(stream, Config::default()).await.unwrap();
        let response = upgrade.request().reject(404).unwrap();
        upgrade.reject(response).await.unwrap();
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

// TA-08: whoever answers with the wrong thing, or not at all, answers with 500
#[tokio::test]
async fn a_request_without_an_answer_gets_500() {
    let answer = ask(REQUEST, async |stream| {
        drop(Upgrade::read(stream, Config::default()).await.unwrap());
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let answer = ask(REQUEST, async |stream| {
        let upgrade = Upgrade::read(stream, Config::default()).await.unwrap();
        let wrong = upgrade.accept(Response::new(404).unwrap()).await.map(|_| ());
        assert!(matches!(wrong, Err(Error::Response(ResponseError::WrongKind))), "{wrong:?}");
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

// HS-14: plain HTTP on the same port
#[tokio::test]
async fn plain_http_is_answered_or_refused() {
    let plain = b"GET /page HTTP/1.1\r\nHost: example.com\r\n\r\nbody";
    let answer = ask(plain, async |stream| {
        let refused = accept(stream, Config::default()).await.map(|_| ());
        assert!(matches!(refused, Err(Error::Handshake(HandshakeError::Upgrade))), "{refused:?}");
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let answer =
        ask(plain, async |stream| match Incoming::read(stream, Config::default()).await.unwrap() {
            Incoming::Http(http) => {
                assert_eq!(http.head().path(), "/page");
                let page = Response::new(200).unwrap().body("text/plain", "hello").unwrap();
                http.respond(page).await.unwrap();
            }
            Incoming::Upgrade(_) => panic!(),
        })
        .await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    ask(plain, async |stream| {
        let Incoming::Http(http) = Incoming::read(stream, Config::default()).await.unwrap() else {
            panic!();
        };
        let (_stream, head, rest) = http.into_parts();
        assert_eq!((head.path(), rest.unread()), ("/page", &b"body"[..]));
    })
    .await;
}

// HS-30: refusals are written, whatever the peer still sends
#[tokio::test]
async fn a_malformed_request_is_answered() {
    let answer = ask(b"GET / HTTP/1.1\nHost: x\r\n\r\nmore", async |stream| {
        assert!(accept(stream, Config::default()).await.is_err());
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

// TA-12: the client's side
#[tokio::test]
async fn a_client_connects_and_is_refused() {
    let request = Request::new("ws://example.com/chat").unwrap().subprotocol("chat").unwrap();
    let (ours, theirs) = tokio::io::duplex(10_000);
    let (server, client) = tokio::join!(
        async {
            let upgrade = Upgrade::read(ours, Config::default()).await?;
            let response = upgrade.request().accept().subprotocol("chat")?;
            upgrade.accept(response).await
        },
        connect(theirs, &request, Config::default())
    );
    let (sender, _receiver) = server.unwrap();
    let (_client, mut receiver, response) = client.unwrap();
    assert_eq!(response.subprotocol(), Some("chat"));
    sender.send("welcome").await.unwrap();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "welcome");

    let (mut ours, theirs) = tokio::io::duplex(10_000);
    ours.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
    let refused = connect(theirs, &request, Config::default()).await.map(|_| ());
    let status = match refused {
        Err(Error::Connect(client::Error::Refused { status, .. })) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status, 404);
}

// V66: not in the clear
#[tokio::test]
async fn a_secure_request_does_not_go_out_over_a_plain_socket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = Request::new("wss://example.com/").unwrap();
    let refused = connect(stream, &request, Config::default()).await.map(|_| ());
    assert!(matches!(refused, Err(Error::Connect(client::Error::Insecure))), "{refused:?}");
    let mut heard = vec![];
    listener.accept().await.unwrap().0.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"");
    #[cfg(unix)]
    {
        let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let refused = connect(ours, &request, Config::default()).await.map(|_| ());
        assert!(matches!(refused, Err(Error::Connect(client::Error::Insecure))), "{refused:?}");
        theirs.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"");
    }
    // A stream of some other kind is TLS, for all we know.
    let peer = Peer::new();
    peer.end();
    let end = connect(peer.stream(), &request, config(|config| config)).await.map(|_| ());
    assert!(matches!(end, Err(Error::Disconnected(_))), "{end:?}");
    assert!(peer.output().starts_with(b"GET / HTTP/1.1\r\n"));
}

// CL-21, IO-15: within the head there is nothing to be answered, behind a refusal there is
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_ends_the_handshake() {
    let peer = Peer::new();
    peer.send(&REQUEST[..30]);
    peer.fail_reads(ErrorKind::ConnectionReset);
    match accept(peer.stream(), Config::default()).await.map(|_| ()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        other => panic!("{other:?}"),
    }
    assert!(peer.is_closed() && peer.output().is_empty());

    // A refusal has arrived, if not all of its body.
    let peer = Peer::new();
    peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nwro");
    peer.fail_reads(ErrorKind::ConnectionReset);
    let request = Request::new("ws://example.com/").unwrap();
    match connect(peer.stream(), &request, Config::default()).await.map(|_| ()) {
        Err(Error::Connect(client::Error::Refused { status: 403, body, .. })) => {
            assert_eq!(*body, *b"wro");
        }
        other => panic!("{other:?}"),
    }
}
