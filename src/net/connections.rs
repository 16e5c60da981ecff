//! The connections of a server: a permit for each, and how they are closed when the server stops.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::link::Failure;
use super::receiver::{Home, Kept, Receiver};
use super::sender::Sender;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::error::TimedOut;

/// How many clients are told at the same time that there is no room.
const MAX_REFUSALS: usize = 16;

pub(super) struct Connections<S> {
    table: Mutex<Table<S>>,
    changed: Condvar,
}

struct Table<S> {
    /// Permits for connections, which they have from the first byte of the handshake.
    permits: usize,
    refusals: usize,
    last_id: u64,
    open: HashMap<u64, Sender<S>>,
    stopping: bool,
    /// The accept loop has ended, and nobody listens any more.
    accepting_ended: bool,
    /// Calls of `stop` that have not returned.
    stops: usize,
    /// The deadline has passed: the rest is not waited for.
    abandoned: bool,
    /// How many were cut off.
    cut_off: usize,
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
        let table = Table {
            permits: 0,
            refusals: 0,
            last_id: 0,
            open: HashMap::new(),
            stopping: false,
            accepting_ended: false,
            stops: 0,
            abandoned: false,
            cut_off: 0,
        };
        Self { table: Mutex::new(table), changed: Condvar::new() }
    }
}

impl<S: Transport> Connections<S> {
    /// A permit for a connection, unless there are `limit` already.
    pub(super) fn permit(self: &Arc<Self>, limit: usize) -> Option<Permit<S>> {
        let mut table = self.table();
        if table.permits >= limit || table.stopping {
            return None;
        }
        table.permits += 1;
        table.last_id += 1;
        Some(Permit {
            connections: Arc::clone(self),
            id: Some(table.last_id),
            home: Arc::new(Mutex::new(Kept::Awaited)),
        })
    }

    /// A permit to be refused.
    pub(super) fn refusal_permit(self: &Arc<Self>) -> Option<Permit<S>> {
        let mut table = self.table();
        if table.refusals >= MAX_REFUSALS {
            return None;
        }
        table.refusals += 1;
        Some(Permit {
            connections: Arc::clone(self),
            id: None,
            home: Arc::new(Mutex::new(Kept::Gone)),
        })
    }

    pub(super) fn count(&self) -> usize {
        self.table().permits
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.table().stopping
    }

    /// From now on nobody is let in. Returns the connections that are open.
    pub(super) fn begin_stop(&self) -> Vec<u64> {
        let mut table = self.table();
        table.stopping = true;
        table.stops += 1;
        table.open.keys().copied().collect()
    }

    /// Starts closing a connection, without waiting.
    pub(super) fn close_one(&self, id: u64) {
        let sender = self.table().open.get(&id).cloned();
        if let Some(sender) = sender {
            let _ = sender.close(CloseCode::GOING_AWAY, "");
        }
    }

    /// Waits until there are no connections, or until then, and returns whether there are none.
    pub(super) fn wait_until_empty(&self, deadline: Option<Instant>) -> bool {
        let mut table = self.table();
        while table.permits > 0 {
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
        table.permits == 0
    }

    /// Cuts off the connections that are left.
    pub(super) fn end_stop(&self) -> usize {
        let mut table = self.table();
        let left = table.permits;
        if left > 0 {
            table.abandoned = true;
            table.cut_off = table.cut_off.max(left);
            for sender in table.open.values() {
                sender.link().cut_off(Failure::TimedOut(TimedOut::Close));
            }
        }
        table.stops -= 1;
        self.changed.notify_all();
        left
    }

    /// Whether the accept loop has noticed the stop.
    pub(super) fn has_stopped_accepting(&self) -> bool {
        self.table().accepting_ended
    }

    /// After the accept loop, waits until all connections have ended or were given up, and every stop has
    /// returned; how many were cut off.
    pub(super) fn wait_for_the_stop(&self) -> usize {
        let mut table = self.table();
        table.accepting_ended = true;
        while table.permits > 0 && !table.abandoned || table.stops > 0 {
            table = self.changed.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        table.cut_off
    }

    fn table(&self) -> MutexGuard<'_, Table<S>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            let mut table = connections.table();
            table.open.insert(id, sender.clone());
            let (stopping, abandoned) = (table.stopping, table.abandoned);
            drop((table, kept));
            receiver.set_home(home);
            if abandoned {
                sender.link().cut_off(Failure::TimedOut(TimedOut::Close));
            } else if stopping {
                connections.close_one(id);
            }
        }
    }

    /// Whether a stop does not wait for this connection any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.connections.table().abandoned
    }

    /// Ends the connection when its handler has returned: all that was fed is written, then a Close frame
    /// unless there was one; then the peer has time to end its side.
    pub(super) fn finish(&self, code: CloseCode) {
        match self.let_go() {
            Kept::Back(mut receiver) => receiver.finish(code),
            // The receiver lives on in another thread, which sees to the rest.
            Kept::Awaited | Kept::Gone => {
                let id = self.id.unwrap_or_default();
                let sender = self.connections.table().open.get(&id).cloned();
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
        let mut table = self.connections.table();
        match self.id {
            Some(id) => {
                table.permits -= 1;
                table.open.remove(&id);
                self.connections.changed.notify_all();
            }
            None => table.refusals -= 1,
        }
    }
}
