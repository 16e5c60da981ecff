//! Peers that read slowly and steadily, so that each write takes a part.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use sansocket::net::{self, Receiver, Sender};
use sansocket::{Buffer, CloseCode, Config};

use crate::pipe::{Pipe, Way, over_pipe};
use crate::raw::{PATIENCE, TEXT, config, frame};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The peer takes 1000 bytes in each write, after a pause.
struct Slow(Pipe, Pace);

struct Pace {
    pause: Duration,
    resumes: bool,
    /// The thread whose writes are counted.
    thread: ThreadId,
    writes: Arc<AtomicUsize>,
}

impl Slow {
    fn new(pause: Duration, resumes: bool) -> Self {
        let thread = thread::current().id();
        Self(Pipe::new(Way::Open), Pace { pause, resumes, thread, writes: Arc::default() })
    }
}

over_pipe! {
    Slow {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            if thread::current().id() == self.1.thread {
                self.1.writes.fetch_add(1, Ordering::SeqCst);
            }
            thread::sleep(self.1.pause);
            let slice = slices.iter().find(|slice| !slice.is_empty()).unwrap();
            self.0.write(&[IoSlice::new(&slice[..slice.len().min(1000)])])
        }

        fn resumes_writes(&self) -> bool {
            self.1.resumes
        }
    }
}

// L-10: within one send, too, whatever it is that each write waits for
#[test]
fn a_peer_that_takes_a_part_in_each_write_is_not_silent() {
    for resumes in [true, false] {
        let slow = Slow::new(millis(20), resumes);
        let hasty = config(|config| config.keepalive(millis(200), millis(200)));
        let (sender, mut receiver) = net::open(slow, Buffer::new(), hasty).unwrap();
        let receiving = thread::spawn(move || receiver.recv().map(|_| ()));
        let sent = sender.send(&[7; 50_000]);
        sender.abort();
        let received = receiving.join().unwrap();
        assert!(sent.is_ok(), "resumes: {resumes}, sent: {sent:?}, received: {received:?}");
    }
}

/// A connection with 200 KB in its queue, of which the peer takes 1 KB in 2 ms, and does so while `act` goes on.
fn write_beside(act: impl FnOnce(&Sender<Slow>, &mut Receiver<Slow>, &Pipe)) {
    let slow = Slow::new(millis(2), true);
    let (pipe, writes) = (slow.0.clone(), Arc::clone(&slow.1.writes));
    let (sender, mut receiver) = net::open(slow, Buffer::new(), Config::default()).unwrap();
    sender.feed(&[7; 200_000]).unwrap();
    act(&sender, &mut receiver, &pipe);
    let writes = writes.load(Ordering::SeqCst);
    assert!(writes < 20, "it made {writes} writes of 200");
    pipe.wait_until(PATIENCE, |output, _| output.len() >= 200_010).expect("it is not written");
    sender.abort();
}

// IO-13, R-145: to close is not to wait until the queue is taken
#[test]
fn closing_does_not_wait_for_a_peer_that_reads_slowly() {
    write_beside(|sender, _, _| sender.close(CloseCode::GOING_AWAY, "").unwrap());
}

// IO-13: nor is to try
#[test]
fn try_send_does_not_wait_for_a_peer_that_reads_slowly() {
    write_beside(|sender, _, _| sender.try_send("more").unwrap());
}

// IO-13: nor to receive
#[test]
fn receiving_does_not_wait_for_a_peer_that_reads_slowly() {
    write_beside(|_, receiver, pipe| {
        pipe.push(&frame(TEXT, b"next"));
        assert_eq!(receiver.recv().unwrap().unwrap(), "next");
    });
}
