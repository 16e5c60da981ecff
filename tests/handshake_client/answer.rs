//! What a client takes for an answer.

use sansocket::Config;
use sansocket::handshake::client::{Error as E, Request};
use sansocket::handshake::{Connector, accept_key};

use crate::{answer, assert_fails, buffer, offer, value, verify};

// R-069, V72: with what a client needs to go on from there
#[test]
fn another_status_is_a_refusal() {
    for status in [200, 204, 301, 302, 400, 401, 403, 404, 426, 429, 500, 503, 999] {
        let image = format!(
            "HTTP/1.1 {status} Whatever\r\nWWW-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nhello"
        );
        let (verified, rest) = verify(&offer("ws://h"), image.as_bytes(), &Config::default());
        let Err(E::Refused { status: seen, head, body }) = verified else {
            panic!("{verified:?}");
        };
        assert_eq!(seen, status);
        assert_eq!(head.header("www-authenticate"), Some(&b"Basic"[..]));
        assert_eq!(head.headers().count(), 2);
        assert_eq!((head.method(), head.target()), ("", ""));
        // A 204 has no body, whatever it says.
        let (kept, left) = if status == 204 { ("", "hello") } else { ("hello", "") };
        assert_eq!((&*body, &*rest), (kept.as_bytes(), left.as_bytes()), "{status}");
    }
}

// R-069, V72: with everything else as if it were 101
#[test]
fn only_101_opens_a_connection() {
    let offer = offer("ws://h");
    for status in (100..=999).filter(|status| *status != 101) {
        let image = answer(&offer, &[]).replacen("101", &status.to_string(), 1);
        let mut connector = Connector::new(offer.clone(), Config::default());
        let mut input = buffer(image.as_bytes());
        let mut answer = connector.next(&mut input);
        if matches!(answer, Ok(None)) && connector.eof().is_ok() {
            answer = connector.next(&mut input);
        }
        match answer {
            Err(E::Refused { status: seen, .. }) => assert_eq!(seen, status),
            // RFC 9110 §15.2: an interim response, and the answer is to come.
            Ok(None) => assert!(status < 200),
            other => panic!("{status}: {other:?}"),
        }
    }
}

// case, white space and lists are what they are for a server
#[test]
fn an_answer_of_the_form_the_rfc_asks_for_is_accepted() {
    let offer = offer("ws://h").subprotocol("chat").unwrap();
    let accept = accept_key(&value(&offer, "Sec-WebSocket-Key"));
    for lines in [
        &[][..],
        &["Upgrade: WebSocket"],
        &["upgrade:\twebsocket "],
        &["Connection: upgrade"],
        &["CONNECTION: keep-alive, UPGRADE"],
        &["Connection: keep-alive", "Connection: Upgrade"],
        &[&*format!("sec-websocket-accept: \t {accept} \t")],
        &["Server: x", "Date: y", "Set-Cookie: \u{e9}"],
    ] {
        let image: Vec<_> =
            answer(&offer, lines).chars().map(|char| u8::try_from(char).unwrap()).collect();
        let (verified, _) = verify(&offer, &image, &Config::default());
        assert_eq!(verified.unwrap().unwrap().subprotocol(), None, "{lines:?}");
    }
    let chosen = answer(&offer, &["sec-websocket-protocol: chat "]);
    let (verified, _) = verify(&offer, chosen.as_bytes(), &Config::default());
    assert_eq!(verified.unwrap().unwrap().subprotocol(), Some("chat"));
    // The reason is for people (RFC 9112 §4).
    for line in ["HTTP/1.1 101 ", "HTTP/1.1 101 Web Socket Protocol Handshake", "HTTP/1.1 101"] {
        let image = answer(&offer, &[]).replace("HTTP/1.1 101 Switching Protocols", line);
        let (verified, _) = verify(&offer, image.as_bytes(), &Config::default());
        assert!(matches!(verified, Ok(Some(_))), "{line}");
    }
}

