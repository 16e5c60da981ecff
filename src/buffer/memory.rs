//! The memory of a [`Buffer`]: how much to read at a time, and where it goes.

use super::Buffer;

/// The size of the first read, and of a buffer that has shrunk in silence.
pub(super) const SMALL_READ: usize = 4 * 1024;
/// The size of a read once reads come back full.
pub(super) const LARGE_READ: usize = 64 * 1024;
/// From what length on frames are read one at a time.
pub(super) const LONG_FRAME: usize = 16 * 1024;
/// Adapters that lend one buffer, or one queue, to many connections keep no more memory than this in it.
#[cfg(any(feature = "mio", feature = "tokio"))]
pub(crate) const MAX_SPARE: usize = 256 * 1024;
/// The bytes read past the end of a long frame, so that it shows whether there is more: one byte, too
/// little to begin with the next.
const MORE: usize = 1;

impl Buffer {
    pub(super) fn live(&self) -> usize {
        (self.message_end - self.message) + (self.filled - self.unread)
    }

    /// How much to read. Long frames are read one at a time, even if it is not known yet whether
    /// there is one: what is unmasked right away is still in the cache, and the next one begins
    /// in front of the buffer and need not be moved to have room for its end.
    pub(super) fn aim(&self) -> usize {
        match (self.expect.wanted, self.stride) {
            (wanted, 0) => self.step.max(wanted),
            (0, stride) => stride.saturating_sub(self.filled - self.unread).saturating_add(MORE),
            (wanted, _) => wanted.saturating_add(MORE),
        }
    }

    pub(super) fn make_room(&mut self) {
        #[cfg(feature = "deflate")]
        self.drop_inflated();
        if self.is_empty() {
            self.rewind();
        } else if self.unread == self.filled {
            // The next bytes land right behind the message, and need not be moved.
            self.unread = self.message_end;
            self.filled = self.message_end;
        }
        // Reads have come back full, behind the beginning of a short frame.
        let may_grow = self.bytes.len() < self.step
            && self.step > SMALL_READ
            && self.stride == 0
            && self.live() <= self.step / 4;
        let needed = match (self.expect.wanted, self.filled) {
            (0, 0) => self.step.max(self.aim()),
            _ if may_grow => self.step,
            (0, _) if self.stride == 0 => self.step / 2,
            (0, _) => self.aim(),
            (wanted, _) => self.step.min(wanted.saturating_add(MORE)),
        };
        let room = self.bytes.len() - self.filled;
        // Bytes that have to move anyway move while they are few.
        let live_then = self.live().saturating_add(self.expect.wanted);
        let must_move = self.expect.wanted > room && live_then <= self.bytes.len();
        if room >= needed && !must_move {
            return;
        }
        self.compact();
        if self.bytes.len() - self.filled < needed {
            self.grow(needed);
        }
    }

    /// Starts over in front, and gives memory back that was not needed for long.
    fn rewind(&mut self) {
        // Asked twice, it says the same.
        if self.filled > 0 && self.bytes.len() > SMALL_READ {
            self.spare = match self.filled < self.bytes.len() / 4 {
                true => self.spare + 1,
                false => 0,
            };
            if self.spare == u8::MAX {
                self.step = SMALL_READ;
                self.spare = 0;
                self.stride = 0;
                self.bytes = Vec::new();
            }
        }
        self.message = 0;
        self.message_end = 0;
        self.unread = 0;
        self.filled = 0;
    }

    /// Moves the message, and behind it what is unread, to the front.
    pub(super) fn compact(&mut self) {
        let (message, unread) = (self.message..self.message_end, self.unread..self.filled);
        if message.start > 0 {
            self.bytes.copy_within(message.clone(), 0);
        }
        self.message = 0;
        self.message_end = message.len();
        if unread.start > self.message_end {
            self.bytes.copy_within(unread.clone(), self.message_end);
        }
        self.unread = self.message_end;
        self.filled = self.message_end + unread.len();
    }

    /// After [`compact`](Self::compact): room for what is needed, and as much again as has
    /// arrived, but then not past the end of the frame under way.
    fn grow(&mut self, needed: usize) {
        let again = match self.expect.wanted {
            0 => self.filled,
            wanted => self.filled.min(wanted.saturating_add(MORE)),
        };
        let len = self.filled + needed.max(again);
        let more = len - self.bytes.len();
        if self.bytes.try_reserve_exact(more).is_ok() {
            self.bytes.resize(len, 0);
        }
    }
}
