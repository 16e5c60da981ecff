//! Pongs and keepalive pings, which overtake a queue that is long.

use super::Encoder;
use crate::frame::{Header, Opcode};
use crate::mask;

/// A pong joins the queue as long as no more bytes than this wait.
const SHORT_QUEUE: usize = 1024;

/// Control frames that overtake the queue.
#[derive(Default)]
pub(super) struct Urgent {
    pub(super) pong: Option<Vec<u8>>,
    pub(super) ping: bool,
    /// The one that is being written.
    pub(super) frame: Vec<u8>,
    pub(super) sent: usize,
}

impl Encoder {
    /// Answers a ping.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        if self.is_short() {
            self.push(Opcode::Pong, payload);
            self.note_pong_end(self.queue.len());
        } else {
            let pong = &mut self.urgent.get_or_insert_default().pong;
            let pong = pong.get_or_insert_default();
            pong.clear();
            pong.extend_from_slice(payload);
            self.promote();
        }
    }

    /// A ping without payload, as soon as possible.
    pub(crate) fn keepalive_ping(&mut self) {
        if self.is_short() {
            self.push(Opcode::Ping, &[]);
        } else {
            self.urgent.get_or_insert_default().ping = true;
            self.promote();
        }
    }

    /// Whether [`pending`](Self::pending) is not all there is, since a pong waits to overtake it.
    pub(crate) fn is_urgent(&self) -> bool {
        self.urgent.is_some()
    }

    pub(super) fn note_pong_end(&mut self, end: usize) {
        self.pong_end = u32::try_from(end).unwrap_or(0);
    }

    pub(super) fn pong_end(&self) -> usize {
        usize::try_from(self.pong_end).unwrap_or(0)
    }

    fn is_short(&self) -> bool {
        self.urgent.is_none() && self.queue.len() - self.sent <= SHORT_QUEUE
    }

    /// The bytes that this will add to those that wait.
    pub(super) fn waiting(&self, urgent: &Urgent) -> usize {
        let frame = |payload: usize| 2 + payload + if self.masks() { 4 } else { 0 };
        let pong = urgent.pong.as_ref().map_or(0, |payload| frame(payload.len()));
        let ping = if urgent.ping { frame(0) } else { 0 };
        urgent.frame.len() - urgent.sent + pong + ping
    }

    /// At a frame boundary, lets what is urgent go first. A pong does not overtake older pongs: a peer may
    /// take the last that comes for the answer to its last ping.
    pub(super) fn promote(&mut self) {
        let boundary = self.find_boundary();
        let at_boundary = boundary == self.sent;
        let behind_pongs = self.sent < self.pong_end();
        let Some(urgent) = &mut self.urgent else {
            return;
        };
        if !urgent.frame.is_empty() || !at_boundary {
            return;
        }
        let (opcode, payload) = match (&mut urgent.pong, &mut urgent.ping) {
            (pong @ Some(_), _) if !behind_pongs => (Opcode::Pong, pong.take().unwrap_or_default()),
            (_, ping @ true) => {
                *ping = false;
                (Opcode::Ping, Vec::new())
            }
            (Some(_), false) => {
                self.boundary = self.pong_end();
                return;
            }
            (None, false) => {
                self.urgent = None;
                return;
            }
        };
        let (header, key) = self.header(opcode, payload.len());
        let mut frame = [header.as_ref(), &payload].concat();
        if let (Some(key), Some(payload)) = (key, frame.get_mut(header.as_ref().len()..)) {
            mask::apply(payload, key);
        }
        if let Some(urgent) = &mut self.urgent {
            urgent.frame = frame;
        }
    }

    /// The first boundary between frames that is not yet passed. Each frame is walked once.
    pub(super) fn find_boundary(&mut self) -> usize {
        while self.boundary < self.sent {
            let rest = self.queue.get(self.boundary..).unwrap_or_default();
            self.boundary += match Header::decode(rest) {
                Ok(Some((header, len))) => len + usize::try_from(header.len).unwrap_or(rest.len()),
                // Not to happen: these are frames of our own making.
                _ => rest.len(),
            };
        }
        self.boundary
    }
}
