//! One poll of anybody who has to do with a connection, in which its state is locked: what is written, who is told, and
//! what has to wait until it is not locked any more.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use ::tokio::task::coop;

use super::alarm::{Alarm, Ticket};
use super::link::State;
use super::receiver::Inner;
use super::spare;
use super::timer::Timer;
use super::transport::{self, Transport};
use crate::close::CloseCode;
use crate::connection::WriteHalf;
use crate::control::Replies;
use crate::encoder::{Unsent, Written};
use crate::end::Failure;
use crate::error::{SendError, TimedOut};

/// Somebody who may have to wait for the peer.
pub(super) struct Waiter<'w> {
    pub(super) ticket: &'w mut Option<Ticket>,
    pub(super) waker: &'w Waker,
}

/// One poll, in which the state is locked.
pub(super) struct Turn<'s, S: Transport> {
    state: &'s mut State<S>,
    /// Most turns leave nothing to be done.
    after: &'s mut Option<After<S>>,
    /// Until it is over: if it is dropped before, the stream has panicked.
    under_way: bool,
}

/// Things to do when it is not locked any more, since they may run anybody's code.
pub(super) struct After<S: Transport> {
    receiver: Option<Waker>,
    alarm: Option<Arc<Alarm>>,
    closed: Option<S>,
    timer: Timer,
    /// The wakers of earlier tasks, which are only dropped.
    replaced: Vec<Waker>,
}

impl<S: Transport> After<S> {
    fn of(after: &mut Option<Self>) -> &mut Self {
        after.get_or_insert_with(|| Self {
            receiver: None,
            alarm: None,
            closed: None,
            timer: Timer::default(),
            replaced: Vec::new(),
        })
    }

    /// Keeps a waker until it may be dropped.
    fn keep(after: &mut Option<Self>, waker: Option<Waker>) {
        if let Some(waker) = waker {
            Self::of(after).replaced.push(waker);
        }
    }
}

impl<S: Transport> Drop for After<S> {
    fn drop(&mut self) {
        drop(self.closed.take());
        if let Some(alarm) = self.alarm.take() {
            alarm.ring();
        }
        if let Some(receiver) = self.receiver.take() {
            receiver.wake();
        }
    }
}

impl<S: Transport> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if self.under_way {
            self.fail(io::Error::other("the stream panicked").into());
        }
    }
}

impl<S: Transport> Deref for Turn<'_, S> {
    type Target = State<S>;

    fn deref(&self) -> &State<S> {
        self.state
    }
}

impl<S: Transport> DerefMut for Turn<'_, S> {
    fn deref_mut(&mut self) -> &mut State<S> {
        self.state
    }
}

impl<'s, S: Transport> Turn<'s, S> {
    pub(super) fn take<T>(
        state: &'s mut State<S>,
        after: &'s mut Option<After<S>>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let mut turn = Self { state, after, under_way: true };
        let result = work(&mut turn);
        turn.under_way = false;
        result
    }

    /// Writes what waits, and then `unsent`, as far as the stream takes it. If it takes no more, `waiter` is woken
    /// when it does.
    ///
    /// # Errors
    ///
    /// The stream has failed, now or before. The receiver is told.
    #[inline]
    pub(super) fn write(
        &mut self,
        unsent: &mut Unsent<'_>,
        waiter: Option<Waiter<'_>>,
    ) -> Result<Written, Failure> {
        let is_done = unsent.is_empty() && self.write.is_flushed();
        if is_done && !self.write.has_failed() {
            return Ok(Written::All);
        }
        self.write_rest(unsent, waiter)
    }

    fn write_rest(
        &mut self,
        unsent: &mut Unsent<'_>,
        waiter: Option<Waiter<'_>>,
    ) -> Result<Written, Failure> {
        let State { stream, write, alarm, failure, .. } = &mut *self.state;
        let Some(stream) = stream.as_mut().filter(|_| !write.has_failed()) else {
            return Err(failure.as_deref().cloned().unwrap_or(Failure::Aborted));
        };
        let before = write.queued() + unsent.len();
        let mut written = Ok(Written::Blocked);
        if !write.is_blocked() {
            let mut cx = Context::from_waker(Waker::noop());
            written = attempt(stream, write, unsent, &mut cx);
        }
        if let Ok(Written::Blocked) = written {
            let alarm = alarm.get_or_insert_default();
            if let Some(Waiter { ticket, waker }) = waiter {
                let old = alarm.wait(*ticket.get_or_insert_with(Ticket::new), waker);
                After::keep(self.after, old);
            }
            let waker = Waker::from(Arc::clone(alarm));
            written = attempt(stream, write, unsent, &mut Context::from_waker(&waker));
        }
        if matches!(written, Ok(Written::Blocked)) && !coop::has_budget_remaining() {
            // It was this task that could not go on: the stream may take more.
            write.forget_blocked();
        }
        match written {
            Ok(Written::All) => {
                spare::reclaim_queue(write);
                let alarm = alarm.take();
                self.ring(alarm);
            }
            // There may be room enough for somebody.
            Ok(Written::Blocked) if write.queued() + unsent.len() < before => {
                let alarm = alarm.clone();
                self.ring(alarm);
            }
            Ok(Written::Blocked) => {}
            Err(error) => return Err(self.fail(error.into())),
        }
        written.map_err(Failure::from)
    }

