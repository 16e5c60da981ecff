//! Random sessions, each the same in every run, against a model in a few lines.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use common::rng::Rng;
use common::session::{Seen, Session, close_code};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, Frame, MORE, PING, PONG, TEXT};
use sansocket::{CloseCode, ProtocolError, SendError};

const MAX_MESSAGE: usize = 20_000;
const MAX_QUEUE: usize = 30_000;
const TOO_BIG: ProtocolError = ProtocolError::MessageTooBig { len: 1 << 40, max: MAX_MESSAGE };

/// A peer that talks at random, a server, and the slow line between them.
struct World {
    rng: Rng,
    session: Session,
    now: Instant,
    /// What is on its way to the server.
    line: VecDeque<u8>,
    /// What the server is to see of it, and saw.
    said: Vec<Seen>,
    seen: Vec<Seen>,
    /// How the peer breaks the rules, if it does.
    fault: Option<ProtocolError>,
    error: Option<ProtocolError>,
    /// What the server is to send besides pongs, and all that it sent.
    told: Vec<Frame>,
    output: Vec<u8>,
    closed: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            session: Session::with(|config| {
                config.max_message(MAX_MESSAGE).max_queue(MAX_QUEUE).no_keepalive()
            }),
            now: Instant::now(),
            line: VecDeque::new(),
            said: vec![],
            seen: vec![],
            fault: None,
            error: None,
            told: vec![],
            output: vec![],
            closed: false,
        }
    }

    fn run(mut self, steps: usize) {
        for _ in 0..steps {
            match self.rng.below(12) {
                0..=2 => self.peer_says_something(),
                3..=6 => {
                    let most = *self.rng.pick(&[1, 10, 300, 10_000]);
                    self.deliver(most);
                }
                7 => self.server_says_something(),
                8..=10 => {
                    let most = *self.rng.pick(&[1, 10, 300, 10_000]);
                    self.write(most);
                }
                _ => self.wait(),
            }
            self.check_what_waits();
        }
        self.deliver(usize::MAX);
        self.write(usize::MAX);
        self.check();
    }

    fn len(&mut self) -> usize {
        match self.rng.below(8) {
            0 => 0,
            1..=4 => self.rng.below(130),
            5 | 6 => self.rng.below(2000),
            _ => self.rng.below(MAX_MESSAGE),
        }
    }

    fn send(&mut self, first: u8, payload: &[u8]) {
        let key = self.rng.key();
        self.line.extend(wire::masked(first, key, payload));
    }

    fn peer_says_something(&mut self) {
        let is_over = self.fault.is_some() || matches!(self.said.last(), Some(Seen::Close(..)));
        if is_over || self.line.len() > 100_000 {
            return;
        }
        match self.rng.below(400) {
            0 => {
                self.send(CLOSE, &wire::body(4000, "bye"));
                self.said.push(Seen::close(4000, "bye"));
                self.send(TEXT, b"late");
            }
            1 => {
                let (bytes, error) = *self.rng.pick(&[
                    (&b"\xf1"[..], ProtocolError::ReservedBit),
                    (b"\x83", ProtocolError::ReservedOpcode(3)),
                    (b"\x80", ProtocolError::UnexpectedContinuation),
                    (b"\x81\x05", ProtocolError::Unmasked),
                    (b"\x82\xff\0\0\x01", TOO_BIG),
                    (b"\x01\x81\0\0\0\0\xff", ProtocolError::InvalidText),
                ]);
                self.line.extend(bytes);
                if error == TOO_BIG {
                    self.line.extend([0; 5]);
                }
                self.line.extend([0x55; 100]);
                self.fault = Some(error);
            }
            2..100 => self.control(),
            _ => self.message(),
        }
    }

    fn control(&mut self) {
        let len = self.rng.below(126);
        let payload = self.rng.bytes(len);
        if self.rng.one_in(4) {
            self.send(PONG, &payload);
            self.said.push(Seen::Pong(payload));
        } else {
            self.send(PING, &payload);
            self.said.push(Seen::Ping(payload));
        }
    }

    /// In up to five fragments, with control frames between them.
    fn message(&mut self) {
        let len = self.len();
        let (mut first, payload, event) = if self.rng.one_in(2) {
            let text = self.rng.text(len.saturating_sub(4));
            (TEXT, text.clone().into_bytes(), Seen::Text(text))
        } else {
            let bytes = self.rng.bytes(len);
            (BINARY, bytes.clone(), Seen::Binary(bytes))
        };
        let mut rest = &payload[..];
        for _ in 0..self.rng.below(5) {
            let (front, back) = rest.split_at(self.rng.below(rest.len() + 1));
            self.send(first & MORE, front);
            if self.rng.one_in(3) {
                self.control();
            }
            (first, rest) = (CONTINUATION, back);
        }
        self.send(first, rest);
        self.said.push(event);
    }

    /// Up to `most` bytes arrive, in one of the ways in which they can.
    fn deliver(&mut self, most: usize) {
        let n = self.line.len().min(most);
        let bytes: Vec<u8> = self.line.drain(..n).collect();
        let mut reader = &bytes[..];
        while !reader.is_empty() {
            if self.rng.one_in(2) {
                self.session.input.extend(std::mem::take(&mut reader));
            } else {
                self.session.input.read_from(&mut reader).unwrap();
            }
            let (seen, error) = self.session.feed(b"");
            self.seen.extend(seen);
            assert!(self.error.is_none() || error == self.error);
            self.error = error;
            if self.rng.one_in(5) {
                self.session.input = self.session.input.detach();
            }
        }
        let over = self.error.is_some() || matches!(self.seen.last(), Some(Seen::Close(..)));
        if over && !std::mem::replace(&mut self.closed, true) {
            let code = self.error.map(close_code);
            let body = code.map_or_else(|| wire::body(4000, "bye"), |code| wire::body(code, ""));
            self.told.push(wire::plain(CLOSE, &body));
        }
    }

    fn server_says_something(&mut self) {
        let len = self.len();
        let server = &mut self.session.connection;
        let (result, frame) = match self.rng.below(200) {
            0 => {
                if !std::mem::replace(&mut self.closed, true) {
                    self.told.push(wire::plain(CLOSE, b"\x03\xe9done"));
                }
                return server.close(CloseCode::GOING_AWAY, "done").unwrap();
            }
            1..20 => (server.ping(&[1, 2, 3]), wire::plain(PING, &[1, 2, 3])),
            20..100 => {
                let text = self.rng.text(len);
                (server.send(&text), wire::plain(TEXT, text.as_bytes()))
            }
            _ => {
                let bytes = self.rng.bytes(len);
                (server.send(&bytes), wire::plain(BINARY, &bytes))
            }
        };
        match result {
            Ok(()) => {
                assert!(!self.closed);
                self.told.push(frame);
            }
            Err(error) if self.closed => assert_eq!(error, SendError::Closed),
            Err(error) => assert_eq!(error, SendError::QueueFull),
        }
    }

    fn write(&mut self, most: usize) {
        let mut left = most;
        while left > 0 && !self.session.connection.pending().is_empty() {
            let n = self.session.connection.pending().len().min(left);
            self.output.extend(self.session.write(n));
            left -= n;
        }
    }

    /// Not as long as the close timeout, in all.
    fn wait(&mut self) {
        self.now += Duration::from_millis(1);
        assert!(self.session.connection.tick(self.now).is_ok());
    }

    fn check_what_waits(&self) {
        let connection = &self.session.connection;
        assert!(connection.pending().len() <= MAX_QUEUE + 1024 + 3 * 127 + 127);
        assert!(self.session.input.capacity() <= 2 * (MAX_MESSAGE + 150_000));
        let over = self.error.is_some() || matches!(self.seen.last(), Some(Seen::Close(..)));
        let all_written = connection.pending().is_empty();
        assert_eq!(connection.wants_shutdown(), over && self.closed && all_written);
        assert!(!connection.is_finished(), "it has not lingered");
    }

    fn check(&self) {
        assert!(self.seen == self.said, "what was seen is not what was said");
        assert_eq!(self.error, self.fault);
        let frames = wire::parse(&self.output);
        let (pongs, told): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame.first == PONG);
        assert!(told.into_iter().eq(&self.told), "what was sent is not what was told");
        // No pong is made up, and the last ping has one.
        let mut pings: Vec<&[u8]> = vec![];
        for event in &self.seen {
            if let Seen::Ping(payload) = event {
                pings.push(payload);
            }
        }
        assert!(pongs.len() <= pings.len());
        for pong in &pongs {
            assert_eq!(pong.key, None);
            assert!(pings.contains(&&pong.payload[..]));
        }
        if let Some(last) = pings.last() {
            assert!(pongs.iter().any(|pong| pong.payload == *last), "the last ping has no pong");
        }
    }
}

// FR-13,
// FR-20, FR-24, FR-25, CL-05, CL-13, CL-17, CL-18, CL-23, IO-01, IO-02, RE-04, PR2, PR3,
// PR5
#[test]
fn random_sessions_go_as_the_model_says() {
    for seed in 1..=1500 {
        World::new(seed).run(400);
    }
}
