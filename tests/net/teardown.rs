//! Halves and requests that are dropped or forgotten, in any state.

use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Handle, Listener, Receiver, Sender, Server, Transport, Upgrade};
use sansocket::{Buffer, CloseCode, Config, Error, Message};

use crate::fake::{Fake, Read, Write};
use crate::raw::{self, CLOSE, PATIENCE, REQUEST, Raw, TEXT, frame};

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

type Farewell = Arc<dyn Fn() + Send + Sync>;

/// A stream that has something to do when it is dropped.
struct Polite(TcpStream, Farewell);

impl Drop for Polite {
    fn drop(&mut self) {
        (self.1)();
    }
}

impl Transport for Polite {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        Transport::read(&self.0, space)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Transport::write(&self.0, slices)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

struct PoliteListener(TcpListener, Farewell);

impl Listener for PoliteListener {
    type Stream = Polite;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Polite, SocketAddr)> {
        self.0.accept().map(|(stream, peer)| (Polite(stream, Arc::clone(&self.1)), peer))
    }

    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        Listener::waker(&self.0)
    }
}

// RE-03, V87: a server drops nothing of its user's while it holds a lock
#[test]
fn a_stream_may_look_at_the_server_when_it_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let place: Arc<OnceLock<Handle<Polite>>> = Arc::default();
    let (tell, told) = mpsc::channel();
    let (theirs, tell) = (Arc::clone(&place), Mutex::new(tell));
    let farewell = Arc::new(move || {
        let connections = theirs.get().map(Handle::connections);
        let _ = tell.lock().unwrap().send(connections);
    });
    let listener = PoliteListener(listener, farewell);
    let server = Server::from_listener(listener, Config::default()).unwrap();
    let handle = server.handle();
    assert!(place.set(handle.clone()).is_ok());
    let running = thread::spawn(move || server.run(|_, mut receiver| Ok(receiver.drain()?)));
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Raw::shake_hands(stream);
    client.send_close(1000, "");
    client.expect_close(1000);
    drop(client);
    assert_eq!(told.recv_timeout(PATIENCE / 6), Ok(Some(0)), "it waits for the lock");
    handle.stop(Duration::ZERO, PATIENCE);
    running.join().unwrap();
}
