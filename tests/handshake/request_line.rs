//! Method, target and version (RFC 6455 §4.2.1, items 1 and 2; RFC 9112 §3).

use sansocket::Config;
use sansocket::handshake::HandshakeError as E;

use crate::heads::from;
use crate::replay::{plain, refused, request};

// R-001, HS-09
#[test]
fn the_method_is_get() {
    let methods = "POST PUT OPTIONS HEAD DELETE PATCH TRACE CONNECT BREW get Get GE GETS G.T";
    for method in methods.split(' ') {
        let first = format!("{method} /chat HTTP/1.1");
        refused(&from(&first, &[]), &Config::default(), &E::Method);
    }
}

// HS-10
#[test]
fn the_version_is_http_1_1() {
    for version in [
        "HTTP/1.0",
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3.0",
        "HTTP/1.x",
        "HTTP/1",
        "http/1.1",
        "HTTPS/1.1",
        "ICY/1.1",
        "1.1",
    ] {
        let first = format!("GET /chat {version}");
        refused(&from(&first, &[]), &Config::default(), &E::HttpVersion);
    }
    for junk in ["HTTP/1.10", "HTTP/1.11", "HTTP/1.1.1", "HTTP/1.1 ", "HTTP/1.1x", "HTTP/1.1\t"] {
        let first = format!("GET /chat {junk}");
        refused(&from(&first, &[]), &Config::default(), &E::Malformed);
    }
}

// R-003, HS-10, HS-44: HTTP/2 with prior knowledge, and HTTP/0.9
#[test]
fn another_protocol_is_refused() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert_eq!(refused(preface, &Config::default(), &E::HttpVersion), 18);
    refused(b"GET /chat\r\n\r\n", &Config::default(), &E::Malformed);
    refused(&from("GET /chat", &[]), &Config::default(), &E::Malformed);
}

// HS-12: nothing is decoded or normalised
#[test]
fn the_target_is_seen_as_it_was_sent() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/chat?x=1", "/chat", Some("x=1")),
        ("/chat?", "/chat", Some("")),
        ("/?a?b=c/d", "/", Some("a?b=c/d")),
        ("/a%20b/%2e%2e/%00?q=%23&r=%ff", "/a%20b/%2e%2e/%00", Some("q=%23&r=%ff")),
        ("/../../etc/passwd", "/../../etc/passwd", None),
        ("//evil/ws", "//evil/ws", None),
        ("/chat?back=http://h/x", "/chat", Some("back=http://h/x")),
        ("/://", "/://", None),
        // What browsers send as it is.
        ("/a|b^c`d{e}[f]\\g;h:i@j,k'l(m)*~!$&+=", "/a|b^c`d{e}[f]\\g;h:i@j,k'l(m)*~!$&+=", None),
        ("http://h", "/", None),
        ("http://h/", "/", None),
        ("http://h/chat", "/chat", None),
        ("https://h:8443/chat?x=1", "/chat", Some("x=1")),
        ("HTTP://[::1]:80?x", "/", Some("x")),
        ("http://h//evil/ws", "//evil/ws", None),
        ("http://h/a?b=http://c/d", "/a", Some("b=http://c/d")),
    ] {
        let request = request(&from(&format!("GET {target} HTTP/1.1"), &[]), &Config::default());
        assert_eq!(request.target(), target);
        assert_eq!((request.path(), request.query()), (path, query), "{target}");
        assert_eq!((request.method(), request.version()), ("GET", (1, 1)));
    }
}

// HS-12: what is no path is refused, and never guessed at
#[test]
fn the_target_is_a_path_or_an_http_uri() {
    for target in [
        "*",
        "chat",
        "?x",
        "#",
        "h:80",
        "example.com:443",
        "/chat#x",
        "/#",
        "http://h/#x",
        "http://h#x",
        "http://",
        "http:///chat",
        "http://?x",
        "http://:80/",
        "http://[/",
        "http://[::g]/",
        "http://a:b/",
        "http://a:65536/",
        "http://a%zz/",
        "http://u@h/",
        "http://u:p@h/",
        "http://h,g/",
        "http://h\\g/",
        "http:/chat",
        "http:chat",
        "ws://h/chat",
        "wss://h/chat",
        "ftp://h/chat",
        "javascript://h/%0aalert(1)",
        "://h/",
        "xhttp://h/",
        "/caf\u{c3}\u{a9}",
        "http://\u{c3}\u{a9}/",
    ] {
        let first = format!("GET {target} HTTP/1.1");
        refused(&from(&first, &[]), &Config::default(), &E::Target);
    }
    for target in ["/\u{ff}", "/\u{c3}", "/\0", "/\u{7f}", "/\u{1b}[2J", "/\t", "\t/"] {
        let first = format!("GET {target} HTTP/1.1");
        refused(&from(&first, &[]), &Config::default(), &E::Malformed);
    }
}

// HS-12: between the parts stands one space
#[test]
fn the_parts_of_the_line_are_separated_by_one_space() {
    for first in
        ["GET  /chat HTTP/1.1", "GET\t/chat HTTP/1.1", "GET /chat\tHTTP/1.1", "GET", "GET /"]
    {
        refused(&from(first, &[]), &Config::default(), &E::Malformed);
    }
    for first in ["GET /chat  HTTP/1.1", "GET /a b HTTP/1.1", "GET /chat HTTP"] {
        refused(&from(first, &[]), &Config::default(), &E::HttpVersion);
    }
    for first in [" GET /chat HTTP/1.1", "\tGET /chat HTTP/1.1", "\"GET\" /chat HTTP/1.1"] {
        assert_eq!(refused(&from(first, &[]), &Config::default(), &E::Malformed), 1);
    }
}

// HS-12, HS-14: a plain request is not ours to judge
#[test]
fn the_target_of_a_plain_request_is_handed_over_as_it_is() {
    for (target, path, query) in [
        ("*", "*", None),
        ("example.com:443", "example.com:443", None),
        ("/a#b", "/a#b", None),
        ("/caf\u{e9}?\u{e9}", "/caf\u{e9}", Some("\u{e9}")),
    ] {
        let image = format!("OPTIONS {target} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
        let (head, rest) = plain(&image, &Config::default());
        assert_eq!((head.method(), head.target()), ("OPTIONS", target));
        assert_eq!((head.path(), head.query()), (path, query));
        assert_eq!(rest, b"");
    }
}
