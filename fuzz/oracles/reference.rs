//! What a receiver has to make of a stream of frames, byte by byte and without any haste.
//!
//! Written from RFC 6455 §5 to §8 and from the choices in DESIGN.md, not from the crate: this is
//! what the crate is held against. All is said at the first byte after which it is certain,
//! except that a length, a masking key and a control frame count as one piece each.

use sansocket::{Event, Message, ProtocolError};

use super::wire::{self, xor};

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close { code: Option<u16>, reason: String, mid_message: bool },
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(message) => message.into(),
            Event::Ping(payload) => Self::Ping(payload.into()),
            Event::Pong(payload) => Self::Pong(payload.into()),
            Event::Close(close) => Self::Close {
                code: close.code.map(u16::from),
                reason: close.reason.into(),
                mid_message: close.mid_message,
            },
            _ => panic!("{event:?} is new"),
        }
    }
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The stream may go on. Whether a frame or message is under way.
    Open { mid_message: bool },
    /// The last event is a Close.
    Closed,
    /// The peer is at fault, as this many bytes show.
    Failed(usize, ProtocolError),
}

#[derive(Debug)]
pub struct Reading {
    /// Each with the number of bytes after which it is known.
    pub events: Vec<(usize, Seen)>,
    pub end: End,
    /// Where the last frame begins: the one at fault, if one is.
    pub last_frame: usize,
}

impl Reading {
    /// How many events are known after `n` bytes, and the fault if one is.
    pub fn after(&self, n: usize) -> (usize, Option<ProtocolError>) {
        let events = self.events.partition_point(|event| event.0 <= n);
        match self.end {
            End::Failed(at, error) if at <= n => (events, Some(error)),
            _ => (events, None),
        }
    }

    pub fn error(&self) -> Option<ProtocolError> {
        self.after(usize::MAX).1
    }

    pub fn into_events(self) -> Vec<Seen> {
        self.events.into_iter().map(|event| event.1).collect()
    }
}

/// Reads a stream of frames that have to be `masked`, or must not be, in messages of up to `limit`
/// bytes.
pub fn read(stream: &[u8], masked: bool, limit: usize) -> Reading {
    let mut reading = Reading { events: vec![], end: End::Closed, last_frame: 0 };
    let mut message = None;
    let mut at = 0;
    reading.end = loop {
        reading.last_frame = at;
        match frame(stream, &mut at, masked, limit, &mut message) {
            Ok(None) => {}
            Ok(Some(event)) => {
                let last = matches!(event, Seen::Close { .. });
                reading.events.push((at, event));
                if last {
                    break End::Closed;
                }
            }
            Err(Stop::NoMore) => {
                let mid_message = message.is_some() || reading.last_frame < stream.len();
                break End::Open { mid_message };
            }
            Err(Stop::Fault(error)) => break End::Failed(at, error),
        }
    };
    reading
}

/// A fragmented message so far, or an unfragmented one.
struct Partial {
    text: bool,
    bytes: Vec<u8>,
    utf8: Utf8,
    empty_fragments: usize,
}

enum Stop {
    NoMore,
    Fault(ProtocolError),
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Fault(error)
    }
}

