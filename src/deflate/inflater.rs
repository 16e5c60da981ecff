//! One compressed message decompressed, in steps that are bounded, whatever is in it.

use std::sync::Arc;

use super::pool::Pool;
use super::window::tail;
use super::zlib::Inflate;
use super::{LARGE, LARGEST_WINDOW};
use crate::utf8;

/// Bytes of a message that are made in one step; then the limit and the text are looked at.
const STEP: usize = 64 * 1024;

/// Final blocks that one message may have.
const MAX_FINAL_BLOCKS: u8 = 64;

/// The end of a block that is cut off of every message (RFC 7692 §7.2.2), and behind it a block that is empty and the
/// last: if that is not the end of the stream, the message was not whole.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// The length of the second of them.
const BEHIND: usize = 5;

/// The fault of a compressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no DEFLATE, not whole, or refers to bytes before its window.
    Corrupt,
    /// It is longer than the limit: so long at least.
    TooBig(usize),
    /// It is no text.
    Text,
    TooManyFinalBlocks,
}

/// A compressed message.
pub(crate) struct Task<'m> {
    pub(crate) compressed: &'m [u8],
    /// The end of what was received before.
    pub(crate) window: &'m [u8],
    /// The largest message, in bytes.
    pub(crate) max: usize,
    pub(crate) is_text: bool,
}

pub(crate) struct Inflater {
    zlib: Inflate,
    /// All of it is initialised, once.
    output: Vec<u8>,
    /// How much of it is the message.
    len: usize,
    /// Where it goes back to, while it is lent.
    pub(super) home: Option<Arc<Pool>>,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { zlib: Inflate::new(), output: Vec::new(), len: 0, home: None }
    }

    /// The message that was decompressed last.
    pub(crate) fn message(&self) -> &[u8] {
        self.output.get(..self.len).unwrap_or_default()
    }

    /// Decompresses a message. Text that took more than one step is found wrong at its step; the last one is for
    /// the caller to check.
    pub(crate) fn inflate(&mut self, task: &Task<'_>) -> Result<(), Fault> {
        self.len = 0;
        // Firefox was seen to send that.
        if task.compressed.is_empty() {
            return Ok(());
        }
        if !self.zlib.begin([task.window, &[]]) {
            return Err(Fault::Corrupt);
        }
        let first = task.compressed.len().saturating_mul(4).clamp(4 * 1024, STEP);
        let (mut input, mut at_end) = (task.compressed, false);
        let (mut text, mut final_blocks) = (0, 0);
        loop {
            let end = self.make_room(first, task.max)?;
            let room = self.output.get_mut(self.len..end).unwrap_or_default();
            let step = self.zlib.step(input, room).ok_or(Fault::Corrupt)?;
            let is_full = step.written == room.len();
            input = input.get(step.read..).unwrap_or_default();
            self.len += step.written;
            if self.len > task.max {
                return Err(Fault::TooBig(self.len));
            }
            match step.ended {
                true if input.is_empty() => return Ok(()),
                // The block that is cut off was the last itself.
                true if at_end && input.len() == BEHIND => return Ok(()),
                true if at_end => return Err(Fault::Corrupt),
                true => {
                    final_blocks += 1;
                    if final_blocks > MAX_FINAL_BLOCKS {
                        return Err(Fault::TooManyFinalBlocks);
                    }
                    self.go_on(task.window)?;
                }
                false if is_full => {}
                false if !input.is_empty() || at_end => return Err(Fault::Corrupt),
                false => (input, at_end) = (&END, true),
            }
            if is_full && task.is_text {
                let unchecked = self.message().get(text..).unwrap_or_default();
                text += utf8::prefix(unchecked).ok_or(Fault::Text)?;
            }
        }
    }

    /// Begins behind a final block, which does not affect the window (RFC 7692 §7.2.3.4).
    fn go_on(&mut self, window: &[u8]) -> Result<(), Fault> {
        let message = tail(self.output.get(..self.len).unwrap_or_default(), LARGEST_WINDOW);
        let before = tail(window, LARGEST_WINDOW - message.len());
        if self.zlib.begin([before, message]) { Ok(()) } else { Err(Fault::Corrupt) }
    }

    /// Makes room for the next step, and says where it ends. The memory grows with the message, to at most one byte
    /// more than that may have.
    fn make_room(&mut self, first: usize, max: usize) -> Result<usize, Fault> {
        let most = max.saturating_add(1);
        if self.len == self.output.len() {
            let more = if self.len == 0 { first } else { self.len.max(STEP) };
            let wanted = self.len.saturating_add(more).min(most);
            if self.output.try_reserve_exact(wanted - self.len).is_err() {
                return Err(Fault::TooBig(self.len));
            }
            self.output.resize(wanted, 0);
        }
        Ok(self.output.len().min(most).min(self.len.saturating_add(STEP)))
    }

    /// Forgets the message, and keeps no more memory than is used all the time.
    pub(super) fn rest(&mut self) {
        self.len = 0;
        if self.output.len() > LARGE {
            self.output = Vec::new();
        }
    }
}
