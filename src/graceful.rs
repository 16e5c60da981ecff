//! The connections of a server, and how it stops: who is let in, who is told to go when, and who is cut off. Values
//! for the servers of all adapters; how they lock them and wait is theirs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many clients are told at the same time that there is no room.
const MAX_REFUSALS: usize = 16;

/// The connections there are; `T` is by what one that is open can be closed.
pub(crate) struct Table<T> {
    /// Connections that were let in, from the first byte of the handshake on.
    admitted: usize,
    refusals: usize,
    last_id: u64,
    open: HashMap<u64, T>,
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

/// What becomes of a connection that has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Stays,
    /// The server is stopping: it is to be closed.
    Closes,
    /// The stop is over: it is to be cut off.
    IsCutOff,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            admitted: 0,
            refusals: 0,
            last_id: 0,
            open: HashMap::new(),
            stopping: false,
            accepting_ended: false,
            stops: 0,
            abandoned: false,
            cut_off: 0,
        }
    }
}

impl<T: Clone> Table<T> {
    /// Lets a connection in, unless there are `limit` already: its number.
    pub(crate) fn admit(&mut self, limit: usize) -> Option<u64> {
        if self.admitted >= limit || self.stopping {
            return None;
        }
        self.admitted += 1;
        self.last_id += 1;
        Some(self.last_id)
    }

    /// Lets a client in to be refused, unless too many are.
    pub(crate) fn admit_refusal(&mut self) -> bool {
        let is_admitted = self.refusals < MAX_REFUSALS;
        self.refusals += usize::from(is_admitted);
        is_admitted
    }

    /// A connection has ended, or without a number a refusal.
    pub(crate) fn leave(&mut self, id: Option<u64>) {
        match id {
            Some(id) => {
                self.admitted -= 1;
                self.open.remove(&id);
            }
            None => self.refusals -= 1,
        }
    }

    pub(crate) fn open(&mut self, id: u64, connection: T) -> Opened {
        self.open.insert(id, connection);
        match (self.abandoned, self.stopping) {
            (true, _) => Opened::IsCutOff,
            (false, true) => Opened::Closes,
            (false, false) => Opened::Stays,
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<T> {
        self.open.get(&id).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.admitted
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether a stop has given up those that are left.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// From now on nobody is let in. Returns the connections that are open.
    pub(crate) fn begin_stop(&mut self) -> Vec<u64> {
        self.stopping = true;
        self.stops += 1;
        self.open.keys().copied().collect()
    }

    /// The end of a stop: how many connections are left, and those of them that are to be cut off.
    pub(crate) fn end_stop(&mut self) -> (usize, Vec<T>) {
        self.stops -= 1;
        let left = self.admitted;
        if left == 0 {
            return (0, Vec::new());
        }
        self.abandoned = true;
        self.cut_off = self.cut_off.max(left);
        (left, self.open.values().cloned().collect())
    }

    /// The accept loop has ended.
    pub(crate) fn end_accepting(&mut self) {
        self.accepting_ended = true;
    }

    pub(crate) fn has_stopped_accepting(&self) -> bool {
        self.accepting_ended
    }

    /// When all connections have ended or were given up, and every stop has returned: how many were cut off.
    pub(crate) fn stopped(&self) -> Option<usize> {
        let is_stopped = (self.admitted == 0 || self.abandoned) && self.stops == 0;
        is_stopped.then_some(self.cut_off)
    }
}

/// When each of `n` connections is closed, evenly over `spread`. Too late to be told is never.
pub(crate) fn turns(
    start: Instant,
    spread: Duration,
    n: usize,
) -> impl Iterator<Item = Option<Instant>> {
    let pause = spread / u32::try_from(n).unwrap_or(u32::MAX).max(1);
    (0u32..).map(move |i| start.checked_add(pause.saturating_mul(i)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // CL-30: what opens while the server stops is closed, and after the deadline cut off
    #[test]
    fn nobody_is_let_in_or_left_open_once_it_stops() {
        let mut table = Table::default();
        let (one, two) = (table.admit(3).unwrap(), table.admit(3).unwrap());
        let late = table.admit(3).unwrap();
        assert_eq!(table.admit(3), None, "full");
        assert_eq!(table.open(one, "one"), Opened::Stays);
        assert_eq!(table.begin_stop(), [one]);
        table.leave(Some(late));
        assert_eq!(table.admit(3), None, "stopping");
        assert_eq!(table.open(two, "two"), Opened::Closes);
        assert_eq!(table.stopped(), None);
        table.leave(Some(one));
        assert_eq!(table.end_stop(), (1, vec!["two"]));
        assert!(table.is_abandoned());
        assert_eq!(table.open(two, "two"), Opened::IsCutOff);
        assert_eq!(table.stopped(), Some(1));
    }

    // CL-30: several may ask for it
    #[test]
    fn a_stop_is_done_when_every_call_is() {
        let mut table: Table<()> = Table::default();
        table.begin_stop();
        table.begin_stop();
        table.end_stop();
        assert_eq!(table.stopped(), None);
        table.end_stop();
        assert_eq!(table.stopped(), Some(0));
    }

    #[test]
    fn refusals_are_bounded() {
        let mut table: Table<()> = Table::default();
        assert!((0..MAX_REFUSALS).all(|_| table.admit_refusal()));
        assert!(!table.admit_refusal());
        table.leave(None);
        assert!(table.admit_refusal());
    }

    #[test]
    fn turns_are_spread_evenly() {
        let start = Instant::now();
        let seconds = |n: u64| Some(start + Duration::from_secs(n));
        let spread = |n, seconds| turns(start, Duration::from_secs(seconds), n);
        assert!(spread(4, 8).take(4).eq([seconds(0), seconds(2), seconds(4), seconds(6)]));
        assert!(spread(0, 8).take(1).eq([seconds(0)]));
        assert!(turns(start, Duration::MAX, 1).take(2).eq([seconds(0), None]));
    }
}
