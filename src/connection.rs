//! One connection without a socket: a decoder, an encoder and a keepalive.

use std::borrow::Borrow;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::{Config, Millis, Role};
use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::error::{Disconnected, ProtocolError, SendError, TimedOut};
use crate::keepalive::Keepalive;
use crate::message::{Event, Message};
use crate::prepared::Prepared;

/// An open connection, without a socket, a clock or a runtime: bytes in, events out, bytes out.
///
/// It begins where the opening handshake ends (see [`handshake`](crate::handshake)). Then, for ever:
///
/// 1. read from the socket into a [`Buffer`]; at its end call [`eof`](Self::eof);
/// 2. take events with [`next_event`](Self::next_event) until it says `None`, and answer them with
///    [`send`](Self::send) as you like;
/// 3. write [`pending`](Self::pending) until it is empty, and say how much was
///    [`sent`](Self::sent);
/// 4. call [`tick`](Self::tick) when it asked to be called;
/// 5. when [`is_finished`](Self::is_finished), close the socket: shut down writing, read and
///    discard until the peer's side ends too, for no longer than you please, then close. Unread
///    input at a close makes the kernel send a reset, and the peer may lose our Close frame.
///
/// Pings, Closes and faults of the peer are answered by themselves. A connection is at most 256
/// bytes large, and holds no memory beyond that but for its output queue, which is given back
/// in silence, or [reclaimed](Self::reclaim_queue).
///
/// ```
/// use sansocket::{Buffer, Config, Connection, Event};
///
/// let mut connection = Connection::server(Config::default());
/// let mut input = Buffer::new();
/// input.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // "Hello", from a socket
/// input.extend(b"\x89\x80\0\0\0\0"); // a ping
/// while let Some(event) = connection.next_event(&mut input)? {
///     if let Event::Message(message) = event {
///         connection.send(message)?; // `message` borrows `input` alone
///     }
/// }
/// assert_eq!(connection.pending(), b"\x81\x05Hello\x8a\x00"); // an echo and a pong
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    decoder: Decoder,
    encoder: Encoder,
    keepalive: Keepalive,
    close_timeout: Millis,
    /// Since when we wait for the peer's Close.
    closing: Option<Instant>,
    timed_out: Option<TimedOut>,
    /// Whether a frame header, or a control frame, lies in the caller's buffer in part.
    partial: bool,
}

impl Connection {
    /// The server's side of a connection whose handshake is done.
    #[must_use]
    pub fn server(config: impl Borrow<Config>) -> Self {
        Self::new(Role::Server, config.borrow())
    }

    /// The client's side of a connection whose handshake is done.
    #[cfg(feature = "client")]
    #[must_use]
    pub fn client(config: impl Borrow<Config>) -> Self {
        Self::new(Role::Client, config.borrow())
    }

    fn new(role: Role, config: &Config) -> Self {
        Self {
            decoder: Decoder::new(role, config),
            encoder: Encoder::new(role, config),
            keepalive: Keepalive::new(config.keepalive),
            close_timeout: config.close_timeout,
            closing: None,
            timed_out: None,
            partial: false,
        }
    }

