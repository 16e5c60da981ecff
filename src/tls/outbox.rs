//! Records on their way to the socket, in the order in which they were sealed.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use super::Engine;
use crate::encoder::write_some;
use crate::error::is_timeout;

/// The plaintext of a record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

/// The plaintext that is sealed at a time: records cannot be taken back, and it is not seen how much of it a slow
/// peer has read.
const BATCH: usize = 4 * RECORD;

/// A thread that seals records locks it first: so their order is that of the sealing.
#[derive(Default)]
pub(super) struct Outbox {
    records: Vec<u8>,
    sent: usize,
    /// Where the last that has data in it ends; behind it is only what the engine has to say.
    data_end: usize,
    /// Our side has ended.
    closed: bool,
    failed: Option<io::ErrorKind>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// # Errors
    ///
    /// Nothing can be sent any more.
    pub(super) fn check(&self) -> io::Result<()> {
        match self.failed {
            Some(kind) => Err(kind.into()),
            None if self.closed => Err(io::ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }

    /// How many bytes wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.records.len() - self.sent
    }

    /// Takes data: has it sealed when records of before are gone, which cannot be taken back, and must not pile up. How
    /// much of it was taken, even if the records are not gone yet.
    pub(super) fn write(
        &mut self,
        seal: impl FnOnce(&mut Self) -> io::Result<usize>,
        mut push: impl FnMut(&mut Self) -> io::Result<()>,
    ) -> io::Result<usize> {
        self.check()?;
        push(self)?;
        let taken = seal(self)?;
        match push(self) {
            Err(error) if !is_timeout(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    /// Seals what the engine itself has to say, and then some of the slices. How much of them.
    pub(super) fn seal(
        &mut self,
        engine: &mut impl Engine,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let (mut slices, mut taken, mut gathered) = (Slices::new(slices), 0, Vec::new());
        loop {
            let plain = slices.next(RECORD.min(BATCH - taken), &mut gathered);
            if plain.is_empty() && taken > 0 {
                return Ok(taken);
            }
            taken += plain.len();
            if let Err(error) = engine.seal(plain, &mut self.records) {
                self.closed = true; // there may be an alert, after which nothing can follow
                return Err(error);
            }
            if plain.is_empty() {
                return Ok(taken);
            }
            self.data_end = self.records.len();
        }
    }

    /// Seals a `close_notify`, unless something is under way that the peer does not take, and which is lost. That is a failure
    /// if it was data.
    pub(super) fn close(&mut self, engine: &mut impl Engine) {
        if self.sent < self.data_end {
            self.failed.get_or_insert(io::ErrorKind::BrokenPipe);
        } else if self.is_empty()
            && self.check().is_ok()
            && engine.close(&mut self.records).is_err()
        {
            self.records.clear();
        }
        self.closed = true;
    }

    /// Nothing waits any more: it has gone, or our side of the stream is ended, behind which nothing can be written.
    pub(super) fn clear(&mut self) {
        self.records = Vec::new();
        self.sent = 0;
        self.data_end = 0;
    }

    /// Whether a write has failed, after which there is none.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes until all is written. Fails with `WouldBlock` or `TimedOut` after the write timeout; for good if the
    /// transport does not resume writes, since part of a record may be out.
    pub(super) fn push(
        &mut self,
        timeout: Option<Duration>,
        resumes_writes: bool,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        let mut since = None;
        while let Some(records @ [_, ..]) = self.records.get(self.sent..) {
            match write_some(&[IoSlice::new(records)], &mut write) {
                Ok(Some(n)) => self.sent += n,
                Ok(None) if resumes_writes => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(None) => {
                    self.failed = Some(io::ErrorKind::TimedOut);
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(error) => {
                    self.failed = Some(error.kind());
                    return Err(error);
                }
            }
            // A peer that takes a little in each write must not hold the thread for longer than the timeout.
            let since = *since.get_or_insert_with(Instant::now);
            if self.sent < self.records.len() && timeout.is_some_and(|most| since.elapsed() >= most)
            {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        self.clear();
        Ok(())
    }
}

/// Takes slices a piece at a time.
struct Slices<'s> {
    rest: &'s [IoSlice<'s>],
    offset: usize,
}

impl<'s> Slices<'s> {
    fn new(rest: &'s [IoSlice<'s>]) -> Self {
        Self { rest, offset: 0 }
    }

    /// The next bytes, at most so many, from where they lie if one slice has that many; otherwise gathered.
    fn next<'b>(&mut self, most: usize, gathered: &'b mut Vec<u8>) -> &'b [u8]
    where
        's: 'b,
    {
        gathered.clear();
        while let [first, rest @ ..] = self.rest {
            let bytes = first.get(self.offset..).unwrap_or_default();
            let missing = most - gathered.len();
            let piece = bytes.get(..missing).unwrap_or(bytes);
            if missing == 0 {
                break;
            }
            self.offset += piece.len();
            if self.offset == first.len() {
                (self.rest, self.offset) = (rest, 0);
            }
            if gathered.is_empty() && (piece.len() == missing || self.rest.is_empty()) {
                return piece;
            }
            gathered.extend_from_slice(piece);
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // IO-13: a header and a long payload are not copied but for the first record
    #[test]
    fn slices_are_gathered_only_where_they_are_short() {
        let (header, payload) = ([1; 14], vec![2; 40]);
        let slices = [IoSlice::new(&header), IoSlice::new(&[]), IoSlice::new(&payload)];
        let (mut slices, mut gathered) = (Slices::new(&slices), Vec::new());
        assert_eq!(slices.next(16, &mut gathered), [&[1; 14][..], &[2; 2]].concat());
        let direct = slices.next(16, &mut gathered);
        assert_eq!((direct, direct.as_ptr()), (&[2; 16][..], payload[2..].as_ptr()));
        assert_eq!(slices.next(0, &mut gathered), []);
        assert_eq!(slices.next(16, &mut gathered), [2; 16]);
        assert_eq!(slices.next(16, &mut gathered), [2; 6]);
        assert_eq!(slices.next(16, &mut gathered), []);
    }
}
