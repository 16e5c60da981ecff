//! The two halves of a connection over one socket: whose turn it is to write, and what has failed.
//!
//! A sender waits for its turn, and then for the peer. The receiver never waits for a sender: it posts its
//! replies and reads on, and tries again soon.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::outbox::{Outbox, Posts, Taken, Writer};
use super::transport::Transport;
use crate::close::CloseCode;
use crate::config::{Config, Role};
use crate::connection::{Progress, WriteHalf};
use crate::control::Replies;
use crate::encoder::{Unsent, Written};
use crate::error::{Disconnected, Error, SendError, TimedOut};
use crate::prepared::Prepared;

/// How long one write waits for the peer to read: the longest that the receiver is held up when it
/// writes itself. A sender tries again until the write timeout.
pub(super) const WRITE_SLICE: Duration = Duration::from_millis(20);

pub(super) struct Link<S> {
    stream: S,
    role: Role,
    outbox: Outbox<WriteHalf, Posted>,
    /// Why nothing can be sent or received any more.
    failure: Mutex<Option<Failure>>,
    /// How many bytes waited when the writer was last given back, and how many are posted.
    queued: AtomicUsize,
    max_queue: usize,
}

/// What went wrong with the socket, to be said by both halves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// By one of our own, who wanted it to end.
    Aborted,
    TimedOut(TimedOut),
    Io(io::ErrorKind),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Aborted => Disconnected { mid_message: false }.into(),
            Failure::TimedOut(timed_out) => timed_out.into(),
            Failure::Io(kind) => io::Error::from(kind).into(),
        }
    }
}

/// What others want to be sent while one thread writes.
#[derive(Default)]
struct Posted {
    replies: Replies,
    /// Messages of those who do not wait, in their order.
    messages: Vec<Prepared>,
}

impl Posts for Posted {
    fn is_empty(&self) -> bool {
        self.replies.is_empty() && self.messages.is_empty()
    }
}

impl Writer<Posted> for WriteHalf {
    fn take(&mut self, posted: &mut Posted) -> Taken {
        // Messages first: a Close was posted behind them. One that comes too late is dropped.
        let full = |message: &Prepared| self.send_prepared(message) == Err(SendError::QueueFull);
        let room = posted.messages.iter().position(full).unwrap_or(posted.messages.len());
        posted.messages.drain(..room);
        if !posted.messages.is_empty() {
            return if room > 0 { Taken::Others } else { Taken::Nothing };
        }
        let others = room > 0 || posted.replies.has_close();
        self.reply(&mut posted.replies);
        if others { Taken::Others } else { Taken::Replies }
    }

    fn poison(&mut self) {
        self.write_failed();
    }
}

/// How long the writing thread waits for a peer that does not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Until the write timeout.
    ForThePeer,
    /// Not at all, but for one slice.
    No,
}

/// What became of an attempt to write without waiting.
pub(super) struct Attempt {
    /// All is written, or nothing can be any more.
    pub(super) done: bool,
    /// How far the output has come; unknown while another thread writes.
    pub(super) progress: Option<Progress>,
    /// When to look again.
    pub(super) due: Option<Instant>,
}

impl<S: Transport> Link<S> {
    /// # Errors
    ///
    /// The transport has no timeouts.
    pub(super) fn new(stream: S, role: Role, half: WriteHalf, config: &Config) -> io::Result<Self> {
        // Where a write that timed out is final, it gets all the time there is.
        let slice = match stream.resumes_writes() {
            true => WRITE_SLICE,
            false => config.write_timeout.into(),
        };
        stream.set_write_timeout(Some(slice))?;
        stream.set_nodelay(config.nodelay)?;
        Ok(Self {
            stream,
            role,
            outbox: Outbox::new(half),
            failure: Mutex::new(None),
            queued: AtomicUsize::new(0),
            max_queue: config.max_queue,
        })
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Waits for its turn, lets `begin` put something into the output, and writes all of it.
    pub(super) fn send<'m>(
        &self,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        self.outbox.with(&|half, taken| self.flush_posted(half, taken), |half| {
            self.write_posts(half)?;
            let mut unsent = begin(half)?;
            self.write(half, &mut unsent, Wait::ForThePeer).map(drop)
        })
    }

