//! A message encoded once for many connections.

use std::fmt;
use std::sync::Arc;

use crate::frame::{Header, Opcode};
use crate::message::Message;
use crate::utf8;

/// A message encoded once, to be sent to many connections; a clone is a pointer copy.
///
/// ```
/// use sansocket::{Config, Connection, Prepared};
///
/// let news = Prepared::new("It is noon.");
/// let mut audience = [(); 3].map(|()| Connection::server(Config::default()));
/// for connection in &mut audience {
///     connection.send_prepared(&news)?;
///     assert_eq!(connection.pending(), b"\x81\x0bIt is noon.");
/// }
/// # Ok::<(), sansocket::SendError>(())
/// ```
#[doc(alias = "broadcast")]
#[derive(Clone)]
pub struct Prepared {
    /// As a server sends it: not masked.
    frame: Arc<[u8]>,
    header: usize,
    opcode: Opcode,
}

impl Prepared {
    /// Encodes `message`, which is borrowed: write `&text` for a `String`.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let header = Header {
            fin: true,
            rsv1: false,
            opcode: message.opcode(),
            mask: None,
            len: payload.len() as u64,
        };
        let header = header.encode();
        Self {
            frame: [header.as_ref(), payload].concat().into(),
            header: header.as_ref().len(),
            opcode: message.opcode(),
        }
    }

    /// The frame as a server sends it, header and payload.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The message that was encoded.
    #[must_use]
    pub fn message(&self) -> Message<'_> {
        let payload = self.payload();
        match (self.opcode, utf8::whole(payload)) {
            (Opcode::Text, Some(text)) => Message::Text(text),
            _ => Message::Binary(payload),
        }
    }

    /// The length of the message's payload, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frame.len() - self.header
    }

    /// Whether the message's payload is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// For clients, who encode it anew with a fresh key.
    #[cfg(feature = "client")]
    pub(crate) fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.header..).unwrap_or_default()
    }
}

impl From<Message<'_>> for Prepared {
    fn from(message: Message<'_>) -> Self {
        Self::new(message)
    }
}

/// Says how long it is, never what it says.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("opcode", &self.opcode)
            .field("payload", &self.payload().len())
            .finish()
    }
}
