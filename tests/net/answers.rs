//! Answers that are written in pieces, stall, or break off.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Sender};
use sansocket::{Config, Error, SendError, TimedOut};

use crate::fake::{Fake, Read, Write};
use crate::pipe::{Pipe, Way, over_pipe};
use crate::raw::{REQUEST, TEXT, config, frame};

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

const FLUSHES: usize = 10;

/// Passes on what it took when it is asked for the tenth time.
struct Reluctant(Pipe, Arc<AtomicUsize>);

over_pipe! {
    Reluctant {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn flush(&self) -> io::Result<usize> {
            if self.1.fetch_add(1, Ordering::SeqCst) + 1 < FLUSHES {
                thread::sleep(Duration::from_millis(5));
                return Err(ErrorKind::WouldBlock.into());
            }
            Ok(0)
        }
    }
}

// HS-40, V38: a refusal that the transport still holds is not written; nor where the client ended its side
#[test]
fn a_refusal_has_the_write_timeout_to_be_flushed() {
    let hasty = || config(|config| config.linger(Duration::from_millis(10)));
    for ends in [false, true] {
        let (pipe, flushes) = (Pipe::new(Way::Open), Arc::default());
        pipe.push(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
        if ends {
            pipe.end();
        }
        let end = net::accept(Reluctant(pipe.clone(), Arc::clone(&flushes)), hasty()).map(|_| ());
        assert!(end.is_err());
        assert_eq!(flushes.load(Ordering::SeqCst), FLUSHES, "given up; the client ends: {ends}");
        let refused =
            pipe.wait_until(Duration::ZERO, |output, _| output.starts_with(b"HTTP/1.1 426 "));
        assert!(refused.is_some());
    }
}

/// Passes nothing on, and cannot be asked again.
struct Final(Pipe, Arc<AtomicUsize>);

over_pipe! {
    Final {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn flush(&self) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::SeqCst);
            Err(ErrorKind::TimedOut.into())
        }

        fn resumes_writes(&self) -> bool {
            false
        }
    }
}

// HS-40, TL-16: as a write is not tried again there, after which half of it may be out
#[test]
fn a_refusal_whose_flush_timed_out_is_not_flushed_again() {
    let (pipe, flushes) = (Pipe::new(Way::Open), Arc::default());
    pipe.push(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    let end = net::accept(Final(pipe, Arc::clone(&flushes)), Config::default()).map(|_| ());
    assert!(end.is_err());
    assert_eq!(flushes.load(Ordering::SeqCst), 1);
}

/// Takes everything, and cannot pass it on.
struct Broken(Pipe);

over_pipe! {
    Broken {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn flush(&self) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
    }
}

// HS-40: of an acceptance that was not passed on there is no connection
#[test]
fn an_acceptance_whose_flush_fails_opens_nothing() {
    let pipe = Pipe::new(Way::Open);
    pipe.push(REQUEST.as_bytes());
    match net::accept(Broken(pipe), Config::default()).map(|_| ()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}
