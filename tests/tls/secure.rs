//! TLS over a transport, without a WebSocket in it: handshakes in advance, plain HTTP, panics.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use sansocket::net::{self, Transport};
use sansocket::tls::{Rustls, Secure};
use sansocket::{Config, Error, TimedOut};

use crate::authority::{client, server};
use crate::peer::{PATIENCE, Peer, REQUEST};
use crate::pipe::{Pipe, Way};

fn start() -> (Peer, Arc<Secure<Pipe, Rustls>>) {
    let peer = Peer::over(Pipe::new(Way::Open), client());
    let secure = Secure::server(peer.pipe.clone(), Rustls::server(server()).unwrap());
    (peer, Arc::new(secure))
}

fn write(secure: &Secure<Pipe, Rustls>, bytes: &[u8]) -> io::Result<usize> {
    secure.write(&[io::IoSlice::new(bytes)])
}

// TL-08: it goes on where it was
#[test]
fn a_handshake_in_advance_has_a_deadline_and_goes_on() {
    let (mut peer, secure) = start();
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let error = secure.handshake(timeout).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{timeout:?}");
    }
    shake_hands(&mut peer, &secure);
    secure.handshake(Duration::ZERO).unwrap();
    assert_eq!(write(&secure, b"hello").unwrap(), 5);
    secure.flush().unwrap();
    assert_eq!(peer.read(5), b"hello");
}

// TL-08: a thread that reads does it for those that wait
#[test]
fn a_handshake_is_done_by_the_thread_that_reads() {
    let (mut peer, secure) = start();
    let reading = thread::spawn({
        let secure = Arc::clone(&secure);
        move || {
            let mut space = [0; 5];
            secure.read(&mut space).map(|n| space[..n].to_vec())
        }
    });
    peer.pipe.wait_until(PATIENCE, |_, calls| !calls.is_empty()).unwrap();
    let error = secure.handshake(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    io::Write::write_all(&mut peer.tls.writer(), b"hello").unwrap();
    while peer.tls.is_handshaking() {
        peer.take().unwrap();
    }
    secure.handshake(PATIENCE).unwrap();
    assert_eq!(reading.join().unwrap().unwrap(), b"hello");
}

// TL-06: for those that wait for the handshake as for those that write
#[test]
fn a_handshake_that_is_cut_off_stays_an_error() {
    let (mut peer, secure) = start();
    let hello = peer.records();
    peer.pipe.push(&hello[..hello.len() - 1]);
    peer.pipe.end();
    for _ in 0..2 {
        let error = secure.handshake(PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(write(&secure, b"hello").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    let (peer, secure) = start();
    peer.pipe.push(b"\x16\x03\x01\0\x04\x01\0\0\0");
    for _ in 0..2 {
        let error = secure.handshake(PATIENCE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

fn shake_hands(peer: &mut Peer, secure: &Arc<Secure<Pipe, Rustls>>) {
    let shaking = thread::spawn({
        let secure = Arc::clone(secure);
        move || secure.handshake(PATIENCE)
    });
    while peer.tls.is_handshaking() {
        peer.take().unwrap();
    }
    shaking.join().unwrap().unwrap();
}

/// After the handshake.
fn open() -> (Peer, Arc<Secure<Pipe, Rustls>>) {
    let (mut peer, secure) = start();
    shake_hands(&mut peer, &secure);
    (peer, secure)
}

// TL-15, TL-06: part of a record may be out, or a close_notify
#[test]
fn nothing_is_written_after_a_failure_or_an_end() {
    let (peer, secure) = open();
    peer.pipe.set(Way::Fail(io::ErrorKind::ConnectionReset));
    assert_eq!(write(&secure, b"hello").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    peer.pipe.set(Way::Open);
    let written = peer.pipe.calls().len();
    assert_eq!(write(&secure, b"more").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(secure.flush().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(peer.pipe.calls().len(), written);

    let (mut peer, secure) = open();
    secure.shutdown(Shutdown::Write).unwrap();
    assert_eq!(write(&secure, b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    while !matches!(io::Read::read(&mut peer.tls.reader(), &mut [0]), Ok(0)) {
        peer.take().unwrap(); // the end without a close_notify would be an error
    }
}

/// Waits for the answer in plain HTTP.
fn refused(pipe: &Pipe) {
    let is_whole = |output: &[u8]| output.ends_with(b"use wss or https\n");
    pipe.wait_until(PATIENCE, |output, _| is_whole(output)).unwrap();
    pipe.look(|output| assert!(output.starts_with(b"HTTP/1.1 400 ")));
}

// TL-10: the rest of the request is read, so that no reset overtakes the answer
#[test]
fn plain_http_is_read_to_its_end() {
    let (peer, accepting) = Peer::start(server(), client(), Config::default());
    peer.pipe.push(REQUEST);
    refused(&peer.pipe);
    for _ in 0..3 {
        peer.pipe.push(&[b'x'; 10_000]);
        peer.pipe.wait_until(Duration::from_millis(20), |_, _| false);
    }
    peer.pipe.end();
    match accepting.join().unwrap().map(drop) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        other => panic!("{other:?}"),
    }
}

// TL-10, TL-08: for no longer than the handshake may take
#[test]
fn plain_http_without_an_end_meets_its_deadline() {
    let config = Config::builder().handshake_timeout(Duration::from_millis(100)).build().unwrap();
    let (peer, accepting) = Peer::start(server(), client(), config);
    peer.pipe.push(REQUEST);
    refused(&peer.pipe);
    let end = accepting.join().unwrap().map(drop);
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Handshake))), "{end:?}");
}

// TL-15: records may be half out, or half made
#[test]
fn a_panic_ends_the_connection() {
    let (mut peer, accepting) = Peer::start(server(), client(), Config::default());
    peer.request();
    let (sender, receiver) = accepting.join().unwrap().unwrap();
    let secure = receiver.stream();
    let panicked = catch_unwind(AssertUnwindSafe(|| secure.with_engine(|_| panic!("as told"))));
    assert!(panicked.is_err());
    assert!(secure.engine().is_err() && secure.with_engine(|_| ()).is_err());
    assert!(sender.send("more").is_err());
    drop((sender, receiver));

    let (peer, secure) = open();
    peer.pipe.set(Way::Panic);
    assert!(catch_unwind(AssertUnwindSafe(|| write(&secure, b"hello"))).is_err());
    peer.pipe.set(Way::Open);
    assert!(write(&secure, b"hello").is_err() && secure.flush().is_err());
    secure.with_engine(|engine| engine.refresh_traffic_keys()).unwrap().unwrap();
    secure.shutdown(Shutdown::Both).unwrap();
}

// RE-08: the socket, and nothing of what is in it
#[test]
fn a_secure_stream_shows_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = format!("{stream:?}");
    let secure = Secure::server(stream, Rustls::server(server()).unwrap());
    assert_eq!(format!("{secure:?}"), format!("Secure {{ stream: {socket}, .. }}"));
    let stream = net::Stream::from(secure);
    assert_eq!(format!("{stream:?}"), format!("Stream {{ tcp: {socket}, is_secure: true }}"));
}
