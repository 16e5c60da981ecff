//! Which address is tried, and when: a race without sockets (RFC 8305, "happy eyeballs").

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an attempt has before the next begins beside it (§8).
const DELAY: Duration = Duration::from_millis(250);

/// The most addresses that are tried. A name has a few; what claims to have many must not cost a socket for each.
const MAX_ADDRESSES: usize = 32;

/// Attempts to connect, of which one is enough.
#[derive(Debug)]
pub(crate) struct Race {
    waiting: VecDeque<SocketAddr>,
    /// How many attempts are under way.
    running: usize,
    /// When the next begins, whatever becomes of those.
    next_at: Option<Instant>,
    failures: Vec<(SocketAddr, io::Error)>,
}

/// To be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Start(SocketAddr),
    /// Until then, or until an attempt ends.
    Wait(Option<Instant>),
    Lost,
}

impl Race {
    /// Between these addresses, in their order but that the families take turns (§4).
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut all = Vec::new();
        for address in addresses {
            if !all.contains(&address) && all.len() < MAX_ADDRESSES {
                all.push(address);
            }
        }
        let first_is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
        let (first, second): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
        let (mut families, mut waiting) = ([first, second], VecDeque::new());
        while families.iter().any(|family| !family.is_empty()) {
            waiting.extend(families.iter_mut().filter_map(VecDeque::pop_front));
        }
        Self { waiting, running: 0, next_at: None, failures: Vec::new() }
    }

    pub(crate) fn next(&mut self, now: Instant) -> Next {
        if self.running > 0 && self.next_at.is_some_and(|at| now < at) {
            let at = self.next_at.filter(|_| !self.waiting.is_empty());
            return Next::Wait(at);
        }
        match self.waiting.pop_front() {
            Some(address) => {
                self.running += 1;
                self.next_at = now.checked_add(DELAY);
                Next::Start(address)
            }
            None if self.running > 0 => Next::Wait(None),
            None => Next::Lost,
        }
    }

    /// An attempt has failed: the next begins at once.
    pub(crate) fn failed(&mut self, address: SocketAddr, error: io::Error) {
        self.running = self.running.saturating_sub(1);
        self.next_at = None;
        self.failures.push((address, error));
    }

    /// The error when all have failed: of the kind of the first, and with the words of all.
    pub(crate) fn into_error(self) -> io::Error {
        let Some((_, first)) = self.failures.first() else {
            return io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        };
        let words = self.failures.iter().map(|(address, error)| format!("{address}: {error}"));
        io::Error::new(first.kind(), words.collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &str) -> Vec<SocketAddr> {
        list.split(' ').filter_map(|address| address.parse().ok()).collect()
    }

    // DI-03
    #[test]
    fn the_families_take_turns() {
        let mut race = Race::new(addresses("[::1]:1 [::2]:1 [::1]:1 1.1.1.1:1 [::3]:1 1.1.1.2:1"));
        let order = std::mem::take(&mut race.waiting);
        assert_eq!(Vec::from(order), addresses("[::1]:1 1.1.1.1:1 [::2]:1 1.1.1.2:1 [::3]:1"),);
        let many = (1..100).map(|port| ([127, 0, 0, 1], port).into());
        assert_eq!(Race::new(many).waiting.len(), MAX_ADDRESSES);
    }

    // DI-03
    #[test]
    fn attempts_begin_after_a_while_or_when_one_has_failed() {
        let all = addresses("[::1]:1 1.1.1.1:1 [::2]:1");
        let (mut race, start) = (Race::new(all.clone()), Instant::now());
        assert_eq!(race.next(start), Next::Start(all[0]));
        assert_eq!(race.next(start), Next::Wait(Some(start + DELAY)));
        let later = start + DELAY;
        assert_eq!(race.next(later), Next::Start(all[1]));
        assert_eq!(race.next(later), Next::Wait(Some(later + DELAY)));
        race.failed(all[1], io::ErrorKind::ConnectionRefused.into());
        assert_eq!(race.next(later), Next::Start(all[2]));
        assert_eq!(race.next(later), Next::Wait(None));
        race.failed(all[0], io::ErrorKind::TimedOut.into());
        assert_eq!(race.next(later), Next::Wait(None));
        race.failed(all[2], io::ErrorKind::TimedOut.into());
        assert_eq!(race.next(later), Next::Lost);
        let error = race.into_error();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("[::2]:1: "), "{error}");
        assert_eq!(Race::new([]).next(start), Next::Lost);
    }
}
