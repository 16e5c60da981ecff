//! Frames that go past the queue: from where they lie to a writer, and only what it leaves is copied.

use std::io::{self, IoSlice, Write};

use super::Encoder;
use crate::error::SendError;
use crate::message::Message;
use crate::prepared::Prepared;

impl Encoder {
    /// Writes what is pending and this message, and queues what the writer leaves of them.
    pub(crate) fn send_to(
        &mut self,
        writer: &mut impl Write,
        message: Message<'_>,
    ) -> Result<(), SendError> {
        let payload = message.as_bytes();
        self.admit(payload.len())?;
        match self.bare_header(message.opcode(), payload.len()) {
            Some(header) if !self.is_urgent() => self.pass(writer, header.as_ref(), payload),
            _ => {
                self.push(message.opcode(), payload);
                self.pass(writer, &[], &[]);
            }
        }
        Ok(())
    }

    /// The same for a frame that was made before.
    pub(crate) fn send_prepared_to(
        &mut self,
        writer: &mut impl Write,
        prepared: &Prepared,
    ) -> Result<(), SendError> {
        self.admit(prepared.payload().len())?;
        if self.masks() || self.is_urgent() {
            self.push_prepared(prepared);
            self.pass(writer, &[], &[]);
        } else {
            self.pass(writer, &[], prepared.frame());
        }
        Ok(())
    }

    /// One write of what is pending, a header and a payload. Without a header and a payload there may be
    /// more pending than this can see: a pong that waits for its turn.
    fn pass(&mut self, writer: &mut impl Write, header: &[u8], payload: &[u8]) {
        let pending = self.pending();
        let waiting = pending.len();
        let written = match (pending, header) {
            ([], []) => write(|| writer.write(payload)),
            ([], _) => write(|| writer.write_vectored(&[header, payload].map(IoSlice::new))),
            _ => write(|| writer.write_vectored(&[pending, header, payload].map(IoSlice::new))),
        };
        if waiting > 0 {
            self.sent(written.min(waiting));
        }
        let written = written.saturating_sub(waiting);
        if written < header.len() + payload.len() {
            self.queue_rest(header, payload, written);
        }
    }

    /// Queues a frame but for the first `written` bytes, which are on the wire.
    fn queue_rest(&mut self, header: &[u8], payload: &[u8], written: usize) {
        let of_payload = written.saturating_sub(header.len());
        let header = header.get(written..).unwrap_or_default();
        let payload = payload.get(of_payload..).unwrap_or_default();
        let rest = header.len() + payload.len();
        self.make_room(rest);
        if written > 0 {
            // The queue is empty, and what comes is no whole frame: the next begins behind it.
            self.boundary = rest;
        }
        self.queue.extend_from_slice(header);
        self.queue.extend_from_slice(payload);
    }
}

/// How much was written: nothing if there was an error, which whoever writes next will see again.
fn write(mut attempt: impl FnMut() -> io::Result<usize>) -> usize {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.unwrap_or(0),
        }
    }
}
