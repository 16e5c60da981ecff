//! Deadlines hold, however slowly the bytes of a record arrive.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::{Config, Error, TimedOut};

use crate::authority::{client, server};
use crate::peer::{Peer, frame};
use crate::pipe::Pipe;

/// Passes bytes on, one at a time, until it is told to end.
fn drip(pipe: Pipe, bytes: Vec<u8>) -> impl FnOnce() {
    let ended = Arc::new(AtomicBool::new(false));
    let thread = thread::spawn({
        let ended = Arc::clone(&ended);
        move || {
            for byte in bytes {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                pipe.push(&[byte]);
                thread::sleep(Duration::from_millis(10));
            }
            panic!("all has arrived: the deadline did not hold");
        }
    });
    move || {
        ended.store(true, Ordering::SeqCst);
        thread.join().unwrap();
    }
}

// TL-08: one deadline for both handshakes
#[test]
fn a_slow_handshake_meets_its_deadline() {
    let timeout = Duration::from_millis(200);
    let config = Config::builder().handshake_timeout(timeout).build().unwrap();
    let start = Instant::now();
    let (mut peer, accepting) = Peer::start(server(), client(), config);
    let hello = peer.records();
    let end = drip(peer.pipe.clone(), hello.repeat(4));
    let result = accepting.join().unwrap();
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Handshake))), "{result:?}");
    assert!(
        start.elapsed() >= timeout / 2 && start.elapsed() < 5 * timeout,
        "{:?}",
        start.elapsed()
    );
    end();
}

// TL-08: a record that never ends is silence
#[test]
fn a_slow_record_does_not_hold_up_the_keepalive() {
    let (ping, silence) = (Duration::from_millis(100), Duration::from_millis(100));
    let config = Config::builder().keepalive(ping, silence).build().unwrap();
    let (mut peer, (_sender, mut receiver)) = Peer::open(server(), client(), config);
    peer.tls.writer().write_all(&frame(0x82, &[0; 4000])).unwrap();
    let (start, record) = (Instant::now(), peer.records());
    let end = drip(peer.pipe.clone(), record);
    let result = receiver.recv().map(|_| ());
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Silence))), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    end();
    assert!(peer.read(2).starts_with(&[0x89]), "it was asked before");
}

// TL-08: nor does such a record hold up the answer to our Close
#[test]
fn a_slow_record_does_not_hold_up_the_close_timeout() {
    let config = Config::builder().close_timeout(Duration::from_millis(200)).build().unwrap();
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), config);
    peer.tls.writer().write_all(&frame(0x82, &[0; 4000])).unwrap();
    let record = peer.records();
    let end = drip(peer.pipe.clone(), record);
    sender.close(1000.try_into().unwrap(), "").unwrap();
    let result = receiver.recv().map(|_| ());
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Close))), "{result:?}");
    end();
}
