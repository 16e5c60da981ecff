//! Everything that can go wrong: one small type per operation, and one for all that end a connection.
//!
//! Errors are sorted by fault: a [`ProtocolError`] is the peer's, a [`SendError`] the
//! caller's, a [`TimedOut`] and a [`Disconnected`] the network's. Refused handshakes are
//! [`HandshakeError`]s.

use std::io;

use thiserror::Error;

use crate::close::CloseCode;
#[cfg(feature = "client")]
use crate::handshake::client;
use crate::handshake::{HandshakeError, ResponseError};

/// The end of a connection over a socket, unless it was a good one.
///
/// By the time you see it, the answer has been written if there is one: an HTTP response before the
/// connection was open, a Close frame after.
#[derive(Error, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The opening handshake was refused, and the refusal was written.
    #[error("handshake refused: {0}")]
    Handshake(#[from] HandshakeError),
    /// The response must not be written.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The server's answer does not open a WebSocket.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Connect(#[from] client::Error),
    /// The URL, or what was to be said with it, must not be sent.
    #[cfg(feature = "client")]
    #[error(transparent)]
    Build(#[from] client::BuildError),
    /// The peer broke the protocol or a limit. The Close frame was written, if it could be.
    #[error("the peer {deed}: {0}", deed = .0.deed())]
    Protocol(#[from] ProtocolError),
    /// Nothing of the message was sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A deadline passed.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The peer's side ended without a Close frame.
    #[error(transparent)]
    Disconnected(#[from] Disconnected),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A server had no room for a client, which got a 503 or was cut off. See
    /// [`max_connections`](crate::net::Server::max_connections).
    #[error("refused with 503: max_connections is {limit}")]
    ServerFull {
        /// How many connections there may be.
        limit: usize,
    },
    /// The handler of a server failed, with an error of its own.
    #[error(transparent)]
    Handler(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The error that a handler has returned.
    pub(crate) fn from_handler(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        error.downcast::<Self>().map_or_else(Self::Handler, |error| *error)
    }

    /// Whether the peer merely went away, as peers do every day. Servers on the open internet
    /// need no log line for that.
    ///
    /// | error | |
    /// | --- | --- |
    /// | [`Disconnected`], in the middle of a message or not | yes |
    /// | [`TimedOut`]: `Silence`, `Close`, `Handshake` | yes |
    /// | [`TimedOut::Write`]: the peer is there, and reads too slowly | no |
    /// | [`SendError::Closed`]: it closed while an answer was made | yes |
    /// | I/O: `ConnectionReset`, `ConnectionAborted`, `BrokenPipe`, `NotConnected`, `UnexpectedEof`, `TimedOut` | yes |
    /// | everything else | no |
    ///
    /// ```
    /// use sansocket::{Error, SendError, TimedOut};
    ///
    /// let log = |error: &Error| {
    ///     if !error.is_disconnect() {
    ///         eprintln!("{error}");
    ///     }
    /// };
    /// # log(&TimedOut::Silence.into());
    /// assert!(Error::from(TimedOut::Silence).is_disconnect());
    /// assert!(!Error::from(SendError::QueueFull).is_disconnect());
    /// ```
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            Self::Disconnected(_) | Self::Send(SendError::Closed) => true,
            Self::TimedOut(TimedOut::Silence | TimedOut::Close | TimedOut::Handshake) => true,
            Self::Io(error) => matches!(
                error.kind(),
                Kind::ConnectionReset
                    | Kind::ConnectionAborted
                    | Kind::BrokenPipe
                    | Kind::NotConnected
                    | Kind::UnexpectedEof
                    | Kind::TimedOut
            ),
            _ => false,
        }
    }
}

/// The result of a handler: any error will do. One that is an [`Error`](enum@Error) is reported as it is, others as
/// [`Error::Handler`].
pub type HandlerResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The peer broke the protocol, or a limit, and the connection has failed (RFC 6455 §7.1.7).
///
/// The answer on the wire is a Close frame with [`close_code`](Self::close_code); it is queued
/// already when this is returned. What the peer sends from now on is ignored.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set, which no extension gave a meaning (§5.2). Close 1002.
    #[error("a reserved bit is set")]
    ReservedBit,
    /// The opcode is none that RFC 6455 defines (§5.2). Close 1002.
    #[error("opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// A Close, Ping or Pong is fragmented (§5.4). Close 1002.
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A Close, Ping or Pong carries more than 125 bytes (§5.5). Close 1002.
    #[error("a control frame carries more than 125 bytes")]
    LongControl,
    /// A continuation frame without a message to continue (§5.4). Close 1002.
    #[error("a continuation frame continues nothing")]
    UnexpectedContinuation,
    /// A new message begins before the last one is complete (§5.4). Close 1002.
    #[error("a message begins inside another")]
    InterleavedMessage,
    /// A client's frame is not masked (§5.1). Close 1002.
    #[error("a frame from the client is not masked")]
    Unmasked,
    /// A server's frame is masked (§5.1). Close 1002.
    #[error("a frame from the server is masked")]
    Masked,
    /// The payload length is not in its shortest form, or its top bit is set (§5.2). Close 1002.
    #[error("the payload length is malformed")]
    MalformedLength,
    /// The message, with what the last frame header declares, exceeds the limit. Close 1009.
    #[error("the message of {len} bytes, or more, is larger than the limit of {max}")]
    MessageTooBig {
        /// The bytes that had arrived of the message, and those that the last header declares; of a compressed
        /// message, those that had been decompressed.
        len: u64,
        /// The limit, see [`max_message`](crate::ConfigBuilder::max_message).
        max: usize,
    },
    /// More than 64 empty fragments in one message. Close 1008.
    #[error("too many empty fragments")]
    TooManyEmptyFragments,
    /// A text message is not UTF-8 (§8.1). Close 1007.
    #[error("a text message is not UTF-8")]
    InvalidText,
    /// A compressed message is no DEFLATE, not whole, or refers to bytes that are not remembered (RFC 7692 §7.2.2).
    /// Close 1007.
    #[cfg(feature = "deflate")]
    #[error("a compressed message is corrupt")]
    CorruptMessage,
    /// More than 64 final blocks in one compressed message. Close 1008.
    #[cfg(feature = "deflate")]
    #[error("too many final blocks in a compressed message")]
    TooManyFinalBlocks,
    /// The body of a Close frame is one byte (§5.5.1). Close 1002.
    #[error("a Close frame has half a code")]
    TruncatedCloseCode,
    /// A close code that must not stand on the wire (§7.4). Close 1002.
    #[error("close code {0} must not stand on the wire")]
    InvalidCloseCode(u16),
    /// The reason in a Close frame is not UTF-8 (§5.5.1). Close 1007.
    #[error("a close reason is not UTF-8")]
    InvalidCloseReason,
}

impl ProtocolError {
    /// The code of the Close frame that answers it.
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyEmptyFragments => CloseCode::POLICY_VIOLATION,
            Self::InvalidText | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            #[cfg(feature = "deflate")]
            Self::CorruptMessage => CloseCode::INVALID_PAYLOAD,
            #[cfg(feature = "deflate")]
            Self::TooManyFinalBlocks => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Whether the peer kept to the protocol, but not to one of our limits.
    #[must_use]
    pub const fn is_limit(&self) -> bool {
        match self {
            Self::MessageTooBig { .. } | Self::TooManyEmptyFragments => true,
            #[cfg(feature = "deflate")]
            Self::TooManyFinalBlocks => true,
            _ => false,
        }
    }

    const fn deed(&self) -> &'static str {
        if self.is_limit() { "exceeded a limit" } else { "broke the protocol" }
    }
}

