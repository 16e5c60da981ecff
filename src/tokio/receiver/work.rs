//! How much a receiver has done, so that the deadlines, and other tasks, have their turn however much a peer sends.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use ::tokio::task::{coop, yield_now};

/// So many frames are one unit of the task's budget (`tokio::task::coop`), as a read is one.
const FRAMES: u16 = 32;

/// So many bytes of a read, or of what was compressed, are one unit more, which tokio does not count.
const BYTES: usize = 16 * 1024;

/// So many units are all, also in a task that is `unconstrained`, for which tokio counts none.
const UNITS: u8 = 128;

/// So many reads in a row that bring something, before the deadlines are looked at.
const READS: u8 = 32;

#[derive(Default)]
pub(super) struct Work {
    /// Those that were not counted as units yet.
    frames: u16,
    /// Since others had their turn.
    units: u8,
    /// Since the deadlines were looked at.
    reads: u8,
}

impl Work {
    #[inline]
    pub(super) fn count_frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    /// A read that has brought so many bytes. If there was nothing, others have their turn anyway.
    pub(super) fn count_read(&mut self, bytes: usize) {
        self.reads = self.reads.saturating_add(1);
        self.count_units(1 + bytes / BYTES);
    }

    /// What a compressed message has become. Each is one at least, however short.
    #[cfg(feature = "deflate")]
    pub(super) fn count_inflated(&mut self, bytes: usize) {
        self.count_units(bytes.div_ceil(BYTES).max(1));
    }

    fn count_units(&mut self, units: usize) {
        let units = u8::try_from(units).unwrap_or(UNITS);
        self.units = self.units.saturating_add(units);
    }

    /// Whether the deadlines are to be looked at before more is read.
    pub(super) fn is_tired(&self) -> bool {
        self.reads >= READS
    }

    pub(super) fn deadlines_were_looked_at(&mut self) {
        self.reads = 0;
    }

    /// The task waits: others have their turn.
    pub(super) fn wait(&mut self) {
        (self.frames, self.units) = (0, 0);
    }

    /// Ready unless others are to have their turn first; then the task is woken behind them.
    #[inline]
    pub(super) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.is_enough() {
            true => self.poll_units(cx),
            false => Poll::Ready(()),
        }
    }

    /// Whether it has to be asked if others are to have their turn.
    #[inline]
    pub(super) fn is_enough(&self) -> bool {
        self.frames >= FRAMES || self.units >= UNITS
    }

    fn poll_units(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.units < UNITS {
            if self.frames < FRAMES {
                return Poll::Ready(());
            }
            let Poll::Ready(unit) = coop::poll_proceed(cx) else {
                self.units = 0;
                return Poll::Pending;
            };
            unit.made_progress();
            self.frames -= FRAMES;
            self.units += 1;
        }
        self.units = 0;
        // Not by the waker: the driver has to have its turn as well.
        pin!(yield_now()).poll(cx)
    }
}
