//! Requests, from bytes however they are cut, and from fields that another server has parsed; and
//! responses, whatever is put into them:
//!
//! * a request is accepted, handed over as plain HTTP, refused for a reason, or incomplete exactly as
//!   an independent checker says (`rules`), after the same byte, with the same fields; what
//!   follows an accepted or plain head stays, and after a refusal nothing does;
//! * `Request::new` of the fields agrees with `Request::parse` of the bytes;
//! * every response reads back, with a parser of our own, as just what was put into it: no more
//!   headers, no other body; 101 is the status of all acceptances and of nothing else.

use sansocket::handshake::{HandshakeError, Head, Request, Response, ResponseError, accept_key};
use sansocket::{Buffer, Config, Origins};

use super::reader::{Reader, pieces};
use super::rules::{self, Fields, Rules, Verdict};
use super::sha1;

const LISTED: [&str; 4] =
    ["https://example.com", "http://localhost:8080", "chrome-extension://abc", "null"];

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mode = reader.byte();
    let (config, rules) = limits(mode % 8);
    match mode / 8 % 4 {
        0 | 1 => bytes(&mut reader, mode & 8 != 0, &config, &rules),
        2 => fields(&mut reader, &config, &rules),
        _ => key(&mut reader),
    }
}

fn limits(choice: u8) -> (Config, Rules) {
    let default = Rules {
        max_head: 16 * 1024,
        max_target: 8 * 1024,
        max_headers: 100,
        origins: rules::Origins::SameHost,
    };
    let rules = match choice {
        0..3 => default,
        3 => Rules { origins: rules::Origins::Any, ..default },
        4 => Rules { origins: rules::Origins::List(&LISTED), ..default },
        5 => Rules { max_head: 300, max_target: 20, max_headers: 6, ..default },
        6 => Rules { max_head: 64, max_target: 64, ..default },
        _ => Rules { max_headers: 1, origins: rules::Origins::Any, ..default },
    };
    let config = Config::builder()
        .max_head(rules.max_head)
        .max_target(rules.max_target)
        .max_headers(rules.max_headers)
        .origins(match rules.origins {
            rules::Origins::SameHost => Origins::SameHost,
            rules::Origins::List(listed) => Origins::list(listed.iter().copied()),
            rules::Origins::Any => Origins::Any,
        });
    (config.build().unwrap(), rules)
}

/// A request as bytes.
fn bytes(reader: &mut Reader<'_>, short: bool, config: &Config, rules: &Rules) {
    let sizes = reader.sizes();
    let n = reader.byte();
    let mut answer = Reader::new(reader.bytes(n.into()));
    let image = if short { expand(reader.rest()) } else { reader.rest().to_vec() };

    let (verdict, after, fields) = rules::judge(&image, rules);
    for sizes in [&[][..], &[1], &sizes] {
        let pieces = pieces(&image, sizes);
        compare(&verdict, after, &image, &Run::appended(pieces, config));
        compare(&verdict, after, &image, &Run::read(&image, sizes, config));
    }
    if let Some(fields) = fields {
        let elsewhere = elsewhere(&fields, config);
        compare_parsed(&verdict, &elsewhere.map(Some));
    }
    respond(&Run::appended([&image[..]], config).parsed, &mut answer);
}

/// Fields that no parser of ours has seen.
fn fields(reader: &mut Reader<'_>, config: &Config, rules: &Rules) {
    let n = reader.byte();
    let mut answer = Reader::new(reader.bytes(n.into()));
    let version = reader.pick(&[(1, 1), (1, 1), (1, 0), (2, 0), (0, 9), (11, 1)]);
    let rest = expand(reader.rest());
    let mut texts = rest.split(|byte| *byte == 0xff);
    let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
    let (method, target) = (text(), text());
    let mut headers = vec![];
    for line in texts {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        headers.push((name, rules::trim(line.get(colon + 1..).unwrap_or_default()).to_vec()));
    }
    let fields = Fields { method, target, version, headers };
    let parsed = elsewhere(&fields, config).map(Some);
    compare_parsed(&rules::judge_fields(&fields, rules), &parsed);
    respond(&parsed, &mut answer);
}

/// Any text may be made an accept key of.
fn key(reader: &mut Reader<'_>) {
    let text = String::from_utf8_lossy(reader.rest()).into_owned();
    assert_eq!(accept_key(&text), sha1::accept_key(&text));
}

type Parsed = Result<Option<Request>, HandshakeError>;

fn elsewhere(fields: &Fields, config: &Config) -> Result<Request, HandshakeError> {
    let headers = fields.headers.iter().map(|(name, value)| (&**name, &**value));
    Request::new(&fields.method, &fields.target, fields.version, headers, config)
}

