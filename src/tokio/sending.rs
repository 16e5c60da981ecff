//! The futures of a sender, and what one poll of each does.
//!
//! A message enters the queue, whole, in the poll that is ready; before that nothing of it is anywhere.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::alarm::Ticket;
use super::link::{Link, State};
use super::spare;
use super::timer::{Timer, now};
use super::transport::{self, Transport};
use super::turn::{Turn, Waiter};
use crate::connection::WriteHalf;
use crate::encoder::{Unsent, Written};
use crate::error::{Error, SendError};
use crate::message::Message;
use crate::prepared::Prepared;

/// Something to be sent.
#[derive(Clone, Copy)]
pub(super) enum Item<'m> {
    Message(Message<'m>),
    /// Not to be compressed.
    #[cfg(feature = "deflate")]
    Plain(Message<'m>),
    Prepared(&'m Prepared),
    Ping(&'m [u8]),
}

impl<'m> Item<'m> {
    fn len(&self) -> usize {
        match *self {
            Self::Message(message) => message.len(),
            #[cfg(feature = "deflate")]
            Self::Plain(message) => message.len(),
            Self::Prepared(prepared) => prepared.len(),
            Self::Ping(payload) => payload.len(),
        }
    }

    /// Takes it, whatever waits: into the queue, or to be written from where it lies.
    fn begin(&self, write: &mut WriteHalf) -> Result<Unsent<'m>, SendError> {
        match *self {
            Self::Message(message) => write.begin(message),
            #[cfg(feature = "deflate")]
            Self::Plain(message) => write.begin_plain(message),
            Self::Prepared(prepared) => write.begin_prepared(prepared),
            Self::Ping(payload) => write.begin_ping(payload),
        }
    }

    /// Takes it into the queue, if it fits.
    #[inline]
    fn queue(&self, write: &mut WriteHalf) -> Result<(), SendError> {
        match *self {
            Self::Message(message) => write.send(message),
            #[cfg(feature = "deflate")]
            Self::Plain(message) => write.send_plain(message),
            Self::Prepared(prepared) => write.send_prepared(prepared),
            Self::Ping(payload) => write.ping(payload),
        }
    }

    /// Takes it into the queue, to be written later, if there is room, and it is not to be written from where it lies.
    #[inline]
    fn feed(&self, write: &mut WriteHalf) -> Option<()> {
        write.check_open().ok()?;
        if write.is_congested() || self.len() > FED {
            return None;
        }
        spare::lend_queue(write);
        self.queue(write).ok()
    }

    /// Takes it if it fits, and writes what can be written of it from where it lies.
    fn send_to(&self, write: &mut WriteHalf, writer: &mut impl Write) -> Result<(), SendError> {
        match *self {
            Self::Message(message) if message.len() > SHORT => write.send_to(writer, message),
            Self::Prepared(prepared) => write.send_prepared_to(writer, prepared),
            _ => self.queue(write),
        }
    }
}

/// Messages up to this size are copied into the queue, and written with what else is there.
const SHORT: usize = 8 * 1024;

/// The same for those that need not go at once: a write for each costs more than the copy.
const FED: usize = 32 * 1024;

/// Writes what the stream takes at once.
struct AtOnce<'s, S>(Option<&'s mut S>);

impl<S: Transport> Write for AtOnce<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.0 {
            Some(stream) => {
                transport::write(*stream, slices, &mut Context::from_waker(Waker::noop()))
            }
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The state of a future that waits for the peer to read.
pub(super) struct Waiting<L: Deref<Target = Link<S>>, S: Transport> {
    link: L,
    ticket: Option<Ticket>,
    timer: Timer,
}

impl<L: Deref<Target = Link<S>>, S: Transport> Waiting<L, S> {
    pub(super) fn new(link: L) -> Self {
        Self { link, ticket: None, timer: Timer::default() }
    }

    #[cfg(feature = "futures")]
    pub(super) fn link(&self) -> &Link<S> {
        &self.link
    }

    /// Polls `work` until it is ready, or the peer has to read on, for which there is a deadline.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Turn<'_, S>, Waiter<'_>) -> Poll<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        loop {
            let Self { link, ticket, timer } = self;
            let polled = link.turn(|turn| {
                let polled = work(turn, Waiter { ticket, waker: cx.waker() });
                if polled.is_ready() {
                    return Ok(polled);
                }
                match turn.tick(now()) {
                    Ok(due) => Err(due),
                    Err(timed_out) => Ok(Poll::Ready(Err(timed_out.into()))),
                }
            });
            match polled {
                Ok(polled) => return polled,
                Err(due) if due.is_some_and(|due| timer.has_come(due, cx)) => {}
                Err(_) => return Poll::Pending,
            }
        }
    }
}

impl<L: Deref<Target = Link<S>>, S: Transport> Drop for Waiting<L, S> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.link.leave(ticket);
        }
    }
}

