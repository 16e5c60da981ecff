//! The deadline of the sending half, and what it tells of the peer's life.

use std::time::Instant;

use super::moment::Moment;
use super::{after, has_passed};
use crate::config::{Config, Millis};
use crate::error::TimedOut;

/// How long the peer may take nothing of what waits, and how long it may take to answer our Close.
#[derive(Debug)]
pub(crate) struct Stall {
    timeout: Millis,
    close_timeout: Millis,
    /// The socket takes no more at present.
    blocked: bool,
    /// How many writes went on after the socket had taken no more: the peer has read then. It wraps.
    drained: u16,
    /// Our Close frame is written.
    closing: bool,
    /// Since when that is, or else since when nothing has moved.
    since: Option<Moment>,
}

impl Stall {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            timeout: config.write_timeout,
            close_timeout: config.close_timeout,
            blocked: false,
            drained: 0,
            closing: false,
            since: None,
        }
    }

    /// The peer took `n` bytes.
    #[inline]
    pub(crate) fn moved(&mut self, n: usize) {
        if n > 0 {
            self.go_on(self.blocked);
        }
    }

    /// The peer took something of what the writer could not pass on before.
    pub(crate) fn passed_on(&mut self) {
        self.go_on(true);
    }

    fn go_on(&mut self, had_to_wait: bool) {
        if !self.closing {
            self.since = None; // until the next tick
        }
        self.drained = self.drained.wrapping_add(u16::from(had_to_wait));
    }

    /// Says whether the socket takes no more at present.
    #[inline]
    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    /// Whether the socket has taken no more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How often the peer has read on, to be compared with what it was before.
    pub(crate) fn drained(&self) -> u16 {
        self.drained
    }

    /// When the peer's Close has to have come, once ours is written.
    pub(crate) fn close_due(&self) -> Option<Instant> {
        after(self.since.filter(|_| self.closing)?.instant(), self.close_timeout)
    }

    /// Our Close frame is written. From now on there are only pongs, which nobody has to wait for.
    pub(crate) fn close_written(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.closing, true) {
            self.since = Moment::of(now);
        }
    }

    /// When the peer has to have taken something, if anything waits.
    pub(crate) fn tick(&mut self, now: Instant, waits: bool) -> Result<Option<Instant>, TimedOut> {
        if self.closing {
            return Ok(None);
        }
        if !waits {
            self.since = None;
            return Ok(None);
        }
        self.since = self.since.or_else(|| Moment::of(now));
        let since = self.since.map_or(now, Moment::instant);
        match has_passed(since, self.timeout, now) {
            true => Err(TimedOut::Write),
            false => Ok(after(since, self.timeout)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // V38, T6: the time that counts is that without any progress
    #[test]
    fn a_stalled_write_has_a_deadline() {
        let start = Instant::now();
        let mut stall = Stall::new(&Config::default());
        let at = |stall: &mut Stall, second: u32, waits| stall.tick(start + second * SECOND, waits);
        let due = |second: u32| Ok(Some(start + second * SECOND));
        assert_eq!(at(&mut stall, 0, false), Ok(None));
        assert_eq!(at(&mut stall, 10, true), due(40));
        assert_eq!(at(&mut stall, 39, true), due(40));
        stall.moved(0);
        assert_eq!(at(&mut stall, 39, true), due(40));
        stall.moved(1);
        assert_eq!(at(&mut stall, 40, true), due(70));
        assert_eq!(at(&mut stall, 69, false), Ok(None));
        assert_eq!(at(&mut stall, 80, true), due(110));
        assert_eq!(at(&mut stall, 110, true), Err(TimedOut::Write));
    }

    // L-10, V38: to be asked and to take nothing is no progress
    #[test]
    fn nothing_is_drained_by_a_write_that_takes_nothing() {
        let mut stall = Stall::new(&Config::default());
        stall.moved(1);
        assert_eq!((stall.is_blocked(), stall.drained()), (false, 0), "it went at once");
        stall.set_blocked(true);
        stall.moved(0);
        assert_eq!((stall.is_blocked(), stall.drained()), (true, 0));
        stall.moved(1);
        assert_eq!(stall.drained(), 1);
    }

    // L-10, V38
    #[test]
    fn bytes_that_a_writer_passes_on_are_progress() {
        let start = Instant::now();
        let mut stall = Stall::new(&Config::default());
        assert_eq!(stall.tick(start, true), Ok(Some(start + 30 * SECOND)));
        stall.passed_on();
        assert_eq!(stall.drained(), 1);
        assert_eq!(stall.tick(start + 29 * SECOND, true), Ok(Some(start + 59 * SECOND)));
    }

    // CL-16: one clock is enough
    #[test]
    fn a_written_close_has_the_clock() {
        let start = Instant::now();
        let mut stall = Stall::new(&Config::default());
        assert_eq!(stall.tick(start, true), Ok(Some(start + 30 * SECOND)));
        assert_eq!(stall.close_due(), None);
        let closed = start + 20 * SECOND;
        stall.close_written(closed);
        stall.close_written(closed + SECOND);
        for (second, waits) in [(21, false), (30, true), (3600, true)] {
            stall.moved(1);
            assert_eq!(stall.tick(start + second * SECOND, waits), Ok(None));
            assert_eq!(stall.close_due(), Some(closed + 10 * SECOND));
        }
    }
}
