//! One connection without a socket: a half that receives, a half that sends, and nothing else.

mod messages;
mod output;
mod read;
mod write;

use std::borrow::Borrow;
use std::time::Instant;

pub use read::{ReadHalf, Ready};
pub use write::{Progress, WriteHalf};

use crate::buffer::Buffer;
use crate::config::{Agreement, Config, Role};
use crate::control::Replies;
#[cfg(feature = "mio")]
use crate::decoder::Step;
use crate::error::{Disconnected, ProtocolError, TimedOut};
use crate::message::Event;
use crate::timers::earlier;

/// An open connection, without a socket, a clock or a runtime: bytes in, events out, bytes out.
///
/// It begins where the opening handshake ends (see [`handshake`](crate::handshake)). Then, until it
/// [is finished](Self::is_finished):
///
/// 1. Write [`pending`](Self::pending) until it is empty, and say how much was [`sent`](Self::sent); or let
///    [`write_with`](Self::write_with) do it. What an opening handshake left to be written comes first.
/// 2. If it [wants a shutdown](Self::wants_shutdown), end your side of the stream, and say so with
///    [`shut_down`](Self::shut_down).
/// 3. Call [`tick`](Self::tick) before you wait, and again when it asked to be called.
/// 4. Unless it [is congested](Self::is_congested), read from the socket into a [`Buffer`].
/// 5. Take events with [`next_event`](Self::next_event), or with [`advance`](Self::advance) and
///    [`event`](Self::event), until there are none, and answer them with [`send`](Self::send) as you like.
///    Then, if the socket was at its end, or the read failed, call [`eof`](Self::eof).
///
/// An error of `next_event`, `advance`, `event`, `eof` or `tick` is the end that you report, but not that of the
/// loop: a Close frame is to be written, and the peer to be given time to read it. When the connection is
/// finished, close the socket.
///
/// Pings, Closes and faults of the peer are answered by themselves. A connection is at most 176
/// bytes large (184 with the feature `deflate`), and holds no memory beyond that but for its output queue, which is given back
/// in silence, or [reclaimed](Self::reclaim_queue).
///
/// ```text
///              our Close is written             the peer's Close
///       open ------------------------> closing ------------------+
///        |                               | close timeout         v
///        |  the peer's Close or fault    |                   finishing
///        +-------------------------------)-----------------> the rest of the output is written
///        |                               |                       | all is written: a server
///        | silence, write timeout        |                       v ends its side
///        |                               |                   lingering
///        +------------------------> finished <---------------- input is discarded
///                                              the peer's end, or the linger time
/// ```
///
/// The end of the peer's stream leads to "finished" from everywhere, as soon as the output is written.
///
/// ```
/// use sansocket::{Buffer, Config, Connection, Event};
///
/// let mut connection = Connection::server(Config::default());
/// let mut input = Buffer::new();
/// input.extend(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"); // "Hello", from a socket
/// input.extend(b"\x89\x80\0\0\0\0"); // a ping
/// while let Some(event) = connection.next_event(&mut input)? {
///     if let Event::Message(message) = event {
///         connection.send(message)?; // `message` borrows `input` alone
///     }
/// }
/// assert_eq!(connection.pending(), b"\x81\x05Hello\x8a\x00"); // an echo and a pong
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    read: ReadHalf,
    write: WriteHalf,
}

impl Connection {
    /// The server's side of a connection whose handshake is done. It compresses nothing: whether it may is agreed on in the
    /// handshake, see [`Response::open`](crate::handshake::Response::open).
    #[must_use]
    pub fn server(config: impl Borrow<Config>) -> Self {
        Self::opened(Role::Server, config.borrow(), &[], None)
    }

    /// The client's side of a connection whose handshake is done. It compresses nothing, see
    /// [`Response::open`](crate::handshake::client::Response::open).
    #[cfg(feature = "client")]
    #[must_use]
    pub fn client(config: impl Borrow<Config>) -> Self {
        Self::opened(Role::Client, config.borrow(), &[], None)
    }