/// Reads one frame. `at` moves to the first byte that was not needed.
fn frame(
    stream: &[u8],
    at: &mut usize,
    masked: bool,
    limit: usize,
    message: &mut Option<Partial>,
) -> Result<Option<Seen>, Stop> {
    use ProtocolError as Fault;

    let mut next = |n: usize| {
        let bytes = stream.get(*at..).and_then(|rest| rest.get(..n)).ok_or(Stop::NoMore)?;
        *at += n;
        Ok::<_, Stop>(bytes)
    };

    let first = next(1)?[0];
    let (fin, opcode) = (first >= 0x80, first % 16);
    if first / 16 % 8 != 0 {
        return Err(Fault::ReservedBit.into());
    }
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        return Err(Fault::ReservedOpcode(opcode).into());
    }
    let control = opcode >= 8;
    if control && !fin {
        return Err(Fault::FragmentedControl.into());
    }
    if opcode == 0 && message.is_none() {
        return Err(Fault::UnexpectedContinuation.into());
    }
    if (opcode == 1 || opcode == 2) && message.is_some() {
        return Err(Fault::InterleavedMessage.into());
    }

    let second = next(1)?[0];
    if control && second % 128 > 125 {
        return Err(Fault::LongControl.into());
    }
    match (second >= 128, masked) {
        (false, true) => return Err(Fault::Unmasked.into()),
        (true, false) => return Err(Fault::Masked.into()),
        _ => {}
    }
    let len = match second % 128 {
        126 => {
            let len = next(2)?.iter().fold(0, |len, byte| len * 256 + u64::from(*byte));
            if len < 126 {
                return Err(Fault::MalformedLength.into());
            }
            len
        }
        127 => {
            let top = next(1)?[0];
            if top >= 128 {
                return Err(Fault::MalformedLength.into());
            }
            let low = next(7)?.iter();
            let len = low.fold(u64::from(top), |len, byte| len * 256 + u64::from(*byte));
            if len < 65_536 {
                return Err(Fault::MalformedLength.into());
            }
            len
        }
        short => u64::from(short),
    };
    if !control {
        let so_far = message.as_ref().map_or(0, |message| message.bytes.len());
        if u128::from(len) + so_far as u128 > limit as u128 {
            let len = len.saturating_add(so_far as u64);
            return Err(Fault::MessageTooBig { len, max: limit }.into());
        }
        let empty_fragments = message.as_ref().map_or(0, |message| message.empty_fragments);
        if len == 0 && !fin && empty_fragments == 64 {
            return Err(Fault::TooManyEmptyFragments.into());
        }
    }
    let mut key = [0; 4];
    if masked {
        key.copy_from_slice(next(4)?);
    }

    if control {
        let payload = xor(next(len as usize)?, key);
        return match opcode {
            8 => Ok(Some(close(&payload, message.is_some())?)),
            9 => Ok(Some(Seen::Ping(payload))),
            _ => Ok(Some(Seen::Pong(payload))),
        };
    }

    let message_now = message.get_or_insert_with(|| Partial {
        text: opcode == 1,
        bytes: vec![],
        utf8: Utf8::default(),
        empty_fragments: 0,
    });
    message_now.empty_fragments += usize::from(len == 0 && !fin);
    for i in 0..len {
        let byte = next(1)?[0] ^ key[(i % 4) as usize];
        message_now.bytes.push(byte);
        if message_now.text && !message_now.utf8.take(byte) {
            return Err(Fault::InvalidText.into());
        }
    }
    if !fin {
        return Ok(None);
    }
    let Some(whole) = message.take() else {
        return Ok(None);
    };
    if !whole.text {
        return Ok(Some(Seen::Binary(whole.bytes)));
    }
    match String::from_utf8(whole.bytes) {
        Ok(text) => Ok(Some(Seen::Text(text))),
        // Its last character is cut off.
        Err(_) => Err(Fault::InvalidText.into()),
    }
}

fn close(payload: &[u8], mid_message: bool) -> Result<Seen, ProtocolError> {
    if payload.is_empty() {
        return Ok(Seen::Close { code: None, reason: String::new(), mid_message });
    }
    if payload.len() == 1 {
        return Err(ProtocolError::TruncatedCloseCode);
    }
    let code = u16::from(payload[0]) * 256 + u16::from(payload[1]);
    if !wire::may_close_with(code.into()) {
        return Err(ProtocolError::InvalidCloseCode(code));
    }
    let mut utf8 = Utf8::default();
    if !payload[2..].iter().all(|byte| utf8.take(*byte)) || !utf8.complete() {
        return Err(ProtocolError::InvalidCloseReason);
    }
    let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
    Ok(Seen::Close { code: Some(code), reason, mid_message })
}

/// The grammar of RFC 3629 §4: what may follow within a character.
#[derive(Default)]
struct Utf8(&'static [(u8, u8)]);

impl Utf8 {
    /// Whether text may still come of it.
    fn take(&mut self, byte: u8) -> bool {
        const TAIL: (u8, u8) = (0x80, 0xbf);
        if let [(low, high), rest @ ..] = self.0 {
            self.0 = rest;
            return (*low..=*high).contains(&byte);
        }
        self.0 = match byte {
            0x00..=0x7f => &[],
            0xc2..=0xdf => &[TAIL],
            0xe0 => &[(0xa0, 0xbf), TAIL],
            0xe1..=0xec | 0xee..=0xef => &[TAIL, TAIL],
            0xed => &[(0x80, 0x9f), TAIL],
            0xf0 => &[(0x90, 0xbf), TAIL, TAIL],
            0xf1..=0xf3 => &[TAIL, TAIL, TAIL],
            0xf4 => &[(0x80, 0x8f), TAIL, TAIL],
            _ => return false,
        };
        true
    }

    fn complete(&self) -> bool {
        self.0.is_empty()
    }
}
