//! How connections under hyper end.

use std::time::Duration;

use sansocket::Config;
use sansocket::tokio::Connections;

use crate::client::{Client, request};
use crate::host::{HTTP_1, Host, start, start_with};
use crate::{PATIENCE, run, wire};

#[test]
fn closes_are_answered() {
    run(async {
        for host in HTTP_1 {
            let mut server = start(host).await;
            let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
            client.send(wire::CLOSE, &wire::body(4000, "done")).await;
            assert_eq!(client.frame().await, wire::plain(wire::CLOSE, &wire::body(4000, "done")));
            client.ended().await;
            drop(client);
            server.log.recv().await.unwrap();
            let end = server.log.recv().await.unwrap();
            assert!(end.contains("4000"), "{end}");
        }
    });
}

#[test]
fn the_code_says_how_the_handler_ended() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            for path in ["/ws", "/alone"] {
                for (text, code, reason) in [
                    ("return", 1000, ""),
                    ("fail", 1011, ""),
                    ("panic", 1011, ""),
                    ("close", 4001, "bye"),
                ] {
                    let (mut client, _) = Client::open(server.address, path, &[]).await;
                    client.send(wire::TEXT, text.as_bytes()).await;
                    client.closed_with(code, reason).await;
                }
            }
        }
    });
}

#[test]
fn faults_are_answered() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
            client.write(&wire::server(wire::TEXT, b"bare")).await;
            client.closed_with(1002, "").await;
        }
    });
}

#[test]
fn a_stop_tells_everybody() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let mut clients = vec![];
            for _ in 0..3 {
                let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
                client.echo("Hello").await;
                clients.push(client);
            }
            assert_eq!(server.connections.count(), 3);
            let connections = server.connections.clone();
            let stopping =
                tokio::spawn(async move { connections.stop(Duration::ZERO, PATIENCE).await });
            for client in &mut clients {
                client.closed_with(1001, "").await;
            }
            drop(clients);
            assert_eq!(stopping.await.unwrap(), 0);
            assert_eq!(server.connections.count(), 0);
            let mut late = Client::connect(server.address).await;
            let head = late.ask(request("/ws", &[]).as_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        }
    });
}

#[test]
fn a_stop_gives_up_who_does_not_answer() {
    run(async {
        let server = start(Host::Axum).await;
        let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
        client.echo("Hello").await;
        assert_eq!(server.connections.stop(Duration::ZERO, Duration::from_millis(50)).await, 1);
        assert_eq!(client.frame().await, wire::plain(wire::CLOSE, &wire::body(1001, "")));
    });
}

#[test]
fn a_stop_gives_up_what_never_opens() {
    run(async {
        let server = start(Host::Http1).await;
        let mut client = Client::connect(server.address).await;
        client.write(request("/withheld", &[]).as_bytes()).await;
        while server.connections.count() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.connections.stop(Duration::ZERO, Duration::from_millis(50)).await, 1);
        while server.connections.count() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_full_server_says_so() {
    run(async {
        for host in HTTP_1 {
            let connections = Connections::new().max_connections(1);
            let server = start_with(host, Config::default(), connections).await;
            let (mut first, _) = Client::open(server.address, "/ws", &[]).await;
            let mut second = Client::connect(server.address).await;
            let head = second.ask(request("/ws", &[]).as_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            assert!(head.contains("\r\nretry-after: 10\r\n"), "{head}");
            first.send(wire::TEXT, b"return").await;
            first.closed_with(1000, "").await;
            drop(first);
            while server.connections.count() > 0 {
                tokio::task::yield_now().await;
            }
            Client::open(server.address, "/ws", &[]).await.0.echo("Hello").await;
        }
    });
}

#[test]
fn a_permit_is_given_back_by_who_never_opens() {
    run(async {
        let server = start(Host::WithoutUpgrades).await;
        let mut client = Client::connect(server.address).await;
        client.ask(request("/ws", &[]).as_bytes()).await;
        while server.connections.count() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
