//! A point in time in half the memory of an [`Instant`], for what every connection keeps.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds before or after the first point in time that anybody asked for: exact within 292 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(NonZeroU64);

static FIRST: OnceLock<Instant> = OnceLock::new();

/// The first point in time, in nanoseconds: as many are to be had before it as after it.
const MIDDLE: u64 = 1 << 63;

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let first = *FIRST.get_or_init(|| instant);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let nanos = match instant.checked_duration_since(first) {
            Some(after) => MIDDLE.saturating_add(nanos(after)),
            None => MIDDLE.saturating_sub(nanos(first.saturating_duration_since(instant))),
        };
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Moment> for Instant {
    fn from(moment: Moment) -> Self {
        let nanos = moment.0.get();
        let first = *FIRST.get_or_init(Self::now);
        let moment = match nanos.checked_sub(MIDDLE) {
            Some(after) => first.checked_add(Duration::from_nanos(after)),
            None => first.checked_sub(Duration::from_nanos(MIDDLE - nanos)),
        };
        moment.unwrap_or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RE-05
    #[test]
    fn a_moment_is_the_instant_it_was_made_of() {
        let now = Instant::now();
        for time in [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(3 << 30)] {
            for instant in [now.checked_add(time), now.checked_sub(time)].into_iter().flatten() {
                assert_eq!(Instant::from(Moment::from(instant)), instant);
            }
        }
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
