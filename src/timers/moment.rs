//! A point in time in eight bytes instead of sixteen.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds before or after the first time that anybody told, which is in the middle: 292 years either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(NonZeroU64);

const MIDDLE: u64 = 1 << 63;

static FIRST: OnceLock<Instant> = OnceLock::new();

impl Moment {
    #[inline]
    pub(super) fn of(time: Instant) -> Self {
        let first = *FIRST.get_or_init(|| time);
        let nanos = match time.checked_duration_since(first) {
            Some(after) => MIDDLE.saturating_add(nanos(after)),
            None => MIDDLE.saturating_sub(nanos(first.saturating_duration_since(time))),
        };
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
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

/// All times that a clock has told in a process fit.
fn nanos(duration: Duration) -> u64 {
    let nanos = u64::from(duration.subsec_nanos());
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(nanos)
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
            assert_eq!(Moment::of(time).instant(), time);
        }
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }

    // L-10: what no clock has told comes as near as it can
    #[test]
    fn the_end_of_time_is_no_panic() {
        let now = Instant::now();
        for years in [300, 100_000, 1_000_000_000] {
            let Some(time) = now.checked_add(Duration::from_secs(years * 365 * 24 * 60 * 60))
            else {
                continue;
            };
            let moment = Moment::of(time).instant();
            assert!(moment > now && moment <= time, "{years}");
        }
    }
}
