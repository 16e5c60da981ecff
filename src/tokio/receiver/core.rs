//! One poll of the receiver, apart from the buffer that messages borrow.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::tokio::task::coop;

use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::connection::{ReadHalf, Ready};
use crate::control::Replies;
use crate::encoder::Unsent;
use crate::end::{End, Failure};
use crate::error::{Error, ProtocolError};
use crate::handshake::Request;
use crate::message::{Close, Event};
use crate::timers::earlier;
use crate::tokio::alarm::Ticket;
use crate::tokio::link::{Link, Turn, Waiter};
use crate::tokio::spare;
use crate::tokio::timer::{Timer, now};
use crate::tokio::transport::{self, Transport};

/// After so many frames other tasks have their turn.
const MESSAGES: u8 = 32;

/// So many reads in a row that bring something, before the deadlines are looked at.
const READS: u8 = 32;

pub(super) struct Core {
    pub(super) read: ReadHalf,
    timer: Timer,
    ticket: Option<Ticket>,
    pub(super) request: Option<Box<Request>>,
    /// The peer's Close: its code, its reason, and whether a message was under way.
    pub(super) close: Option<Box<(Option<CloseCode>, String, bool)>>,
    end: Option<Box<End>>,
    /// The socket is closed.
    finished: bool,
    /// The last read brought as much as there was room for: there may be more.
    full: bool,
    /// The buffer was put aside.
    parked: bool,
    /// The timer has not heard yet of the task that waits now.
    new_task: bool,
    messages: u8,
    reads: u8,
}

/// The outcome of a step.
enum Step {
    /// Something has come, or gone.
    Done,
    /// Nothing is to be done before something comes, or this time.
    Wait { due: Option<Instant>, is_new: bool },
}

impl Core {
    pub(super) fn new(read: ReadHalf, request: Option<Request>) -> Self {
        Self {
            read,
            timer: Timer::default(),
            ticket: None,
            request: request.map(Box::new),
            close: None,
            end: None,
            finished: false,
            full: false,
            parked: true,
            new_task: false,
            messages: 0,
            reads: 0,
        }
    }

    /// The next thing the peer says; at the end, when the socket is closed, how it ended.
    pub(super) fn poll_next<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        events: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Ready>, Error>> {
        loop {
            ready!(self.poll_proceed(cx));
            // Put aside with nothing in it, it holds nothing to be found.
            if !self.parked || buffer.is_some() {
                let input = self.input(buffer);
                if let Some(ready) = self.find(link, input, events) {
                    return Poll::Ready(Ok(Some(ready)));
                }
            }
            if self.end.is_some() {
                return self.poll_end(link, buffer, cx).map_ok(|()| None);
            }
            self.request = None;
            ready!(self.poll_wait(link, buffer, cx));
        }
    }

