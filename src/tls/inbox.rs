//! The side of the receiving thread: records as they arrive, and plaintext for which there was no room.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::Engine;
use crate::buffer::Buffer;
use crate::handshake::Response;

/// Only the thread that reads locks it, and holds it while it waits for the peer.
#[derive(Default)]
pub(super) struct Inbox {
    /// Records that have arrived. Without memory while nothing arrives.
    pub(super) records: Buffer,
    plain: Vec<u8>,
    taken: usize,
    pub(super) received: Received,
    /// Until when the rest of a request in plain HTTP is read, after its refusal.
    pub(super) refused_until: Option<Instant>,
    /// When to try again to send records that the peer did not take.
    pub(super) try_at: Option<Instant>,
}

/// How far the peer's side has come.
#[derive(Default)]
pub(super) struct Received {
    /// Whether anything has arrived.
    heard: bool,
    pub(super) end: Option<End>,
}

impl Received {
    /// Whether a client speaks plain HTTP, by the first bytes that arrive: no record begins with a letter.
    pub(super) fn is_http(&mut self, records: &[u8]) -> bool {
        let is_first = !std::mem::replace(&mut self.heard, true);
        is_first && records.first().is_some_and(u8::is_ascii_uppercase)
    }

    /// Has records opened, and notes the end if that is among them.
    pub(super) fn open(
        &mut self,
        engine: &mut impl Engine,
        records: &mut [u8],
        plain: &mut dyn FnMut(&[u8]),
    ) {
        match engine.open(records, plain) {
            Err(error) => self.end = Some(End::failed(error)),
            Ok(()) if engine.is_closed() => self.end = Some(End::Eof),
            Ok(()) => {}
        }
    }
}

#[derive(Clone)]
pub(super) enum End {
    /// Of the stream, or a `close_notify`.
    Eof,
    Failed(Arc<io::Error>),
}

impl End {
    pub(super) fn failed(error: io::Error) -> Self {
        Self::Failed(Arc::new(error))
    }

    /// As a read says it, any number of times.
    pub(super) fn read(&self) -> io::Result<usize> {
        match self {
            Self::Eof => Ok(0),
            Self::Failed(error) => Err(io::Error::new(error.kind(), Arc::clone(error))),
        }
    }

    /// As a write says it.
    pub(super) fn write(&self) -> io::Error {
        match self {
            Self::Eof => io::ErrorKind::UnexpectedEof.into(),
            Self::Failed(error) => io::Error::new(error.kind(), Arc::clone(error)),
        }
    }
}

impl Inbox {
    /// With bytes that were read before, and from where the peer's side has come to.
    pub(super) fn new(records: Buffer, received: Received) -> Self {
        Self { records, received, ..Self::default() }
    }

    /// Moves plaintext into `space`, as much as fits.
    pub(super) fn take(&mut self, space: &mut [u8]) -> usize {
        let waiting = self.plain.get(self.taken..).unwrap_or_default();
        let n = copy(waiting, space);
        self.taken += n;
        if self.taken == self.plain.len() {
            self.plain = Vec::new();
            self.taken = 0;
        }
        n
    }

    /// Opens what has arrived: into `space`, and what does not fit into memory of its own. How much there is in
    /// `space`.
    pub(super) fn open(&mut self, space: &mut [u8], engine: &mut impl Engine) -> usize {
        let mut filled = 0;
        let Self { records, plain, received, .. } = self;
        received.open(engine, records.unread_mut(), &mut |bytes| {
            let n = match plain.is_empty() {
                true => copy(bytes, space.get_mut(filled..).unwrap_or_default()),
                false => 0,
            };
            filled += n;
            plain.extend_from_slice(bytes.get(n..).unwrap_or_default());
        });
        records.consume(usize::MAX);
        filled
    }

    /// Gives memory back in silence.
    pub(super) fn release(&mut self) {
        if self.records.is_empty() {
            self.records = Buffer::new();
        }
    }
}

/// The answer to a client that speaks plain HTTP, in its own language.
pub(crate) fn http_refusal() -> Response {
    Response::refusal(400, "this port speaks TLS: use wss or https\n")
}

/// The end of its connection.
pub(crate) fn spoke_http() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "plain HTTP on a port that speaks TLS")
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
