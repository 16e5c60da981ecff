//! How much is allowed, and how long: limits, deadlines and the origins that may connect.

mod origins;

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

#[cfg(feature = "deflate")]
pub(crate) use crate::deflate::Agreement;
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
pub use origins::Origins;

/// The result of an opening handshake that agreed on compression, which there is none of without the feature.
#[cfg(not(feature = "deflate"))]
#[derive(Clone, Debug)]
pub(crate) enum Agreement {}

/// Which side of the connection we are. Clients mask, servers must not (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    #[cfg(feature = "client")]
    Client,
}

/// Limits and deadlines. The default suits a server on the open internet.
///
/// A limit is always there; "none" is `usize::MAX`. All sizes are in bytes.
///
/// ```
/// use std::time::Duration;
/// use sansocket::Config;
///
/// let config = Config::builder()
///     .max_message(64 * 1024)
///     .close_timeout(Duration::from_secs(3))
///     .build()?;
/// # let _ = config;
/// # Ok::<(), sansocket::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) max_message: usize,
    pub(crate) max_queue: usize,
    pub(crate) max_head: usize,
    pub(crate) max_target: usize,
    pub(crate) max_headers: usize,
    pub(crate) handshake_timeout: Millis,
    pub(crate) keepalive: Option<(Millis, Millis)>,
    pub(crate) close_timeout: Millis,
    pub(crate) write_timeout: Millis,
    pub(crate) linger: Millis,
    pub(crate) nodelay: bool,
    pub(crate) origins: Origins,
    #[cfg(feature = "deflate")]
    pub(crate) compression: Option<Compression>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_message: MIB,
            max_queue: queue_for(MIB),
            max_head: 16 * 1024,
            max_target: 8 * 1024,
            max_headers: MAX_HEADERS,
            handshake_timeout: Millis::new(10_000),
            keepalive: Some((Millis::new(30_000), Millis::new(30_000))),
            close_timeout: Millis::new(10_000),
            write_timeout: Millis::new(30_000),
            linger: Millis::new(2_000),
            nodelay: true,
            origins: Origins::SameHost,
            #[cfg(feature = "deflate")]
            compression: None,
        }
    }
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder { config: Self::default(), max_queue: None, errors: Vec::new() }
    }
}

const MIB: usize = 1024 * 1024;

/// The default of `max_queue`: an echo of the largest message fits, and behind it the answers to all
/// that came in the same read.
const fn queue_for(max_message: usize) -> usize {
    max_message.saturating_add(MIB)
}

/// Header lines that a request may have at most.
pub(crate) const MAX_HEADERS: usize = 100;

/// Sets what differs from the defaults; [`build`](Self::build) checks that it makes sense.
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    config: Config,
    max_queue: Option<usize>,
    /// By setting, in the order in which they were made.
    errors: Vec<(&'static str, ConfigError)>,
}

