//! TLS for a thread that does not wait: the parts of a [`Secure`](super::Secure) without its locks, under the socket of an
//! event loop. Memory to read into is lent; only records that the socket did not take are kept.

use std::io::{self, IoSlice};

use super::Engine;
use super::inbox::{End, Received};
use super::outbox::Outbox;
use crate::buffer::Buffer;
use crate::error::is_timeout;

/// The server's side of a connection.
pub(crate) struct Channel<E> {
    pub(super) engine: E,
    pub(super) received: Received,
    pub(super) outbox: Outbox,
}

impl<E: Engine> Channel<E> {
    pub(crate) fn server(engine: E) -> Self {
        Self { engine, received: Received::default(), outbox: Outbox::default() }
    }

    pub(crate) fn engine(&self) -> &E {
        &self.engine
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.engine.is_handshaking()
    }

    /// How many bytes of records the socket did not take: at most those of 64 KiB, and what TLS itself has to say.
    pub(crate) fn held(&self) -> usize {
        self.outbox.waiting()
    }

    /// Whether a client speaks plain HTTP, by the first bytes that arrive.
    pub(crate) fn is_http(&mut self, records: &[u8]) -> bool {
        self.received.is_http(records)
    }

    /// Opens records that have arrived into `input`, and sends what TLS itself has to say to that.
    pub(crate) fn open(
        &mut self,
        records: &mut [u8],
        input: &mut Buffer,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) {
        self.received.open(&mut self.engine, records, &mut |plain| input.extend(plain));
        // A failure shows in the next write, if there is one.
        let _ = self.flush(write);
    }

    /// The end of the peer's side, once it was opened: nothing is read any more.
    pub(crate) fn end(&self) -> Option<io::Result<usize>> {
        self.received.end.as_ref().map(End::read)
    }

    /// Takes some bytes of the slices. `WouldBlock` before the handshake is done, and while records of before wait.
    pub(crate) fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Self { engine, outbox, .. } = self;
        let push = |outbox: &mut Outbox| outbox.push(None, true, &mut write);
        outbox.write(|outbox| outbox.seal(engine, slices), push)
    }

    /// Writes what TLS itself has to say, and what waits; how many bytes still do.
    pub(crate) fn flush(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.engine.wants_write() {
            // What comes of a failure is an alert, or nothing.
            let _ = self.outbox.seal(&mut self.engine, &[]);
        }
        match self.outbox.push(None, true, write) {
            Err(error) if !is_timeout(&error) => Err(error),
            _ => Ok(self.held()),
        }
    }

    /// Sends a `close_notify` (RFC 8446 §6.1), if it can go at once: the end of the stream, which follows, says the same.
    pub(crate) fn close(&mut self, write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) {
        if !self.is_handshaking() {
            self.outbox.close(&mut self.engine);
            let _ = self.outbox.push(None, true, write);
            self.outbox.clear();
        }
    }
}