impl<S: Transport> Turn<'_, S> {
    /// Ready when there is room for a message.
    pub(super) fn poll_room(&mut self, waiter: Waiter<'_>) -> Poll<Result<(), Error>> {
        self.write.check_open()?;
        if self.write.is_congested() {
            self.write(&mut Unsent::nothing(), Some(waiter))?;
            if self.write.is_congested() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when all is written and flushed.
    pub(super) fn poll_flush(&mut self, waiter: Waiter<'_>) -> Poll<Result<(), Error>> {
        if self.write.has_failed() {
            return Poll::Ready(Err(SendError::Closed.into())); // what was queued is lost
        }
        match self.write(&mut Unsent::nothing(), Some(waiter))? {
            Written::All => Poll::Ready(Ok(())),
            Written::Blocked => Poll::Pending,
        }
    }

    /// Takes a message, and writes it, at once or before the receiver waits.
    pub(super) fn send(&mut self, item: &Item<'_>, at_once: bool) -> Result<(), Error> {
        if !at_once && item.feed(&mut self.write).is_some() {
            self.nudge();
            return Ok(());
        }
        spare::lend_queue(&mut self.write);
        let begun = item.begin(&mut self.write);
        let mut unsent = begun.inspect_err(|_| spare::reclaim_queue(&mut self.write))?;
        // What had to be copied, masked or compressed, can wait as well, and what little of it had not.
        if !at_once && unsent.len() <= FED {
            self.write.queue_rest(unsent);
            self.nudge();
            return Ok(());
        }
        let written = self.write(&mut unsent, None)?;
        if written == Written::Blocked {
            self.write.queue_rest(unsent);
            self.nudge();
        }
        Ok(())
    }

    pub(super) fn try_send(&mut self, item: &Item<'_>) -> Result<(), SendError> {
        spare::lend_queue(&mut self.write);
        let mut queued = self.queue(item);
        if queued == Err(SendError::QueueFull) {
            // The peer may have read on.
            let _ = self.write(&mut Unsent::nothing(), None);
            queued = self.queue(item);
        }
        // A failure is the receiver's to report.
        match self.write(&mut Unsent::nothing(), None) {
            Ok(Written::Blocked) => self.nudge(),
            _ => spare::reclaim_queue(&mut self.write),
        }
        queued
    }

    fn queue(&mut self, item: &Item<'_>) -> Result<(), SendError> {
        let State { stream, write, .. } = &mut **self;
        // A full stream has somebody's waker, which must not be lost.
        let stream = stream.as_mut().filter(|_| !write.is_blocked());
        item.send_to(write, &mut AtOnce(stream))?;
        // It may hold what it took.
        write.set_unflushed();
        Ok(())
    }
}

/// The future of [`Sender::send`](super::Sender::send) and its like, which say what it does.
#[must_use = "futures do nothing unless they are polled"]
pub struct Sending<'s, 'm, S: Transport> {
    phase: Phase<'s, S>,
    /// Until it is sent.
    item: Option<Item<'m>>,
    at_once: bool,
}

/// Most are ready before they have to wait, and then there is nothing to be dropped.
enum Phase<'s, S: Transport> {
    New(&'s Link<S>),
    Waiting(Waiting<&'s Link<S>, S>),
}

impl<'s, 'm, S: Transport> Sending<'s, 'm, S> {
    pub(super) fn new(link: &'s Link<S>, item: Item<'m>, at_once: bool) -> Self {
        Self { phase: Phase::New(link), item: Some(item), at_once }
    }
}

impl<S: Transport> Future for Sending<'_, '_, S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { phase, item, at_once } = &mut *self;
        match phase {
            Phase::New(link) => {
                let link = *link;
                // The fast path.
                if !*at_once
                    && item.is_some_and(|item| link.short_turn(|write| item.feed(write)).is_some())
                {
                    *item = None;
                    return Poll::Ready(Ok(()));
                }
                *phase = Phase::Waiting(Waiting::new(link));
                self.poll(cx)
            }
            Phase::Waiting(waiting) => waiting.poll(cx, |turn, waiter| {
                ready!(turn.poll_room(waiter))?;
                // Ready before, it sends nothing again.
                Poll::Ready(item.take().map_or(Ok(()), |item| turn.send(&item, *at_once)))
            }),
        }
    }
}

/// The future of [`Sender::flush`](super::Sender::flush).
#[must_use = "futures do nothing unless they are polled"]
pub struct Flushing<'s, S: Transport> {
    waiting: Waiting<&'s Link<S>, S>,
}

impl<'s, S: Transport> Flushing<'s, S> {
    pub(super) fn new(link: &'s Link<S>) -> Self {
        Self { waiting: Waiting::new(link) }
    }
}

impl<S: Transport> Future for Flushing<'_, S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiting.poll(cx, |turn, waiter| turn.poll_flush(waiter))
    }
}

/// The future of [`Sender::ready`](super::Sender::ready).
#[must_use = "futures do nothing unless they are polled"]
pub struct Room<'s, S: Transport> {
    waiting: Waiting<&'s Link<S>, S>,
}

impl<'s, S: Transport> Room<'s, S> {
    pub(super) fn new(link: &'s Link<S>) -> Self {
        Self { waiting: Waiting::new(link) }
    }
}

impl<S: Transport> Future for Room<'_, S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiting.poll(cx, |turn, waiter| turn.poll_room(waiter))
    }
}

macro_rules! debug {
    ($($future:ident<$($lifetime:lifetime),*>),*) => {
        $(impl<S: Transport> fmt::Debug for $future<$($lifetime,)* S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        })*
    };
}

debug!(Sending<'_, '_>, Flushing<'_>, Room<'_>);

#[cfg(test)]
mod tests {
    use super::*;

    // TA-10: a task that feeds has a place for this also while it is idle
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_future_that_sends_is_small() {
        assert_eq!(size_of::<Sending<'_, '_, ::tokio::net::TcpStream>>(), 64);
    }
}
