//! All deadlines of an open connection: silence, the closing handshake, the linger, a stalled write.
//!
//! Nothing is done per byte or per write but to raise a flag; a tick tells the time. A deadline that is moved
//! earlier, such as by a Close, is seen by the next tick.

mod moment;
mod stall;

use std::time::{Duration, Instant};

use crate::config::{Config, Millis};
use crate::error::TimedOut;
use moment::Moment;
pub(crate) use stall::Stall;

/// The stage of a connection, as the tick sees it. [`Connection`](crate::Connection) draws the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Messages go both ways.
    Open,
    /// Our Close is on its way; or it was written, and the peer's has to come by this time.
    Closing(Option<Instant>),
    /// Nothing more is received; the rest of our output is being written.
    Finishing,
    /// Nothing more is sent either: the end of the peer's stream is waited for.
    Lingering,
}

/// The deadlines of the receiving half.
#[derive(Debug)]
pub(crate) struct Timers {
    keepalive: Option<(Millis, Millis)>,
    linger: Millis,
    heard: bool,
    /// How often the peer had drained output by the last tick.
    drained: u16,
    clock: Clock,
    /// Since when the clock runs; nothing if nobody has told the time yet.
    since: Option<Moment>,
}

/// One clock is enough: silence does not count once closing has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Silent,
    Pinged,
    Lingering,
    LingerOver,
    /// The deadline that has passed.
    TimedOut(TimedOut),
}

/// The outcome of a tick.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// A ping is to be sent now.
    pub(crate) ping: bool,
    /// When to tick again.
    pub(crate) next: Option<Instant>,
}

impl Tick {
    fn at(next: Option<Instant>) -> Self {
        Self { ping: false, next }
    }
}

impl Timers {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            keepalive: config.keepalive,
            linger: config.linger,
            heard: false,
            drained: 0,
            clock: Clock::Silent,
            since: None,
        }
    }

    /// The peer has drained output so often: a sign of life, too, since no ping can overtake the frame that
    /// is being written.
    pub(crate) fn note_drained(&mut self, drained: u16) {
        self.heard |= std::mem::replace(&mut self.drained, drained) != drained;
    }

    /// The peer sent something: any byte counts, since no pong can arrive inside a large frame.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Whether the peer has had its time to end its side.
    pub(crate) fn is_over(&self) -> bool {
        self.clock == Clock::LingerOver
    }

    /// Nothing more is waited for.
    pub(crate) fn give_up(&mut self, timed_out: TimedOut) {
        self.clock = Clock::TimedOut(timed_out);
    }

    pub(crate) fn timed_out(&self) -> Option<TimedOut> {
        match self.clock {
            Clock::TimedOut(timed_out) => Some(timed_out),
            _ => None,
        }
    }

    pub(crate) fn tick(&mut self, now: Instant, stage: Stage) -> Result<Tick, TimedOut> {
        if let Some(timed_out) = self.overdue(now, stage) {
            return Err(timed_out);
        }
        Ok(match stage {
            Stage::Open => self.keep_alive(now),
            // The write timeout bounds what is not written yet.
            Stage::Finishing => Tick::at(None),
            Stage::Closing(due) => Tick::at(due),
            Stage::Lingering => Tick::at(self.wait_for_the_end(now)),
        })
    }

    /// The error that a tick would fail with.
    pub(crate) fn overdue(&self, now: Instant, stage: Stage) -> Option<TimedOut> {
        match (stage, self.clock, self.since, self.keepalive) {
            (_, Clock::TimedOut(timed_out), ..) => Some(timed_out),
            (Stage::Closing(Some(due)), ..) => (now >= due).then_some(TimedOut::Close),
            (Stage::Open, Clock::Pinged, Some(since), Some((_, give_up_after))) if !self.heard => {
                has_passed(since.instant(), give_up_after, now).then_some(TimedOut::Silence)
            }
            _ => None,
        }
    }

    fn keep_alive(&mut self, now: Instant) -> Tick {
        let Some((ping_after, give_up_after)) = self.keepalive else {
            return Tick::at(None);
        };
        let heard = std::mem::take(&mut self.heard);
        let since = match (self.clock, self.since) {
            (Clock::Silent | Clock::Pinged, Some(since)) if !heard => since.instant(),
            _ => self.start(Clock::Silent, now),
        };
        match self.clock {
            Clock::Silent if has_passed(since, ping_after, now) => {
                self.start(Clock::Pinged, now);
                Tick { ping: true, next: after(now, give_up_after) }
            }
            Clock::Silent => Tick::at(after(since, ping_after)),
            _ => Tick::at(after(since, give_up_after)),
        }
    }

    fn wait_for_the_end(&mut self, now: Instant) -> Option<Instant> {
        let since = match (self.clock, self.since) {
            (Clock::Lingering, Some(since)) => since.instant(),
            (Clock::LingerOver, _) => return None,
            _ => self.start(Clock::Lingering, now),
        };
        if has_passed(since, self.linger, now) {
            self.clock = Clock::LingerOver;
            return None;
        }
        after(since, self.linger)
    }

    fn start(&mut self, clock: Clock, now: Instant) -> Instant {
        self.clock = clock;
        self.since = Moment::of(now);
        now
    }
}

