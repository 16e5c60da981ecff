//! The half that sends: the output, and how far it has come.

use std::io::{self, IoSlice, Write};
use std::time::Instant;

use crate::close::CloseCode;
use crate::config::{Agreement, Config, Role};
use crate::control::Replies;
use crate::encoder::{self, Encoder, Unsent, Written, write_slices};
use crate::error::{SendError, TimedOut, is_timeout};
use crate::message::Message;
use crate::prepared::Prepared;
use crate::timers::Stall;

/// The half of a [`Connection`](crate::Connection) that sends. It has no lock and no socket: an adapter puts
/// it where whoever sends can reach it.
///
/// The methods it shares with `Connection` are described there.
#[derive(Debug)]
pub struct WriteHalf {
    pub(super) encoder: Encoder,
    stall: Stall,
    /// Nothing follows what is queued.
    finishing: bool,
    /// A message that is not in the queue waits to be written.
    unsent: bool,
    /// The writer may hold bytes that it has not passed on.
    unflushed: bool,
    /// What it could not pass on when it was last asked to, in steps of 16 bytes: a stream of TLS records holds less
    /// than a megabyte.
    held: u16,
    /// Our side of the stream was ended.
    shut: bool,
    /// The stream cannot be written to any more.
    failed: bool,
}

/// How far the sending half has come: all that the receiving half has to know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Our Close is queued or written, or there will be none.
    pub(crate) closed: bool,
    /// Since when our Close is written, as the last tick saw it.
    pub(crate) closing: Option<Instant>,
    /// Nothing waits to be written.
    pub(crate) flushed: bool,
    /// How often the peer has read on when output had to wait for it, to be compared with what it was.
    pub(crate) drained: u16,
    pub(crate) failed: bool,
}

impl WriteHalf {
    pub(super) fn new(
        role: Role,
        config: &Config,
        output: &[u8],
        agreement: Option<&Agreement>,
    ) -> Self {
        let encoder = Encoder::new(role, config, output, agreement);
        Self::with(encoder, Stall::new(config.write_timeout))
    }

    /// An empty half for messages that this is to [take](Self::take_from), and encodes them in the same way.
    pub(crate) fn anew(&self, config: &Config) -> Self {
        Self::with(self.encoder.anew(), Stall::new(config.write_timeout))
    }

    fn with(encoder: Encoder, stall: Stall) -> Self {
        Self {
            encoder,
            stall,
            finishing: false,
            unsent: false,
            unflushed: false,
            held: 0,
            shut: false,
            failed: false,
        }
    }

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

