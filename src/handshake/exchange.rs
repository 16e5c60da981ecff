//! The common part of both sides of an opening handshake, without a socket: the bytes to write, the
//! deadlines, and the end. It does not know HTTP, but for the answer to a client that is late.
//!
//! ```text
//! Head ── head arrived ──> Deciding ── response ──> Answering ── written ──> Lingering ──> Finished
//!   └── refused, or late: the response that says so ──────┘
//! ```
//!
//! A client goes from Head to Deciding, or over Refused to Finished. A stage ends early, and the exchange with it, when nobody is left to answer.

use std::fmt;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use super::Response;
use crate::config::{Config, Millis, Role};
use crate::encoder::{Held, Written, write_some};
use crate::error::{Disconnected, TimedOut};

pub(crate) struct Exchange {
    role: Role,
    stage: Stage,
    /// Since when the deadline of this stage counts, once the time is known.
    since: Option<Instant>,
    output: Vec<u8>,
    sent: usize,
    /// Whether any byte of the peer's has arrived.
    heard: bool,
    /// Whether the peer has ended its side.
    ended: bool,
    /// Whether our side was ended.
    shut: bool,
    /// What the writer has not passed on.
    held: Held,
    handshake_timeout: Millis,
    write_timeout: Millis,
    linger: Millis,
}

/// Says how far it is, never what it has to write: credentials may be among that.
impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("role", &self.role)
            .field("stage", &self.stage)
            .field("pending", &self.pending().len())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The peer's head is awaited.
    Head,
    /// The head refuses, and its body is awaited: until the same deadline, or the end of the stream.
    Refused,
    /// The application has the head. There is no deadline.
    Deciding,
    /// A response that opens nothing is being written, or held by the writer.
    Answering,
    /// All is written: the peer has time to read it, and to end its side.
    Lingering,
    Finished,
}

