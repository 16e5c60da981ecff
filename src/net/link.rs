//! The two halves of a connection over one socket: whose turn it is to write, and what has failed.
//!
//! A sender waits for its turn, and then for the peer. The receiver never waits for a sender: it posts its
//! replies and reads on, and tries again soon.

mod write;

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::outbox::{Outbox, Posts, Taken, Writer};
use super::transport::Transport;
use crate::close::CloseCode;
use crate::config::{Config, Role};
use crate::connection::{Progress, WriteHalf};
use crate::control::Replies;
use crate::encoder::Unsent;
use crate::error::{Disconnected, Error, SendError, TimedOut};
use crate::prepared::Prepared;
use write::Wait;

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

/// Why the socket is of no use any more, to be said by both halves.
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

/// Posts of other threads, for the one that writes.
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

/// The outcome of an attempt to write without waiting.
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

    /// Waits for its turn to write.
    fn hold<T>(&self, work: impl FnOnce(&mut WriteHalf) -> T) -> T {
        self.outbox.with(&|half, taken| self.flush_posted(half, taken), work)
    }

    /// Waits for its turn, lets `begin` put something into the output, and writes all of it.
    pub(super) fn send<'m>(
        &self,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        self.hold(|half| {
            self.write_posts(half)?;
            let mut unsent = begin(half)?;
            self.write(half, &mut unsent, Wait::ForThePeer).map(drop)
        })
    }

    /// Waits for its turn and queues something; if there is no room, `begin` starts what is written instead.
    pub(super) fn feed<'m>(
        &self,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        self.hold(|half| {
            self.write_posts(half)?;
            match queue(half) {
                Err(SendError::QueueFull) => {
                    self.write_queue(half)?;
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
        self.hold(|half| {
            match half.has_failed() {
                true => Err(SendError::Closed.into()), // what was queued is lost
                false => self.write_queue(half),
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

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
