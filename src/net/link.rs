//! The two halves of a connection over one socket: whose turn it is to write, and what has failed.
//!
//! A sender waits for its turn, and then for the peer. Who does not want to wait posts what it has to say, and
//! the receiver its replies; if the peer does not take that at once, the waiter, a thread of its own, does the
//! waiting.

mod posted;
mod write;

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::outbox::{Kind, Outbox};
use super::transport::Transport;
use crate::close::CloseCode;
use crate::config::{Config, Role};
use crate::connection::{Progress, WriteHalf};
use crate::control::Replies;
use crate::encoder::Unsent;
use crate::end::Failure;
use crate::error::{Error, SendError};
use posted::Posted;
use write::Turn;

/// How often a thread that feeds tries to have the writer before it posts.
const TRIES: usize = 16;

pub(super) struct Link<S> {
    stream: S,
    role: Role,
    outbox: Outbox<WriteHalf, Posted>,
    /// Why nothing can be sent or received any more.
    failure: Mutex<Option<Failure>>,
    /// The writer's progress, for those who do not hold it: how many bytes wait, whether the socket takes no
    /// more, and how far the output has come.
    queued: AtomicUsize,
    blocked: AtomicBool,
    progress: Mutex<Progress>,
    soon: Duration,
    slice: Duration,
    max_queue: usize,
    #[cfg(feature = "deflate")]
    compressed: bool,
}

/// The outcome of an attempt to write without waiting.
pub(super) struct Attempt {
    /// All is written, or nothing can be any more.
    pub(super) done: bool,
    /// When to look again.
    pub(super) due: Option<Instant>,
    /// The socket was tried, and took no more.
    pub(super) blocked: bool,
}

impl<S: Transport> Link<S> {
    /// # Errors
    ///
    /// The transport has no timeouts.
    pub(super) fn new(stream: S, role: Role, half: WriteHalf, config: &Config) -> io::Result<Self> {
        let (soon, slice) = write::timeouts(&stream, config);
        stream.set_write_timeout(Some(soon))?;
        stream.set_nodelay(config.nodelay)?;
        let posted = Posted { replies: Replies::new(), messages: half.anew(config) };
        Ok(Self {
            stream,
            role,
            #[cfg(feature = "deflate")]
            compressed: half.is_compressed(),
            outbox: Outbox::new(half, posted),
            failure: Mutex::new(None),
            queued: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            progress: Mutex::default(),
            soon,
            slice,
            max_queue: config.max_queue,
        })
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// How many bytes wait in the queue, as last seen, and in the box.
    pub(super) fn queued(&self) -> usize {
        let posted = self.outbox.post(|posted| posted.messages.queued());
        self.queued.load(Ordering::Relaxed).saturating_add(posted)
    }

    /// Waits for its turn to write.
    fn hold<T>(self: &Arc<Self>, work: impl FnOnce(&mut WriteHalf) -> T) -> T {
        let (result, left) = self.outbox.with(&|half| self.write_all_soon(half), work);
        self.leave(left);
        result
    }

    /// The same, unless another thread writes.
    fn try_hold<T>(self: &Arc<Self>, work: impl FnOnce(&mut WriteHalf) -> T) -> Option<T> {
        let (result, left) = self.outbox.try_with(&|half| self.write_all_soon(half), work)?;
        self.leave(left);
        Some(result)
    }

    /// Waits for its turn, lets `begin` put something into the output, and writes all of it.
    pub(super) fn send<'m>(
        self: &Arc<Self>,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        self.hold(|half| {
            let mut unsent = begin(half)?;
            self.write_all(half, &mut unsent)
        })
    }

