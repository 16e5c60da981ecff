//! Faults of an offer, and of the answer to it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::handshake::Head;

/// An offer that must not be made.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// No `ws` or `wss` URL, or one with a fragment or user information (RFC 6455 §3).
    #[error("the URL is not of the form ws://host:port/path?query")]
    Url,
    /// A subprotocol is no token, or is offered twice.
    #[error("the subprotocol is malformed or offered twice")]
    Subprotocol,
    /// A header is malformed, or the handshake writes it itself.
    #[error("the header is malformed or reserved")]
    Header,
    /// A setting of the compression is out of range.
    #[cfg(feature = "deflate")]
    #[error("a setting of the compression is out of range")]
    Compression,
    /// No URL of a proxy that is reached with plain HTTP.
    #[error("the proxy is not of the form http://user:password@host:port")]
    Proxy,
}

/// The body of a refusal: bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(pub(in crate::handshake) Vec<u8>);

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Shows its length: it may be secret.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// The answer does not open a WebSocket (RFC 6455 §4.1).
#[derive(thiserror::Error, Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A status other than 101; below 200 if there were too many interim ones. There are no redirects: to follow
    /// `Location`, look at where it leads before you send it credentials, and dial again.
    #[error("the server refuses with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The headers, such as `Location` or `WWW-Authenticate`; there is no method or target.
        head: Box<Head>,
        /// The first 16 KiB of the body, as far as it has arrived in time; empty if somebody else reads it.
        body: Body,
    },
    /// The proxy does not open a tunnel: 407 asks for other credentials.
    #[error("the proxy refuses with status {status}")]
    ProxyRefused {
        /// The HTTP status.
        status: u16,
        /// The headers; there is no method or target.
        head: Box<Head>,
    },
    /// The URL is a `wss` one, and the transport is not secure: nothing was sent.
    #[error("a wss URL needs a transport that is secure")]
    Insecure,
    /// The answer was not taken yet.
    #[error("the server has not answered yet")]
    Unanswered,
    /// Not HTTP/1.1.
    #[error("the answer is malformed")]
    Malformed,
    /// The head is longer than the limit.
    #[error("the head of the answer is too large")]
    HeadTooLarge,
    /// `Upgrade` is not `websocket`.
    #[error("the answer does not upgrade to websocket")]
    Upgrade,
    /// `Connection` does not list `Upgrade`.
    #[error("the Connection header of the answer does not list Upgrade")]
    Connection,
    /// `Sec-WebSocket-Accept` does not answer the key.
    #[error("the Sec-WebSocket-Accept header is missing or wrong")]
    AcceptKey,
    /// An extension that was not offered, or not in this way.
    #[error("the server uses an extension that was not offered")]
    Extension,
    /// A subprotocol that was not offered.
    #[error("the server chose a subprotocol that was not offered")]
    Subprotocol,
}

impl Error {
    /// How long the server asks to be left alone (`Retry-After` in seconds, RFC 9110 §10.2.3), with its refusal.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { head, .. } => {
                head.header_str("Retry-After")?.parse().ok().map(Duration::from_secs)
            }
            _ => None,
        }
    }
}
