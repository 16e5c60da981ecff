//! The other direction: commands in, frames made, bytes out.
//!
//! Bytes wait in one queue, in order. Pongs and keepalive pings may overtake it at a frame
//! boundary: while little waits they simply join the queue; behind more than that there is one
//! slot, and a newer pong replaces an older one (RFC 6455 §5.5.3), so that a flood of pings from a
//! peer that never reads costs nothing. After a Close frame nothing but a pong is taken.

mod through;
mod urgent;

use crate::close::CloseCode;
use crate::config::{Config, Role};
use crate::error::SendError;
use crate::frame::{Header, HeaderBytes, MAX_CONTROL, Opcode};
use crate::mask;
use crate::message::{Close, Event};
use crate::prepared::Prepared;
use urgent::Urgent;

/// An empty queue gives back more memory than this, if most of it is not needed for a while.
const LARGE_QUEUE: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Encoder {
    role: Role,
    /// A Close frame was queued, or there is no point in one any more.
    closed: bool,
    max_queue: usize,
    queue: Vec<u8>,
    /// How much of the queue has been written.
    sent: usize,
    /// Where in the queue a frame begins, at or before `sent` or next after it.
    boundary: usize,
    /// Times in a row that most of the memory was not needed.
    spare: u8,
    urgent: Option<Box<Urgent>>,
}

