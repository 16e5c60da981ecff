//! Messages of one connection.

use std::thread;

use sansocket::mio::Server;
use sansocket::{Config, Message};

use crate::client::Client;
use crate::common::wire::{self, BINARY, PING, PONG, TEXT};
use crate::running::{Call, Running};

// ML-01
#[test]
fn an_echo_takes_one_function() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let thread = thread::spawn(move || {
        server.run_fn(|peer, message| {
            assert_eq!(message, Message::Text("hello"));
            peer.send(message).unwrap();
        })
    });
    let mut client = Client::open(address);
    client.assert_echoes();
    client.close();
    assert_eq!(handle.stop(std::time::Duration::ZERO, crate::client::PATIENCE), 0);
    assert_eq!(thread.join().unwrap().unwrap(), 0);
}

// ML-01
#[test]
fn messages_of_all_lengths_come_back() {
    let server = Running::start();
    let (mut client, _) = server.client();
    for len in [0, 1, 125, 126, 8191, 8192, 65_535, 65_536, 300_000, 1 << 20] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        client.write(&wire::client(BINARY, &payload));
        assert_eq!(client.frame(), (BINARY, payload));
    }
}

// ML-01: however they are cut
#[test]
fn messages_that_arrive_byte_by_byte_come_back() {
    let server = Running::start();
    let (mut client, _) = server.client();
    let frames = [wire::client(TEXT, b"echo one"), wire::client(TEXT, b"echo two")].concat();
    for byte in &frames {
        client.write(&[*byte]);
        thread::yield_now();
    }
    assert_eq!(client.text(), "one");
    assert_eq!(client.text(), "two");
}

// ML-01: with the request in one segment
#[test]
fn messages_behind_the_request_are_not_lost() {
    let server = Running::start();
    let mut client = Client::connect(server.address);
    let mut bytes = crate::client::REQUEST.as_bytes().to_vec();
    bytes.extend(wire::client(TEXT, b"echo early"));
    client.write(&bytes);
    client.read_head();
    assert_eq!(client.text(), "early");
}

// ML-01: in order, all in one batch, and more of them than one turn takes
#[test]
fn a_batch_of_many_small_messages_is_answered_in_order() {
    let server = Running::start();
    let (mut client, _) = server.client();
    let mut output = client.0.try_clone().unwrap();
    let writer = thread::spawn(move || {
        for n in 0..20_000_u32 {
            let frame = wire::client(BINARY, &n.to_be_bytes());
            std::io::Write::write_all(&mut output, &frame).unwrap();
        }
    });
    for n in 0..20_000_u32 {
        assert_eq!(client.frame(), (BINARY, n.to_be_bytes().to_vec()));
    }
    writer.join().unwrap();
}

// ML-01: pings are answered by themselves, pongs are seen
#[test]
fn pings_and_pongs_go_both_ways() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(&wire::client(PING, b"one"));
    assert_eq!(client.frame(), (PONG, b"one".to_vec()));
    client.say("ping two");
    assert_eq!(client.frame(), (PING, b"two".to_vec()));
    client.write(&wire::client(PONG, b"two"));
    assert_eq!(server.call(), Call::Message(id, "ping two".to_owned()));
    assert_eq!(server.call(), Call::Pong(id, b"two".to_vec()));
}

// ML-01: what the application keeps lies beside the connection
#[test]
fn each_connection_has_its_state_and_its_address() {
    let server = Running::start();
    let (mut one, id) = server.client();
    let (mut two, _) = server.client();
    one.say("set mine");
    let own = one.0.local_addr().unwrap().to_string();
    assert_eq!(one.ask("address"), own);
    assert_eq!(one.ask("id"), format!("{id:?}"));
    two.say("set other");
    one.close();
    assert_eq!(server.closed(), (id, "mine".to_owned(), "1000".to_owned()));
}
