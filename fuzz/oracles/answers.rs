//! What is made of a request, and read back: see `handshake`.

use sansocket::handshake::{HandshakeError, Incoming, Request, Response, ResponseError};

use super::reader::Reader;
use super::{rules, sha1};

/// Makes a response of what became of the request.
pub fn respond(parsed: &Result<Option<Incoming>, HandshakeError>, answer: &mut Reader<'_>) {
    let kind = answer.byte();
    match parsed {
        Ok(None) => {}
        Ok(Some(Incoming::Upgrade(request))) if kind & 1 == 0 => {
            let key = std::str::from_utf8(request.header("Sec-WebSocket-Key").unwrap()).unwrap();
            let response = request.accept();
            let wanted = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", &sha1::accept_key(key)),
            ];
            assert!(response.headers().eq(wanted));
            fill(choose(response, request, answer), 3, b"", answer);
        }
        Ok(Some(Incoming::Upgrade(request))) => {
            with_status(|status| request.reject(status), 300, answer)
        }
        Ok(Some(Incoming::Http(_))) if kind & 1 != 0 => with_status(Response::new, 200, answer),
        Ok(Some(http @ Incoming::Http(head))) => {
            let error = http.clone().upgrade().unwrap_err();
            let why = match (head.version(), head.method()) {
                ((1, 1), "GET") => "Upgrade",
                ((1, 1), _) => "Method",
                _ => "HttpVersion",
            };
            assert_eq!(format!("{error:?}"), why);
            respond(&Err(error), answer);
        }
        Err(error) => {
            let response = error.response();
            assert_eq!(response.status(), status(error));
            let body = match error {
                HandshakeError::Origin { .. } => "pages of this origin may not connect\n".into(),
                _ => format!("{error}\n"),
            };
            assert!(response.headers().eq(headers(error, &body)), "{response:?}");
            let fixed = response.headers().count();
            if !answer.is_empty() {
                assert_read_back(&response, &[], body.as_bytes(), fixed);
            }
            fill(response, fixed, body.as_bytes(), answer);
        }
    }
}

/// The headers of a refusal, but for its length.
fn headers(error: &HandshakeError, body: &str) -> Vec<(&'static str, &'static str)> {
    use HandshakeError::*;

    let status = status(error);
    let connection = if status == 426 { "close, Upgrade" } else { "close" };
    let mut headers = vec![("Connection", connection)];
    if !body.is_empty() {
        headers.push(("Content-Type", "text/plain; charset=utf-8"));
    }
    if status == 426 {
        headers.push(("Upgrade", "websocket"));
    }
    if status == 405 {
        headers.push(("Allow", "GET"));
    }
    if matches!(error, Upgrade | MissingVersion | UnsupportedVersion) {
        headers.push(("Sec-WebSocket-Version", "13"));
    }
    headers
}

/// A response of any status from `least` to 599.
fn with_status(
    make: impl Fn(u16) -> Result<Response, ResponseError>,
    least: u16,
    answer: &mut Reader<'_>,
) {
    let status = u16::from_be_bytes([answer.byte() % 4, answer.byte()]);
    match make(status) {
        Ok(response) => {
            assert!((least..600).contains(&status) && response.status() == status);
            fill(response, 1, b"", answer);
        }
        Err(error) => {
            assert!(!(least..600).contains(&status));
            assert_eq!(error, ResponseError::InvalidStatus(status));
        }
    }
}

/// Agrees to a subprotocol, perhaps one that was not offered.
fn choose(mut response: Response, request: &Request, answer: &mut Reader<'_>) -> Response {
    let offered: Vec<_> = request.subprotocols().collect();
    let mut chosen = false;
    for _ in 0..answer.below(3) {
        let name = match answer.byte() {
            n if n < 128 && !offered.is_empty() => {
                offered[usize::from(n) % offered.len()].to_owned()
            }
            _ => text(answer),
        };
        match response.clone().subprotocol(&name) {
            Ok(agreed) => {
                assert!(!chosen && offered.contains(&&*name));
                chosen = true;
                response = agreed;
            }
            Err(error) => {
                assert!(chosen || !offered.contains(&&*name));
                assert_eq!(error, ResponseError::NotOffered);
            }
        }
    }
    response
}