    /// Writes what waits, for the receiver, and then ends our side if that is over. A failure is noted, and seen at the
    /// end of what had arrived.
    #[inline(always)]
    pub(super) fn write_pending(&mut self, cx: &mut Context<'_>) {
        if !self.write.is_flushed() || self.write.wants_shutdown() {
            self.write_and_shut_down(cx);
        }
    }

    /// Also in a task that has no budget left: what was fed does not wait until it has some again.
    #[inline(never)]
    fn write_and_shut_down(&mut self, cx: &mut Context<'_>) {
        let writing = poll_fn(|cx| {
            self.write_for_receiver(cx);
            Poll::Ready(())
        });
        let _ = pin!(coop::unconstrained(writing)).poll(cx);
    }

    fn write_for_receiver(&mut self, cx: &mut Context<'_>) {
        let waiter = Waiter { ticket: &mut Some(Ticket::RECEIVER), waker: cx.waker() };
        let _ = self.write(&mut Unsent::nothing(), Some(waiter));
        if self.write.wants_shutdown() {
            let _ = self.poll_shut_down(cx);
        }
    }

    /// Queues the receiver's replies; they are written before it waits.
    pub(super) fn reply(&mut self, replies: &mut Replies) {
        if !replies.is_empty() {
            self.write.reply(replies);
            self.tell_if_closed();
        }
    }

    /// Starts the closing handshake, if it has not begun.
    ///
    /// # Errors
    ///
    /// The code is for clients.
    pub(super) fn start_close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.write.close(code, reason)?;
        self.tell_if_closed();
        // It has a clock to start.
        self.nudge();
        Ok(())
    }

    /// Nobody waits for room any more once nothing more is taken.
    fn tell_if_closed(&mut self) {
        if self.write.progress().closed && self.alarm.is_some() {
            self.ring(self.state.alarm.clone());
        }
    }

    /// Wakes everybody on the list. If another alarm was to ring, that has the whole list: this one was made since.
    fn ring(&mut self, alarm: Option<Arc<Alarm>>) {
        if alarm.is_some() {
            let after = After::of(self.after);
            after.alarm = after.alarm.take().or(alarm);
        }
    }

    /// Tells the receiver, if it waits, that there is something to write or to see.
    pub(super) fn nudge(&mut self) {
        if std::mem::take(&mut self.waits) {
            let receiver = self.receiver.take();
            After::of(self.after).receiver = receiver;
        }
    }

    /// The receiver waits, with this task. Whether it is another than before.
    pub(super) fn park(&mut self, waker: &Waker) -> bool {
        self.waits = true;
        match &self.receiver {
            Some(old) if old.will_wake(waker) => false,
            _ => {
                let old = self.receiver.replace(waker.clone());
                After::keep(self.after, old);
                true
            }
        }
    }

    /// The receiver does not wait any more.
    pub(super) fn unpark(&mut self) {
        self.waits = false;
    }

    /// Looks at the write timeout.
    ///
    /// # Errors
    ///
    /// It has passed: the socket is closed.
    pub(super) fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        self.write.tick(now).inspect_err(|timed_out| self.cut_off(Failure::TimedOut(*timed_out)))
    }

    /// Ends our side of the stream, when all is said. Whether that is done.
    pub(super) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.state.stream else {
            return Poll::Ready(());
        };
        // It may have ended by itself.
        if Pin::new(stream).poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        self.write.shut_down();
        Poll::Ready(())
    }

    /// The server does not wait for the receiver any more: that, if it was dropped.
    pub(super) fn let_go(&mut self) -> Option<Box<Inner<S>>> {
        self.awaited = false;
        self.dropped.take()
    }

    /// After a failed write half a frame may be out: nothing may follow. What had arrived is still received.
    fn fail(&mut self, failure: Failure) -> Failure {
        self.write.write_failed();
        let alarm = self.alarm.take();
        self.ring(alarm);
        self.nudge();
        (**self.failure.get_or_insert_with(|| Box::new(failure))).clone()
    }

    /// Closes the socket.
    pub(super) fn cut_off(&mut self, failure: Failure) {
        self.fail(failure);
        self.let_go_of_stream();
    }

    /// It is closed when the state is not locked any more.
    fn let_go_of_stream(&mut self) {
        let stream = self.stream.take();
        let after = After::of(self.after);
        after.closed = after.closed.take().or(stream);
    }

    /// The same when the receiver has come to its end, or is gone. If all was said, nothing has failed.
    pub(super) fn close(&mut self) {
        let progress = self.write.progress();
        match progress.closed && progress.flushed {
            true => self.let_go_of_stream(),
            false => self.cut_off(Failure::Aborted),
        }
        let after = After::of(self.after);
        after.replaced.extend(self.state.receiver.take());
        after.timer = std::mem::take(&mut self.state.timer);
    }
}

fn attempt<S: Transport>(
    stream: &mut S,
    write: &mut WriteHalf,
    unsent: &mut Unsent<'_>,
    cx: &mut Context<'_>,
) -> io::Result<Written> {
    // What the stream holds goes first: what it takes meanwhile says nothing of the peer.
    let flushed = match write.is_held() {
        true => write.flush_with(|| transport::flush(stream, cx))?,
        false => Written::All,
    };
    if flushed == Written::Blocked {
        return Ok(flushed);
    }
    let written = write.write_with(unsent, |slices| transport::write(stream, slices, cx))?;
    if written == Written::All {
        return write.flush_with(|| transport::flush(stream, cx));
    }
    Ok(written)
}
