//! Requests, from bytes however they are cut, and from fields that another server has parsed; and
//! responses, whatever is put into them (`answers`):
//!
//! * a request is accepted, handed over as plain HTTP, refused for a reason, or incomplete exactly as
//!   an independent checker says (`rules`), after the same byte, with the same fields; what
//!   follows an accepted or plain head stays, and after a refusal nothing does;
//! * `Request::new` of the fields agrees with the `Acceptor` of the bytes;
//! * every response reads back, with a parser of our own, as just what was put into it: no more
//!   headers, no other body; 101 is the status of all acceptances and of nothing else.

use sansocket::handshake::{Acceptor, HandshakeError, Head, Incoming, Request, accept_key};
use sansocket::{Buffer, Config, Origins};

use super::answers::respond;
use super::reader::{Reader, pieces};
use super::rules::{self, Fields, Rules, Verdict};
use super::sha1;

const LISTED: [&str; 4] =
    ["https://example.com", "http://localhost:8080", "chrome-extension://abc", "null"];

/// Requests shorter than this come in every way there is.
const SHORT: usize = 256;

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mode = reader.byte();
    let (config, rules) = limits(mode % 8);
    match mode / 8 % 4 {
        0 | 1 => bytes(&mut reader, mode, &config, &rules),
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
fn bytes(reader: &mut Reader<'_>, mode: u8, config: &Config, rules: &Rules) {
    let sizes = reader.sizes();
    let n = reader.byte();
    let mut answer = Reader::new(reader.bytes(n.into()));
    let image = if mode & 8 != 0 { expand(reader.rest()) } else { reader.rest().to_vec() };

    let (verdict, after, fields) = rules::judge(&image, rules);
    let whole = Run::appended([&image[..]], config);
    compare(&verdict, after, &image, &whole);
    look(&verdict, &whole.parsed);
    // What is short comes in all these ways, what is long in two of them.
    let ways = [(false, &[][..]), (true, &[1]), (true, &sizes), (false, &[1]), (false, &sizes)];
    let (first, n) = if image.len() < SHORT { (0, 5) } else { (mode / 32, 2) };
    for (appended, sizes) in ways.into_iter().cycle().skip(first.into()).take(n) {
        let run = match appended {
            true => Run::appended(pieces(&image, sizes), config),
            false => Run::read(&image, sizes, config),
        };
        compare(&verdict, after, &image, &run);
    }
    if let Some(fields) = fields {
        let elsewhere = elsewhere(&fields, config).map(Some);
        compare_parsed(&verdict, &elsewhere);
        look(&verdict, &elsewhere);
    }
    respond(&whole.parsed, &mut answer);
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
    let verdict = rules::judge_fields(&fields, rules);
    compare_parsed(&verdict, &parsed);
    look(&verdict, &parsed);
    respond(&parsed, &mut answer);
}

/// Any text may be made an accept key of.
fn key(reader: &mut Reader<'_>) {
    let text = String::from_utf8_lossy(reader.rest()).into_owned();
    assert_eq!(accept_key(&text), sha1::accept_key(&text));
}

type Parsed = Result<Option<Incoming>, HandshakeError>;

fn elsewhere(fields: &Fields, config: &Config) -> Result<Incoming, HandshakeError> {
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
        let mut acceptor = Acceptor::new(config);
        while matches!(parsed, Ok(None)) {
            let Some((n, piece)) = steps.next() else {
                break;
            };
            take(input, piece);
            between = (between.1, between.1 + n);
            parsed = acceptor.next(input);
        }
        match &parsed {
            Ok(_) => steps.for_each(|(_, piece)| take(input, piece)),
            Err(error) => {
                assert!(input.is_empty(), "a refusal leaves nothing to be read as frames");
                let response = error.response();
                let pending = acceptor.pending();
                assert!(pending == response.to_bytes() || pending == response.head_bytes());
                // All that follows is discarded, and changes nothing.
                steps.for_each(|(_, piece)| take(input, piece));
                let again = acceptor.next(input).unwrap_err();
                assert_eq!(format!("{again:?}"), format!("{error:?}"));
                assert!(input.is_empty());
            }
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
        (Verdict::Accepted(wanted), Ok(Some(Incoming::Upgrade(request)))) => {
            assert_head(request, wanted);
        }
        (Verdict::Plain(wanted), Ok(Some(Incoming::Http(head)))) => assert_head(head, wanted),
        (Verdict::Refused(why), Err(error)) => {
            // An origin is named with its variant.
            assert_eq!(format!("{error:?}").split(' ').next(), Some(*why));
        }
        _ => panic!("{parsed:?} and not {verdict:?}"),
    }
}

fn assert_head(head: &Head, wanted: &Fields) {
    let line = (head.method(), head.target(), head.version());
    assert_eq!(line, (&*wanted.method, &*wanted.target, wanted.version));
    let headers = wanted.headers.iter().map(|(name, value)| (&**name, &**value));
    assert!(head.headers().eq(headers), "{head:?} and not {wanted:?}");
}

/// A closer look at what was accepted.
fn look(verdict: &Verdict, parsed: &Parsed) {
    let (Verdict::Accepted(wanted), Ok(Some(Incoming::Upgrade(request)))) = (verdict, parsed)
    else {
        return;
    };
    assert_eq!((request.path(), request.query()), wanted.resource());
    assert_eq!(request.origin(), wanted.all("Origin").first().copied());
    assert_eq!(request.host().map(str::as_bytes), Some(wanted.host()));
    let offered = wanted.all("Sec-WebSocket-Protocol");
    assert!(request.subprotocols().map(str::as_bytes).eq(rules::members(&offered)));
    for (name, _) in &wanted.headers {
        assert_eq!(request.header(name), wanted.all(name).first().copied());
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

const PHRASES: [&str; 65] = [
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
    "HEAD",
];
