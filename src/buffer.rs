//! The bytes between the socket and the messages: one allocation, everything in place.
//!
//! ```text
//!  done | message | dropped | unread | room
//! ```
//!
//! The socket writes into the room. The decoder takes payload from the front of what is
//! unread into the message, moves it down over dropped frame headers if there are any, and
//! hands the finished message out as one slice. This file knows nothing of frames; it only
//! remembers where the regions lie, and what their connection expects next.
//!
//! The memory grows as bytes arrive, never by a length that a peer declared.

pub(crate) mod memory;

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

#[cfg(feature = "deflate")]
use crate::deflate::Lent;
use memory::{LARGE_READ, LONG_FRAME, SMALL_READ};

/// The received bytes of one connection: room to read into, and what was not yet decoded.
///
/// It belongs to the caller, so that an event which borrows it leaves the
/// [`Connection`](crate::Connection) free to answer. Adapters own one per connection and you never
/// see it; an event loop can share one among all its connections, see [`detach`](Self::detach).
///
/// A new buffer holds no memory. The first read gets 4 KiB; room grows up to 64 KiB a read while
/// reads come back full, and beyond that only with an unfinished message: to at most twice
/// what arrived of it, plus 64 KiB. Frames of 16 KiB and more are read one at a time, the next in
/// the room that the last has taken. Memory that is not used for a while is given back.
///
/// ```
/// use sansocket::{Buffer, Config, Connection, Event, Message};
///
/// let mut connection = Connection::server(Config::default());
/// let mut buffer = Buffer::new();
/// buffer.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // RFC 6455 §5.7
/// let event = connection.next_event(&mut buffer)?;
/// assert!(matches!(event, Some(Event::Message(Message::Text("Hello")))));
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
pub struct Buffer {
    /// All of it is initialised, once; the regions below divide it.
    bytes: Vec<u8>,
    message: usize,
    message_end: usize,
    unread: usize,
    filled: usize,
    expect: Expect,
    /// The length of the latest whole frame, if it was long: the next is often as long.
    stride: usize,
    /// The size of the next read.
    step: usize,
    /// Times in a row that most of the memory was not needed.
    spare: u8,
    /// The message that was decompressed last, until more is asked for.
    #[cfg(feature = "deflate")]
    inflated: Lent,
}

/// The expectations of the connection whose bytes these are: they go where its bytes go. All other
/// fields of a [`Buffer`] belong to the memory.
struct Expect {
    /// Bytes that the decoder knows are still to come before the frame under way is whole.
    wanted: usize,
    /// How long the frame under way is going to be.
    frame: usize,
    /// Unread bytes that were looked at in vain (by the search for the end of an HTTP head).
    scanned: usize,
    /// Whether anything arrived since the decoder last asked.
    news: bool,
}

impl Expect {
    const NOTHING: Self = Self { wanted: 0, frame: 0, scanned: 0, news: false };

    #[inline]
    fn arrived(&mut self, n: usize) {
        self.news |= n > 0;
        self.wanted = self.wanted.saturating_sub(n);
    }
}

impl Buffer {
    /// An empty buffer, without memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            message: 0,
            message_end: 0,
            unread: 0,
            filled: 0,
            expect: Expect::NOTHING,
            stride: 0,
            step: SMALL_READ,
            spare: 0,
            #[cfg(feature = "deflate")]
            inflated: Lent::NOTHING,
        }
    }

    /// Room for the next read, which [`filled`](Self::filled) then accounts for.
    ///
    /// It invalidates nothing that is unread. It is empty only when no memory could be had.
    pub fn space(&mut self) -> &mut [u8] {
        self.make_room();
        let end = self.bytes.len().min(self.filled.saturating_add(self.aim()));
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Says that the first `n` bytes of [`space`](Self::space) were filled. More than there was
    /// room for is cut to the room.
    pub fn filled(&mut self, n: usize) {
        let room = self.bytes.len() - self.filled;
        if n >= self.step && self.step < LARGE_READ {
            self.step *= 2;
        }
        self.filled += n.min(room);
        self.expect.arrived(n);
    }

    /// Reads once. 0 means that the reader has ended.
    ///
    /// # Errors
    ///
    /// Those of the reader, but for `Interrupted`, after which it is asked again;
    /// `InvalidData` if it claims to have read more than there was room for; `OutOfMemory` if there
    /// is no room to be had. Nothing that was read before is lost.
    pub fn read_from(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        self.read_with(|space| reader.read(space))
    }

    /// [`read_from`](Self::read_from) for what reads without being a `Read`.
    pub(crate) fn read_with(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let space = self.space();
        if space.is_empty() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let n = loop {
            match read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        if n > space.len() {
            let reason = "the reader claims more bytes than it had room for";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.filled(n);
        Ok(n)
    }

    /// Appends bytes that were read elsewhere, such as those past an HTTP head.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.make_room();
        if self.bytes.len() - self.filled < bytes.len() {
            self.compact();
            self.bytes.resize(self.filled + bytes.len(), 0);
        }
        let end = self.filled + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.filled..end) {
            room.copy_from_slice(bytes);
        }
        self.filled = end;
        self.expect.arrived(bytes.len());
    }

    /// The bytes that have arrived and were not yet decoded.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.get(self.unread..self.filled)
    }

    /// Drops the first `n` unread bytes, or all if there are fewer.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.unread += n.min(self.filled - self.unread);
        self.expect.scanned = 0;
        if self.message == self.message_end {
            self.message = self.unread;
            self.message_end = self.unread;
        }
    }

    /// How much memory it holds, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether there is nothing unread and no part of an unfinished message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.message == self.message_end && self.unread == self.filled
    }

    /// Moves what is unfinished into a buffer of its own and leaves this one empty.
    ///
    /// For event loops: read into one buffer that all connections share, and when it is not
    /// [empty](Self::is_empty) after the last event, detach the rest and keep it with its
    /// connection. A small rest is copied, so the shared buffer keeps its memory; a large one
    /// takes the memory along.
    ///
    /// ```
    /// use sansocket::Buffer;
    ///
    /// let mut shared = Buffer::new();
    /// shared.extend(b"\x81"); // half a frame header
    /// let rest = shared.detach();
    /// assert!(shared.is_empty());
    /// assert_eq!(rest.unread(), b"\x81");
    /// ```
    #[must_use]
    pub fn detach(&mut self) -> Self {
        #[cfg(feature = "deflate")]
        self.drop_inflated();
        let live = self.live();
        if live > 0 && live >= self.bytes.len() / 2 {
            return std::mem::take(self);
        }
        let mut bytes = Vec::with_capacity(live);
        bytes.extend_from_slice(self.get(self.message..self.message_end));
        let message_end = bytes.len();
        bytes.extend_from_slice(self.unread());
        let rest = Self {
            bytes,
            message_end,
            unread: message_end,
            filled: live,
            expect: std::mem::replace(&mut self.expect, Expect::NOTHING),
            ..Self::new()
        };
        self.clear();
        rest
    }

    /// The buffer to go on with when more arrives for a connection whose rest was
    /// [detached](Self::detach): this one, which takes back a rest of up to 4 KiB, or the rest's own
    /// if that is longer, or if this one is not empty.
    ///
    /// ```
    /// use sansocket::Buffer;
    ///
    /// let (mut shared, mut rest) = (Buffer::new(), Buffer::new());
    /// rest.extend(b"\x81"); // half a frame header
    /// let input = shared.attach(&mut rest);
    /// assert_eq!(input.unread(), b"\x81");
    /// assert!(rest.is_empty());
    /// ```
    #[must_use]
    pub fn attach<'b>(&'b mut self, rest: &'b mut Self) -> &'b mut Self {
        if rest.live() > SMALL_READ || !self.is_empty() {
            return rest;
        }
        self.extend(rest.message());
        self.take_into_message(rest.message().len());
        self.extend(rest.unread());
        self.expect = std::mem::replace(&mut rest.expect, Expect::NOTHING);
        rest.clear();
        self
    }
}