    /// Queues a message of `len` bytes, or posts it while another thread writes. If there is no room it waits for
    /// its turn and makes some; if there never will be, `begin` starts what is written instead.
    pub(super) fn feed<'m>(
        self: &Arc<Self>,
        len: usize,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
        begin: impl FnOnce(&mut WriteHalf) -> Result<Unsent<'m>, SendError>,
    ) -> Result<(), Error> {
        // Mostly the other thread queues something, too, and is done at once.
        let fed = (0..TRIES).find_map(|_| {
            let fed = self.try_hold(|half| queue(half).inspect(|()| self.note(half)));
            if fed.is_none() {
                thread::yield_now();
            }
            fed
        });
        let fed = fed.unwrap_or_else(|| {
            self.outbox.post(|posted| self.admit(posted, len, &queue))?;
            self.write_posted();
            Ok(())
        });
        if !matches!(fed, Err(SendError::QueueFull | SendError::MessageTooLarge { .. })) {
            return Ok(fed?);
        }
        self.hold(|half| {
            match queue(half) {
                Err(SendError::QueueFull) => {
                    self.write_all(half, &mut Unsent::nothing())?;
                    queue(half)?;
                }
                // It will never fit.
                Err(SendError::MessageTooLarge { .. }) => {
                    let mut unsent = begin(half)?;
                    self.write_all(half, &mut unsent)?;
                }
                other => other?,
            }
            self.note(half);
            Ok(())
        })
    }

    /// Writes what was fed.
    pub(super) fn flush(self: &Arc<Self>) -> Result<(), Error> {
        self.hold(|half| {
            match half.has_failed() {
                true => Err(SendError::Closed.into()), // what was queued is lost
                false => self.write_all(half, &mut Unsent::nothing()),
            }
        })
    }

    /// Posts a message of `len` bytes, and writes it if it can be at once.
    pub(super) fn try_send(
        self: &Arc<Self>,
        len: usize,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        #[cfg(feature = "deflate")]
        if let Some(tried) = self.try_send_in_turn(&queue) {
            return tried;
        }
        let post = |posted: &mut Posted| self.admit(posted, len, &queue);
        let mut result = self.outbox.post(post);
        if result == Err(SendError::QueueFull) {
            // The peer may have read on, whatever the socket said when somebody last looked.
            let written = self.try_hold(|half| self.write_all_soon(half));
            self.leave(written == Some(false));
            result = self.outbox.post(post);
        }
        result?;
        self.write_posted();
        Ok(())
    }

    /// The same by the writer, if that is to be had: a message that is compressed refers to those before it, of which the
    /// box knows only its own.
    #[cfg(feature = "deflate")]
    fn try_send_in_turn(
        self: &Arc<Self>,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
    ) -> Option<Result<(), SendError>> {
        if !self.compressed {
            return None;
        }
        let (sent, written) = self.try_hold(|half| {
            let mut sent = queue(half);
            if sent == Err(SendError::QueueFull) {
                // The peer may have read on, whatever the socket said when somebody last looked.
                self.write_soon(half);
                sent = queue(half);
            }
            let written = !half.is_blocked() && self.write_all_soon(half);
            self.note(half);
            (sent, written)
        })?;
        self.leave(!written);
        Some(sent)
    }

    /// Lets `queue` put a message of `len` bytes into the box. That has as much room as a queue: what waits there
    /// already counts, but for what another thread takes at this moment.
    fn admit(
        &self,
        posted: &mut Posted,
        len: usize,
        queue: impl Fn(&mut WriteHalf) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let before = self.queued.load(Ordering::Relaxed);
        let waiting = before.saturating_add(posted.messages.queued()).saturating_add(len);
        match before > 0 && len <= self.max_queue && waiting > self.max_queue {
            true => posted.messages.check_open().and(Err(SendError::QueueFull)),
            false => queue(&mut posted.messages),
        }
    }

    /// Starts the closing handshake, without waiting.
    pub(super) fn close(self: &Arc<Self>, code: CloseCode, reason: &str) -> Result<(), SendError> {
        WriteHalf::check_close(self.role, code)?;
        let mut replies = Replies::new();
        replies.close(code, reason);
        self.post(&mut replies);
        Ok(())
    }

    /// Says that the connection is over, and wakes both halves.
    pub(super) fn abort(&self) {
        self.note_failure(Failure::Aborted);
        self.outbox.post(|posted| {
            posted.replies.end();
            posted.messages.write_failed();
        });
        self.shut_down();
        // The queue will not be written. If another thread writes, that one fails.
        self.outbox.try_with(&|_| true, |half| {
            half.write_failed();
            self.note(half);
        });
    }

    /// The same for a reason that the receiver is to report.
    pub(super) fn cut_off(&self, failure: Failure) {
        self.note_failure(failure);
        self.abort();
    }

    /// Passes on what the receiver has to say: into the queue, so that each ping is answered while there is
    /// room, or to the thread that writes now; the end always behind what was posted before. The receiver
    /// writes it before it waits.
    pub(super) fn reply(self: &Arc<Self>, replies: &mut Replies) {
        let is_end = replies.has_close() || replies.end;
        if is_end || self.try_hold(|half| half.reply(replies)).is_none() {
            self.post(replies);
        }
    }

    fn post(self: &Arc<Self>, replies: &mut Replies) {
        self.outbox.post(|posted| posted.merge(replies));
        self.write_posted();
    }

    /// Writes what was posted if it can be at once; else that is the waiter's.
    fn write_posted(self: &Arc<Self>) {
        match self.blocked.load(Ordering::Relaxed) {
            true => self.leave(true),
            false => _ = self.try_hold(|_| {}),
        }
    }

    /// Writes what can be written without waiting, looks at the deadlines, and brings `progress` up to date. A full
    /// socket is only tried if `tries`: that takes some milliseconds.
    pub(super) fn attempt(self: &Arc<Self>, progress: &mut Progress, tries: bool) -> Attempt {
        let attempt = self.try_hold(|half| {
            let turn = match tries || !half.is_blocked() {
                true => self.write_soon(half),
                false => Turn::Blocked,
            };
            let due = half.tick(Instant::now()).unwrap_or_else(|timed_out| {
                self.fail(half, Failure::TimedOut(timed_out));
                None
            });
            *progress = half.progress();
            (turn, due)
        });
        let Some((turn, due)) = attempt else {
            // While another thread writes, it is not at its end.
            *progress = Progress { flushed: false, ..*self.progress() };
            return Attempt { done: false, due: None, blocked: false };
        };
        self.leave(turn == Turn::GoesOn);
        // Others may have posted while this thread wrote: that may wait now.
        let done = progress.flushed && self.outbox.kind() == Kind::Nothing;
        Attempt { done, due, blocked: turn == Turn::Blocked }
    }

    /// Gives the memory of the queue back, if nothing is in it.
    pub(super) fn release(self: &Arc<Self>) {
        self.try_hold(|half| half.reclaim_queue(&mut Vec::new()));
        self.outbox.post(|posted| posted.messages.reclaim_queue(&mut Vec::new()));
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.failures().clone()
    }

    /// Ends both directions, also for threads that wait in them.
    pub(super) fn shut_down(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn note_failure(&self, failure: Failure) {
        self.failures().get_or_insert(failure);
    }

    /// Notes what those want to know who do not hold the writer.
    fn note(&self, half: &WriteHalf) {
        self.queued.store(half.queued(), Ordering::Relaxed);
        self.blocked.store(half.is_blocked(), Ordering::Relaxed);
        *self.progress() = half.progress();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
