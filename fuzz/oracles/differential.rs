//! The same frames of a client to our server and to that of tungstenite: the same messages, pings,
//! pongs and Close, and the same decision whether to go on, but for what is known to differ.
//!
//! tungstenite 0.30
//!
//! 1. looks at a header when all of it is there, and at a frame when all of it is there: it has no
//!    opinion yet on a frame at fault that is incomplete, except that its length may be too much, which
//!    the header says;
//! 2. takes lengths that are not in their shortest form, also those of control frames, of which we need
//!    only see that they are not in the short form;
//! 3. takes any number of empty fragments;
//! 4. hands over a Close with a code that must not stand on the wire as one with 1002 and the
//!    reason "Protocol violation", and does not call it a fault;
//! 5. counts 1014 among those codes, which IANA has registered since;
//! 6. holds frames to a limit, and messages to another. Here the two are the same, but for control
//!    frames, which a limit on frames below 125 bytes would hit, too.
//!
//! After a difference of the kinds 2 and 3 the two go their own ways and are compared no more.

use std::io::{self, Read, Write};

use sansocket::{Buffer, Config, Connection, ProtocolError};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

use super::reader::{Reader, pieces};
use super::reference::{self, Seen};
use super::stream;

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let raw = reader.byte() & 1 != 0;
    let limit = reader.pick(&[1, 10, 125, 126, 1000, 5000, 65_535, 65_536, 100_000]);
    let sizes = reader.sizes();
    let bytes = if raw { reader.rest().to_vec() } else { stream::write(&mut reader, true) };

    let (ours, error) = ours(&bytes, &sizes, limit);
    let (theirs, end) = theirs(&bytes, &sizes, limit);
    let seen = ours.len();
    match error {
        None => {
            assert_eq!(translate(ours), theirs);
            let closed = matches!(theirs.last(), Some(Seen::Close { .. }));
            assert_eq!(end, if closed { Verdict::Closed } else { Verdict::Open });
        }
        // 3.
        Some(ProtocolError::TooManyEmptyFragments) => assert_eq!(ours, theirs[..seen]),
        // 2.
        Some(ProtocolError::MalformedLength | ProtocolError::LongControl)
            if is_padded(&bytes, limit) =>
        {
            assert_eq!(ours, theirs[..seen]);
        }
        // 4.
        Some(ProtocolError::InvalidCloseCode(_)) if end != Verdict::Failed => {
            assert_eq!(end, Verdict::Closed);
            let (last, front) = theirs.split_last().unwrap();
            assert_eq!((&ours[..], last), (front, &violation()));
        }
        Some(_) => {
            assert_eq!(ours, theirs);
            // 1.
            assert!(end == Verdict::Failed || end == Verdict::Open && is_incomplete(&bytes, limit));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Open,
    Closed,
    Failed,
}

fn ours(bytes: &[u8], sizes: &[usize], limit: usize) -> (Vec<Seen>, Option<ProtocolError>) {
    let config = Config::builder().max_message(limit).build().unwrap();
    let (mut connection, mut input) = (Connection::server(config), Buffer::new());
    let mut seen = vec![];
    for piece in pieces(bytes, sizes) {
        input.extend(piece);
        loop {
            match connection.next_event(&mut input) {
                Ok(Some(event)) => seen.push(event.into()),
                Ok(None) => break,
                Err(error) => return (seen, Some(error)),
            }
        }
    }
    (seen, None)
}

fn theirs(bytes: &[u8], sizes: &[usize], limit: usize) -> (Vec<Seen>, Verdict) {
    let config = WebSocketConfig::default()
        .read_buffer_size(256)
        .write_buffer_size(0)
        .max_message_size(Some(limit))
        // 6.
        .max_frame_size(Some(limit.max(125)));
    let stream = Pieces(pieces(bytes, sizes).collect());
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut seen = vec![];
    let end = loop {
        match socket.read() {
            Ok(Message::Text(text)) => seen.push(Seen::Text(text.as_str().into())),
            Ok(Message::Binary(bytes)) => seen.push(Seen::Binary(bytes.into())),
            Ok(Message::Ping(payload)) => seen.push(Seen::Ping(payload.into())),
            Ok(Message::Pong(payload)) => seen.push(Seen::Pong(payload.into())),
            Ok(Message::Close(close)) => seen.push(Seen::Close {
                code: close.as_ref().map(|close| close.code.into()),
                reason: close.map_or_else(String::new, |close| close.reason.as_str().into()),
                mid_message: false,
            }),
            Ok(Message::Frame(frame)) => panic!("{frame:?}"),
            Err(Error::ConnectionClosed) => break Verdict::Closed,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                break Verdict::Open;
            }
            Err(Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_)) => break Verdict::Failed,
            Err(error) => panic!("{error}"),
        }
    };
    (seen, end)
}

/// What we have seen as they say it.
fn translate(mut seen: Vec<Seen>) -> Vec<Seen> {
    match seen.last_mut() {
        // 5.
        Some(last @ Seen::Close { code: Some(1014), .. }) => *last = violation(),
        // They do not say this.
        Some(Seen::Close { mid_message, .. }) => *mid_message = false,
        _ => {}
    }
    seen
}

fn violation() -> Seen {
    Seen::Close { code: Some(1002), reason: "Protocol violation".into(), mid_message: false }
}

/// Whether the frame at fault is one whose rest may still come.
fn is_incomplete(bytes: &[u8], limit: usize) -> bool {
    let frame = &bytes[reference::read(bytes, true, limit).last_frame..];
    match length(frame) {
        None => true,
        Some((header, len)) => len + header as u128 > frame.len() as u128,
    }
}

/// Whether the length of the frame at fault is, or may be, one that would fit a shorter form.
fn is_padded(bytes: &[u8], limit: usize) -> bool {
    let frame = &bytes[reference::read(bytes, true, limit).last_frame..];
    match (frame[1] & 0x7f, length(frame)) {
        (_, None) => !matches!(frame, [_, 0x7f | 0xff, 0x80..=0xff, ..]),
        (126, Some((_, len))) => len < 126,
        (127, Some((_, len))) => len < 65_536,
        _ => false,
    }
}

/// How long header and payload of a frame are, by whatever header, once all of that is there.
fn length(frame: &[u8]) -> Option<(usize, u128)> {
    let second = *frame.get(1)?;
    let key = if second & 0x80 != 0 { 4 } else { 0 };
    let (header, len) = match second & 0x7f {
        126 => (4 + key, u128::from(u16::from_be_bytes(*frame.get(2..)?.first_chunk()?))),
        127 => (10 + key, u128::from(u64::from_be_bytes(*frame.get(2..)?.first_chunk()?))),
        short => (2 + key, u128::from(short)),
    };
    (frame.len() >= header).then_some((header, len))
}

/// A socket that delivers in pieces, and takes everything.
struct Pieces<'b>(std::collections::VecDeque<&'b [u8]>);

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.0.front_mut() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let n = piece.read(space)?;
        if piece.is_empty() {
            self.0.pop_front();
        }
        Ok(n)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
