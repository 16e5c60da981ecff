//! The connections of a server: a permit for each, and how they are closed when the server stops.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::receiver::{Home, Kept, Receiver};
use super::sender::Sender;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::end::Failure;
use crate::error::TimedOut;
use crate::graceful::{Opened, Table};

pub(super) struct Connections<S> {
    table: Mutex<Table<Sender<S>>>,
    changed: Condvar,
}

/// The right to one connection, given back when dropped.
pub(super) struct Permit<S: Transport> {
    connections: Arc<Connections<S>>,
    /// `None` is for clients that are only told that there is no room.
    id: Option<u64>,
    home: Home<S>,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self { table: Mutex::default(), changed: Condvar::new() }
    }
}

impl<S: Transport> Connections<S> {
    /// A permit for a connection, unless there are `limit` already.
    pub(super) fn permit(self: &Arc<Self>, limit: usize) -> Option<Permit<S>> {
        let id = self.table().admit(limit)?;
        Some(Permit {
            connections: Arc::clone(self),
            id: Some(id),
            home: Arc::new(Mutex::new(Kept::Awaited)),
        })
    }

    /// A permit to be refused.
    pub(super) fn refusal_permit(self: &Arc<Self>) -> Option<Permit<S>> {
        self.table().admit_refusal().then(|| Permit {
            connections: Arc::clone(self),
            id: None,
            home: Arc::new(Mutex::new(Kept::Gone)),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.table().count()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.table().is_stopping()
    }

    /// From now on nobody is let in. Returns the connections that are open.
    pub(super) fn begin_stop(&self) -> Vec<u64> {
        self.table().begin_stop()
    }

    /// Starts closing a connection, without waiting.
    pub(super) fn close_one(&self, id: u64) {
        let sender = self.table().get(id);
        if let Some(sender) = sender {
            let _ = sender.close(CloseCode::GOING_AWAY, "");
        }
    }

    /// Waits until there are no connections, or until then, and returns whether there are none.
    pub(super) fn wait_until_empty(&self, deadline: Option<Instant>) -> bool {
        let mut table = self.table();
        while table.count() > 0 {
            let Some(deadline) = deadline else {
                table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let time = deadline.saturating_duration_since(Instant::now());
            if time.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(table, time);
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        table.count() == 0
    }

    /// Cuts off the connections that are left: how many that are.
    pub(super) fn end_stop(&self) -> usize {
        let (left, open) = self.table().end_stop();
        for sender in open {
            cut_off(&sender);
        }
        self.changed.notify_all();
        left
    }

    /// Whether the accept loop has noticed the stop.
    pub(super) fn has_stopped_accepting(&self) -> bool {
        self.table().has_stopped_accepting()
    }

    /// After the accept loop, waits until all connections have ended or were given up, and every stop has
    /// returned; how many were cut off.
    pub(super) fn wait_for_the_stop(&self) -> usize {
        let mut table = self.table();
        table.end_accepting();
        loop {
            match table.stopped() {
                Some(cut_off) => return cut_off,
                None => table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table<Sender<S>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut_off<S: Transport>(sender: &Sender<S>) {
    sender.link().cut_off(Failure::TimedOut(TimedOut::Close));
}

impl<S: Transport> Permit<S> {
    /// Enters a connection that has opened into the table.
    pub(super) fn opened(&self) -> impl FnOnce(&Sender<S>, &mut Receiver<S>) + Send + 'static
    where
        S: 'static,
    {
        let (connections, id) = (Arc::clone(&self.connections), self.id.unwrap_or_default());
        let home = Arc::clone(&self.home);
        move |sender, receiver| {
            let kept = home.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*kept, Kept::Gone) {
                return; // the handler has returned before: nobody counts this connection
            }
            let opened = connections.table().open(id, sender.clone());
            drop(kept);
            receiver.set_home(home);
            match opened {
                Opened::Stays | Opened::IsGone => {}
                Opened::Closes => connections.close_one(id),
                Opened::IsCutOff => cut_off(sender),
            }
        }
    }

    /// Whether a stop does not wait for this connection any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.connections.table().is_abandoned()
    }

    /// Ends the connection when its handler has returned: all that was fed is written, then a Close frame
    /// unless there was one; then the peer has time to end its side.
    pub(super) fn finish(&self, code: CloseCode) {
        match self.let_go() {
            Kept::Back(mut receiver) => receiver.finish(code),
            // The receiver lives on in another thread, which sees to the rest.
            Kept::Awaited | Kept::Gone => {
                let id = self.id.unwrap_or_default();
                let sender = self.connections.table().get(id);
                if let Some(sender) = sender {
                    let _ = sender.close(code, "");
                }
            }
        }
    }
}

impl<S: Transport> Permit<S> {
    /// From now on the receiver is not awaited any more.
    fn let_go(&self) -> Kept<S> {
        let mut kept = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *kept, Kept::Gone)
    }
}

impl<S: Transport> Drop for Permit<S> {
    fn drop(&mut self) {
        drop(self.let_go());
        let closed_by = self.connections.table().leave(self.id);
        self.connections.changed.notify_all();
        drop(closed_by); // perhaps the last sender, and with it a stream of the user's
    }
}
