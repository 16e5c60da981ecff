//! What the operator of a server is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansocket::net::{Handle, Server};
use sansocket::{Config, Error, TimedOut};

use crate::raw::{PATIENCE, REQUEST, Raw, config, read_head};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(3);

fn start(server: Server) -> (SocketAddr, Handle, JoinHandle<usize>) {
    let (address, handle) = (server.local_addr(), server.handle());
    let echo = |sender: sansocket::net::Sender<_>, mut receiver: sansocket::net::Receiver<_>| {
        while let Some(message) = receiver.recv()? {
            sender.send(message)?;
        }
        Ok(())
    };
    (address, handle, thread::spawn(move || server.run(echo)))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

// that they did not answer in time is not that they left
#[test]
fn those_whom_a_stop_cuts_off_have_timed_out() {
    let patient = config(|config| config.close_timeout(HOUR).handshake_timeout(HOUR));
    let (tell, errors) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0", patient).unwrap().on_error(move |peer, error| {
        let what = match error {
            Error::TimedOut(TimedOut::Close) => "close".to_owned(),
            Error::TimedOut(TimedOut::Handshake) => "handshake".to_owned(),
            other => other.to_string(),
        };
        tell.send((*peer, what)).unwrap();
    });
    let (address, handle, running) = start(server);
    let deaf = Raw::shake_hands(connect(address));
    let mute = connect(address);
    while handle.connections() < 2 {
        thread::yield_now();
    }
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_millis(100)), 2);
    running.join().unwrap();
    let mut told: Vec<_> = (0..2).map_while(|_| errors.recv_timeout(SOON).ok()).collect();
    let mut wanted = [
        (deaf.0.local_addr().unwrap(), "close".to_owned()),
        (mute.local_addr().unwrap(), "handshake".to_owned()),
    ];
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}

// R-141, V86
#[test]
fn clients_that_are_turned_away_are_reported() {
    let (tell, errors) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap().max_connections(1);
    let server = server.on_error(move |peer, _| tell.send(*peer).unwrap());
    let (address, handle, running) = start(server);
    let first = Raw::shake_hands(connect(address));
    let mut second = connect(address);
    second.write_all(REQUEST.as_bytes()).unwrap();
    assert!(read_head(&mut second).starts_with("HTTP/1.1 503 "));
    assert_eq!(errors.recv_timeout(SOON), Ok(second.local_addr().unwrap()));
    drop((first, second));
    handle.stop(Duration::ZERO, PATIENCE);
    running.join().unwrap();
}

// R-141, V86: a log that does not move takes nobody's place
#[test]
fn a_report_that_blocks_does_not_keep_the_connection_counted() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (tell, reported) = mpsc::channel();
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.on_error(move |_, _| {
        tell.send(()).unwrap();
        // Until the test is over.
        let _ = held.lock().unwrap().recv();
    });
    let (address, handle, running) = start(server);
    let mut bad = connect(address);
    bad.write_all(b"bad\r\n\r\n").unwrap();
    let mut answer = String::new();
    bad.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(bad);
    reported.recv_timeout(PATIENCE).unwrap();
    let start = Instant::now();
    let mut counted = handle.connections();
    while counted > 0 && start.elapsed() < SOON {
        thread::yield_now();
        counted = handle.connections();
    }
    drop(release);
    assert_eq!(counted, 0);
    handle.stop(Duration::ZERO, PATIENCE);
    running.join().unwrap();
}
