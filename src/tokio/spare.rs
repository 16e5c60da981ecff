//! Memory that is lent to whichever connection has something to do: one buffer and one queue per thread.
//!
//! So an idle connection has neither. They are lent for the time of one poll, and stay with a connection only
//! while something is in them.

use std::cell::Cell;

use crate::buffer::Buffer;
use crate::buffer::memory::MAX_SPARE;
use crate::connection::WriteHalf;

thread_local! {
    static BUFFER: Cell<Option<Box<Buffer>>> = const { Cell::new(None) };
    static QUEUE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer to read into: the thread's, with what was put aside for this connection.
pub(super) fn take_buffer(rest: Option<Box<Buffer>>) -> Box<Buffer> {
    // A thread that ends has none; nor has one that is polled inside another poll.
    let mut spare = BUFFER.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let Some(mut rest) = rest else {
        return spare;
    };
    let _ = spare.attach(&mut rest);
    if rest.is_empty() {
        return spare;
    }
    give_back(spare);
    rest
}

/// Gives the buffer back, but for what is unfinished in it.
pub(super) fn put_aside(mut buffer: Box<Buffer>) -> Option<Box<Buffer>> {
    let rest = (!buffer.is_empty()).then(|| Box::new(buffer.detach()));
    give_back(buffer);
    rest
}

fn give_back(mut buffer: Box<Buffer>) {
    buffer.clear();
    if buffer.capacity() <= MAX_SPARE {
        let _ = BUFFER.try_with(|spare| {
            // One that was polled inside another poll has brought its own.
            let other = spare.take().filter(|other| other.capacity() > buffer.capacity());
            spare.set(Some(other.unwrap_or(buffer)));
        });
    }
}

/// The buffer of an opening handshake: lent for the time of one poll, too.
pub(super) struct Input {
    buffer: Option<Box<Buffer>>,
    /// The buffer was put aside.
    parked: bool,
}

impl Input {
    /// With what was read before.
    pub(super) fn new(rest: Option<Buffer>) -> Self {
        Self { buffer: rest.map(Box::new), parked: true }
    }

    /// The buffer to read into, with what was put aside.
    pub(super) fn buffer(&mut self) -> &mut Buffer {
        if std::mem::take(&mut self.parked) {
            self.buffer = Some(take_buffer(self.buffer.take()));
        }
        self.buffer.get_or_insert_default()
    }

    /// Gives it back until it is needed again.
    pub(super) fn park(&mut self) {
        self.buffer = self.buffer.take().and_then(put_aside);
        self.parked = true;
    }

    /// What is left in it.
    pub(super) fn into_rest(mut self) -> Buffer {
        self.park();
        self.buffer.take().map_or_else(Buffer::new, |rest| *rest)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if !self.parked {
            self.park();
        }
    }
}

/// Lends the thread's queue to a connection that is about to send.
#[inline]
pub(super) fn lend_queue(write: &mut WriteHalf) {
    if write.lacks_queue() {
        take_queue(write);
    }
}

fn take_queue(write: &mut WriteHalf) {
    let _ = QUEUE.try_with(|spare| {
        let mut queue = spare.take();
        write.lend_queue(&mut queue);
        spare.set(queue);
    });
}

/// Takes it back, if nothing is in it.
pub(super) fn reclaim_queue(write: &mut WriteHalf) {
    let _ = QUEUE.try_with(|spare| {
        let mut queue = spare.take();
        write.reclaim_queue(&mut queue);
        if queue.capacity() <= MAX_SPARE {
            spare.set(queue);
        }
    });
}
