//! A request in every segmentation: as a socket would bring it, byte by byte, and cut in two at
//! every position. All must agree, and so must a request that another HTTP server has parsed.

use std::fmt::Write;
use std::mem::discriminant;

use httparse::{EMPTY_HEADER, Status};
use sansocket::handshake::{Acceptor, HandshakeError, Head, Incoming, Request};
use sansocket::{Buffer, Config};

use crate::heads::Answer;
use crate::refusals;

type Parsed = Result<Option<Incoming>, HandshakeError>;

/// Asserts that the request is accepted.
#[track_caller]
pub(crate) fn accepted(image: &[u8], config: &Config) {
    let _ = request(image, config);
}

/// The request, which is accepted.
#[track_caller]
pub(crate) fn request(image: &[u8], config: &Config) -> Request {
    let (run, after) = replay(image, config);
    let Ok(Some(Incoming::Upgrade(request))) = run.parsed else {
        panic!("{}: {:?}", image.escape_ascii(), run.parsed);
    };
    assert_eq!(after, head_len(image), "{}", image.escape_ascii());
    assert_eq!(run.rest, &image[after..]);
    request
}

/// The head of an ordinary HTTP request, and what is still unread behind it.
#[track_caller]
pub(crate) fn plain(image: &[u8], config: &Config) -> (Head, Vec<u8>) {
    let (run, after) = replay(image, config);
    let Ok(Some(Incoming::Http(head))) = run.parsed else {
        panic!("{}: {:?}", image.escape_ascii(), run.parsed);
    };
    assert_eq!(after, head_len(image), "{}", image.escape_ascii());
    (head, run.rest)
}

/// Asserts that the request is refused for this reason, with this reason's response, and that
/// nothing is left of it. Returns the number of bytes after which that was known.
#[track_caller]
pub(crate) fn refused(image: &[u8], config: &Config, why: &HandshakeError) -> usize {
    let (run, after) = replay(image, config);
    let start = image.strip_prefix(b"\r\n").unwrap_or(image);
    let is_head = start.starts_with(b"HEAD ");
    let image = image.escape_ascii();
    let error = run.parsed.map(|_| ()).expect_err(&image.to_string());
    assert_eq!(discriminant(&error), discriminant(why), "{image}: {error:?}");
    let response = error.response().to_bytes();
    assert_eq!(response, refusals::answer(why).into_bytes(), "{image}");
    Answer::read(&response).assert_refusal(error.status());
    // RFC 9110 §9.3.2
    let wanted = if is_head { error.response().head_bytes() } else { response };
    assert_eq!(run.pending, wanted, "{image}");
    assert_eq!(run.rest, b"", "{image}");
    after
}

/// Asserts that no part of this is enough to say anything.
#[track_caller]
pub(crate) fn incomplete(image: &[u8], config: &Config) {
    let (run, _) = replay(image, config);
    assert!(matches!(run.parsed, Ok(None)), "{}: {:?}", image.escape_ascii(), run.parsed);
    assert_eq!(run.rest, image);
}

/// What became of a request.
struct Run {
    parsed: Parsed,
    /// The number of bytes that had been read when it was known.
    after: usize,
    /// What is unread once all was read.
    rest: Vec<u8>,
    /// The response that is to be written.
    pending: Vec<u8>,
}

impl Run {
    fn of<'i>(pieces: impl IntoIterator<Item = &'i [u8]>, config: &Config) -> Self {
        let mut input = Buffer::new();
        let mut pieces = pieces.into_iter();
        let mut acceptor = Acceptor::new(config);
        let (mut parsed, mut after) = (Ok(None), 0);
        while matches!(parsed, Ok(None)) {
            let Some(piece) = pieces.next() else {
                break;
            };
            input.extend(piece);
            after += piece.len();
            parsed = acceptor.next(&mut input);
        }
        if is_final(&parsed) {
            assert!(input.is_empty(), "a refusal leaves nothing to be read as frames");
        } else {
            pieces.for_each(|piece| input.extend(piece));
        }
        let pending = acceptor.pending().to_vec();
        Self { parsed, after, rest: input.unread().to_vec(), pending }
    }

    /// In reads as large as the buffer asks for.
    fn read(mut image: &[u8], config: &Config) -> Self {
        let (mut input, len) = (Buffer::new(), image.len());
        let mut acceptor = Acceptor::new(config);
        let mut parsed = Ok(None);
        while matches!(parsed, Ok(None)) && input.read_from(&mut image).unwrap() > 0 {
            parsed = acceptor.next(&mut input);
        }
        let after = len - image.len();
        while !is_final(&parsed) && input.read_from(&mut image).unwrap() > 0 {}
        let pending = acceptor.pending().to_vec();
        Self { parsed, after, rest: input.unread().to_vec(), pending }
    }

    fn told(&self) -> (String, &[u8], &[u8]) {
        (told(&self.parsed), &self.rest, &self.pending)
    }
}

