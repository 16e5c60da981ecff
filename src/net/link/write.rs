//! The thread whose turn it is to write: how long it waits for the peer, and what a failure ends.

use std::io;
use std::net::Shutdown;
use std::thread;
use std::time::Instant;

use super::super::outbox::Taken;
use super::{Failure, Link, is_timeout};
use crate::connection::WriteHalf;
use crate::encoder::{Unsent, Written};
use crate::error::{Error, TimedOut};
use crate::net::transport::Transport;

/// How long the writing thread waits for a peer that does not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the write timeout.
    ForThePeer,
    /// Not at all, but for one slice.
    No,
}

impl<S: Transport> Link<S> {
    /// Writes what others have posted: their messages and Closes until all is written, the receiver's
    /// replies as far as they go, since it tries again itself.
    pub(super) fn flush_posted(&self, half: &mut WriteHalf, taken: Taken) {
        let wait = if taken == Taken::Others { Wait::ForThePeer } else { Wait::No };
        // A failure is noted, and fails the next call.
        let _ = self.write(half, &mut Unsent::nothing(), wait);
    }

    /// Writes the messages for which there was no room when the holder took the posts: they stand before
    /// what it sends. All that is taken is written.
    pub(super) fn write_posts(&self, half: &mut WriteHalf) -> Result<(), Error> {
        while self.has_messages() {
            self.write_queue(half)?;
            let taken = self.outbox.take(half);
            self.write_queue(half)?;
            if taken == Taken::Nothing {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn has_messages(&self) -> bool {
        self.outbox.post(|posted| !posted.messages.is_empty())
    }

    /// Writes all that is queued.
    pub(super) fn write_queue(&self, half: &mut WriteHalf) -> Result<(), Error> {
        self.write(half, &mut Unsent::nothing(), Wait::ForThePeer).map(drop)
    }

    /// Whether all is written.
    pub(super) fn flush_soon(&self, half: &mut WriteHalf) -> bool {
        let written = self.write(half, &mut Unsent::nothing(), Wait::No);
        written.is_ok_and(|written| written == Written::All)
    }

    pub(super) fn write(
        &self,
        half: &mut WriteHalf,
        unsent: &mut Unsent<'_>,
        wait: Wait,
    ) -> Result<Written, Error> {
        loop {
            let written = self.write_once(half, unsent);
            self.note_queued(half);
            match written {
                Ok(Written::All) => {
                    self.finish(half);
                    return Ok(Written::All);
                }
                Ok(Written::Blocked) if !self.stream.resumes_writes() => {
                    return Err(self.fail(half, Failure::TimedOut(TimedOut::Write)));
                }
                Ok(Written::Blocked) => {}
                Err(error) => {
                    self.fail(half, Failure::Io(error.kind()));
                    return Err(error.into());
                }
            }
            if let Err(timed_out) = half.tick(Instant::now()) {
                return Err(self.fail(half, Failure::TimedOut(timed_out)));
            }
            if wait == Wait::No {
                return Ok(Written::Blocked);
            }
        }
    }

    /// One round of the write loop, after which the transport has passed on what it took.
    fn write_once(&self, half: &mut WriteHalf, unsent: &mut Unsent<'_>) -> io::Result<Written> {
        let mut panics = OnPanic { link: self, armed: true };
        let written = half.write_with(unsent, |slices| self.stream.write(slices));
        let flushed = match written {
            Ok(Written::All) if !half.has_failed() => self.stream.flush(),
            _ => Ok(()),
        };
        panics.armed = false;
        match flushed {
            Ok(()) => half.set_flushed(true),
            Err(error) if is_timeout(&error) => {
                half.set_flushed(false);
                return Ok(Written::Blocked);
            }
            Err(error) => {
                half.write_failed();
                return Err(error);
            }
        }
        written
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
        self.note_failure(failure);
        self.note_queued(half);
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
            self.link.note_failure(Failure::Io(io::ErrorKind::Other));
            self.link.shut_down();
        }
    }
}
