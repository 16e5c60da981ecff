//! A message encoded once for many connections.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "deflate")]
use crate::deflate::{Compression, DeflateTask, MAX_BITS};
use crate::frame::{Header, Opcode};
use crate::message::Message;
use crate::utf8;

/// The level of a compression that is done once for many.
#[cfg(feature = "deflate")]
const LEVEL: u8 = 6;

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
    /// The same compressed.
    #[cfg(feature = "deflate")]
    image: Option<Image>,
}

impl Prepared {
    /// Encodes `message`, which is borrowed: write `&text` for a `String`.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let (frame, header) = frame(message.opcode(), false, message.as_bytes());
        Self {
            frame,
            header,
            opcode: message.opcode(),
            #[cfg(feature = "deflate")]
            image: None,
        }
    }

    /// The same, and compresses it once for all connections that agreed on compression, whatever they have sent before:
    /// what is made refers to nothing before it. The others get it as it is, and so do all if that is not longer. Feature
    /// `deflate`.
    ///
    /// Alone, a short message shrinks little, where a message of its own to each connection could refer to those before it.
    /// It is compressed at level 6, since it is done once.
    ///
    /// ```
    /// use sansocket::{Compression, Config, Connection, Prepared};
    ///
    /// let news = Prepared::compressed(&"It is noon. ".repeat(20), &Compression::new());
    /// let mut connection = Connection::server(Config::default()); // which did not agree on it
    /// connection.send_prepared(&news)?;
    /// assert_eq!(connection.pending(), news.frame());
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn compressed<'m>(message: impl Into<Message<'m>>, compression: &Compression) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let max = payload.len().saturating_sub(1);
        let task = DeflateTask { payload, history: &[], level: LEVEL, stamp: None, max };
        let image = compression.pool().with_deflater(MAX_BITS, None, |deflater| {
            let (frame, header) = frame(message.opcode(), true, deflater.compress(&task)?);
            Some(Image { frame, header, reach: payload.len().min(1 << MAX_BITS) })
        });
        Self { image, ..Self::new(message) }
    }

    /// The frame as a server sends it, header and payload, to a client that did not agree on compression.
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
    #[cfg(any(feature = "client", feature = "deflate"))]
    pub(crate) fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.header..).unwrap_or_default()
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }
}

/// A compressed message, which refers to nothing before it.
#[cfg(feature = "deflate")]
#[derive(Clone)]
pub(crate) struct Image {
    /// As a server sends it: not masked.
    frame: Arc<[u8]>,
    header: usize,
    /// How far back something in it may refer, in bytes.
    pub(crate) reach: usize,
}

#[cfg(feature = "deflate")]
impl Image {
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.frame.get(self.header..).unwrap_or_default()
    }
}

/// A frame as a server sends it, and the length of its header.
fn frame(opcode: Opcode, rsv1: bool, payload: &[u8]) -> (Arc<[u8]>, usize) {
    let header = Header { fin: true, rsv1, opcode, mask: None, len: payload.len() as u64 };
    let header = header.encode();
    ([header.as_ref(), payload].concat().into(), header.as_ref().len())
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
