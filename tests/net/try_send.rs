//! Whom `try_send` accepts from, and what becomes of that, beside others and after the end.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net::{self, Transport, Upgrade};
use sansocket::{Buffer, CloseCode, Config, Error, SendError};

use crate::pipe::{Pipe, Way};
use crate::raw::{self, BINARY, CLOSE, PATIENCE, REQUEST, TEXT, config, frame};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// CL-16, R-145: however much lies before the peer's Close, it came in time
#[test]
fn a_close_behind_much_that_has_arrived_is_no_timeout() {
    let (mut client, sender, mut receiver) =
        raw::open(config(|config| config.close_timeout(millis(300))));
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.read(), (CLOSE, b"\x03\xe8".to_vec()));
    for _ in 0..20 {
        client.send(BINARY, &[7; 10_000]);
    }
    client.send(CLOSE, b"\x03\xe8");
    thread::sleep(millis(600)); // the handler is busy
    for i in 0..20 {
        assert!(receiver.recv().unwrap().is_some(), "message {i}");
    }
    assert_eq!(receiver.recv().unwrap(), None);
}

// IO-16: what could not be sent any more is not accepted
#[test]
fn try_send_is_refused_after_the_peers_end() {
    let (client, sender, mut receiver) = raw::open(Config::default());
    client.half_close();
    assert!(matches!(receiver.recv(), Err(Error::Disconnected(_))));
    for _ in 0..3 {
        assert_eq!(sender.try_send("lost"), Err(SendError::Closed));
    }
}

// RE-11
#[test]
fn try_send_is_refused_after_a_panic_of_the_transport() {
    let pipe = Pipe::new(Way::Panic);
    let (sender, _receiver) = pipe.open(Config::default());
    let panicking = {
        let sender = sender.clone();
        thread::spawn(move || sender.send("x"))
    };
    assert!(panicking.join().is_err());
    assert_eq!(sender.try_send("lost"), Err(SendError::Closed));

    // The same in the thread that waits for the peer.
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(Config::default());
    sender.try_send("x").unwrap();
    thread::sleep(millis(50));
    pipe.set(Way::Panic);
    let start = Instant::now();
    while sender.try_send("lost") != Err(SendError::Closed) {
        assert!(start.elapsed() < PATIENCE);
        thread::sleep(millis(10));
    }
    assert_eq!(sender.queued(), 0);
}

// RE-11: two at once end the process, if the second is let out of a destructor
#[test]
fn a_panic_of_handler_and_transport_at_once_is_survived() {
    let pipe = Pipe::new(Way::Open);
    pipe.push(REQUEST.as_bytes());
    let theirs = pipe.clone();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _upgrade = Upgrade::read(theirs, Config::default()).unwrap();
        pipe.set(Way::Panic);
        panic!("as a handler may");
    }));
    assert!(result.is_err());
}

// IO-16: the peer has read all that it was given, and nobody has looked since
#[test]
fn try_send_is_not_refused_when_the_peer_has_read_on() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(config(|config| config.max_queue(10_000)));
    sender.feed(&[1; 9_000]).unwrap();
    pipe.push(&frame(TEXT, b"x"));
    assert_eq!(receiver.recv().unwrap().unwrap(), "x"); // which tries to write first
    pipe.set(Way::Open);
    assert_eq!(sender.try_send(&[2; 2_000]), Ok(()));
}

// RE-03: of a connection that is gone, those who hold a sender hold nothing
#[test]
fn nothing_is_queued_for_a_connection_that_is_gone() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, receiver) = pipe.open(Config::default());
    sender.feed(&vec![1; 1_500_000]).unwrap();
    drop(receiver);
    assert_eq!(sender.queued(), 0);
    assert_eq!(sender.try_send("lost"), Err(SendError::Closed));
}

/// A peer that reads 5 KB each 20 ms: a write of less time takes nothing.
struct Trickle(Pipe, Mutex<Duration>);

impl Transport for Trickle {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        self.0.read(space)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let timeout = *self.1.lock().unwrap();
        thread::sleep(timeout);
        if timeout < millis(10) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let first = slices[0].len().min(5000);
        self.0.write(&[IoSlice::new(&slices[0][..first])])
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        *self.1.lock().unwrap() = timeout.unwrap();
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

// IO-16: a send has its turn, though others post all the time and one thread waits for the peer in their place
#[test]
fn a_send_is_not_overtaken_by_what_is_posted_later() {
    for _ in 0..5 {
        let trickle = Trickle(Pipe::new(Way::Open), Mutex::new(millis(1)));
        let small = config(|config| config.max_queue(20_000));
        let (sender, _receiver) = net::open(trickle, Buffer::new(), small).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let posting = {
            let (sender, stop) = (sender.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if sender.try_send(&[1; 1000]) == Err(SendError::QueueFull) {
                        thread::sleep(millis(1));
                    }
                }
            })
        };
        thread::sleep(millis(200));
        let (tell, told) = mpsc::channel();
        let sending = {
            let sender = sender.clone();
            thread::spawn(move || tell.send(sender.send("mine")))
        };
        // At most 40 KB stand before it, which the peer reads in 160 ms.
        let sent = told.recv_timeout(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        posting.join().unwrap();
        sender.abort();
        sending.join().unwrap().unwrap();
        sent.expect("others are served first").unwrap();
    }
}
