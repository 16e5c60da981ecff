//! What is said, and gets into the output: messages, pings, a Close, replies.

use std::io::Write;

use super::WriteHalf;
use crate::close::CloseCode;
use crate::config::Role;
use crate::control::Replies;
use crate::encoder::{self, Unsent, Written, write_slices};
use crate::error::SendError;
use crate::message::Message;
use crate::prepared::Prepared;

impl WriteHalf {
    /// Queues a message, see [`Connection::send`](crate::Connection::send).
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed), [`QueueFull`](SendError::QueueFull),
    /// [`MessageTooLarge`](SendError::MessageTooLarge).
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.encoder.send(message.opcode(), message.as_bytes())
    }

    /// Queues a message that is not to be compressed, see
    /// [`Connection::send_plain`](crate::Connection::send_plain).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_plain<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.encoder.send_plain(message.opcode(), message.as_bytes())
    }

    /// Queues a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.encoder.send_prepared(prepared)
    }

    /// Begins a message that is to be written now, whatever waits in the queue: a short one is queued, a
    /// long one is written from where it lies by [`write_with`](Self::write_with), which must be called
    /// with it until it is all written, before anything else is sent.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Written};
    ///
    /// let (_, mut write) = Connection::server(Config::default()).split();
    /// let mut unsent = write.begin("hello")?;
    /// let mut socket = Vec::new();
    /// let written = write.write_with(&mut unsent, |slices| {
    ///     std::io::Write::write_vectored(&mut socket, slices)
    /// })?;
    /// assert_eq!(written, Written::All);
    /// assert_eq!(socket, b"\x81\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed).
    pub fn begin<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<Unsent<'m>, SendError> {
        self.encoder.begin(message.into())
    }

    /// The same for a message that is not to be compressed.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed).
    #[cfg(feature = "deflate")]
    pub fn begin_plain<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<Unsent<'m>, SendError> {
        self.encoder.begin_plain(message.into())
    }

    /// The same for a message that was encoded before: servers copy nothing of it.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed).
    pub fn begin_prepared<'m>(&mut self, prepared: &'m Prepared) -> Result<Unsent<'m>, SendError> {
        self.encoder.begin_prepared(prepared)
    }

    /// The same for a ping of up to 125 bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong) and [`Closed`](SendError::Closed).
    pub fn begin_ping(&mut self, payload: &[u8]) -> Result<Unsent<'static>, SendError> {
        self.encoder.begin_ping(payload)
    }

    /// Queues a message but writes what it can of it now, see
    /// [`Connection::send_to`](crate::Connection::send_to).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), before anything is written.
    pub fn send_to<'m>(
        &mut self,
        writer: &mut impl Write,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError> {
        let message = message.into();
        self.encoder.admit(message.as_bytes().len())?;
        let unsent = self.encoder.begin_in_place(message)?;
        self.pass(writer, unsent);
        Ok(())
    }

    /// The same for a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), before anything is written.
    pub fn send_prepared_to(
        &mut self,
        writer: &mut impl Write,
        prepared: &Prepared,
    ) -> Result<(), SendError> {
        self.encoder.admit(prepared.payload().len())?;
        let unsent = self.encoder.begin_prepared(prepared)?;
        self.pass(writer, unsent);
        Ok(())
    }

    /// Queues what is left of a message that was [begun](Self::begin), whatever the limit, so that nobody has
    /// to wait with it until the peer reads on.
    ///
    /// ```
    /// use sansocket::{Config, Connection, Written};
    ///
    /// let (_, mut write) = Connection::server(Config::default()).split();
    /// let mut unsent = write.begin(&[7; 100_000])?;
    /// let full = |_: &[std::io::IoSlice<'_>]| Err(std::io::ErrorKind::WouldBlock.into());
    /// assert_eq!(write.write_with(&mut unsent, full)?, Written::Blocked);
    /// write.queue_rest(unsent);
    /// assert_eq!(write.pending().len(), 10 + 100_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_rest(&mut self, unsent: Unsent<'_>) {
        self.encoder.queue_rest(&unsent);
        self.unsent = false;
    }

    /// Queues a ping of up to 125 bytes.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong), and those of [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.encoder.ping(payload)
    }

    /// Starts the closing handshake, see [`Connection::close`](crate::Connection::close).
    ///
    /// # Errors
    ///
    /// [`ClientOnlyCode`](SendError::ClientOnlyCode) for 1010 from a server.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.encoder.close(code, reason)
    }

    /// Takes what the receiving half has to say, and leaves `replies` empty.
    pub fn reply(&mut self, replies: &mut Replies) {
        if self.failed {
            *replies = Replies::new();
            return;
        }
        self.encoder.reply(replies);
        self.finishing |= std::mem::take(&mut replies.finish);
    }

    /// Takes the messages that wait in `other`, behind its own.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        self.encoder.take_from(&mut other.encoder);
    }

    /// Writes what can be written now, and queues the rest of the message.
    fn pass(&mut self, writer: &mut impl Write, mut unsent: Unsent<'_>) {
        let Self { encoder, stall, .. } = self;
        let written = encoder.write_with(&mut unsent, |slices| {
            let n = write_slices(&mut *writer, slices)?;
            stall.moved(n);
            Ok(n)
        });
        // The next write of what is pending meets the same error.
        self.stall.set_blocked(matches!(written, Ok(Written::Blocked)));
        self.queue_rest(unsent);
    }

    /// Whether messages may still be sent.
    pub(crate) fn check_open(&self) -> Result<(), SendError> {
        self.encoder.check_open()
    }

    /// Takes no more messages, but keeps those it has.
    pub(crate) fn end(&mut self) {
        self.encoder.end();
    }

    /// Whether this may be our close code.
    pub(crate) fn check_close(role: Role, code: CloseCode) -> Result<(), SendError> {
        encoder::check_close(role, code)
    }
}
