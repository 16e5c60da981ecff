//! What a connection says: messages, pings, a Close.

use std::io::Write;

use super::Connection;
use crate::close::CloseCode;
use crate::control::Replies;
use crate::error::SendError;
use crate::message::Message;
use crate::prepared::Prepared;

impl Connection {
    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) after a Close frame or the end of the connection;
    /// [`QueueFull`](SendError::QueueFull) if it does not fit. Nothing of it is queued then.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.write.send(message)
    }

    /// Queues a message that is not to be compressed, whatever was agreed on: for secrets, since the length of a
    /// compressed message tells of what is in it and in those before it (RFC 7692 §8). Feature `deflate`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_plain<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.write.send_plain(message)
    }

    /// Queues a message that was encoded before, see [`Prepared`].
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.write.send_prepared(prepared)
    }

    /// Sends a message past the queue: what is pending and the message go to `writer`, in one
    /// vectored write, from where they lie. Only what it leaves is queued.
    ///
    /// Worth it for long messages, from about 8 KiB on, whose copy into the queue would
    /// cost more than a write does; short ones are better queued with [`send`](Self::send) and
    /// written together. A client has to mask a copy, so it always queues, and writes.
    ///
    /// It writes for as long as the writer takes something, as a non-blocking socket does until it is full. If the
    /// writer takes nothing more or fails, the rest of the message is queued, and the next write of what is [pending](Self::pending) sees why.
    ///
    /// ```
    /// use sansocket::{Config, Connection};
    ///
    /// let mut connection = Connection::server(Config::default());
    /// let mut socket = Vec::new();
    /// connection.send_to(&mut socket, &[7; 100_000])?;
    /// assert_eq!(socket.len(), 10 + 100_000);
    ///
    /// let mut full: &mut [u8] = &mut [0; 50_000];
    /// connection.send_to(&mut full, &[7; 100_000])?;
    /// assert_eq!(connection.pending().len(), 10 + 50_000);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), before anything is written: the message has to fit into the
    /// queue, in case it has to wait there.
    pub fn send_to<'m>(
        &mut self,
        writer: &mut impl Write,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError> {
        self.write.send_to(writer, message)
    }

    /// The same for a message that was encoded before: a server's broadcast copies nothing.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
    pub fn send_prepared_to(
        &mut self,
        writer: &mut impl Write,
        prepared: &Prepared,
    ) -> Result<(), SendError> {
        self.write.send_prepared_to(writer, prepared)
    }

    /// Queues a ping. The peer answers with a pong of the same payload (RFC 6455 §5.5.2).
    /// Keepalive sends pings of its own; this is for measuring.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong) if the payload exceeds 125 bytes, and those of
    /// [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.write.ping(payload)
    }

    /// Starts the closing handshake: queues a Close frame with a code and a reason, which is cut at a
    /// character to 123 bytes, behind what waits already (RFC 6455 §7.1.2). There is always room for it. If a
    /// Close frame was queued before, or the connection has ended, this does nothing.
    ///
    /// Messages that the peer sent before it saw our Close are still delivered. If the peer does
    /// not answer within the close timeout of the frame being written, [`tick`](Self::tick) says so.
    ///
    /// # Errors
    ///
    /// [`ClientOnlyCode`](SendError::ClientOnlyCode) for 1010 from a server.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.write.close(code, reason)
    }

    /// Ends the connection from our side, without waiting for the peer: what is queued is written, a Close
    /// frame unless there was one, and then our side of the stream ends. What the peer still sends is
    /// discarded. For the end of a conversation in which nothing of interest can come any more;
    /// [`close`](Self::close) is the polite form.
    pub fn finish(&mut self, code: CloseCode, reason: &str) {
        let mut replies = Replies::new();
        self.read.finish(code, reason, &mut replies);
        self.write.reply(&mut replies);
    }

    /// Whether the handshake agreed on compression (permessage-deflate, RFC 7692). Feature `deflate`.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.write.is_compressed()
    }

    /// Forgets what was sent before, and gives its memory back: the next message refers to nothing before it. It does so
    /// by itself in silence, with the first ping of the keepalive. The peer need not know. Feature `deflate`.
    #[cfg(feature = "deflate")]
    pub fn forget_sent(&mut self) {
        self.write.forget_sent();
    }

    /// Whether a message would be taken if so many bytes more waited in the queue.
    #[cfg(feature = "mio")]
    pub(crate) fn admit_behind(&self, held: usize, len: usize) -> Result<(), SendError> {
        self.write.encoder.admit_behind(held, len)
    }
}