    /// The next event in `input`. `None` means "more bytes, please", or that nothing will come
    /// any more: after a Close event, after [`eof`](Self::eof) and after a timeout.
    ///
    /// Always pass the buffer that this connection's bytes were read into. The event borrows it;
    /// answer, or copy what you want to keep, before you ask for the next.
    ///
    /// # Errors
    ///
    /// The peer's first fault, after all that was complete before it; the Close frame that answers
    /// it is queued then. From then on the same error again.
    // Always: handed over in memory, an event costs more than all the rest.
    #[inline(always)]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut Buffer,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(found) = self.decoder.find_whole(input) {
            self.keepalive.heard();
            return match self.decoder.message(&found, input) {
                Ok(message) => Ok(Some(Event::Message(message))),
                Err(error) => Err(self.fail(error)),
            };
        }
        self.next_event_of_any_kind(input)
    }

    fn next_event_of_any_kind<'b>(
        &mut self,
        input: &'b mut Buffer,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let event = match self.decoder.advance(input) {
            Ok(Some(found)) => self.decoder.event(&found, input),
            Ok(None) => {
                self.note_arrival(input);
                return Ok(None);
            }
            Err(error) => Err(error),
        };
        match event {
            Ok(event) => {
                self.keepalive.heard();
                self.encoder.respond(&event);
                Ok(Some(event))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) after a Close frame or the end of the connection;
    /// [`QueueFull`](SendError::QueueFull) if it does not fit. Nothing of it is queued then.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.encoder.send(message.opcode(), message.as_bytes())
    }

    /// Queues a message that was encoded before, see [`Prepared`].
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.encoder.send_prepared(prepared)
    }

    /// Sends a message past the queue: what is pending and the message go to `writer`, in one
    /// vectored write, from where they lie. Only what it leaves is queued.
    ///
    /// Worth it for long messages, from about 8 KiB on, whose copy into the queue would
    /// cost more than a write does; short ones are better queued with [`send`](Self::send) and
    /// written together. A client has to mask a copy, so it always queues, and writes.
    ///
    /// It writes once, like a non-blocking socket. If the writer takes nothing or fails, all of the
    /// message is queued, and the next write of what is [pending](Self::pending) sees why.
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
        self.encoder.send_to(writer, message.into())
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
        self.encoder.send_prepared_to(writer, prepared)
    }

    /// Queues a ping. The peer answers with a pong of the same payload (RFC 6455 §5.5.2).
    /// Keepalive sends pings of its own; this is for measuring.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong) if the payload exceeds 125 bytes, and those of
    /// [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.encoder.ping(payload)
    }

    /// Starts the closing handshake: queues a Close frame with a code and a reason of up to 123
    /// bytes, behind what waits already (RFC 6455 §7.1.2). There is always room for it. If a
    /// Close frame was queued before, or the connection has ended, this does nothing.
    ///
    /// Messages that the peer sent before it saw our Close are still delivered. If the peer does
    /// not answer within the close timeout, [`tick`](Self::tick) says so.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong) for the reason, and
    /// [`ClientOnlyCode`](SendError::ClientOnlyCode) for 1010 from a server.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.encoder.close(code, reason)
    }

    /// Bytes to write to the socket next. Ask again after [`sent`](Self::sent): there may be
    /// more, since a pong may overtake what waits.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.encoder.pending()
    }

    /// How many bytes wait to be written, headers and control frames included: all of them, while
    /// [`pending`](Self::pending) may end before a pong that overtakes the rest.
    ///
    /// ```
    /// use sansocket::{Config, Connection};
    ///
    /// let mut connection = Connection::server(Config::default());
    /// connection.send("hello")?;
    /// assert_eq!(connection.queued(), 2 + 5);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    #[must_use]
    pub fn queued(&self) -> usize {
        self.encoder.queued()
    }

    /// Says that the first `n` bytes of [`pending`](Self::pending) were written.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        self.encoder.sent(n);
    }

    /// Does what is due at `now`, and says when to be called again, if at all.
    ///
    /// Calling it later than asked makes deadlines late, calling it early or often does no harm.
    /// Received bytes count as of the next tick: an event loop that ticks when it has read, too, is
    /// exact. What is due may be a ping, so look at [`pending`](Self::pending) afterwards.
    ///
    /// # Errors
    ///
    /// The peer fell silent, or did not answer our Close. The connection is
    /// [finished](Self::is_finished) then: close the socket.
    pub fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        if let Some(timed_out) = self.timed_out {
            return Err(timed_out);
        }
        if self.is_finished() {
            return Ok(None);
        }
        let due =
            if self.encoder.is_closed() { self.wait_for_close(now) } else { self.keep_alive(now) };
        if let Err(timed_out) = due {
            self.timed_out = Some(timed_out);
            self.decoder.end();
            self.encoder.end();
        }
        due
    }

    /// Says that the peer's side of the stream has ended: a read returned 0 bytes, or failed.
    ///
    /// # Errors
    ///
    /// There was no Close frame before it. Either way the connection is over.
    pub fn eof(&mut self) -> Result<(), Disconnected> {
        let mid_message = self.decoder.is_mid_message() || self.partial;
        let expected = self.decoder.has_ended();
        self.decoder.end();
        self.encoder.end();
        match expected {
            true => Ok(()),
            false => Err(Disconnected { mid_message }),
        }
    }

    /// Whether all is said and written: close the socket now, as described [above](Self).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.timed_out.is_some()
            || self.decoder.has_ended() && self.encoder.is_closed() && self.pending().is_empty()
    }

    /// Takes the memory of `spare` for the output queue, if that has none.
    ///
    /// For event loops: lend one vector to each connection that has work to do, and
    /// [reclaim](Self::reclaim_queue) it when all is written. Then idle connections hold no memory, and
    /// busy ones do not allocate.
    ///
    /// ```
    /// # use sansocket::{Config, Connection};
    /// let mut connection = Connection::server(Config::default());
    /// let mut spare = Vec::with_capacity(1024);
    /// connection.lend_queue(&mut spare);
    /// connection.send("to the socket")?;
    /// connection.sent(connection.pending().len());
    /// connection.reclaim_queue(&mut spare);
    /// assert_eq!(spare.capacity(), 1024);
    /// # Ok::<(), sansocket::SendError>(())
    /// ```
    pub fn lend_queue(&mut self, spare: &mut Vec<u8>) {
        self.encoder.lend(spare);
    }

    /// Gives the memory of the output queue to `spare`, unless bytes are pending. If both have some,
    /// the larger stays.
    pub fn reclaim_queue(&mut self, spare: &mut Vec<u8>) {
        self.encoder.reclaim(spare);
    }

    fn wait_for_close(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        let since = *self.closing.get_or_insert(now);
        let timeout = Duration::from(self.close_timeout);
        if now.saturating_duration_since(since) >= timeout {
            return Err(TimedOut::Close);
        }
        Ok(since.checked_add(timeout))
    }

    fn keep_alive(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        let tick = self.keepalive.tick(now)?;
        if tick.ping {
            self.encoder.release();
            self.encoder.keepalive_ping();
        }
        Ok(tick.next)
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.encoder.fail(error.close_code());
        error
    }

    /// Bytes of an unfinished frame are a sign of life too.
    fn note_arrival(&mut self, input: &mut Buffer) {
        if input.take_news() {
            self.keepalive.heard();
        }
        self.partial = !input.unread().is_empty();
    }
}
