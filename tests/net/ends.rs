//! When the end is told, and when the socket is closed.

use std::io::Read as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::{Config, Error, ProtocolError};

use crate::raw::{self, CLOSE, TEXT};

/// Far shorter than the close timeout.
const SOON: Duration = Duration::from_secs(2);

// CL-24: the application need not wait until a peer that has said goodbye is gone
#[test]
fn a_close_is_told_though_the_peer_keeps_the_socket_open() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send_close(1000, "");
    let start = Instant::now();
    assert_eq!(receiver.recv().unwrap(), None);
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert_eq!(client.read(), (CLOSE, b"\x03\xe8".to_vec()));
    client.expect_end();
}

// R-141, CL-24
#[test]
fn a_fault_is_told_though_the_peer_keeps_the_socket_open() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send(0x83, b"reserved");
    let start = Instant::now();
    let fault = receiver.recv().map(|_| ());
    assert!(matches!(fault, Err(Error::Protocol(ProtocolError::ReservedOpcode(3)))), "{fault:?}");
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    client.expect_close(1002);
}

// CL-24: what lingers does so for a bounded time, also if the peer goes on for ever
#[test]
fn a_receiver_that_is_dropped_does_not_wait_for_long() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send_close(1000, "");
    let talking = raw::talk(&client.0, b"after the Close");
    let start = Instant::now();
    assert_eq!(receiver.recv().unwrap(), None);
    drop(receiver);
    assert!(start.elapsed() < 3 * SOON, "it took {:?}", start.elapsed());
    talking.join().unwrap();
}

// CL-26: whoever still could send
#[test]
fn dropping_the_receiver_closes_the_socket() {
    let (mut client, sender, receiver) = raw::open(Config::default());
    client.0.set_read_timeout(Some(2 * SOON)).unwrap();
    drop(receiver);
    let mut rest = Vec::new();
    let ended = client.0.read_to_end(&mut rest);
    assert!(ended.is_ok(), "the socket stays open: {ended:?}");
    assert!(sender.send("late").is_err());
}

// CL-26: senders that wait for a peer which does not read are released
#[test]
fn dropping_the_receiver_releases_blocked_senders() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    client.send(TEXT, b"now");
    assert!(receiver.recv().unwrap().is_some());
    let (tell, released) = mpsc::channel();
    thread::spawn(move || tell.send(sender.send(&vec![0; 64 << 20]).is_err()));
    client.0.peek(&mut [0]).unwrap();
    drop(receiver);
    assert_eq!(released.recv_timeout(3 * SOON), Ok(true));
}