/// What became of a request.
struct Run {
    parsed: Parsed,
    /// The number of bytes that had arrived when it was known, and when it was not.
    between: (usize, usize),
    /// What is unread, all that arrived but was refused.
    unread: Vec<u8>,
}

impl Run {
    fn appended<'i>(pieces: impl IntoIterator<Item = &'i [u8]>, config: &Config) -> Self {
        let mut input = Buffer::new();
        Self::of(
            pieces.into_iter().map(|piece| (piece.len(), piece)),
            input_with,
            &mut input,
            config,
        )
    }

    /// By reads of these sizes at most.
    fn read(image: &[u8], sizes: &[usize], config: &Config) -> Self {
        let mut input = Buffer::new();
        let mut steps = vec![];
        for mut piece in pieces(image, sizes) {
            while !piece.is_empty() {
                // The first read has room for 4 KiB, and none for less than 2.
                let (front, rest) = piece.split_at(piece.len().min(2048));
                steps.push((front.len(), front));
                piece = rest;
            }
        }
        let read = |input: &mut Buffer, mut piece: &[u8]| {
            let n = piece.len();
            assert_eq!(input.read_from(&mut piece).unwrap(), n);
        };
        Self::of(steps.into_iter(), read, &mut input, config)
    }

    fn of<'i>(
        mut steps: impl Iterator<Item = (usize, &'i [u8])>,
        take: impl Fn(&mut Buffer, &[u8]),
        input: &mut Buffer,
        config: &Config,
    ) -> Self {
        let (mut parsed, mut between) = (Ok(None), (0, 0));
        while matches!(parsed, Ok(None)) {
            let Some((n, piece)) = steps.next() else {
                break;
            };
            take(input, piece);
            between = (between.1, between.1 + n);
            parsed = Request::parse(&mut *input, config);
        }
        if matches!(parsed, Ok(_) | Err(HandshakeError::NotWebSocket(_))) {
            steps.for_each(|(_, piece)| take(input, piece));
        } else {
            assert!(input.is_empty(), "a refusal leaves nothing to be read as frames");
        }
        Self { parsed, between, unread: input.unread().to_vec() }
    }
}

fn input_with(input: &mut Buffer, piece: &[u8]) {
    input.extend(piece);
}

fn compare(verdict: &Verdict, after: usize, image: &[u8], run: &Run) {
    compare_parsed(verdict, &run.parsed);
    match verdict {
        Verdict::Incomplete => assert_eq!(run.unread, image),
        Verdict::Refused(_) => assert_eq!(run.unread, b""),
        _ => assert_eq!(run.unread, &image[after..]),
    }
    if !matches!(verdict, Verdict::Incomplete) {
        assert!(run.between.0 < after && after <= run.between.1, "{after} {:?}", run.between);
    }
}

fn compare_parsed(verdict: &Verdict, parsed: &Parsed) {
    match (verdict, parsed) {
        (Verdict::Incomplete, Ok(None)) => {}
        (Verdict::Accepted(wanted), Ok(Some(request))) => {
            assert_eq!(of_head(request), *wanted);
            let (path, query) = wanted.resource();
            assert_eq!((request.path(), request.query()), (path, query));
            assert_eq!(request.origin(), wanted.all("Origin").first().copied());
            let offered = wanted.all("Sec-WebSocket-Protocol");
            assert!(request.subprotocols().map(str::as_bytes).eq(rules::members(&offered)));
            for (name, _) in &wanted.headers {
                assert_eq!(request.header(name), wanted.all(name).first().copied());
            }
        }
        (Verdict::Plain(wanted), Err(HandshakeError::NotWebSocket(head))) => {
            assert_eq!(of_head(head), *wanted);
        }
        (Verdict::Refused(why), Err(error)) => assert_eq!(format!("{error:?}"), *why),
        _ => panic!("{parsed:?} and not {verdict:?}"),
    }
}

fn of_head(head: &Head) -> Fields {
    Fields {
        method: head.method().into(),
        target: head.target().into(),
        version: head.version(),
        headers: head.headers().map(|(name, value)| (name.into(), value.into())).collect(),
    }
}

