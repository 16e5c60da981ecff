//! The compressors and inflaters that all connections of a [`Compression`](super::Compression) share.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::deflater::{Deflater, Stamp};
use super::inflater::Inflater;

/// So many of each are kept. More inflaters are made if more are lent at the same time: each holds a message. Whoever
/// wants one compressor more waits until one is given back, as soon as a message is compressed.
const KEPT: usize = 32;

#[derive(Default)]
pub(crate) struct Pool {
    deflaters: Mutex<Deflaters>,
    given_back: Condvar,
    #[allow(clippy::vec_box, reason = "the boxes go into buffers and back")]
    inflaters: Mutex<Vec<Box<Inflater>>>,
    stamps: AtomicU64,
}

impl Pool {
    /// Works with a compressor whose window has 2ⁿ bytes: if there is one, the one with this stamp. If the work panics, the
    /// compressor is lost.
    pub(crate) fn with_deflater<T>(
        &self,
        bits: u8,
        stamp: Option<Stamp>,
        work: impl FnOnce(&mut Deflater) -> T,
    ) -> T {
        let mut at_work = AtWork { pool: self, deflater: None };
        let mut deflater = self.take_deflater(bits, stamp).unwrap_or_else(|| Deflater::new(bits));
        let result = work(&mut deflater);
        deflater.rest();
        at_work.deflater = Some(deflater);
        result
    }

    /// `None` if one more may be made.
    fn take_deflater(&self, bits: u8, stamp: Option<Stamp>) -> Option<Deflater> {
        let may_not = |all: &mut Deflaters| all.at_work >= KEPT;
        let all = self.given_back.wait_while(lock(&self.deflaters), may_not);
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        all.at_work += 1;
        let stamped = || all.idle.iter().rposition(|one| stamp.is_some() && one.stamp() == stamp);
        let fitting = || all.idle.iter().rposition(|one| one.bits() == bits);
        if let Some(i) = stamped().or_else(fitting) {
            return Some(all.idle.remove(i));
        }
        if all.idle.len() + all.at_work > KEPT {
            all.idle.remove(0); // of another window, and the one that was not wanted for longest
        }
        None
    }

    /// A stamp that no compressor had before.
    pub(crate) fn new_stamp(&self) -> Option<Stamp> {
        let last = self.stamps.fetch_add(1, Ordering::Relaxed);
        NonZeroU64::new(last.wrapping_add(1)).map(Stamp)
    }

    /// Lends an inflater.
    pub(crate) fn lend_inflater(self: &Arc<Self>) -> Lent {
        let inflater = lock(&self.inflaters).pop();
        let mut inflater = inflater.unwrap_or_else(|| Box::new(Inflater::new()));
        inflater.home = Some(Arc::clone(self));
        Lent(Some(inflater))
    }
}

/// All compressors.
#[derive(Default)]
struct Deflaters {
    idle: Vec<Deflater>,
    at_work: usize,
}

/// One of them at work, until this is dropped: given back, or lost in a panic.
struct AtWork<'p> {
    pool: &'p Pool,
    deflater: Option<Deflater>,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut all = lock(&self.pool.deflaters);
        all.at_work = all.at_work.saturating_sub(1);
        all.idle.extend(self.deflater.take());
        self.pool.given_back.notify_one();
    }
}

/// Says how many there are, never what went through them.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("deflaters", &lock(&self.deflaters).idle.len())
            .field("inflaters", &lock(&self.inflaters).len())
            .finish()
    }
}

/// A place for an inflater, with the message in it, until it goes back to its pool.
#[derive(Default)]
pub(crate) struct Lent(Option<Box<Inflater>>);

impl Lent {
    pub(crate) const NOTHING: Self = Self(None);

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn inflater(&mut self) -> Option<&mut Inflater> {
        self.0.as_deref_mut()
    }

    pub(crate) fn message(&self) -> &[u8] {
        self.0.as_ref().map(|inflater| inflater.message()).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut inflater) = self.0.take() else {
            return;
        };
        // One that was at work when something panicked is not used again.
        if let Some(pool) = inflater.home.take().filter(|_| !std::thread::panicking()) {
            inflater.rest();
            let mut kept = lock(&pool.inflaters);
            if kept.len() < KEPT {
                kept.push(inflater);
            }
        }
    }
}

/// A panic under the lock is none of a half-made change: the vectors are whole.
fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
