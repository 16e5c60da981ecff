//! A writer that one thread at a time holds, and a box into which others post without waiting for it.
//!
//! Two rules keep anything posted from being forgotten. Whoever takes posts out of the box writes them before
//! the writer is given back, whatever becomes of the holder's own work. And whoever gives the writer back looks
//! into the box afterwards. So a post is seen by the thread that posted it, or by the one that kept it from
//! the writer. The tests explore all interleavings with `loom`.

#[cfg(all(test, loom))]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
use std::sync::{Mutex, MutexGuard};
use std::sync::{PoisonError, TryLockError};

/// Posts, merged into one value.
pub(super) trait Posts: Default {
    fn is_empty(&self) -> bool;
}

/// The posts that were taken out of the box, and have to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    /// Replies of the receiver, which tries again soon.
    Replies,
    /// Posts of somebody who relies on the taker.
    Others,
}

/// The value behind the lock, with which its holder writes.
pub(super) trait Writer<P> {
    /// Takes what there is room for.
    fn take(&mut self, posts: &mut P) -> Taken;

    /// The thread that held it panicked: it is to be used no more.
    fn poison(&mut self);
}

pub(super) struct Outbox<W, P> {
    writer: Mutex<W>,
    posts: Mutex<P>,
}

impl<P: Posts, W: Writer<P>> Outbox<W, P> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer: Mutex::new(writer), posts: Mutex::new(P::default()) }
    }

    /// Adds to the posts; nobody waits for long in here. The caller then has to
    /// [try the writer](Self::try_with).
    pub(super) fn post<T>(&self, post: impl FnOnce(&mut P) -> T) -> T {
        post(&mut self.posts())
    }

    /// Waits for the writer, works with it, and gives it back. `flush` writes what was taken from the box.
    pub(super) fn with<T>(
        &self,
        flush: &impl Fn(&mut W, Taken),
        work: impl FnOnce(&mut W) -> T,
    ) -> T {
        let result = self.hold(self.lock(), flush, work);
        self.hand_over(flush);
        result
    }

    /// The same, unless another thread holds the writer: that one sees to the posts when it gives it back.
    pub(super) fn try_with<T>(
        &self,
        flush: &impl Fn(&mut W, Taken),
        work: impl FnOnce(&mut W) -> T,
    ) -> Option<T> {
        let result = self.hold(self.try_lock()?, flush, work);
        self.hand_over(flush);
        Some(result)
    }

    fn hold<T>(
        &self,
        mut writer: MutexGuard<'_, W>,
        flush: &impl Fn(&mut W, Taken),
        work: impl FnOnce(&mut W) -> T,
    ) -> T {
        let taken = self.take(&mut writer);
        let result = work(&mut writer);
        if taken != Taken::Nothing {
            flush(&mut writer, taken);
        }
        result
    }

    /// After the writer was given back: others may have posted meanwhile, and gone home.
    fn hand_over(&self, flush: &impl Fn(&mut W, Taken)) {
        while !self.is_empty() {
            let Some(mut writer) = self.try_lock() else {
                return;
            };
            match self.take(&mut writer) {
                Taken::Nothing => return, // no room at present: what is queued goes out first
                taken => flush(&mut writer, taken),
            }
        }
    }

    /// Whether nothing waits in the box.
    pub(super) fn is_empty(&self) -> bool {
        self.posts().is_empty()
    }

    /// Takes posts, for the holder of the writer.
    pub(super) fn take(&self, writer: &mut W) -> Taken {
        let mut posts = self.posts();
        match posts.is_empty() {
            true => Taken::Nothing,
            false => writer.take(&mut posts),
        }
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

fn poison<P, W: Writer<P>>(mut writer: MutexGuard<'_, W>) -> MutexGuard<'_, W> {
    writer.poison();
    writer
}

/// Run with `RUSTFLAGS="--cfg loom" cargo test --release --lib loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    /// Bytes that are queued, bytes that are on the wire, and whether frames are taken at all.
    #[derive(Default)]
    struct Wire {
        queue: Vec<u8>,
        written: Vec<u8>,
        closed: bool,
    }

    impl Posts for Vec<u8> {
        fn is_empty(&self) -> bool {
            self.is_empty()
        }
    }

    const CLOSE: u8 = 0;

    impl Writer<Vec<u8>> for Wire {
        fn take(&mut self, posts: &mut Vec<u8>) -> Taken {
            for post in posts.drain(..) {
                self.closed |= post == CLOSE;
                self.queue.push(post);
            }
            Taken::Others
        }

        fn poison(&mut self) {}
    }

    fn flush(wire: &mut Wire, _: Taken) {
        let queue = std::mem::take(&mut wire.queue);
        wire.written.extend(queue);
    }

    /// A send: two bytes that belong together, unless the connection is closed.
    fn send(outbox: &Outbox<Wire, Vec<u8>>, message: u8) {
        outbox.with(&flush, |wire| {
            if !wire.closed {
                wire.queue.extend([message, message]);
                flush(wire, Taken::Others);
            }
        });
    }

    /// A feed: queues and writes nothing itself.
    fn feed(outbox: &Outbox<Wire, Vec<u8>>, message: u8) {
        outbox.with(&flush, |wire| {
            if !wire.closed {
                wire.queue.extend([message, message]);
            }
        });
    }

    fn post(outbox: &Outbox<Wire, Vec<u8>>, post: u8) {
        outbox.post(|posts| posts.push(post));
        outbox.try_with(&flush, |wire| flush(wire, Taken::Others));
    }

    fn written(outbox: &Outbox<Wire, Vec<u8>>) -> Vec<u8> {
        outbox.writer.lock().unwrap().written.clone()
    }

    /// Whether messages came whole, each once at most.
    fn assert_whole(written: &[u8], messages: &[u8]) {
        for message in messages {
            let places: Vec<_> =
                written.iter().enumerate().filter(|(_, byte)| *byte == message).collect();
            match places[..] {
                [] => {}
                [(first, _), (second, _)] => assert_eq!(second, first + 1, "{written:?}"),
                _ => panic!("{written:?}"),
            }
        }
    }

    // CL-04, RE-10: a Close posted beside a send that then fails, and beside a pong, is written
    #[test]
    fn loom_a_close_is_written_whatever_becomes_of_the_sends() {
        loom::model(|| {
            let outbox = Arc::new(Outbox::new(Wire::default()));
            let sender = {
                let outbox = Arc::clone(&outbox);
                thread::spawn(move || send(&outbox, 1))
            };
            let closer = {
                let outbox = Arc::clone(&outbox);
                thread::spawn(move || post(&outbox, CLOSE))
            };
            post(&outbox, 9); // the receiver's pong
            sender.join().unwrap();
            closer.join().unwrap();
            let written = written(&outbox);
            assert_eq!(written.iter().filter(|byte| **byte == CLOSE).count(), 1, "{written:?}");
            assert_eq!(written.iter().filter(|byte| **byte == 9).count(), 1, "{written:?}");
            assert_whole(&written, &[1]);
        });
    }

    // CL-04: two senders, of which one only queues, and a receiver with two replies
    #[test]
    fn loom_replies_are_written_beside_two_senders() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let outbox = Arc::new(Outbox::new(Wire::default()));
            let senders = [1, 2].map(|message| {
                let outbox = Arc::clone(&outbox);
                thread::spawn(move || match message {
                    1 => send(&outbox, message),
                    _ => feed(&outbox, message),
                })
            });
            post(&outbox, 8);
            post(&outbox, 9);
            for sender in senders {
                sender.join().unwrap();
            }
            let written = written(&outbox);
            for reply in [8, 9] {
                let times = written.iter().filter(|byte| **byte == reply).count();
                assert_eq!(times, 1, "{written:?}");
            }
            assert_whole(&written, &[1, 2]);
        });
    }
}
