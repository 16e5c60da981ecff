//! A message encoded once for many connections.

use std::fmt;
use std::sync::Arc;

use crate::frame::{Header, Opcode};
use crate::message::Message;

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
#[derive(Clone)]
pub struct Prepared {
    /// As a server sends it: not masked.
    frame: Arc<[u8]>,
    header: usize,
    opcode: Opcode,
}

impl Prepared {
    /// Encodes `message`.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let header =
            Header { fin: true, opcode: message.opcode(), mask: None, len: payload.len() as u64 };
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

    /// For clients, who encode it anew with a fresh key.
    #[cfg(feature = "client")]
    pub(crate) fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.header..).unwrap_or_default()
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
