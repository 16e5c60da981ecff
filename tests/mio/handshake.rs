//! Who is let in, and when that is decided.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use sansocket::Config;

use crate::client::Client;
use crate::common::wire::{self, TEXT};
use crate::running::{Call, Decision, Mail, Running};

// ML-02
#[test]
fn the_application_decides_who_is_accepted() {
    let server = Running::start();
    for (path, status) in [("/", 101), ("/refuse", 403), ("/wrong", 500), ("/wrong-too", 500)] {
        let (mut client, got) = Client::request(server.address, path);
        assert_eq!(got, status, "{path}");
        if status != 101 {
            client.rest();
        }
    }
}

// ML-02, ML-10: a panic is answered, and the shard lives
#[test]
fn a_request_whose_handler_panics_is_answered_with_500() {
    let server = Running::start();
    let (mut client, status) = Client::request(server.address, "/panic");
    assert_eq!(status, 500);
    client.rest();
    server.client().0.assert_closes();
}

impl Client {
    fn assert_closes(self) {
        self.close();
    }
}

fn undecided(server: &Running) -> (Client, sansocket::mio::Id) {
    let mut client = Client::connect(server.address);
    client.write(crate::client::REQUEST.replace("/ws", "/later").as_bytes());
    client.write(&wire::client(TEXT, b"echo early"));
    let id = server.wait_for(|call| match call {
        Call::Request(id, _) => Some(*id),
        _ => None,
    });
    (client, id)
}

// ML-02
#[test]
fn a_decision_may_take_time() {
    let server = Running::start();
    let (mut client, id) = undecided(&server);
    let (mut other, _) = server.client();
    assert_eq!(other.ask("echo meanwhile"), "meanwhile");
    server.handle.mail(0, Mail::Decide(id, Decision::Accept)).unwrap();
    assert_eq!(server.mail(), "decided true");
    client.read_head();
    assert_eq!(client.text(), "early");
    client.close();
    assert_eq!(server.closed(), (id, "later".to_owned(), "1000".to_owned()));

    let (mut client, id) = undecided(&server);
    server.handle.mail(0, Mail::Decide(id, Decision::Refuse(401))).unwrap();
    assert_eq!(client.status(), 401);
}

// ML-02: a client that has gone meanwhile
#[test]
fn a_decision_may_come_too_late() {
    let config = Config::builder().handshake_timeout(Duration::from_millis(1)).build().unwrap();
    let server = Running::start_with(config, |server| server);
    let (mut client, id) = undecided(&server);
    assert_eq!(client.status(), 503);
    client.rest();
    drop(client);
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
    server.handle.mail(0, Mail::Decide(id, Decision::Accept)).unwrap();
    assert_eq!(server.mail(), "decided false");
    assert!(!server.calls().iter().any(|call| matches!(call, Call::Open(..) | Call::Closed(..))));
}

// ML-02: the application hears of those that were refused
#[test]
fn malformed_requests_are_refused_and_reported_once() {
    let server = Running::start();
    let mut client = Client::connect(server.address);
    client.write(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\nand more\r\n");
    assert_eq!(client.status(), 400);
    client.write(b"and more\r\n");
    client.half_close();
    assert!(server.refused().starts_with("handshake refused"));
    let _ = Client::connect(server.address).half_close();
    assert_eq!(server.refused(), "the connection ended without a Close frame");
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
    assert!(server.calls().is_empty());
}

// ML-03
#[test]
fn there_is_a_limit_on_connections() {
    let server = Running::start_with(Config::default(), |server| server.max_connections(2));
    let (one, _) = server.client();
    let (_two, _) = server.client();
    let mut three = Client::connect(server.address);
    assert_eq!(three.status(), 503);
    assert_eq!(server.refused(), "refused with 503: max_connections is 2");
    drop(three);
    one.close();
    while server.handle.connections() > 1 {
        std::thread::yield_now();
    }
    server.client();
}

// ML-03: those that are told are bounded, too
#[test]
fn of_a_rush_sixteen_are_told_at_a_time() {
    let server = Running::start_with(Config::default(), |server| server.max_connections(1));
    let (_one, _) = server.client();
    let mut rush: Vec<Client> = (0..40).map(|_| Client::connect(server.address)).collect();
    for _ in 0..40 {
        assert_eq!(server.refused(), "refused with 503: max_connections is 1");
    }
    let told = rush.iter_mut().filter_map(|client| client.try_read_head().ok()).count();
    // Those that have ended their side meanwhile make room for others.
    assert!((16..40).contains(&told), "{told}");
    assert_eq!(server.handle.connections(), 1);
}

// ML-02, ML-03: also if a client for which there is no room resets the connection then
#[test]
fn a_client_that_is_refused_is_reported_once() {
    let server = Running::start_with(Config::default(), |server| server.max_connections(1));
    let (_first, _) = server.client();
    for _ in 0..2 {
        let client = TcpStream::connect(server.address).unwrap();
        assert!(server.refused().contains("connections"), "and nothing of the one before");
        // Closed with something to read, it resets.
        assert_eq!(client.peek(&mut [0]).unwrap(), 1);
    }
}

// ML-02, ML-04: it knows of them
#[test]
fn a_client_that_the_application_answers_is_not_reported() {
    let server = Running::start();
    for path in ["/refuse", "/page"] {
        let mut client = TcpStream::connect(server.address).unwrap();
        let upgrade = if path == "/page" { "" } else { "Upgrade: websocket\r\n" };
        let request = crate::client::REQUEST.replace("/ws", path);
        client.write_all(request.replace("Upgrade: websocket\r\n", upgrade).as_bytes()).unwrap();
        // Closed with something to read, it resets.
        assert_eq!(client.peek(&mut [0]).unwrap(), 1);
    }
    let malformed = Client::connect(server.address);
    drop(malformed);
    assert!(server.refused().contains("without a Close"), "nothing of those before");
}

// ML-02, ML-07: of an answer that the application did not give it hears
#[test]
fn a_client_that_the_server_answers_for_the_application_is_reported() {
    let config = Config::builder().handshake_timeout(Duration::from_millis(10)).build().unwrap();
    let server = Running::start_with(config, |server| server);
    for (path, status, reason) in [
        ("/later", 503, "the opening handshake took too long"),
        ("/panic", 500, "a method of the App panicked"),
    ] {
        let mut client = Client::connect(server.address);
        client.write(crate::client::REQUEST.replace("/ws", path).as_bytes());
        assert_eq!(client.status(), status);
        assert_eq!(server.refused(), reason);
    }
}
