//! Whose turn it is. What is counted is messages, not time.

use std::io::Write;

use sansocket::Config;

use crate::client::{Client, REQUEST};
use crate::common::wire::{self, CONTINUATION, MORE, PING, TEXT};
use crate::running::{Call, Running};

/// Messages of a turn.
const TURN: usize = 1024;

/// A client that offers compression.
fn open(server: &Running) -> Client {
    let mut client = Client::connect(server.address);
    let request = REQUEST.strip_suffix("\r\n").unwrap();
    client
        .write(format!("{request}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n").as_bytes());
    client.read_head();
    server.wait_for(|call| matches!(call, Call::Open(..)).then_some(()));
    client
}

/// How many messages of others are dealt with before that of a quiet peer, if all of them lie there at once.
fn before_the_quiet_one(config: Config, floods: usize, frame: &[u8]) -> usize {
    let server = Running::start_with(config, |server| server);
    let mut clients: Vec<Client> = (0..floods).map(|_| open(&server)).collect();
    let (mut quiet, id) = server.client();
    let go_on = server.hold(0);
    for client in &mut clients {
        // As much as the socket takes.
        client.0.set_nonblocking(true).unwrap();
        let flood = frame.repeat(20_000);
        let mut sent = 0;
        while let Ok(n @ 1..) = client.0.write(&flood[sent..]) {
            sent += n;
        }
        assert!(sent > (frame.len() * 4 * TURN).min(512 * 1024));
    }
    quiet.say("quiet");
    go_on.send(()).unwrap();
    let mut before = 0;
    loop {
        match server.call() {
            Call::Message(from, _) if from == id => return before,
            Call::Message(..) => before += 1,
            _ => {}
        }
    }
}

// ML-17
#[test]
fn a_quiet_peer_waits_for_one_turn_of_each_that_floods() {
    for floods in [1, 5] {
        let before = before_the_quiet_one(Config::default(), floods, &wire::client(TEXT, b"x"));
        assert!(before <= floods * TURN, "{before} behind {floods}");
    }
    assert_eq!(before_the_quiet_one(Config::default(), 2, &wire::client(PING, b"")), 0);
}

// ML-17: a fragment is as much as a message
#[test]
fn a_turn_has_only_so_many_fragments() {
    let mut message = wire::client(TEXT & MORE, b"x");
    message.extend(wire::client(CONTINUATION & MORE, b"x").repeat(6));
    message.extend(wire::client(CONTINUATION, b"x"));
    let before = before_the_quiet_one(Config::default(), 1, &message);
    assert!((1..=TURN / 8).contains(&before), "{before}");
}

// ML-17: of what is compressed, that counts which it becomes
#[cfg(feature = "deflate")]
#[test]
fn a_turn_decompresses_only_so_much() {
    let config = Config::builder().compression(sansocket::Compression::new()).build().unwrap();
    let message = wire::compressed(TEXT, &[b'x'; 16 * 1024]);
    let before = before_the_quiet_one(config.clone(), 1, &message);
    assert!((1..=16).contains(&before), "{before}");
    // But once only, whatever follows it.
    let mut messages = wire::compressed(TEXT, &[b'x'; 200 * 1024]);
    messages.extend(wire::client(TEXT, b"x").repeat(500));
    let before = before_the_quiet_one(config, 1, &messages);
    assert!((200..=TURN).contains(&before), "{before}");
}

// ML-17: one that floods waits behind others that have come since
#[test]
fn a_peer_that_floods_gets_all_its_answers() {
    let server = Running::start();
    let (mut flood, _) = server.client();
    let (mut quiet, _) = server.client();
    let mut output = flood.0.try_clone().unwrap();
    let frames = wire::client(wire::BINARY, b"x").repeat(20_000);
    let writer = std::thread::spawn(move || output.write_all(&frames).unwrap());
    let reader = std::thread::spawn(move || {
        for _ in 0..20_000 {
            assert_eq!(flood.frame().1, b"x");
        }
    });
    while !reader.is_finished() {
        assert_eq!(quiet.ask("echo here"), "here");
    }
    reader.join().unwrap();
    writer.join().unwrap();
}

// ML-17: what came in a turn is known when it is over, wherever that is: here, that a message was whole
#[test]
fn a_message_is_whole_though_a_turn_ends_behind_it() {
    let server = Running::start();
    let (mut other, _) = server.client();
    for messages in TURN - 8..=TURN {
        let (mut client, id) = server.client();
        let frames = wire::client(TEXT, b"x").repeat(messages);
        client.write(&frames[..1]);
        assert_eq!(other.ask("echo it was read"), "it was read");
        client.write(&frames[1..]);
        client.0.shutdown(std::net::Shutdown::Write).unwrap();
        let (closed, _, end) = server.closed();
        assert_eq!(closed, id);
        assert!(!end.contains("middle"), "{messages}: {end}");
    }
}
