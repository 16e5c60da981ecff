//! A turn of one connection: what it has received is dealt with, what it has to say is written, its deadlines are looked at.

mod receive;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::app::App;
use super::client::{Client, Stage};
use super::common::{Common, End};
use super::table::Id;
use crate::buffer::memory::MAX_SPARE;
use crate::close::CloseCode;
use crate::encoder::Written;
use crate::error::{Disconnected, Error, TimedOut};
use crate::handshake::Response;

/// The state of a connection after its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for its socket.
    Waits,
    /// It has more to say.
    Unfinished,
    Gone,
    /// The application takes the socket.
    Taken,
}

impl<S> Client<S> {
    pub(super) fn turn<A: App<State = S>>(
        &mut self,
        id: Id,
        app: &mut A,
        common: &mut Common,
    ) -> Next {
        self.lend_queue(&mut common.queue);
        let mut shared = std::mem::take(&mut common.input);
        let mut own = self.input.take();
        let input = match &mut own {
            Some(own) => shared.attach(own),
            None => &mut shared,
        };
        let next = match self.receive(id, input, app, common) {
            Ok(()) => self.settle(id, app, common),
            Err(error) => self.fail(error, app, common),
        };
        // Until the next turn others may need the memory.
        #[cfg(feature = "deflate")]
        input.drop_inflated();
        self.reclaim_queue(&mut common.queue);
        self.input = match own {
            Some(own) if !own.is_empty() => Some(own),
            _ if !shared.is_empty() => Some(Box::new(shared.detach())),
            // The larger memory stays, for the next to read into, unless it is too large.
            Some(own) if (shared.capacity()..=MAX_SPARE).contains(&own.capacity()) => {
                shared = *own;
                None
            }
            _ => None,
        };
        // What one connection waits for, or was heard of it, says nothing of the next.
        shared.clear();
        if shared.capacity() <= MAX_SPARE {
            common.input = shared;
        }
        next
    }

    /// Writes what is pending, ends our side when all is said, and looks at the deadlines: what every turn ends with.
    pub(super) fn settle<A: App<State = S>>(
        &mut self,
        id: Id,
        app: &mut A,
        common: &mut Common,
    ) -> Next {
        if self.flags.aborted {
            common.end(|| End::Failed(Disconnected { mid_message: false }.into()));
            return Next::Gone;
        }
        if matches!(&self.stage, Stage::Handshake(handshake) if handshake.taken.is_some()) {
            return Next::Taken;
        }
        let waited = self.queued();
        let mut written = self.write();
        // Less than half may have waited before: it has to have become less.
        if written.is_ok() && (self.queued() < waited || waited == 0) && self.has_drained(common) {
            self.drained(id, app, common);
            if self.flags.aborted {
                return self.settle(id, app, common);
            }
            written = self.write();
        }
        // What was written moves deadlines; what is due may be a ping or a response.
        let due = self.tick(app, common);
        if written.as_ref().is_ok_and(|written| *written == Written::All) && self.has_output() {
            written = self.write();
        }
        if let Err(error) = written {
            return self.fail(error, app, common);
        }
        let due = match self.wants_shutdown() {
            true => {
                if let Err(error) = self.socket.shut_down() {
                    return self.fail(error, app, common);
                }
                self.tick(app, common)
            }
            false => due,
        };
        common.due = common.clock.due(due, common.now, id.slot());
        if self.is_finished() {
            return Next::Gone;
        }
        // What is congested after a write waits for the peer.
        let has_drained = self.queued() == 0 && self.has_drained(common);
        match self.has_input() && !self.is_congested() || has_drained {
            true => Next::Unfinished,
            false => Next::Waits,
        }
    }

    /// Ends the connection from our side, whatever the peer still sends.
    pub(super) fn finish(&mut self, code: CloseCode) {
        if let Stage::Open { connection, .. } = &mut self.stage {
            connection.finish(code, "");
            self.input = None;
            self.flags.undecoded = false;
            self.flags.paused = false;
        }
    }

    fn drained<A: App<State = S>>(&mut self, id: Id, app: &mut A, common: &mut Common) {
        self.flags.overflowed = false;
        let drained = || {
            if let Some(mut peer) = self.peer(id, common) {
                app.drained(&mut peer);
            }
        };
        if catch_unwind(AssertUnwindSafe(drained)).is_err() {
            self.panicked(app, common);
        }
    }

    /// Whether there is room again for what did not fit.
    fn has_drained(&self, common: &Common) -> bool {
        self.flags.overflowed
            && self.queued() <= common.config.max_queue / 2
            && matches!(&self.stage, Stage::Open { connection, state: Some(_) }
                if !connection.is_closed())
    }

    /// The application has panicked in the middle of something.
    fn panicked<A: App<State = S>>(&mut self, app: &mut A, common: &mut Common) {
        let error = || Error::Handler("a method of the App panicked".into());
        match &mut self.stage {
            Stage::Handshake(handshake) => {
                handshake.respond(Response::no_answer());
                handshake.report(app, &error());
            }
            Stage::Open { .. } => {
                self.finish(CloseCode::INTERNAL_ERROR);
                common.end(|| End::Failed(error()));
            }
        }
    }

    /// Does what is due, and says when to be called again.
    fn tick<A: App<State = S>>(&mut self, app: &mut A, common: &mut Common) -> Option<Instant> {
        let now = common.now;
        match &mut self.stage {
            Stage::Handshake(handshake) => {
                if let Some(by) = handshake.deciding {
                    if now < by {
                        return Some(by);
                    }
                    handshake.deciding = None;
                    handshake.respond(Response::unavailable("the server has no answer yet\n"));
                    handshake.report(app, &TimedOut::Handshake.into());
                }
                handshake.acceptor.tick(now).unwrap_or_else(|error| {
                    handshake.report(app, &error.into());
                    Some(now)
                })
            }
            Stage::Open { connection, .. } => {
                if self.flags.paused && connection.is_overdue(now) {
                    connection.excuse_silence(); // its answer may lie in the socket
                }
                connection.tick(now).unwrap_or_else(|error| {
                    common.end(|| End::Failed(error.into()));
                    Some(now)
                })
            }
        }
    }

    /// The socket has failed.
    fn fail<A: App<State = S>>(
        &mut self,
        error: io::Error,
        app: &mut A,
        common: &mut Common,
    ) -> Next {
        match &mut self.stage {
            Stage::Handshake(handshake) => handshake.report(app, &error.into()),
            Stage::Open { .. } => common.end(|| End::Failed(error.into())),
        }
        Next::Gone
    }
}
