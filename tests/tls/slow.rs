//! Peers that take records a part at a time.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::Config;
use sansocket::net::{self, Transport};
use sansocket::tls::{Rustls, Secure};

use crate::authority::{client, server};
use crate::peer::{Peer, frame};
use crate::pipe::{Call, Pipe, Way, over_pipe};

const TIMEOUT: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(100);
const PART: usize = 2000;

/// Takes a part after each pause.
struct Trickle(Pipe, Mutex<Instant>);

over_pipe! {
    Trickle {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut last = self.1.lock().unwrap();
            if last.elapsed() < PAUSE {
                thread::sleep(Duration::from_millis(1));
                return Err(io::ErrorKind::WouldBlock.into());
            }
            *last = Instant::now();
            let first = slices.iter().find(|slice| !slice.is_empty()).unwrap();
            self.0.write(&[IoSlice::new(&first[..first.len().min(PART)])])
        }
    }
}

/// What is sealed at a time takes longer than the write timeout, and a message may be more than that.
const LENS: [usize; 2] = [20 * PART, 50 * PART];

fn hasty() -> Config {
    Config::builder().write_timeout(TIMEOUT).build().unwrap()
}

// V38: what goes of the records that wait is progress
#[test]
fn a_peer_that_takes_its_records_slowly_is_not_given_up() {
    for len in LENS {
        let mut peer = Peer::over(Pipe::new(Way::Open), client());
        let trickle = Trickle(peer.pipe.clone(), Mutex::new(Instant::now()));
        let secure = Secure::server(trickle, Rustls::server(server()).unwrap());
        let accepting = thread::spawn(move || net::accept(secure, hasty()));
        peer.request();
        let (sender, _receiver) = accepting.join().unwrap().unwrap();
        let start = Instant::now();
        sender.send(&vec![7; len]).unwrap();
        assert!(start.elapsed() > TIMEOUT, "the timeout of all of it has passed");
    }
}

/// Takes so many bytes more, if that is set.
#[derive(Clone)]
struct Room(Pipe, Arc<Mutex<Option<usize>>>);

over_pipe! {
    Room {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut left = self.1.lock().unwrap();
            let Some(left) = &mut *left else {
                return self.0.write(slices);
            };
            if *left == 0 {
                self.0.set(Way::Stalled); // or a broken pipe, once our side was ended
                return self.0.write(slices);
            }
            let first = slices.iter().find(|slice| !slice.is_empty()).unwrap();
            let n = self.0.write(&[IoSlice::new(&first[..first.len().min(*left)])])?;
            *left -= n;
            Ok(n)
        }
    }
}

/// A record with an empty Close: its header, the frame, its kind, and the tag.
const CLOSE_RECORD: usize = 5 + 4 + 1 + 16;

// TL-06: the rest of a `close_notify` cannot follow the end of our side, and is no reason not to linger
#[test]
fn a_close_notify_that_does_not_go_at_once_fails_nothing() {
    let config = || Config::builder().linger(Duration::from_millis(300)).build().unwrap();
    for part in [0, 4, 23, 24] {
        let mut peer = Peer::over(Pipe::new(Way::Open), client());
        let room = Arc::new(Mutex::new(None));
        let transport = Room(peer.pipe.clone(), Arc::clone(&room));
        let secure = Secure::server(transport, Rustls::server(server()).unwrap());
        let accepting = thread::spawn(move || net::accept(secure, config()));
        peer.request();
        let (_sender, mut receiver) = accepting.join().unwrap().unwrap();
        *room.lock().unwrap() = Some(CLOSE_RECORD + part);
        peer.send(&frame(0x88, &[3, 0xe8]));
        assert!(receiver.recv().unwrap().is_none());
        let start = Instant::now();
        let lingering = thread::spawn(move || drop(receiver));
        thread::sleep(Duration::from_millis(50));
        peer.send(&[0; 50]); // discarded
        lingering.join().unwrap();
        assert!(start.elapsed() > Duration::from_millis(250), "it lingers; {part} bytes went");
    }
}

/// A connection whose records go as far as there is room.
fn connected(room: &Arc<Mutex<Option<usize>>>) -> (Peer, Secure<Room, Rustls>) {
    let mut peer = Peer::over(Pipe::new(Way::Open), client());
    let transport = Room(peer.pipe.clone(), Arc::clone(room));
    let secure = Secure::server(transport, Rustls::server(server()).unwrap());
    secure.set_read_timeout(Some(crate::peer::PATIENCE)).unwrap();
    secure.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
    let reading = thread::spawn(move || {
        let read = secure.read(&mut [0; 1000]).unwrap();
        (secure, read)
    });
    peer.send(b"x");
    while peer.tls.is_handshaking() {
        peer.take().unwrap();
    }
    let (secure, read) = reading.join().unwrap();
    assert!(read > 0);
    (peer, secure)
}

// TL-06
#[test]
fn records_that_wait_are_lost_behind_the_end_of_our_side() {
    let room = Arc::new(Mutex::new(None));
    let (_peer, secure) = connected(&room);
    *room.lock().unwrap() = Some(10);
    secure.write(&[IoSlice::new(&[1; 100])]).unwrap();
    assert!(secure.flush().unwrap() > 100, "it says what it holds");
    secure.shutdown(Shutdown::Write).unwrap();
    assert_eq!(secure.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

// TL-05, TL-06: but what only TLS had to say is no data, and nobody's failure
#[test]
fn an_update_of_the_keys_that_waits_is_no_loss() {
    let room = Arc::new(Mutex::new(None));
    let (_peer, secure) = connected(&room);
    secure.flush().unwrap();
    *room.lock().unwrap() = Some(10);
    secure.with_engine(|engine| engine.refresh_traffic_keys()).unwrap().unwrap();
    let _ = secure.flush();
    assert_eq!(*room.lock().unwrap(), Some(0), "it has begun");
    secure.shutdown(Shutdown::Write).unwrap();
    secure.flush().unwrap();
}

// TL-05, TL-06: also behind data that has gone
#[test]
fn an_update_of_the_keys_behind_data_is_no_loss() {
    let room = Arc::new(Mutex::new(None));
    let (peer, secure) = connected(&room);
    secure.flush().unwrap();
    *room.lock().unwrap() = Some(10);
    secure.write(&[IoSlice::new(&[1; 100])]).unwrap();
    let held = secure.flush().unwrap();
    secure.with_engine(|engine| engine.refresh_traffic_keys()).unwrap().unwrap();
    peer.pipe.set(Way::Open);
    *room.lock().unwrap() = Some(held + 1);
    assert!(secure.flush().unwrap() > 0, "some of the update waits");
    secure.shutdown(Shutdown::Write).unwrap();
    secure.flush().unwrap();
}

// V38: what TLS could not pass on is not tried again for each message that arrives
#[test]
fn a_peer_that_does_not_read_is_not_waited_for_by_the_receiver() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    peer.pipe.set(Way::Stalled);
    sender.feed("answer").unwrap();
    let start = Instant::now();
    for _ in 0..200 {
        peer.send(&frame(0x81, b"hello"));
        receiver.recv().unwrap().unwrap();
    }
    // Every 20 ms it is.
    let most = 10 + start.elapsed().as_millis() as usize / 20;
    let stalls = peer.pipe.calls().iter().filter(|call| **call == Call::Stall).count();
    assert!((1..=most).contains(&stalls), "{stalls} of {most}");
}
