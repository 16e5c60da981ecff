//! How a server stops.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::Config;
use sansocket::mio::PostError;

use crate::client::{Client, PATIENCE};
use crate::common::wire::{self, CLOSE};
use crate::running::{Decision, Mail, Running};

/// Answers the Close that it expects.
fn answer(mut client: Client, code: u16) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        client.assert_closed_with(code);
        client.write(&wire::client(CLOSE, &wire::body(code, "")));
        assert_eq!(client.rest(), b"");
    })
}

// ML-14
#[test]
fn a_stop_closes_every_connection_with_1001() {
    for shards in [1, 2] {
        let server = Running::start_with(Config::default(), |server| server.shards(shards));
        let clients: Vec<_> = (0..6).map(|_| answer(server.client().0, 1001)).collect();
        let (address, handle) = (server.address, server.handle.clone());
        assert!(!handle.is_stopping());
        assert_eq!(server.stop(PATIENCE), (0, 0));
        clients.into_iter().for_each(|client| client.join().unwrap());
        assert!(handle.is_stopping());
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
        assert_eq!(handle.mail(0, Mail::Say(String::new())), Err(PostError::Stopped));
    }
}

// ML-14
#[test]
fn a_peer_that_does_not_answer_is_cut_off_at_the_deadline() {
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let (mut client, id) = server.client();
    let _half_open = Client::connect(server.address);
    while server.handle.connections() < 2 {
        thread::yield_now();
    }
    let handle = server.handle.clone();
    let mut server = server;
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_millis(50)), 2);
    assert_eq!(server.join(), 2);
    assert_eq!(server.closed(), (id, String::new(), "the closing handshake took too long".into()));
    client.assert_closed_with(1001);
}

// ML-14: those in the middle of the handshake are told
#[test]
fn requests_that_are_under_way_get_a_503() {
    let server = Running::start();
    let (_open, _) = server.client();
    let mut late = Client::connect(server.address);
    late.write(b"GET / HTTP/1.1\r\n");
    let mut undecided = Client::connect(server.address);
    undecided.write(crate::client::REQUEST.replace("/ws", "/later").as_bytes());
    let id = server.wait_for(|call| match call {
        crate::running::Call::Request(id, path) if path == "/later" => Some(*id),
        _ => None,
    });
    while server.handle.connections() < 3 {
        thread::yield_now();
    }
    let handle = server.handle.clone();
    let stop = thread::spawn(move || handle.stop(Duration::ZERO, PATIENCE));
    // The shard knows when it does not listen any more.
    while TcpStream::connect(server.address).is_ok() {
        thread::yield_now();
    }
    late.write(&crate::client::REQUEST.as_bytes()["GET /ws HTTP/1.1\r\n".len()..]);
    assert_eq!(late.status(), 503);
    server.handle.mail(0, Mail::Decide(id, Decision::Accept)).unwrap();
    assert_eq!(undecided.status(), 503);
    drop((late, undecided, _open));
    assert_eq!(stop.join().unwrap(), 0);
}

// ML-14: nobody is forgotten who is about to open
#[test]
fn a_connection_that_opens_as_the_stop_begins_is_closed() {
    let server = Running::start_with(Config::default(), |server| server.shards(2).max_mail(1));
    let mut client = Client::connect(server.address);
    client.write(crate::client::REQUEST.replace("/ws", "/later").as_bytes());
    let id = server.wait_for(|call| match call {
        crate::running::Call::Request(id, _) => Some(*id),
        _ => None,
    });
    // The shard is held up, and finds the decision and the stop in its mailbox together.
    let go_on = server.hold(id.shard());
    while server.handle.mail(id.shard(), Mail::Decide(id, Decision::Accept)).is_err() {
        thread::yield_now();
    }
    let handle = server.handle.clone();
    let stop = thread::spawn(move || handle.stop(Duration::ZERO, PATIENCE));
    // The other is told last, and has nobody.
    while server.handle.mail(1, Mail::Say(String::new())) != Err(PostError::Stopped) {
        thread::yield_now();
    }
    go_on.send(()).unwrap();
    client.read_head();
    answer(client, 1001).join().unwrap();
    assert_eq!(stop.join().unwrap(), 0);
}

// ML-14: not all at once
#[test]
fn close_frames_are_spread() {
    let server = Running::start();
    let clients: Vec<_> = (0..5).map(|_| answer(server.client().0, 1001)).collect();
    let start = Instant::now();
    assert_eq!(server.handle.stop(Duration::from_millis(250), PATIENCE), 0);
    assert!(start.elapsed() >= Duration::from_millis(200));
    clients.into_iter().for_each(|client| client.join().unwrap());
}

// ML-16
#[test]
fn some_may_be_sent_elsewhere() {
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let clients: Vec<Client> = (0..6).map(|_| server.client().0).collect();
    server.handle.shed(3, Duration::ZERO).unwrap();
    while server.handle.connections() > 3 {
        let (_, _, _) = shed_one(&server, &clients);
    }
    server.client();
}

/// Answers whichever is closed.
fn shed_one(server: &Running, clients: &[Client]) -> (usize, usize, usize) {
    for client in clients {
        client.0.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4];
        let peeked = client.0.peek(&mut bytes);
        client.0.set_nonblocking(false).unwrap();
        if peeked.is_ok_and(|n| n == 4) {
            assert_eq!(bytes, *b"\x88\x02\x03\xf4");
            let mut client = Client(client.0.try_clone().unwrap());
            client.write(&wire::client(CLOSE, &wire::body(1012, "")));
            client.rest();
        }
    }
    (server.handle.connections(), clients.len(), 0)
}

// ML-14: before it runs, and twice
#[test]
fn a_stop_may_come_early_and_more_than_once() {
    let server = sansocket::mio::Server::<()>::bind("127.0.0.1:0", Config::default()).unwrap();
    let handle = server.handle();
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    assert_eq!(server.run_fn(|_, _| {}).unwrap(), 0);
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);

    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let (_client, _) = server.client();
    let handle = server.handle.clone();
    let other = thread::spawn(move || handle.stop(Duration::ZERO, Duration::from_millis(50)));
    let (one, run) = server.stop(Duration::from_millis(50));
    assert!(one.max(other.join().unwrap()) == 1 && run == 1);
}

// ML-14: no deadline, and no hurry
#[test]
fn a_stop_may_wait_without_a_deadline() {
    let server = Running::start();
    let clients: Vec<_> = (0..2).map(|_| answer(server.client().0, 1001)).collect();
    assert_eq!(server.stop(Duration::MAX), (0, 0));
    clients.into_iter().for_each(|client| client.join().unwrap());
}
