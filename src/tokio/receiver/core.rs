//! One poll of the receiver, apart from the buffer that messages borrow.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::tokio::task::coop;

use super::edges::Edges;
use super::work::Work;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::connection::{ReadHalf, Ready};
use crate::control::Replies;
use crate::decoder::Step;
use crate::end::{End, Failure};
use crate::error::{Error, ProtocolError};
use crate::handshake::Request;
use crate::message::Event;
use crate::timers::earlier;
use crate::tokio::link::{Link, Turn};
use crate::tokio::spare;
use crate::tokio::timer::now;
use crate::tokio::transport::{self, Transport};

/// So many bytes of answers are written at once: more would not stay in the processor's cache until then.
const BATCH: usize = 64 * 1024;

pub(super) struct Core {
    read: ReadHalf,
    pub(super) edges: Edges,
    /// The socket is closed.
    finished: bool,
    /// The last read brought as much as there was room for: there may be more.
    full: bool,
    /// The buffer was put aside.
    parked: bool,
    /// The timer has not heard yet of the task that waits now.
    new_task: bool,
    work: Work,
}

/// What was found in the buffer.
enum Found {
    Event(Ready),
    Nothing,
    /// There may be more, but others are to have their turn first.
    Enough,
}

/// The outcome of looking at the stream.
enum Outcome {
    /// Something has come, or gone.
    Done,
    /// Nothing is to be done before something comes, or this time, for which the timer is to be set.
    Wait(Option<Instant>),
}

impl Core {
    pub(super) fn new(read: ReadHalf, request: Option<Request>) -> Self {
        Self {
            read,
            edges: Edges::new(request),
            finished: false,
            full: false,
            parked: true,
            new_task: false,
            work: Work::default(),
        }
    }

