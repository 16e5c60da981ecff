//! Extended CONNECT (RFC 8441) under hyper-util and axum.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Version};
use sansocket::handshake::HandshakeError;
#[cfg(feature = "deflate")]
use sansocket::tokio::Connections;
use tokio::net::TcpStream;

use crate::host::{HTTP_2, start, start_with};
use crate::wire::{self, Frame};
use crate::{PATIENCE, run};

/// A connection of HTTP/2, once the server has said that it takes extended CONNECTs.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut requests = requests.ready().await.unwrap();
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
        requests = requests.ready().await.unwrap();
    }
    requests
}

/// A WebSocket, which is one stream.
struct Socket {
    output: SendStream<Bytes>,
    body: RecvStream,
    input: Vec<u8>,
}

fn request(path: &str, protocol: &'static str) -> http::request::Builder {
    http::Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("http://example.com{path}"))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
}

async fn ask(
    requests: &SendRequest<Bytes>,
    request: http::request::Builder,
) -> (http::Response<()>, Socket) {
    let mut ready = requests.clone().ready().await.unwrap();
    let (response, output) = ready.send_request(request.body(()).unwrap(), false).unwrap();
    let (parts, body) = response.await.unwrap().into_parts();
    (http::Response::from_parts(parts, ()), Socket { output, body, input: Vec::new() })
}

async fn open(requests: &SendRequest<Bytes>, path: &str) -> Socket {
    let (response, socket) = ask(requests, request(path, "websocket")).await;
    assert_eq!(response.status(), 200);
    socket
}

impl Socket {
    fn send(&mut self, first: u8, payload: &[u8]) {
        self.output.send_data(wire::client(first, payload).into(), false).unwrap();
    }

    async fn frame(&mut self) -> Frame {
        loop {
            let (frames, rest) = wire::parse_front(&self.input);
            if let [frame] = &frames[..] {
                let frame = frame.clone();
                self.input = rest.to_vec();
                return frame;
            }
            assert_eq!(frames.len(), 0, "they come one by one");
            assert!(self.read().await, "the stream has ended");
        }
    }

    async fn read(&mut self) -> bool {
        let Some(data) = self.body.data().await else {
            return false;
        };
        let data = data.unwrap();
        self.body.flow_control().release_capacity(data.len()).unwrap();
        self.input.extend_from_slice(&data);
        true
    }

    async fn echo(&mut self, text: &str) {
        self.send(wire::TEXT, text.as_bytes());
        assert_eq!(self.frame().await, wire::plain(wire::TEXT, text.as_bytes()));
    }

    /// Wants a Close, answers it, and wants END_STREAM.
    async fn closed_with(&mut self, code: u16) {
        let body = wire::body(code, "");
        assert_eq!(self.frame().await, wire::plain(wire::CLOSE, &body));
        self.send(wire::CLOSE, &body);
        while self.read().await {
            assert_eq!(self.input, b"");
        }
        self.output.send_data(Bytes::new(), true).unwrap();
    }
}

// E-01, E-05, E-10, E-12, E-13
#[test]
fn messages_are_echoed_after_a_200() {
    run(async {
        for host in HTTP_2 {
            let mut server = start(host).await;
            let requests = connect(server.address).await;
            let request = request("/ws", "websocket").header("sec-websocket-protocol", "chat, b");
            let (response, mut socket) = ask(&requests, request).await;
            assert_eq!(response.status(), 200, "{host:?}");
            assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
            for absent in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
                assert!(!response.headers().contains_key(absent), "{host:?} {absent}");
            }
            socket.echo("Hello").await;
            socket.echo(&"x".repeat(300_000)).await;
            assert_eq!(server.log.recv().await.unwrap(), "other");

            // Unmasked frames are a fault here, too.
            socket.output.send_data(wire::server(wire::TEXT, b"bare").into(), false).unwrap();
            socket.closed_with(1002).await;
        }
    });
}

// E-15
#[test]
fn the_boundaries_of_data_frames_mean_nothing() {
    run(async {
        for host in HTTP_2 {
            let server = start(host).await;
            let requests = connect(server.address).await;
            let mut socket = open(&requests, "/two").await;
            for byte in wire::client(wire::TEXT, b"Hello") {
                socket.output.send_data(vec![byte].into(), false).unwrap();
            }
            assert_eq!(socket.frame().await, wire::plain(wire::TEXT, b"Hello"));
        }
    });
}

// E-05, E-11, E-18
#[test]
fn refusals_are_ordinary_statuses() {
    run(async {
        for host in HTTP_2 {
            let server = start(host).await;
            let requests = connect(server.address).await;
            let version = http::Request::builder()
                .method(Method::CONNECT)
                .version(Version::HTTP_2)
                .uri("http://example.com/ws")
                .extension(Protocol::from_static("websocket"))
                .header("sec-websocket-version", "12");
            let plain = http::Request::builder().version(Version::HTTP_2);
            for (request, status) in [
                (request("/ws", "connect-udp"), 501),
                (request("/ws", "websocket").header("origin", "http://evil.example"), 403),
                (request("/gone", "websocket"), 410),
                (version, 400),
                (plain.uri("http://example.com/ws"), 400),
            ] {
                let (response, _) = ask(&requests, request).await;
                assert_eq!(response.status(), status, "{host:?}");
                for absent in ["connection", "upgrade"] {
                    assert!(!response.headers().contains_key(absent), "{host:?} {absent}");
                }
            }
            let page = http::Request::builder().version(Version::HTTP_2);
            let (response, mut socket) = ask(&requests, page.uri("http://example.com/both")).await;
            assert_eq!(response.status(), 200);
            while socket.read().await {}
            assert_eq!(socket.input, b"<p>page");
        }
    });
}

