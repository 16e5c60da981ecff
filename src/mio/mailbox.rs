//! What other threads have to say to a shard: a bounded list behind a lock that is held for a push or a swap, and a waker
//! that is used when the list was empty.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use ::mio::Waker;
use ::mio::net::TcpStream;
use thiserror::Error;

use super::table::Id;
use crate::close::CloseCode;
use crate::prepared::Prepared;

/// What was posted to a shard was not taken, and will not be done.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// As much as [`max_mail`](super::Server::max_mail) allows waits already.
    #[error("the shard has too much to do")]
    Full,
    /// The server has stopped, or there is no such shard.
    #[error("the server has stopped")]
    Stopped,
}

pub(super) enum Mail<M> {
    /// A connection was accepted for this shard.
    Accepted(TcpStream, SocketAddr),
    /// One that is only told that there is no room.
    Refused(TcpStream, SocketAddr),
    /// One that is not even told.
    CutOff(SocketAddr),
    Own(M),
    Send(Id, Prepared),
    Publish(Arc<str>, Prepared),
    Close(Id, CloseCode, Box<str>),
    /// Some connections are closed with 1012.
    Shed(usize, Duration),
    /// All are closed with 1001, and nobody is let in.
    Stop(Duration),
    /// Those that are left are cut off.
    Abandon,
}

pub(super) struct Mailbox<M> {
    mail: Mutex<Vec<Mail<M>>>,
    /// Nobody empties it any more.
    closed: AtomicBool,
    waker: OnceLock<Waker>,
}

impl<M> Default for Mailbox<M> {
    fn default() -> Self {
        Self { mail: Mutex::default(), closed: AtomicBool::new(false), waker: OnceLock::new() }
    }
}

/// A mailbox that nobody else posts to meanwhile.
pub(super) struct Locked<'a, M> {
    mailbox: &'a Mailbox<M>,
    mail: MutexGuard<'a, Vec<Mail<M>>>,
}

impl<M> Mailbox<M> {
    /// Sets what wakes the shard. What was posted before lies there already.
    pub(super) fn set_waker(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    pub(super) fn lock(&self) -> Locked<'_, M> {
        let mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { mailbox: self, mail }
    }

    pub(super) fn post(&self, mail: Mail<M>, limit: usize) -> Result<(), PostError> {
        let mailbox = self.lock();
        mailbox.check(limit)?;
        mailbox.push(mail);
        Ok(())
    }

    /// Takes all there is, in exchange for an empty list.
    pub(super) fn take(&self, spare: &mut Vec<Mail<M>>) {
        std::mem::swap(&mut *self.lock().mail, spare);
    }

    /// Takes the last there is.
    pub(super) fn close(&self) -> Vec<Mail<M>> {
        let mut mailbox = self.lock();
        self.closed.store(true, Ordering::Relaxed);
        std::mem::take(&mut *mailbox.mail)
    }
}

impl<M> Locked<'_, M> {
    pub(super) fn check(&self, limit: usize) -> Result<(), PostError> {
        // It is only changed under the lock.
        if self.mailbox.closed.load(Ordering::Relaxed) {
            return Err(PostError::Stopped);
        }
        if self.mail.len() >= limit {
            return Err(PostError::Full);
        }
        Ok(())
    }

    pub(super) fn push(mut self, mail: Mail<M>) {
        let was_empty = self.mail.is_empty();
        self.mail.push(mail);
        let waker = self.mailbox.waker.get();
        drop(self.mail);
        if let (true, Some(waker)) = (was_empty, waker) {
            // It fails if there is no memory for the counter, or no such file any more.
            let _ = waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ML-08: a mailbox is bounded, keeps the order, and takes nothing when nobody empties it
    #[test]
    fn a_mailbox_is_bounded_and_ordered() {
        let mailbox = Mailbox::default();
        for n in 0..3 {
            assert_eq!(mailbox.post(Mail::Own(n), 3), Ok(()));
        }
        assert_eq!(mailbox.post(Mail::Own(3), 3), Err(PostError::Full));
        let own = |mail: Vec<Mail<i32>>| -> Vec<i32> {
            let own = |mail| if let Mail::Own(n) = mail { Some(n) } else { None };
            mail.into_iter().filter_map(own).collect()
        };
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        assert_eq!(own(taken), [0, 1, 2]);
        assert_eq!(mailbox.post(Mail::Own(4), 3), Ok(()));
        assert_eq!(own(mailbox.close()), [4]);
        assert_eq!(mailbox.post(Mail::Own(5), 3), Err(PostError::Stopped));
    }
}