impl ConfigBuilder {
    /// The largest message to receive, all fragments together: 1 MiB by default. The peer of a
    /// larger one gets Close 1009 as soon as a frame header declares it.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.config.max_message = self.positive("max_message", bytes);
        self
    }

    /// The most that waits to be written, frame headers included: by default 1 MiB more than
    /// [`max_message`](Self::max_message), so that the echo of any message fits. A message that does
    /// not fit is refused whole with [`SendError::QueueFull`](crate::SendError::QueueFull). If
    /// nothing waits, a payload of exactly this size fits, too. There is always room for pongs and
    /// the Close frame.
    pub fn max_queue(mut self, bytes: usize) -> Self {
        self.max_queue = Some(self.positive("max_queue", bytes));
        self
    }

    /// The largest request head: 16 KiB by default. Answered with 431.
    pub fn max_head(mut self, bytes: usize) -> Self {
        self.config.max_head = self.positive("max_head", bytes);
        self
    }

    /// The longest request target: 8 KiB by default. Answered with 414.
    pub fn max_target(mut self, bytes: usize) -> Self {
        self.config.max_target = self.positive("max_target", bytes);
        self
    }

    /// The most header lines, at most and by default 100. Answered with 431.
    pub fn max_headers(mut self, lines: usize) -> Self {
        self.config.max_headers = self.positive("max_headers", lines);
        if lines > MAX_HEADERS {
            self.errors.push(("max_headers", ConfigError::TooManyHeaders));
        }
        self
    }

    /// How long the opening handshake may take, from when it is waited for to its last byte, however
    /// they dribble in: 10 s by default. Answered with 408.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = self.millis("handshake_timeout", timeout);
        self
    }

    /// Ping after so much silence, and give up after so much more: 30 s and 30 s by default.
    ///
    /// Browsers do not answer pings while a page is busy: do not go much lower. Any byte the
    /// peer sends breaks the silence.
    pub fn keepalive(mut self, ping_after: Duration, give_up_after: Duration) -> Self {
        let ping_after = self.millis("ping_after", ping_after);
        let give_up_after = self.millis("give_up_after", give_up_after);
        self.config.keepalive = Some((ping_after, give_up_after));
        self
    }

    /// No pings, and no notice of a peer that falls silent.
    pub fn no_keepalive(mut self) -> Self {
        self.config.keepalive = None;
        self.forget("ping_after");
        self.forget("give_up_after");
        self
    }

    /// How long to wait for the peer's answer to our Close frame: 10 s by default. Then the socket is
    /// closed; with threads, for a peer that sends on without end, after at most twice as long.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = self.millis("close_timeout", timeout);
        self
    }

    /// How long a peer may take to end its side of the stream after our last byte (of a Close frame,
    /// or of a refusal) before the socket is closed: 2 s by default. Input is discarded
    /// meanwhile. Without this wait, a reset could overtake our last bytes (RFC 9112 §9.6).
    pub fn linger(mut self, time: Duration) -> Self {
        self.config.linger = self.millis("linger", time);
        self
    }

    /// How long a peer may take nothing of what is written to it: 30 s by default. Adapters that
    /// block then fail the write with [`TimedOut::Write`](crate::TimedOut::Write).
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.config.write_timeout = self.millis("write_timeout", timeout);
        self
    }

    /// Whether small packets are sent at once (`TCP_NODELAY`): yes by default. Otherwise the
    /// operating system may hold a small message back until the peer acknowledges the last one,
    /// which can take 40 ms.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.config.nodelay = nodelay;
        self
    }

    /// Which web pages may connect: those of the same host by default. Answered with 403.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.config.origins = origins;
        self
    }

    /// Compresses messages, with peers that agree to it (RFC 7692): no by default. Feature `deflate`.
    ///
    /// A server agrees to a client's offer, a client offers. [`Compression`] says when that pays, and when it is a
    /// danger.
    #[cfg(feature = "deflate")]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.forget("compression");
        if let Some(setting) = compression.fault() {
            self.errors.push(("compression", ConfigError::Compression(setting)));
        }
        self.config.compression = Some(compression);
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// A limit of zero; a time below 1 ms or above 2³² ms (49 days); a request target that may
    /// be longer than the head it stands in; a listed origin that no browser sends; a setting of the compression that is
    /// none.
    ///
    /// Of several errors, the first is reported; a setting that is made again is judged anew.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        if let Some((_, error)) = self.errors.first() {
            return Err(*error);
        }
        self.config.max_queue =
            self.max_queue.unwrap_or_else(|| queue_for(self.config.max_message));
        if !self.config.origins.are_well_formed() {
            return Err(ConfigError::Origin);
        }
        if self.config.max_target > self.config.max_head {
            return Err(ConfigError::TargetBeyondHead);
        }
        Ok(self.config)
    }

    fn positive(&mut self, name: &'static str, n: usize) -> usize {
        self.forget(name);
        if n == 0 {
            self.errors.push((name, ConfigError::Zero(name)));
        }
        n
    }

    fn millis(&mut self, name: &'static str, time: Duration) -> Millis {
        self.forget(name);
        match u32::try_from(time.as_millis()) {
            Ok(millis) if millis > 0 => Millis::new(millis),
            _ => {
                self.errors.push((name, ConfigError::Time(name)));
                Millis::new(1)
            }
        }
    }

    fn forget(&mut self, name: &str) {
        self.errors.retain(|(setting, _)| *setting != name);
    }
}

