//! The upgrade of HTTP/1.1 under hyper, hyper-util and axum.

use sansocket::Config;
use sansocket::tokio::Connections;

use crate::client::{Client, request};
use crate::host::{HTTP_1, Host, start, start_with};
use crate::{run, wire};

#[test]
fn messages_are_echoed() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            for path in ["/ws", "/two", "/alone"] {
                let (mut client, head) = Client::open(server.address, path, &[]).await;
                assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
                assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
                let accept = "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
                assert!(head.contains(accept), "{head}");
                assert!(!head.contains("sec-websocket-protocol"), "{head}");
                client.echo("Hello").await;
                client.echo(&"x".repeat(300_000)).await;
                client.send(wire::PING, b"?").await;
                assert_eq!(client.frame().await, wire::plain(wire::PONG, b"?"));
            }
        }
    });
}

#[test]
fn a_subprotocol_is_agreed_to() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let offer = "Sec-WebSocket-Protocol: chat, superchat";
            let (mut client, head) = Client::open(server.address, "/ws", &[offer]).await;
            assert!(head.contains("\r\nsec-websocket-protocol: chat\r\n"), "{head}");
            client.echo("Hello").await;
        }
    });
}

#[test]
fn the_socket_is_recovered() {
    run(async {
        for host in [Host::Http1, Host::Auto, Host::Axum] {
            for nodelay in [true, false] {
                let config = Config::builder().nodelay(nodelay).build().unwrap();
                let mut server = start_with(host, config, Connections::new()).await;
                let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
                client.echo("Hello").await;
                let below = server.log.recv().await.unwrap();
                assert_eq!(below, format!("tcp, nodelay {nodelay}"), "{host:?}");
            }
        }
    });
}

#[test]
fn another_stream_is_used_as_it_is() {
    run(async {
        let mut server = start(Host::Buffered).await;
        let (mut client, _) = Client::open(server.address, "/ws", &[]).await;
        client.echo("Hello").await;
        assert_eq!(server.log.recv().await.unwrap(), "other");
    });
}

#[test]
fn frames_behind_the_head_are_not_lost() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let mut client = Client::connect(server.address).await;
            let early = wire::client(wire::TEXT, b"early");
            let first = [request("/ws", &[]).as_bytes(), &early, &early[..4]].concat();
            let head = client.ask(&first).await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
            client.write(&early[4..]).await;
            for _ in 0..2 {
                assert_eq!(client.frame().await, wire::plain(wire::TEXT, b"early"), "{host:?}");
            }
        }
    });
}

#[test]
fn refusals_are_answered() {
    let without = |name: &str| {
        let request = request("/ws", &[]);
        let lines = request.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with(name)).collect::<String>()
    };
    let version = request("/ws", &[]).replace("Version: 13", "Version: 12");
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            for (request, status, header) in [
                (request("/ws", &["Origin: http://evil.example"]), "403", ""),
                (without("Upgrade"), "426", "upgrade: websocket"),
                (version.clone(), "426", "sec-websocket-version: 13"),
                (without("Sec-WebSocket-Key"), "400", ""),
                (without("Connection"), "400", ""),
                (request("/twice", &[]), "500", ""),
                (request("/gone", &[]), "410", ""),
                (request("/wrong", &[]), "500", ""),
                (request("/open", &[]), "500", ""),
            ] {
                let mut client = Client::connect(server.address).await;
                let head = client.ask(request.as_bytes()).await;
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{host:?} {head}");
                assert!(head.contains(&format!("\r\n{header}")), "{head}");
                assert!(head.contains("\r\ncontent-length: "), "{head}");
            }
        }
    });
}

#[test]
fn the_connection_goes_on_after_a_refusal() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let mut client = Client::connect(server.address).await;
            let head = client.ask(request("/gone", &[]).as_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 410 "), "{head}");
            let head = client.ask(request("/ws", &[]).as_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 101 "), "{host:?} {head}");
            client.echo("Hello").await;
        }
    });
}

#[test]
fn a_page_may_be_at_the_same_path() {
    run(async {
        for host in HTTP_1 {
            let server = start(host).await;
            let mut client = Client::connect(server.address).await;
            let page = "GET /both HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
            let head = client.ask(page.as_bytes()).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert_eq!(client.rest().await, "<p>page");
            let (mut client, _) = Client::open(server.address, "/both", &[]).await;
            client.echo("Hello").await;
        }
    });
}

#[test]
fn a_server_without_upgrades_is_an_error_of_the_opening() {
    run(async {
        let mut server = start(Host::WithoutUpgrades).await;
        let mut client = Client::connect(server.address).await;
        client.ask(request("/two", &[]).as_bytes()).await;
        let end = server.log.recv().await.unwrap();
        assert!(end.contains("NotUpgradable"), "{end}");
    });
}

#[test]
fn a_client_that_leaves_before_its_answer_is_an_error_of_the_opening() {
    run(async {
        for host in [Host::Http1, Host::Auto] {
            let mut server = start(host).await;
            let mut client = Client::connect(server.address).await;
            client.write(request("/withheld/two", &[]).as_bytes()).await;
            drop(client);
            let end = server.log.recv().await.unwrap();
            assert!(end.contains("ConnectionAborted"), "{host:?} {end}");
        }
    });
}

// RE-08: and a connection opens once
#[test]
fn an_upgrade_is_shown_without_secrets() {
    run(async {
        let mut server = start(Host::Http1).await;
        let cookie = "Cookie: token=hunter2";
        let (_client, _) = Client::open(server.address, "/shown", &[cookie]).await;
        let mut shown = vec![];
        for _ in 0..4 {
            shown.push(server.log.recv().await.unwrap());
        }
        assert!(shown[0].starts_with("Upgrade { request: Request {"), "{shown:?}");
        assert!(!shown[0].contains("hunter2") && !shown[0].contains("dGhlIHNhbXBsZSBub25jZQ"));
        assert_eq!(shown[1], "Opening { .. }");
        assert!(shown[2].contains("Stream { tcp: Some(") && shown[2].contains("127.0.0.1"));
        assert!(shown[3].contains("NotUpgradable"), "{shown:?}");
    });
}

// D-09
#[cfg(feature = "deflate")]
#[test]
fn messages_are_compressed_in_http_1_1() {
    run(async {
        for host in HTTP_1 {
            let running = start_with(host, crate::compressed(), Connections::new()).await;
            let offer = ["Sec-WebSocket-Extensions: permessage-deflate"];
            let (mut client, head) = Client::open(running.address, "/ws", &offer).await;
            let answer =
                "sec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n";
            assert!(head.contains(answer), "{head}");
            for _ in 0..3 {
                client.send(0xc1, crate::HELLO).await;
                assert_eq!(client.frame().await, wire::plain(wire::TEXT, b"Hello"));
                client.send(wire::TEXT, &[b'x'; 1000]).await;
                let frame = client.frame().await;
                assert!(frame.first == 0xc1 && frame.payload.len() < 50, "{frame:?}");
            }
        }
    });
}
