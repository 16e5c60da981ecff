//! The half that receives: events, deadlines, and the end.

use std::time::Instant;

use super::write::Progress;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::{Agreement, Config, Role};
use crate::control::Replies;
use crate::decoder::{Decoder, Found, Step};
use crate::error::{Disconnected, ProtocolError, TimedOut};
use crate::message::{Event, Message};
use crate::timers::{Stage, Timers};

/// The half of a [`Connection`](crate::Connection) that receives. It has no lock and no socket.
///
/// The methods it shares with `Connection` are described there. Replies to the peer go into a
/// [`Replies`], which is to be passed to [`WriteHalf::reply`](crate::WriteHalf::reply).
#[derive(Debug)]
pub struct ReadHalf {
    decoder: Decoder,
    timers: Timers,
}

/// An event that lies in the buffer whole, to be made of it by [`ReadHalf::event`] or
/// [`Connection::event`](crate::Connection::event).
///
/// It borrows nothing: so an adapter can look for it in a loop, wait in between, and borrow the buffer once,
/// at the end.
#[derive(Debug)]
#[must_use = "the event is lost"]
pub struct Ready(Found);

impl Ready {
    /// Whether it is a message; else it is a ping, a pong or a Close.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.0.is_message()
    }

    /// What it was decompressed to, in bytes, if it was.
    #[cfg(all(feature = "deflate", any(feature = "mio", feature = "tokio")))]
    pub(crate) fn inflated_len(&self, input: &Buffer) -> Option<usize> {
        self.0.inflated_len(input)
    }

    /// Whether it is the peer's Close.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.0.is_close()
    }
}

impl ReadHalf {
    pub(super) fn new(role: Role, config: &Config, agreement: Option<&Agreement>) -> Self {
        Self { decoder: Decoder::new(role, config, agreement), timers: Timers::new(config) }
    }

