//! A timeout as a value for several threads.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// A timeout that another thread may set, in nanoseconds.
pub(super) struct Timeout(AtomicU64);

impl Timeout {
    const NONE: u64 = u64::MAX;

    pub(super) fn none() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }

    pub(super) fn get(&self) -> Option<Duration> {
        match self.0.load(SeqCst) {
            Self::NONE => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    pub(super) fn set(&self, timeout: Option<Duration>) {
        let nanos = |timeout: Duration| u64::try_from(timeout.as_nanos()).unwrap_or(Self::NONE);
        self.0.store(timeout.map_or(Self::NONE, nanos), SeqCst);
    }
}