impl Encoder {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            closed: false,
            max_queue: config.max_queue,
            queue: Vec::new(),
            sent: 0,
            boundary: 0,
            spare: 0,
            urgent: None,
        }
    }

    /// Not a [`Message`]: these arguments travel in registers.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.admit(payload.len())?;
        self.append(opcode, payload);
        Ok(())
    }

    pub(crate) fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.admit(prepared.payload().len())?;
        self.push_prepared(prepared);
        Ok(())
    }

    /// Queues a prepared frame, whatever the limit.
    pub(crate) fn push_prepared(&mut self, prepared: &Prepared) {
        match self.role {
            Role::Server => {
                self.make_room(prepared.frame().len());
                self.queue.extend_from_slice(prepared.frame());
            }
            #[cfg(feature = "client")]
            Role::Client => self.push(prepared.opcode(), prepared.payload()),
        }
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::TooLong);
        }
        self.admit(payload.len())?;
        self.push(Opcode::Ping, payload);
        Ok(())
    }

    /// Queues a Close frame, for which there is always room. A second one is not sent.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        Self::check_close(self.role, code, reason)?;
        self.push_close(Some(code), reason);
        Ok(())
    }

    /// Whether this may stand in our Close frame.
    pub(crate) fn check_close(role: Role, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if reason.len() > MAX_CONTROL - 2 {
            return Err(SendError::TooLong);
        }
        if role == Role::Server && code == CloseCode::MANDATORY_EXTENSION {
            return Err(SendError::ClientOnlyCode);
        }
        Ok(())
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The one link between the directions: what RFC 6455 has us answer to an event.
    #[inline]
    pub(crate) fn respond(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(_) | Event::Pong(_) => {}
            Event::Ping(payload) => self.pong(payload),
            Event::Close(Close { code, reason, .. }) => self.echo(*code, reason),
        }
    }

    /// Answers a Close with the same, unless one was sent before (§5.5.1).
    pub(crate) fn echo(&mut self, code: Option<CloseCode>, reason: &str) {
        self.push_close(code, reason);
    }

    /// Queues the Close frame that a fault of the peer's calls for.
    pub(crate) fn fail(&mut self, code: CloseCode) {
        self.push_close(Some(code), "");
    }

    /// Takes nothing more: the connection has ended.
    pub(crate) fn end(&mut self) {
        self.closed = true;
    }

    /// Whether a Close frame was queued or sent, or cannot be any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
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

    /// The first `n` bytes of [`pending`](Self::pending) were written.
    #[inline]
    pub(crate) fn sent(&mut self, n: usize) {
        match &mut self.urgent {
            Some(urgent) if !urgent.frame.is_empty() => {
                urgent.sent += n;
                if urgent.sent >= urgent.frame.len() {
                    urgent.frame.clear();
                    urgent.sent = 0;
                }
            }
            _ => self.sent = self.queue.len().min(self.sent + n),
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

    /// Whether messages may still be sent.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), SendError> {
        if self.closed { Err(SendError::Closed) } else { Ok(()) }
    }

    /// Whether a payload of `len` bytes fits into the queue.
    #[inline]
    pub(crate) fn fits(&self, len: usize) -> bool {
        match self.queue.len() - self.sent {
            // So that a message as large as the limit can be sent at all.
            0 => len <= self.max_queue,
            // 14 bytes of header at most.
            waiting => len.saturating_add(waiting) <= self.max_queue.saturating_sub(14),
        }
    }

    /// Whether payloads have to be masked, and so copied.
    pub(crate) fn masks(&self) -> bool {
        self.role != Role::Server
    }

    /// The header to write in front of a message that does not go through the queue. Only
    /// servers can do without: clients have to mask a copy.
    pub(crate) fn bare_header(&self, opcode: Opcode, len: usize) -> Option<HeaderBytes> {
        let (header, key) = self.header(opcode, len);
        key.is_none().then_some(header)
    }

    #[inline]
    fn admit(&self, len: usize) -> Result<(), SendError> {
        self.check_open()?;
        if self.fits(len) { Ok(()) } else { Err(SendError::QueueFull) }
    }

    /// Takes the memory of `spare`, if it has none of its own.
    pub(crate) fn lend(&mut self, spare: &mut Vec<u8>) {
        if self.queue.capacity() == 0 {
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
        self.reclaim(&mut Vec::new());
    }

    fn push_close(&mut self, code: Option<CloseCode>, reason: &str) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        match code {
            None => self.push(Opcode::Close, &[]),
            Some(code) => {
                let code = u16::from(code).to_be_bytes();
                self.push(Opcode::Close, &[&code, reason.as_bytes()].concat());
            }
        }
    }

    /// Queues a frame, whatever the limit.
    pub(crate) fn push(&mut self, opcode: Opcode, payload: &[u8]) {
        self.append(opcode, payload);
    }

    /// The same, inline for the hot path.
    #[inline(always)]
    fn append(&mut self, opcode: Opcode, payload: &[u8]) {
        // Short headers do without a detour through memory.
        match (u8::try_from(payload.len()), u16::try_from(payload.len()), self.masks()) {
            (Ok(len @ 0..=125), _, false) => self.append_both([0x80 | opcode as u8, len], payload),
            (_, Ok(len), false) => {
                let [high, low] = len.to_be_bytes();
                self.append_both([0x80 | opcode as u8, 126, high, low], payload);
            }
            _ => self.append_any(opcode, payload),
        }
    }

    #[inline(always)]
    fn append_both<const N: usize>(&mut self, header: [u8; N], payload: &[u8]) {
        self.make_room(N + payload.len());
        self.queue.extend_from_slice(&header);
        self.queue.extend_from_slice(payload);
    }

    fn append_any(&mut self, opcode: Opcode, payload: &[u8]) {
        let (header, key) = self.header(opcode, payload.len());
        let header = header.as_ref();
        self.make_room(header.len() + payload.len());
        self.queue.extend_from_slice(header);
        let start = self.queue.len();
        self.queue.extend_from_slice(payload);
        if let (Some(key), Some(payload)) = (key, self.queue.get_mut(start..)) {
            mask::apply(payload, key);
        }
    }

    #[inline]
    fn header(&self, opcode: Opcode, len: usize) -> (HeaderBytes, Option<[u8; 4]>) {
        let key = match self.role {
            Role::Server => None,
            // Fresh and unpredictable for every frame (§5.3, §10.3).
            #[cfg(feature = "client")]
            Role::Client => Some(rand::random()),
        };
        let header = Header { fin: true, opcode, mask: key, len: len as u64 };
        (header.encode(), key)
    }

    /// Moves what waits to the front rather than grow.
    #[inline]
    fn make_room(&mut self, len: usize) {
        if self.sent > 0 && self.queue.capacity() - self.queue.len() < len {
            // Found while the frame that is being written still has its header.
            self.boundary = self.find_boundary() - self.sent;
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
    }

    fn rewind(&mut self) {
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
    }
}

/// When memory moves and when it is given back: what nobody can see from outside.
#[cfg(test)]
mod tests {
    use super::*;

    /// An encoder with this much memory, of which `sent` bytes are written and three wait.
    fn encoder(capacity: usize, sent: usize) -> Encoder {
        let mut encoder = Encoder::new(Role::Server, &Config::default());
        encoder.queue = Vec::with_capacity(capacity);
        assert_eq!(encoder.queue.capacity(), capacity);
        encoder.queue.resize(sent + 3, 7);
        (encoder.sent, encoder.boundary) = (sent, sent);
        encoder
    }

    // RE-01: what waits stays where it is as long as there is room behind it, and then it moves
    #[test]
    fn what_waits_moves_rather_than_to_grow() {
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

    // RE-01
    #[test]
    fn memory_is_given_back_after_it_was_not_needed_255_times() {
        let rewind = |capacity, len, times| {
            let mut encoder = Encoder::new(Role::Server, &Config::default());
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

    #[test]
    fn servers_need_no_copy_to_mask() {
        let server = Encoder::new(Role::Server, &Config::default());
        assert!(!server.masks() && server.bare_header(Opcode::Text, 5).is_some());
        #[cfg(feature = "client")]
        {
            let client = Encoder::new(Role::Client, &Config::default());
            assert!(client.masks() && client.bare_header(Opcode::Text, 5).is_none());
        }
    }
}