/// A configuration that makes no sense.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit of zero lets nothing through.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// Below 1 ms, or above 49 days.
    #[error("{0} must be between 1 ms and 49 days")]
    Time(&'static str),
    /// A listed origin is not of the form `scheme://host` or `null`: a path, or a host alone.
    #[error("an origin is not of the form scheme://host:port")]
    Origin,
    /// `max_target` is larger than `max_head`.
    #[error("max_target must not exceed max_head")]
    TargetBeyondHead,
    /// `max_headers` is larger than 100.
    #[error("max_headers must not exceed 100")]
    TooManyHeaders,
    /// A level that is not from 1 to 9, or so many bytes to remember that are not 0 or a power of two from 512 to
    /// 32,768.
    #[cfg(feature = "deflate")]
    #[error("the {0} of the compression is out of range")]
    Compression(&'static str),
}

/// A span of time in 4 bytes, and without any in as many; each connection keeps several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Millis(NonZeroU32);

impl Millis {
    /// At least one.
    pub(crate) const fn new(millis: u32) -> Self {
        match NonZeroU32::new(millis) {
            Some(millis) => Self(millis),
            None => Self(NonZeroU32::MIN),
        }
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Self::from_millis(millis.0.get().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RE-07, FR-28
    #[test]
    fn a_configuration_without_sense_is_an_error() {
        let error = |builder: ConfigBuilder| builder.build().map(|_| ()).unwrap_err();
        let new = Config::builder;
        assert_eq!(error(new().max_message(0)), ConfigError::Zero("max_message"));
        assert_eq!(error(new().max_queue(0)), ConfigError::Zero("max_queue"));
        assert_eq!(error(new().max_head(0)), ConfigError::Zero("max_head"));
        assert_eq!(error(new().max_target(0)), ConfigError::Zero("max_target"));
        assert_eq!(error(new().max_headers(0)), ConfigError::Zero("max_headers"));
        assert_eq!(error(new().max_headers(101)), ConfigError::TooManyHeaders);
        assert_eq!(error(new().max_head(100)), ConfigError::TargetBeyondHead);
        for time in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
            let day = Duration::from_secs(86_400);
            for builder in [
                new().handshake_timeout(time),
                new().close_timeout(time),
                new().linger(time),
                new().write_timeout(time),
                new().keepalive(time, day),
                new().keepalive(day, time),
            ] {
                assert!(matches!(error(builder), ConfigError::Time(_)));
            }
        }
        let listed = ["https://example.com/", "example.org", "https://me@example.org", ""];
        for origin in listed.into_iter().chain(["https://", "WS://", "1://"]) {
            assert_eq!(error(new().origins(Origins::list([origin]))), ConfigError::Origin);
        }
        let all = new().max_message(usize::MAX).max_queue(usize::MAX);
        assert!(all.max_head(1).max_target(1).max_headers(100).build().is_ok());
    }

    // RE-07: as people correct themselves
    #[test]
    fn the_first_error_that_was_not_corrected_is_reported() {
        let none = Duration::ZERO;
        let wrong = || Config::builder().max_message(0).linger(none).max_headers(101);
        let error = |builder: ConfigBuilder| builder.build().map(|_| ());
        assert_eq!(error(wrong()), Err(ConfigError::Zero("max_message")));
        let corrected = wrong().max_message(7);
        assert_eq!(error(corrected.clone()), Err(ConfigError::Time("linger")));
        let corrected = corrected.linger(Duration::from_secs(1));
        assert_eq!(error(corrected.clone()), Err(ConfigError::TooManyHeaders));
        assert_eq!(error(corrected.max_headers(9)), Ok(()));
        let keepalive = Config::builder().keepalive(none, none);
        assert_eq!(error(keepalive.clone()), Err(ConfigError::Time("ping_after")));
        assert_eq!(error(keepalive.no_keepalive()), Ok(()));
    }

    // L-07, FR-28
    #[test]
    fn the_queue_grows_with_the_limit_on_messages_unless_it_is_set() {
        let queue = |builder: ConfigBuilder| builder.build().map(|config| config.max_queue);
        let new = Config::builder;
        assert_eq!(queue(new()), Ok(2 * MIB));
        assert_eq!(queue(new()), Ok(Config::default().max_queue));
        assert_eq!(queue(new().max_message(5)), Ok(MIB + 5));
        assert_eq!(queue(new().max_message(usize::MAX)), Ok(usize::MAX));
        assert_eq!(queue(new().max_queue(9).max_message(5)), Ok(9));
    }
}
