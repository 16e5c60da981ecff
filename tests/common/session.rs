//! A connection with its buffer, and what was seen of it.

use sansocket::handshake::Request;
use sansocket::{Buffer, Config, ConfigBuilder, Connection, Event, Message, ProtocolError};

use super::wire::{self, Frame};

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The code, the reason, and whether a message was under way.
    Close(Option<u16>, String, bool),
}

impl Seen {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Binary(bytes.into())
    }

    pub(crate) fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::Ping(payload.into())
    }

    pub(crate) fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::Pong(payload.into())
    }

    pub(crate) fn close(code: impl Into<Option<u16>>, reason: &str) -> Self {
        Self::Close(code.into(), reason.into(), false)
    }
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Self::text(text),
            Event::Message(Message::Binary(bytes)) => Self::binary(bytes),
            Event::Ping(payload) => Self::ping(payload),
            Event::Pong(payload) => Self::pong(payload),
            Event::Close(close) => {
                Self::Close(close.code.map(u16::from), close.reason.into(), close.mid_message)
            }
            _ => panic!("{event:?} is new"),
        }
    }
}

pub(crate) fn config(build: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Config {
    build(Config::builder()).build().unwrap()
}

/// A request whose client offers compression.
pub(crate) fn request_for_compression(config: &Config) -> Request {
    let headers = [
        ("Host", &b"example.com"[..]),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", b"permessage-deflate"),
    ];
    Request::new("GET", "/", (1, 1), headers, config).unwrap().upgrade().unwrap()
}

/// The connection that it opens.
pub(crate) fn compressed_connection(config: &Config) -> Connection {
    request_for_compression(config).accept().open(config).unwrap()
}

pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) input: Buffer,
}

impl Session {
    /// A server with the defaults.
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    /// A server with a configuration of its own.
    pub(crate) fn with(build: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Self {
        Self::of(Connection::server(config(build)))
    }

    pub(crate) fn of(connection: Connection) -> Self {
        Self { connection, input: Buffer::new() }
    }

    /// Receives `bytes`, if any: the events, and the error that ended them if one did.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (Vec<Seen>, Option<ProtocolError>) {
        if !bytes.is_empty() {
            self.input.extend(bytes);
        }
        self.drain(|_, _| {})
    }

    /// Takes the events of what was received, and echoes the messages.
    pub(crate) fn echo(&mut self) -> (Vec<Seen>, Option<ProtocolError>) {
        self.drain(|connection, event| {
            if let Event::Message(message) = event {
                // After a Close of ours there is no answer.
                let _ = connection.send(message);
            }
        })
    }

    fn drain(
        &mut self,
        mut answer: impl FnMut(&mut Connection, Event<'_>),
    ) -> (Vec<Seen>, Option<ProtocolError>) {
        let mut seen = Vec::new();
        loop {
            match self.connection.next_event(&mut self.input) {
                Ok(Some(event)) => {
                    answer(&mut self.connection, event);
                    seen.push(event.into());
                }
                Ok(None) => return (seen, None),
                Err(error) => return (seen, Some(error)),
            }
        }
    }

    /// Receives `bytes`, which must be right: the events.
    pub(crate) fn events(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let (seen, error) = self.feed(bytes);
        assert_eq!(error, None);
        seen
    }

    /// Whether nothing is received any more, and all is written.
    pub(crate) fn is_over(&self) -> bool {
        self.connection.is_closed() && self.connection.pending().is_empty()
    }

    /// Writes all that is pending.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        while !self.connection.pending().is_empty() {
            let pending = self.connection.pending();
            output.extend_from_slice(pending);
            self.connection.sent(pending.len());
        }
        output
    }

    /// Writes all that is pending, which must be whole frames.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        wire::parse(&self.output())
    }

    /// Writes the next `n` bytes, over as many calls as it takes.
    pub(crate) fn write(&mut self, n: usize) -> Vec<u8> {
        let mut output = Vec::new();
        while output.len() < n {
            let pending = self.connection.pending();
            let now = pending.len().min(n - output.len());
            assert!(now > 0, "{} of {n} bytes were pending", output.len());
            output.extend_from_slice(&pending[..now]);
            self.connection.sent(now);
        }
        output
    }
}

/// Asserts that a server with the defaults, which has received `before`, takes all of `bytes` but
/// the last without a word, fails with `error` at the last, says so once, and then hears nothing.
#[track_caller]
pub(crate) fn assert_fails_at_the_end(before: &[u8], bytes: &[u8], error: ProtocolError) {
    let mut session = Session::new();
    session.events(before);
    session.output();
    let (last, front) = bytes.split_last().unwrap();
    assert_eq!(session.feed(front), (vec![], None), "too early: {bytes:x?}");
    assert_eq!(session.output(), [], "{bytes:x?}");
    assert_eq!(session.feed(&[*last]), (vec![], Some(error)), "{bytes:x?}");
    assert_failed(&mut session, error);
}

/// Asserts that one Close frame is the last word, and that nothing more is heard.
#[track_caller]
pub(crate) fn assert_failed(session: &mut Session, error: ProtocolError) {
    assert!(!session.is_over());
    assert_eq!(session.output(), wire::failure(close_code(error)));
    assert!(session.is_over());
    for late in [wire::client(wire::TEXT, b"late"), wire::client(wire::CLOSE, b"\x03\xe8")] {
        assert_eq!(session.feed(&late), (vec![], Some(error)));
        assert!(session.input.is_empty());
    }
    assert_eq!(session.output(), []);
    assert_eq!(session.connection.send("late"), Err(sansocket::SendError::Closed));
}

/// The close code that fits an error (§7.4.1, and the defaults of the crate).
pub(crate) fn close_code(error: ProtocolError) -> u16 {
    use ProtocolError as E;
    match error {
        E::ReservedBit | E::ReservedOpcode(_) | E::FragmentedControl | E::LongControl => 1002,
        E::UnexpectedContinuation | E::InterleavedMessage | E::Unmasked | E::Masked => 1002,
        E::MalformedLength | E::TruncatedCloseCode | E::InvalidCloseCode(_) => 1002,
        E::InvalidText | E::InvalidCloseReason => 1007,
        E::TooManyEmptyFragments => 1008,
        E::MessageTooBig { .. } => 1009,
        #[cfg(feature = "deflate")]
        E::CorruptMessage => 1007,
        #[cfg(feature = "deflate")]
        E::TooManyFinalBlocks => 1008,
        _ => panic!("{error:?} is new"),
    }
}
