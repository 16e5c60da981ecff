//! One poll of the receiver, apart from the buffer that messages borrow.

mod wait;

use std::task::{Context, Poll, ready};

use super::edges::Edges;
use super::work::Work;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::connection::{ReadHalf, Ready};
use crate::control::Replies;
use crate::decoder::{Found as Whole, Step};
use crate::end::End;
use crate::error::{Error, ProtocolError};
use crate::handshake::Request;
use crate::message::{Event, Message};
use crate::tokio::link::Link;
use crate::tokio::spare;
use crate::tokio::transport::Transport;

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
    pub(super) fn find_whole(&mut self, buffer: &mut Option<Box<Buffer>>) -> Option<Whole> {
        if self.parked || self.work.is_enough() {
            return None;
        }
        let whole = self.read.find_whole(buffer.as_deref_mut()?)?;
        self.work.count_frame();
        Some(whole)
    }

    /// Makes the message of what was found so, unless it is text that is none.
    #[inline(always)]
    pub(super) fn whole_message<'b, S: Transport>(
        &mut self,
        link: &Link<S>,
        whole: &Whole,
        buffer: &'b Option<Box<Buffer>>,
    ) -> Option<Message<'b>> {
        match self.read.whole_message(whole, buffer.as_deref()?) {
            Ok(message) => Some(message),
            Err(error) => {
                self.fail_text(link, error);
                None
            }
        }
    }

    #[cold]
    fn fail_text<S: Transport>(&mut self, link: &Link<S>, error: ProtocolError) {
        let mut replies = Replies::new();
        replies.fail(error);
        self.fail(link, error, &mut replies);
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
        let proceed = self.work.poll_proceed(cx);
        if proceed.is_pending() {
            self.give_way(link, buffer, cx);
        }
        proceed
    }

    #[cold]
    fn give_way<S: Transport>(
        &mut self,
        link: &Link<S>,
        buffer: &mut Option<Box<Buffer>>,
        cx: &mut Context<'_>,
    ) {
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
}
