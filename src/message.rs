//! The things said: messages, and the events of a connection.

mod convert;
mod owned;

use std::fmt;

use crate::close::CloseCode;
use crate::frame::Opcode;

pub use owned::OwnedMessage;

/// A whole message, borrowed from the holder of its bytes.
///
/// Everything that derefs to text or bytes converts into it by reference: `&str`, `&String`,
/// `&Vec<u8>`, `&[u8; N]`, `&Cow<str>`, `&Arc<str>`, `&OwnedMessage` and so on. It cannot own: write
/// `&text` for a `String`.
///
/// ```
/// use sansocket::Message;
///
/// let message = Message::from("hi");
/// assert_eq!(message, Message::Text("hi"));
/// assert!(message == "hi" && message != [1, 2, 3]);
/// assert_eq!(message.as_text(), Some("hi"));
/// assert_eq!(Message::from(&[1, 2, 3]), Message::Binary(&[1, 2, 3]));
///
/// // To another thread, or to keep it while the next is received:
/// let owned = message.into_owned();
/// assert_eq!(owned, message);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    /// The text of a text message; `None` for a binary one, even if its bytes are UTF-8.
    #[must_use]
    pub const fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The length of the payload, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is text.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Whether this is binary.
    #[must_use]
    pub const fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(_))
    }

    /// A copy of its own. Not `to_owned`, which copies the reference alone.
    #[must_use]
    #[doc(alias = "to_owned")]
    pub fn into_owned(self) -> OwnedMessage {
        self.into()
    }

    pub(crate) const fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }
}

/// Text as it is. Of bytes only how many there are, such as `3 bytes`: they are no text, and would
/// garble a terminal.
impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Binary([_]) => f.pad("1 byte"),
            Self::Binary(bytes) => f.pad(&format!("{} bytes", bytes.len())),
        }
    }
}

/// An act of the peer.
///
/// Pings and Closes are answered by the time you see them; there is nothing to do about them.
#[doc(alias = "frame")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Close<'a> {
    /// The peer's code, if it gave one: APIs without `Option` report 1005 if it did not.
    pub code: Option<CloseCode>,
    /// For people who debug, not for users: up to 123 bytes (RFC 6455 §5.5.1).
    pub reason: &'a str,
    /// Whether a fragmented message was under way, which is lost.
    pub mid_message: bool,
}

impl Close<'_> {
    /// Whether a client that wants to go on may well come back, after a [delay](crate::dial::Backoff): 1001, 1011, 1012, 1013
    /// and 1014 speak of the server's own troubles, all others of an end that was meant, or of a fault that would come
    /// again. After an end without a Close, [`Error::Disconnected`](crate::Error::Disconnected), it may, too.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let troubles = [
            CloseCode::GOING_AWAY,
            CloseCode::INTERNAL_ERROR,
            CloseCode::SERVICE_RESTART,
            CloseCode::TRY_AGAIN_LATER,
            CloseCode::BAD_GATEWAY,
        ];
        self.code.is_some_and(|code| troubles.contains(&code))
    }
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use super::*;

    // DI-09
    #[test]
    fn a_close_says_whether_to_come_back() {
        let is_retryable = |code| Close { code, reason: "", mid_message: false }.is_retryable();
        for code in (1000..5000).filter_map(CloseCode::new) {
            let troubles = [1001, 1011, 1012, 1013, 1014];
            assert_eq!(is_retryable(Some(code)), troubles.contains(&u16::from(code)), "{code:?}");
        }
        assert!(!is_retryable(None));
    }
}