/// For the decoder and the handshake.
impl Buffer {
    #[inline]
    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn unread_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.unread..self.filled).unwrap_or_default()
    }

    /// Where the unread bytes begin, as an index for [`get`](Self::get).
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.unread
    }

    /// Takes the first `n` unread bytes into the message.
    pub(crate) fn take_into_message(&mut self, n: usize) {
        let n = n.min(self.filled - self.unread);
        if self.message_end != self.unread {
            self.bytes.copy_within(self.unread..self.unread + n, self.message_end);
        }
        self.message_end += n;
        self.unread += n;
    }

    /// The message so far.
    pub(crate) fn message(&self) -> &[u8] {
        self.get(self.message..self.message_end)
    }

    /// Ends the message: its range, valid until the next read.
    pub(crate) fn end_message(&mut self) -> Range<usize> {
        let range = self.message..self.message_end;
        self.message = self.unread;
        self.message_end = self.unread;
        range
    }

    /// Says how long the frame is that begins.
    pub(crate) fn begin_frame(&mut self, len: usize) {
        self.expect.frame = len;
    }

    /// Says that all of the frame that began has arrived.
    pub(crate) fn end_frame(&mut self) {
        self.note_frame(self.expect.frame);
    }

    /// Says how long a frame is of which all has arrived.
    #[inline]
    pub(crate) fn note_frame(&mut self, len: usize) {
        self.stride = if len < LONG_FRAME { 0 } else { len };
    }

    /// Says how many bytes are missing before there is something to decode, if that is known.
    pub(crate) fn want(&mut self, missing: usize) {
        self.expect.wanted = missing;
    }

    /// Whether anything arrived since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.expect.news)
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        #[cfg(feature = "deflate")]
        self.drop_inflated();
        self.message = self.filled;
        self.message_end = self.filled;
        self.unread = self.filled;
        self.expect = Expect::NOTHING;
    }

    /// Keeps a message that was decompressed, for an event to borrow.
    #[cfg(feature = "deflate")]
    pub(crate) fn lend(&mut self, inflated: Lent) {
        self.inflated = inflated;
    }

    /// The message that was decompressed.
    #[cfg(feature = "deflate")]
    pub(crate) fn inflated(&self) -> &[u8] {
        self.inflated.message()
    }

    /// Drops it: the next event is asked for, or more bytes.
    #[cfg(feature = "deflate")]
    #[inline]
    pub(crate) fn drop_inflated(&mut self) {
        if !self.inflated.is_nothing() {
            self.give_back();
        }
    }

    #[cfg(feature = "deflate")]
    #[cold]
    fn give_back(&mut self) {
        self.inflated = Lent::NOTHING;
    }

    pub(crate) fn scanned(&self) -> usize {
        self.expect.scanned
    }

    pub(crate) fn set_scanned(&mut self, n: usize) {
        self.expect.scanned = n;
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Says how much there is, never what: it may be secret.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("message", &(self.message_end - self.message))
            .field("unread", &(self.filled - self.unread))
            .field("capacity", &self.bytes.capacity())
            .finish()
    }
}
