//! What a connection on threads holds when there is nothing to do.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Transport};
use sansocket::{Buffer, Message};

use crate::common::session::config;
use crate::common::wire::{self, TEXT};
use crate::heap::measure;
use crate::{KIB, MIB};

/// Takes everything, and has a message to read when the read timeout has passed twice.
#[derive(Default)]
struct Quiet {
    timeout: Mutex<Duration>,
    timeouts: Mutex<usize>,
    ended: Mutex<bool>,
    /// It takes nothing for a while.
    stalled: Mutex<bool>,
}

impl Transport for Quiet {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        if *self.ended.lock().unwrap() {
            return Ok(0);
        }
        let mut timeouts = self.timeouts.lock().unwrap();
        if *timeouts < 2 {
            *timeouts += 1;
            thread::sleep(*self.timeout.lock().unwrap());
            return Err(ErrorKind::WouldBlock.into());
        }
        let message = wire::client(TEXT, b"hello");
        space[..message.len()].copy_from_slice(&message);
        Ok(message.len())
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if *self.stalled.lock().unwrap() {
            thread::sleep(Duration::from_millis(1));
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        *self.timeout.lock().unwrap() = timeout.unwrap();
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        *self.ended.lock().unwrap() = true;
        Ok(())
    }
}

// RE-01: the queue of what was fed is given back in silence
#[test]
fn an_idle_connection_on_threads_holds_next_to_no_heap() {
    let short = Duration::from_millis(50);
    let config = config(|config| config.keepalive(short, 100 * short).max_queue(2 * MIB));
    let message = vec![1; MIB];
    let (_halves, idle) = measure(|| {
        let quiet = Quiet { timeout: Mutex::new(short), ..Quiet::default() };
        let (sender, mut receiver) = net::open(quiet, Buffer::new(), &config).unwrap();
        sender.feed(&message).unwrap();
        sender.flush().unwrap();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("hello")));
        (sender, receiver)
    });
    assert!(idle.peak >= MIB, "{idle:?}");
    assert!(idle.live <= 8 * KIB, "{idle:?}");
}

// RE-01, RE-03: what waits beside a thread that sends takes no more than its bytes
#[test]
fn posts_cost_their_bytes() {
    let transport = Arc::new(Quiet { stalled: Mutex::new(true), ..Quiet::default() });
    let config = config(|config| config);
    let (sender, _receiver) = net::open(Arc::clone(&transport), Buffer::new(), config).unwrap();
    let sending = {
        let sender = sender.clone();
        thread::spawn(move || sender.send(&vec![7; 10_000]))
    };
    thread::sleep(Duration::from_millis(50));
    let ((), posted) = measure(|| (0..20_000).for_each(|_| sender.try_send("").unwrap()));
    // Two bytes each; and memory grows by doubling.
    assert!(posted.live < 4 * 40_000, "{posted:?}");
    *transport.stalled.lock().unwrap() = false;
    sending.join().unwrap().unwrap();
    sender.abort();
}
