//! The loop of one shard. Each round waits for sockets, mail or a deadline, and serves in turn: those whose sockets have
//! news, then some of those that are busy or had more to say than one turn holds, then new connections and mail; what was
//! published goes out at the end.

mod accept;
mod mail;
mod publish;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ::mio::event::Event;
use ::mio::{Events, Poll, Token, Waker};

use super::app::App;
use super::client::Stage;
use super::common::{Common, End};
use super::deadlines::SWEEP;
use super::listening::Listening;
use super::mailbox::Mail;
use super::shard::Shard;
use super::shared::Shared;
use super::table::{Id, Table};
use super::turn::Next;
use crate::error::Disconnected;
use crate::message::Close;
use crate::timers::earlier;

const MAILBOX: Token = Token(usize::MAX);
const LISTENER: Token = Token(usize::MAX - 1);

/// Events of a round.
const EVENTS: usize = 1024;
/// How much work those that wait for a turn get done in a round, unless the others get more, see [`Common::spent`].
const QUANTUM: usize = 512 * 1024;
/// TLS handshakes that go on in a round: each takes some tenths of a millisecond.
const HANDSHAKES: usize = 4;
/// A round that takes longer than that is counted.
const LONG_ROUND: Duration = Duration::from_millis(50);

pub(super) struct Worker<A: App> {
    poll: Poll,
    listening: Option<Listening>,
    app: A,
    table: Table<A::State>,
    common: Common,
    shared: Arc<Shared<A::Mail>>,
    /// Connections that had more to say when their turn was over, each once, the one that waits longest first.
    waiting: VecDeque<Id>,
    /// The same, of those whose TLS handshake is under way.
    handshakes: VecDeque<Id>,
    mail: VecDeque<Mail<A::Mail>>,
    has_mail: bool,
    closings: Vec<mail::Closing>,
    next_sweep: Instant,
}

impl<A: App> Worker<A> {
    /// # Errors
    ///
    /// There are not enough file descriptors.
    pub(super) fn new(
        app: A,
        common: Common,
        shared: Arc<Shared<A::Mail>>,
        mut listening: Option<Listening>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        if let Some(listening) = &mut listening {
            listening.register(poll.registry(), LISTENER)?;
        }
        if let Some(mailbox) = shared.mailbox(common.shard) {
            mailbox.set_waker(Waker::new(poll.registry(), MAILBOX)?);
        }
        let shard = u8::try_from(common.shard).unwrap_or(u8::MAX);
        Ok(Self {
            poll,
            listening,
            app,
            table: Table::new(shard),
            next_sweep: common.now + SWEEP,
            common,
            shared,
            waiting: VecDeque::new(),
            handshakes: VecDeque::new(),
            mail: VecDeque::new(),
            has_mail: true, // what was posted before there was a waker
            closings: Vec::new(),
        })
    }