/// A message was not sent. Nothing of it is on the wire, and the caller still has it.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent or is queued, or the connection has failed or ended (§5.5.1).
    #[error("the connection is closing or closed")]
    Closed,
    /// The message does not fit into the output queue. It may fit once the peer has read on.
    #[error("the output queue is full")]
    QueueFull,
    /// The message does not fit into the output queue even if nothing waits there.
    #[error("the message of {len} bytes is larger than the output queue of {max}")]
    MessageTooLarge {
        /// The length of the message's payload, in bytes.
        len: usize,
        /// The limit, see [`max_queue`](crate::ConfigBuilder::max_queue).
        max: usize,
    },
    /// The payload of a ping exceeds 125 bytes (§5.5).
    #[error("a ping carries at most 125 bytes")]
    TooLong,
    /// 1010 is for clients only (§7.4.1).
    #[error("a server does not close with 1010")]
    ClientOnlyCode,
}

/// A deadline passed. The socket is to be closed without further ado.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimedOut {
    /// The opening handshake took too long. Answered with 408 if anything had arrived.
    #[error("the opening handshake took too long")]
    Handshake,
    /// The peer was silent, and did not answer a ping either.
    #[error("the peer fell silent")]
    Silence,
    /// The peer did not answer our Close frame within the
    /// [close timeout](crate::ConfigBuilder::close_timeout).
    #[error("the closing handshake took too long")]
    Close,
    /// The peer took nothing of what we wrote.
    #[error("the peer stopped reading")]
    Write,
}

/// The peer's side ended without a Close frame: what APIs without errors report as code 1006
/// (RFC 6455 §7.1.5).
///
/// Quite ordinary: a browser is killed, a phone leaves the network. Whatever was
/// complete had been delivered.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("the connection ended without a Close frame")]
#[doc(alias = "1006")]
#[non_exhaustive]
pub struct Disconnected {
    /// Whether a message or frame was under way, which is lost.
    pub mid_message: bool,
}

/// Whether a socket only takes or has no more at present, whichever of the two its system calls that.
pub(crate) fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}
