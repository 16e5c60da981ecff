//! From the first byte over TLS to an open connection, or to none.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sansocket::handshake::Request;
use sansocket::mio::{App, Handle, Id, Peer, Server, Shard, Verdict};
use sansocket::{Config, Message};

use crate::authority::{certified_key, client, client_with, server_with};
use crate::client::{Client, PATIENCE, REQUEST};
use crate::running::Running;
use crate::secure::Secure;

// ML-21, TL-10
#[test]
fn plain_http_where_tls_is_spoken_is_answered_with_400() {
    let server = Running::start_secure();
    for request in ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", REQUEST, "G"] {
        let mut client = Client::connect(server.address);
        client.write(request.as_bytes());
        let mut answer = String::new();
        client.0.read_to_string(&mut answer).unwrap(); // a reset would be an error
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("this port speaks TLS"), "{answer}");
        assert!(server.refused().contains("plain HTTP on a port that speaks TLS"));
    }
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
    assert!(server.calls().is_empty());
}

// ML-21, TL-10
#[test]
fn junk_where_tls_is_spoken_is_answered_with_an_alert() {
    let server = Running::start_secure();
    let mut client = Client::connect(server.address);
    client.write(&[0; 40]);
    assert_eq!(client.rest().first(), Some(&0x15));
    assert!(!server.refused().is_empty());
}

// ML-21, ML-07: not begun, begun, and done without a request
#[test]
fn a_handshake_over_tls_that_stops_halfway_meets_its_deadline() {
    let timeout = Duration::from_millis(500);
    let config = Config::builder().handshake_timeout(timeout).build().unwrap();
    let server = Running::start_secure_with(config, |server| server);
    let mut silent = Client::connect(server.address);
    let mut half = Secure::connect_secure(server.address, client());
    let hello = half.records();
    half.0.sock.write_all(&hello[..hello.len() / 2]).unwrap();
    let mut done = Secure::connect_secure(server.address, client());
    done.shake_hands_in_bytes();
    let mut dribbling = Secure::connect_secure(server.address, client());
    dribbling.write(b"GET / HT");
    for _ in 0..4 {
        assert_eq!(server.refused(), "the opening handshake took too long");
    }
    assert_eq!(silent.rest(), b"");
    let mut rest = vec![];
    half.0.sock.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "nothing in the clear");
    assert_eq!(done.0.read(&mut [0]).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(dribbling.status(), 408);
}

// ML-21, TL-09: whoever there is no room for is told so within TLS, or in the clear
#[test]
fn a_full_server_says_so_within_tls() {
    let server = Running::start_secure_with(Config::default(), |server| server.max_connections(1));
    let (mut first, _) = server.secure_client();
    let mut second = Secure::connect_secure(server.address, client());
    second.write(REQUEST.as_bytes());
    assert_eq!(second.status(), 503);
    second.0.read_to_end(&mut vec![]).unwrap(); // or there was no close_notify
    let mut plain = Client::connect(server.address);
    plain.write(REQUEST.as_bytes());
    assert_eq!(plain.status(), 503);
    assert_eq!(first.ask("echo still here"), "still here");
}

// ML-21, ML-07: sixteen are told at a time, and those who do not get so far hold no place
#[test]
fn clients_without_room_that_stop_in_the_handshake_hold_up_no_others() {
    let timeout = Duration::from_millis(500);
    for stays in [true, false] {
        let config = Config::builder().handshake_timeout(timeout).build().unwrap();
        let server = Running::start_secure_with(config, |server| server.max_connections(1));
        let (_first, _) = server.secure_client();
        let mut silent: Vec<_> = (0..16).map(|_| Client::connect(server.address)).collect();
        if !stays {
            silent.clear();
        }
        for _ in 0..16 {
            assert!(server.refused().contains("connections"));
        }
        // Until one of them has gone, or took too long, others are cut off.
        let is_told = || {
            let mut next = TcpStream::connect(server.address).unwrap();
            let _ = next.write_all(REQUEST.as_bytes());
            let mut said = Vec::new();
            let _ = next.read_to_end(&mut said);
            said.starts_with(b"HTTP/1.1 503")
        };
        let start = Instant::now();
        while !is_told() {
            assert!(start.elapsed() < 20 * timeout, "they hold their places");
            thread::sleep(timeout / 50);
        }
    }
}

// ML-21, ML-04: by the event loop, and by a thread
#[test]
fn plain_http_over_tls_is_answered() {
    let server = Running::start_secure();
    for (path, answer) in [("/page", "the page"), ("/take", "POST 0123456789")] {
        let mut client = Secure::connect_secure(server.address, client());
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n");
        client.write(format!("{head}01234").as_bytes());
        std::thread::sleep(Duration::from_millis(20)); // so that it comes in a read of the thread
        client.write(b"56789");
        let mut rest = String::new();
        client.0.read_to_string(&mut rest).unwrap(); // or there was no close_notify
        assert!(rest.ends_with(answer), "{rest}");
    }
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
}

// ML-21, TL-03: before the client has said anything but its part of the handshake
#[test]
fn tickets_are_sent_when_the_handshake_is_done() {
    let server = Running::start_secure();
    let config = client_with(&[&rustls::version::TLS13]);
    let mut client = Secure::connect_secure(server.address, config.into());
    client.shake_hands_in_bytes();
    while client.0.conn.tls13_tickets_received() < 2 {
        client.0.conn.read_tls(&mut client.0.sock).unwrap();
        client.0.conn.process_new_packets().unwrap();
    }
}

