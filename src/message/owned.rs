//! A message with memory of its own.

use std::fmt;

use super::Message;

/// A message that owns its bytes: for channels, other threads, and everything that outlives the next
/// read. [`Message::into_owned`] makes one; `&owned` is sent like any message.
///
/// ```
/// use sansocket::{Message, OwnedMessage};
///
/// let (jobs, work) = std::sync::mpsc::channel::<OwnedMessage>();
/// let received = Message::Text("hi"); // borrowed from the receiver
/// jobs.send(received.into_owned())?;
/// assert_eq!(work.recv()?.as_message(), Message::Text("hi"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OwnedMessage {
    /// Text.
    Text(String),
    /// Any bytes.
    Binary(Vec<u8>),
}

impl OwnedMessage {
    /// The message, borrowed.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        self.into()
    }
}

impl From<Message<'_>> for OwnedMessage {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
        }
    }
}

impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Self {
        match message {
            OwnedMessage::Text(text) => Self::Text(text),
            OwnedMessage::Binary(bytes) => Self::Binary(bytes),
        }
    }
}

impl From<String> for OwnedMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for OwnedMessage {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Vec<u8>> for OwnedMessage {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes)
    }
}

impl From<&[u8]> for OwnedMessage {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(bytes.to_vec())
    }
}

/// The payload, of either kind.
impl From<OwnedMessage> for Vec<u8> {
    fn from(message: OwnedMessage) -> Self {
        match message {
            OwnedMessage::Text(text) => text.into_bytes(),
            OwnedMessage::Binary(bytes) => bytes,
        }
    }
}

impl PartialEq<Message<'_>> for OwnedMessage {
    fn eq(&self, message: &Message<'_>) -> bool {
        self.as_message() == *message
    }
}

impl PartialEq<OwnedMessage> for Message<'_> {
    fn eq(&self, message: &OwnedMessage) -> bool {
        *self == message.as_message()
    }
}

/// As [`Message`] is shown.
impl fmt::Display for OwnedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_message().fmt(f)
    }
}
