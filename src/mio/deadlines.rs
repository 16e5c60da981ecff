//! When each connection is to be looked at: a dense column of seconds, scanned once a second. No list and no heap, so that
//! moving a deadline is one store, which happens with every batch of messages.

use std::time::{Duration, Instant};

/// How often deadlines are looked at.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

/// No deadline.
pub(super) const NEVER: u32 = u32::MAX;

/// Counts seconds in 4 bytes, of which 136 years fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    /// The second of an instant.
    pub(super) fn second(self, at: Instant) -> u32 {
        let seconds = at.saturating_duration_since(self.start).as_secs();
        u32::try_from(seconds).unwrap_or(NEVER)
    }

    /// The second in which a deadline is looked at: later by up to a sixteenth of what is left, different for each
    /// slot, so that connections which were opened together are not all pinged together.
    pub(super) fn due(self, due: Option<Instant>, now: Instant, slot: u32) -> u32 {
        let Some(due) = due else {
            return NEVER;
        };
        let left = due.saturating_duration_since(now).as_secs();
        // The golden ratio: neighbours are far from each other.
        let share = slot.wrapping_mul(0x9e37_79b9) >> 16;
        let stagger = (left * u64::from(share)) >> 20;
        let second = u64::from(self.second(due)) + stagger;
        u32::try_from(second).unwrap_or(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ML-07: deadlines are spread, never early, and late by at most a sixteenth
    #[test]
    fn equal_deadlines_of_many_slots_are_spread() {
        let now = Instant::now();
        let clock = Clock::new(now);
        let due = now + Duration::from_secs(320);
        let mut seconds: Vec<u32> = (0..1000).map(|slot| clock.due(Some(due), now, slot)).collect();
        seconds.sort_unstable();
        assert_eq!(seconds.first(), Some(&320));
        assert_eq!(seconds.last(), Some(&339));
        seconds.dedup();
        assert_eq!(seconds.len(), 20);
    }

    // ML-07
    #[test]
    fn short_deadlines_are_exact_to_the_second() {
        let now = Instant::now();
        let clock = Clock::new(now);
        for slot in [0, 1, 77, u32::MAX] {
            assert_eq!(clock.due(None, now, slot), NEVER);
            assert_eq!(clock.due(Some(now), now, slot), 0);
            assert_eq!(clock.due(Some(now + Duration::from_secs(10)), now, slot), 10);
        }
        assert_eq!(clock.second(now + Duration::from_millis(1999)), 1);
    }
}