// E-07: as for any other request
#[test]
fn a_host_may_stand_in_the_place_of_the_authority() {
    let upgrade = |uri: &str| {
        let protocol = hyper::ext::Protocol::from_static("websocket");
        let request = request("/", "websocket").extension(protocol).version(Version::HTTP_2);
        let request = request.uri(uri).header("host", "example.com");
        sansocket::hyper::upgrade(&mut request.body(()).unwrap(), sansocket::Config::default())
    };
    for uri in ["/ws", "http://example.com/ws"] {
        // No fault of the request: it does not come from hyper.
        let error = upgrade(uri).unwrap_err();
        assert!(matches!(error, HandshakeError::NotUpgradable), "{error:?}");
    }
    assert!(matches!(upgrade("http://example.org/ws"), Err(HandshakeError::Host)));
}

// E-14, E-19
#[test]
fn the_connection_outlives_its_websockets() {
    run(async {
        for host in HTTP_2 {
            let mut server = start(host).await;
            let requests = connect(server.address).await;
            let mut first = open(&requests, "/ws").await;
            let mut second = open(&requests, "/ws").await;
            first.echo("Hello").await;
            first.send(wire::TEXT, b"return");
            first.closed_with(1000).await;
            second.echo("Hello").await;

            // END_STREAM without a Close is the end of this one, and of no other.
            second.output.send_data(Bytes::new(), true).unwrap();
            while second.read().await {}

            // RST_STREAM as well.
            let mut third = open(&requests, "/ws").await;
            third.echo("Hello").await;
            third.output.send_reset(h2::Reason::CANCEL);

            let mut fourth = open(&requests, "/ws").await;
            fourth.echo("Hello").await;
            fourth.send(wire::CLOSE, &wire::body(1000, ""));
            assert_eq!(fourth.frame().await, wire::plain(wire::CLOSE, &wire::body(1000, "")));
            while fourth.read().await {}
            fourth.output.send_data(Bytes::new(), true).unwrap();
            while server.connections.count() > 0 {
                tokio::task::yield_now().await;
            }
            server.log.close();
        }
    });
}

// E-20
#[test]
fn large_messages_go_both_ways_at_once() {
    run(async {
        for host in HTTP_2 {
            let server = start(host).await;
            let requests = connect(server.address).await;
            let mut socket = open(&requests, "/ws").await;
            let large = "x".repeat(1 << 20);
            for _ in 0..8 {
                socket.send(wire::TEXT, large.as_bytes());
            }
            let frame = wire::server(wire::TEXT, large.as_bytes());
            for _ in 0..8 {
                while socket.input.len() < frame.len() {
                    assert!(socket.read().await, "the stream has ended");
                }
                assert!(socket.input.starts_with(&frame), "{host:?}");
                socket.input.drain(..frame.len());
            }
            socket.send(wire::TEXT, b"fail");
            socket.closed_with(1011).await;
        }
    });
}

#[test]
fn a_stop_tells_everybody() {
    run(async {
        for host in HTTP_2 {
            let server = start(host).await;
            let requests = connect(server.address).await;
            let mut sockets = vec![open(&requests, "/ws").await];
            sockets.push(open(&requests, "/ws").await);
            for socket in &mut sockets {
                socket.echo("Hello").await;
            }
            let connections = server.connections.clone();
            let stopping =
                tokio::spawn(async move { connections.stop(Duration::ZERO, PATIENCE).await });
            for socket in &mut sockets {
                socket.closed_with(1001).await;
            }
            assert_eq!(stopping.await.unwrap(), 0);
            let (response, _) = ask(&requests, request("/ws", "websocket")).await;
            assert_eq!(response.status(), 503);
        }
    });
}

#[test]
fn a_silent_client_is_pinged() {
    run(async {
        for host in HTTP_2 {
            let config = sansocket::Config::builder();
            let config = config.keepalive(Duration::from_millis(20), PATIENCE).build().unwrap();
            let server = start_with(host, config, Default::default()).await;
            let requests = connect(server.address).await;
            let mut socket = open(&requests, "/ws").await;
            assert_eq!(socket.frame().await.first, wire::PING);
        }
    });
}

// D-09, E-11: an acceptance of HTTP/2 agrees on compression, and the connection keeps to it
#[cfg(feature = "deflate")]
#[test]
fn messages_are_compressed_in_http_2() {
    run(async {
        for host in HTTP_2 {
            let running = start_with(host, crate::compressed(), Connections::new()).await;
            let requests = connect(running.address).await;
            let request = request("/ws", "websocket")
                .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
            let (response, mut socket) = ask(&requests, request).await;
            let answer = "permessage-deflate; client_no_context_takeover";
            assert_eq!(response.headers()["sec-websocket-extensions"], answer);
            for _ in 0..3 {
                socket.send(0xc1, crate::HELLO);
                assert_eq!(socket.frame().await, wire::plain(wire::TEXT, b"Hello"), "it is short");
                socket.send(wire::TEXT, &[b'x'; 1000]);
                let frame = socket.frame().await;
                assert!(frame.first == 0xc1 && frame.payload.len() < 50, "{frame:?}");
            }
        }
    });
}
