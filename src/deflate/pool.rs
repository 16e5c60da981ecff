//! The compressors and inflaters that all connections of a [`Compression`](super::Compression) share.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::deflater::{Deflater, Stamp};
use super::inflater::Inflater;

/// So many of each are kept. More are made if more threads work at the same time.
const KEPT: usize = 32;

#[derive(Default)]
pub(crate) struct Pool {
    deflaters: Mutex<Vec<Deflater>>,
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
        let mut deflater = self.take_deflater(bits, stamp);
        let result = work(&mut deflater);
        deflater.rest();
        give_back(&self.deflaters, deflater);
        result
    }

    fn take_deflater(&self, bits: u8, stamp: Option<Stamp>) -> Deflater {
        let mut deflaters = lock(&self.deflaters);
        let stamped = || deflaters.iter().rposition(|one| stamp.is_some() && one.stamp() == stamp);
        let fitting = || deflaters.iter().rposition(|one| one.bits() == bits);
        match stamped().or_else(fitting) {
            Some(i) => deflaters.remove(i),
            None => {
                drop(deflaters);
                Deflater::new(bits)
            }
        }
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

/// Says how many there are, never what went through them.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("deflaters", &lock(&self.deflaters).len())
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
            give_back(&pool.inflaters, inflater);
        }
    }
}

fn give_back<T>(kept: &Mutex<Vec<T>>, one: T) {
    let mut kept = lock(kept);
    if kept.len() < KEPT {
        kept.push(one);
    }
}

/// A panic under the lock is none of a half-made change: the vector is whole.
fn lock<T>(kept: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
