//! The other direction: commands in, frames made, bytes out.
//!
//! Bytes wait in one queue, in order. Pongs and keepalive pings may overtake it at a frame
//! boundary: while little waits they simply join the queue; behind more than that there is one
//! slot, and a newer pong replaces an older one (RFC 6455 §5.5.3), so that a flood of pings from a
//! peer that never reads costs nothing. After a Close frame nothing but a pong is taken.

#[cfg(feature = "deflate")]
mod deflate;
mod held;
mod queue;
mod urgent;
mod write;

use std::fmt;

use crate::close::CloseCode;
use crate::config::{Agreement, Config, Role};
use crate::control::{Payload, Replies, close_body};
use crate::error::SendError;
use crate::frame::{Header, HeaderBytes, MAX_CONTROL, Opcode};
use crate::mask;
use crate::prepared::Prepared;
pub(crate) use held::Held;
use urgent::Urgent;
pub use write::{Unsent, Written};
pub(crate) use write::{write_slices, write_some};

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
    /// Where the latest pong in the queue ends, if that is behind `sent`, and the queue not too long to say.
    pong_end: u32,
    /// Where our Close frame ends, if that is behind `sent`: pongs may follow it. Out of reach if nothing is to
    /// follow what waits, and no Close either.
    close_end: usize,
    /// Times in a row that most of the memory was not needed.
    spare: u8,
    urgent: Option<Box<Urgent>>,
    /// If compression was agreed on.
    #[cfg(feature = "deflate")]
    deflation: Option<Box<deflate::Deflation>>,
}

impl Encoder {
    /// The first bytes of all, such as the response to the handshake, are `output`.
    pub(crate) fn new(
        role: Role,
        config: &Config,
        output: &[u8],
        agreement: Option<&Agreement>,
    ) -> Self {
        #[cfg(not(feature = "deflate"))]
        let _ = agreement;
        Self {
            role,
            closed: false,
            max_queue: config.max_queue,
            queue: output.to_vec(),
            sent: 0,
            boundary: output.len(),
            pong_end: 0,
            close_end: 0,
            spare: 0,
            urgent: None,
            #[cfg(feature = "deflate")]
            deflation: agreement.map(deflate::Deflation::new),
        }
    }

    /// An empty one for messages that this is to [take](Self::take_from).
    pub(crate) fn anew(&self) -> Self {
        Self {
            role: self.role,
            closed: false,
            max_queue: self.max_queue,
            queue: Vec::new(),
            sent: 0,
            boundary: 0,
            pong_end: 0,
            close_end: 0,
            spare: 0,
            urgent: None,
            #[cfg(feature = "deflate")]
            deflation: self.deflation.as_ref().map(|deflation| deflation.anew()),
        }
    }

    /// Not a [`Message`]: these arguments travel in registers.
    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.admit(payload.len())?;
        #[cfg(feature = "deflate")]
        if self.is_compressed() && self.compress(opcode, payload) {
            return Ok(());
        }
        self.append(opcode, payload);
        Ok(())
    }

    /// The same for a message that is not to be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn send_plain(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
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
        #[cfg(feature = "deflate")]
        if let Some(image) = prepared.image() {
            if self.takes_image(image, prepared.payload()) {
                return self.push_image(prepared.opcode(), image);
            }
        }
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
        check_ping(payload)?;
        self.admit(payload.len())?;
        self.push(Opcode::Ping, payload);
        Ok(())
    }

    /// Queues a Close frame, for which there is always room. A second one is not sent.
    pub(crate) fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        check_close(self.role, code)?;
        self.push_close(&close_body(Some(code), reason));
        Ok(())
    }

    /// Queues what the peer is to be told, and empties it.
    pub(crate) fn reply(&mut self, replies: &mut Replies) {
        if let Some(payload) = replies.pong.take() {
            self.pong(payload.as_bytes());
        }
        if std::mem::take(&mut replies.ping) {
            // It has been silent for long: the memory may go.
            self.release();
            self.keepalive_ping();
        }
        if let Some(body) = replies.close.take() {
            self.push_close(&body);
        }
        if std::mem::take(&mut replies.end) {
            self.end();
        }
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Takes nothing more: the connection has ended.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.close_end = usize::MAX;
            #[cfg(feature = "deflate")]
            self.forget_sent();
        }
    }

    /// Whether a Close frame was queued or sent, or cannot be any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether messages may still be sent.
    #[inline]
    pub(crate) fn check_open(&self) -> Result<(), SendError> {
        if self.closed { Err(SendError::Closed) } else { Ok(()) }
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
    pub(crate) fn admit(&self, len: usize) -> Result<(), SendError> {
        self.admit_behind(0, len)
    }

    /// The same where the writer holds so many bytes that it took from the queue.
    #[inline]
    pub(crate) fn admit_behind(&self, held: usize, len: usize) -> Result<(), SendError> {
        self.check_open()?;
        if self.fits_behind(held, len) { Ok(()) } else { Err(self.refusal(len)) }
    }

    #[cold]
    fn refusal(&self, len: usize) -> SendError {
        match self.max_queue {
            max if len > max => SendError::MessageTooLarge { len, max },
            _ => SendError::QueueFull,
        }
    }

    fn push_close(&mut self, body: &Payload) {
        if !std::mem::replace(&mut self.closed, true) {
            self.push(Opcode::Close, body.as_bytes());
            self.close_end = self.queue.len();
            #[cfg(feature = "deflate")]
            self.forget_sent();
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
        let header = Header { fin: true, rsv1: false, opcode, mask: key, len: len as u64 };
        (header.encode(), key)
    }
}

/// Says how much waits, never what: it may be secret.
impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("role", &self.role)
            .field("closed", &self.closed)
            .field("queued", &self.queued())
            .finish_non_exhaustive()
    }
}

/// Whether a ping can carry this (§5.5).
fn check_ping(payload: &[u8]) -> Result<(), SendError> {
    if payload.len() > MAX_CONTROL { Err(SendError::TooLong) } else { Ok(()) }
}

/// Whether this may stand in a Close frame of ours: 1010 is for clients (§7.4.1).
pub(crate) fn check_close(role: Role, code: CloseCode) -> Result<(), SendError> {
    match role == Role::Server && code == CloseCode::MANDATORY_EXTENSION {
        true => Err(SendError::ClientOnlyCode),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_need_no_copy_to_mask() {
        let server = Encoder::new(Role::Server, &Config::default(), &[], None);
        assert!(!server.masks() && server.bare_header(Opcode::Text, 5).is_some());
        #[cfg(feature = "client")]
        {
            let client = Encoder::new(Role::Client, &Config::default(), &[], None);
            assert!(client.masks() && client.bare_header(Opcode::Text, 5).is_none());
        }
    }
}