    /// Serves until the server has stopped.
    ///
    /// # Errors
    ///
    /// The system cannot wait for events.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut end = Ok(());
        let mut now = Instant::now();
        while !(self.common.stopping && self.table.is_empty()) {
            if let Err(error) = self.wait(&mut events, now) {
                self.cut_off();
                end = Err(error);
                break;
            }
            self.round(&events);
            now = Instant::now();
            if now.saturating_duration_since(self.common.now) > LONG_ROUND {
                self.shared.long_rounds.fetch_add(1, Ordering::Relaxed);
            }
        }
        for mail in self.mail {
            self.shared.forget(self.common.shard, mail);
        }
        end
    }

    fn wait(&mut self, events: &mut Events, now: Instant) -> io::Result<()> {
        let has_more = self.has_mail
            || !self.mail.is_empty()
            || !self.waiting.is_empty()
            || !self.handshakes.is_empty()
            || !self.common.notes.is_empty()
            || !self.common.touched.is_empty()
            || self.listening.as_ref().is_some_and(Listening::is_ready);
        let time = match has_more {
            true => Duration::ZERO,
            false => {
                let closings = self.closings.iter_mut().filter_map(|closing| closing.rest.peek());
                let again = self.listening.as_ref().and_then(Listening::again);
                let due = earlier(Some(self.next_sweep), again);
                let due = closings.map(|(due, _)| *due).fold(due, earlier);
                due.unwrap_or(self.next_sweep).saturating_duration_since(now)
            }
        };
        match self.poll.poll(events, Some(time)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        self.common.now = Instant::now();
        Ok(())
    }

    fn round(&mut self, events: &Events) {
        self.common.spent = 0;
        self.common.handshakes = HANDSHAKES;
        for event in events {
            match event.token() {
                MAILBOX => self.has_mail = true,
                LISTENER => {
                    if let Some(listening) = &mut self.listening {
                        listening.set_ready();
                    }
                }
                Token(slot) => self.event(u32::try_from(slot).unwrap_or(u32::MAX), event),
            }
        }
        self.serve_waiting();
        self.serve_handshakes();
        self.accept();
        self.read_mail();
        self.close_some();
        self.publish();
        self.serve_touched();
        if self.common.now >= self.next_sweep {
            self.next_sweep = self.common.now + SWEEP;
            self.sweep();
        }
        if self.common.dropped > 0 {
            self.count_dropped();
        }
        self.table.end_round();
        self.common.topics.end_round();
    }

    /// Turns of those that wait for one: behind those that have news and are not busy, but with as much work as they were, so
    /// that a crowd on one side holds up nobody on the other.
    fn serve_waiting(&mut self) {
        let quantum = self.common.spent.max(QUANTUM);
        self.common.spent = 0;
        // Those that are listed again meanwhile have had their turn.
        for _ in 0..self.waiting.len() {
            if self.common.spent >= quantum {
                break;
            }
            let Some(id) = self.waiting.pop_front() else {
                break;
            };
            if let Some(client) = self.table.get(id) {
                client.flags.listed = false;
                self.turn(id.slot());
            }
        }
    }

    /// Turns of those whose TLS handshake is under way: a few in each round, since one takes as long as many messages.
    fn serve_handshakes(&mut self) {
        for _ in 0..self.handshakes.len() {
            if self.common.handshakes == 0 {
                break;
            }
            let Some(id) = self.handshakes.pop_front() else {
                break;
            };
            if let Some(client) = self.table.get(id) {
                client.flags.listed = false;
                self.turn(id.slot());
            }
        }
    }

    /// Turns of those that were sent something outside of their own.
    fn serve_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.common.touched);
        for id in touched.drain(..) {
            if let Some(client) = self.table.get(id) {
                client.flags.touched = false;
                self.turn(id.slot());
            }
        }
        // The memory is kept; those that were touched meanwhile have their turn in the next round.
        touched.append(&mut self.common.touched);
        self.common.touched = touched;
    }

    /// A socket has news.
    fn event(&mut self, slot: u32, event: &Event) {
        if let Some(client) = self.table.slot(slot) {
            client.flags.readable |= event.is_readable() || event.is_read_closed();
            client.flags.ended |= event.is_read_closed();
            // One that waits for its turn has just had one; one that is busy goes behind those that are not.
            match client.flags.listed {
                true => {}
                false if client.flags.busy => self.list(slot),
                false => self.turn(slot),
            }
        }
    }

    fn turn(&mut self, slot: u32) {
        let id = self.table.id(slot);
        if let Some(client) = self.table.slot(slot) {
            let next = client.turn(id, &mut self.app, &mut self.common);
            self.after(slot, id, next);
        }
    }

    /// What becomes of a connection after its turn.
    #[inline]
    fn after(&mut self, slot: u32, id: Id, next: Next) {
        if let Some(end) = self.common.end.take() {
            self.closed(id, end);
        }
        match next {
            Next::Waits => self.table.set_due(slot, self.common.due),
            Next::Unfinished => {
                self.table.set_due(slot, self.common.due);
                self.list(slot);
            }
            Next::Gone => self.remove(slot, id),
            Next::Taken => self.give_away(slot),
        }
    }

    /// Lets a connection wait for its next turn.
    fn list(&mut self, slot: u32) {
        let id = self.table.id(slot);
        if let Some(client) = self.table.slot(slot) {
            if !std::mem::replace(&mut client.flags.listed, true) {
                match client.socket.is_handshaking() {
                    true => self.handshakes.push_back(id),
                    false => self.waiting.push_back(id),
                }
            }
        }
    }

    /// Tells the application of an end.
    fn closed(&mut self, id: Id, end: End) {
        let Some(client) = self.table.get(id) else {
            return;
        };
        let Stage::Open { state, .. } = &mut client.stage else {
            return;
        };
        let Some(state) = state.take() else {
            return; // it knows
        };
        if client.flags.opening {
            return; // it does not know that it was open
        }
        self.common.topics.unsubscribe_all(id.slot());
        let mut shard = Shard { table: &mut self.table, common: &mut self.common };
        let app = &mut self.app;
        // It is closed already: a panic can end nothing more.
        let _ = catch_unwind(AssertUnwindSafe(|| match end {
            End::Failed(error) => app.closed(&mut shard, id, state, Err(error)),
            End::Closed { code, reason, mid_message } => {
                app.closed(&mut shard, id, state, Ok(Close { code, reason: &reason, mid_message }));
            }
        }));
    }

    fn remove(&mut self, slot: u32, id: Id) {
        if self.table.slot(slot).is_some_and(|client| client.is_open()) {
            self.closed(id, End::Failed(Disconnected { mid_message: false }.into()));
        }
        // Which closes the socket.
        if let Some(client) = self.table.remove(slot) {
            self.leave(client.is_refusal());
            // The state of a request that was accepted, and never opened: it is the user's.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(client)));
        }
    }

    fn leave(&self, is_refusal: bool) {
        match is_refusal {
            true => self.shared.leave_refused(),
            false => self.shared.leave(self.common.shard),
        }
    }

    /// Does what is due.
    fn sweep(&mut self) {
        let second = self.common.clock.second(self.common.now);
        let mut from = 0;
        while let Some(slot) = self.table.next_due(from, second) {
            from = slot + 1;
            if let Some(client) = self.table.slot(slot) {
                if let Stage::Open { connection, .. } = &client.stage {
                    // What it has sent in time may lie in the socket.
                    client.flags.readable |= connection.is_overdue(self.common.now);
                }
                self.turn(slot);
            }
        }
    }

    fn count_dropped(&mut self) {
        // `Shard::dropped` is the sum of this shard.
        let new = self.common.dropped - self.common.reported;
        self.common.reported = self.common.dropped;
        self.shared.dropped.fetch_add(new, Ordering::Relaxed);
    }
}
