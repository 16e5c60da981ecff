//! What a connection has to be written to its socket, and where the memory for that comes from.

use std::io::{self, IoSlice};

use super::Connection;
use crate::encoder::{Unsent, Written};

impl Connection {
    /// Bytes to write to the socket next. Ask again after [`sent`](Self::sent): there may be
    /// more, since a pong may overtake what waits.
    #[must_use]
    #[inline]
    pub fn pending(&self) -> &[u8] {
        self.write.pending()
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
        self.write.queued()
    }

    /// Says that the first `n` bytes of [`pending`](Self::pending) were written.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        self.write.sent(n);
    }

    /// Writes what is pending until all is written or the socket takes no more, by a closure that writes
    /// some bytes of the slices as [`Write::write_vectored`](io::Write::write_vectored) does. A short write is no reason to stop.
    ///
    /// ```
    /// use std::io::Write;
    /// use sansocket::{Config, Connection, Written};
    ///
    /// let mut connection = Connection::server(Config::default());
    /// connection.send("hello")?;
    /// let mut socket = Vec::new();
    /// let written = connection.write_with(|slices| socket.write_vectored(slices))?;
    /// assert_eq!(written, Written::All);
    /// assert_eq!(socket, b"\x81\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the closure but `WouldBlock`, `TimedOut` and `Interrupted`; `WriteZero` and `InvalidData` if
    /// it takes nothing or claims too much. It counts as a [failed write](Self::write_failed).
    pub fn write_with(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        self.write.write_with(&mut Unsent::nothing(), write)
    }

    /// Says that a write has failed. What waits is dropped, and nothing can be sent any more. Read on until
    /// it [is finished](Self::is_finished), if you want to see what had arrived, or close the socket.
    pub fn write_failed(&mut self) {
        self.write.write_failed();
    }

    /// Whether so much output waits, 256 KiB or a quarter of
    /// [`max_queue`](crate::ConfigBuilder::max_queue), that it should be written before more is read. Then a
    /// peer that sends and does not read is not read from either, and the answers to one read always find
    /// room.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.write.is_congested()
    }

    /// Whether all is said, and our side of the stream is to be ended (`shutdown`): the peer then sees the
    /// end behind our Close. The server does so first, a client waits for it (§7.1.1).
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        self.write.wants_shutdown()
    }

    /// Says that our side of the stream was ended.
    pub fn shut_down(&mut self) {
        self.write.shut_down();
    }

    /// Has the writer pass on what it took, see [`WriteHalf::flush_with`].
    #[cfg(all(feature = "mio", feature = "rustls"))]
    pub(crate) fn flush_with(
        &mut self,
        flush: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<Written> {
        self.write.flush_with(flush)
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
        self.write.lend_queue(spare);
    }

    /// Gives the memory of the output queue to `spare`, unless bytes are pending. If both have some,
    /// the larger stays.
    pub fn reclaim_queue(&mut self, spare: &mut Vec<u8>) {
        self.write.reclaim_queue(spare);
    }
}
