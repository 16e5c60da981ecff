//! What other threads have posted to the shard.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::Worker;
use crate::close::CloseCode;
use crate::error::TimedOut;
use crate::graceful::turns;
use crate::mio::app::App;
use crate::mio::common::End;
use crate::mio::mailbox::Mail;
use crate::mio::shard::{Shard, touch};
use crate::mio::table::Id;

/// Mail of a round.
const MAILS: usize = 256;

/// Connections that are closed one after the other.
pub(super) struct Closing {
    code: CloseCode,
    /// Each with its time; too late to be told is never.
    pub(super) rest: Peekable<Box<dyn Iterator<Item = (Option<Instant>, Id)>>>,
}

impl<A: App> Worker<A> {
    pub(super) fn read_mail(&mut self) {
        if self.mail.is_empty() && std::mem::take(&mut self.has_mail) {
            if let Some(mailbox) = self.shared.mailbox(self.common.shard) {
                let mut mail = Vec::from(std::mem::take(&mut self.mail));
                mailbox.take(&mut mail);
                self.mail = mail.into();
            }
        }
        for _ in 0..MAILS {
            match self.mail.pop_front() {
                Some(mail) => self.read_one(mail),
                None => return,
            }
        }
    }

    fn read_one(&mut self, mail: Mail<A::Mail>) {
        match mail {
            Mail::Accepted(stream, from) => self.connect(stream, from, false),
            Mail::Refused(stream, from) => self.connect(stream, from, true),
            Mail::CutOff(from) => self.report_full(from),
            Mail::Own(mail) => {
                let mut shard = Shard { table: &mut self.table, common: &mut self.common };
                let app = &mut self.app;
                // There is no connection to end.
                let _ = catch_unwind(AssertUnwindSafe(|| app.mail(&mut shard, mail)));
            }
            Mail::Send(id, message) => {
                if let Some(client) = self.table.get(id).filter(|client| client.is_open()) {
                    client.deliver(&message, false, &mut self.common);
                    touch(client, id, &mut self.common);
                    self.after_touch(id);
                }
            }
            Mail::Publish(topic, message) => self.common.publish_here(&topic, message, None),
            Mail::Close(id, code, reason) => self.close(id, code, &reason),
            Mail::Shed(n, spread) => self.close_all(n, spread, CloseCode::SERVICE_RESTART),
            Mail::Stop(spread) => {
                self.common.stopping = true;
                self.listening = None; // from here on connections are refused, not queued
                self.close_all(usize::MAX, spread, CloseCode::GOING_AWAY);
            }
            Mail::Abandon => self.cut_off(),
        }
    }

    /// Tells of an end outside of a turn.
    fn after_touch(&mut self, id: Id) {
        if let Some(end) = self.common.end.take() {
            self.closed(id, end);
        }
    }

    fn close(&mut self, id: Id, code: CloseCode, reason: &str) {
        if let Some(client) = self.table.get(id) {
            if let Some(mut peer) = client.peer(id, &mut self.common) {
                let _ = peer.close(code, reason); // its code was checked before
                touch(client, id, &mut self.common);
            }
        }
    }

    /// Closes up to `n` connections, one after the other: those that are open, or about to be.
    fn close_all(&mut self, n: usize, spread: Duration, code: CloseCode) {
        let mut ids = Vec::new();
        for slot in self.table.slots() {
            if ids.len() < n && self.table.slot(slot).is_some_and(|client| client.is_accepted()) {
                ids.push(self.table.id(slot));
            }
        }
        let turns = turns(self.common.now, spread, ids.len());
        let rest: Box<dyn Iterator<Item = _>> = Box::new(turns.zip(ids));
        self.closings.push(Closing { code, rest: rest.peekable() });
    }

    /// Closes those whose time has come.
    pub(super) fn close_some(&mut self) {
        let now = self.common.now;
        let mut closings = std::mem::take(&mut self.closings);
        closings.retain_mut(|Closing { code, rest }| {
            let is_due = |due: &Option<Instant>| due.is_some_and(|due| due <= now);
            while let Some((_, id)) = rest.next_if(|(due, _)| is_due(due)) {
                self.close(id, *code, "");
            }
            rest.peek().is_some_and(|(due, _)| due.is_some())
        });
        self.closings = closings;
    }

    /// Cuts off whoever is left.
    pub(super) fn cut_off(&mut self) {
        for slot in self.table.slots() {
            let id = self.table.id(slot);
            if self.table.slot(slot).is_some_and(|client| client.is_open()) {
                self.closed(id, End::Failed(TimedOut::Close.into()));
            }
            self.remove(slot, id);
        }
    }
}
