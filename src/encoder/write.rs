//! The one write loop: what is queued, and behind it a message from where it lies.

use std::fmt;
use std::io::{self, IoSlice, Write};

use super::{Encoder, check_ping};
use crate::error::{SendError, is_timeout};
use crate::frame::{HeaderBytes, Opcode};
use crate::message::Message;
use crate::prepared::Prepared;

/// Messages below this size are copied behind their header and written with what else is queued; the copy
/// of a longer one costs more than a slice of its own in the write.
const SMALL: usize = 8 * 1024 + 1;

/// A message on its way, of which a part may be written already.
///
/// Made by [`WriteHalf::begin`](crate::WriteHalf::begin), for
/// [`WriteHalf::write_with`](crate::WriteHalf::write_with). Short messages are in the queue by then, and
/// nothing of them is here.
#[must_use = "the message is not sent before it is written"]
pub struct Unsent<'m> {
    header: HeaderBytes,
    payload: &'m [u8],
    /// How much of header and payload is written.
    done: usize,
}

impl<'m> Unsent<'m> {
    /// No message: just what is queued.
    pub const fn nothing() -> Self {
        Self { header: HeaderBytes::NONE, payload: &[], done: 0 }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.done == self.header.as_ref().len() + self.payload.len()
    }

    fn header(&self) -> &[u8] {
        self.header.as_ref().get(self.done..).unwrap_or_default()
    }

    fn payload(&self) -> &'m [u8] {
        let done = self.done.saturating_sub(self.header.as_ref().len());
        self.payload.get(done..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.header().len() + self.payload().len()
    }
}

/// Says how much of it is left, never what.
impl fmt::Debug for Unsent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// How far a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Everything is written.
    All,
    /// The socket takes no more at present: it said `WouldBlock` or `TimedOut`.
    Blocked,
}

impl Encoder {
    /// Takes a message whatever the limit of the queue, since it is to be written now.
    pub(crate) fn begin<'m>(&mut self, message: Message<'m>) -> Result<Unsent<'m>, SendError> {
        self.check_open()?;
        #[cfg(feature = "deflate")]
        if self.is_compressed() && self.compress(message.opcode(), message.as_bytes()) {
            return Ok(Unsent::nothing());
        }
        Ok(self.begin_beyond(SMALL, message))
    }

    /// The same for a message that is not to be compressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn begin_plain<'m>(
        &mut self,
        message: Message<'m>,
    ) -> Result<Unsent<'m>, SendError> {
        self.check_open()?;
        Ok(self.begin_beyond(SMALL, message))
    }

    /// The same, copying nothing if that can be.
    pub(crate) fn begin_in_place<'m>(
        &mut self,
        message: Message<'m>,
    ) -> Result<Unsent<'m>, SendError> {
        self.check_open()?;
        #[cfg(feature = "deflate")]
        if self.is_compressed() && self.compress(message.opcode(), message.as_bytes()) {
            return Ok(Unsent::nothing());
        }
        Ok(self.begin_beyond(0, message))
    }

    fn begin_beyond<'m>(&mut self, small: usize, message: Message<'m>) -> Unsent<'m> {
        let payload = message.as_bytes();
        if payload.len() >= small {
            if let Some(header) = self.bare_header(message.opcode(), payload.len()) {
                return Unsent { header, payload, done: 0 };
            }
        }
        self.push(message.opcode(), payload);
        Unsent::nothing()
    }

    /// The same for a ping.
    pub(crate) fn begin_ping(&mut self, payload: &[u8]) -> Result<Unsent<'static>, SendError> {
        check_ping(payload)?;
        self.check_open()?;
        self.push(Opcode::Ping, payload);
        Ok(Unsent::nothing())
    }

    /// The same for a frame that was made before, of which servers copy nothing.
    pub(crate) fn begin_prepared<'m>(
        &mut self,
        prepared: &'m Prepared,
    ) -> Result<Unsent<'m>, SendError> {
        self.check_open()?;
        if self.masks() {
            self.push_prepared(prepared);
            return Ok(Unsent::nothing());
        }
        #[cfg(feature = "deflate")]
        if let Some(image) = prepared.image() {
            if self.takes_image(image, prepared.payload()) {
                let payload = image.frame();
                return Ok(Unsent { header: HeaderBytes::NONE, payload, done: 0 });
            }
        }
        Ok(Unsent { header: HeaderBytes::NONE, payload: prepared.frame(), done: 0 })
    }

    /// Writes what is queued, and then `unsent`, until all is written or the socket takes no more.
    pub(crate) fn write_with(
        &mut self,
        unsent: &mut Unsent<'_>,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        while self.has_pending() || !unsent.is_empty() {
            // A frame that has begun is not interrupted.
            let begun = unsent.done > 0 && !unsent.is_empty();
            let queued = if begun { &[] } else { self.pending() };
            // Behind an urgent frame more waits than is pending now.
            let alone = self.is_urgent() && !queued.is_empty();
            let (header, payload) = match alone {
                true => (&[][..], &[][..]),
                false => (unsent.header(), unsent.payload()),
            };
            let (queued_len, rest) = (queued.len(), header.len() + payload.len());
            let slices = [queued, header, payload].map(IoSlice::new);
            let first = slices.iter().take_while(|slice| slice.is_empty()).count();
            let end = if rest == 0 { 1 } else { 3 };
            let slices = slices.get(first..end).unwrap_or_default();
            let Some(n) = write_some(slices, &mut write)? else {
                return Ok(Written::Blocked);
            };
            let of_queue = n.min(queued_len);
            if of_queue > 0 {
                self.sent(of_queue);
            }
            unsent.done += n - of_queue;
        }
        Ok(Written::All)
    }

    /// Queues what is left of a message.
    pub(crate) fn queue_rest(&mut self, unsent: &Unsent<'_>) {
        if unsent.is_empty() {
            return;
        }
        let (header, payload) = (unsent.header(), unsent.payload());
        let rest = header.len() + payload.len();
        self.make_room(rest);
        if unsent.done > 0 {
            // The queue is empty, and what comes is no whole frame: the next begins behind it.
            self.boundary = rest;
        }
        self.queue.extend_from_slice(header);
        self.queue.extend_from_slice(payload);
    }
}

/// One slice needs no vectored call.
#[inline]
pub(crate) fn write_slices(mut writer: impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => writer.write(slice),
        slices => writer.write_vectored(slices),
    }
}

/// One write, of which the rules are here and nowhere else: an interrupted one is tried again, one that takes
/// nothing or claims too much has failed, and `None` is a socket that takes no more at present.
pub(crate) fn write_some(
    slices: &[IoSlice<'_>],
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<Option<usize>> {
    let len: usize = slices.iter().map(|slice| slice.len()).sum();
    loop {
        return match write(slices) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(n) if n > len => {
                let reason = "the transport claims to have written more than it was given";
                Err(io::Error::new(io::ErrorKind::InvalidData, reason))
            }
            Ok(n) => Ok(Some(n)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        };
    }
}
