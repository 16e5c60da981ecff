//! What a refusal looks like on the wire.

use sansocket::Config;
use sansocket::handshake::{Acceptor, HandshakeError as E, Incoming, Response};

use crate::common::session::config;
use crate::heads::{Answer, from, head, with, without};
use crate::replay::{accepted, buffer, plain, refused};

/// The answer to each refusal. It does not depend on the request: nothing of that is in it.
pub(crate) fn answer(error: &E) -> String {
    let bad = "400 Bad Request";
    match error {
        E::Malformed => refusal(bad, "", "the request is malformed"),
        E::Target => refusal(bad, "", "the request target is malformed"),
        E::TargetTooLong => refusal("414 URI Too Long", "", "the request target is too long"),
        E::HeadTooLarge => {
            refusal("431 Request Header Fields Too Large", "", "the request head is too large")
        }
        E::HttpVersion => {
            refusal("505 HTTP Version Not Supported", "", "the HTTP version is not 1.1")
        }
        E::Method => refusal("405 Method Not Allowed", "Allow: GET\r\n", "the method is not GET"),
        E::Host => refusal(bad, "", "the Host header is missing or malformed"),
        E::Body => refusal(bad, "", "the request announces a body"),
        E::Connection => refusal(bad, "", "the Connection header does not list Upgrade"),
        E::MissingVersion => refusal(
            bad,
            "Sec-WebSocket-Version: 13\r\n",
            "the Sec-WebSocket-Version header is missing or repeated",
        ),
        E::UnsupportedVersion => refusal(
            "426 Upgrade Required",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            "the version of the WebSocket protocol is not 13",
        ),
        E::Key => refusal(bad, "", "the Sec-WebSocket-Key header is missing or malformed"),
        E::Subprotocols => refusal(bad, "", "the Sec-WebSocket-Protocol header is malformed"),
        E::Extensions => refusal(bad, "", "the Sec-WebSocket-Extensions header is malformed"),
        E::RepeatedOrigin => refusal(bad, "", "the Origin header is repeated"),
        E::Upgrade => refusal(
            "426 Upgrade Required",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            "the request asks for no upgrade to websocket",
        ),
        E::Tls => refusal(bad, "", "the client speaks TLS, and this port does not"),
        E::Origin { .. } => refusal("403 Forbidden", "", "pages of this origin may not connect"),
        new => panic!("{new:?} is new"),
    }
}

/// A page that may not connect, whichever that is.
pub(crate) fn foreign() -> E {
    E::Origin { origin: String::new(), host: String::new() }
}

fn refusal(status: &str, headers: &str, text: &str) -> String {
    let connection = if status.starts_with("426") { "close, Upgrade" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\nConnection: {connection}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n{headers}Content-Length: {}\r\n\r\n{text}\n",
        text.len() + 1
    )
}

// V72, V74, HS-09, HS-10: `refused` compares the bytes of the response
#[test]
fn every_refusal_is_a_complete_response_without_a_byte_of_the_request() {
    let default = &Config::default();
    let long = format!("GET /{} HTTP/1.1", "a".repeat(8192));
    let repeated = ["Sec-WebSocket-Version: 13"; 2];
    for (why, image) in [
        (E::Malformed, with(&["canary"])),
        (E::Target, from("GET canary HTTP/1.1", &[])),
        (E::TargetTooLong, from(&long, &[])),
        (E::HeadTooLarge, with(&["X-Canary: canary"; 101])),
        (E::HttpVersion, from("GET /canary HTTP/1.0", &[])),
        (E::Method, from("POST /canary HTTP/1.1", &[])),
        (E::Host, with(&["Host: can/ary"])),
        (E::Body, with(&["Content-Length: 6"])),
        (E::Connection, with(&["Connection: canary"])),
        (E::MissingVersion, with(&repeated)),
        (E::UnsupportedVersion, with(&["Sec-WebSocket-Version: canary"])),
        (E::Key, with(&["Sec-WebSocket-Key: canary"])),
        (E::Subprotocols, with(&["Sec-WebSocket-Protocol: can/ary"])),
        (E::Extensions, with(&["Sec-WebSocket-Extensions: can/ary"])),
        (E::RepeatedOrigin, with(&["Origin: canary", "Origin: canary"])),
        (foreign(), with(&["Origin: canary"])),
    ] {
        refused(&image, default, &why);
    }
}