    /// The next event, see [`Connection::next_event`](crate::Connection::next_event).
    ///
    /// # Errors
    ///
    /// The peer's first fault.
    // Always: handed over in memory, an event costs more than all the rest.
    #[inline(always)]
    pub fn next_event<'b>(
        &mut self,
        input: &'b mut Buffer,
        replies: &mut Replies,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        if let Some(found) = self.find_whole(input) {
            return match self.decoder.message(&found, input) {
                Ok(message) => Ok(Some(Event::Message(message))),
                Err(error) => Err(fail(error, replies)),
            };
        }
        self.next_event_of_any_kind(input, replies)
    }

    pub(super) fn next_event_of_any_kind<'b>(
        &mut self,
        input: &'b mut Buffer,
        replies: &mut Replies,
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match self.advance_any(input, replies)? {
            Some(ready) => self.event(ready, input, replies).map(Some),
            None => Ok(None),
        }
    }

    /// The fast path: a message that lies in the buffer whole.
    #[inline(always)]
    pub(crate) fn find_whole(&mut self, input: &mut Buffer) -> Option<Found> {
        let found = self.decoder.find_whole(input)?;
        self.timers.heard();
        Some(found)
    }

    /// Makes the message of it. A fault is to be [answered](Replies::fail).
    #[inline(always)]
    pub(crate) fn whole_message<'b>(
        &mut self,
        found: &Found,
        input: &'b Buffer,
    ) -> Result<Message<'b>, ProtocolError> {
        self.decoder.message(found, input)
    }

    /// Finds the next event, and says what there is to reply; [`event`](Self::event) then makes the event.
    ///
    /// # Errors
    ///
    /// The peer's first fault.
    #[inline]
    pub fn advance(
        &mut self,
        input: &mut Buffer,
        replies: &mut Replies,
    ) -> Result<Option<Ready>, ProtocolError> {
        match self.advance_whole(input) {
            Some(ready) => Ok(Some(ready)),
            None => self.advance_any(input, replies),
        }
    }

    /// The same for a message that lies in the buffer whole, if that is next.
    #[inline(always)]
    fn advance_whole(&mut self, input: &mut Buffer) -> Option<Ready> {
        self.find_whole(input).map(Ready)
    }

    pub(super) fn advance_any(
        &mut self,
        input: &mut Buffer,
        replies: &mut Replies,
    ) -> Result<Option<Ready>, ProtocolError> {
        loop {
            match self.step_any(input, replies)? {
                Step::Found(ready) => return Ok(Some(ready)),
                Step::Fragment => {}
                Step::Nothing => return Ok(None),
            }
        }
    }

    /// The same for one frame at most, for adapters that count what a peer makes them do.
    #[cfg(any(feature = "mio", feature = "tokio"))]
    #[inline]
    pub(crate) fn step(
        &mut self,
        input: &mut Buffer,
        replies: &mut Replies,
    ) -> Result<Step<Ready>, ProtocolError> {
        match self.advance_whole(input) {
            Some(ready) => Ok(Step::Found(ready)),
            None => self.step_any(input, replies),
        }
    }

    fn step_any(
        &mut self,
        input: &mut Buffer,
        replies: &mut Replies,
    ) -> Result<Step<Ready>, ProtocolError> {
        let found = match self.decoder.step(input) {
            Ok(Step::Found(found)) => found,
            Ok(Step::Fragment) => {
                self.timers.heard();
                return Ok(Step::Fragment);
            }
            Ok(Step::Nothing) => {
                self.note_arrival(input);
                return Ok(Step::Nothing);
            }
            Err(error) => return Err(fail(error, replies)),
        };
        self.timers.heard();
        if found.is_message() {
            return Ok(Step::Found(Ready(found)));
        }
        // The replies that RFC 6455 asks for (§5.5.1, §5.5.2).
        match self.decoder.event(&found, input) {
            Ok(Event::Ping(payload)) => replies.pong(payload),
            Ok(Event::Close(close)) => replies.finish(close.code, close.reason),
            Ok(_) => {}
            Err(error) => return Err(fail(error, replies)),
        }
        Ok(Step::Found(Ready(found)))
    }

    /// Makes the event of what [`advance`](Self::advance) found. This is where text is checked as a whole.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidText`].
    #[inline]
    pub fn event<'b>(
        &mut self,
        ready: Ready,
        input: &'b Buffer,
        replies: &mut Replies,
    ) -> Result<Event<'b>, ProtocolError> {
        self.decoder.event(&ready.0, input).map_err(|error| fail(error, replies))
    }

    /// Says that the peer's side of the stream has ended: a read returned 0 bytes, or failed.
    ///
    /// # Errors
    ///
    /// There was no Close frame before it.
    pub fn eof(&mut self, replies: &mut Replies) -> Result<(), Disconnected> {
        let mid_message = self.decoder.is_mid_message() || self.decoder.partial;
        let expected = self.decoder.has_ended();
        self.decoder.eof = true;
        self.decoder.end();
        replies.end();
        match expected {
            true => Ok(()),
            false => Err(Disconnected { mid_message }),
        }
    }

    /// Whether no events will come any more, see [`Connection::is_closed`](crate::Connection::is_closed).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.decoder.has_ended()
    }

    /// Whether the peer's side of the stream has ended, and nothing is to be read any more.
    #[must_use]
    pub fn has_eof(&self) -> bool {
        self.decoder.eof
    }

    /// Ends the connection from our side: a Close frame, unless there was one, and nothing after it. What
    /// the peer still sends is discarded, its Close among it. See
    /// [`Connection::finish`](crate::Connection::finish).
    pub fn finish(&mut self, code: CloseCode, reason: &str, replies: &mut Replies) {
        self.decoder.end();
        replies.finish(Some(code), reason);
    }

    /// Does what is due at `now`, and says when to be called again, if at all. `progress` is that of the
    /// other half, after its own [tick](crate::WriteHalf::tick).
    ///
    /// # Errors
    ///
    /// The peer fell silent, or did not answer our Close. The connection is
    /// [finished](Self::is_finished) then.
    pub fn tick(
        &mut self,
        now: Instant,
        progress: Progress,
        replies: &mut Replies,
    ) -> Result<Option<Instant>, TimedOut> {
        if let Some(timed_out) = self.timers.timed_out() {
            return Err(timed_out);
        }
        if self.is_finished(progress) {
            return Ok(None);
        }
        self.timers.note_drained(progress.drained);
        match self.timers.tick(now, self.stage(progress)) {
            Ok(tick) => {
                replies.ping |= tick.ping;
                Ok(tick.next)
            }
            Err(timed_out) => Err(self.give_up(timed_out, replies)),
        }
    }

    /// Whether a [tick](Self::tick) at `now` would fail. An adapter that may not have read for a while, since
    /// its user was busy, reads once more before it ticks: what the peer has sent in time may lie in the
    /// socket.
    #[must_use]
    pub fn is_overdue(&self, now: Instant, progress: Progress) -> bool {
        self.timers.overdue(now, self.stage(progress)).is_some()
    }

    /// Whether the socket is to be closed, see [`Connection::is_finished`](crate::Connection::is_finished).
    #[must_use]
    pub fn is_finished(&self, progress: Progress) -> bool {
        self.timers.timed_out().is_some()
            || self.timers.is_over()
            || self.decoder.eof && progress.flushed
    }

    /// The peer may have sent what nobody reads: its silence begins anew.
    #[cfg(feature = "mio")]
    pub(super) fn excuse_silence(&mut self) {
        self.timers.heard();
    }

    /// A deadline has passed: nothing more is received or sent.
    pub(super) fn give_up(&mut self, timed_out: TimedOut, replies: &mut Replies) -> TimedOut {
        self.timers.give_up(timed_out);
        self.decoder.end();
        replies.end();
        timed_out
    }

    pub(super) fn timed_out(&self) -> Option<TimedOut> {
        self.timers.timed_out()
    }

    /// One row of the diagram of [`Connection`](crate::Connection).
    fn stage(&self, progress: Progress) -> Stage {
        match (self.decoder.has_ended(), progress) {
            // Nothing can be said any more, but something may have arrived.
            (_, Progress { failed: true, .. }) => Stage::Lingering,
            // Behind our Close there are only pongs.
            (true, Progress { flushed: false, close_due: None, .. }) => Stage::Finishing,
            (true, _) => Stage::Lingering,
            (false, Progress { closed: true, close_due, .. }) => Stage::Closing(close_due),
            (false, _) => Stage::Open,
        }
    }

    /// Bytes of an unfinished frame are a sign of life too.
    pub(crate) fn note_arrival(&mut self, input: &mut Buffer) {
        if input.take_news() {
            self.timers.heard();
        }
        self.decoder.partial = !input.unread().is_empty();
    }
}

/// The Close frame that a fault of the peer's calls for, and nothing after it (§7.1.7).
#[cold]
fn fail(error: ProtocolError, replies: &mut Replies) -> ProtocolError {
    replies.fail(error);
    error
}
