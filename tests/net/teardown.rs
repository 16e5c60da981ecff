//! Halves and requests that are dropped or forgotten, in any state.

use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;
use std::thread;

use sansocket::net::{self, Receiver, Sender, Upgrade};
use sansocket::{Buffer, CloseCode, Config, Error, Message};

use crate::fake::{Fake, Read, Write};
use crate::raw::{self, CLOSE, REQUEST, TEXT, frame};

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
