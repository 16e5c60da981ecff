//! What can go wrong once a connection is open, one small type per operation.
//!
//! Errors are sorted by fault: a [`ProtocolError`] is the peer's, a [`SendError`] the
//! caller's, a [`TimedOut`] and an [`Disconnected`] the network's. Refused handshakes are
//! [`HandshakeError`](crate::handshake::HandshakeError)s.

use thiserror::Error;

use crate::close::CloseCode;

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
    #[error("the message is larger than the limit")]
    MessageTooBig,
    /// More than 64 empty fragments in one message. Close 1008.
    #[error("too many empty fragments")]
    TooManyEmptyFragments,
    /// A text message is not UTF-8 (§8.1). Close 1007.
    #[error("a text message is not UTF-8")]
    InvalidText,
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
            Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyEmptyFragments => CloseCode::POLICY_VIOLATION,
            Self::InvalidText | Self::InvalidCloseReason => CloseCode::INVALID_PAYLOAD,
            _ => CloseCode::PROTOCOL_ERROR,
        }
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
    /// The payload of a ping exceeds 125 bytes, or the reason of a Close 123 (§5.5).
    #[error("a control frame cannot carry that much")]
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
    /// The peer did not answer our Close frame.
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
pub struct Disconnected {
    /// Whether a message or frame was under way, which is lost.
    pub mid_message: bool,
}
