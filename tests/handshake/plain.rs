//! Ordinary HTTP on the same port: handed over whole, for another server to answer.

use sansocket::Config;
use sansocket::handshake::{HandshakeError, Request};

use crate::heads::{head, with};
use crate::replay::{buffer, plain};

// R-009, HS-14
#[test]
fn a_plain_request_is_handed_over_with_its_head() {
    let image = b"GET /index.html?x=1 HTTP/1.1\r\nHost: example.com\r\nAccept:  text/html \r\n\
        X-Foo: \xff\r\nx-foo: bar\r\n\r\n";
    let (head, rest) = plain(image, &Config::default());
    assert_eq!((head.method(), head.target()), ("GET", "/index.html?x=1"));
    assert_eq!((head.path(), head.query()), ("/index.html", Some("x=1")));
    assert_eq!(head.version(), (1, 1));
    assert_eq!(head.header("HOST"), Some(&b"example.com"[..]));
    assert_eq!(head.header("Missing"), None);
    assert_eq!(head.header("X-Foo"), Some(&b"\xff"[..]));
    let headers: [(&str, &[u8]); 4] =
        [("Host", b"example.com"), ("Accept", b"text/html"), ("X-Foo", b"\xff"), ("x-foo", b"bar")];
    assert!(head.headers().eq(headers));
    assert_eq!(rest, b"");
}

// HS-14, HS-26, HS-27: bodies are no fault of a plain request
#[test]
fn the_body_of_a_plain_request_is_left_unread() {
    for (length, body) in [
        ("Content-Length: 12", &b"hello\r\n\r\nbye"[..]),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        ("Expect: 100-continue", b""),
        ("Content-Length: 4", b"\0\xff\x16\n"),
    ] {
        let image = head("POST /form HTTP/1.1", ["Host: example.com", length]);
        let image = [&image[..], body].concat();
        let (head, rest) = plain(&image, &Config::default());
        assert_eq!((head.method(), head.path()), ("POST", "/form"));
        assert_eq!(rest, body);
    }
}

// R-002, HS-10, HS-14: neither need it have all that a WebSocket needs
#[test]
fn a_plain_request_may_be_of_another_version_and_without_host() {
    for (image, method, version) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "GET", (1, 0)),
        (b"HEAD / HTTP/1.1\r\n\r\n", "HEAD", (1, 1)),
        (b"BREW / HTTP/1.0\r\nAccept-Additions: milk\r\n\r\n", "BREW", (1, 0)),
        (b"\r\nGET / HTTP/1.1\r\n\r\n", "GET", (1, 1)),
    ] {
        let (head, rest) = plain(image, &Config::default());
        assert_eq!((head.method(), head.version()), (method, version));
        assert_eq!(rest, b"");
    }
}

// HS-14, HS-33, V66: one head is taken at a time, and nothing is queued
#[test]
fn pipelined_plain_requests_are_taken_one_by_one() {
    let requests = ["/a", "/b", "/c"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let (head, rest) = plain(requests.concat().as_bytes(), &Config::default());
    assert_eq!(head.path(), "/a");
    assert_eq!(rest, requests[1..].concat().as_bytes());

    let upgrade = with(&[]);
    let mut input = buffer(&[requests.concat().as_bytes(), &upgrade].concat());
    for path in ["/a", "/b", "/c"] {
        match Request::parse(&mut input, Config::default()) {
            Err(HandshakeError::NotWebSocket(head)) => assert_eq!(head.path(), path),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(input.unread(), upgrade);
    assert!(matches!(Request::parse(&mut input, Config::default()), Ok(Some(_))));
    assert!(input.is_empty());
}
