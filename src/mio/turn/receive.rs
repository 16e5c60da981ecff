//! What a turn deals with of what has arrived: bounded in bytes and in messages, so that a busy connection leaves time to the
//! others.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::buffer::Buffer;
use crate::decoder::Step;
use crate::encoder::Written;
use crate::message::Event;
use crate::mio::app::App;
use crate::mio::client::{Client, Stage};
use crate::mio::common::{Common, End};
use crate::mio::peer::Peer;
use crate::mio::socket::Read;
use crate::mio::table::Id;

/// Reads of a turn at most.
const READS: usize = 4;
/// Bytes, after which a turn does not read on.
const BYTES: usize = 256 * 1024;
/// Messages, fragments, pings and pongs of a turn at most.
const EVENTS: usize = 1024;

/// What a message costs beside its bytes, in bytes. A compressed one counts once more for each as many that it has become.
const MESSAGE: usize = 256;
/// From so much work in a turn on a connection is busy.
const BUSY: usize = 128 * 1024;

/// Whether a short read is all there was, and what comes next is an event: elsewhere only a read that would block says so.
const SHORT_READ_IS_ALL: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What a turn may still take.
struct Budget {
    bytes: usize,
    events: usize,
}

#[cfg(feature = "deflate")]
impl Budget {
    fn count_inflated(&mut self, bytes: usize) {
        self.events = self.events.saturating_sub(bytes / MESSAGE);
    }
}

impl<S> Client<S> {
    /// Deals with what has arrived, as far as one turn goes: what it has to say is written when nothing more is read,
    /// since the fewer the writes, the less often the peer has to be woken.
    pub(super) fn receive<A: App<State = S>>(
        &mut self,
        id: Id,
        input: &mut Buffer,
        app: &mut A,
        common: &mut Common,
    ) -> io::Result<()> {
        let is_handshaking = self.socket.is_handshaking();
        if is_handshaking && self.has_input() {
            match common.handshakes.checked_sub(1) {
                Some(left) => common.handshakes = left,
                None => return Ok(()),
            }
        }
        let mut left = Budget { bytes: BYTES, events: EVENTS };
        let received = self.receive_within(&mut left, id, input, app, common);
        let spent = (BYTES - left.bytes) + (EVENTS - left.events) * MESSAGE;
        self.flags.busy = spent >= BUSY || is_handshaking && self.socket.is_handshaking();
        common.spent += spent;
        received
    }

    fn receive_within<A: App<State = S>>(
        &mut self,
        left: &mut Budget,
        id: Id,
        input: &mut Buffer,
        app: &mut A,
        common: &mut Common,
    ) -> io::Result<()> {
        for _ in 0..READS {
            if !self.has_input() || left.bytes == 0 || left.events == 0 {
                break;
            }
            if self.is_congested() {
                if self.write()? == Written::Blocked {
                    break;
                }
                continue;
            }
            if !self.flags.undecoded {
                self.read(input, left, app, common)?;
            }
            let dispatch = || self.dispatch(id, input, app, common, left);
            if catch_unwind(AssertUnwindSafe(dispatch)).is_err() {
                input.clear();
                self.panicked(app, common);
            }
        }
        Ok(())
    }

    fn read<A: App<State = S>>(
        &mut self,
        input: &mut Buffer,
        left: &mut Budget,
        app: &mut A,
        common: &mut Common,
    ) -> io::Result<()> {
        match self.socket.read(input, &mut common.records) {
            Ok(Read::Some(n, may_be_more)) => {
                self.flags.readable = may_be_more || self.flags.ended || !SHORT_READ_IS_ALL;
                left.bytes = left.bytes.saturating_sub(n);
            }
            Ok(Read::End) => {
                self.flags.readable = false;
                self.eof(app, common);
            }
            #[cfg(feature = "rustls")]
            Ok(Read::Http) => self.refuse_http(app),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.flags.readable = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn dispatch<A: App<State = S>>(
        &mut self,
        id: Id,
        input: &mut Buffer,
        app: &mut A,
        common: &mut Common,
        left: &mut Budget,
    ) {
        if let Stage::Handshake(_) = &self.stage {
            self.shake_hands(id, input, app, common);
        }
        if std::mem::take(&mut self.flags.opening) {
            if let Some(mut peer) = self.peer(id, common) {
                app.open(&mut peer);
            }
        }
        let Self { stage, socket, flags, .. } = self;
        let Stage::Open { connection, state } = stage else {
            return;
        };
        flags.undecoded = true;
        // It may want no more after any of them.
        while !flags.paused && !flags.aborted {
            // If there is nothing more, it has to hear of that.
            if left.events == 0 && !input.unread().is_empty() {
                return;
            }
            left.events = left.events.saturating_sub(1);
            let event = match connection.step(input) {
                Ok(Step::Found(ready)) => {
                    #[cfg(feature = "deflate")]
                    left.count_inflated(ready.inflated_len(input).unwrap_or(0));
                    connection.event(ready, input)
                }
                Ok(Step::Fragment) => continue,
                Ok(Step::Nothing) => {
                    flags.undecoded = false;
                    return;
                }
                Err(error) => Err(error),
            };
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    flags.undecoded = false;
                    return common.end(|| End::Failed(error.into()));
                }
            };
            let Some(state) = state else {
                continue;
            };
            match event {
                Event::Message(message) => {
                    let mut peer = Peer { id, state, connection, socket, flags, common };
                    app.message(&mut peer, message);
                }
                Event::Pong(payload) => {
                    let mut peer = Peer { id, state, connection, socket, flags, common };
                    app.pong(&mut peer, payload);
                }
                Event::Close(close) => common.end(|| close.into()),
                Event::Ping(_) => {} // it is answered by itself
            }
        }
    }

    fn eof<A: App<State = S>>(&mut self, app: &mut A, common: &mut Common) {
        match &mut self.stage {
            Stage::Handshake(handshake) => {
                if let Err(error) = handshake.acceptor.eof() {
                    handshake.report(app, &error.into());
                }
            }
            Stage::Open { connection, .. } => {
                if let Err(error) = connection.eof() {
                    common.end(|| End::Failed(error.into()));
                }
            }
        }
    }
}
