//! The lines that go to the crate `log`: ordinary ends at debug level, others at warn.

#![cfg(feature = "log")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Condvar, Mutex, Once};
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use sansocket::Config;

const PATIENCE: Duration = Duration::from_secs(20);

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(vec![]);
static CHANGED: Condvar = Condvar::new();

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sansocket")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push((record.level(), record.args().to_string()));
            CHANGED.notify_all();
        }
    }

    fn flush(&self) {}
}

/// From here on lines are collected, those of other tests among them.
fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
}

/// Waits for the line that begins so: its level, and the rest.
fn line(beginning: &str) -> (Level, String) {
    let found = |lines: &[(Level, String)]| {
        lines
            .iter()
            .find_map(|(level, line)| Some((*level, line.strip_prefix(beginning)?.to_owned())))
    };
    let lines = LINES.lock().unwrap();
    let waited = CHANGED.wait_timeout_while(lines, PATIENCE, |lines| found(lines).is_none());
    let lines = waited.unwrap().0;
    found(&lines).unwrap_or_else(|| panic!("no {beginning:?} in {lines:?}"))
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Sends this, reads what is answered to it, and leaves: its address.
fn visit(address: SocketAddr, bytes: &str) -> SocketAddr {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(bytes.as_bytes()).unwrap();
    assert_ne!(client.read(&mut [0; 1000]).unwrap(), 0);
    client.local_addr().unwrap()
}

fn assert_logged(from: SocketAddr, level: Level, text: &str) {
    let (found, line) = line(&format!("{from:?}: "));
    assert_eq!((found, line.contains(text)), (level, true), "{line}");
}

const GONE: &str = "the connection ended without a Close frame";

// RE-09: on threads
#[test]
fn servers_on_threads_log_who_is_refused_and_who_leaves() {
    collect();
    let server = sansocket::net::Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let serving = thread::spawn(move || server.run(|_, mut receiver| Ok(receiver.drain()?)));
    assert_logged(visit(address, REQUEST), Level::Debug, GONE);
    assert_logged(visit(address, "GET / HTTP/1.1\r\n\r\n"), Level::Warn, "refused");
    handle.stop(Duration::ZERO, PATIENCE);
    serving.join().unwrap();
}

// RE-09, ML-06: on event loops, where open connections have names
#[cfg(feature = "mio")]
#[test]
fn event_loops_log_who_is_refused_and_who_leaves() {
    collect();
    let server = sansocket::mio::Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving = thread::spawn(move || server.run_fn(|_, _| ()));
    visit(address, REQUEST);
    assert_eq!(line("Id(0.0.0): "), (Level::Debug, GONE.to_owned()));
    assert_logged(visit(address, "GET / HTTP/1.1\r\n\r\n"), Level::Warn, "refused");
    handle.stop(Duration::ZERO, PATIENCE);
    serving.join().unwrap().unwrap();
}

// RE-12: so that an administrator sees why nobody gets in
#[cfg(all(feature = "mio", unix))]
#[test]
fn failures_to_accept_are_logged() {
    collect();
    let broken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let broken = std::net::TcpListener::from(std::os::fd::OwnedFd::from(broken));
    let server = sansocket::mio::Server::<()>::from_listeners(vec![broken], Config::default());
    let handle = server.handle();
    let serving = thread::spawn(move || server.run_fn(|_, _| ()));
    assert_eq!(line("cannot accept connections: ").0, Level::Warn);
    handle.stop(Duration::ZERO, PATIENCE);
    serving.join().unwrap().unwrap();
}

// RE-09: under hyper, where not every client has an address
#[cfg(feature = "hyper")]
#[test]
fn errors_of_handlers_under_hyper_are_logged() {
    use http_body_util::Full;
    use hyper_util::rt::TokioIo;

    collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for buffered in [false, true] {
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let error = if buffered { "seven" } else { "eight" };
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| async move {
            let upgrade = sansocket::hyper::upgrade(&mut request, Config::default()).unwrap();
            let response = upgrade.request().accept();
            let answer = upgrade.on_upgrade(response, move |_, _| async move { Err(error.into()) });
            Ok::<_, std::convert::Infallible>(
                answer.unwrap().map(|body: Vec<u8>| Full::<bytes::Bytes>::from(body)),
            )
        });
        runtime.spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let http1 = hyper::server::conn::http1::Builder::new();
            match buffered {
                true => {
                    let io = TokioIo::new(tokio::io::BufStream::new(stream));
                    http1.serve_connection(io, service).with_upgrades().await.unwrap();
                }
                false => {
                    let io = TokioIo::new(stream);
                    http1.serve_connection(io, service).with_upgrades().await.unwrap();
                }
            }
        });
        let from = visit(address, REQUEST);
        match buffered {
            true => assert_eq!(line("a client behind hyper: "), (Level::Warn, "seven".to_owned())),
            false => assert_logged(from, Level::Warn, "eight"),
        }
    }
}
