//! The bytes that wait, in order: what is next, where frames begin, and the memory they lie in.

use super::Encoder;

/// So much output waits at most before more input should be read.
const CONGESTED: usize = 256 * 1024;

/// An empty queue gives back more memory than this, if most of it is not needed for a while.
const LARGE_QUEUE: usize = 64 * 1024;

impl Encoder {
    /// Whether our Close frame is on the wire, or will never be.
    pub(crate) fn is_close_written(&self) -> bool {
        self.closed && self.sent >= self.close_end
    }

    /// Whether so much waits that it should be written before more is read: 256 KiB, or a quarter of what
    /// may wait.
    pub(crate) fn is_congested(&self) -> bool {
        self.queued() > (self.max_queue / 4).min(CONGESTED)
    }

    /// Drops what waits: it cannot be written any more.
    pub(crate) fn discard(&mut self) {
        self.end();
        self.urgent = None;
        self.queue = Vec::new();
        self.rewind();
    }

    /// Bytes to write next. Not necessarily all there are.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        let range = match &self.urgent {
            None => self.sent..self.queue.len(),
            Some(urgent) if urgent.frame.is_empty() => self.sent..self.boundary,
            Some(urgent) => return urgent.frame.get(urgent.sent..).unwrap_or_default(),
        };
        self.queue.get(range).unwrap_or_default()
    }

    /// Whether any bytes are pending.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        match &self.urgent {
            None => self.sent < self.queue.len(),
            Some(_) => !self.pending().is_empty(),
        }
    }

    /// The first `n` bytes of [`pending`](Self::pending) were written.
    #[inline]
    pub(crate) fn sent(&mut self, n: usize) {
        match &mut self.urgent {
            Some(urgent) if !urgent.frame.is_empty() => {
                urgent.sent = urgent.sent.saturating_add(n);
                if urgent.sent >= urgent.frame.len() {
                    urgent.frame.clear();
                    urgent.sent = 0;
                }
            }
            _ => self.sent = self.queue.len().min(self.sent.saturating_add(n)),
        }
        if self.urgent.is_some() {
            self.promote();
        }
        if self.sent == self.queue.len() {
            self.rewind();
        }
    }

    /// How many bytes wait, those that overtake included.
    pub(crate) fn queued(&self) -> usize {
        let urgent = self.urgent.as_ref().map_or(0, |urgent| self.waiting(urgent));
        self.queue.len() - self.sent + urgent
    }

    /// Whether a payload of `len` bytes fits into the queue, where the writer holds so many bytes that it took from it.
    #[inline]
    pub(super) fn fits_behind(&self, held: usize, len: usize) -> bool {
        match held.saturating_add(self.queue.len() - self.sent) {
            // So that a message as large as the limit can be sent at all.
            0 => len <= self.max_queue,
            // 14 bytes of header at most.
            waiting => len.saturating_add(waiting) <= self.max_queue.saturating_sub(14),
        }
    }

    /// Takes all that waits in `other`, which are whole frames, whatever the limit; unless nothing may follow.
    pub(crate) fn take_from(&mut self, other: &mut Self) {
        #[cfg(feature = "deflate")]
        if !self.closed {
            self.take_sent_from(other);
        }
        match (self.closed, self.queue.is_empty()) {
            (true, _) => {}
            (false, true) => std::mem::swap(&mut self.queue, &mut other.queue),
            (false, false) => {
                self.make_room(other.queue.len());
                self.queue.extend_from_slice(&other.queue);
            }
        }
        other.rewind();
    }

    /// Whether there is no memory for the queue yet.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// Takes the memory of `spare`, if it has none of its own.
    pub(crate) fn lend(&mut self, spare: &mut Vec<u8>) {
        if self.lacks_memory() {
            spare.clear();
            std::mem::swap(&mut self.queue, spare);
        }
    }

    /// Gives the memory of the queue to `spare`, if nothing is in it; the larger of the two stays.
    pub(crate) fn reclaim(&mut self, spare: &mut Vec<u8>) {
        if self.queue.is_empty() {
            if self.queue.capacity() > spare.capacity() {
                std::mem::swap(&mut self.queue, spare);
            }
            self.queue = Vec::new();
        }
    }

    /// Gives memory back, if nothing is in it.
    pub(crate) fn release(&mut self) {
        #[cfg(feature = "deflate")]
        self.forget_sent();
        self.reclaim(&mut Vec::new());
    }

    #[inline(always)]
    pub(super) fn append_both<const N: usize>(&mut self, header: [u8; N], payload: &[u8]) {
        self.make_room(N + payload.len());
        self.queue.extend_from_slice(&header);
        self.queue.extend_from_slice(payload);
    }

    /// Moves what waits to the front rather than grow.
    #[inline]
    pub(super) fn make_room(&mut self, len: usize) {
        if self.sent > 0 && self.queue.capacity() - self.queue.len() < len {
            // Found while the frame that is being written still has its header.
            self.boundary = self.find_boundary() - self.sent;
            self.note_pong_end(self.pong_end().saturating_sub(self.sent));
            self.close_end = self.close_end.saturating_sub(self.sent);
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
    }

    pub(super) fn rewind(&mut self) {
        if self.queue.capacity() > LARGE_QUEUE {
            self.spare = match self.queue.len() < self.queue.capacity() / 4 {
                true => self.spare + 1,
                false => 0,
            };
            if self.spare == u8::MAX {
                self.spare = 0;
                self.queue = Vec::new();
            }
        }
        self.queue.clear();
        self.sent = 0;
        self.boundary = 0;
        self.pong_end = 0;
        self.close_end = 0;
    }
}

