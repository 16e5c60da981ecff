//! What a client asks for: a URL becomes a request.

use std::collections::HashSet;
use std::net::ToSocketAddrs;

use sansocket::Config;
use sansocket::handshake::Connector;
use sansocket::handshake::client::{BuildError, Request};

use crate::{buffer, offer, text, value};

// R-058: default ports, a path that is always there, and the query kept
#[test]
fn a_url_says_where_to_connect_and_what_to_ask_for() {
    for (url, host, port, secure, target, host_header) in [
        ("ws://h", "h", 80, false, "/", "h"),
        ("ws://h/", "h", 80, false, "/", "h"),
        ("WS://h:80/", "h", 80, false, "/", "h"),
        ("ws://h:/", "h", 80, false, "/", "h"),
        ("ws://h:81?x", "h", 81, false, "/?x", "h:81"),
        ("ws://h:443/", "h", 443, false, "/", "h:443"),
        ("wss://h", "h", 443, true, "/", "h"),
        ("wss://h:443", "h", 443, true, "/", "h"),
        ("wss://h:80/", "h", 80, true, "/", "h:80"),
        (
            "Wss://Example.COM:65535/a/b?c=d&e",
            "Example.COM",
            65535,
            true,
            "/a/b?c=d&e",
            "Example.COM:65535",
        ),
        ("ws://h/a%23b?c%20d", "h", 80, false, "/a%23b?c%20d", "h"),
        ("ws://h//evil/?a=ws://b/c", "h", 80, false, "//evil/?a=ws://b/c", "h"),
        ("http://h", "h", 80, false, "/", "h"),
        ("HTTPS://h/a", "h", 443, true, "/a", "h"),
        ("ws://[::1]", "::1", 80, false, "/", "[::1]"),
        ("ws://[::1]:9001/chat", "::1", 9001, false, "/chat", "[::1]:9001"),
        ("ws://127.0.0.1:1", "127.0.0.1", 1, false, "/", "127.0.0.1:1"),
    ] {
        let offer = offer(url);
        assert_eq!((offer.host(), offer.port(), offer.is_secure()), (host, port, secure), "{url}");
        assert!(text(&offer).starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{url}");
        assert_eq!(value(&offer, "Host"), host_header, "{url}");
    }
}

// R-057, R-059
#[test]
fn a_url_that_is_none_is_an_error() {
    for url in [
        "",
        "h",
        "//h",
        "ws:h",
        "ws:/h",
        "ws://",
        "ws:///",
        "ws://?x",
        "ws://:80/",
        "wsx://h",
        " ws://h",
        "ws ://h",
        "ws://h/a#b",
        "ws://h#",
        "ws://h/#",
        "ws://#h",
        "ws://h:0",
        "ws://h:00000",
        "ws://h:65536",
        "ws://h:99999",
        "ws://h:-1",
        "ws://h:+80",
        "ws://h:8o",
        "ws://h: 80",
        "ws://user@h/",
        "ws://user:pass@h/",
        "ws://h,g/",
        "ws://h g/",
        "ws://h\\evil/",
        "ws://h\t/",
        "ws://h\r\nX: y/",
        "ws://h/\r\nX: y",
        "ws://h/a b",
        "ws://h/\0",
        "ws://h/\u{7f}",
        "ws://h/\u{e9}",
        "ws://\u{e9}/",
        "ws://h/?\u{1f600}",
    ] {
        assert_eq!(Request::new(url).unwrap_err(), BuildError::Url, "{url:?}");
    }
}

// R-063, R-065, R-066, R-068: a head, and nothing behind it
#[test]
fn an_offer_is_a_request_of_the_form_the_rfc_asks_for() {
    let plain = offer("ws://example.com/chat");
    let key = value(&plain, "Sec-WebSocket-Key");
    assert_eq!(
        text(&plain),
        format!(
            "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    );
    let more = plain.subprotocol("chat").unwrap().header("Origin", "http://example.com").unwrap();
    let more = more.subprotocol("superchat").unwrap().header("Cookie", "a=b; c").unwrap();
    assert_eq!(
        text(&more),
        format!(
            "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\
             Cookie: a=b; c\r\n\r\n"
        )
    );
}

// R-064: a server that checks its length accepts it, see below
#[test]
fn each_offer_has_a_key_of_its_own() {
    let keys: HashSet<_> =
        (0..1000).map(|_| value(&offer("ws://h"), "Sec-WebSocket-Key")).collect();
    assert_eq!(keys.len(), 1000);
    for key in keys {
        let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        assert_eq!((key.len(), &key[22..]), (24, "=="));
        assert!(key.as_bytes()[..21].iter().all(base64), "{key}");
        // The bits beyond sixteen bytes are zero.
        assert!("AQgw".contains(&key[21..22]), "{key}");
    }
    let copy = offer("ws://h");
    assert_eq!(copy.clone().to_bytes(), copy.to_bytes());
}

// R-067
#[test]
fn subprotocols_are_different_tokens() {
    let chat = offer("ws://h").subprotocol("chat").unwrap();
    for name in ["", "chat", "a b", "a,b", "a;b", "a/b", "\"a\"", "caf\u{e9}", "a\r\nX: y", "a\0"] {
        assert_eq!(
            chat.clone().subprotocol(name).unwrap_err(),
            BuildError::Subprotocol,
            "{name:?}"
        );
    }
    let both = chat.subprotocol("Chat").unwrap();
    assert_eq!(value(&both, "Sec-WebSocket-Protocol"), "chat, Chat");
}

// R-051, R-065, V76
#[test]
fn headers_cannot_break_the_head() {
    for (name, value) in [
        ("Host", "other"),
        ("host", "other"),
        ("Upgrade", "h2c"),
        ("Connection", "close"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("Sec-WebSocket-Key", "a"),
        ("Sec-WebSocket-Version", "8"),
        ("sec-websocket-protocol", "chat"),
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("SEC-WEBSOCKET-ANYTHING", "a"),
        ("", "a"),
        ("a b", "a"),
        ("a:", "a"),
        ("a\r\nb", "a"),
        ("\u{e9}", "a"),
        ("aaaaaaaaaaaaa\u{e9}", "a"),
        ("a", "a\r\nb: c"),
        ("a", "\n"),
        ("a", "\r"),
        ("a", "\0"),
        ("a", "\x7f"),
    ] {
        let added = offer("ws://h").header(name, value);
        assert_eq!(added.unwrap_err(), BuildError::Header, "{name:?}: {value:?}");
    }
    let fine = offer("ws://h").header("A", "").unwrap().header("A", "b\t\u{e9}").unwrap();
    assert!(text(&fine).ends_with("\r\nA: \r\nA: b\t\u{e9}\r\n\r\n"));
}

// RE-08: the key, the path, headers and the answer's values may be secret
#[test]
fn an_offer_is_shown_without_its_secrets() {
    let offer = offer("wss://h/secret?secret").subprotocol("chat").unwrap();
    let offer = offer.header("Authorization", "secret").unwrap();
    assert_eq!(
        format!("{offer:?}"),
        "Request { host: \"h\", port: 443, subprotocols: [\"chat\"], .. }"
    );
    let refusal = b"HTTP/1.1 401 secret\r\nSet-Cookie: secret\r\nContent-Length: 6\r\n\r\nsecret";
    let error = Connector::new(offer, Config::default()).next(&mut buffer(refusal)).unwrap_err();
    assert_eq!(error.to_string(), "the server refuses with status 401");
    let shown = format!("{error:?}");
    assert!(!shown.contains("secret") && shown.contains("Body(6 bytes)"), "{shown}");
}

// R-059
#[test]
fn a_host_is_one() {
    let urls = ["ws://[::1", "ws://::1/", "ws://a:b:80/", "ws://[::1]x/", "ws://<h>/", "ws://[]/"];
    for url in urls {
        assert_eq!(Request::new(url).unwrap_err(), BuildError::Url, "{url}");
    }
}

// R-059: the brackets are for URLs, and for `Host`
#[test]
fn an_ipv6_address_can_be_dialled() {
    for (url, host, port, header) in [
        ("ws://[::1]:9001/", "::1", 9001, "[::1]:9001"),
        ("wss://[2001:db8::1]", "2001:db8::1", 443, "[2001:db8::1]"),
        ("ws://192.0.2.1", "192.0.2.1", 80, "192.0.2.1"),
    ] {
        let request = offer(url);
        assert_eq!((request.host(), request.port()), (host, port));
        assert_eq!(value(&request, "Host"), header);
        let mut addresses = (request.host(), request.port()).to_socket_addrs().unwrap();
        assert_eq!(addresses.next().map(|address| address.port()), Some(port));
    }
}