// V74, HS-14
#[test]
fn a_plain_request_alone_is_answered_with_what_would_do() {
    for (first, why) in [
        ("GET /canary HTTP/1.1", E::Upgrade),
        ("POST /canary HTTP/1.1", E::Method),
        ("get /canary HTTP/1.1", E::Method),
        ("GET /canary HTTP/1.0", E::HttpVersion),
        ("POST /canary HTTP/1.0", E::HttpVersion),
    ] {
        let image = head(first, ["Host: example.com", "Cookie: canary"]);
        let mut acceptor = Acceptor::new(Config::default());
        let incoming = acceptor.next(&mut buffer(&image)).unwrap().unwrap();
        let error = incoming.upgrade().unwrap_err();
        assert_eq!(error.response().to_bytes(), answer(&why).into_bytes(), "{first}");
        Answer::read(&error.response().to_bytes()).assert_refusal(error.status());

        let rejected = acceptor.reject().unwrap();
        assert_eq!(rejected.to_string(), error.to_string());
        assert_eq!(acceptor.pending(), answer(&why).into_bytes(), "{first}");
        assert!(acceptor.reject().is_none());
    }
}

// V74
#[test]
fn the_answer_to_another_version_names_the_one_there_is() {
    let image = with(&["Sec-WebSocket-Version: 8"]);
    let error = Acceptor::new(Config::default()).next(&mut buffer(&image)).unwrap_err();
    let answer = Answer::read(&error.response().to_bytes());
    assert_eq!(answer.status, 426);
    assert_eq!(answer.values("Sec-WebSocket-Version"), ["13"]);
    assert_eq!(answer.values("Upgrade"), ["websocket"]);
    assert_eq!(answer.values("Connection"), ["close, Upgrade"]);
}

// R-030, V71, V73, HS-34: neither as frames nor as a request
#[test]
fn bytes_behind_a_refused_request_are_dropped() {
    let second = with(&[]);
    for (why, first) in [
        (E::Malformed, with(&["canary"])),
        (E::Key, without("Sec-WebSocket-Key")),
        (E::UnsupportedVersion, with(&["Sec-WebSocket-Version: 7"])),
        (foreign(), with(&["Origin: http://evil.example"])),
    ] {
        let image = [&first[..], &second].concat();
        refused(&image, &Config::default(), &why);
        let mut input = buffer(&image);
        assert!(Acceptor::new(Config::default()).next(&mut input).is_err());
        assert_eq!(input.unread(), b"");
        assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(None)));
    }
}

