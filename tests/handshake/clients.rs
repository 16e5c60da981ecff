//! The requests of the RFC, of browsers and of other clients, answered byte for byte.

use sansocket::handshake::{Acceptor, Request};
use sansocket::{Config, Origins};

use crate::common::session::config;
use crate::heads::head;
use crate::replay::{buffer, request};

fn answered(request: &Request, subprotocol: Option<&str>) -> String {
    let response = match subprotocol {
        Some(name) => request.accept().subprotocol(name).unwrap(),
        None => request.accept(),
    };
    String::from_utf8(response.to_bytes()).unwrap()
}

// HS-43
#[test]
fn the_example_of_the_rfc() {
    let image = head(
        "GET /chat HTTP/1.1",
        [
            "Host: server.example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Origin: http://example.com",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
        ],
    );
    let policy = config(|config| config.origins(Origins::list(["http://example.com"])));
    let request = request(&image, &policy);
    assert_eq!(request.path(), "/chat");
    assert_eq!(request.header("Host"), Some(&b"server.example.com"[..]));
    assert_eq!(request.origin(), Some(&b"http://example.com"[..]));
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    assert_eq!(
        answered(&request, Some("chat")),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n"
    );
}

//
#[test]
fn the_example_of_the_documentation() {
    let image = head(
        "GET /chat HTTP/1.1",
        [
            "Host: example.com",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Version: 13",
            "Origin: http://example.com",
        ],
    );
    let request = request(&image, &Config::default());
    assert_eq!(
        answered(&request, Some("chat")),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n"
    );
    assert_eq!(
        answered(&request, None),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n"
    );
}

const CHROMIUM: [&str; 17] = [
    "Host: example.com:9001",
    "Connection: Upgrade",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
     Chrome/138.0.0.0 Safari/537.36",
    "Upgrade: websocket",
    "Origin: http://example.com:9001",
    "Sec-WebSocket-Version: 13",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Accept-Language: en-US,en;q=0.9,de;q=0.8",
    "Cookie: session=8d1f0c3e; theme=\"dark\"; _ga=GA1.1.1234567890.1700000000",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: websocket",
    "Sec-Fetch-Dest: websocket",
];

const FIREFOX: [&str; 19] = [
    "Host: example.com:9001",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: */*",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Sec-WebSocket-Version: 13",
    "Origin: http://example.com:9001",
    "Sec-WebSocket-Protocol: chat, superchat",
    "Sec-WebSocket-Extensions: permessage-deflate",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "DNT: 1",
    "Sec-GPC: 1",
    "Connection: keep-alive, Upgrade",
    "Cookie: session=8d1f0c3e",
    "Sec-Fetch-Dest: empty",
    "Sec-Fetch-Mode: websocket",
    "Sec-Fetch-Site: same-origin",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
];

const SAFARI: [&str; 15] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Host: example.com:9001",
    "Origin: http://example.com:9001",
    "Cookie: session=8d1f0c3e",
    "Pragma: no-cache",
    "Cache-Control: no-cache",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Extensions: x-webkit-deflate-frame, permessage-deflate",
    "Sec-WebSocket-Protocol: chat, superchat",
    "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 \
     (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Accept-Language: en-GB,en;q=0.9",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
];

// HS-16, HS-17, HS-25
#[test]
fn browsers_are_accepted_with_the_defaults() {
    let firefox = FIREFOX.into_iter().chain(["Upgrade: websocket"]).collect();
    for lines in [CHROMIUM.to_vec(), firefox, SAFARI.to_vec()] {
        let image = head("GET /chat?room=1 HTTP/1.1", lines.iter().copied());
        let request = request(&image, &Config::default());
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.origin(), Some(&b"http://example.com:9001"[..]));
        assert!(request.subprotocols().eq(["chat", "superchat"]));
        assert!(request.header("cookie").unwrap().starts_with(b"session=8d1f0c3e"));
        let seen =
            request.headers().map(|(name, value)| format!("{name}: {}", value.escape_ascii()));
        let sent = lines.iter().map(|line| line.replace('"', "\\\""));
        assert!(seen.eq(sent));
        assert_eq!(
            answered(&request, Some("superchat")),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: superchat\r\n\r\n"
        );
    }
}

// libraries and tools, which have no origin
#[test]
fn other_clients_are_accepted() {
    let rows: [(&str, &[&str]); 7] = [
        // ws
        (
            "/",
            &[
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                "Host: 127.0.0.1:9001",
            ],
        ),
        // undici
        (
            "/",
            &[
                "host: 127.0.0.1:9001",
                "connection: Upgrade",
                "upgrade: websocket",
                "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
                "sec-websocket-version: 13",
                "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
                "accept: */*",
                "accept-language: *",
                "sec-fetch-mode: websocket",
                "user-agent: node",
                "pragma: no-cache",
                "cache-control: no-cache",
                "accept-encoding: gzip, deflate",
            ],
        ),
        // websockets
        (
            "/",
            &[
                "Host: localhost:9001",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                "User-Agent: Python/3.13 websockets/15.0",
            ],
        ),
        // curl
        (
            "/chat",
            &[
                "Host: localhost:9001",
                "User-Agent: curl/8.14.1",
                "Accept: */*",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Connection: Upgrade",
            ],
        ),
        // gorilla
        (
            "/",
            &[
                "Host: localhost:9001",
                "User-Agent: Go-http-client/1.1",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
                "Upgrade: websocket",
            ],
        ),
        // Autobahn
        (
            "/runCase?case=1&agent=x",
            &[
                "User-Agent: AutobahnTestSuite/0.8.2-0.10.9",
                "Host: 127.0.0.1:9001",
                "Upgrade: WebSocket",
                "Connection: Upgrade",
                "Pragma: no-cache",
                "Cache-Control: no-cache",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
            ],
        ),
        // A client behind two proxies.
        (
            "/chat",
            &[
                "X-Forwarded-For: 192.0.2.1, 198.51.100.2",
                "X-Forwarded-Proto: https",
                "Forwarded: for=\"[2001:db8::1]:4711\";proto=https",
                "Via: 1.1 proxy",
                "Content-Length: 0",
                "Host: localhost:9001",
                "Connection: upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Protocol:",
                "Sec-WebSocket-Extensions:",
            ],
        ),
    ];
    for (target, lines) in rows {
        let image = head(&format!("GET {target} HTTP/1.1"), lines.iter().copied());
        let request = request(&image, &Config::default());
        assert_eq!((request.target(), request.origin()), (target, None));
        assert_eq!(
            answered(&request, None),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }
}

// V68, V81: who it is can be asked before the answer
#[test]
fn a_request_can_be_refused_for_whom_it_comes_from() {
    let image = head("GET /chat HTTP/1.1", CHROMIUM);
    let mut input = buffer(&image);
    let request =
        Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    assert!(!request.header("Cookie").unwrap().starts_with(b"session=known"));
    assert_eq!(
        String::from_utf8(request.reject(401).unwrap().to_bytes()).unwrap(),
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
}
