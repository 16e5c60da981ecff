//! One waker for all who wait for the peer to read.
//!
//! A socket remembers one waker for writing: that of the last who asked. So whoever finds it full asks with the
//! alarm, which wakes all of them; who comes first gets the room. There is no queue of those who wait, in
//! which one that is not polled any more would hold up all others.
//!
//! A waker has to be on the list *before* the socket is asked: the driver rings without any lock of ours, and
//! a bell that rings for an empty list wakes nobody. The tests explore that with `loom`.

#[cfg(all(test, sansocket_loom))]
use loom::sync::Mutex;
use std::num::NonZeroU64;
#[cfg(not(all(test, sansocket_loom)))]
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

#[derive(Default)]
pub(super) struct Alarm {
    waiting: Mutex<Vec<(Ticket, Waker)>>,
}

/// The place of one future on the list of any alarm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(NonZeroU64);

impl Ticket {
    /// That of the receiver, of which a connection has one.
    pub(super) const RECEIVER: Self = Self(NonZeroU64::MIN);

    /// One that nobody else has.
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(1);
        Self(NonZeroU64::MIN.saturating_add(LAST.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Alarm {
    /// Puts a waker on the list, once, until it rings; returns the one of an earlier task that it takes the place of, which
    /// may be anything, and so is not dropped under a lock.
    pub(super) fn wait(&self, ticket: Ticket, waker: &Waker) -> Option<Waker> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.iter_mut().find(|(other, _)| *other == ticket) {
            Some((_, old)) if old.will_wake(waker) => None,
            Some((_, old)) => Some(std::mem::replace(old, waker.clone())),
            None => {
                waiting.push((ticket, waker.clone()));
                None
            }
        }
    }

    /// Takes a waker off the list.
    pub(super) fn leave(&self, ticket: Ticket) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting.iter().position(|(other, _)| *other == ticket);
        let waker = place.map(|place| waiting.swap_remove(place));
        drop(waiting);
        drop(waker); // which may be anything
    }

    pub(super) fn ring(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let woken = std::mem::take(&mut *waiting);
        drop(waiting);
        for (_, waker) in woken {
            waker.wake();
        }
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// No waker is lost, whatever rings while somebody begins to wait.
#[cfg(all(test, sansocket_loom))]
mod tests {
    use super::*;
    use loom::future::block_on;
    use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
    use std::future::poll_fn;
    use std::task::Poll;

    /// A socket that is full, until its driver says that the peer has read. Like tokio's it has one place for a
    /// waker, and whoever asks takes that.
    #[derive(Default)]
    struct Socket {
        room: AtomicUsize,
        waker: Mutex<Option<Waker>>,
    }

    impl Socket {
        fn poll(&self, waker: &Waker) -> bool {
            *self.waker.lock().unwrap() = Some(waker.clone());
            self.room.load(SeqCst) > 0
        }

        fn read_by_peer(&self) {
            self.room.fetch_add(1, SeqCst);
            let waker = self.waker.lock().unwrap().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Two tasks wait for the same room, under the lock of a link, while the driver rings without it.
    #[test]
    fn loom_everybody_who_waits_is_woken() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let socket = loom::sync::Arc::new(Socket::default());
            let alarm = Arc::new(Alarm::default());
            let link = loom::sync::Arc::new(Mutex::new(()));
            let wait = |socket: loom::sync::Arc<Socket>,
                        alarm: Arc<Alarm>,
                        link: loom::sync::Arc<Mutex<()>>| {
                let ticket = Ticket::new();
                move || {
                    block_on(poll_fn(|cx| {
                        let _turn = link.lock().unwrap();
                        alarm.wait(ticket, cx.waker());
                        match socket.poll(&Waker::from(Arc::clone(&alarm))) {
                            true => Poll::Ready(()),
                            false => Poll::Pending,
                        }
                    }));
                    alarm.leave(ticket);
                }
            };
            let other = wait(socket.clone(), Arc::clone(&alarm), link.clone());
            let other = loom::thread::spawn(other);
            let driver = {
                let socket = socket.clone();
                loom::thread::spawn(move || socket.read_by_peer())
            };
            wait(socket, alarm, link)();
            other.join().unwrap();
            driver.join().unwrap();
        });
    }

    /// Somebody else writes what was waited for: the alarm is rung by hand.
    #[test]
    fn loom_room_that_somebody_else_makes_is_seen() {
        loom::model(|| {
            let alarm = Arc::new(Alarm::default());
            let room = loom::sync::Arc::new(Mutex::new(false));
            let writer = {
                let (alarm, room) = (Arc::clone(&alarm), room.clone());
                loom::thread::spawn(move || {
                    *room.lock().unwrap() = true;
                    alarm.ring();
                })
            };
            let ticket = Ticket::new();
            block_on(poll_fn(|cx| {
                let room = room.lock().unwrap();
                alarm.wait(ticket, cx.waker());
                if *room { Poll::Ready(()) } else { Poll::Pending }
            }));
            writer.join().unwrap();
        });
    }

    /// A future that is dropped takes its waker along, and nobody else's.
    #[test]
    fn loom_who_leaves_is_not_on_the_list() {
        loom::model(|| {
            let alarm = Arc::new(Alarm::default());
            let (woken, other) = (loom::sync::Arc::new(AtomicBool::new(false)), Ticket::new());
            struct Flag(loom::sync::Arc<AtomicBool>);
            impl Wake for Flag {
                fn wake(self: Arc<Self>) {
                    self.0.store(true, SeqCst);
                }
            }
            alarm.wait(other, &Waker::from(Arc::new(Flag(woken.clone()))));
            let leaving = {
                let alarm = Arc::clone(&alarm);
                loom::thread::spawn(move || {
                    let ticket = Ticket::new();
                    alarm.wait(ticket, Waker::noop());
                    alarm.leave(ticket);
                })
            };
            alarm.ring();
            leaving.join().unwrap();
            assert!(woken.load(SeqCst));
            assert!(alarm.waiting.lock().unwrap().is_empty());
        });
    }
}