    /// The fast path: a message that lies in the buffer whole, if it is as simple as that.
    #[inline(always)]
    pub(super) fn find_whole(&mut self, buffer: &mut Option<Box<Buffer>>) -> Option<Ready> {
        if self.parked || self.work.is_enough() {
            return None;
        }
        let whole = self.read.advance_whole(buffer.as_deref_mut()?)?;
        self.work.count_frame();
        Some(whole)
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
            ready!(self.poll_proceed(link, buffer, cx));
            // Put aside with nothing in it, it holds nothing to be found.
            if !self.parked || buffer.is_some() {
                let input = self.input(buffer);
                match self.find(link, input, events) {
                    Found::Event(ready) => return Poll::Ready(Ok(Some(ready))),
                    Found::Enough => continue,
                    Found::Nothing => {}
                }
            }
            if self.edges.has_ended() {
                return self.poll_end(link, buffer, cx).map_ok(|()| None);
            }
            self.edges.forget_request();
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
            ready!(self.poll_proceed(link, buffer, cx));
            self.work.count_frame();
            // Nothing is to be seen in it any more.
            self.input(buffer).clear();
            ready!(self.poll_wait(link, buffer, cx));
        }
        self.input(buffer).clear();
        self.park(buffer);
        Poll::Ready(self.edges.result())
    }

    /// Other tasks have their turn after so much work.
    #[inline]
    fn poll_proceed<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.work.poll_proceed(cx).is_ready() {
            return Poll::Ready(());
        }
        // What was fed does not wait for them.
        link.turn(|turn| turn.write_pending(cx));
        // They may need the memory.
        match buffer {
            Some(input) if !input.is_empty() => {
                #[cfg(feature = "deflate")]
                input.drop_inflated();
            }
            _ => self.park(buffer),
        }
        Poll::Pending
    }

    /// Puts the buffer aside: it is others' while this one has nothing to do.
    fn park(&mut self, buffer: &mut Option<Box<Buffer>>) {
        if let Some(input) = buffer {
            self.read.note_arrival(input);
        }
        *buffer = buffer.take().and_then(spare::put_aside);
        self.parked = true;
    }

    /// The next message of those that have arrived, or with `events` also ping or pong. Nothing after the end.
    fn find<S: Transport>(&mut self, link: &Link<S>, input: &mut Buffer, events: bool) -> Found {
        let mut replies = Replies::new();
        while !self.edges.has_ended() {
            if let Some(ready) = self.read.advance_whole(input) {
                self.work.count_frame();
                return Found::Event(ready);
            }
            match self.read.step(input, &mut replies) {
                Ok(Step::Found(ready)) => {
                    self.work.count_frame();
                    if ready.is_message() {
                        #[cfg(feature = "deflate")]
                        if let Some(bytes) = ready.inflated_len(input) {
                            self.work.count_inflated(bytes);
                        }
                        return Found::Event(ready); // there is nothing to reply
                    }
                    if ready.is_close() {
                        if let Ok(Event::Close(close)) = self.read.event(ready, input, &mut replies)
                        {
                            self.edges.set_close(&close);
                        }
                        link.turn(|turn| turn.reply(&mut replies));
                        return Found::Nothing;
                    }
                    link.turn(|turn| turn.reply(&mut replies));
                    if events {
                        return Found::Event(ready);
                    }
                }
                Ok(Step::Fragment) => self.work.count_frame(),
                Ok(Step::Nothing) => return Found::Nothing,
                Err(error) => self.fail(link, error, &mut replies),
            }
            if self.work.is_enough() {
                return Found::Enough;
            }
        }
        Found::Nothing
    }

    /// The next message of those that have arrived. If there is none, no memory is kept.
    pub(super) fn find_buffered<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
    ) -> Option<Ready> {
        loop {
            let input = self.input(buffer);
            match self.find(link, input, false) {
                Found::Event(ready) => return Some(ready),
                Found::Enough => {} // only pings, pongs and fragments so far
                Found::Nothing => {
                    self.park(buffer);
                    return None;
                }
            }
        }
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
        self.edges.set_end(End::Protocol(error));
        link.turn(|turn| turn.reply(replies));
    }

    /// Ends the connection from our side.
    pub(super) fn finish_with<S: Transport>(&mut self, link: &Link<S>, code: CloseCode) {
        if !self.edges.has_ended() {
            let mut replies = Replies::new();
            self.read.finish(code, "", &mut replies);
            self.edges.set_end(End::Closed);
            link.turn(|turn| turn.reply(&mut replies));
        }
    }

    /// The buffer to read into, with what was put aside.
    fn input<'b>(&mut self, buffer: &'b mut Option<Box<Buffer>>) -> &'b mut Buffer {
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
        let Outcome::Wait(due) = link.turn(|turn| self.look(turn, input, cx)) else {
            return Poll::Ready(());
        };
        if let Some(due) = due {
            // Not while the state is locked: it has the task's waker.
            let mut timer = link.turn(|turn| std::mem::take(&mut turn.timer));
            let has_come = timer.has_come(due, cx);
            link.turn(|turn| turn.timer = timer);
            // A task that has used up its budget was not registered, and is woken at once.
            self.new_task = !coop::has_budget_remaining();
            if has_come {
                return Poll::Ready(());
            }
        }
        self.park(buffer);
        self.work.wait();
        Poll::Pending
    }

    fn look<S: Transport>(
        &mut self,
        turn: &mut Turn<'_, S>,
        input: &mut Buffer,
        cx: &mut Context<'_>,
    ) -> Outcome {
        turn.unpark();
        // More is to be read, and will be answered in the same write.
        if !self.full || turn.write.queued() >= BATCH || self.edges.has_ended() {
            turn.write_pending(cx);
        }
        // Input that came in time, perhaps while the user was busy, lies in the socket: it is read before the
        // deadlines are looked at, but not for ever.
        let is_tired = self.work.is_tired();
        if !is_tired && self.read_some(turn, input, cx) {
            return Outcome::Done;
        }
        self.work.deadlines_were_looked_at();
        // Now there is nothing more to be answered in the same write; and some streams read with the other waker.
        turn.write_pending(cx);
        let due = match self.tick(turn, now(), cx) {
            Ok(due) => due,
            Err(end) => {
                self.end(turn, end);
                return Outcome::Done;
            }
        };
        if turn.stream.is_none() || self.read.is_finished(turn.write.progress()) {
            self.finish(turn);
            return Outcome::Done;
        }
        if is_tired {
            return Outcome::Done;
        }
        self.new_task |= turn.park(cx.waker());
        Outcome::Wait(due.filter(|due| self.new_task || !turn.timer.wakes_by(*due)))
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
            turn.write_pending(cx);
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
        let read = transport::read(stream, input, cx);
        self.work.count_read(read.as_ref().map_or(0, |(n, _)| *n));
        match read {
            Ok((0, _)) => self.eof(turn, None),
            Ok((_, full)) => self.full = full,
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
        self.edges.set_end(end);
        if is_fatal && !self.finished {
            self.finish(turn);
        }
    }

    /// Closes the socket.
    fn finish<S: Transport>(&mut self, turn: &mut Turn<'_, S>) {
        self.finished = true;
        if !self.edges.has_ended() {
            // After a failed write, or by one of our own.
            self.eof(turn, None);
        }
        turn.close();
    }
}
