//! `Stream` and `Sink`.

use futures::{SinkExt, StreamExt, TryStreamExt};
use sansocket::{Error, OwnedMessage};

use crate::common::wire::{self, BINARY, CLOSE, TEXT};
use crate::peer::{Peer, config};

// TA-12: an echo in one line
#[tokio::test(start_paused = true)]
async fn a_stream_is_forwarded_to_a_sink() {
    let peer = Peer::new();
    peer.drip();
    let (sender, receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"one"));
    peer.send(&wire::client(BINARY, &[7; 9000]));
    peer.send(&wire::client(CLOSE, b"\x03\xe8"));
    peer.end();
    receiver.into_stream().forward(sender.into_sink()).await.unwrap();
    let wanted =
        [wire::server(TEXT, b"one"), wire::server(BINARY, &[7; 9000]), wire::failure(1000)];
    assert_eq!(peer.output(), wanted.concat());
}

// TA-12: it ends once
#[tokio::test(start_paused = true)]
async fn a_stream_ends_after_its_error() {
    let peer = Peer::new();
    let (_sender, receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"one"));
    peer.end();
    let mut messages = receiver.into_stream();
    assert_eq!(messages.try_next().await.unwrap(), Some(OwnedMessage::from("one")));
    assert!(matches!(messages.next().await, Some(Err(Error::Disconnected(_)))));
    assert!(messages.next().await.is_none() && messages.next().await.is_none());
    assert!(messages.into_inner().is_none());
}

// TA-12: a sink waits for the peer
#[tokio::test(start_paused = true)]
async fn a_sink_waits_for_room_and_closes() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    let other = sender.clone();
    let sending = tokio::spawn(async move {
        let mut sink = sender.into_sink();
        for i in 0..10u8 {
            sink.send(vec![i; 60]).await?;
        }
        SinkExt::<Vec<u8>>::close(&mut sink).await
    });
    tokio::spawn(async move { receiver.drain().await });
    tokio::task::yield_now().await;
    assert!(other.queued() > 0 && !sending.is_finished());
    peer.take_more(usize::MAX);
    sending.await.unwrap().unwrap();
    let frames = wire::parse(&peer.output());
    assert_eq!(frames.len(), 11);
    assert_eq!(frames[10].first, CLOSE);
}

// TA-12: a stream gives its receiver back
#[tokio::test]
async fn a_stream_is_a_receiver_again() {
    let peer = Peer::new();
    let (_sender, receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"one"));
    let mut receiver = receiver.into_stream().into_inner().unwrap();
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "one");
}
