//! Sockets that listen, and the thread that accepts for shards which do not do so themselves.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::mio::net::{TcpListener, TcpStream};
use ::mio::{Events, Poll, Registry, Token, Waker};

use super::mailbox::Mail;
use super::shared::{Admission, Shared};
use crate::log;

/// How long to wait after a failed accept for want of resources.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Listening {
    listener: TcpListener,
    /// There may be somebody to accept.
    ready: bool,
    /// Not before then, as there were no resources.
    again: Option<Instant>,
}

impl Listening {
    pub(super) fn new(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(listener), ready: true, again: None })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, ::mio::Interest::READABLE)
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether it is worth a try now.
    pub(super) fn is_ready(&self) -> bool {
        self.ready && self.again.is_none()
    }

    /// When it is, if only the time is waited for.
    pub(super) fn again(&self) -> Option<Instant> {
        self.again.filter(|_| self.ready)
    }

    /// The next connection, if there is one.
    pub(super) fn accept(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        if self.again.is_some_and(|again| now < again) {
            return None;
        }
        self.again = None;
        while self.ready {
            match self.listener.accept() {
                Ok(accepted) => return Some(accepted),
                Err(error) => self.failed(&error, now)?,
            }
        }
        None
    }

    /// Notes a failure to accept: `None` if it is to be waited out.
    fn failed(&mut self, error: &io::Error, now: Instant) -> Option<()> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.ready = false,
            // The client has gone again, for which Windows has a name of its own: the next one has not.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
            io::ErrorKind::Interrupted => {}
            // Out of file descriptors, perhaps: some will be closed.
            _ => {
                log::accept_error(error);
                self.again = now.checked_add(PAUSE);
                return None;
            }
        }
        Some(())
    }
}

/// Accepts until the server is stopped, each connection for the shard that has the fewest.
///
/// # Errors
///
/// The system cannot wait for events.
pub(super) fn distribute<M>(
    mut all: Vec<Listening>,
    poll: &mut Poll,
    shared: &Arc<Shared<M>>,
) -> io::Result<()> {
    for (index, listening) in all.iter_mut().enumerate() {
        listening.register(poll.registry(), Token(index))?;
    }
    let mut events = Events::with_capacity(64);
    while !shared.is_stopping() {
        let now = Instant::now();
        for listening in &mut all {
            while let Some((stream, from)) = listening.accept(now) {
                let shard = shared.least();
                let admission = shared.admit(shard);
                let told = match admission {
                    Admission::Stays => shared.tell(shard, Mail::Accepted(stream, from)),
                    Admission::IsTold => shared.tell(shard, Mail::Refused(stream, from)),
                    // A rush may be faster than the shard: its mailbox is bounded for reports, too.
                    Admission::IsCutOff => shared.post(shard, Mail::CutOff(from)),
                };
                // The shard has ended, as the server stops, or has too much to do to be told of one that is gone.
                if told.is_err() {
                    match admission {
                        Admission::Stays => shared.leave(shard),
                        Admission::IsTold => shared.leave_refused(),
                        Admission::IsCutOff => {}
                    }
                }
                if shared.is_stopping() {
                    return Ok(());
                }
            }
        }
        let again = all.iter().filter_map(Listening::again).min();
        let time = again.map(|again| again.saturating_duration_since(now));
        match poll.poll(&mut events, time) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => result?,
        }
        for event in &events {
            if let Some(listening) = all.get_mut(event.token().0) {
                listening.set_ready();
            }
        }
    }
    Ok(())
}

/// The poll of [`distribute`], which a stop wakes.
pub(super) fn prepare<M>(shared: &Arc<Shared<M>>) -> io::Result<Poll> {
    let poll = Poll::new()?;
    shared.set_acceptor(Waker::new(poll.registry(), Token(usize::MAX))?);
    Ok(poll)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn connected() -> (Listening, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Listening::new(listener).unwrap(), client)
    }

    // ML-15: clients that are gone before they are accepted, under the names of Unix and of Windows, hold up nobody
    #[test]
    fn clients_that_are_gone_are_passed_over_at_once() {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        let ((mut listening, client), now) = (connected(), Instant::now());
        for kind in [ConnectionAborted, ConnectionReset, Interrupted] {
            assert_eq!(listening.failed(&kind.into(), now), Some(()));
            assert!(listening.is_ready() && listening.again().is_none());
        }
        let (_, from) = listening.accept(now).unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        assert!(listening.accept(now).is_none() && !listening.is_ready(), "there was one");
    }

    // ML-15: those who wait meanwhile are accepted after the pause, though nothing tells of them again
    #[test]
    fn a_failure_for_want_of_resources_is_waited_out() {
        let ((mut listening, _client), now) = (connected(), Instant::now());
        assert_eq!(listening.failed(&io::ErrorKind::OutOfMemory.into(), now), None);
        let again = listening.again().unwrap();
        assert_eq!(again, now + PAUSE);
        assert!(!listening.is_ready());
        assert!(listening.accept(again - Duration::from_millis(1)).is_none());
        assert!(listening.accept(again).is_some() && listening.is_ready());
    }
}