/// Whether the connection is over: nothing more may be read.
fn is_final(parsed: &Parsed) -> bool {
    parsed.is_err()
}

/// What became of the request, and the number of bytes after which that was known.
#[track_caller]
fn replay(image: &[u8], config: &Config) -> (Run, usize) {
    let read = Run::read(image, config);
    let bytewise = Run::of(image.chunks(1), config);
    assert_eq!(bytewise.told(), read.told(), "{} byte by byte", image.escape_ascii());
    // Every position, but for the few heads that are about as long as they may be.
    for cut in (1..=image.len()).step_by(image.len().div_ceil(2048).max(1)) {
        let run = Run::of([&image[..cut], &image[cut..]], config);
        assert_eq!(run.told(), read.told(), "{} cut at {cut}", image.escape_ascii());
        let after = if bytewise.after <= cut { cut } else { image.len() };
        assert_eq!(run.after, after, "{} cut at {cut}", image.escape_ascii());
    }
    if let Some(elsewhere) = parsed_elsewhere(image, config) {
        let elsewhere = told(&elsewhere.map(Some));
        assert_eq!(elsewhere, read.told().0, "{} parsed elsewhere", image.escape_ascii());
    }
    (read, bytewise.after)
}

/// The same request by way of another parser, unless that is one that has no use for it.
fn parsed_elsewhere(image: &[u8], config: &Config) -> Option<Result<Incoming, HandshakeError>> {
    use HandshakeError as E;

    let mut headers = [EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(Status::Complete(_)) = request.parse(image) else {
        return None;
    };
    let parsed = Acceptor::new(config).next(&mut buffer(image));
    if matches!(parsed, Ok(None) | Err(E::Malformed | E::Tls | E::TargetTooLong | E::HeadTooLarge))
    {
        return None;
    }
    let version = (1, request.version.unwrap());
    let headers = request.headers.iter().map(|header| (header.name, header.value));
    Some(Request::new(request.method.unwrap(), request.path.unwrap(), version, headers, config))
}

pub(crate) fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend(bytes);
    buffer
}

/// All that can be seen of it.
fn told(parsed: &Parsed) -> String {
    match parsed {
        Ok(None) => "not all of it".into(),
        Ok(Some(Incoming::Http(head))) => told_head(head),
        Ok(Some(Incoming::Upgrade(request))) => {
            let mut told = told_head(request);
            write!(told, "{:?} ", request.origin().map(<[u8]>::escape_ascii)).unwrap();
            write!(told, "{:?}", request.subprotocols().collect::<Vec<_>>()).unwrap();
            told
        }
        Err(error) => {
            let response = String::from_utf8(error.response().to_bytes()).unwrap();
            format!("{error:?}: {response:?}")
        }
    }
}

fn told_head(head: &Head) -> String {
    let mut told = format!("{} {} {:?} ", head.method(), head.target(), head.version());
    write!(told, "{} {:?} ", head.path(), head.query()).unwrap();
    for (name, value) in head.headers() {
        write!(told, "{name}:{} ", value.escape_ascii()).unwrap();
    }
    told
}

/// Up to the first empty line, but for one in front.
fn head_len(image: &[u8]) -> usize {
    let start = if image.starts_with(b"\r\n") { 2 } else { 0 };
    let end = image[start..].windows(4).position(|window| window == b"\r\n\r\n");
    start + end.unwrap() + 4
}
