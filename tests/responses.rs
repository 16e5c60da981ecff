//! What may be answered to a request, and what must never be written (RFC 6455 §4.2.2).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

#[path = "common/handshake.rs"]
mod heads;

use heads::{Answer, with};
use sansocket::handshake::{Acceptor, Request, Response, ResponseError as E};
use sansocket::{Buffer, Config};

const ACCEPTANCE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

fn request(lines: &[&str]) -> Request {
    let mut input = Buffer::new();
    input.extend(&with(lines));
    Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap()
}

fn text(response: &Response) -> String {
    String::from_utf8(response.to_bytes()).unwrap()
}

fn both() -> [Response; 2] {
    [request(&[]).accept(), request(&[]).reject(403).unwrap()]
}

// R-038, R-039, R-040, R-041, R-042, R-047, R-049, R-052, R-165
#[test]
fn an_acceptance_is_three_headers_and_no_body() {
    let response = request(&[]).accept();
    assert_eq!(text(&response), format!("{ACCEPTANCE}\r\n"));
    assert_eq!((response.status(), response.is_acceptance()), (101, true));
    let answer = Answer::read(&response.to_bytes());
    assert_eq!(answer.values("Sec-WebSocket-Accept").len(), 1);
    for absent in ["Content-Length", "Transfer-Encoding", "Sec-WebSocket-Extensions"] {
        assert_eq!(answer.values(absent), [""; 0]);
    }
    assert_eq!(answer.body, b"");
}

// R-044, R-046, R-048, HS-24: the client's order is for the application to look at
#[test]
fn a_subprotocol_that_was_offered_can_be_chosen() {
    let request =
        request(&["Sec-WebSocket-Protocol: chat, Super.Chat", "Sec-WebSocket-Protocol: x"]);
    for name in ["chat", "Super.Chat", "x"] {
        let response = request.accept().subprotocol(name).unwrap();
        let wanted = format!("{ACCEPTANCE}Sec-WebSocket-Protocol: {name}\r\n\r\n");
        assert_eq!(text(&response), wanted);
    }
}

// R-044, R-045, R-048, R-051, V76, HS-24, HS-35
#[test]
fn a_subprotocol_that_was_not_offered_cannot_be_chosen() {
    let offered = request(&["Sec-WebSocket-Protocol: chat, superchat"]).accept();
    for name in [
        "",
        "other",
        "Chat",
        "CHAT",
        "chat ",
        " chat",
        "chat,superchat",
        "chat, superchat",
        "cha",
        "chatt",
        "chat\r\nSet-Cookie: a",
        "chat\0",
        "chat\n",
        "\u{e9}",
    ] {
        assert_eq!(offered.clone().subprotocol(name).unwrap_err(), E::NotOffered, "{name:?}");
    }
    assert_eq!(text(&offered), format!("{ACCEPTANCE}\r\n"));
}

// R-046, R-047
#[test]
fn at_most_one_subprotocol_is_chosen_and_none_if_none_was_offered() {
    let response = request(&["Sec-WebSocket-Protocol: chat, superchat"]).accept();
    let chosen = response.subprotocol("chat").unwrap();
    for again in ["chat", "superchat"] {
        assert_eq!(chosen.clone().subprotocol(again).unwrap_err(), E::NotOffered);
    }
    for none in [request(&[]), request(&["Sec-WebSocket-Protocol:"])] {
        assert_eq!(none.accept().subprotocol("chat").unwrap_err(), E::NotOffered);
        assert_eq!(none.accept().subprotocol("").unwrap_err(), E::NotOffered);
    }
    // A refusal agrees to nothing.
    let offered = request(&["Sec-WebSocket-Protocol: chat"]);
    assert_eq!(offered.reject(403).unwrap().subprotocol("chat").unwrap_err(), E::NotOffered);
}

// R-045: who chooses none says nothing, and can find out beforehand that nothing fits
#[test]
fn no_choice_is_no_header() {
    let request = request(&["Sec-WebSocket-Protocol: a, b"]);
    assert!(!request.subprotocols().any(|name| name == "c"));
    assert_eq!(text(&request.accept()), format!("{ACCEPTANCE}\r\n"));
}

