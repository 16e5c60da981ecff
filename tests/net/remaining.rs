//! What the other files leave over: answers in pieces, peers that are too fast, and teardown.

use std::io::{self, ErrorKind, IoSlice, Write as _};
use std::mem;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Receiver, Sender, Transport, Upgrade};
use sansocket::{Buffer, CloseCode, Config, Error, Message, SendError, TimedOut};

use crate::fake::{Fake, Read, Write};
use crate::raw::{self, BINARY, CLOSE, PING, REQUEST, TEXT, config, frame};

const ACCEPTANCE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

// HS-40, IO-02: it goes on at the byte where it stopped, and the frames come behind it
#[test]
fn an_acceptance_in_short_writes_comes_before_the_frames() {
    let request = [REQUEST.as_bytes(), &frame(TEXT, b"early")].concat();
    let wanted = [ACCEPTANCE, b"\x81\x05early\x81\x06second"].concat();
    let cut = |at| {
        vec![
            Write::Take(at),
            Write::Fail(ErrorKind::WouldBlock),
            Write::Fail(ErrorKind::Interrupted),
        ]
    };
    let plans = (1..wanted.len()).map(cut).chain([vec![Write::Take(1); wanted.len()]]);
    for plan in plans {
        let fake = Fake::new(vec![Read::Bytes(request.clone())], plan);
        let (sender, mut receiver) = net::accept(fake.clone(), Config::default()).unwrap();
        assert_eq!(fake.written(), ACCEPTANCE);
        sender.feed(receiver.recv().unwrap().unwrap()).unwrap();
        sender.send("second").unwrap();
        assert_eq!(fake.written(), wanted);
    }
}

// HS-39, HS-40: of an answer that breaks off there is no connection
#[test]
fn an_acceptance_that_breaks_off_opens_nothing() {
    for written in 0..ACCEPTANCE.len() {
        let mut plan = vec![Write::Take(1); written];
        plan.push(Write::Fail(ErrorKind::ConnectionReset));
        let fake = Fake::new(vec![Read::Bytes(REQUEST.into())], plan);
        match net::accept(fake.clone(), Config::default()) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        assert_eq!(fake.written(), ACCEPTANCE[..written]);
    }
}

// IO-10: what was fed is written later, or its sender learns that it never will be
#[test]
fn a_flush_that_stalls_goes_on_and_one_that_fails_says_so() {
    let feed = |sender: &Sender<Fake>| {
        sender.feed("one").unwrap();
        sender.feed("two").unwrap();
    };
    let stalls =
        vec![Write::Fail(ErrorKind::WouldBlock), Write::Take(2), Write::Fail(ErrorKind::TimedOut)];
    let fake = Fake::new(vec![], stalls);
    let (sender, _receiver) = fake.open();
    feed(&sender);
    sender.flush().unwrap();
    assert_eq!(fake.written(), b"\x81\x03one\x81\x03two");

    for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::Other] {
        let fake = Fake::new(vec![], vec![Write::Take(7), Write::Fail(kind)]);
        let (sender, _receiver) = fake.open();
        feed(&sender);
        match sender.flush() {
            Err(Error::Io(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
        assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
        assert_eq!(fake.written(), b"\x81\x03one\x81\x03");
    }

    let impatient = config(|config| config.write_timeout(Duration::from_millis(1)));
    let (sender, _receiver) = Fake::stuck().open_with(impatient);
    feed(&sender);
    assert!(matches!(sender.flush(), Err(Error::TimedOut(TimedOut::Write))));
    assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
}

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

/// Brings a connection into a state.
type Action = fn(&Sender<Arc<Fake>>, &mut Receiver<Arc<Fake>>);

/// The states that a connection can be in, and how it gets there.
fn states() -> Vec<(Fake, Action)> {
    let text = || frame(TEXT, b"one");
    let reads = |reads: Vec<Read>| Fake::new(reads, vec![]);
    vec![
        (Fake::default(), |_, _| {}),
        (Fake::default(), |sender, _| sender.feed("unwritten").unwrap()),
        (
            Fake::new(vec![], vec![Write::Take(1), Write::Fail(ErrorKind::BrokenPipe)]),
            |sender, _| {
                assert!(sender.send("broken off").is_err());
            },
        ),
        (Fake::default(), |sender, _| sender.close(CloseCode::NORMAL, "ours").unwrap()),
        (Fake::default(), |sender, _| sender.abort()),
        (reads(vec![Read::Bytes([text(), text()].concat())]), |_, receiver| {
            assert!(receiver.recv().unwrap().is_some());
        }),
        (reads(vec![Read::Bytes(text()[..5].to_vec())]), |_, receiver| {
            assert!(matches!(receiver.recv(), Err(Error::Disconnected(_))));
        }),
        (reads(vec![Read::Bytes(frame(CLOSE, b"\x03\xe8"))]), |sender, receiver| {
            sender.feed("too late").unwrap();
            assert!(receiver.recv().unwrap().is_none());
        }),
        (reads(vec![Read::Bytes(vec![0x83])]), |_, receiver| {
            assert!(matches!(receiver.recv(), Err(Error::Protocol(_))));
        }),
    ]
}

// V87, CL-26: whichever half goes first, the socket goes with the last, and not before
#[test]
fn halves_may_be_dropped_in_any_state_and_order() {
    for receiver_first in [false, true] {
        for (fake, act) in states() {
            let socket = Arc::new(fake);
            let opened = net::open(Arc::clone(&socket), Buffer::new(), Config::default());
            let (sender, mut receiver) = opened.unwrap();
            let other = sender.clone();
            act(&sender, &mut receiver);
            if receiver_first {
                drop(receiver);
                drop((sender, other));
            } else {
                drop((sender, other));
                drop(receiver);
            }
            assert_eq!(Arc::strong_count(&socket), 1);
        }
    }
}

// V87, HS-39: who drops a request, such as a handler that fails first, leaves the client a 500
#[test]
fn a_request_may_be_dropped_without_an_answer() {
    let socket = Arc::new(Fake::new(vec![Read::Bytes(REQUEST.into())], vec![]));
    let pending = Upgrade::read(Arc::clone(&socket), Config::default()).unwrap();
    let response = pending.request().accept();
    drop(pending);
    assert_eq!(Arc::strong_count(&socket), 1);
    assert!(socket.written().starts_with(b"HTTP/1.1 500 "));
    assert_eq!(response.status(), 101);
}

// RE-12: nothing relies on destructors, or on threads that live on
#[test]
fn a_half_may_be_forgotten_or_end_with_its_thread() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    let forgotten = sender.clone();
    thread::spawn(move || forgotten.feed("from a thread that is gone").unwrap()).join().unwrap();
    mem::forget(sender.clone());
    client.send(TEXT, b"hello");
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("hello")));
    mem::forget(receiver);
    sender.send("still here").unwrap();
    assert_eq!(client.read(), (TEXT, b"from a thread that is gone".to_vec()));
    assert_eq!(client.read(), (TEXT, b"still here".to_vec()));
}