    /// Bytes to write next, see [`Connection::pending`](crate::Connection::pending).
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.encoder.pending()
    }

    /// Says that the first `n` bytes of [`pending`](Self::pending) were written.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        self.stall.moved(n);
        // A short write: the socket takes no more.
        self.stall.set_blocked(n < self.encoder.pending().len());
        self.encoder.sent(n);
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.encoder.queued()
    }

    /// Whether so much waits that it should be written before more is read, see
    /// [`Connection::is_congested`](crate::Connection::is_congested).
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.encoder.is_congested()
    }

    /// Writes what is queued, and then `unsent`, until all is written or the socket takes no more. `write`
    /// writes some bytes of the slices, in their order, as
    /// [`Write::write_vectored`](std::io::Write::write_vectored) does. A short write is no
    /// reason to stop, and `Interrupted` none either.
    ///
    /// # Errors
    ///
    /// Those of `write` but `WouldBlock` and `TimedOut`; `WriteZero` if it takes nothing; `InvalidData` if
    /// it claims to have taken more than it was given. Half a frame may be out: nothing can be sent any more.
    pub fn write_with(
        &mut self,
        unsent: &mut Unsent<'_>,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        let Self { encoder, stall, .. } = self;
        let written = encoder.write_with(unsent, |slices| {
            let n = write(slices)?;
            stall.moved(n);
            Ok(n)
        });
        match written {
            // The queue can be seen as it is.
            Ok(written) => {
                self.unsent = !unsent.is_empty();
                self.stall.set_blocked(written == Written::Blocked);
            }
            Err(_) => self.write_failed(),
        }
        written
    }

    /// Has the writer pass on what it took, when all is [written](Self::write_with): one that holds something for
    /// itself, such as a stream of TLS records. `flush` says how many bytes it still holds, or meets `WouldBlock`
    /// or `TimedOut`, if it cannot tell. They count as if they waited here: for the write timeout, and before our
    /// side is ended. Writers that hold nothing need none of this.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use sansocket::{Config, Connection, Written};
    ///
    /// let (_, mut write) = Connection::server(Config::default()).split();
    /// let now = Instant::now();
    /// assert_eq!(write.flush_with(|| Ok(100))?, Written::Blocked);
    /// assert_eq!(write.tick(now)?, Some(now + Duration::from_secs(30)));
    /// assert_eq!(write.flush_with(|| Ok(0))?, Written::All);
    /// assert_eq!(write.tick(now)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `flush` but `WouldBlock` and `TimedOut`. Nothing can be sent any more.
    pub fn flush_with(&mut self, flush: impl FnOnce() -> io::Result<usize>) -> io::Result<Written> {
        let held = match flush() {
            Ok(held) => u16::try_from(held.div_ceil(16)).unwrap_or(u16::MAX),
            Err(error) if is_timeout(&error) => self.held.max(1),
            Err(error) => {
                self.write_failed();
                return Err(error);
            }
        };
        // What it takes from us tells nothing of the peer.
        if held < std::mem::replace(&mut self.held, held) {
            self.stall.passed_on();
        }
        self.unflushed = held > 0;
        Ok(match held {
            0 => Written::All,
            _ => Written::Blocked,
        })
    }

    /// Says that the writer may hold something, and was not asked to pass it on.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_unflushed(&mut self) {
        self.unflushed = true;
    }

    /// Says that a write has failed. What waits is dropped, and nothing can be sent any more.
    pub fn write_failed(&mut self) {
        self.failed = true;
        self.unsent = false;
        self.unflushed = false;
        self.held = 0;
        self.stall.set_blocked(false);
        self.encoder.discard();
    }

    /// Whether a write has failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Looks at the write timeout, and says when to be called again, if at all. Call it before every wait.
    ///
    /// # Errors
    ///
    /// [`TimedOut::Write`]: the peer takes nothing. It counts as a [failed write](Self::write_failed).
    pub fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        if self.encoder.is_close_written() && !self.unflushed {
            self.stall.close_written(now);
        }
        let waits = !self.is_flushed();
        self.stall.tick(now, waits).inspect_err(|_| self.write_failed())
    }

    /// How far it has come, for [`ReadHalf::tick`](crate::ReadHalf::tick).
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            closed: self.encoder.is_closed(),
            closing: self.stall.closing(),
            flushed: self.is_flushed(),
            drained: self.stall.drained(),
            failed: self.failed,
        }
    }

    /// Whether to end our side of the stream now, see
    /// [`Connection::wants_shutdown`](crate::Connection::wants_shutdown).
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        // A client waits for the server to do that (§7.1.1).
        let is_server = self.encoder.role() == Role::Server;
        is_server && self.finishing && !self.shut && !self.failed && self.is_flushed()
    }

    /// Says that our side of the stream was ended.
    pub fn shut_down(&mut self) {
        self.shut = true;
    }

    /// Whether messages are compressed, see [`Connection::is_compressed`](crate::Connection::is_compressed).
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.encoder.is_compressed()
    }

    /// Forgets what was sent before, see [`Connection::forget_sent`](crate::Connection::forget_sent).
    #[cfg(feature = "deflate")]
    pub fn forget_sent(&mut self) {
        self.encoder.forget_sent();
    }

    /// Takes the memory of `spare` for the output queue, if that has none.
    pub fn lend_queue(&mut self, spare: &mut Vec<u8>) {
        self.encoder.lend(spare);
    }

    /// Gives the memory of the output queue to `spare`, unless bytes are pending.
    pub fn reclaim_queue(&mut self, spare: &mut Vec<u8>) {
        self.encoder.reclaim(spare);
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

    /// Whether nothing waits to be written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pending().is_empty() && !self.unsent && !self.unflushed
    }

    pub(super) fn role(&self) -> Role {
        self.encoder.role()
    }

    /// Takes the messages that wait in `other`, behind its own.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        self.encoder.take_from(&mut other.encoder);
    }

    /// The socket may take more: it was not asked.
    #[cfg(feature = "tokio")]
    pub(crate) fn forget_blocked(&mut self) {
        self.held = 0;
        self.stall.set_blocked(false);
    }

    /// Whether the socket took no more at the last write.
    pub(crate) fn is_blocked(&self) -> bool {
        self.stall.is_blocked()
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
