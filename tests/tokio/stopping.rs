//! How servers stop, whatever they serve.

use std::net::SocketAddr;
use std::time::Duration;

use sansocket::Config;
use sansocket::tokio::{Incoming, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::wire::{self, CLOSE};
use crate::server::{PATIENCE, REQUEST};

async fn server() -> (Server, SocketAddr) {
    let server = Server::bind("127.0.0.1:0", Config::default()).await.unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

async fn open(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client
}

/// Answers the Close of a stop.
async fn leave(mut client: TcpStream) {
    let mut close = [0; 4];
    client.read_exact(&mut close).await.unwrap();
    assert_eq!(close, *b"\x88\x02\x03\xe9");
    client.write_all(&wire::client(CLOSE, b"\x03\xe9")).await.unwrap();
    let _ = client.read_to_end(&mut vec![]).await;
}

// TA-09: handlers of requests as those of connections, without a deadline as with one
#[tokio::test]
async fn servers_of_requests_stop() {
    for (deadline, pages) in [(PATIENCE, false), (Duration::MAX, true)] {
        let (server, address) = server().await;
        let handle = server.handle();
        let serve = |incoming: Incoming<TcpStream>| async move {
            let upgrade = incoming.upgrade().await?;
            let response = upgrade.request().accept();
            let (_sender, mut receiver) = upgrade.accept(response).await?;
            Ok(receiver.drain().await?)
        };
        let running = match pages {
            true => tokio::spawn(server.run_http(serve)),
            false => {
                tokio::spawn(server.run_upgrades(move |upgrade| serve(Incoming::Upgrade(upgrade))))
            }
        };
        let clients = [open(address).await, open(address).await];
        let stopping = tokio::spawn(async move { handle.stop(Duration::ZERO, deadline).await });
        for client in clients {
            leave(client).await;
        }
        assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
        assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), 0);
    }
}

// TA-09: those whose turn comes after the deadline are cut off without a Close
#[tokio::test]
async fn a_stop_that_is_spread_for_too_long_has_its_deadline() {
    let (server, address) = server().await;
    let handle = server.handle();
    let running =
        tokio::spawn(server.run(|_, mut receiver| async move { Ok(receiver.drain().await?) }));
    let mut clients = vec![];
    for _ in 0..3 {
        clients.push(open(address).await);
    }
    let stop = handle.stop(Duration::from_secs(3600), Duration::from_millis(50));
    assert_eq!(timeout(PATIENCE, stop).await.unwrap(), 3);
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), 3);
    let mut told = 0;
    for mut client in clients {
        let mut rest = vec![];
        let _ = timeout(PATIENCE, client.read_to_end(&mut rest)).await.unwrap();
        told += usize::from(!rest.is_empty());
    }
    assert!(told <= 1, "{told} were told at once");
}

// V86: places among those that are told are given back
#[tokio::test]
async fn refusals_one_after_the_other_are_all_told() {
    let (server, address) = server().await;
    let server = server.max_connections(0).on_error(|_, _| ());
    tokio::spawn(server.run(|_, _| async { Ok(()) }));
    for n in 0..40 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = vec![];
        timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{n}");
    }
}
