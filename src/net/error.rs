//! Everything that can end a connection over a socket.

use std::io;

use thiserror::Error;

use crate::error::{Disconnected, ProtocolError, SendError, TimedOut};
#[cfg(feature = "client")]
use crate::handshake::client;
use crate::handshake::{HandshakeError, ResponseError};

/// What went wrong with a connection over a socket.
///
/// By the time you see it, what could be answered has been: an HTTP response before the
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
    /// The peer broke the protocol or a limit. The Close frame was written, if it could be.
    #[error("the peer broke the protocol: {0}")]
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
}
