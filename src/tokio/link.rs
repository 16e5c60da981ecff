//! The two halves of a connection over one stream: a lock that is held for one poll at a time, and who is woken.
//!
//! A send queues its message, whole, and tries once to write. The rest, which the stream does not take, is the
//! connection's: the receiver, which is woken for it, waits for room and watches the deadline, and so does
//! everybody else who waits for room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::alarm::{Alarm, Ticket};
use super::receiver::Inner;
use super::timer::Timer;
use super::transport::Transport;
use super::turn::Turn;
use crate::connection::WriteHalf;
use crate::end::Failure;

pub(super) struct Link<S: Transport> {
    state: Mutex<State<S>>,
}

pub(super) struct State<S: Transport> {
    /// Until the socket is closed.
    pub(super) stream: Option<S>,
    pub(super) write: WriteHalf,
    /// Made when the peer is slow, and gone when it has read all there was.
    pub(super) alarm: Option<Arc<Alarm>>,
    /// The task of the receiver.
    pub(super) receiver: Option<Waker>,
    /// Whether that waits, and has not been told to look yet.
    pub(super) waits: bool,
    /// The receiver's.
    pub(super) timer: Timer,
    /// Why nothing can be sent or received any more; in a box, since most never have one.
    pub(super) failure: Option<Box<Failure>>,
    /// Whether a server waits for the receiver to be dropped, and ends the connection then.
    pub(super) awaited: bool,
    /// The receiver that was dropped.
    pub(super) dropped: Option<Box<Inner<S>>>,
}

impl<S: Transport> Link<S> {
    pub(super) fn new(stream: S, write: WriteHalf) -> Self {
        let state = State {
            stream: Some(stream),
            write,
            alarm: None,
            receiver: None,
            waits: false,
            timer: Timer::default(),
            failure: None,
            awaited: false,
            dropped: None,
        };
        Self { state: Mutex::new(state) }
    }

    pub(super) fn turn<T>(&self, work: impl FnOnce(&mut Turn<'_, S>) -> T) -> T {
        // Dropped last, when the state is not locked any more, also after a panic.
        let mut after = None;
        Turn::take(&mut self.lock(), &mut after, work)
    }

    /// The same for work that leaves nothing to be done after it, and does not touch the stream. Nothing is done if the
    /// receiver waits, which would have to be told.
    #[inline]
    pub(super) fn short_turn<T>(
        &self,
        work: impl FnOnce(&mut WriteHalf) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        match state.waits {
            true => None,
            false => work(&mut state.write),
        }
    }

    /// Nobody waits under this ticket any more.
    pub(super) fn leave(&self, ticket: Ticket) {
        let alarm = self.lock().alarm.clone();
        if let Some(alarm) = alarm {
            alarm.leave(ticket);
        }
    }

    /// A stream that has panicked under the lock was seen to.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // TA-10: it lies in an `Arc`, for which the allocator takes 240 bytes, and would take 256 if it were larger
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_link_is_small() {
        let counts = 2 * size_of::<usize>();
        let deflate = if cfg!(feature = "deflate") { 8 } else { 0 };
        assert_eq!(size_of::<Link<::tokio::net::TcpStream>>() + counts, 224 + deflate);
    }
}
