//! What the threads of a server share: how many connections there are, the mailboxes of the shards, and the stop.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ::mio::Waker;

use super::mailbox::{Mail, Mailbox, PostError};
use crate::graceful::MAX_REFUSALS;
use crate::prepared::Prepared;

pub(super) struct Shared<M> {
    shards: Box<[ShardPart<M>]>,
    /// Connections of all shards, handshakes and sockets that were taken over included.
    total: AtomicUsize,
    refusals: AtomicUsize,
    pub(super) max_connections: AtomicUsize,
    pub(super) max_mail: AtomicUsize,
    /// Messages that were dropped since a receiver was slow.
    pub(super) dropped: AtomicU64,
    /// Rounds that have kept others waiting.
    pub(super) long_rounds: AtomicU64,
    stopping: AtomicBool,
    stop: Mutex<Stop>,
    changed: Condvar,
    /// Wakes the thread that accepts, if that is one of its own.
    acceptor: OnceLock<Waker>,
}

struct ShardPart<M> {
    mailbox: Mailbox<M>,
    connections: AtomicUsize,
}

#[derive(Default)]
struct Stop {
    /// Calls of `stop` that have not returned.
    calls: usize,
    cut_off: usize,
}

/// The fate of a connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Stays,
    /// It is told that there is no room.
    IsTold,
    /// Too many are being told.
    IsCutOff,
}

