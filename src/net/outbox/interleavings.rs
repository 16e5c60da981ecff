//! Every order in which threads may run, as far as loom tells them apart.
//!
//! Run with `RUSTFLAGS="--cfg sansocket_loom" cargo test --release --lib loom`.

use loom::sync::Arc;
use loom::thread;

use super::*;

/// Bytes that are queued, bytes that are on the wire, and whether frames are taken at all.
#[derive(Default)]
struct Wire {
    queue: Vec<u8>,
    written: Vec<u8>,
    closed: bool,
    /// So often a write takes nothing without waiting.
    stalls: usize,
}

impl Posts for Vec<u8> {
    fn kind(&self) -> Kind {
        if self.is_empty() { Kind::Nothing } else { Kind::Others }
    }
}

type Shared = Arc<Outbox<Wire, Vec<u8>>>;

const CLOSE: u8 = 0;

impl Writer<Vec<u8>> for Wire {
    fn take(&mut self, posts: &mut Vec<u8>) {
        for post in posts.drain(..) {
            self.closed |= post == CLOSE;
            self.queue.push(post);
        }
    }

    fn poison(&mut self) {}
}

fn shared(stalls: usize) -> Shared {
    Arc::new(Outbox::new(Wire { stalls, ..Wire::default() }, Vec::new()))
}

fn write(wire: &mut Wire) -> bool {
    if wire.stalls > 0 && !wire.queue.is_empty() {
        wire.stalls -= 1;
        return false;
    }
    write_all(wire);
    true
}

fn write_all(wire: &mut Wire) {
    let queue = std::mem::take(&mut wire.queue);
    wire.written.extend(queue);
}

/// Leaves to the waiter what was left.
fn settle<T>(outbox: &Shared, (result, left): (T, bool)) -> T {
    if left && outbox.leave() {
        let outbox = Arc::clone(outbox);
        thread::spawn(move || outbox.wait(&write, write));
    }
    result
}

/// A send: two bytes that belong together, unless the connection is closed.
fn send(outbox: &Shared, message: u8) {
    let left = outbox.with(&write, |wire| {
        if !wire.closed {
            wire.queue.extend([message, message]);
            write_all(wire);
        }
    });
    settle(outbox, left);
}

/// A feed: queues and writes nothing itself.
fn feed(outbox: &Shared, message: u8) {
    let left = outbox.with(&write, |wire| {
        if !wire.closed {
            wire.queue.extend([message, message]);
        }
    });
    settle(outbox, left);
}

fn post(outbox: &Shared, post: u8) {
    outbox.post(|posts| posts.push(post));
    if let Some(left) = outbox.try_with(&write, |_| {}) {
        settle(outbox, left);
    }
}

fn written(outbox: &Shared) -> Vec<u8> {
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
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(4);
    model.check(|| {
        let outbox = shared(0);
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
        let outbox = shared(0);
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

// CL-04, RE-10: nobody waits for a peer that does not read but the one waiter, and what is posted beside its
// end is not forgotten
#[test]
fn loom_what_is_left_to_the_waiter_is_written() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let outbox = shared(1);
        let posters = [1, 2].map(|message| {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || post(&outbox, message))
        });
        for poster in posters {
            poster.join().unwrap();
        }
        // The waiter may still be at it: it is when it does not hold the writer that all must be written.
        while outbox.waiter.load(SeqCst) != NONE {
            thread::yield_now();
        }
        let mut written = written(&outbox);
        written.sort_unstable();
        assert_eq!(written, [1, 2]);
    });
}

// CL-04: the same beside a thread that waits for the writer, and takes the posts in place of who gave it back
#[test]
fn loom_whoever_comes_next_sees_to_the_posts() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let outbox = shared(1);
        let sender = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || feed(&outbox, 1))
        };
        let poster = {
            let outbox = Arc::clone(&outbox);
            thread::spawn(move || post(&outbox, 9))
        };
        feed(&outbox, 2);
        sender.join().unwrap();
        poster.join().unwrap();
        while outbox.waiter.load(SeqCst) != NONE {
            thread::yield_now();
        }
        let written = written(&outbox);
        assert_eq!(written.iter().filter(|byte| **byte == 9).count(), 1, "{written:?}");
        assert_whole(&written, &[1, 2]);
    });
}