/// Adds headers and a body, and reads it all back.
fn fill(mut response: Response, fixed: usize, body: &[u8], answer: &mut Reader<'_>) {
    const OURS: [&str; 8] = [
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let own: Vec<_> =
        response.headers().skip(fixed).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut added = own;
    let mut body = body.to_vec();
    while !answer.is_empty() {
        let (op, name, value) = (answer.byte(), text(answer), text(answer));
        let clean = !value.chars().any(|char| char != '\t' && char.is_ascii_control());
        if op % 4 == 0 {
            match response.clone().body(&value, name.as_bytes()) {
                Ok(with_body) => {
                    assert!(clean && has_body(response.status()));
                    response = with_body;
                    added.retain(|header| !header.0.eq_ignore_ascii_case("content-type"));
                    added.push(("Content-Type".into(), value));
                    body = name.into_bytes();
                }
                Err(ResponseError::NoBody) => assert!(!has_body(response.status())),
                Err(error) => assert!(!clean && error == ResponseError::InvalidHeader),
            }
            continue;
        }
        let ours = OURS.contains(&&*name.to_ascii_lowercase());
        match response.clone().header(&name, &value) {
            Ok(with_header) => {
                assert!(!ours && clean && rules::is_token(name.as_bytes()));
                response = with_header;
                added.push((name, value));
            }
            Err(ResponseError::ReservedHeader) => assert!(ours),
            Err(error) => {
                assert!(!ours && (!clean || !rules::is_token(name.as_bytes())));
                assert_eq!(error, ResponseError::InvalidHeader);
            }
        }
    }
    // A content type of ours may have been replaced.
    let fixed = response.headers().count() - added.len();
    assert_read_back(&response, &added, &body, fixed);
}

/// Up to 31 bytes of text, any characters, or something that is often right.
fn text(answer: &mut Reader<'_>) -> String {
    const COMMON: [&str; 12] = [
        "Set-Cookie",
        "X-A",
        "a=b; Path=/",
        "text/plain",
        "Content-Length",
        "upgrade",
        "chat",
        "é",
        "x\r\nSet-Cookie: a",
        "Content-Type",
        "superchat",
        "",
    ];
    let len = answer.byte();
    match len {
        0..128 => String::from_utf8_lossy(answer.bytes(usize::from(len % 32))).into_owned(),
        _ => COMMON[usize::from(len) % COMMON.len()].into(),
    }
}

fn assert_read_back(response: &Response, added: &[(String, String)], body: &[u8], fixed: usize) {
    let bytes = response.to_bytes();
    assert_eq!([response.head_bytes(), response.body_bytes().to_vec()].concat(), bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (status, mut headers) = response_head(&bytes[..end]);
    assert_eq!(status, response.status());
    assert_eq!(status == 101, response.is_acceptance());
    let closes = match status {
        101 => "Upgrade",
        426 => "close, Upgrade",
        _ => "close",
    };
    let connection = headers.iter().filter(|header| header.0.eq_ignore_ascii_case("connection"));
    assert!(connection.eq([&("Connection", closes)]));
    let length = headers.iter().filter(|header| header.0.eq_ignore_ascii_case("content-length"));
    if has_body(status) {
        assert!(length.eq([&("Content-Length", &*body.len().to_string())]));
        headers.pop();
    } else {
        assert_eq!((length.count(), body), (0, &b""[..]));
    }
    assert_eq!(&bytes[end + 4..], body);
    assert!(headers.iter().copied().eq(response.headers()));
    let added = added.iter().map(|(name, value)| (&**name, &**value));
    assert!(headers[fixed..].iter().copied().eq(added));
}

/// RFC 9110 §15.2, §15.3.5, §15.4.5.
fn has_body(status: u16) -> bool {
    !matches!(status, 101 | 204 | 304)
}

/// Status and headers, of a response without a byte that should not be there (RFC 9112 §4, §5).
fn response_head(head: &[u8]) -> (u16, Vec<(&str, &str)>) {
    let mut lines = std::str::from_utf8(head).unwrap().split("\r\n");
    let status_line = lines.next().unwrap();
    let (status, phrase) = status_line.strip_prefix("HTTP/1.1 ").unwrap().split_once(' ').unwrap();
    assert!(
        status.len() == 3 && phrase.chars().all(|char| char == ' ' || char.is_ascii_alphabetic())
    );
    let headers = lines.map(|line| {
        assert!(!line.bytes().any(|byte| byte != b'\t' && byte < b' ' || byte == 0x7f));
        let (name, value) = line.split_once(": ").unwrap();
        assert!(rules::is_token(name.as_bytes()));
        (name, value)
    });
    (status.parse().unwrap(), headers.collect())
}

/// The table in the documentation of the errors.
fn status(error: &HandshakeError) -> u16 {
    use HandshakeError::*;

    match error {
        Upgrade | UnsupportedVersion => 426,
        TargetTooLong => 414,
        HeadTooLarge => 431,
        HttpVersion => 505,
        Method => 405,
        Origin { .. } => 403,
        _ => 400,
    }
}
