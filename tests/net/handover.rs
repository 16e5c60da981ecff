//! A Close that one thread leaves while another one holds the write side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sansocket::net::{Sender, Transport};
use sansocket::{CloseCode, Config, Error, SendError};

use crate::pipe::{Pipe, Way};
use crate::raw::{self, CLOSE};

const SOON: Duration = Duration::from_secs(1);
const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";

/// Two threads send until they are told that the connection is closing; meanwhile another one closes it.
fn close_beside<S: Transport>(
    sender: &Sender<S>,
    send: impl Fn(&Sender<S>) -> Result<(), Error> + Sync,
) {
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        let sending = [(); 2].map(|()| {
            scope.spawn(|| {
                loop {
                    if let Err(error) = send(sender) {
                        break error;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        while sent.load(Ordering::Relaxed) < 3 {
            std::hint::spin_loop();
        }
        sender.close(CloseCode::GOING_AWAY, "").unwrap();
        for sending in sending {
            let error = sending.join().unwrap();
            assert!(matches!(error, Error::Send(SendError::Closed)), "{error}");
        }
    });
}

// R-145, IO-16: nobody receives, so one of the two has to write it
#[test]
fn a_close_beside_a_thread_that_sends_is_written() {
    for round in 0..5_000 {
        let pipe = Pipe::new(Way::Open);
        let (sender, _receiver) = pipe.open(Config::default());
        close_beside(&sender, |sender| sender.send("beside"));
        let written = pipe.wait_until(SOON, |output, _| output.ends_with(GOING_AWAY));
        assert!(written.is_some(), "the Close of round {round} is lost");
        sender.abort();
    }
}

// The same for a thread that only queues.
#[test]
fn a_close_beside_a_thread_that_feeds_is_written() {
    for round in 0..5_000 {
        let pipe = Pipe::new(Way::Open);
        let (sender, _receiver) = pipe.open(Config::default());
        close_beside(&sender, |sender| sender.feed("beside"));
        let written = pipe.wait_until(SOON, |output, _| output.ends_with(GOING_AWAY));
        assert!(written.is_some(), "the Close of round {round} is lost");
        sender.abort();
    }
}

// over loopback, with a receiver that waits for input
#[test]
fn a_close_beside_a_thread_that_sends_arrives() {
    for round in 0..2_000 {
        let (mut client, sender, mut receiver) = raw::open(Config::default());
        client.0.set_read_timeout(Some(SOON)).unwrap();
        let receiving = thread::spawn(move || receiver.recv().map(|message| message.is_none()));
        let reading = thread::spawn(move || {
            loop {
                match client.try_read() {
                    Ok((CLOSE, payload)) => break payload,
                    Ok(_) => {}
                    Err(error) => panic!("the Close of round {round} did not arrive: {error}"),
                }
            }
        });
        close_beside(&sender, |sender| sender.send("beside"));
        assert_eq!(reading.join().unwrap(), b"\x03\xe9");
        // The client is gone without an answer.
        let _ = receiving.join().unwrap();
    }
}
