//! Requests that another HTTP server has parsed: the same checks hold. That they hold for all that
//! the other files try is seen in `replay`.

use sansocket::handshake::{HandshakeError as E, Incoming, Request};
use sansocket::{Config, Origins};

use crate::common::session::config;
use crate::heads::{ACCEPT, KEY};

type Headers<'h> = Vec<(&'h str, &'h [u8])>;

fn headers<'h>() -> Headers<'h> {
    vec![
        ("host", b"example.com"),
        ("upgrade", b"websocket"),
        ("connection", b"Upgrade"),
        ("sec-websocket-key", KEY.as_bytes()),
        ("sec-websocket-version", b"13"),
    ]
}

/// The correct headers, this one in place of that with the same name.
fn header<'h>(name: &'h str, value: &'h [u8]) -> Headers<'h> {
    let mut headers = headers();
    headers.retain(|header| header.0 != name);
    headers.push((name, value));
    headers
}

fn upgrade(target: &str, headers: Headers<'_>, config: Config) -> Request {
    Request::new("GET", target, (1, 1), headers, config).unwrap().upgrade().unwrap()
}

fn refusal(method: &str, target: &str, version: (u8, u8), headers: Headers<'_>) -> String {
    let request = Request::new(method, target, version, headers, Config::default());
    let request = request.and_then(Incoming::upgrade);
    match request.map(|_| ()).unwrap_err() {
        E::Origin { .. } => "Origin".into(),
        error => format!("{error:?}"),
    }
}

//
#[test]
fn a_request_of_another_parser_is_accepted() {
    let mut all = headers();
    all.push(("sec-websocket-protocol", b"chat, superchat"));
    all.push(("origin", b"http://example.com"));
    let request = upgrade("/chat?x=1", all, Config::default());
    assert_eq!((request.method(), request.version()), ("GET", (1, 1)));
    assert_eq!((request.path(), request.query()), ("/chat", Some("x=1")));
    assert_eq!(request.origin(), Some(&b"http://example.com"[..]));
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    let response = request.accept().subprotocol("superchat").unwrap();
    let wanted = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
        ("Sec-WebSocket-Protocol", "superchat"),
    ];
    assert!(response.headers().eq(wanted));
}

// HS-09, HS-10
#[test]
fn method_and_version_are_checked() {
    for version in [(0, 9), (1, 0), (1, 2), (2, 0), (3, 0), (0, 0), (255, 255), (11, 1)] {
        assert_eq!(refusal("GET", "/", version, headers()), "HttpVersion");
    }
    for method in ["POST", "get", "", "GET ", " GET", "GET\r\n", "\u{e9}"] {
        assert_eq!(refusal(method, "/", (1, 1), headers()), "Method");
    }
}

// R-009, HS-44: an extended CONNECT (RFC 8441) is not served
#[test]
fn an_extended_connect_is_no_upgrade() {
    let pseudo: Headers<'_> = vec![
        (":method", b"CONNECT"),
        (":protocol", b"websocket"),
        (":scheme", b"https"),
        (":path", b"/chat"),
        (":authority", b"example.com"),
        ("sec-websocket-version", b"13"),
    ];
    assert_eq!(refusal("CONNECT", "/chat", (2, 0), pseudo), "HttpVersion");
    assert_eq!(refusal("CONNECT", "/chat", (2, 0), headers()), "HttpVersion");
}

// R-029, HS-12: there is no parser in front that would have refused these
#[test]
fn the_target_is_checked() {
    for target in [
        "",
        "*",
        "chat",
        "/a b",
        "/a\r\nX: y",
        "/a\n",
        "/\0",
        "/\u{7f}",
        "/\t",
        "/\u{e9}",
        "/#",
        "http://",
        "http://h/ x",
        " /",
    ] {
        assert_eq!(refusal("GET", target, (1, 1), headers()), "Target", "{target:?}");
    }
}

// its limits are those of the other parser
#[test]
fn the_limits_on_the_head_are_not_checked() {
    let small = config(|config| config.max_head(10).max_target(1).max_headers(1));
    let long = format!("/{}", "a".repeat(100_000));
    let mut many = headers();
    many.extend([("x", &b"y"[..]); 1000]);
    let request = upgrade(&long, many, small);
    assert_eq!(request.path(), long);
    assert_eq!(request.headers().count(), 1005);
}

// HS-30, V76: whatever that parser let through
#[test]
fn control_characters_in_a_value_are_refused_where_they_matter() {
    for (name, value, why) in [
        ("host", &b"example.com\r\nX: y"[..], "Host"),
        ("host", b"example.com\0", "Host"),
        ("host", b"example.com\n", "Host"),
        ("host", b"", "Host"),
        ("connection", b"Upgrade\r\n", "Connection"),
        ("upgrade", b"websocket\0", "Upgrade"),
        ("sec-websocket-version", b"13\n", "UnsupportedVersion"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==\r\n", "Key"),
        ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZ\r==", "Key"),
        ("sec-websocket-key", b"", "Key"),
        ("sec-websocket-protocol", b"x\r\nSet-Cookie: a", "Subprotocols"),
        ("sec-websocket-protocol", b"x\0", "Subprotocols"),
        ("sec-websocket-extensions", b"x\r\n", "Extensions"),
        ("origin", b"http://example.com\r\n", "Origin"),
        ("origin", b"http://example.com\0", "Origin"),
        ("content-length", b"0\n", "Body"),
        ("content-length", b"", "Body"),
        ("transfer-encoding", b"", "Body"),
    ] {
        assert_eq!(refusal("GET", "/", (1, 1), header(name, value)), why, "{name} {value:?}");
    }
}

// HS-37
#[test]
fn the_configuration_is_that_of_this_server() {
    let foreign = header("origin", b" https://other.example\t");
    let list = config(|config| config.origins(Origins::list(["https://other.example"])));
    assert_eq!(refusal("GET", "/", (1, 1), foreign.clone()), "Origin");
    let request = upgrade("/", foreign, list);
    assert_eq!(request.origin(), Some(&b"https://other.example"[..]));
}