    /// Queues something small and writes it.
    pub(super) fn send_control(
        &self,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
    ) -> Result<(), Error> {
        self.outbox.with(&|half, taken| self.flush_posted(half, taken), |half| {
            self.write_posts(half)?;
            match queue(half) {
                Err(SendError::QueueFull) => {
                    self.write(half, &mut Unsent::nothing(), Wait::ForThePeer)?;
                    queue(half)?;
                }
                other => other?,
            }
            self.write(half, &mut Unsent::nothing(), Wait::ForThePeer).map(drop)
        })
    }

    /// Waits for its turn and queues something; if there is no room, `begin` starts what is written instead.
    pub(super) fn feed<'m>(
        &self,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        self.outbox.with(&|half, taken| self.flush_posted(half, taken), |half| {
            self.write_posts(half)?;
            match queue(half) {
                Err(SendError::QueueFull) => {
                    self.write(half, &mut Unsent::nothing(), Wait::ForThePeer)?;
                    queue(half)?;
                }
                // It will never fit.
                Err(SendError::MessageTooLarge { .. }) => {
                    let mut unsent = begin(half)?;
                    self.write(half, &mut unsent, Wait::ForThePeer)?;
                }
                other => other?,
            }
            self.note_queued(half);
            Ok(())
        })
    }

    /// Writes what was fed.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.outbox.with(&|half, taken| self.flush_posted(half, taken), |half| {
            match half.has_failed() {
                true => Err(SendError::Closed.into()), // what was queued is lost
                false => self.write(half, &mut Unsent::nothing(), Wait::ForThePeer).map(drop),
            }
        })
    }

    /// Queues something and writes what goes at once, without waiting for the peer or for other senders:
    /// while one of them writes, `message` is posted.
    pub(super) fn try_send(
        &self,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
        message: impl FnOnce() -> Prepared,
    ) -> Result<(), SendError> {
        let attempt = self.outbox.try_with(&|half, _| _ = self.flush_soon(half), |half| {
            if self.has_messages() {
                self.flush_soon(half);
                self.outbox.take(half);
                self.flush_soon(half);
            }
            if self.has_messages() {
                return None; // behind those that wait already
            }
            let mut result = queue(half);
            if result == Err(SendError::QueueFull) {
                self.flush_soon(half); // the peer may have read on
                result = queue(half);
            }
            self.flush_soon(half);
            Some(result)
        });
        if let Some(Some(result)) = attempt {
            return result;
        }
        let message = message();
        self.outbox.post(|posted| {
            let waiting: usize = posted.messages.iter().map(|message| message.frame().len()).sum();
            match waiting.saturating_add(message.frame().len()) <= self.max_queue {
                _ if posted.replies.has_close() => Err(SendError::Closed),
                true => {
                    posted.messages.push(message);
                    Ok(())
                }
                false => Err(SendError::QueueFull),
            }
        })?;
        self.outbox.try_with(&|half, _| _ = self.flush_soon(half), |_| {});
        Ok(())
    }

    /// Starts the closing handshake. If nobody else writes, this waits for the peer as a send does.
    pub(super) fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        WriteHalf::check_close(self.role, code)?;
        self.outbox.post(|posted| posted.replies.close(code, reason));
        self.outbox.try_with(&|half, taken| self.flush_posted(half, taken), |half| {
            // Messages may stand before it, for which there was no room.
            _ = self.write_posts(half);
        });
        Ok(())
    }

    /// The same without waiting; whether the Close is on its way: written, or behind a send.
    pub(super) fn try_close(&self, code: CloseCode) -> bool {
        self.outbox.post(|posted| posted.replies.close(code, ""));
        self.attempt().done
    }

    /// Says that the connection is over, and wakes both halves.
    pub(super) fn abort(&self) {
        self.note_failure(Failure::Aborted);
        self.outbox.post(|posted| posted.replies.end());
        self.shut_down();
    }

    /// The same for a reason that the receiver is to report.
    pub(super) fn cut_off(&self, failure: Failure) {
        self.note_failure(failure);
        self.abort();
    }

    /// Passes on what the receiver has to say: into the queue, so that each ping is answered while there is
    /// room, or to the thread that writes now. The receiver writes it before it waits.
    pub(super) fn reply(&self, replies: &mut Replies) {
        let soon = |half: &mut WriteHalf, _| _ = self.flush_soon(half);
        if self.outbox.try_with(&soon, |half| half.reply(replies)).is_none() {
            self.outbox.post(|posted| posted.replies.merge(replies));
            self.outbox.try_with(&soon, |_| {});
        }
    }

    /// Writes what can be written without waiting, and looks at the deadlines.
    pub(super) fn attempt(&self) -> Attempt {
        let soon = |half: &mut WriteHalf, _| _ = self.flush_soon(half);
        let attempt = self.outbox.try_with(&soon, |half| {
            self.flush_soon(half);
            let due = half.tick(Instant::now()).unwrap_or_else(|timed_out| {
                self.fail(half, Failure::TimedOut(timed_out));
                None
            });
            (half.progress(), due)
        });
        // Others may have posted while this thread wrote: that may wait now.
        let done = self.queued() == 0 && self.outbox.is_empty();
        match attempt {
            Some((progress, due)) => {
                Attempt { done: done && progress.flushed, progress: Some(progress), due }
            }
            None => Attempt { done: false, progress: None, due: None },
        }
    }

    /// Gives the memory of the queue back, if nothing is in it.
    pub(super) fn release(&self) {
        self.outbox.try_with(&|half, _| _ = self.flush_soon(half), |half| {
            half.reclaim_queue(&mut Vec::new())
        });
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        *self.failures()
    }

    /// Ends both directions, also for threads that wait in them.
    pub(super) fn shut_down(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Writes what others have posted: their messages and Closes until all is written, the receiver's
    /// replies as far as they go, since it tries again itself.
    fn flush_posted(&self, half: &mut WriteHalf, taken: Taken) {
        let wait = if taken == Taken::Others { Wait::ForThePeer } else { Wait::No };
        // What fails here is noted, and fails the next call.
        let _ = self.write(half, &mut Unsent::nothing(), wait);
    }

    /// Writes the messages for which there was no room when the holder took the posts: they stand before
    /// what it sends. All that is taken is written.
    fn write_posts(&self, half: &mut WriteHalf) -> Result<(), Error> {
        while self.has_messages() {
            self.write(half, &mut Unsent::nothing(), Wait::ForThePeer)?;
            let taken = self.outbox.take(half);
            self.write(half, &mut Unsent::nothing(), Wait::ForThePeer)?;
            if taken == Taken::Nothing {
                break;
            }
        }
        Ok(())
    }

    fn has_messages(&self) -> bool {
        self.outbox.post(|posted| !posted.messages.is_empty())
    }

    /// Whether all is written.
    fn flush_soon(&self, half: &mut WriteHalf) -> bool {
        let written = self.write(half, &mut Unsent::nothing(), Wait::No);
        written.is_ok_and(|written| written == Written::All)
    }

    fn write(
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
    fn fail(&self, half: &mut WriteHalf, failure: Failure) -> Error {
        half.write_failed();
        self.note_failure(failure);
        self.note_queued(half);
        self.shut_down();
        failure.into()
    }

    fn note_failure(&self, failure: Failure) {
        self.failures().get_or_insert(failure);
    }

    fn note_queued(&self, half: &WriteHalf) {
        self.queued.store(half.queued(), Ordering::Relaxed);
    }

    fn failures(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
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

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
