//! A Close for a peer that does not read at the moment.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net::{self, Transport};
use sansocket::{Buffer, CloseCode, Error, TimedOut};

use crate::pipe::{Call, Pipe, Way};
use crate::raw::{CLOSE, PATIENCE, PING, config, frame};

const SOON: Duration = Duration::from_secs(5);
const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";

/// Closes a connection whose peer begins to read after `stalled`, and answers then. Returns how long the
/// Close took, and what the receiver says.
fn close(close_timeout: Duration, stalled: Duration) -> (Duration, Result<bool, String>) {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(config(|config| config.close_timeout(close_timeout)));
    thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            receiver.recv().map(|message| message.is_none()).map_err(|error| error.to_string())
        });
        pipe.wait_until(PATIENCE, |_, calls| calls.contains(&Call::Read)).unwrap();
        scope.spawn(move || sender.close(CloseCode::GOING_AWAY, "").unwrap());
        let opening = pipe.clone();
        scope.spawn(move || {
            thread::sleep(stalled);
            opening.set(Way::Open);
        });
        let written = pipe.wait_until(SOON, |output, _| output == GOING_AWAY);
        let written = written.expect("the Close is never written");
        thread::sleep(Duration::from_millis(100));
        pipe.push(&frame(CLOSE, b"\x03\xe9"));
        (written, receiving.join().unwrap())
    })
}

// R-145, IO-10: not only when the receiver wakes
#[test]
fn a_close_goes_out_as_soon_as_the_peer_reads() {
    let (written, end) = close(Duration::from_secs(2), Duration::from_millis(300));
    assert!(written < Duration::from_millis(1200), "the Close took {written:?}");
    assert_eq!(end, Ok(true));
}

// CL-16: the peer has the whole of the close timeout, counted from when it could see the Close
#[test]
fn the_close_timeout_begins_when_the_close_is_written() {
    let (_, end) = close(Duration::from_millis(500), Duration::from_millis(900));
    assert_eq!(end, Ok(true));
}

// R-145, IO-10: nor does it depend on a receiver
#[test]
fn a_close_goes_out_though_nobody_receives() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(config(|config| config));
    let opening = pipe.clone();
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        opening.set(Way::Open);
    });
    sender.close(CloseCode::GOING_AWAY, "").unwrap();
    let written = pipe.wait_until(SOON, |output, _| output == GOING_AWAY);
    assert!(written.is_some(), "the Close is never written");
    opener.join().unwrap();
    sender.abort();
}

// L-10, V38: and no longer than a send does
#[test]
fn a_close_that_is_not_taken_times_out_as_a_write() {
    let pipe = Pipe::new(Way::Stalled);
    let short = config(|config| config.write_timeout(Duration::from_millis(100)));
    let (sender, mut receiver) = pipe.open(short);
    let start = Instant::now();
    let _ = sender.close(CloseCode::GOING_AWAY, "");
    let end = receiver.recv().map(|_| ());
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
}

/// The peer takes the Close when a pong stands behind it, and not the pong. From then on a thread that waits does so
/// for long.
struct CloseAlone {
    pipe: Pipe,
    /// Whether the thread that writes waits for the peer.
    waits: AtomicBool,
    taken: AtomicBool,
}

impl Transport for CloseAlone {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(space)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let has_pong = bytes.len() > GOING_AWAY.len();
        if has_pong && self.waits.load(Ordering::SeqCst) {
            self.taken.store(true, Ordering::SeqCst);
            self.pipe.set(Way::Open);
            let taken = self.pipe.write(&[IoSlice::new(&bytes[..GOING_AWAY.len()])]);
            self.pipe.set(Way::Stalled);
            return taken;
        }
        self.pipe.write(slices)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.pipe.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let waits = timeout > Some(Duration::from_millis(1));
        self.waits.store(waits, Ordering::SeqCst);
        let is_long = waits && self.taken.load(Ordering::SeqCst);
        self.pipe.set_write_timeout(if is_long { Some(PATIENCE) } else { timeout })
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.pipe.shutdown(how)
    }
}

// CL-16: whichever thread wrote it, and though that one still waits for the peer
#[test]
fn the_close_timeout_runs_while_another_thread_writes() {
    let pipe = Pipe::new(Way::Stalled);
    let transport = CloseAlone {
        pipe: pipe.clone(),
        waits: AtomicBool::new(false),
        taken: AtomicBool::new(false),
    };
    let hasty = config(|config| config.close_timeout(Duration::from_millis(100)));
    let (sender, mut receiver) = net::open(transport, Buffer::new(), hasty).unwrap();
    sender.close(CloseCode::GOING_AWAY, "").unwrap();
    pipe.push(&frame(PING, b"?"));
    let start = Instant::now();
    let end = receiver.recv().map(|_| ());
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
}