// ML-21, TL-11
#[test]
fn a_configuration_that_would_not_work_is_refused() {
    let refused = |change: fn(&mut ServerConfig)| {
        let mut config = server_with(rustls::ALL_VERSIONS);
        change(&mut config);
        let server = Server::<()>::bind("127.0.0.1:0", Config::default()).unwrap();
        let error = server.tls(Arc::new(config)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    assert!(
        refused(|config| config.alpn_protocols = vec![b"h2".to_vec()]).contains("http/1.1 alone")
    );
    assert!(refused(|config| config.max_early_data_size = 1024).contains("early data"));
    let server = Running::start_secure();
    let mut offer = client_with(rustls::ALL_VERSIONS);
    offer.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = Secure::open_secure(server.address, offer.into());
    assert_eq!(client.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// Knows a certificate from the second time on.
#[derive(Debug)]
struct Panicking(Arc<CertifiedKey>, AtomicUsize);

impl ResolvesServerCert for Panicking {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        assert_ne!(self.1.fetch_add(1, Ordering::SeqCst), 0, "as told");
        Some(Arc::clone(&self.0))
    }
}

// ML-10, ML-21: nor does the code of a configuration end the shard
#[test]
fn a_panic_in_a_handshake_ends_its_own_connection() {
    let mut config = server_with(rustls::ALL_VERSIONS);
    let key = Arc::new(certified_key("localhost"));
    config.cert_resolver = Arc::new(Panicking(key, AtomicUsize::new(0)));
    let server =
        Running::start_with(Config::default(), |server| server.tls(config.into()).unwrap());
    let mut first = Secure::connect_secure(server.address, client());
    let hello = first.records();
    first.0.sock.write_all(&hello).unwrap();
    assert!(server.refused().ends_with("panicked"));
    assert_eq!(first.0.sock.read(&mut [0]).unwrap(), 0);
    let (mut second, _) = server.secure_client();
    assert_eq!(second.ask("echo here"), "here");
}

/// Counts the handshakes that get as far as the certificate.
#[derive(Debug)]
struct Counting {
    key: Arc<CertifiedKey>,
    handshakes: AtomicUsize,
}

impl ResolvesServerCert for Counting {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.handshakes.fetch_add(1, Ordering::SeqCst);
        Some(Arc::clone(&self.key))
    }
}

/// Says how many handshakes there were, to clients that ask, and in each round from the first mail on.
struct Watching {
    counting: Arc<Counting>,
    handle: Handle<()>,
    /// It waits here when it is told to, having said so.
    gate: (Sender<()>, Receiver<()>),
    rounds: Sender<usize>,
}

impl Watching {
    fn count(&self) -> usize {
        self.counting.handshakes.load(Ordering::SeqCst)
    }
}

impl App for Watching {
    type State = ();
    type Mail = ();

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        Verdict::Accept(request.accept(), ())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        if message == Message::Text("wait") {
            self.gate.0.send(()).unwrap();
            self.gate.1.recv().unwrap();
        }
        let _ = peer.send(&self.count().to_string());
    }

    fn mail(&mut self, _: &mut Shard<'_, ()>, (): ()) {
        if self.rounds.send(self.count()).is_ok() {
            self.handle.mail(0, ()).unwrap(); // for the next round
        }
    }
}

// ML-22: two hundred that lie there at once are done four in a round
#[test]
fn a_storm_of_handshakes_does_not_hold_up_a_quiet_client() {
    const STORM: usize = 200;
    let key = Arc::new(certified_key("localhost"));
    let counting = Arc::new(Counting { key, handshakes: AtomicUsize::new(0) });
    let mut config = server_with(rustls::ALL_VERSIONS);
    config.cert_resolver = counting.clone();
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.tls(Arc::new(config)).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let ((waits, waiting), (go_on, wait)) = (channel(), channel());
    let (sender, rounds) = channel();
    let watching =
        Watching { counting, handle: handle.clone(), gate: (waits, wait), rounds: sender };
    let watching = Mutex::new(Some(watching));
    let serve = move || server.run(|_| watching.lock().unwrap().take().unwrap());
    let thread = std::thread::spawn(serve);
    let mut quiet = Secure::open_secure(address, client());
    let mut storm: Vec<_> = (0..STORM).map(|_| Secure::connect_secure(address, client())).collect();
    // Until the event loop knows them all.
    while handle.connections() <= STORM {
        std::thread::yield_now();
    }
    assert_eq!(quiet.ask("how many?"), "1");
    quiet.say("wait");
    waiting.recv().unwrap();
    for client in &mut storm {
        let hello = client.records();
        client.0.sock.write_all(&hello).unwrap();
    }
    quiet.say("how many?");
    handle.mail(0, ()).unwrap();
    go_on.send(()).unwrap();
    assert_eq!(quiet.text(), "1");
    let handshakes: usize = quiet.text().parse().unwrap();
    assert!(handshakes <= 1 + 4, "{handshakes}");
    let mut before = 1;
    while before < 1 + STORM {
        let count = rounds.recv_timeout(PATIENCE).unwrap();
        assert!(count - before <= 4, "{} in a round", count - before);
        before = count;
    }
    drop(rounds);
    for client in &mut storm {
        client.write(REQUEST.as_bytes());
        client.read_head();
    }
    drop((storm, quiet));
    handle.stop(Duration::ZERO, PATIENCE);
    thread.join().unwrap().unwrap();
}
