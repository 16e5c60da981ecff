//! The replies that receiving calls for: pongs, a ping that is due, a Close.
//!
//! The receiving half puts them here, the sending half takes them. Between the two they are merged: a newer
//! pong replaces an older one (RFC 6455 §5.5.3), the first Close is the one that is sent (§5.5.1). So they
//! take a fixed amount of memory, however much a peer sends while nobody takes them.

use std::fmt;

use crate::close::CloseCode;
use crate::error::ProtocolError;
use crate::frame::MAX_CONTROL;

/// The payload of a control frame, in place.
#[derive(Clone, Copy)]
pub(crate) struct Payload {
    bytes: [u8; MAX_CONTROL],
    len: usize,
}

impl Payload {
    /// The first 125 bytes of the pieces.
    fn new(pieces: [&[u8]; 2]) -> Self {
        let mut payload = Self { bytes: [0; MAX_CONTROL], len: 0 };
        for piece in pieces {
            let room = payload.bytes.get_mut(payload.len..).unwrap_or_default();
            let n = piece.len().min(room.len());
            room.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            payload.len += n;
        }
        payload
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Control frames that the half that sends is to send: at most some 270 bytes and no heap.
///
/// [`ReadHalf`](crate::ReadHalf) fills it, [`WriteHalf::reply`](crate::WriteHalf::reply) empties it. An
/// adapter that has both at hand passes it straight on; one with a lock around the `WriteHalf` keeps a
/// `Replies` beside it, behind a lock that is never held for long, and [merges](Self::merge) into that.
#[derive(Clone, Default)]
pub struct Replies {
    pub(crate) pong: Option<Payload>,
    pub(crate) ping: bool,
    /// The body of our Close frame.
    pub(crate) close: Option<Payload>,
    /// Nothing follows the Close: the peer's came, or the peer has failed.
    pub(crate) finish: bool,
    /// The connection is over; messages are not taken any more.
    pub(crate) end: bool,
}

impl Replies {
    /// Nothing to say.
    #[must_use]
    pub const fn new() -> Self {
        Self { pong: None, ping: false, close: None, finish: false, end: false }
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pong.is_none() && !self.ping && self.close.is_none() && !self.finish && !self.end
    }

    /// Whether a Close frame is among it.
    #[must_use]
    pub const fn has_close(&self) -> bool {
        self.close.is_some()
    }

    /// Takes what a newer one says, which is empty afterwards.
    pub fn merge(&mut self, newer: &mut Self) {
        let newer = std::mem::take(newer);
        self.pong = newer.pong.or(self.pong);
        self.ping |= newer.ping;
        self.close = self.close.or(newer.close);
        self.finish |= newer.finish;
        self.end |= newer.end;
    }

    /// Asks for a Close frame that starts the closing handshake (§7.1.2), unless there is one already. A
    /// reason of more than 123 bytes is cut at a character.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        self.push_close(Some(code), reason);
    }

    /// Says that the connection is over.
    pub fn end(&mut self) {
        self.end = true;
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.pong = Some(Payload::new([payload, &[]]));
    }

    /// A Close frame behind which nothing follows.
    pub(crate) fn finish(&mut self, code: Option<CloseCode>, reason: &str) {
        self.push_close(code, reason);
        self.finish = true;
    }

    /// The answer to a fault of the peer's (§7.1.7).
    pub(crate) fn fail(&mut self, error: ProtocolError) {
        self.finish(Some(error.close_code()), "");
    }

    fn push_close(&mut self, code: Option<CloseCode>, reason: &str) {
        self.close.get_or_insert_with(|| close_body(code, reason));
    }
}

/// Says what kinds there are, never what they carry.
impl fmt::Debug for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("pong", &self.pong.is_some())
            .field("ping", &self.ping)
            .field("close", &self.close.is_some())
            .finish_non_exhaustive()
    }
}

/// The body of a Close frame (§5.5.1): nothing, or a code and a reason that fits.
pub(crate) fn close_body(code: Option<CloseCode>, reason: &str) -> Payload {
    match code {
        None => Payload::new([&[], &[]]),
        Some(code) => {
            let reason = crate::close::reason(reason);
            Payload::new([&u16::from(code).to_be_bytes(), reason.as_bytes()])
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // CL-05, R-119: the latest ping is answered
    #[test]
    fn a_newer_pong_replaces_an_older_one() {
        let (mut replies, mut newer) = (Replies::new(), Replies::new());
        replies.pong(b"one");
        newer.pong(b"two");
        replies.merge(&mut newer);
        assert!(newer.is_empty());
        assert_eq!(replies.pong.unwrap().as_bytes(), b"two");
        replies.merge(&mut newer);
        assert_eq!(replies.pong.unwrap().as_bytes(), b"two");
    }

    // one Close, the first
    #[test]
    fn the_first_close_is_the_one_that_is_sent() {
        let (mut replies, mut newer) = (Replies::new(), Replies::new());
        replies.close(CloseCode::GOING_AWAY, "restart");
        replies.close(CloseCode::NORMAL, "again");
        newer.finish(Some(CloseCode::NORMAL), "the peer's");
        replies.merge(&mut newer);
        assert_eq!(replies.close.unwrap().as_bytes(), b"\x03\xe9restart");
        assert!(replies.finish && !replies.end);
    }

    // whatever it is made of, it fits a control frame
    #[test]
    fn payloads_are_at_most_125_bytes() {
        let mut replies = Replies::new();
        replies.pong(&[7; 200]);
        assert_eq!(replies.pong.unwrap().as_bytes(), [7; 125]);
        assert_eq!(close_body(None, "unsaid").as_bytes(), b"");
        let long = close_body(Some(CloseCode::NORMAL), &"x".repeat(300));
        assert_eq!(long.as_bytes().len(), 125);
    }

    // Whichever of the two it was
    #[test]
    fn merged_replies_keep_what_either_says() {
        for newer_says in [false, true] {
            let (mut replies, mut newer) = (Replies::new(), Replies::new());
            let says = if newer_says { &mut newer } else { &mut replies };
            says.ping = true;
            says.finish(None, "");
            says.end();
            replies.merge(&mut newer);
            assert!(replies.ping && replies.has_close() && replies.finish && replies.end);
            assert!(newer.is_empty() && !newer.has_close());
        }
    }
}
