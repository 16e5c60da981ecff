//! The thread whose turn it is to write: how long it waits for the peer, and what a failure ends.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::Link;
use crate::config::Config;
use crate::connection::WriteHalf;
use crate::encoder::{Unsent, Written};
use crate::end::Failure;
use crate::error::{Error, TimedOut};
use crate::net::transport::Transport;

/// How long a write takes at most of a thread that does not wait for the peer. Systems round it up to a few
/// milliseconds.
const SOON: Duration = Duration::from_millis(1);

/// How long such a thread goes on in all with a peer that takes a part in each write.
const TURN: Duration = Duration::from_millis(5);

/// How long each write of a thread takes that does wait, before the deadlines are looked at.
const SLICE: Duration = Duration::from_millis(20);

/// How long a write to this transport may take, of a thread that does not wait for the peer, and of one that does.
pub(super) fn timeouts<S: Transport>(stream: &S, config: &Config) -> (Duration, Duration) {
    match stream.resumes_writes() {
        true => (SOON, SLICE),
        false => (config.write_timeout.into(), config.write_timeout.into()),
    }
}

/// How far one turn of the write loop came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// All is written, or nothing can be any more.
    All,
    /// There is more, for a thread that may wait.
    GoesOn,
    /// The peer takes nothing at present.
    Blocked,
}

impl<S: Transport> Link<S> {
    /// Writes what can be written without waiting for the peer.
    pub(super) fn write_soon(&self, half: &mut WriteHalf) -> Turn {
        match self.stream.resumes_writes() || half.pending().is_empty() {
            true => self.write(half, &mut Unsent::nothing(), false).unwrap_or(Turn::All),
            // It could not be tried again.
            false => Turn::GoesOn,
        }
    }

    /// The same. Whether that was all.
    pub(super) fn write_all_soon(&self, half: &mut WriteHalf) -> bool {
        self.write_soon(half) == Turn::All
    }

    /// Writes all there is, for which it waits until the write timeout.
    pub(super) fn write_all(
        &self,
        half: &mut WriteHalf,
        unsent: &mut Unsent<'_>,
    ) -> Result<(), Error> {
        match self.write(half, unsent, false)? {
            Turn::All => Ok(()),
            Turn::GoesOn | Turn::Blocked => self.patiently(|| {
                while self.write(half, unsent, true)? != Turn::All {}
                Ok(())
            }),
        }
    }

    /// While this thread writes, a write may take longer.
    fn patiently<T>(&self, write: impl FnOnce() -> T) -> T {
        // Else it is tried more often than it has to be.
        let _ = self.stream.set_write_timeout(Some(self.slice));
        let result = write();
        let _ = self.stream.set_write_timeout(Some(self.soon));
        result
    }

    /// Leaves what others have posted to the waiter, and starts it unless it is there.
    pub(super) fn leave(self: &Arc<Self>, left: bool) {
        if !left || !self.outbox.leave() {
            return;
        }
        let link = Arc::clone(self);
        let wait = move || {
            // A failure is noted, and fails the next call.
            let write_on = |half: &mut WriteHalf| {
                let write = || link.write(half, &mut Unsent::nothing(), true);
                link.patiently(write).unwrap_or(Turn::All) == Turn::All
            };
            link.outbox.wait(&|half| link.write_all_soon(half), write_on);
        };
        if thread::Builder::new().name("sansocket-write".into()).spawn(wait).is_err() {
            self.outbox.forget_waiter(); // whoever writes next, or the receiver, has to do
        }
    }

    /// One turn of the write loop, and a look at the deadlines.
    fn write(
        &self,
        half: &mut WriteHalf,
        unsent: &mut Unsent<'_>,
        waits: bool,
    ) -> Result<Turn, Error> {
        let mut panics = OnPanic { link: self, armed: true };
        let written = self.write_once(half, unsent, waits);
        panics.armed = false;
        let turn = match written {
            Ok(Turn::All) => {
                self.finish(half);
                Ok(Turn::All)
            }
            Ok(Turn::Blocked) if !self.stream.resumes_writes() => {
                Err(self.fail(half, Failure::TimedOut(TimedOut::Write)))
            }
            Ok(turn) => match half.tick(Instant::now()) {
                Ok(_) => Ok(turn),
                Err(timed_out) => Err(self.fail(half, Failure::TimedOut(timed_out))),
            },
            Err(error) => Err(self.fail(half, error.into())),
        };
        self.note(half); // after the tick, which tells since when a Close is written
        turn
    }

    /// Writes, and has the transport pass on what it took. A peer that takes a part in each write may do so for long: that it
    /// gets on is noted in between, and the deadlines are looked at. So it is with one that takes a part of what the
    /// transport holds, which goes first.
    fn write_once(
        &self,
        half: &mut WriteHalf,
        unsent: &mut Unsent<'_>,
        waits: bool,
    ) -> io::Result<Turn> {
        let flush = || self.stream.flush();
        if half.is_held() && half.flush_with(flush)? == Written::Blocked {
            return Ok(Turn::Blocked);
        }
        let (mut short_since, mut goes_on) = (None::<Instant>, false);
        let written = half.write_with(unsent, |slices| {
            goes_on = short_since.is_some_and(|since| waits || since.elapsed() >= TURN);
            if goes_on {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = self.stream.write(slices)?;
            if n < slices.iter().map(|slice| slice.len()).sum() {
                short_since.get_or_insert_with(Instant::now);
            }
            Ok(n)
        })?;
        let flushed = match written {
            Written::All if half.has_failed() => Written::All,
            Written::Blocked if !self.stream.resumes_writes() => Written::Blocked,
            _ => half.flush_with(flush)?,
        };
        Ok(match (written, flushed) {
            (Written::All, Written::All) => Turn::All,
            _ if goes_on => Turn::GoesOn,
            _ => Turn::Blocked,
        })
    }

    /// When all is written: our side may end, and the clock of a Close begins.
    fn finish(&self, half: &mut WriteHalf) {
        if half.wants_shutdown() {
            let _ = self.stream.shutdown(Shutdown::Write);
            half.shut_down();
        }
        if half.progress().closed {
            let _ = half.tick(Instant::now());
        }
    }

    /// After a failed write half a frame may be out: nothing may follow, and the receiver is woken.
    pub(super) fn fail(&self, half: &mut WriteHalf, failure: Failure) -> Error {
        half.write_failed();
        self.note_failure(failure.clone());
        self.note(half);
        self.outbox.post(|posted| posted.messages.write_failed());
        self.shut_down();
        failure.into()
    }
}

/// Ends the connection for the receiver, too, if the transport panics.
struct OnPanic<'l, S: Transport> {
    link: &'l Link<S>,
    armed: bool,
}

impl<S: Transport> Drop for OnPanic<'_, S> {
    fn drop(&mut self) {
        if self.armed && thread::panicking() {
            self.link.note_failure(io::Error::other("the transport panicked").into());
            self.link.outbox.post(|posted| posted.messages.write_failed());
            self.link.queued.store(0, Ordering::Relaxed);
            self.link.shut_down();
        }
    }
}
