//! Ordinary HTTP on the same port: handed over whole, for another server to answer.

use sansocket::Config;
use sansocket::handshake::{Acceptor, HandshakeError as E, Head, Incoming};

use crate::heads::{head, with};
use crate::replay::{buffer, plain, refused};

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

// R-002, HS-10, HS-14: neither need it have all that a WebSocket needs; before HTTP/1.1 not even a host
#[test]
fn a_plain_request_may_be_of_another_version() {
    for (image, method, version) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], "GET", (1, 0)),
        (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD", (1, 1)),
        (b"BREW / HTTP/1.0\r\nAccept-Additions: milk\r\n\r\n", "BREW", (1, 0)),
        (b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", (1, 1)),
        (b"GET http://h/ HTTP/1.0\r\n\r\n", "GET", (1, 0)),
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
        match Acceptor::new(Config::default()).next(&mut input) {
            Ok(Some(Incoming::Http(head))) => assert_eq!(head.path(), path),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(input.unread(), upgrade);
    assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(Some(_))));
    assert!(input.is_empty());
}

// R-006, HS-13: RFC 9112 §3.2 has every request of HTTP/1.1 name one host, not only an upgrade
#[test]
fn a_plain_request_of_http_1_1_has_one_host() {
    let default = &Config::default();
    for lines in [
        &[][..],
        &["Host: a", "Host: a"],
        &["Host: a", "Host: b"],
        &["Host:"],
        &["Host: a b"],
        &["Host: [::1"],
        &["Host: a:b"],
    ] {
        for first in ["GET / HTTP/1.1", "POST / HTTP/1.1", "OPTIONS * HTTP/1.1"] {
            refused(&head(first, lines.iter().copied()), default, &E::Host);
        }
        // Where there need not be one, it is not malformed either.
        if !lines.is_empty() {
            refused(&head("GET / HTTP/1.0", lines.iter().copied()), default, &E::Host);
        }
    }
}

// HS-12: an absolute target names a host, and nothing else than a host
#[test]
fn a_plain_request_to_no_host_is_refused() {
    for authority in ["", ":80", "[", "a:b", "u:p@h", "[::g]", "a%zz", "a:65536"] {
        let first = format!("GET http://{authority}/ HTTP/1.1");
        refused(&head(&first, ["Host: h"]), &Config::default(), &E::Target);
    }
}

fn parsed(target: &str, lines: &[&str]) -> Head {
    plain(&head(&format!("GET {target} HTTP/1.1"), lines.iter().copied()), &Config::default()).0
}

// R-004, HS-12: RFC 9112 §3.2.2
#[test]
fn an_absolute_target_takes_the_place_of_host() {
    for (target, host) in [
        ("/", "a:80"),
        ("/http://b/", "a:80"),
        ("http://b/", "b"),
        ("HTTPS://[::1]:9001?x", "[::1]:9001"),
    ] {
        assert_eq!(parsed(target, &["Host: a:80"]).host(), Some(host), "{target}");
    }
    let (head, _) = plain(b"GET / HTTP/1.0\r\n\r\n", &Config::default());
    assert_eq!(head.host(), None);
}

#[test]
fn header_str_is_text() {
    let head = parsed("/", &["Host: a", "X: b c", "x: d", "Y: \u{ff}"]);
    assert_eq!(head.header_str("x"), Some("b c"));
    assert_eq!(head.header_str("Y"), None);
    assert_eq!(head.header_str("Z"), None);
}

// RFC 6265 §5.4
#[test]
fn cookies_are_found_by_name() {
    let head = parsed(
        "/",
        &[
            "Host: a",
            "Cookie: a=1; B=2;c=x=y ;empty=; q=\"v\"",
            "Cookie: d=4; a=5",
            "Cookie: \u{ff}=1",
        ],
    );
    for (name, value) in [
        ("a", Some("1")),
        ("B", Some("2")),
        ("b", None),
        ("c", Some("x=y")),
        ("empty", Some("")),
        ("q", Some("\"v\"")),
        ("d", Some("4")),
        ("", None),
    ] {
        assert_eq!(head.cookie(name), value, "{name}");
    }
}

#[test]
fn query_values_are_found_by_name() {
    let head = parsed("/?a=1&b=x%20y&c&a=2&d=e=f&=g", &["Host: a"]);
    for (name, value) in [
        ("a", Some("1")),
        ("b", Some("x%20y")),
        ("c", Some("")),
        ("d", Some("e=f")),
        ("", Some("g")),
        ("A", None),
        ("x", None),
    ] {
        assert_eq!(head.query_value(name), value, "{name}");
    }
    assert_eq!(parsed("/", &["Host: a"]).query_value("a"), None);
}