// V72: a name alone takes the header out
#[test]
fn any_other_answer_fails() {
    let offer = offer("ws://h").subprotocol("chat").unwrap().subprotocol("superchat").unwrap();
    let accept =
        format!("Sec-WebSocket-Accept: {}", accept_key(&value(&offer, "Sec-WebSocket-Key")));
    let rows: [(E, &[&str]); 36] = [
        (E::Upgrade, &["Upgrade"]),
        (E::Upgrade, &["Upgrade:"]),
        (E::Upgrade, &["Upgrade: websockets"]),
        (E::Upgrade, &["Upgrade: websocket/13"]),
        (E::Upgrade, &["Upgrade: h2c"]),
        (E::Upgrade, &["Upgrade: websocket, h2c"]),
        (E::Upgrade, &["Upgrade: websocket", "Upgrade: h2c"]),
        (E::Connection, &["Connection"]),
        (E::Connection, &["Connection:"]),
        (E::Connection, &["Connection: close"]),
        (E::Connection, &["Connection: upgrade-x"]),
        (E::Connection, &["Connection: notupgrade"]),
        (E::AcceptKey, &["Sec-WebSocket-Accept"]),
        (E::AcceptKey, &["Sec-WebSocket-Accept:"]),
        (E::AcceptKey, &["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]),
        (E::AcceptKey, &[&*accept.to_ascii_lowercase()]),
        (E::AcceptKey, &[&*format!("{accept}=")]),
        (E::AcceptKey, &[accept.trim_end_matches('=')]),
        (E::AcceptKey, &[&*format!("{accept}, {accept}")]),
        (E::AcceptKey, &[&accept, &accept]),
        (E::AcceptKey, &[&accept, "sec-websocket-accept: a"]),
        (E::AcceptKey, &["Sec-WebSocket-Accept: \u{ff}"]),
        (E::Extension, &["Sec-WebSocket-Extensions: permessage-deflate"]),
        (E::Extension, &["Sec-WebSocket-Extensions: foo; a=1"]),
        (E::Extension, &["Sec-WebSocket-Extensions:"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: other"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: Chat"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol:"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: chat, superchat"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: chat"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"]),
        (E::Subprotocol, &["Sec-WebSocket-Protocol: \u{ff}"]),
        (E::Malformed, &["X-Foo : bar"]),
        (E::Malformed, &["X-Foo: a\r\n folded"]),
        (E::Malformed, &["X-Foo: a\0"]),
        (E::Malformed, &["X-Foo: a\nb: c"]),
    ];
    for (why, lines) in rows {
        assert_fails(&offer, &answer(&offer, lines), &why);
    }
    let nothing = Request::new("ws://h").unwrap();
    let image = answer(&nothing, &["Sec-WebSocket-Protocol: chat"]);
    assert_fails(&nothing, &image, &E::Subprotocol);
}

// R-075, V72: and garbage is no answer
#[test]
fn malformed_responses_are_refused() {
    let offer = offer("ws://h");
    let rest = answer(&offer, &[]).split_once("\r\n").unwrap().1.to_owned();
    for line in [
        "HTTP/2 101 Switching Protocols",
        "HTTP/1.2 101 Switching Protocols",
        "http/1.1 101 ok",
        "HTTP/1.1 1O1 ok",
        "HTTP/1.1 10 ok",
        "HTTP/1.1 1010 ok",
        "HTTP/1.1  101 ok",
        "HTTP/1.1",
        "101 Switching Protocols",
        "GET / HTTP/1.1",
        "ICY 200 OK",
        "HTTP/1.1 101 a\0b",
    ] {
        assert_fails(&offer, &format!("{line}\r\n{rest}"), &E::Malformed);
    }
    for garbage in ["\x15\x03\x03\0\x02\x02\x28", "\u{81}\x05Hello", "\0", "\n", "\r\n\r\n", " "] {
        assert_fails(&offer, garbage, &E::Malformed);
    }
    // The end of the stream can come anywhere; until then there is no answer.
    let image = answer(&offer, &[]);
    for end in 0..image.len() {
        let mut input = buffer(&image.as_bytes()[..end]);
        assert!(
            matches!(Connector::new(offer.clone(), Config::default()).next(&mut input), Ok(None)),
            "{end}"
        );
    }
}

// a client limits what it reads, too
#[test]
fn an_answer_that_is_too_large_fails() {
    let offer = offer("ws://h");
    let base = answer(&offer, &["X: "]).len();
    let pad = |len: usize| answer(&offer, &[&format!("X: {}", "a".repeat(len - base))]);
    let (verified, _) = verify(&offer, pad(16 * 1024).as_bytes(), &Config::default());
    assert!(matches!(verified, Ok(Some(_))));
    for len in [16 * 1024 + 1, 20 * 1024] {
        assert_fails(&offer, &pad(len), &E::HeadTooLarge);
    }
    assert_fails(&offer, &"a".repeat(16 * 1024), &E::HeadTooLarge);
    let (verified, _) = verify(&offer, answer(&offer, &["X:"; 97]).as_bytes(), &Config::default());
    assert!(matches!(verified, Ok(Some(_))));
    assert_fails(&offer, &answer(&offer, &["X:"; 98]), &E::HeadTooLarge);
    let image = answer(&offer, &[]);
    let small = Config::builder().max_head(image.len() - 1).max_target(1).build().unwrap();
    assert!(matches!(verify(&offer, image.as_bytes(), &small).0, Err(E::HeadTooLarge)));
}

//
#[test]
fn an_answer_is_http_1_1() {
    let offer = offer("ws://h");
    let image = answer(&offer, &[]).replacen("1.1", "1.0", 1);
    assert!(Connector::new(offer, Config::default()).next(&mut buffer(image.as_bytes())).is_err());
}