impl Exchange {
    pub(super) fn new(role: Role, output: Vec<u8>, config: &Config) -> Self {
        Self {
            role,
            stage: Stage::Head,
            since: None,
            output,
            sent: 0,
            heard: false,
            ended: false,
            shut: false,
            held: Held::default(),
            handshake_timeout: config.handshake_timeout,
            write_timeout: config.write_timeout,
            linger: config.linger,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = None;
    }

    /// The head has arrived, and refuses: its deadline is that of the body, too.
    #[cfg(feature = "client")]
    pub(super) fn await_body(&mut self) {
        self.stage = Stage::Refused;
    }

    /// Notes whether bytes have arrived.
    pub(super) fn hear(&mut self, any: bool) {
        self.heard |= any;
    }

    /// Queues the last that is said.
    pub(super) fn answer(&mut self, response: Vec<u8>) {
        self.output = response;
        self.sent = 0;
        self.enter(Stage::Answering);
    }

    /// Bytes to write next.
    pub(crate) fn pending(&self) -> &[u8] {
        match self.stage {
            Stage::Finished => &[],
            _ => self.output.get(self.sent..).unwrap_or_default(),
        }
    }

    /// The first `n` pending bytes were written; more than there are count as all.
    pub(crate) fn sent(&mut self, n: usize) {
        self.sent = self.output.len().min(self.sent.saturating_add(n));
        if self.stage != Stage::Answering {
            return;
        }
        if n > 0 {
            self.since = None;
        }
        if self.sent == self.output.len() {
            self.output = Vec::new();
            self.sent = 0;
            self.end_answer();
        }
    }

    /// After an answer that is written, and passed on.
    fn end_answer(&mut self) {
        if self.stage == Stage::Answering && self.output.is_empty() && self.held.is_none() {
            // The peer needs no time to end what it has ended.
            self.enter(if self.ended { Stage::Finished } else { Stage::Lingering });
        }
    }

    /// Writes what is pending, until all is written or the socket takes no more.
    pub(crate) fn write_with(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        while !self.pending().is_empty() {
            match write_some(&[IoSlice::new(self.pending())], &mut write)? {
                Some(n) => self.sent(n),
                None => return Ok(Written::Blocked),
            }
        }
        Ok(Written::All)
    }

    /// Does what is due, and says when to be called again.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        let timeout = Duration::from(match self.stage {
            Stage::Head | Stage::Refused => self.handshake_timeout,
            Stage::Answering => self.write_timeout,
            Stage::Lingering => self.linger,
            Stage::Deciding | Stage::Finished => return Ok(None),
        });
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) < timeout {
            return Ok(since.checked_add(timeout));
        }
        match self.stage {
            Stage::Head => {
                // RFC 9110 §15.5.9. A connection that was opened in advance asked for nothing.
                match self.role {
                    Role::Server if self.heard => {
                        self.answer(Response::refusal(408, "").to_bytes());
                    }
                    _ => self.enter(Stage::Finished),
                }
                Err(TimedOut::Handshake)
            }
            Stage::Answering => {
                self.enter(Stage::Finished);
                Err(TimedOut::Write)
            }
            _ => {
                self.enter(Stage::Finished);
                Ok(None)
            }
        }
    }

    /// The peer's side has ended.
    pub(crate) fn eof(&mut self) -> Result<(), Disconnected> {
        self.ended = true;
        match self.stage {
            Stage::Head => {
                self.enter(Stage::Finished);
                return Err(Disconnected { mid_message: self.heard });
            }
            Stage::Lingering | Stage::Refused => self.enter(Stage::Finished),
            _ => {}
        }
        Ok(())
    }

    /// The socket has failed: nothing can be said any more. Whether it is known how it ends: a refusal stays one.
    pub(crate) fn fail(&mut self) -> bool {
        let is_refused = self.stage == Stage::Refused;
        self.enter(Stage::Finished);
        is_refused
    }

    /// Says, before a write, that the writer may hold what it takes: an answer is over when it is flushed.
    pub(crate) fn set_unflushed(&mut self) {
        self.held.set_some();
    }

    /// Has the writer pass on what it took, as [`WriteHalf::flush_with`](crate::WriteHalf::flush_with) does.
    pub(crate) fn flush_with(
        &mut self,
        flush: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<Written> {
        let (written, has_gone) = self.held.flush_with(flush)?;
        if has_gone && self.stage == Stage::Answering {
            self.since = None;
        }
        self.end_answer();
        Ok(written)
    }

    pub(crate) fn is_flushed(&self) -> bool {
        self.held.is_none()
    }

    /// Whether our side of the stream is to be ended now.
    pub(crate) fn wants_shutdown(&self) -> bool {
        self.stage == Stage::Lingering && !self.shut
    }

    /// Our side of the stream was ended.
    pub(crate) fn shut_down(&mut self) {
        self.shut = true;
    }

    /// Whether nothing is left to be done: the socket is to be closed.
    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // V38: over TLS an answer is taken at once, and read as slowly as any other
    #[test]
    fn an_answer_that_is_passed_on_in_parts_has_time() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let mut exchange = Exchange::new(Role::Server, vec![], &Config::default());
        exchange.answer(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
        exchange.set_unflushed();
        let taken = exchange.write_with(|slices| Ok(slices.iter().map(|slice| slice.len()).sum()));
        assert_eq!(taken.unwrap(), Written::All);
        assert_eq!(exchange.flush_with(|| Ok(50_000)).unwrap(), Written::Blocked);
        assert_eq!(exchange.tick(start), Ok(Some(start + 30 * second)));
        assert_eq!(exchange.flush_with(|| Ok(50_000)).unwrap(), Written::Blocked);
        assert_eq!(exchange.tick(start + second), Ok(Some(start + 30 * second)));
        assert_eq!(exchange.flush_with(|| Ok(40_000)).unwrap(), Written::Blocked);
        assert_eq!(exchange.tick(start + 29 * second), Ok(Some(start + 59 * second)));
        assert!(!exchange.wants_shutdown());
        assert_eq!(exchange.flush_with(|| Ok(0)).unwrap(), Written::All);
        assert!(exchange.wants_shutdown());
        assert_eq!(exchange.tick(start + 60 * second), Ok(Some(start + 62 * second)));
    }
}
