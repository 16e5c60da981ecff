//! What happens when the socket fails.

use std::io::ErrorKind::{self, *};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sansocket::net::Sender;
use sansocket::{Buffer, CloseCode, Config, Error, Message, SendError, net};

use crate::fake::{Fake, Read, Write};
use crate::raw::{CLOSE, PATIENCE, PING, REQUEST, TEXT, frame};

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Err(Error::Io(error)) => error.kind(),
        other => panic!("{other:?}"),
    }
}

fn is_closed<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Send(SendError::Closed)))
}

// CL-21, IO-03, IO-07, IO-08, V39: a failed write is final, and nothing follows it
#[test]
fn a_failed_write_poisons_the_sender() {
    for (step, wanted) in [
        (Write::Take(0), WriteZero),
        (Write::TooMuch, InvalidData),
        (Write::Fail(ConnectionReset), ConnectionReset),
        (Write::Fail(BrokenPipe), BrokenPipe),
        (Write::Fail(ConnectionAborted), ConnectionAborted),
        (Write::Fail(NotConnected), NotConnected),
    ] {
        for payload in [vec![1; 10], vec![1; 100_000]] {
            let fake = Fake::new(vec![], vec![Write::Take(3), step]);
            let (sender, _receiver) = fake.open();
            assert_eq!(kind(sender.send(&payload)), wanted);
            assert_eq!(fake.written().len(), 3);
            assert!(is_closed(sender.send("more")));
            assert!(is_closed(sender.feed("more")));
            assert!(is_closed(sender.ping(&[])));
            assert!(is_closed(sender.flush()), "what was fed is lost");
            assert_eq!(fake.written().len(), 3, "half a frame is out: nothing may follow");
            assert_eq!(fake.shutdowns()[0], Shutdown::Both, "the receiver is woken");
        }
    }
}

// CL-21, IO-08, IO-09: what has arrived is delivered first
#[test]
fn a_failed_read_comes_after_the_messages_before_it() {
    for failure in [ConnectionReset, ConnectionAborted, NotConnected] {
        let bytes = [frame(TEXT, b"one"), frame(TEXT, b"two"), frame(TEXT, b"cut")[..8].to_vec()];
        let reads = vec![Read::Bytes(bytes.concat()), Read::Fail(failure)];
        let fake = Fake::new(reads, vec![]);
        let (sender, mut receiver) = fake.open();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("one")));
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("two")));
        for _ in 0..3 {
            assert_eq!(kind(receiver.recv()), failure);
        }
        assert!(is_closed(sender.send("too late")));
    }
}

// CL-20, IO-14, R-147, V82: the end without a Close, at each point
#[test]
fn an_end_without_a_close_frame_is_an_abort() {
    let image = [frame(TEXT, b"one"), frame(0x01, b"begun"), frame(0x80, b"ended")].concat();
    let (first, second) = (frame(TEXT, b"one").len(), frame(0x01, b"begun").len());
    for end in 0..image.len() {
        let fake = Fake::new(vec![Read::Bytes(image[..end].to_vec())], vec![]);
        let (sender, mut receiver) = fake.open();
        if end >= first {
            assert_eq!(receiver.recv().unwrap(), Some(Message::Text("one")));
        }
        let mid_message = end != 0 && end != first;
        for _ in 0..3 {
            match receiver.recv() {
                Err(Error::Disconnected(aborted)) => {
                    assert_eq!(aborted.mid_message, mid_message, "{end}")
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(receiver.close_frame().is_none());
        assert!(is_closed(sender.send("too late")), "{end} of {}", first + second);
    }
}

// IO-01, IO-04, IO-06: any pattern of reads gives the same messages
#[test]
fn interruptions_and_timeouts_between_bytes_change_nothing() {
    let image = [frame(TEXT, "für".as_bytes()), frame(PING, b"p"), frame(CLOSE, b"\x03\xe8")];
    let bytes = image.concat();
    let reads = bytes.iter().flat_map(|byte| {
        [
            Read::Fail(Interrupted),
            Read::Fail(WouldBlock),
            Read::Bytes(vec![*byte]),
            Read::Fail(TimedOut),
        ]
    });
    let fake = Fake::new(reads.collect(), vec![Write::Fail(Interrupted), Write::Take(1)]);
    let (_sender, mut receiver) = fake.open();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("für")));
    assert_eq!(receiver.recv().unwrap(), None);
    assert_eq!(fake.written(), b"\x8a\x01p\x88\x02\x03\xe8");
}

// IO-07, V40
#[test]
fn a_read_that_claims_too_much_is_an_error() {
    let fake = Fake::new(vec![Read::Bytes(frame(TEXT, b"one")), Read::TooMuch], vec![]);
    let (_sender, mut receiver) = fake.open();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("one")));
    assert_eq!(kind(receiver.recv()), InvalidData);
}

