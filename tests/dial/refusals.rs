//! Answers that open nothing.

use sansocket::dial::Dial;
use sansocket::handshake::client;
use sansocket::{Config, Error, net};

use crate::host::{SECOND, answer};

// DI-07, R-069: whether the body ends by its length, with the stream, or not before the time is over
#[test]
fn a_refusal_has_a_status_headers_and_a_body() {
    for (lines, body, reads_on) in [
        ("Content-Length: 5\r\n", "wrong", true),
        ("Transfer-Encoding: chunked\r\n", "5\r\nwrong\r\n0\r\n\r\n", true),
        ("", "wrong", false),
        ("", "wrong", true),
    ] {
        let response = format!("HTTP/1.1 403 Forbidden\r\nX-Why: that\r\n{lines}\r\n{body}");
        let (address, server) = answer(&response, reads_on);
        let dial = Dial::new("ws://localhost/").unwrap().address(address).timeout(SECOND);
        match net::dial(&dial, Config::default()).map(|_| ()) {
            Err(Error::Connect(client::Error::Refused { status: 403, head, body })) => {
                assert_eq!(head.header("X-Why"), Some(&b"that"[..]));
                assert_eq!(*body, *b"wrong");
            }
            other => panic!("{other:?}"),
        }
        server.join().unwrap();
    }
}

// DI-07: a redirect is a refusal, and nothing is sent elsewhere; the request is as it was asked for
#[test]
fn redirects_are_not_followed() {
    let response =
        "HTTP/1.1 302 Found\r\nLocation: ws://evil.invalid/\r\nContent-Length: 0\r\n\r\n";
    let (address, server) = answer(response, true);
    let dial = Dial::new("ws://localhost/").unwrap().address(address);
    let dial = dial.basic_auth("me", "secret").unwrap().origin("http://localhost").unwrap();
    let dial = dial.subprotocol("chat").unwrap().subprotocol("news").unwrap();
    let dial = dial.header("Cookie", "seen=1").unwrap();
    assert!(dial.clone().subprotocol("chat").is_err() && dial.clone().header("Host", "h").is_err());
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Connect(client::Error::Refused { status: 302, head, .. })) => {
            assert_eq!(head.header_str("Location"), Some("ws://evil.invalid/"));
        }
        other => panic!("{other:?}"),
    }
    let request = server.join().unwrap();
    assert!(request.contains("\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"), "{request}");
    assert!(request.contains("\r\nOrigin: http://localhost\r\n"), "{request}");
    assert!(request.contains("\r\nSec-WebSocket-Protocol: chat, news\r\n"), "{request}");
    assert!(request.contains("\r\nCookie: seen=1\r\n"), "{request}");
    assert!(!format!("{dial:?}").contains("bWU6"), "it may be logged");
}
