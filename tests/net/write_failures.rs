//! A write that fails ends the connection for the receiver, too.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sansocket::net::Receiver;
use sansocket::{Config, Error, TimedOut};

use crate::pipe::{Pipe, Way};
use crate::raw::{PONG, TEXT, config, frame};

const PAUSE: Duration = Duration::from_millis(20);
/// Far shorter than the close timeout.
const SOON: Duration = Duration::from_secs(3);

/// Receives until the end, which has to come soon: how many messages there were, and how it ended.
#[track_caller]
fn receive(mut receiver: Receiver<Pipe>) -> (usize, Result<(), Error>) {
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut messages = 0;
        let end = loop {
            match receiver.recv() {
                Ok(Some(_)) => messages += 1,
                end => break end.map(|_| ()),
            }
        };
        // Nobody listens if it took too long.
        let _ = tell.send((messages, end));
    });
    ended.recv_timeout(SOON).expect("the receiver goes on")
}

fn impatient() -> Config {
    config(|config| config.write_timeout(Duration::from_millis(100)))
}

// L-10, V38: the write timeout is not the senders' alone
#[test]
fn fed_output_that_is_not_taken_times_out() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, receiver) = pipe.open(impatient());
    sender.feed("never taken").unwrap();
    pipe.push_for_ever(frame(PONG, b""), PAUSE);
    let (_, end) = receive(receiver);
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
}

// IO-08, V38: a peer that takes nothing and goes on talking is not heard for ever
#[test]
fn after_a_write_timeout_the_receiver_ends() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, receiver) = pipe.open(impatient());
    let failed = sender.send("never taken");
    assert!(matches!(failed, Err(Error::TimedOut(TimedOut::Write))), "{failed:?}");
    pipe.push_for_ever(frame(TEXT, b"still here"), PAUSE);
    let (_, end) = receive(receiver);
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
}

// IO-08: the receiver says what the write did, and waits for no answer to a Close that was not sent
#[test]
fn after_a_failed_write_the_receiver_says_why() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
        let pipe = Pipe::new(Way::Fail(kind));
        let (sender, receiver) = pipe.open(Config::default());
        assert!(matches!(sender.send("lost"), Err(Error::Io(_))));
        match receive(receiver).1 {
            Err(Error::Io(error)) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
}

// IO-09: what had arrived comes before that
#[test]
fn messages_that_had_arrived_come_before_a_failed_write() {
    let pipe = Pipe::new(Way::Open);
    let (sender, mut receiver) = pipe.open(Config::default());
    pipe.push(&frame(TEXT, b"one").repeat(3));
    assert!(receiver.recv().unwrap().is_some());
    pipe.set(Way::Fail(ErrorKind::BrokenPipe));
    assert!(matches!(sender.send("lost"), Err(Error::Io(_))));
    let (messages, end) = receive(receiver);
    assert_eq!(messages, 2);
    assert!(matches!(end, Err(Error::Io(_))), "{end:?}");
}

// RE-11: of a connection that cannot send any more nothing is left, however much the peer talks
#[test]
fn after_a_panic_in_a_write_the_receiver_ends() {
    let pipe = Pipe::new(Way::Panic);
    let (sender, receiver) = pipe.open(Config::default());
    thread::spawn(move || sender.send("lost")).join().unwrap_err();
    pipe.push_for_ever(frame(TEXT, b"still here"), PAUSE);
    assert!(receive(receiver).1.is_err());
}
