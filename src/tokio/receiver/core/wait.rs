//! What a receiver does before it waits: it writes, reads, looks at the deadlines, and notes the end.

use std::task::{Context, Poll};
use std::time::Instant;

use ::tokio::task::coop;

use super::Core;
use crate::buffer::Buffer;
use crate::connection::Progress;
use crate::control::Replies;
use crate::end::{End, Failure};
use crate::timers::earlier;
use crate::tokio::link::Link;
use crate::tokio::timer::now;
use crate::tokio::transport::{self, Transport};
use crate::tokio::turn::Turn;

/// So many bytes of answers are written at once: more would not stay in the processor's cache until then.
const BATCH: usize = 64 * 1024;

/// The outcome of looking at the stream.
enum Outcome {
    /// Something has come, or gone.
    Done,
    /// Nothing is to be done before something comes, or this time, for which the timer is to be set.
    Wait(Option<Instant>),
}

impl Core {
    /// Writes what there is to write, looks at the deadlines, and reads, once; or notes the end. Ready if any of it
    /// came to something.
    pub(super) fn poll_wait<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let input = self.input(buffer);
        let Outcome::Wait(due) = link.turn(|turn| self.look(turn, input, cx)) else {
            return Poll::Ready(());
        };
        if let Some(due) = due {
            // Not while the state is locked: it has the task's waker.
            let mut timer = link.turn(|turn| std::mem::take(&mut turn.timer));
            let has_come = timer.has_come(due, cx);
            link.turn(|turn| turn.timer = timer);
            // A task that has used up its budget was not registered, and is woken at once.
            self.new_task = !coop::has_budget_remaining();
            if has_come {
                return Poll::Ready(());
            }
        }
        self.park(buffer);
        self.work.wait();
        Poll::Pending
    }

    fn look<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        input: &mut Buffer,
        cx: &mut Context<'_>,
    ) -> Outcome {
        turn.unpark();
        // More is to be read, and will be answered in the same write.
        if !self.full || turn.write.queued() >= BATCH || self.edges.has_ended() {
            turn.write_pending(cx);
        }
        // Input that came in time, perhaps while the user was busy, lies in the socket: it is read before the
        // deadlines are looked at, but not for ever.
        let is_tired = self.work.is_tired();
        if !is_tired && self.read_some(turn, input, cx) {
            return Outcome::Done;
        }
        self.work.deadlines_were_looked_at();
        // Now there is nothing more to be answered in the same write; and some streams read with the other waker.
        turn.write_pending(cx);
        let (due, progress) = match self.tick(turn, now(), cx) {
            Ok(ticked) => ticked,
            Err(end) => {
                self.end(turn, end);
                return Outcome::Done;
            }
        };
        if turn.stream.is_none() || self.read.is_finished(progress) {
            self.finish(turn);
            return Outcome::Done;
        }
        if is_tired {
            return Outcome::Done;
        }
        self.new_task |= turn.park(cx.waker());
        Outcome::Wait(due.filter(|due| self.new_task || !turn.timer.wakes_by(*due)))
    }

    /// Looks at the deadlines: the next of them, and how far the output has come.
    fn tick<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(Option<Instant>, Progress), End> {
        loop {
            let due = turn.tick(now).map_err(End::TimedOut)?;
            let mut replies = Replies::new();
            let progress = turn.write.progress();
            let read_due = self.read.tick(now, progress, &mut replies).map_err(End::TimedOut)?;
            if replies.is_empty() {
                return Ok((earlier(due, read_due), progress));
            }
            // A ping is due. What comes of writing it may move the deadlines.
            turn.reply(&mut replies);
            turn.write_pending(cx);
        }
    }

    /// Reads once, and notes the end of the stream. Whether there was anything.
    fn read_some<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        input: &mut Buffer,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(stream) = turn.stream.as_mut().filter(|_| !self.read.has_eof()) else {
            return false;
        };
        let read = transport::read(stream, input, cx);
        self.work.count_read(read.as_ref().map_or(0, |(n, _)| *n));
        match read {
            Ok((0, _)) => self.eof(turn, None),
            Ok((_, full)) => self.full = full,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.full = false;
                return false;
            }
            Err(error) => self.eof(turn, Some(error.into())),
        }
        true
    }

    /// The stream is over, for a reason that may be known: a write that failed before, or this read.
    fn eof<S: Transport>(&mut self, turn: &mut Turn<'_, S>, read: Option<Failure>) {
        self.full = false;
        let mut replies = Replies::new();
        let end = self.read.eof(&mut replies);
        turn.reply(&mut replies);
        if let Err(disconnected) = end {
            let reason = turn.failure.as_deref().cloned().or(read);
            self.end(turn, End::disconnected(disconnected, reason));
        }
    }

    /// Notes the first end.
    fn end<S: Transport>(&mut self, turn: &mut Turn<'_, S>, end: End) {
        let is_fatal = end.is_fatal();
        self.edges.set_end(end);
        if is_fatal && !self.finished {
            self.finish(turn);
        }
    }

    /// Closes the socket.
    fn finish<S: Transport>(&mut self, turn: &mut Turn<'_, S>) {
        self.finished = true;
        if !self.edges.has_ended() {
            // After a failed write, or by one of our own.
            self.eof(turn, None);
        }
        turn.close();
    }
}