impl<M> Shared<M> {
    pub(super) fn new(shards: usize) -> Self {
        let part = |_| ShardPart { mailbox: Mailbox::default(), connections: AtomicUsize::new(0) };
        Self {
            shards: (0..shards).map(part).collect(),
            total: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            max_connections: AtomicUsize::new(1000),
            max_mail: AtomicUsize::new(64 * 1024),
            dropped: AtomicU64::new(0),
            long_rounds: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stop: Mutex::default(),
            changed: Condvar::new(),
            acceptor: OnceLock::new(),
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn mailbox(&self, shard: usize) -> Option<&Mailbox<M>> {
        self.shards.get(shard).map(|part| &part.mailbox)
    }

    pub(super) fn connections(&self) -> usize {
        self.total.load(Ordering::SeqCst)
    }

    /// The shard with the fewest connections.
    pub(super) fn least(&self) -> usize {
        let count = |shard: &usize| {
            self.shards.get(*shard).map(|part| part.connections.load(Ordering::Relaxed))
        };
        (0..self.shards.len()).min_by_key(count).unwrap_or_default()
    }

    /// Lets a connection into a shard, if there is room.
    pub(super) fn admit(&self, shard: usize) -> Admission {
        if add_below(&self.total, self.max_connections.load(Ordering::Relaxed)) {
            if let Some(part) = self.shards.get(shard) {
                part.connections.fetch_add(1, Ordering::Relaxed);
            }
            return Admission::Stays;
        }
        match add_below(&self.refusals, MAX_REFUSALS) {
            true => Admission::IsTold,
            false => Admission::IsCutOff,
        }
    }

    /// A connection has gone.
    pub(super) fn leave(&self, shard: usize) {
        if let Some(part) = self.shards.get(shard) {
            part.connections.fetch_sub(1, Ordering::Relaxed);
        }
        self.total.fetch_sub(1, Ordering::SeqCst);
        if self.is_stopping() {
            // Whoever waits for it has looked before, or waits already.
            drop(self.lock());
            self.changed.notify_all();
        }
    }

    /// A client has been told that there is no room.
    pub(super) fn leave_refused(&self) {
        self.refusals.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(super) fn set_acceptor(&self, waker: Waker) {
        let _ = self.acceptor.set(waker);
    }

    /// Nobody reads the mail of a shard any more: connections that were on their way there are not counted.
    pub(super) fn close(&self, shard: usize) {
        let late = self.mailbox(shard).map(Mailbox::close).unwrap_or_default();
        for mail in late {
            self.forget(shard, mail);
        }
    }

    /// Mail that nobody reads.
    pub(super) fn forget(&self, shard: usize, mail: Mail<M>) {
        match mail {
            Mail::Accepted(..) => self.leave(shard),
            Mail::Refused(..) => self.leave_refused(),
            _ => {}
        }
    }

    /// Posts what a user of the server has to say.
    pub(super) fn post(&self, shard: usize, mail: Mail<M>) -> Result<(), PostError> {
        let limit = self.max_mail.load(Ordering::Relaxed);
        self.mailbox(shard).ok_or(PostError::Stopped)?.post(mail, limit)
    }

    /// Posts what the server itself has to say, for which there is always room.
    pub(super) fn tell(&self, shard: usize, mail: Mail<M>) -> Result<(), PostError> {
        self.mailbox(shard).ok_or(PostError::Stopped)?.post(mail, usize::MAX)
    }

    /// Publishes in all shards but one: everywhere or, if a mailbox is full, nowhere. A shard that has ended has
    /// no subscribers.
    pub(super) fn publish(
        &self,
        topic: &str,
        message: &Prepared,
        but: Option<usize>,
    ) -> Result<(), PostError> {
        let limit = self.max_mail.load(Ordering::Relaxed);
        let parts = self.shards.iter().enumerate();
        let others = parts.filter(|(shard, _)| Some(*shard) != but);
        // All are locked in the same order.
        let mut locked: Vec<_> = others.map(|(_, part)| part.mailbox.lock()).collect();
        locked.retain(|mailbox| mailbox.check(limit) != Err(PostError::Stopped));
        if locked.is_empty() && but.is_none() {
            return Err(PostError::Stopped);
        }
        locked.iter().try_for_each(|mailbox| mailbox.check(limit))?;
        let topic: Arc<str> = topic.into();
        for mailbox in locked {
            mailbox.push(Mail::Publish(Arc::clone(&topic), message.clone()));
        }
        Ok(())
    }

    /// Closes the connections with 1001, waits for their end until the deadline, and cuts off the rest: how many
    /// those were.
    pub(super) fn stop(&self, spread: Duration, deadline: Duration) -> usize {
        // Too late to be told is never.
        let deadline = Instant::now().checked_add(deadline);
        self.lock().calls += 1;
        self.begin_stop(spread);
        let mut stop = self.lock();
        while self.connections() > 0 {
            let Some(deadline) = deadline else {
                stop = self.changed.wait(stop).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(stop, left);
            stop = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let left = self.connections();
        stop.calls -= 1;
        stop.cut_off = stop.cut_off.max(left);
        drop(stop);
        if left > 0 {
            self.tell_all(|| Mail::Abandon);
        }
        self.changed.notify_all();
        left
    }

    /// From now on nobody is let in, and the shards end when their last connection has.
    pub(super) fn begin_stop(&self, spread: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        self.tell_all(|| Mail::Stop(spread));
        if let Some(waker) = self.acceptor.get() {
            let _ = waker.wake();
        }
    }

    /// When the shards have ended, waits until every stop has returned: how many connections were cut off.
    pub(super) fn wait_for_the_stop(&self) -> usize {
        let mut stop = self.lock();
        while stop.calls > 0 {
            stop = self.changed.wait(stop).unwrap_or_else(PoisonError::into_inner);
        }
        stop.cut_off
    }

    /// Closes `n` connections with 1012, of each shard as many as is its share.
    pub(super) fn shed(&self, n: usize, spread: Duration) -> Result<(), PostError> {
        let counts = self.shards.iter().map(|part| part.connections.load(Ordering::Relaxed));
        let counts: Vec<usize> = counts.collect();
        let mut all = counts.iter().sum::<usize>();
        let mut n = n.min(all);
        for (shard, count) in counts.into_iter().enumerate() {
            // What is left to be shed, of those that are left.
            let share = (n * count).checked_div(all).unwrap_or_default();
            (n, all) = (n - share, all - count);
            self.tell(shard, Mail::Shed(share, spread))?;
        }
        Ok(())
    }

    fn tell_all(&self, mail: impl Fn() -> Mail<M>) {
        for part in &self.shards {
            // One that has ended needs not be told.
            let _ = part.mailbox.post(mail(), usize::MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stop> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a shard reaches the others, whatever their mail.
pub(super) trait Others {
    fn publish_elsewhere(
        &self,
        topic: &str,
        message: &Prepared,
        own: usize,
    ) -> Result<(), PostError>;
}

impl<M> Others for Shared<M> {
    fn publish_elsewhere(
        &self,
        topic: &str,
        message: &Prepared,
        own: usize,
    ) -> Result<(), PostError> {
        self.publish(topic, message, Some(own))
    }
}

fn add_below(count: &AtomicUsize, limit: usize) -> bool {
    let add = |n: usize| (n < limit).then_some(n + 1);
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add).is_ok()
}