// a request with many faults has the same answer in every run
#[test]
fn the_first_fault_in_a_fixed_order_is_the_answer() {
    let policy = config(|config| config.max_target(8));
    let mut lines = vec![
        "Upgrade: websocket",
        "Host: /",
        "Content-Length: 1",
        "Connection: close",
        "Sec-WebSocket-Version: 7",
        "Sec-WebSocket-Key: canary",
        "Sec-WebSocket-Protocol: a, a",
        "Sec-WebSocket-Extensions: ;",
        "Origin: a",
        "Origin: a",
    ];
    refused(&head("POST /too/long HTTP/1.0", lines.clone()), &policy, &E::TargetTooLong);
    refused(&head("POST chat HTTP/1.0", lines.clone()), &policy, &E::HttpVersion);
    refused(&head("POST chat HTTP/1.1", lines.clone()), &policy, &E::Method);
    refused(&head("GET chat HTTP/1.1", lines.clone()), &policy, &E::Target);
    for (why, line, correct) in [
        (E::Host, 1, "Host: example.com"),
        (E::Body, 2, "Content-Length: 0"),
        (E::Connection, 3, "Connection: Upgrade"),
        (E::UnsupportedVersion, 4, "Sec-WebSocket-Version: 13"),
        (E::Key, 5, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
        (E::Subprotocols, 6, "Sec-WebSocket-Protocol: a, b"),
        (E::Extensions, 7, "Sec-WebSocket-Extensions: a"),
        (E::RepeatedOrigin, 8, "X-Origin: a"),
        (foreign(), 9, "Origin: http://example.com"),
    ] {
        refused(&head("GET /chat HTTP/1.1", lines.clone()), &policy, &why);
        lines[line] = correct;
    }
    accepted(&head("GET /chat HTTP/1.1", lines.clone()), &policy);
    lines[0] = "Upgrade: h2c";
    plain(&head("GET /chat HTTP/1.1", lines), &policy);
}

// R-030, RE-08: what a request says to the log
#[test]
fn a_request_is_shown_without_its_values() {
    let image = head(
        "GET /path?canary HTTP/1.1",
        ["Host: canary", "Cookie: canary", "Authorization: canary"],
    );
    let incoming = Acceptor::new(Config::default()).next(&mut buffer(&image)).unwrap().unwrap();
    assert_eq!(
        format!("{incoming:?}"),
        "Http(Head { method: \"GET\", path: \"/path\", \
         headers: [\"Host\", \"Cookie\", \"Authorization\"], .. })"
    );
    let image = with(&["Cookie: canary"]);
    let request = Acceptor::new(Config::default()).next(&mut buffer(&image)).unwrap().unwrap();
    assert!(matches!(request, Incoming::Upgrade(_)));
    assert!(!format!("{request:?}").contains("canary"));
}

// the log has what the wire must not
#[test]
fn a_foreign_origin_is_named_to_the_log_alone() {
    let error = |origin: &str| {
        let image = with(&["Host: example.com:8080", &format!("Origin: {origin}")]);
        Acceptor::new(Config::default()).next(&mut buffer(&image)).unwrap_err()
    };
    let refused = error("https://evil.example");
    assert_eq!(
        refused.to_string(),
        "the origin \"https://evil.example\" may not connect to host \"example.com:8080\", \
         see Config::origins"
    );
    assert_eq!(refused.response().body_bytes(), b"pages of this origin may not connect\n");
    for (origin, shown) in [
        ("a\u{ff}\"", "a\\xff\\\"".to_owned()),
        (&*"a".repeat(201), "a".repeat(200)),
        (&*"\u{80}".repeat(201), "\\x80".repeat(200)),
    ] {
        match error(origin) {
            E::Origin { origin, .. } => assert_eq!(origin, shown),
            other => panic!("{other:?}"),
        }
    }
}

// RFC 9110 §9.3.2: whether it is refused at once or by the application
#[test]
fn head_gets_no_body() {
    let default = Config::default();
    for image in [&b"HEAD / HTTP/1.1\r\n\r\n"[..], b"\r\nHEAD / HTTP/1.1\n"] {
        let mut acceptor = Acceptor::new(&default);
        let error = acceptor.next(&mut buffer(image)).unwrap_err();
        assert_eq!(acceptor.pending(), error.response().head_bytes());
        assert!(acceptor.pending().ends_with(b"\r\n\r\n"));
    }
    let image = head("HEAD / HTTP/1.1", ["Host: h"]);
    let mut acceptor = Acceptor::new(&default);
    assert!(matches!(acceptor.next(&mut buffer(&image)), Ok(Some(Incoming::Http(_)))));
    let page = Response::new(200).unwrap().body("text/html", "<p>Hello").unwrap();
    acceptor.respond(page.clone()).unwrap();
    assert_eq!(acceptor.pending(), page.head_bytes());
    assert!(acceptor.pending().ends_with(b"Content-Length: 8\r\n\r\n"));
    let mut acceptor = Acceptor::new(&default);
    assert!(acceptor.next(&mut buffer(&image)).is_ok());
    assert_eq!(acceptor.reject().unwrap().status(), 405);
    assert!(acceptor.pending().ends_with(b"\r\n\r\n"));
}
