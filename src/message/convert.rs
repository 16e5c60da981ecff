//! Conversions into messages, and comparisons with them.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use super::Message;

/// References to text and bytes, in all the forms in which they are kept.
macro_rules! from {
    ($($variant:ident: $($source:ty),+;)+) => {$($(
        impl<'a> From<&'a $source> for Message<'a> {
            fn from(source: &'a $source) -> Self {
                Self::$variant(source)
            }
        }
    )+)+};
}

from! {
    Text: str, String, Box<str>, Rc<str>, Arc<str>, Cow<'_, str>;
    Binary: [u8], Vec<u8>, Box<[u8]>, Rc<[u8]>, Arc<[u8]>, Cow<'_, [u8]>;
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

/// The payload, of either kind.
impl From<Message<'_>> for Vec<u8> {
    fn from(message: Message<'_>) -> Self {
        message.as_bytes().to_vec()
    }
}

/// Text is equal to the same text, never to bytes.
impl PartialEq<str> for Message<'_> {
    fn eq(&self, text: &str) -> bool {
        *self == Message::Text(text)
    }
}

impl PartialEq<&str> for Message<'_> {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

/// Bytes are equal to the same bytes, never to text.
impl PartialEq<[u8]> for Message<'_> {
    fn eq(&self, bytes: &[u8]) -> bool {
        *self == Message::Binary(bytes)
    }
}

impl PartialEq<&[u8]> for Message<'_> {
    fn eq(&self, bytes: &&[u8]) -> bool {
        *self == **bytes
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Message<'_> {
    fn eq(&self, bytes: &[u8; N]) -> bool {
        *self == bytes[..]
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Message<'_> {
    fn eq(&self, bytes: &&[u8; N]) -> bool {
        *self == **bytes
    }
}
