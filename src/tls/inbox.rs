//! The side of the receiving thread: records as they arrive, and plaintext for which there was no room.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::buffer::Buffer;

/// Only the thread that reads locks it, and holds it while it waits for the peer.
#[derive(Default)]
pub(super) struct Inbox {
    /// Records that have arrived. Without memory while nothing arrives.
    pub(super) records: Buffer,
    plain: Vec<u8>,
    taken: usize,
    /// Whether anything has arrived.
    pub(super) heard: bool,
    /// Until when the rest of a request in plain HTTP is read, after its refusal.
    pub(super) refused_until: Option<Instant>,
    /// When to try again to send records that the peer did not take.
    pub(super) try_at: Option<Instant>,
    pub(super) end: Option<End>,
}

#[derive(Clone)]
pub(super) enum End {
    /// Of the stream, or a `close_notify`.
    Eof,
    Failed(Arc<io::Error>),
}

impl End {
    pub(super) fn failed(error: io::Error) -> Self {
        Self::Failed(Arc::new(error))
    }

    /// As a read says it, any number of times.
    pub(super) fn read(&self) -> io::Result<usize> {
        match self {
            Self::Eof => Ok(0),
            Self::Failed(error) => Err(io::Error::new(error.kind(), Arc::clone(error))),
        }
    }

    /// As a write says it.
    pub(super) fn write(&self) -> io::Error {
        match self {
            Self::Eof => io::ErrorKind::UnexpectedEof.into(),
            Self::Failed(error) => io::Error::new(error.kind(), Arc::clone(error)),
        }
    }
}

impl Inbox {
    /// With bytes that were read before.
    pub(super) fn new(records: Buffer) -> Self {
        Self { records, ..Self::default() }
    }

    /// Moves plaintext into `space`, as much as fits.
    pub(super) fn take(&mut self, space: &mut [u8]) -> usize {
        let waiting = self.plain.get(self.taken..).unwrap_or_default();
        let n = copy(waiting, space);
        self.taken += n;
        if self.taken == self.plain.len() {
            self.plain = Vec::new();
            self.taken = 0;
        }
        n
    }

    /// Opens what has arrived with `open`: into `space`, and what does not fit into memory of its own. How much
    /// there is in `space`.
    pub(super) fn open<T>(
        &mut self,
        space: &mut [u8],
        open: impl FnOnce(&mut [u8], &mut dyn FnMut(&[u8])) -> T,
    ) -> (usize, T) {
        let mut filled = 0;
        let Self { records, plain, .. } = self;
        let result = open(records.unread_mut(), &mut |bytes| {
            let n = match plain.is_empty() {
                true => copy(bytes, space.get_mut(filled..).unwrap_or_default()),
                false => 0,
            };
            filled += n;
            plain.extend_from_slice(bytes.get(n..).unwrap_or_default());
        });
        records.consume(usize::MAX);
        (filled, result)
    }

    /// Gives memory back in silence.
    pub(super) fn release(&mut self) {
        if self.records.is_empty() {
            self.records = Buffer::new();
        }
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
