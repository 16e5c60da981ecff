//! Whose turn it is. What is counted is messages, not time.

use std::io::Write;
use std::sync::mpsc::channel;

use crate::client::Client;
use crate::common::wire::{self, PING, TEXT};
use crate::running::{Call, Mail, Running};

/// Messages of a turn.
const TURN: usize = 1024;

/// How many messages of others are dealt with before that of a quiet peer, if all of them lie there at once.
fn before_the_quiet_one(floods: usize, frame: &[u8]) -> usize {
    let server = Running::start();
    let mut clients: Vec<Client> = (0..floods).map(|_| server.client().0).collect();
    let (mut quiet, id) = server.client();
    let (go_on, wait) = channel();
    server.handle.mail(0, Mail::Wait(wait)).unwrap();
    for client in &mut clients {
        // As much as the socket takes.
        client.0.set_nonblocking(true).unwrap();
        let flood = frame.repeat(20_000);
        let mut sent = 0;
        while let Ok(n @ 1..) = client.0.write(&flood[sent..]) {
            sent += n;
        }
        assert!(sent > frame.len() * 4 * TURN);
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
        let before = before_the_quiet_one(floods, &wire::client(TEXT, b"x"));
        assert!(before <= floods * TURN, "{before} behind {floods}");
    }
    assert_eq!(before_the_quiet_one(2, &wire::client(PING, b"")), 0);
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