/// When memory moves and when it is given back: what nobody can see from outside.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Role};
    use crate::frame::Opcode;

    /// An encoder with this much memory, of which `sent` bytes are written and three wait.
    fn encoder(capacity: usize, sent: usize) -> Encoder {
        let mut encoder = Encoder::new(Role::Server, &Config::default(), &[], None);
        encoder.queue = Vec::with_capacity(capacity);
        assert_eq!(encoder.queue.capacity(), capacity);
        encoder.queue.resize(sent + 3, 7);
        (encoder.sent, encoder.boundary) = (sent, sent);
        encoder
    }

    // RE-01: what waits stays where it is as long as there is room behind it, and then it moves
    #[test]
    fn the_queue_moves_before_it_grows() {
        for (capacity, len, header) in [(100, 10, 2), (1000, 300, 4), (100_000, 70_000, 10)] {
            let sent = capacity - header - len - 3;
            for (sent, moves) in [(sent, false), (sent + 1, true)] {
                let mut encoder = encoder(capacity, sent);
                let before = encoder.pending().as_ptr();
                encoder.push(Opcode::Binary, &vec![2; len]);
                assert_eq!(encoder.pending().as_ptr() != before, moves);
                assert_eq!(encoder.pending().len(), 3 + header + len);
                assert_eq!(encoder.queue.capacity(), capacity);
            }
        }
    }

    // RE-01: frames behind others, and where they begin, so that a pong finds its place
    #[test]
    fn frames_of_another_queue_come_last() {
        let frames = |byte| {
            let mut encoder = Encoder::new(Role::Server, &Config::default(), &[], None);
            encoder.push(Opcode::Binary, &[byte; 2000]);
            encoder
        };
        let (mut encoder, mut first, mut second) =
            (Encoder::new(Role::Server, &Config::default(), &[], None), frames(1), frames(2));
        encoder.take_from(&mut first);
        encoder.sent(10);
        encoder.take_from(&mut second);
        assert!(first.pending().is_empty() && second.pending().is_empty());
        assert_eq!(encoder.queued(), 2 * 2004 - 10);
        encoder.pong(b"");
        assert_eq!(encoder.pending().len(), 1994, "up to the boundary");
        encoder.sent(1994);
        assert_eq!(encoder.pending(), b"\x8a\x00");
        encoder.sent(2);
        assert_eq!(encoder.pending().get(..5), Some(&b"\x82\x7e\x07\xd0\x02"[..]));
        encoder.discard();
        encoder.take_from(&mut frames(3));
        assert!(encoder.pending().is_empty(), "nothing follows");
    }

    // RE-01
    #[test]
    fn memory_is_given_back_after_it_was_not_needed_255_times() {
        let rewind = |capacity, len, times| {
            let mut encoder = Encoder::new(Role::Server, &Config::default(), &[], None);
            encoder.queue = Vec::with_capacity(capacity);
            for _ in 0..times {
                encoder.push(Opcode::Binary, &vec![7; len - 4]);
                encoder.sent(len);
            }
            encoder.queue.capacity() == capacity
        };
        assert!(rewind(LARGE_QUEUE, 1000, 1000), "it is not large");
        let capacity = LARGE_QUEUE + 4;
        assert!(rewind(capacity, capacity / 4, 1000), "it is needed");
        assert!(rewind(capacity, capacity / 4 - 1, 254));
        assert!(!rewind(capacity, capacity / 4 - 1, 255));
    }
}
