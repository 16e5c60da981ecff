//! What a writer took and has not passed on yet, such as a stream of TLS records: as far as it can tell.

use std::io;

use super::Written;
use crate::error::is_timeout;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// It may hold something.
    any: bool,
    /// What it held when it was asked last, in steps of 16 bytes, and up to a megabyte.
    steps: u16,
}

impl Held {
    pub(crate) fn is_none(self) -> bool {
        !self.any
    }

    /// It was asked to pass on what it held, and could not.
    pub(crate) fn is_blocked(self) -> bool {
        self.steps > 0
    }

    /// The writer may hold something, and was not asked to pass it on.
    pub(crate) fn set_some(&mut self) {
        self.any = true;
    }

    /// What was held when it was asked last is nothing to compare with.
    #[cfg(feature = "tokio")]
    pub(crate) fn forget(&mut self) {
        self.steps = 0;
    }

    /// Has it pass on what it holds: whether that was all, and whether some of what it held before has gone. What it
    /// took from us in between tells nothing of the peer.
    ///
    /// # Errors
    ///
    /// Those of `flush` but `WouldBlock` and `TimedOut`.
    pub(crate) fn flush_with(
        &mut self,
        flush: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<(Written, bool)> {
        let steps = match flush() {
            Ok(bytes) => u16::try_from(bytes.div_ceil(16)).unwrap_or(u16::MAX),
            Err(error) if is_timeout(&error) => self.steps.max(1), // it cannot tell
            Err(error) => return Err(error),
        };
        let has_gone = steps < std::mem::replace(&mut self.steps, steps);
        self.any = steps > 0;
        Ok(if self.any { (Written::Blocked, has_gone) } else { (Written::All, has_gone) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // V38, T6
    #[test]
    fn bytes_that_a_writer_has_passed_on_are_seen() {
        let mut held = Held::default();
        let mut flush = |result: io::Result<usize>| held.flush_with(|| result).unwrap();
        assert_eq!(flush(Ok(100)), (Written::Blocked, false));
        assert_eq!(flush(Ok(200)), (Written::Blocked, false), "it took more");
        assert_eq!(flush(Ok(100)), (Written::Blocked, true));
        assert_eq!(flush(Err(io::ErrorKind::WouldBlock.into())), (Written::Blocked, false));
        assert_eq!(flush(Ok(0)), (Written::All, true));
        assert_eq!(flush(Ok(0)), (Written::All, false));
        assert_eq!(flush(Err(io::ErrorKind::TimedOut.into())), (Written::Blocked, false));
        assert_eq!(flush(Ok(1)), (Written::Blocked, false), "nothing it held before is known");
        assert_eq!(flush(Ok(2 << 20)), (Written::Blocked, false));
        assert_eq!(flush(Ok(1 << 20)), (Written::Blocked, false), "too much to tell");
        assert_eq!(flush(Ok(1 << 19)), (Written::Blocked, true));
    }

    #[test]
    fn a_failure_is_no_answer() {
        let mut held = Held::default();
        held.set_some();
        assert!(held.flush_with(|| Err(io::ErrorKind::BrokenPipe.into())).is_err());
        assert!(!held.is_none());
    }
}
