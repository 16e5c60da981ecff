//! Who is connected to a server: a seat for each, and how they are asked to leave.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::accept::linger;
use super::sender::Sender;
use crate::close::CloseCode;

/// How many clients are told at the same time that there is no room.
const MAX_REFUSALS: usize = 16;

#[derive(Default)]
pub(super) struct Club {
    members: Mutex<Members>,
    left: Condvar,
}

#[derive(Default)]
struct Members {
    /// Taken by connections, from the first byte of the handshake.
    seats: usize,
    refusals: usize,
    last_id: u64,
    open: HashMap<u64, Sender<TcpStream>>,
    closing: bool,
    /// The deadline has passed: who is left is not waited for.
    closed: bool,
}

/// A place in the club, left when dropped.
pub(super) struct Seat {
    club: Arc<Club>,
    /// `None` is for those who are turned away.
    id: Option<u64>,
}

impl Club {
    /// A seat for a connection, unless there are `limit` already.
    pub(super) fn seat(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let mut members = self.members();
        if members.seats >= limit {
            return None;
        }
        members.seats += 1;
        members.last_id += 1;
        Some(Seat { club: Arc::clone(self), id: Some(members.last_id) })
    }

    /// A place to be turned away at.
    pub(super) fn doorstep(self: &Arc<Self>) -> Option<Seat> {
        let mut members = self.members();
        if members.refusals >= MAX_REFUSALS {
            return None;
        }
        members.refusals += 1;
        Some(Seat { club: Arc::clone(self), id: None })
    }

    pub(super) fn seats(&self) -> usize {
        self.members().seats
    }

    pub(super) fn is_closing(&self) -> bool {
        self.members().closing
    }

    /// From now on nobody enters. Returns who is in.
    pub(super) fn close(&self) -> Vec<u64> {
        let mut members = self.members();
        members.closing = true;
        members.open.keys().copied().collect()
    }

    /// Starts closing a connection, without waiting for who sends on it.
    pub(super) fn say_goodbye(&self, id: u64) {
        let sender = self.members().open.get(&id).cloned();
        if let Some(sender) = sender {
            // This code and no reason are always allowed.
            let _ = sender.close(CloseCode::GOING_AWAY, "");
        }
    }

    /// Waits until all have left, or until the deadline, and returns how many have not.
    pub(super) fn wait_until_empty(&self, deadline: Option<Instant>) -> usize {
        let mut members = self.members();
        while members.seats > 0 && !members.closed {
            let Some(deadline) = deadline else {
                members = self.left.wait(members).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let time = deadline.saturating_duration_since(Instant::now());
            if time.is_zero() {
                break;
            }
            let waited = self.left.wait_timeout(members, time);
            members = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        members.seats
    }

    /// Cuts off who is left.
    pub(super) fn cut_off(&self) {
        let mut members = self.members();
        members.closed = true;
        for sender in members.open.values() {
            sender.link().cut();
        }
        self.left.notify_all();
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// What a connection does when it is open.
    pub(super) fn enter(&self) -> impl FnOnce(&Sender<TcpStream>) + Send + 'static {
        let (club, id) = (Arc::clone(&self.club), self.id.unwrap_or_default());
        move |sender| {
            let mut members = club.members();
            members.open.insert(id, sender.clone());
            let closing = members.closing;
            drop(members);
            if closing {
                club.say_goodbye(id);
            }
        }
    }

    /// Ends the connection for good, with a Close frame unless there was one.
    pub(super) fn part(&self, code: CloseCode) {
        let id = self.id.unwrap_or_default();
        let sender = self.club.members().open.get(&id).cloned();
        if let Some(sender) = sender {
            sender.link().leave_parting(Some(code), "");
            sender.link().deliver();
            linger(sender.link().stream());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut members = self.club.members();
        match self.id {
            Some(id) => {
                members.seats -= 1;
                members.open.remove(&id);
                self.club.left.notify_all();
            }
            None => members.refusals -= 1,
        }
    }
}
