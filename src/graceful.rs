//! The connections of a server, and how it stops: who is let in, who is told to go when, and who is cut off. Values
//! for the servers of all adapters; how they lock them and wait is theirs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How many clients are told at the same time that there is no room.
pub(crate) const MAX_REFUSALS: usize = 16;

/// The connections there are; `T` is by what one that is open can be closed.
pub(crate) struct Table<T> {
    /// Those that were let in, from the first byte of the handshake on, which have nothing to be closed by yet.
    admitted: HashMap<u64, Option<T>>,
    refusals: usize,
    last_id: u64,
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

/// The fate of a connection that has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    Stays,
    /// It has left before: nobody counts it.
    IsGone,
    /// The server is stopping: it is to be closed.
    Closes,
    /// The stop is over: it is to be cut off.
    IsCutOff,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            admitted: HashMap::new(),
            refusals: 0,
            last_id: 0,
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
        if self.count() >= limit || self.stopping {
            return None;
        }
        self.last_id += 1;
        self.admitted.insert(self.last_id, None);
        Some(self.last_id)
    }

    /// Lets a client in to be refused, unless too many are.
    pub(crate) fn admit_refusal(&mut self) -> bool {
        let is_admitted = self.refusals < MAX_REFUSALS;
        self.refusals += usize::from(is_admitted);
        is_admitted
    }

    /// A connection has ended, or without a number a refusal. What it was closed by is to be dropped when the
    /// table is not locked: that may run anybody's code.
    #[must_use]
    pub(crate) fn leave(&mut self, id: Option<u64>) -> Option<T> {
        match id {
            Some(id) => self.admitted.remove(&id)?,
            None => {
                self.refusals -= 1;
                None
            }
        }
    }

    pub(crate) fn open(&mut self, id: u64, connection: T) -> Opened {
        let Some(place) = self.admitted.get_mut(&id) else {
            return Opened::IsGone;
        };
        *place = Some(connection);
        match (self.abandoned, self.stopping) {
            (true, _) => Opened::IsCutOff,
            (false, true) => Opened::Closes,
            (false, false) => Opened::Stays,
        }
    }

    pub(crate) fn get(&self, id: u64) -> Option<T> {
        self.admitted.get(&id).cloned().flatten()
    }

    pub(crate) fn count(&self) -> usize {
        self.admitted.len()
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
        let open = self.admitted.iter().filter(|(_, connection)| connection.is_some());
        open.map(|(id, _)| *id).collect()
    }

    /// The end of a stop: how many connections are left, and those of them that are to be cut off.
    pub(crate) fn end_stop(&mut self) -> (usize, Vec<T>) {
        self.stops -= 1;
        let left = self.count();
        if left == 0 {
            return (0, Vec::new());
        }
        self.abandoned = true;
        self.cut_off = self.cut_off.max(left);
        (left, self.admitted.values().flatten().cloned().collect())
    }

    /// A stop that nobody waits for any more: nobody is let in, and nobody cut off.
    #[cfg(feature = "tokio")]
    pub(crate) fn cancel_stop(&mut self) {
        self.stops -= 1;
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
        let is_stopped = (self.admitted.is_empty() || self.abandoned) && self.stops == 0;
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

    // TA-09: what opens while the server stops is closed, and after the deadline cut off
    #[test]
    fn nobody_is_let_in_or_left_open_once_it_stops() {
        let mut table = Table::default();
        let (one, two) = (table.admit(3).unwrap(), table.admit(3).unwrap());
        let late = table.admit(3).unwrap();
        assert_eq!(table.admit(3), None, "full");
        assert_eq!(table.open(one, "one"), Opened::Stays);
        assert_eq!(table.begin_stop(), [one]);
        assert_eq!(table.leave(Some(late)), None);
        assert_eq!(table.open(late, "late"), Opened::IsGone);
        assert_eq!(table.admit(3), None, "stopping");
        assert_eq!(table.open(two, "two"), Opened::Closes);
        assert_eq!(table.stopped(), None);
        assert_eq!(table.leave(Some(one)), Some("one"));
        assert_eq!(table.end_stop(), (1, vec!["two"]));
        assert!(table.is_abandoned());
        assert_eq!(table.open(two, "two"), Opened::IsCutOff);
        assert_eq!(table.stopped(), Some(1));
    }

    // TA-09: several may ask for it
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
        assert_eq!(table.leave(None), None);
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