    /// After the end, writes the rest of the output and waits for the peer's end of the stream, as long as
    /// that may take; then says how it ended.
    pub(super) fn poll_end<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.finished {
            ready!(self.poll_proceed(cx));
            self.messages += 1;
            // Nothing is to be seen in it any more.
            self.input(buffer).clear();
            ready!(self.poll_wait(link, buffer, cx));
        }
        *buffer = None;
        let end = self.end.as_deref().cloned();
        Poll::Ready(end.map_or(Ok(()), End::into_result))
    }

    /// Other tasks have their turn after so many frames.
    fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.messages >= MESSAGES {
            ready!(coop::poll_proceed(cx)).made_progress();
            self.messages = 0;
        }
        Poll::Ready(())
    }

    /// The next message of those that have arrived, or with `events` also ping or pong. Nothing after the end.
    pub(super) fn find<S: Transport>(
        &mut self,
        link: &Link<S>,
        input: &mut Buffer,
        events: bool,
    ) -> Option<Ready> {
        let mut replies = Replies::new();
        while self.end.is_none() {
            match self.read.advance(input, &mut replies) {
                Ok(Some(ready)) => {
                    self.messages = self.messages.saturating_add(1);
                    if ready.is_message() {
                        return Some(ready); // there is nothing to reply
                    }
                    if ready.is_close() {
                        self.note_close(ready, input, &mut replies);
                        link.turn(|turn| turn.reply(&mut replies));
                        return None;
                    }
                    link.turn(|turn| turn.reply(&mut replies));
                    if events {
                        return Some(ready);
                    }
                }
                Ok(None) => return None,
                Err(error) => self.fail(link, error, &mut replies),
            }
        }
        None
    }

    /// Makes the event of what was found. This is where text is checked as a whole.
    pub(super) fn event<'b, S: Transport>(
        &mut self,
        link: &Link<S>,
        found: Option<Ready>,
        buffer: &'b Option<Box<Buffer>>,
    ) -> Result<Option<Event<'b>>, Error> {
        let (Some(ready), Some(buffer)) = (found, buffer) else {
            return Ok(None);
        };
        let mut replies = Replies::new();
        self.read.event(ready, buffer, &mut replies).map(Some).map_err(|error| {
            self.fail(link, error, &mut replies);
            error.into()
        })
    }

    /// The peer has broken the protocol.
    fn fail<S: Transport>(&mut self, link: &Link<S>, error: ProtocolError, replies: &mut Replies) {
        self.end.get_or_insert_with(|| Box::new(End::Protocol(error)));
        link.turn(|turn| turn.reply(replies));
    }

    /// Ends the connection from our side.
    pub(super) fn finish_with<S: Transport>(&mut self, link: &Link<S>, code: CloseCode) {
        if self.end.is_none() {
            let mut replies = Replies::new();
            self.read.finish(code, "", &mut replies);
            self.end = Some(Box::new(End::Closed));
            link.turn(|turn| turn.reply(&mut replies));
        }
    }

    fn note_close(&mut self, ready: Ready, input: &Buffer, replies: &mut Replies) {
        // A Close that is none was found before.
        if let Ok(Event::Close(close)) = self.read.event(ready, input, replies) {
            let Close { code, reason, mid_message } = close;
            self.close = Some(Box::new((code, reason.to_owned(), mid_message)));
        }
        self.end.get_or_insert_with(|| Box::new(End::Closed));
    }

    /// The buffer to read into, with what was put aside.
    pub(super) fn input<'b>(&mut self, buffer: &'b mut Option<Box<Buffer>>) -> &'b mut Buffer {
        if std::mem::take(&mut self.parked) {
            *buffer = Some(spare::take_buffer(buffer.take()));
        }
        buffer.get_or_insert_default()
    }

    /// Writes what there is to write, looks at the deadlines, and reads, once; or notes the end. Ready if any of it
    /// came to something.
    fn poll_wait<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let input = self.input(buffer);
        let Step::Wait { due, is_new } = link.turn(|turn| self.step(turn, input, cx)) else {
            return Poll::Ready(());
        };
        self.new_task |= is_new;
        if let Some(due) = due {
            let is_new = std::mem::take(&mut self.new_task);
            if self.timer.has_come(due, is_new, cx) {
                return Poll::Ready(());
            }
        }
        *buffer = buffer.take().and_then(spare::put_aside);
        self.parked = true;
        Poll::Pending
    }

    fn step<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        input: &mut Buffer,
        cx: &mut Context<'_>,
    ) -> Step {
        turn.unpark();
        // More is to be read, and will be answered in the same write.
        if !self.full || turn.write.is_congested() || self.end.is_some() {
            self.write(turn, cx);
        }
        // Input that came in time, perhaps while the user was busy, lies in the socket: it is read before the
        // deadlines are looked at, but not for ever.
        let is_tired = self.reads == READS;
        if !is_tired && self.read_some(turn, input, cx) {
            self.reads += 1;
            return Step::Done;
        }
        self.reads = 0;
        // Now there is nothing more to be answered in the same write; and some streams read with the other waker.
        self.write(turn, cx);
        let due = match self.tick(turn, now(), cx) {
            Ok(due) => due,
            Err(end) => {
                self.end(turn, end);
                return Step::Done;
            }
        };
        if turn.stream.is_none() || self.read.is_finished(turn.write.progress()) {
            self.finish(turn);
            return Step::Done;
        }
        match is_tired {
            true => Step::Done,
            false => Step::Wait { due, is_new: turn.park(cx.waker()) },
        }
    }

    /// A failure is noted, and seen at the end of what had arrived.
    fn write<S: Transport>(&mut self, turn: &mut Turn<'_, S>, cx: &mut Context<'_>) {
        let waiter = Waiter { ticket: &mut self.ticket, waker: cx.waker() };
        let _ = turn.write(&mut Unsent::nothing(), Some(waiter));
        if turn.write.wants_shutdown() {
            let _ = turn.poll_shut_down(cx);
        }
    }

    /// Looks at the deadlines: the next of them.
    fn tick<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<Option<Instant>, End> {
        loop {
            let due = turn.tick(now).map_err(End::TimedOut)?;
            let mut replies = Replies::new();
            let progress = turn.write.progress();
            let read_due = self.read.tick(now, progress, &mut replies).map_err(End::TimedOut)?;
            if replies.is_empty() {
                return Ok(earlier(due, read_due));
            }
            // A ping is due. What comes of writing it may move the deadlines.
            turn.reply(&mut replies);
            self.write(turn, cx);
        }
    }

    /// Reads once, and notes the end of the stream. Whether there was anything.
    fn read_some<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        input: &mut Buffer,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(stream) = turn.stream.as_mut().filter(|_| !self.read.has_eof()) else {
            return false;
        };
        let room = input.space().len();
        match transport::read(stream, input, cx) {
            Ok(0) => self.eof(turn, None),
            Ok(n) => self.full = n == room,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.full = false;
                return false;
            }
            Err(error) => self.eof(turn, Some(error.into())),
        }
        true
    }

    /// The stream is over, for a reason that may be known: a write that failed before, or this read.
    fn eof<S: Transport>(&mut self, turn: &mut Turn<'_, S>, read: Option<Failure>) {
        self.full = false;
        let mut replies = Replies::new();
        let end = self.read.eof(&mut replies);
        turn.reply(&mut replies);
        if let Err(disconnected) = end {
            let reason = turn.failure.clone().or(read);
            self.end(turn, End::disconnected(disconnected, reason));
        }
    }

    /// Notes the first end.
    fn end<S: Transport>(&mut self, turn: &mut Turn<'_, S>, end: End) {
        let is_fatal = end.is_fatal();
        self.end.get_or_insert_with(|| Box::new(end));
        if is_fatal {
            self.finish(turn);
        }
    }

    /// Closes the socket.
    fn finish<S: Transport>(&mut self, turn: &mut Turn<'_, S>) {
        self.finished = true;
        if self.end.is_none() {
            // After a failed write, or by one of our own.
            self.eof(turn, None);
        }
        turn.close();
    }
}