// IO-12
#[test]
fn a_transport_without_timeouts_is_not_opened() {
    let opened = net::open(Fake::without_timeouts(), Buffer::new(), Config::default());
    assert_eq!(opened.map(|_| ()).unwrap_err().kind(), Unsupported);
    assert_eq!(kind(net::accept(Fake::without_timeouts(), Config::default())), Unsupported);
}

// RE-11: a transport that panics poisons its connection, and is not written to again
#[test]
fn a_panic_in_the_transport_poisons_the_sender() {
    let fake = Fake::new(vec![Read::Bytes(frame(PING, b"p"))], vec![Write::Take(1), Write::Panic]);
    let (sender, mut receiver) = fake.open();
    let panicked = catch_unwind(AssertUnwindSafe(|| sender.send("never whole")));
    assert!(panicked.is_err());
    assert!(is_closed(sender.feed("more")));
    assert!(is_closed(sender.send("more")));
    assert_eq!(kind(receiver.recv()), Other);
    assert_eq!(fake.written().len(), 1);
}

// Like Beast's fail_count: every operation in turn is the first to fail.
#[test]
fn a_failure_at_any_operation_ends_the_connection_once() {
    let run = |fuse: usize| {
        let reads = vec![
            Read::Bytes(frame(TEXT, b"one")),
            Read::Bytes(frame(PING, b"p")),
            Read::Bytes(frame(CLOSE, b"\x03\xe8bye")),
        ];
        let fake = Fake::new(reads, vec![]);
        let (sender, mut receiver) = fake.open();
        fake.burn_after(fuse);
        let mut received = 0;
        let end = loop {
            match receiver.recv() {
                Ok(Some(message)) => {
                    received += 1;
                    let _ = sender.send(message);
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let written = fake.written();
        assert!(b"\x81\x03one\x8a\x01p\x88\x05\x03\xe8bye".starts_with(&written[..]));
        assert!(sender.send("late").is_err());
        (received, end.is_none())
    };
    assert_eq!(run(0), (0, false));
    assert_eq!(run(100), (1, true));
    // The more operations succeed, the more was received; never a hang, never a panic.
    let counts: Vec<_> = (0..20).map(run).collect();
    assert!(counts.is_sorted(), "{counts:?}");
}

// IO-10: also one that the receiver wrote
#[test]
fn a_pong_that_fails_poisons_the_sender() {
    let input = [frame(PING, b""), frame(TEXT, b"go on")].concat();
    let broken = vec![Write::Fail(ErrorKind::BrokenPipe)];
    let fake = Fake::new(vec![Read::Bytes(input)], broken);
    let (sender, mut receiver) = fake.open();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("go on")));
    assert_eq!(kind(sender.send("late")), BrokenPipe);
    assert!(is_closed(sender.send("later")));
    assert_eq!(fake.written(), b"");
}

/// What is read, what is to be written in the end, what is done for it, and how often it is waited for.
type Way<'w> = (Vec<Read>, &'w [u8], &'w dyn Fn(&Sender<Fake>), usize);

/// Less than a read waits for that has nothing else to look at. On Windows it has: see `net::receiver`.
const LONG: Duration = Duration::from_millis(if cfg!(windows) { 200 } else { 1000 });

// IO-10: the receiver tries again after a moment, and does not wait for the peer to say something
#[test]
fn stalled_output_is_retried_soon() {
    let feed = |sender: &Sender<Fake>| sender.feed("text").unwrap();
    let close = |sender: &Sender<Fake>| sender.close(CloseCode::NORMAL, "").unwrap();
    let ping = || vec![Read::Bytes(frame(PING, b"ping"))];
    // Whoever closes does not wait: another thread may be done before the receiver looks.
    let ways: [Way<'_>; 3] = [
        (vec![], b"\x81\x04text", &feed, 2),
        (vec![], b"\x88\x02\x03\xe8", &close, 1),
        (ping(), b"\x8a\x04ping", &|_| {}, 2),
    ];
    for (mut reads, wanted, act, stalled) in ways {
        let stalls = vec![
            Write::Take(1),
            Write::Fail(ErrorKind::WouldBlock),
            Write::Fail(ErrorKind::TimedOut),
            Write::Take(2),
        ];
        let first = reads.len();
        reads.extend(vec![Read::Moment; 6]);
        let fake = Fake::new(reads, stalls);
        let (sender, mut receiver) = fake.open();
        act(&sender);
        assert!(matches!(receiver.recv(), Err(Error::Disconnected(_))));
        assert_eq!(fake.written(), wanted);
        let waits = fake.waits().split_off(first);
        let soon = waits.iter().take_while(|wait| **wait < Duration::from_millis(100)).count();
        assert!(soon <= stalled, "{waits:?}");
        assert!(waits[soon..].iter().all(|wait| *wait > LONG), "{waits:?}");
    }
}

/// Takes so little at a time, after a moment each.
fn slowly(little: usize, times: usize) -> Vec<Write> {
    vec![[Write::Stall(Duration::from_millis(10)), Write::Take(little)]; times].concat()
}

// IO-10, T6: what counts is how long nothing is taken, and not how long all of it takes
#[test]
fn a_peer_that_reads_slowly_is_waited_for() {
    let config = Config::builder().write_timeout(Duration::from_millis(500)).build().unwrap();
    let fake = Fake::new(vec![], slowly(3000, 200));
    let (sender, _receiver) = fake.open_with(config.clone());
    sender.send(&[0; 300_000]).unwrap();
    sender.feed(&[0; 300_000]).unwrap();
    sender.flush().unwrap();
    assert!(fake.calls().len() >= 200);
    let fake = Fake::new(vec![Read::Bytes(REQUEST.into())], slowly(1, 100));
    net::accept(fake.clone(), config).unwrap();
    assert!(fake.calls().len() >= 100);
}

// L-09: but a client's request has its deadline
#[cfg(feature = "client")]
#[test]
fn a_request_that_is_taken_slowly_is_given_up() {
    let hasty = Config::builder().handshake_timeout(Duration::from_millis(100)).build().unwrap();
    let offer = sansocket::handshake::client::Request::new("ws://example.com/").unwrap();
    let fake = Fake::new(vec![], slowly(1, 100));
    let connected = net::connect(fake.clone(), &offer, hasty);
    assert!(matches!(connected, Err(Error::TimedOut(_))), "{connected:?}");
    assert!(!fake.written().ends_with(b"\r\n\r\n"), "it was written to the end");
}

// the last frame is written whenever the peer takes it, and then the stream ends
#[test]
fn a_close_that_stalls_is_written_later() {
    let stalled = || {
        vec![Write::Fail(ErrorKind::WouldBlock), Write::Take(1), Write::Fail(ErrorKind::TimedOut)]
    };
    let silence = || Read::Fail(ErrorKind::WouldBlock);
    for (input, close) in
        [(frame(0x83, b""), b"\x88\x02\x03\xea"), (frame(CLOSE, b"\x03\xe8"), b"\x88\x02\x03\xe8")]
    {
        let reads = vec![Read::Bytes(input), silence(), silence(), silence(), silence()];
        let fake = Fake::new(reads, stalled());
        let (_sender, mut receiver) = fake.open();
        assert!(!matches!(receiver.recv(), Ok(Some(_))));
        drop(receiver);
        assert_eq!(fake.written(), close);
        assert_eq!(fake.shutdowns(), [Shutdown::Write, Shutdown::Both]);
    }
}

// CL-21: after a fault as well, a socket that fails is not asked for ever
#[test]
fn a_failure_ends_the_wait_for_the_end() {
    let patient = Config::builder().close_timeout(Duration::from_secs(3600)).build().unwrap();
    let fake = Fake::new(vec![Read::Bytes(frame(0x83, b""))], vec![]);
    let (_sender, mut receiver) = fake.open_with(patient);
    // A read, and the Close frame.
    fake.burn_after(2);
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(receiver.recv().is_err()).unwrap());
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(true));
    assert_eq!(fake.written(), b"\x88\x02\x03\xea");
}
