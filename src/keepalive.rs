//! Notices when the peer falls silent.
//!
//! Any byte counts as life, not just a pong: none can arrive inside a large frame. Nothing is
//! done per byte but to raise a flag; the time of it is that of the next tick.

use std::time::{Duration, Instant};

use crate::config::Millis;
use crate::error::TimedOut;

#[derive(Debug)]
pub(crate) struct Keepalive {
    times: Option<(Millis, Millis)>,
    heard: bool,
    silence: Silence,
}

#[derive(Debug)]
enum Silence {
    /// Nobody has told the time yet.
    Unknown,
    Since(Instant),
    /// A ping was sent.
    Pinged(Instant),
}

/// What a tick found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// A ping is to be sent now.
    pub(crate) ping: bool,
    /// When to tick again.
    pub(crate) next: Option<Instant>,
}

impl Keepalive {
    pub(crate) fn new(times: Option<(Millis, Millis)>) -> Self {
        Self { times, heard: false, silence: Silence::Unknown }
    }

    /// The peer sent something.
    #[inline]
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// The peer sent something, after which it has been silent since `then`.
    pub(crate) fn silent_since(&mut self, then: Instant) {
        if std::mem::take(&mut self.heard) {
            self.silence = Silence::Since(then);
        }
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Result<Tick, TimedOut> {
        let Some((ping_after, give_up_after)) = self.times else {
            return Ok(Tick { ping: false, next: None });
        };
        if std::mem::take(&mut self.heard) || matches!(self.silence, Silence::Unknown) {
            self.silence = Silence::Since(now);
        }
        match self.silence {
            Silence::Since(then) if passed(then, now) >= ping_after.into() => {
                self.silence = Silence::Pinged(now);
                let next = now.checked_add(give_up_after.into());
                Ok(Tick { ping: true, next })
            }
            Silence::Since(then) => {
                let next = then.checked_add(ping_after.into());
                Ok(Tick { ping: false, next })
            }
            Silence::Pinged(then) if passed(then, now) >= give_up_after.into() => {
                Err(TimedOut::Silence)
            }
            Silence::Pinged(then) => {
                let next = then.checked_add(give_up_after.into());
                Ok(Tick { ping: false, next })
            }
            Silence::Unknown => Ok(Tick { ping: false, next: None }),
        }
    }
}

fn passed(then: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keepalive() -> (Keepalive, Instant) {
        let config = crate::Config::default();
        (Keepalive::new(config.keepalive), Instant::now())
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn tick(ping: bool, next: Instant) -> Result<Tick, TimedOut> {
        Ok(Tick { ping, next: Some(next) })
    }

    #[test]
    fn silence_is_pinged_once_and_then_fatal() {
        let (mut keepalive, start) = keepalive();
        assert_eq!(keepalive.tick(start), tick(false, start + 30 * SECOND));
        assert_eq!(keepalive.tick(start + 29 * SECOND), tick(false, start + 30 * SECOND));
        assert_eq!(keepalive.tick(start + 30 * SECOND), tick(true, start + 60 * SECOND));
        assert_eq!(keepalive.tick(start + 59 * SECOND), tick(false, start + 60 * SECOND));
        assert_eq!(keepalive.tick(start + 60 * SECOND), Err(TimedOut::Silence));
        assert_eq!(keepalive.tick(start + 61 * SECOND), Err(TimedOut::Silence));
    }

    #[test]
    fn any_byte_breaks_the_silence() {
        let (mut keepalive, start) = keepalive();
        assert!(keepalive.tick(start).is_ok());
        assert_eq!(keepalive.tick(start + 30 * SECOND), tick(true, start + 60 * SECOND));
        keepalive.heard();
        assert_eq!(keepalive.tick(start + 59 * SECOND), tick(false, start + 89 * SECOND));
        keepalive.heard();
        keepalive.silent_since(start + 60 * SECOND);
        assert_eq!(keepalive.tick(start + 89 * SECOND), tick(false, start + 90 * SECOND));
    }

    // RE-05: a clock that jumps back does not fire early
    #[test]
    fn a_clock_that_runs_backwards_does_no_harm() {
        let (mut keepalive, start) = keepalive();
        let later = start + 100 * SECOND;
        assert!(keepalive.tick(later).is_ok());
        assert_eq!(keepalive.tick(start), tick(false, later + 30 * SECOND));
    }

    #[test]
    fn without_times_nothing_happens() {
        let mut keepalive = Keepalive::new(None);
        let now = Instant::now();
        let nothing = Tick { ping: false, next: None };
        assert_eq!(keepalive.tick(now), Ok(nothing));
        let nothing = Tick { ping: false, next: None };
        assert_eq!(keepalive.tick(now + 1_000_000 * SECOND), Ok(nothing));
    }
}
