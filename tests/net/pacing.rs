//! Peers that are faster than their messages are received.

use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Transport};
use sansocket::{Buffer, Config, Message};

use crate::fake::{Fake, Read};
use crate::raw::{self, BINARY, PING, TEXT, frame};

// CL-02: the application sees none of them, and each takes at most one write
#[test]
fn a_flood_of_pings_is_answered_as_long_as_the_peer_reads() {
    let indices = || (0..10_000_u16).map(u16::to_be_bytes);
    let pings: Vec<_> = indices().map(|index| frame(PING, &index)).collect();
    let mut reads: Vec<_> = pings.chunks(100).map(|pings| Read::Bytes(pings.concat())).collect();
    reads.push(Read::Bytes(frame(TEXT, b"done")));
    let fake = Fake::new(reads, vec![]);
    let (_sender, mut receiver) = fake.open();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("done")));
    let pongs: Vec<_> = indices().flat_map(|[high, low]| [0x8a, 2, high, low]).collect();
    assert!(fake.written() == pongs);
    assert!(fake.calls().len() <= 10_000);
}

// FR-22: the sockets fill up, the peer's writes stall, and nothing is lost
#[test]
fn a_peer_cannot_send_more_than_is_received() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    let message = [7; 64 * 1024];
    let wire = frame(BINARY, &message);
    client.0.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut sent = 0;
    loop {
        match io::Write::write(&mut client.0, &wire[sent % wire.len()..]) {
            Ok(n) => sent += n,
            Err(error) => break assert!(is_timeout(&error), "{error}"),
        }
        assert!(sent < 1 << 30, "somebody reads without being asked to");
    }
    client.0.set_write_timeout(None).unwrap();
    let ending = thread::spawn(move || {
        if sent % wire.len() > 0 {
            client.0.write_all(&wire[sent % wire.len()..]).unwrap();
        }
        client.send_close(1000, "");
        client.expect_close(1000);
        sent.div_ceil(wire.len())
    });
    let mut received = 0;
    while let Some(seen) = receiver.recv().unwrap() {
        assert!(seen == Message::Binary(&message));
        received += 1;
    }
    assert_eq!(received, ending.join().unwrap());
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A peer that has always more to say, and counts the bytes that were taken of it.
#[derive(Default)]
struct Torrent {
    taken: AtomicUsize,
}

const DROP: &[u8] = b"\x82\x84\0\0\0\0drop";

impl Transport for Torrent {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let start = self.taken.fetch_add(space.len(), Ordering::Relaxed) % DROP.len();
        space.iter_mut().zip(DROP.iter().cycle().skip(start)).for_each(|(to, from)| *to = *from);
        Ok(space.len())
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

// FR-22, V26, V41, V85: it is read when there is nothing left to receive, and then one buffer
#[test]
fn no_more_is_read_than_one_buffer_ahead() {
    let peer = Arc::new(Torrent::default());
    let opened = net::open(Arc::clone(&peer), Buffer::new(), Config::default());
    let (sender, mut receiver) = opened.unwrap();
    for received in 1..=1_000_000 {
        assert_eq!(receiver.recv().unwrap(), Some(Message::Binary(b"drop")));
        let ahead = peer.taken.load(Ordering::Relaxed) - received * DROP.len();
        assert!(ahead <= 64 * 1024, "{ahead} bytes wait after message {received}");
    }
    sender.abort();
}
