//! What is said: messages, and the events of a connection.

use crate::close::CloseCode;
use crate::frame::Opcode;

/// A whole message, borrowed from whoever holds its bytes.
///
/// ```
/// use sansocket::Message;
///
/// assert_eq!(Message::from("hi"), Message::Text("hi"));
/// assert_eq!(Message::from(&[1, 2, 3]), Message::Binary(&[1, 2, 3]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text: UTF-8 by its type, whatever a peer sent.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The payload, of either kind.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) const fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

/// What the peer did.
///
/// Pings and Closes are answered by the time you see them; there is nothing to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message, whole, however many fragments it came in.
    Message(Message<'a>),
    /// A ping with its payload of up to 125 bytes. The pong is queued (RFC 6455 §5.5.2).
    Ping(&'a [u8]),
    /// A pong with its payload of up to 125 bytes, asked for or not (§5.5.3).
    Pong(&'a [u8]),
    /// The peer's Close frame, the last event there is. The answer is queued (§5.5.1).
    Close(Close<'a>),
}

/// The peer's Close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Why, if the peer said: what APIs without `Option` report as 1005 if it did not.
    pub code: Option<CloseCode>,
    /// For people who debug, not for users: up to 123 bytes (RFC 6455 §5.5.1).
    pub reason: &'a str,
    /// Whether a fragmented message was under way, which is lost.
    pub mid_message: bool,
}
