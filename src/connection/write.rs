//! The half that sends: the output, and how far it has come.

mod messages;

use std::io::{self, IoSlice};
use std::time::Instant;

use crate::config::{Agreement, Config, Role};
use crate::encoder::{Encoder, Held, Unsent, Written};
use crate::error::TimedOut;
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
    /// What the writer has not passed on.
    held: Held,
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
    /// When the peer's Close has to have come, if ours was written by the last tick.
    pub(crate) close_due: Option<Instant>,
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
        Self::with(encoder, Stall::new(config))
    }

    /// An empty half for messages that this is to [take](Self::take_from), and encodes them in the same way.
    pub(crate) fn anew(&self, config: &Config) -> Self {
        Self::with(self.encoder.anew(), Stall::new(config))
    }

    fn with(encoder: Encoder, stall: Stall) -> Self {
        Self {
            encoder,
            stall,
            finishing: false,
            unsent: false,
            held: Held::default(),
            shut: false,
            failed: false,
        }
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

    /// Has the writer pass on what it took, when all is [written](Self::write_with), or it takes no more: one that holds
    /// something for itself, such as a stream of TLS records. `flush` says how many bytes it still holds, or meets `WouldBlock`
    /// or `TimedOut`, if it cannot tell. They count as if they waited here: for the write timeout, and before our
    /// side is ended. That some of them have gone is seen in steps of 16 bytes, while it holds less than a megabyte.
    /// Writers that hold nothing need none of this.
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
        let flushed = self.held.flush_with(flush);
        let (written, has_gone) = flushed.inspect_err(|_| self.write_failed())?;
        if has_gone {
            self.stall.passed_on();
        }
        Ok(written)
    }

    /// Says that the writer may hold something, and was not asked to pass it on.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_unflushed(&mut self) {
        self.held.set_some();
    }

    /// Says that a write has failed. What waits is dropped, and nothing can be sent any more.
    pub fn write_failed(&mut self) {
        self.failed = true;
        self.unsent = false;
        self.held = Held::default();
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
        if self.encoder.is_close_written() && self.held.is_none() {
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
            close_due: self.stall.close_due(),
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

    /// Whether the output queue has no memory.
    #[cfg(feature = "tokio")]
    pub(crate) fn lacks_queue(&self) -> bool {
        self.encoder.lacks_memory()
    }

    /// Gives the memory of the output queue to `spare`, unless bytes are pending.
    pub fn reclaim_queue(&mut self, spare: &mut Vec<u8>) {
        self.encoder.reclaim(spare);
    }

    /// Whether the writer may hold something.
    pub(crate) fn is_held(&self) -> bool {
        !self.held.is_none()
    }

    /// Whether nothing waits to be written.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        !self.encoder.has_pending() && !self.unsent && self.held.is_none()
    }

    pub(super) fn role(&self) -> Role {
        self.encoder.role()
    }

    /// The socket may take more: it was not asked.
    #[cfg(feature = "tokio")]
    pub(crate) fn forget_blocked(&mut self) {
        self.held.forget();
        self.stall.set_blocked(false);
    }

    /// Whether the socket took no more at the last write, or not all that the writer held.
    pub(crate) fn is_blocked(&self) -> bool {
        self.stall.is_blocked() || self.held.is_blocked()
    }
}
