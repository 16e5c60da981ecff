//! A point in time in eight bytes instead of sixteen.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds before or after the time at which the first was made, which is in the middle: 292 years either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(NonZeroU64);

const MIDDLE: u64 = 1 << 63;

static FIRST: OnceLock<Instant> = OnceLock::new();

impl Moment {
    /// Nothing if that is farther away than any clock has run.
    #[inline]
    pub(super) fn of(time: Instant) -> Option<Self> {
        let first = *FIRST.get_or_init(Instant::now);
        let nanos = match time.checked_duration_since(first) {
            Some(after) => MIDDLE.checked_add(nanos(after)?),
            None => MIDDLE.checked_sub(nanos(first.saturating_duration_since(time))?),
        };
        nanos.and_then(NonZeroU64::new).map(Self)
    }

    #[inline]
    pub(super) fn instant(self) -> Instant {
        let first = *FIRST.get_or_init(Instant::now);
        let time = match self.0.get().checked_sub(MIDDLE) {
            Some(after) => first.checked_add(Duration::from_nanos(after)),
            None => first.checked_sub(Duration::from_nanos(MIDDLE - self.0.get())),
        };
        time.unwrap_or(first)
    }
}

fn nanos(duration: Duration) -> Option<u64> {
    let nanos = u64::from(duration.subsec_nanos());
    duration.as_secs().checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // L-10
    #[test]
    fn a_moment_is_the_time_that_it_was_made_of() {
        let now = Instant::now();
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        for time in [
            Some(now),
            now.checked_sub(Duration::from_nanos(1)),
            now.checked_sub(Duration::from_secs(3)),
            now.checked_add(Duration::from_nanos(1)),
            now.checked_add(Duration::new(1_234_567, 999_999_999)),
            now.checked_add(200 * year),
        ] {
            // A clock that starts at zero has not told every time before now.
            let Some(time) = time else { continue };
            assert_eq!(Moment::of(time).unwrap().instant(), time);
        }
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }

    // RE-05
    #[test]
    fn a_time_that_no_clock_has_told_is_none() {
        let now = Instant::now();
        for years in [300, 600, 100_000, 1_000_000_000] {
            let far = Duration::from_secs(years * 365 * 24 * 60 * 60);
            for time in [now.checked_add(far), now.checked_sub(far)].into_iter().flatten() {
                assert_eq!(Moment::of(time), None);
            }
        }
    }
}
