//! The half that sends, from any number of threads.

use std::fmt;
use std::sync::Arc;

use super::error::Error;
use super::link::Link;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::error::SendError;
use crate::frame::{MAX_CONTROL, Opcode};
use crate::message::Message;
use crate::prepared::Prepared;

/// Messages up to this size are copied behind their header and written as one piece; larger ones
/// are written from where they lie.
const SMALL: usize = 8 * 1024;

/// Sends messages. Clones send on the same connection, and every method takes `&self`: messages of
/// several threads follow one another, never mixed.
///
/// A send waits while the peer does not read, and for other sends: up to the
/// [write timeout](crate::ConfigBuilder::write_timeout). After a write that failed the connection
/// takes nothing more, since half a frame may be out.
///
/// When all clones and the [`Receiver`](super::Receiver) are dropped, the socket is closed. Close
/// with [`close`](Self::close) first, and keep receiving until `None`.
pub struct Sender<S> {
    link: Arc<Link<S>>,
}

impl<S: Transport> Sender<S> {
    pub(super) fn new(link: Arc<Link<S>>) -> Self {
        Self { link }
    }

    pub(super) fn link(&self) -> &Link<S> {
        &self.link
    }

    /// Sends a message. It is on the wire, with all that was fed before, when this returns; it takes
    /// one call to the socket unless the peer is slow.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or closed; [`Error::TimedOut`] if the peer
    /// does not read; [`Error::Io`] if the socket fails.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let payload = message.as_bytes();
        self.link.write(|link, writer| {
            writer.encoder.check_open()?;
            if payload.len() > SMALL {
                if let Some(header) = writer.encoder.bare_header(message.opcode(), payload.len()) {
                    return link.write_frame(writer, header.as_ref(), payload);
                }
            }
            writer.encoder.push(message.opcode(), payload);
            link.flush(writer)
        })
    }

    /// Queues a message. It goes out with the next [`send`](Self::send) or [`flush`](Self::flush),
    /// or before the receiver waits for more input: so a loop that answers what it receives with
    /// `feed` writes once per batch of input. From another thread, `flush` after the last.
    ///
    /// When the queue is full it is written first.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn feed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let payload = message.as_bytes();
        self.link.write(|link, writer| {
            writer.encoder.check_open()?;
            if !writer.encoder.fits(payload.len()) {
                link.flush(writer)?;
            }
            if !writer.encoder.fits(payload.len()) {
                // Larger than the queue may ever be.
                if let Some(header) = writer.encoder.bare_header(message.opcode(), payload.len()) {
                    return link.write_frame(writer, header.as_ref(), payload);
                }
            }
            writer.encoder.push(message.opcode(), payload);
            Ok(())
        })
    }

    /// Writes what was fed.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the peer does not read; [`Error::Io`] if the socket fails;
    /// [`Error::Send`] if it has failed before, and what was fed is lost.
    pub fn flush(&self) -> Result<(), Error> {
        self.link.write(Link::flush)
    }

    /// Sends a message that was encoded before, see [`Prepared`]. A server copies nothing of it.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.link.write(|link, writer| {
            writer.encoder.check_open()?;
            if writer.encoder.masks() {
                writer.encoder.push_prepared(prepared);
                link.flush(writer)
            } else {
                link.write_frame(writer, &[], prepared.frame())
            }
        })
    }

    /// Queues a message that was encoded before, as [`feed`](Self::feed) does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn feed_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.link.write(|link, writer| {
            writer.encoder.check_open()?;
            if !writer.encoder.fits(prepared.payload().len()) {
                link.flush(writer)?;
            }
            if writer.encoder.masks() || writer.encoder.fits(prepared.payload().len()) {
                writer.encoder.push_prepared(prepared);
                Ok(())
            } else {
                link.write_frame(writer, &[], prepared.frame())
            }
        })
    }

    /// Sends a ping of up to 125 bytes. The peer answers with a pong of the same payload (RFC 6455
    /// §5.5.2). Keepalive sends its own; this is for measuring.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLong`], and those of [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::TooLong.into());
        }
        self.link.write(|link, writer| {
            writer.encoder.check_open()?;
            writer.encoder.push(Opcode::Ping, payload);
            link.flush(writer)
        })
    }

    /// Starts the closing handshake: sends a Close frame with a code and a reason of up to 123 bytes
    /// (RFC 6455 §7.1.2). A second one is not sent, and is no error; nor is anything sent if the
    /// connection has ended.
    ///
    /// This does not wait. If another thread is in the middle of a message, the Close goes out behind
    /// it; if the peer does not read at the moment, the receiver sees to it.
    ///
    /// Keep receiving: messages that the peer sent before it saw the Close still arrive, and
    /// then [`recv`](super::Receiver::recv) returns `None`; if the peer does not answer, that fails
    /// after the close timeout.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLong`] for the reason, [`SendError::ClientOnlyCode`] for 1010 from a
    /// server.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.link.leave_close(code, reason)?;
        self.link.deliver();
        Ok(())
    }

    /// Ends the connection at once, without a Close frame: for a peer that takes too long. Sends that
    /// are under way fail, and so does the receiver.
    pub fn abort(&self) {
        self.link.leave_end();
        self.link.cut();
    }
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { link: Arc::clone(&self.link) }
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