// R-031, R-054, HS-38
#[test]
fn a_refusal_has_a_status_from_300_to_599() {
    let request = request(&[]);
    for status in 0..=1000 {
        if (300..600).contains(&status) {
            let response = request.reject(status).unwrap();
            assert_eq!((response.status(), response.is_acceptance()), (status, false));
            Answer::read(&response.to_bytes()).assert_refusal(status);
        } else {
            assert_eq!(request.reject(status).unwrap_err(), E::InvalidStatus(status));
        }
    }
    assert_eq!(request.reject(u16::MAX).unwrap_err(), E::InvalidStatus(u16::MAX));
}

// R-009, HS-14: what came without an upgrade, where pages are served on the same port
#[test]
fn plain_http_is_answered_with_a_status_from_200_to_599() {
    for status in 0..=1000 {
        match Response::new(status) {
            Ok(response) => {
                assert!((200..600).contains(&status));
                assert_eq!((response.status(), response.is_acceptance()), (status, false));
                assert_eq!(Answer::read(&response.to_bytes()).status, status);
            }
            Err(error) => {
                assert!(!(200..600).contains(&status));
                assert_eq!(error, E::InvalidStatus(status));
            }
        }
    }
    let page = Response::new(200).unwrap().header("ETag", "\"1\"").unwrap();
    assert_eq!(
        text(&page.body("text/html", "<p>hi").unwrap()),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"1\"\r\nContent-Type: text/html\r\n\
         Content-Length: 5\r\n\r\n<p>hi"
    );
    assert_eq!(
        text(&Response::new(404).unwrap()),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(Response::new(200).unwrap().subprotocol("chat").unwrap_err(), E::NotOffered);
}

// R-031, R-054: a status without a phrase keeps the space before it (RFC 9112 §4)
#[test]
fn a_refusal_is_a_complete_response() {
    for (status, line) in [
        (301, "301 Moved Permanently"),
        (302, "302 Found"),
        (303, "303 See Other"),
        (307, "307 Temporary Redirect"),
        (308, "308 Permanent Redirect"),
        (400, "400 Bad Request"),
        (401, "401 Unauthorized"),
        (403, "403 Forbidden"),
        (404, "404 Not Found"),
        (405, "405 Method Not Allowed"),
        (408, "408 Request Timeout"),
        (410, "410 Gone"),
        (414, "414 URI Too Long"),
        (418, "418 "),
        (429, "429 Too Many Requests"),
        (431, "431 Request Header Fields Too Large"),
        (500, "500 Internal Server Error"),
        (502, "502 Bad Gateway"),
        (503, "503 Service Unavailable"),
        (505, "505 HTTP Version Not Supported"),
        (599, "599 "),
    ] {
        let response = request(&[]).reject(status).unwrap();
        let wanted = format!("HTTP/1.1 {line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(text(&response), wanted);
    }
}

// R-032, HS-38
#[test]
fn a_refusal_says_what_the_application_says() {
    let request = request(&["Authorization: Basic YTpi"]);
    let unauthorized = request.reject(401).unwrap();
    let unauthorized = unauthorized.header("WWW-Authenticate", "Basic realm=\"chat\"").unwrap();
    assert_eq!(
        text(&unauthorized.body("application/json", "{}").unwrap()),
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\
         WWW-Authenticate: Basic realm=\"chat\"\r\nContent-Type: application/json\r\n\
         Content-Length: 2\r\n\r\n{}"
    );
    let redirect = request.reject(307).unwrap().header("Location", "https://h/?a=b#c").unwrap();
    assert_eq!(
        text(&redirect),
        "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: https://h/?a=b#c\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let later = request.reject(503).unwrap().header("Retry-After", "120").unwrap();
    assert_eq!(
        text(&later.body("text/plain", "later\r\n\r\n").unwrap()),
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 120\r\n\
         Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nlater\r\n\r\n"
    );
}

// R-054, HS-38: of any bytes, and the last one counts
#[test]
fn the_length_of_the_body_is_its_length() {
    let request = request(&[]);
    for body in [&b""[..], b"a", b"\0\xff\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", &[b'a'; 100_000]] {
        let response = request.reject(403).unwrap();
        let response = response.body("text/html", "a first version").unwrap();
        let response = response.body("application/octet-stream", body).unwrap();
        let answer = Answer::read(&response.to_bytes());
        answer.assert_refusal(403);
        assert_eq!(answer.body, body);
        assert_eq!(answer.values("Content-Type"), ["application/octet-stream"]);
    }
}

// R-052: the connection is one of frames from there on
#[test]
fn an_acceptance_has_no_body() {
    let response = request(&[]).accept();
    assert_eq!(response.clone().body("text/plain", "hi").unwrap_err(), E::NoBody);
    assert_eq!(response.body("text/plain", "").unwrap_err(), E::NoBody);
}

// R-051: in their order, and as often as they are set
#[test]
fn headers_can_be_added() {
    let add = |response: Response| {
        let response = response.header("Set-Cookie", "a=1; HttpOnly").unwrap();
        let response = response.header("Set-Cookie", "b=2").unwrap();
        let response = response.header("x-empty", "").unwrap();
        response.header("!#$%&'*+-.^_`|~09", "a\t\u{e9}~").unwrap()
    };
    let added = "Set-Cookie: a=1; HttpOnly\r\nSet-Cookie: b=2\r\nx-empty: \r\n\
        !#$%&'*+-.^_`|~09: a\t\u{e9}~\r\n";
    let [accept, reject] = both().map(add);
    assert_eq!(text(&accept), format!("{ACCEPTANCE}{added}\r\n"));
    assert_eq!(
        text(&reject),
        format!("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n{added}Content-Length: 0\r\n\r\n")
    );
    let chosen = request(&["Sec-WebSocket-Protocol: chat"]).accept().header("A", "b").unwrap();
    assert_eq!(
        text(&chosen.subprotocol("chat").unwrap()),
        format!("{ACCEPTANCE}A: b\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
    );
}

// R-042, R-046, R-050, R-051, R-052, R-160, HS-36
#[test]
fn reserved_response_headers_cannot_be_added() {
    for name in [
        "Connection",
        "Content-Length",
        "Sec-WebSocket-Accept",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Protocol",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ] {
        for name in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            for response in both() {
                let before = response.to_bytes();
                for value in ["", "websocket", "0", "permessage-deflate", "a\r\nb"] {
                    let added = response.clone().header(&name, value);
                    assert_eq!(added.unwrap_err(), E::ReservedHeader, "{name}");
                }
                assert_eq!(response.to_bytes(), before);
            }
        }
    }
}

// R-051, V76, HS-35: every character, alone and between others
#[test]
fn the_name_of_a_header_is_a_token() {
    let mut names = vec![String::new()];
    for char in (0..=0xff).map(char::from) {
        if !char.is_ascii_alphanumeric() && !"!#$%&'*+-.^_`|~".contains(char) {
            names.extend([format!("{char}"), format!("X{char}Y"), format!("X{char}")]);
        }
    }
    names.extend(["X: y\r\nZ", "Upgrade ", " Upgrade", "Upgrade:", "日"].map(String::from));
    for response in both() {
        for name in &names {
            let added = response.clone().header(name, "value");
            assert_eq!(added.unwrap_err(), E::InvalidHeader, "{name:?}");
        }
    }
}

// R-051, V76, HS-35
#[test]
fn the_value_of_a_header_has_no_control_characters_but_tab() {
    for response in both() {
        for char in (0..=0x7f).map(char::from) {
            for value in [format!("{char}"), format!("a{char}b"), format!("a{char}")] {
                let added = response.clone().header("X-Foo", &value);
                if char == '\t' || !char.is_ascii_control() {
                    let line = format!("\r\nX-Foo: {value}\r\n");
                    assert!(text(&added.unwrap()).contains(&line), "{value:?}");
                } else {
                    assert_eq!(added.unwrap_err(), E::InvalidHeader, "{value:?}");
                }
            }
        }
        for value in ["x\r\nSet-Cookie: a", "x\n\nHTTP/1.1 200 OK", "x\r\n folded"] {
            let added = response.clone().header("X-Foo", value);
            assert_eq!(added.unwrap_err(), E::InvalidHeader);
        }
    }
}

// R-051, V76, HS-35
#[test]
fn the_type_of_a_body_has_no_control_characters_but_tab() {
    let [_, response] = both();
    let before = response.to_bytes();
    for bad in ["\r\n", "\r", "\n", "\0", "\x7f", "\x1b"] {
        for value in [bad.to_owned(), format!("text/plain{bad}Set-Cookie: a"), format!("a{bad}")] {
            let added = response.clone().body(&value, "body");
            assert_eq!(added.unwrap_err(), E::InvalidHeader, "{value:?}");
        }
    }
    assert_eq!(response.to_bytes(), before);
}

// R-044, R-051: for another HTTP server to write, which counts the body itself
#[test]
fn the_headers_can_be_written_by_another_server() {
    let request = request(&["Sec-WebSocket-Protocol: chat"]);
    let accept = request.accept().subprotocol("chat").unwrap().header("A", "b").unwrap();
    assert!(accept.headers().eq([
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", heads::ACCEPT),
        ("Sec-WebSocket-Protocol", "chat"),
        ("A", "b"),
    ]));
    let reject = request.reject(404).unwrap().body("text/plain", "gone").unwrap();
    assert!(reject.headers().eq([("Connection", "close"), ("Content-Type", "text/plain")]));
}

// R-032, V68: a request can be answered more than once until one answer is written
#[test]
fn an_answer_changes_nothing_until_it_is_written() {
    let request = request(&["Sec-WebSocket-Protocol: chat"]);
    let (first, refusal) = (request.accept(), request.reject(500).unwrap());
    assert!(first.clone().subprotocol("other").is_err());
    assert!(refusal.header("bad name", "").is_err());
    assert_eq!(request.accept().to_bytes(), first.to_bytes());
    let copy = request.clone();
    drop(request);
    assert_eq!(copy.accept().to_bytes(), first.to_bytes());
}

// R-051, RE-08: values may be secret
#[test]
fn a_response_is_shown_without_its_values() {
    let response = request(&[]).reject(401).unwrap().header("Set-Cookie", "secret").unwrap();
    let shown = format!("{:?}", response.body("secret/type", "secret").unwrap());
    assert_eq!(
        shown,
        "Response { status: 401, headers: [\"Connection\", \"Set-Cookie\", \"Content-Type\"], .. }"
    );
}

#[test]
fn a_426_says_to_what() {
    let answer = Answer::read(&request(&[]).reject(426).unwrap().to_bytes());
    assert_eq!(answer.values("Upgrade"), ["websocket"]);
}

#[test]
fn no_content_has_no_length_and_takes_no_body() {
    let response = Response::new(204).unwrap();
    assert_eq!(response.to_bytes(), b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    let error = response.body("text/plain", "x").unwrap_err();
    assert_eq!(error, sansocket::handshake::ResponseError::NoBody);
}

// RFC 9110 §15.4.5: a length would be that of another response
#[test]
fn not_modified_has_no_length_and_takes_no_body() {
    let response = Response::new(304).unwrap().header("ETag", "\"a\"").unwrap();
    let wanted = b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\n\r\n";
    assert_eq!(response.to_bytes(), wanted);
    assert_eq!(response.body("text/plain", "x").unwrap_err(), E::NoBody);
}

// RFC 9110 §9.3.2
#[test]
fn a_response_is_a_head_and_a_body() {
    let response = Response::new(404).unwrap().body("text/plain", "none").unwrap();
    assert_eq!(response.body_bytes(), b"none");
    let bytes = [&response.head_bytes()[..], b"none"].concat();
    assert_eq!(response.to_bytes(), bytes);
    assert_eq!(Response::new(200).unwrap().body_bytes(), b"");
}

#[test]
fn a_body_has_one_type() {
    let typed = Response::new(404).unwrap().header("content-type", "a/b").unwrap();
    let response = typed.body("text/plain", "x").unwrap();
    let types = response.headers().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    assert_eq!(types.collect::<Vec<_>>(), [("Content-Type", "text/plain")]);
}
