//! Both ends over streams, in tasks of tokio.

use sansocket::handshake::{Acceptor, Incoming, client};
use sansocket::tokio::{accept, connect, open_connection};
use sansocket::{Buffer, CloseCode, Compression, Prepared};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::rng::Rng;
use crate::peer::{configured, json};

// D-09: all ways to send
#[tokio::test]
async fn messages_of_tasks_are_compressed() {
    let compression = Compression::new();
    let config = configured(compression.clone());
    let (near, far) = tokio::io::duplex(1000);
    let accepted = {
        let config = config.clone();
        tokio::spawn(async move {
            let (sender, mut receiver) = accept(far, config).await.unwrap();
            while let Some(message) = receiver.recv().await.unwrap() {
                sender.send(message).await.unwrap();
            }
        })
    };
    let request = client::Request::new("ws://example.com/").unwrap();
    let (sender, mut receiver, response) = connect(near, &request, &config).await.unwrap();
    let answer = response.header("Sec-WebSocket-Extensions");
    assert_eq!(answer, Some(&b"permessage-deflate; client_no_context_takeover"[..]));
    let mut rng = Rng::new(1);
    for i in 0..200 {
        let text = json(&mut rng, 20 + 60 * i);
        let prepared = Prepared::compressed(&text, &compression);
        match rng.below(7) {
            0 => sender.feed(&text).await.unwrap(),
            1 => sender.feed_plain(&text).await.unwrap(),
            2 => sender.send_plain(&text).await.unwrap(),
            3 => sender.send_prepared(&prepared).await.unwrap(),
            4 => sender.feed_prepared(&prepared).await.unwrap(),
            5 => sender.try_send(&text).unwrap(),
            _ => sender.send(&text).await.unwrap(),
        }
        assert_eq!(receiver.recv().await.unwrap().unwrap().as_text(), Some(&*text));
    }
    sender.close(CloseCode::NORMAL, "").unwrap();
    receiver.drain().await.unwrap();
    accepted.await.unwrap();
}

// A `feed` that waits in a queue, and a send that was dropped before its first poll: the history is that of what is sent
#[tokio::test]
async fn a_send_that_is_dropped_leaves_the_history_as_it_was() {
    let config = configured(Compression::default());
    let (near, far) = tokio::io::duplex(1 << 20);
    let request = client::Request::new("ws://example.com/").unwrap();
    let (accepted, connected) =
        tokio::join!(accept(far, &config), connect(near, &request, &config));
    let (server, _server_in) = accepted.unwrap();
    let (_client, mut client_in, _) = connected.unwrap();
    let mut rng = Rng::new(2);
    for _ in 0..50 {
        let (dropped, sent) = (json(&mut rng, 500), json(&mut rng, 500));
        drop(server.send(&dropped)); // V52, AS-04
        server.send(&sent).await.unwrap();
        assert_eq!(client_in.recv().await.unwrap().unwrap().as_text(), Some(&*sent));
    }
}

// An HTTP server of somebody else's: the connection is opened from the response
#[tokio::test]
async fn a_connection_that_was_opened_elsewhere_knows_the_agreement() {
    let config = configured(Compression::new());
    let (near, mut far) = tokio::io::duplex(1000);
    let accepting = {
        let config = config.clone();
        tokio::spawn(async move {
            let (mut acceptor, mut input) = (Acceptor::new(&config), Buffer::new());
            let request = loop {
                input.extend(&[far.read_u8().await.unwrap()]);
                if let Some(Incoming::Upgrade(request)) = acceptor.next(&mut input).unwrap() {
                    break request;
                }
            };
            let response = request.accept();
            far.write_all(&response.to_bytes()).await.unwrap();
            let connection = response.open(&config).unwrap();
            let (sender, mut receiver) = open_connection(far, connection, input, &config);
            while let Some(message) = receiver.recv().await.unwrap() {
                sender.send(message).await.unwrap();
            }
        })
    };
    let request = client::Request::new("ws://example.com/").unwrap();
    let (sender, mut receiver, _) = connect(near, &request, &config).await.unwrap();
    let text = "Hello, ".repeat(100);
    for _ in 0..10 {
        sender.send(&text).await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap().as_text(), Some(&*text));
    }
    sender.close(CloseCode::NORMAL, "").unwrap();
    receiver.drain().await.unwrap();
    accepting.await.unwrap();
}