/// Makes a response of what became of the request.
fn respond(parsed: &Parsed, answer: &mut Reader<'_>) {
    let kind = answer.byte();
    match parsed {
        Ok(None) => {}
        Ok(Some(request)) if kind & 1 == 0 => {
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
        Ok(Some(request)) => with_status(|status| request.reject(status), 300, answer),
        Err(HandshakeError::NotWebSocket(_)) if kind & 1 != 0 => {
            with_status(Response::new, 200, answer);
        }
        Err(error) => {
            let response = error.response();
            assert_eq!(response.status(), status(error));
            let (fixed, body) = (response.headers().count(), format!("{error}\n"));
            assert_read_back(&response, &[], body.as_bytes(), fixed);
            fill(response, fixed, body.as_bytes(), answer);
        }
    }
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
                    assert!(clean && !response.is_acceptance());
                    response = with_body;
                    added.retain(|header| !header.0.eq_ignore_ascii_case("content-type"));
                    added.push(("Content-Type".into(), value));
                    body = name.into_bytes();
                }
                Err(ResponseError::NoBody) => assert!(response.is_acceptance()),
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
    let (status, mut headers) = response_head(&bytes);
    assert_eq!(status, response.status());
    assert_eq!(status == 101, response.is_acceptance());
    let length = headers.iter().filter(|header| header.0.eq_ignore_ascii_case("content-length"));
    if response.is_acceptance() {
        assert_eq!((length.count(), body), (0, &b""[..]));
    } else {
        assert!(length.eq([&("Content-Length".to_owned(), body.len().to_string())]));
        headers.pop();
        let closes = headers[0].1 == "close" || status == 426 && headers[0].1 == "close, Upgrade";
        assert!(headers[0].0 == "Connection" && closes);
    }
    assert_eq!(response_body(&bytes), body);
    assert!(headers.iter().map(|(name, value)| (&**name, &**value)).eq(response.headers()));
    assert_eq!(&headers[fixed..], added);
}

/// Status and headers, of a response without a byte that should not be there (RFC 9112 §4, §5).
fn response_head(bytes: &[u8]) -> (u16, Vec<(String, String)>) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    assert!(
        !head.replace("\r\n", "").contains(|char| char != '\t' && char < ' ' || char == '\x7f')
    );
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap();
    let (status, phrase) = status_line.strip_prefix("HTTP/1.1 ").unwrap().split_once(' ').unwrap();
    assert!(
        status.len() == 3 && phrase.chars().all(|char| char == ' ' || char.is_ascii_alphabetic())
    );
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(rules::is_token(name.as_bytes()));
        (name.to_owned(), value.to_owned())
    });
    (status.parse().unwrap(), headers.collect())
}

fn response_body(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    bytes[end + 4..].to_vec()
}

/// The table in the documentation of the errors.
fn status(error: &HandshakeError) -> u16 {
    use HandshakeError::*;

    match error {
        NotWebSocket(head) if head.version() != (1, 1) => 505,
        NotWebSocket(head) if head.method() != "GET" => 405,
        NotWebSocket(_) | UnsupportedVersion => 426,
        TargetTooLong => 414,
        HeadTooLarge => 431,
        HttpVersion => 505,
        Method => 405,
        Origin => 403,
        _ => 400,
    }
}

/// Bytes of 128 and more stand for what requests are made of, except for a few.
fn expand(bytes: &[u8]) -> Vec<u8> {
    let mut expanded = vec![];
    for byte in bytes {
        match PHRASES.get(usize::from(*byte).wrapping_sub(128)) {
            Some(phrase) => expanded.extend(phrase.as_bytes()),
            None => expanded.push(*byte),
        }
    }
    expanded
}

const PHRASES: [&str; 64] = [
    "GET ",
    "/chat",
    " HTTP/1.1\r\n",
    "\r\n",
    "\r\n\r\n",
    ", ",
    ": ",
    "\t",
    "Host: example.com\r\n",
    "Host",
    "example.com",
    ":80",
    ":443",
    ":8080",
    "[::1]",
    "localhost",
    "Upgrade: websocket\r\n",
    "Upgrade",
    "websocket",
    "WebSocket",
    "h2c",
    "\u{ff}",
    "websockets",
    "é",
    "Connection: Upgrade\r\n",
    "Connection",
    "upgrade",
    "keep-alive",
    "close",
    "\x7f",
    "\0",
    "null",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Key",
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "dGhlIHNhbXBsZSBub25jZR==",
    "dGhlIHNhbXBsZSBub25jZQA=",
    "AAAA",
    "==",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Version: 13\r\n",
    "Sec-WebSocket-Version",
    "13",
    "8",
    "Sec-WebSocket-Protocol",
    "chat",
    "superchat",
    "Sec-WebSocket-Protocol: chat, superchat\r\n",
    "Sec-WebSocket-Extensions",
    "permessage-deflate",
    "; client_max_window_bits",
    "=\"15\"",
    "Origin: http://example.com\r\n",
    "Origin",
    "http://",
    "https://",
    "Content-Length",
    "Transfer-Encoding",
    "chunked",
    "HTTP/1.0",
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
    "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    "X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y\r\n",
    "POST ",
];
