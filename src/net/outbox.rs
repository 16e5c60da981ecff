//! A writer that one thread at a time holds, and a box into which others post without waiting for it.
//!
//! Nothing posted is forgotten: whoever holds the writer takes all that is in the box, and whoever gives it back
//! looks into the box afterwards. So a post is seen by the thread that posted it, or by the one that kept it
//! from the writer. And nobody is held up by what others post: a thread that cannot write it at once
//! [leaves](Outbox::leave) it to the waiter, a thread that waits for the peer in place of all of them. The tests
//! explore the interleavings with `loom`.

#[cfg(all(test, sansocket_loom))]
mod interleavings;

#[cfg(all(test, sansocket_loom))]
use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
#[cfg(all(test, sansocket_loom))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, sansocket_loom)))]
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
#[cfg(not(all(test, sansocket_loom)))]
use std::sync::{Mutex, MutexGuard};
use std::sync::{PoisonError, TryLockError};

/// How often a thread that gives the writer back writes what was posted meanwhile.
const ROUNDS: usize = if cfg!(sansocket_loom) { 1 } else { 16 };

/// Posts, merged into one value.
pub(super) trait Posts {
    fn kind(&self) -> Kind;
}

/// Whose posts there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    /// Replies of the receiver, which tries again soon.
    Replies,
    /// Among them those of somebody who relies on the one that takes them.
    Others,
}

/// The value behind the lock, with which its holder writes.
pub(super) trait Writer<P> {
    /// Takes all posts.
    fn take(&mut self, posts: &mut P);

    /// The thread that held it panicked: it is to be used no more.
    fn poison(&mut self);
}

pub(super) struct Outbox<W, P> {
    writer: Mutex<W>,
    posts: Mutex<P>,
    /// How many threads wait for the writer. The next of them takes what is posted.
    next: AtomicUsize,
    /// One of the three below.
    waiter: AtomicU8,
}

/// There is no waiter.
const NONE: u8 = 0;
/// It waits for all that was left to it.
const WAITS: u8 = 1;
/// It is to look again: more was left to it.
const AGAIN: u8 = 2;

impl<P: Posts, W: Writer<P>> Outbox<W, P> {
    pub(super) fn new(writer: W, posts: P) -> Self {
        Self {
            writer: Mutex::new(writer),
            posts: Mutex::new(posts),
            next: AtomicUsize::new(0),
            waiter: AtomicU8::new(NONE),
        }
    }

    /// Adds to the posts; nobody waits for long in here. The caller then has to
    /// [try the writer](Self::try_with).
    pub(super) fn post<T>(&self, post: impl FnOnce(&mut P) -> T) -> T {
        post(&mut self.posts())
    }

    /// Waits for the writer, works with it, and gives it back. `write` writes what goes without waiting for the
    /// peer, and says whether that was all. Returns, too, whether posts of others could not be written: they
    /// have to be [left](Self::leave) to the waiter.
    pub(super) fn with<T>(
        &self,
        write: &impl Fn(&mut W) -> bool,
        work: impl FnOnce(&mut W) -> T,
    ) -> (T, bool) {
        self.next.fetch_add(1, SeqCst);
        let writer = self.lock();
        self.next.fetch_sub(1, SeqCst);
        self.hold(writer, write, work)
    }

    /// The same, unless another thread holds the writer, or waits for it: that one sees to the posts.
    pub(super) fn try_with<T>(
        &self,
        write: &impl Fn(&mut W) -> bool,
        work: impl FnOnce(&mut W) -> T,
    ) -> Option<(T, bool)> {
        match self.next.load(SeqCst) {
            0 => Some(self.hold(self.try_lock()?, write, work)),
            _ => None,
        }
    }

    fn hold<T>(
        &self,
        mut writer: MutexGuard<'_, W>,
        write: &impl Fn(&mut W) -> bool,
        work: impl FnOnce(&mut W) -> T,
    ) -> (T, bool) {
        let taken = self.take(&mut writer);
        let result = work(&mut writer);
        let mut left = write_taken(taken, &mut *writer, write);
        drop(writer);
        // Others may have posted meanwhile, and gone home.
        for round in 0..ROUNDS {
            let is_done = match self.kind() {
                Kind::Nothing => true,
                Kind::Replies => round > 0,
                Kind::Others => false,
            };
            if left || is_done || self.next.load(SeqCst) > 0 {
                return (result, left);
            }
            let Some(mut writer) = self.try_lock() else {
                return (result, false);
            };
            let taken = self.take(&mut writer);
            left = write_taken(taken, &mut *writer, write);
        }
        (result, left || self.kind() == Kind::Others)
    }