    /// A connection whose first output is given: the end of the handshake.
    pub(crate) fn opened(
        role: Role,
        config: &Config,
        output: &[u8],
        agreement: Option<&Agreement>,
    ) -> Self {
        let read = ReadHalf::new(role, config, agreement);
        Self { read, write: WriteHalf::new(role, config, output, agreement) }
    }

    pub(crate) fn role(&self) -> Role {
        self.write.role()
    }

    /// Takes it apart, for adapters that receive and send in different places, such as threads. The halves
    /// exchange two values: [`Replies`] from the one that receives to the one that sends, [`Progress`] the
    /// other way.
    ///
    /// ```
    /// use std::time::Instant;
    /// use sansocket::{Buffer, Config, Connection, Replies};
    ///
    /// let (mut read, mut write) = Connection::server(Config::default()).split();
    /// let (mut input, mut replies) = (Buffer::new(), Replies::new());
    /// input.extend(b"\x89\x80\0\0\0\0"); // a ping
    /// while let Some(ready) = read.advance(&mut input, &mut replies)? {
    ///     println!("{:?}", read.event(ready, &input, &mut replies)?);
    /// }
    /// write.reply(&mut replies);
    /// assert_eq!(write.pending(), b"\x8a\0");
    ///
    /// let now = Instant::now();
    /// let due = (write.tick(now)?, read.tick(now, write.progress(), &mut replies)?);
    /// # let _ = due;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// The next event in `input`. `None` means "more bytes, please", or that nothing will come
    /// any more: after a Close event, after [`eof`](Self::eof) and after a timeout.
    ///
    /// Always pass the buffer that this connection's bytes were read into. The event borrows it;
    /// answer, or copy what you want to keep, before you ask for the next.
    ///
    /// # Errors
    ///
    /// The peer's first fault, after all that was complete before it; the Close frame that answers
    /// it is queued then: write it. From then on the same error again.
    // Always: handed over in memory, an event costs more than all the rest.
    #[inline(always)]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut Buffer,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(found) = self.read.find_whole(input) {
            return match self.read.whole_message(&found, input) {
                Ok(message) => Ok(Some(Event::Message(message))),
                Err(error) => Err(self.fail(error)),
            };
        }
        self.next_event_of_any_kind(input)
    }

    fn next_event_of_any_kind<'b>(
        &mut self,
        input: &'b mut Buffer,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let Self { read, write } = self;
        let mut replies = Replies::new();
        let event = read.next_event_of_any_kind(input, &mut replies);
        if !replies.is_empty() {
            write.reply(&mut replies);
        }
        event
    }

    #[cold]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        let mut replies = Replies::new();
        replies.fail(error);
        self.write.reply(&mut replies);
        error
    }

    /// [`next_event`](Self::next_event) in two steps, of which this is the first: it finds the event, and
    /// borrows nothing, for adapters whose own method returns the event from a loop that waits. The
    /// [crate's documentation](crate#an-adapter-of-your-own) has one.
    ///
    /// # Errors
    ///
    /// Those of [`next_event`](Self::next_event).
    pub fn advance(&mut self, input: &mut Buffer) -> Result<Option<Ready>, ProtocolError> {
        let mut replies = Replies::new();
        let ready = self.read.advance(input, &mut replies);
        self.write.reply(&mut replies);
        ready
    }

    /// The same for one frame at most, for adapters that count what a peer makes them do.
    #[cfg(feature = "mio")]
    #[inline]
    pub(crate) fn step(&mut self, input: &mut Buffer) -> Result<Step<Ready>, ProtocolError> {
        let mut replies = Replies::new();
        let step = self.read.step(input, &mut replies);
        if !replies.is_empty() {
            self.write.reply(&mut replies);
        }
        step
    }

    /// Makes the event of what [`advance`](Self::advance) found in the same buffer. This is where text is
    /// checked as a whole.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidText`]; the Close frame that answers it is queued.
    #[inline]
    pub fn event<'b>(
        &mut self,
        ready: Ready,
        input: &'b Buffer,
    ) -> Result<Event<'b>, ProtocolError> {
        let mut replies = Replies::new();
        let event = self.read.event(ready, input, &mut replies);
        self.write.reply(&mut replies);
        event
    }

    /// Does what is due at `now`, and says when to be called again, if at all. Call it before each wait: after
    /// what was received, written, and [closed](Self::close), which all move a deadline.
    ///
    /// Calling it later than asked makes deadlines late, calling it early or often does no harm. What is due
    /// may be a ping, so look at [`pending`](Self::pending) afterwards.
    ///
    /// # Errors
    ///
    /// The peer fell silent, did not answer our Close, or takes nothing of what is written to it. The
    /// connection is [finished](Self::is_finished) then: close the socket. From then on the same again.
    pub fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        if let Some(timed_out) = self.read.timed_out() {
            return Err(timed_out);
        }
        let mut replies = Replies::new();
        let due = match self.write.tick(now) {
            Ok(write) => {
                let read = self.read.tick(now, self.write.progress(), &mut replies);
                read.map(|read| earlier(read, write))
            }
            Err(timed_out) => Err(self.read.give_up(timed_out, &mut replies)),
        };
        self.write.reply(&mut replies);
        due
    }

    /// Whether a [tick](Self::tick) at `now` would fail because the peer fell silent or did not answer our
    /// Close. For loops that may not have read for a while: what it has sent in time may lie in the socket, so
    /// read once more before the tick.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.read.is_overdue(now, self.write.progress())
    }

    /// Lets the peer's silence begin anew at the next tick, for a loop that does not want to read.
    #[cfg(feature = "mio")]
    pub(crate) fn excuse_silence(&mut self) {
        self.read.excuse_silence();
    }

    /// Says that the peer's side of the stream has ended: a read returned 0 bytes, or failed. Take all
    /// [events](Self::next_event) that were read before it first: those that still lie in the buffer are
    /// discarded, a Close among them. What is pending is still to be written: the peer may have ended one side
    /// only.
    ///
    /// # Errors
    ///
    /// There was no Close frame before it.
    pub fn eof(&mut self) -> Result<(), Disconnected> {
        let mut replies = Replies::new();
        let end = self.read.eof(&mut replies);
        self.write.reply(&mut replies);
        end
    }

    /// Whether no events will come any more: the peer's Close or its fault was seen, its stream has ended,
    /// or a deadline has passed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.read.is_closed()
    }

    /// Whether to close the socket: the peer's side has ended too, it has had the time to do so
    /// ([`linger`](crate::ConfigBuilder::linger)), or a deadline has passed. Until then read on; what comes is
    /// discarded. A socket that is closed with unread input is reset, and the peer may lose our Close.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.read.is_finished(self.write.progress())
    }
}

#[cfg(all(test, feature = "mio"))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::time::Duration;

    use super::*;

    // ML-17: also if others have their turn before all that has arrived is undone
    #[test]
    fn a_fragment_is_a_sign_of_life() {
        let second = Duration::from_secs(1);
        let config = Config::builder().keepalive(second, second).build().unwrap();
        let (mut connection, mut input) = (Connection::server(config), Buffer::new());
        let start = Instant::now();
        connection.tick(start).unwrap();
        connection.tick(start + second).unwrap();
        assert_eq!(connection.pending(), b"\x89\0");
        connection.sent(2);
        connection.tick(start + second).unwrap();
        input.extend(b"\x01\x80\0\0\0\0\0\x80\0\0\0\0");
        assert!(matches!(connection.step(&mut input), Ok(Step::Fragment)));
        assert!(!input.unread().is_empty());
        connection.tick(start + 3 * second).unwrap();
    }
}
