//! Locks that fail once a thread has panicked with them.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// An engine or a transport that has panicked is of no use any more.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> io::Result<MutexGuard<'_, T>> {
    mutex.lock().map_err(panicked)
}

/// `None` if another thread has it.
pub(super) fn try_lock<T>(mutex: &Mutex<T>) -> io::Result<Option<MutexGuard<'_, T>>> {
    match mutex.try_lock() {
        Ok(guard) => Ok(Some(guard)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Poisoned(poisoned)) => Err(panicked(poisoned)),
    }
}

fn panicked<T>(_: PoisonError<T>) -> io::Error {
    io::Error::other("a thread has panicked in this connection")
}
