//! One message compressed: behind what its connection has sent before, or alone.
//!
//! A compressor is of no connection. It is begun anew for each message, so that no byte of one connection is ever
//! referred to in the stream of another, unless the last message that went through it was of the same connection and
//! left the same [`Stamp`].

use std::num::NonZeroU64;

use super::LARGE;
use super::window::tail;
use super::zlib::Deflate;

/// The end of every compressed message, which is not sent (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The state of a compressor after a message; there are no two of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(super) NonZeroU64);

pub(crate) struct Deflater {
    zlib: Deflate,
    /// The state that this is in, if its last message was sent.
    stamp: Option<Stamp>,
    /// All of it is initialised, once.
    output: Vec<u8>,
}

/// A message to be compressed.
pub(crate) struct Task<'m> {
    pub(crate) payload: &'m [u8],
    /// What was sent before.
    pub(crate) history: &'m [u8],
    pub(crate) level: u8,
    /// The state in which the last message of the connection has left a compressor.
    pub(crate) stamp: Option<Stamp>,
    /// The most that the result may be long.
    pub(crate) max: usize,
}

impl Deflater {
    pub(super) fn new(bits: u8) -> Self {
        Self { zlib: Deflate::new(bits), stamp: None, output: Vec::new() }
    }

    pub(super) fn bits(&self) -> u8 {
        self.zlib.bits()
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// The compressed message; `None` if that would be longer than it may be. If it is sent, `stamp` says so.
    pub(crate) fn compress(&mut self, task: &Task<'_>) -> Option<&[u8]> {
        let stamp = self.stamp.take();
        if stamp.is_none() || stamp != task.stamp || self.zlib.level() != task.level {
            // To prime with more than helps would take longer than the message itself.
            let useful = task.payload.len().saturating_mul(2).max(1024);
            if !self.zlib.begin(task.level, tail(task.history, useful)) {
                return None;
            }
        }
        // One more than that, so that what is full does not fit.
        let room = task.max.saturating_add(TAIL.len() + 1);
        if self.output.len() < room {
            self.output.try_reserve_exact(room - self.output.len()).ok()?;
            self.output.resize(room, 0);
        }
        let output = self.output.get_mut(..room)?;
        let written = self.zlib.compress(task.payload, output)?;
        output.get(..written)?.strip_suffix(&TAIL)
    }

    /// The compressed message is sent.
    pub(crate) fn sent(&mut self, stamp: Option<Stamp>) {
        self.stamp = stamp;
    }

    /// Keeps no more memory than is used all the time.
    pub(super) fn rest(&mut self) {
        if self.output.len() > LARGE {
            self.output = Vec::new();
        }
    }
}