    /// Leaves posts to the waiter. Whether the caller has to start it: a thread that
    /// [waits](Self::wait).
    pub(super) fn leave(&self) -> bool {
        self.waiter.swap(AGAIN, SeqCst) == NONE
    }

    /// The waiter's work: calls `write_on`, which waits for a moment, until that says that the peer has taken all
    /// there is. In between the writer is to be had.
    pub(super) fn wait(&self, write: &impl Fn(&mut W) -> bool, write_on: impl Fn(&mut W) -> bool) {
        loop {
            self.waiter.store(WAITS, SeqCst);
            loop {
                self.step_aside();
                let (written, left) = self.with(write, &write_on);
                if written && !left {
                    break;
                }
            }
            if self.waiter.compare_exchange(WAITS, NONE, SeqCst, SeqCst).is_ok() {
                return;
            }
        }
    }

    /// Lets threads that wait for the writer go first: a mutex makes no such promise.
    fn step_aside(&self) {
        while self.next.load(SeqCst) > 0 {
            #[cfg(not(all(test, sansocket_loom)))]
            std::thread::sleep(std::time::Duration::from_millis(1));
            #[cfg(all(test, sansocket_loom))]
            loom::thread::yield_now();
        }
    }

    /// The waiter could not be started.
    pub(super) fn forget_waiter(&self) {
        self.waiter.store(NONE, SeqCst);
    }

    /// The kind of posts in the box.
    pub(super) fn kind(&self) -> Kind {
        self.posts().kind()
    }

    fn take(&self, writer: &mut W) -> Kind {
        let mut posts = self.posts();
        let kind = posts.kind();
        if kind != Kind::Nothing {
            writer.take(&mut posts);
        }
        kind
    }

    fn lock(&self) -> MutexGuard<'_, W> {
        self.writer.lock().unwrap_or_else(|poisoned| poison(poisoned.into_inner()))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, W>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poison(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn posts(&self) -> MutexGuard<'_, P> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what was taken. Whether posts of others are left.
fn write_taken<W>(taken: Kind, writer: &mut W, write: impl Fn(&mut W) -> bool) -> bool {
    taken != Kind::Nothing && !write(writer) && taken == Kind::Others
}

fn poison<P, W: Writer<P>>(mut writer: MutexGuard<'_, W>) -> MutexGuard<'_, W> {
    writer.poison();
    writer
}

/// Posts that come while the writer is held, and the thread that sees to them.
#[cfg(all(test, not(sansocket_loom)))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::cell::Cell;

    use super::*;

    impl Posts for Vec<Kind> {
        fn kind(&self) -> Kind {
            match self.contains(&Kind::Others) {
                true => Kind::Others,
                false => self.first().copied().unwrap_or(Kind::Nothing),
            }
        }
    }

    impl Writer<Vec<Kind>> for () {
        fn take(&mut self, posts: &mut Vec<Kind>) {
            posts.clear();
        }

        fn poison(&mut self) {}
    }

    /// Tries with this post, while each write brings another, writes all or not, and so many threads begin to
    /// wait. How often was written, and whether posts of others are left.
    fn tried(post: Kind, meanwhile: Kind, all: bool, waiting: usize) -> (usize, bool) {
        let (outbox, writes) = (Outbox::new((), vec![post]), Cell::new(0));
        let write = |(): &mut ()| {
            writes.set(writes.get() + 1);
            outbox.post(|posts| posts.push(meanwhile));
            outbox.next.store(waiting, SeqCst);
            all
        };
        let ((), left) = outbox.try_with(&write, |()| {}).unwrap();
        (writes.get(), left)
    }

    // CL-04, IO-16
    #[test]
    fn posts_that_come_meanwhile_are_seen_to() {
        use Kind::{Others, Replies};
        assert_eq!(tried(Replies, Replies, true, 0), (2, false), "the receiver tries again");
        assert_eq!(tried(Others, Others, true, 0), (1 + ROUNDS, true), "not without end");
        assert_eq!(tried(Others, Others, true, 1), (1, false), "the next one does");
        assert_eq!(tried(Replies, Others, false, 0), (2, true), "the waiter does");
        assert_eq!(tried(Others, Replies, false, 0), (1, true), "a reply hides no others");
    }
}
