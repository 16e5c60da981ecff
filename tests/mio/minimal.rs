//! An application of one function: all that it does not say is done by default.

use std::io::Read;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansocket::mio::{Handle, Peer, Server};
use sansocket::{Config, Message};

use crate::client::Client;
use crate::common::wire::{self, BINARY, PING, PONG};

const KIB: usize = 1024;

struct Minimal {
    address: SocketAddr,
    handle: Handle<()>,
    thread: Option<JoinHandle<()>>,
}

impl Minimal {
    fn start() -> Self {
        let config = Config::builder().max_queue(64 * KIB).build().unwrap();
        Self::run(Server::bind("127.0.0.1:0", config).unwrap())
    }

    fn run(server: Server<()>) -> Self {
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let thread = thread::spawn(move || _ = server.run_fn(message).unwrap());
        Self { address, handle, thread: Some(thread) }
    }
}

impl Drop for Minimal {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO, Duration::ZERO);
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}

fn message(peer: &mut Peer<'_, ()>, message: Message<'_>) {
    match message {
        Message::Text("ping") => peer.ping(b"at").unwrap(),
        Message::Text("fill") => while peer.send(&[7; KIB]).is_ok() {},
        message => peer.send(message).unwrap(),
    }
}

// ML-04
#[test]
fn plain_http_is_rejected_by_default() {
    let server = Minimal::start();
    for (line, status) in [("GET / HTTP/1.1", 426), ("POST / HTTP/1.1", 405)] {
        let mut client = Client::connect(server.address);
        client.write(format!("{line}\r\nHost: example.com\r\n\r\n").as_bytes());
        assert_eq!(client.status(), status, "{line}");
        client.rest();
    }
}

// ML-02: by default they are logged; they are answered as ever, and the others go on
#[test]
fn refusals_need_no_code() {
    let server = Minimal::start();
    let mut open = Client::open(server.address);
    let mut malformed = Client::connect(server.address);
    malformed.write(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_eq!(malformed.status(), 400);
    malformed.rest();
    open.assert_echoes();
}

// ML-01, ML-08: nothing becomes of them
#[test]
fn pongs_and_mail_need_no_code() {
    let server = Minimal::start();
    let mut client = Client::open(server.address);
    client.say("ping");
    assert_eq!(client.frame(), (PING, b"at".to_vec()));
    client.write(&wire::client(PONG, b"at"));
    server.handle.mail(0, ()).unwrap();
    client.assert_echoes();
    client.close();
}

// ML-11
#[test]
fn a_queue_that_has_drained_needs_no_code() {
    let server = Minimal::start();
    let mut client = Client::open(server.address);
    client.say("fill");
    client.say("done");
    while client.frame().0 == BINARY {}
    client.assert_echoes();
    client.close();
}

// ML-15: the others are served, by an acceptor for all shards or by one in each
#[cfg(unix)]
#[test]
fn a_listener_that_fails_holds_up_no_other() {
    use std::net::TcpListener;

    for shards in [1, 2] {
        let broken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let broken = TcpListener::from(std::os::fd::OwnedFd::from(broken));
        assert!(broken.accept().is_err());
        let sound = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = sound.local_addr().unwrap();
        let server = Server::from_listeners(vec![broken, sound], Config::default());
        let server = Minimal::run(server.shards(shards));
        for _ in 0..3 {
            let mut client = Client::open(address);
            client.assert_echoes();
            client.close();
        }
        drop(server);
    }
}

// ML-03, ML-15: the acceptor for all shards bounds those that are told, too
#[test]
fn of_a_rush_on_two_shards_sixteen_are_told_at_a_time() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = Minimal::run(server.max_connections(1).shards(2));
    let mut one = Client::open(server.address);
    let rush: Vec<Client> = (0..60).map(|_| Client::connect(server.address)).collect();
    let mut told = 0;
    for mut client in rush {
        let mut answer = Vec::new();
        let _ = client.0.read_to_end(&mut answer);
        match answer.is_empty() {
            true => {}
            false => {
                assert!(answer.starts_with(b"HTTP/1.1 503 "));
                told += 1;
            }
        }
    }
    assert!((16..=60).contains(&told), "{told}");
    assert_eq!(server.handle.connections(), 1);
    one.assert_echoes();
    one.close();
}