/// A clock that runs backwards passes nothing early.
fn has_passed(since: Instant, time: Millis, now: Instant) -> bool {
    now.saturating_duration_since(since) >= Duration::from(time)
}

fn after(since: Instant, time: Millis) -> Option<Instant> {
    since.checked_add(time.into())
}

/// The earlier of two deadlines.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn timers() -> (Timers, Instant) {
        (Timers::new(&Config::default()), Instant::now())
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn tick(ping: bool, next: Instant) -> Result<Tick, TimedOut> {
        Ok(Tick { ping, next: Some(next) })
    }

    // L-10
    #[test]
    fn silence_is_pinged_once_and_then_fatal() {
        let (mut timers, start) = timers();
        let mut at = |second: u32| timers.tick(start + second * SECOND, Stage::Open);
        assert_eq!(at(0), tick(false, start + 30 * SECOND));
        assert_eq!(at(29), tick(false, start + 30 * SECOND));
        assert_eq!(at(30), tick(true, start + 60 * SECOND));
        assert_eq!(at(59), tick(false, start + 60 * SECOND));
        assert_eq!(at(60), Err(TimedOut::Silence));
        assert_eq!(at(61), Err(TimedOut::Silence));
    }

    // L-10
    #[test]
    fn any_byte_breaks_the_silence() {
        let (mut timers, start) = timers();
        assert!(timers.tick(start, Stage::Open).is_ok());
        assert_eq!(timers.tick(start + 30 * SECOND, Stage::Open), tick(true, start + 60 * SECOND));
        timers.heard();
        assert_eq!(timers.tick(start + 59 * SECOND, Stage::Open), tick(false, start + 89 * SECOND));
    }

    // RE-05: a clock that jumps back does not fire early
    #[test]
    fn a_clock_that_runs_backwards_does_no_harm() {
        let (mut timers, start) = timers();
        let later = start + 100 * SECOND;
        assert!(timers.tick(later, Stage::Open).is_ok());
        assert_eq!(timers.tick(start, Stage::Open), tick(false, later + 30 * SECOND));
    }

    // RE-05
    #[test]
    fn without_keepalive_an_open_connection_has_no_deadline() {
        let mut timers = Timers::new(&Config::builder().no_keepalive().build().unwrap());
        let now = Instant::now();
        for now in [now, now + 1_000_000 * SECOND] {
            assert_eq!(timers.tick(now, Stage::Open), Ok(Tick::at(None)));
        }
    }

    // CL-16: the clock of closing is that of the written Close
    #[test]
    fn closing_counts_from_the_written_close() {
        let (mut timers, start) = timers();
        let late = start + 1000 * SECOND;
        assert_eq!(timers.tick(late, Stage::Closing(None)), Ok(Tick::at(None)));
        let mut stall = Stall::new(&Config::default());
        stall.close_written(late);
        assert_eq!(stall.close_due(), Some(late + 10 * SECOND));
        let closing = Stage::Closing(stall.close_due());
        assert_eq!(timers.tick(late + 9 * SECOND, closing), tick(false, late + 10 * SECOND));
        assert_eq!(timers.tick(late + 10 * SECOND, closing), Err(TimedOut::Close));
    }

    // R-142, CL-24: lingering ends, and is no error
    #[test]
    fn lingering_has_an_end() {
        let (mut timers, start) = timers();
        timers.tick(start, Stage::Open).unwrap();
        timers.tick(start + SECOND, Stage::Finishing).unwrap();
        let first = start + 5 * SECOND;
        assert_eq!(timers.tick(first, Stage::Lingering), tick(false, first + 2 * SECOND));
        let almost = first + SECOND;
        assert_eq!(timers.tick(almost, Stage::Lingering), tick(false, first + 2 * SECOND));
        assert!(!timers.is_over());
        for second in [2, 3] {
            let late = first + second * SECOND;
            assert_eq!(timers.tick(late, Stage::Lingering), Ok(Tick::at(None)));
            assert!(timers.is_over());
        }
    }

    // L-10: a peer that reads what had to wait is not silent; what the socket takes at once says nothing
    #[test]
    fn draining_breaks_the_silence() {
        let (mut timers, start) = timers();
        let mut stall = Stall::new(&Config::default());
        let mut at = |second: u32, stall: &Stall| {
            timers.note_drained(stall.drained());
            timers.tick(start + second * SECOND, Stage::Open)
        };
        assert_eq!(at(0, &stall), tick(false, start + 30 * SECOND));
        stall.moved(100);
        assert_eq!(at(30, &stall), tick(true, start + 60 * SECOND));
        stall.set_blocked(true);
        stall.moved(1);
        assert_eq!(at(60, &stall), tick(false, start + 90 * SECOND));
        stall.set_blocked(false);
        stall.moved(100);
        assert_eq!(at(90, &stall), tick(true, start + 120 * SECOND));
        assert_eq!(at(120, &stall), Err(TimedOut::Silence));
    }

    // CL-16, L-10: whether there is anything to be read before it is too late
    #[test]
    fn a_tick_fails_when_it_is_overdue() {
        let (mut timers, start) = timers();
        assert!(timers.tick(start, Stage::Open).is_ok());
        assert_eq!(timers.overdue(start + 60 * SECOND, Stage::Open), None, "it was not pinged");
        assert!(timers.tick(start + 30 * SECOND, Stage::Open).is_ok());
        let late = start + 60 * SECOND;
        assert_eq!(timers.overdue(late - SECOND, Stage::Open), None);
        assert_eq!(timers.overdue(late, Stage::Open), Some(TimedOut::Silence));
        timers.heard();
        assert_eq!(timers.overdue(late, Stage::Open), None);
        let closing = Stage::Closing(Some(start));
        assert_eq!(timers.overdue(start - Duration::from_millis(1), closing), None);
        assert_eq!(timers.overdue(start, closing), Some(TimedOut::Close));
        assert_eq!(timers.overdue(late, Stage::Finishing), None);
        timers.give_up(TimedOut::Write);
        assert_eq!(timers.overdue(start, Stage::Open), Some(TimedOut::Write));
    }

    #[test]
    fn the_earlier_deadline_counts() {
        let now = Instant::now();
        let later = now + SECOND;
        assert_eq!(earlier(Some(now), Some(later)), Some(now));
        assert_eq!(earlier(Some(later), Some(now)), Some(now));
        assert_eq!(earlier(None, Some(later)), Some(later));
        assert_eq!(earlier(Some(later), None), Some(later));
        assert_eq!(earlier(None, None), None);
    }
}
