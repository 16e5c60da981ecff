//! Pings of a peer that does not read.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::Error;

use crate::pipe::{Call, Pipe, Way};
use crate::raw::{PATIENCE, PING, config, frame};

const HOUR: Duration = Duration::from_secs(3600);

/// The most writes in a row that stalled.
fn most_stalls(calls: &[Call]) -> usize {
    let runs = calls.split(|call| *call != Call::Stall);
    runs.map(<[_]>::len).max().unwrap_or(0)
}

// CL-01, V31: one batch of input is worth few waits, however many pings it has
#[test]
fn pings_in_one_batch_do_not_each_wait_for_the_peer() {
    let pipe = Pipe::new(Way::Stalled);
    let (_sender, mut receiver) = pipe.open(config(|config| config));
    pipe.push(&frame(PING, b"").repeat(9000));
    thread::spawn(move || receiver.recv().map(|_| ()));
    thread::sleep(Duration::from_secs(1));
    let most = most_stalls(&pipe.calls());
    assert!(most <= 3, "{most} writes in a row waited for a peer that does not read");
}

// L-10, CL-01: and the deadlines hold
#[test]
fn pings_do_not_keep_a_silent_peer_alive() {
    let second = Duration::from_secs(1);
    let pipe = Pipe::new(Way::Stalled);
    let config = config(|config| config.keepalive(second, second).write_timeout(HOUR));
    let (_sender, mut receiver) = pipe.open(config);
    pipe.push(&frame(PING, b"").repeat(9000));
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(receiver.recv().map(|_| ())));
    let end = ended.recv_timeout(Duration::from_secs(6)).expect("it outlives its deadlines");
    assert!(matches!(end, Err(Error::TimedOut(_))), "{end:?}");
}

// IO-13: to feed is to queue, also when the receiver has a pong to write
#[test]
fn feeding_does_not_wait_for_a_pong_to_be_taken() {
    const MEBI: usize = 1024 * 1024;
    let pipe = Pipe::new(Way::Stalled);
    let config = config(|config| config.max_queue(64 * MEBI).write_timeout(PATIENCE));
    let (sender, mut receiver) = pipe.open(config);
    pipe.push_for_ever(frame(PING, b"?").repeat(1000), Duration::from_millis(1));
    thread::spawn(move || receiver.recv().map(|_| ()));
    pipe.wait_until(PATIENCE, |_, calls| calls.contains(&Call::Stall)).unwrap();
    let (tell, fed) = mpsc::channel();
    thread::spawn(move || {
        for _ in 0..30 {
            let start = Instant::now();
            sender.feed(&vec![7; MEBI]).unwrap();
            tell.send(start.elapsed()).unwrap();
        }
    });
    for i in 0..30 {
        let took = fed.recv_timeout(2 * PATIENCE / 3); // less than the write timeout
        took.unwrap_or_else(|_| panic!("message {i} waits for the peer"));
    }
}
