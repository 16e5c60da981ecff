//! What is under way when the other side closes, and halves that outlive their handlers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Server};
use sansocket::{Buffer, CloseCode, Config};

use crate::raw::{self, CLOSE, PATIENCE, Raw, config};

/// Longer than what both sockets hold.
const LONG: usize = 20_000_000;

/// Reads slowly to the end: how much that was, and its last four bytes.
fn drink(stream: &mut TcpStream) -> (usize, Vec<u8>) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut total, mut last, mut space) = (0, vec![], vec![0; 500_000]);
    while let Ok(n @ 1..) = stream.read(&mut space) {
        total += n;
        last.extend_from_slice(&space[..n]);
        last.drain(..last.len().saturating_sub(4));
        thread::sleep(Duration::from_millis(5));
    }
    (total, last)
}

fn connect(server: &Server) -> Raw {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // Its turn comes when the server runs.
    stream.try_clone().unwrap().write_all(raw::REQUEST.as_bytes()).unwrap();
    Raw(stream)
}

// CL-24: the answer to a Close comes behind the message that is being written, also if the peer has ended its side
#[test]
fn a_message_under_way_is_finished_after_the_peers_close() {
    for half_closes in [false, true] {
        let (mut client, sender, mut receiver) = raw::open(Config::default());
        let receiving = thread::spawn(move || receiver.drain());
        let sending = thread::spawn(move || sender.send(&vec![7; LONG]));
        client.0.peek(&mut [0]).unwrap(); // it is under way
        client.send_close(1000, "");
        if half_closes {
            client.half_close();
        }
        let (total, last) = drink(&mut client.0);
        assert_eq!((total, &last[..]), (10 + LONG + 4, &b"\x88\x02\x03\xe8"[..]));
        sending.join().unwrap().unwrap();
        receiving.join().unwrap().unwrap();
    }
}

// CL-24: a thread of the handler's may send for longer than that runs
#[test]
fn a_message_under_way_is_finished_after_its_handler_returned() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let mut client = connect(&server);
    thread::spawn(move || {
        server.run(|sender, mut receiver| {
            thread::spawn(move || sender.send(&vec![7; LONG]));
            assert!(receiver.recv()?.is_some());
            Ok(())
        })
    });
    raw::read_head(&mut client.0);
    client.0.peek(&mut [0]).unwrap(); // it is under way
    client.send(0x81, b"");
    let (total, last) = drink(&mut client.0);
    assert_eq!((total, &last[..]), (10 + LONG + 4, &b"\x88\x02\x03\xe8"[..]));
}

// CL-26: the receiver is dropped elsewhere, while a sender lives on
#[test]
fn a_receiver_that_outlives_its_handler_closes_the_socket() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let mut client = connect(&server);
    let kept = Arc::new(Mutex::new(vec![]));
    thread::spawn(move || {
        server.run(move |sender, receiver| {
            kept.lock().unwrap().push(sender);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                drop(receiver);
            });
            Ok(())
        })
    });
    raw::read_head(&mut client.0);
    let (first, _) = client.read();
    assert_eq!(first, CLOSE);
    client.expect_end();
}

// RE-03: a request that is accepted elsewhere leaves nothing behind
#[test]
fn an_upgrade_that_outlives_its_handler_leaks_nothing() {
    let hasty = config(|config| config.linger(Duration::from_millis(50)));
    let server = Server::bind("127.0.0.1:0", hasty).unwrap();
    let mut client = connect(&server);
    thread::spawn(move || {
        server.run_upgrades(|upgrade| {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50)); // the handler has returned
                let response = upgrade.request().accept();
                let (_sender, mut receiver) = upgrade.accept(response).unwrap();
                assert!(receiver.drain().is_err());
            });
            Ok(())
        })
    });
    raw::read_head(&mut client.0);
    client.0.write_all(b"\x81\x00").unwrap(); // not masked
    client.expect_close(1002);
    let mut writes = (0..400).map(|_| {
        thread::sleep(Duration::from_millis(10));
        client.0.write_all(b"x")
    });
    assert!(writes.any(|write| write.is_err()), "the socket is open still");
}

// RE-06: room that the peer has made is found
#[test]
fn try_send_sees_that_the_peer_has_read_on() {
    let (mut client, sender, mut receiver) =
        raw::open(config(|config| config.max_queue(4_000_000)));
    thread::spawn(move || receiver.drain());
    while sender.queued() < 2_500_000 {
        sender.try_send(&[1; 500_000]).unwrap();
    }
    client.0.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut space = vec![0; 1_000_000];
    while client.0.read(&mut space).is_ok() {}
    sender.try_send(&vec![1; 2_000_000]).unwrap();
}

// RE-06: a ping is sent whatever the limit of the queue
#[test]
fn a_ping_waits_for_room_in_the_queue() {
    let (mut client, stream) = raw::sockets();
    let small = config(|config| config.max_queue(100_000));
    let (sender, _receiver) = net::open(stream, Buffer::new(), small).unwrap();
    sender.feed(&[1; 99_990]).unwrap();
    sender.ping(b"ping").unwrap();
    sender.close(CloseCode::NORMAL, "").unwrap();
    let mut bytes = vec![0; 10 + 99_990 + 6 + 4];
    client.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes[10 + 99_990..], *b"\x89\x04ping\x88\x02\x03\xe8");
}
