//! How long to wait before the next attempt, without a clock.

use std::time::{Duration, Instant};

/// The longest that a server can ask to be left alone.
const LONGEST: Duration = Duration::from_secs(3600);

/// Delays between attempts to connect, so that a server which comes back is not met by all of its clients at once
/// (RFC 6455 §7.2.3).
///
/// The first delay is random, of up to 5 s; the ranges of the next are twice as long each, up to 30 s. They start over after a
/// connection that has lived longer than that: one that is accepted and closed at once, over and over, does not count.
///
/// ```no_run
/// use std::thread;
/// use std::time::Instant;
/// use sansocket::{Error, dial::Backoff, net};
///
/// let mut backoff = Backoff::new();
/// loop {
///     match net::connect_to("ws://localhost:9001/news") {
///         Ok((_sender, mut receiver, _)) => {
///             backoff.opened(Instant::now());
///             while let Ok(Some(news)) = receiver.recv() {
///                 println!("{news:?}");
///             }
///             if receiver.close_frame().is_some_and(|close| !close.is_retryable()) {
///                 break;
///             }
///         }
///         Err(Error::Connect(refused)) => backoff.leave_alone(refused.retry_after()),
///         Err(error) => eprintln!("{error}"),
///     }
///     thread::sleep(backoff.delay(Instant::now()));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
    opened: Option<Instant>,
    at_least: Duration,
}

impl Backoff {
    /// Delays of up to 5 s at first, and of up to 30 s later.
    #[must_use]
    pub fn new() -> Self {
        Self::between(Duration::from_secs(5), Duration::from_secs(30))
    }

    /// Delays of up to `first`, and later of up to `most`.
    #[must_use]
    pub fn between(first: Duration, most: Duration) -> Self {
        Self { first, most, attempts: 0, opened: None, at_least: Duration::ZERO }
    }

    /// Notes that a connection has opened.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Notes that the server asks to be left alone for a while, of at most an hour: the next delay is not shorter. See
    /// [`retry_after`](crate::handshake::client::Error::retry_after).
    pub fn leave_alone(&mut self, time: impl Into<Option<Duration>>) {
        self.at_least = time.into().unwrap_or_default().min(LONGEST);
    }

    /// The delay before the next attempt, when one has failed, or a connection has ended.
    #[must_use]
    pub fn delay(&mut self, now: Instant) -> Duration {
        self.delay_with(now, rand::random())
    }

    fn delay_with(&mut self, now: Instant, random: u32) -> Duration {
        if self.opened.take().is_some_and(|at| now.saturating_duration_since(at) > self.most) {
            self.attempts = 0;
        }
        let growth = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        let range = self.first.saturating_mul(growth).min(self.most);
        self.attempts = self.attempts.saturating_add(1);
        let share = f64::from(random) / f64::from(u32::MAX);
        // Rounded, the longest of all may be too long.
        let delay = Duration::try_from_secs_f64(range.as_secs_f64() * share).unwrap_or(range);
        // At different moments after that, too.
        std::mem::take(&mut self.at_least).saturating_add(delay)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    // DI-08
    #[test]
    fn delays_are_random_and_grow_up_to_a_bound() {
        let (mut backoff, now) = (Backoff::new(), Instant::now());
        for range in [5, 10, 20, 30, 30] {
            assert_eq!(backoff.clone().delay_with(now, 0), Duration::ZERO);
            assert_eq!(backoff.delay_with(now, u32::MAX), range * SECOND);
        }
        let mut long = Backoff { attempts: 100, ..Backoff::default() };
        assert_eq!(long.delay_with(now, u32::MAX), 30 * SECOND);
        let mut longest = Backoff::between(Duration::MAX, Duration::MAX);
        assert_eq!(longest.delay_with(now, u32::MAX), Duration::MAX);
        let delays: Vec<_> = (0..20).map(|_| Backoff::new().delay(now)).collect();
        assert!(delays.iter().any(|delay| *delay != delays[0]));
    }

    // DI-08
    #[test]
    fn a_connection_that_has_lived_starts_over() {
        let (mut backoff, start) = (Backoff::new(), Instant::now());
        let _ = backoff.delay(start);
        backoff.opened(start);
        assert_eq!(backoff.delay_with(start + 30 * SECOND, u32::MAX), 10 * SECOND);
        backoff.opened(start);
        assert_eq!(backoff.delay_with(start + 31 * SECOND, u32::MAX), 5 * SECOND);
    }

    // DI-08
    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks() {
        let (mut backoff, now) = (Backoff::new(), Instant::now());
        backoff.leave_alone(60 * SECOND);
        assert_eq!(backoff.delay_with(now, u32::MAX), 65 * SECOND);
        assert_eq!(backoff.delay_with(now, 0), Duration::ZERO, "once");
        backoff.leave_alone(Duration::MAX);
        assert_eq!(backoff.delay_with(now, 0), LONGEST);
    }
}
