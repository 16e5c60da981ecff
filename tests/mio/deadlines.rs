//! What happens when nothing happens.

use std::io::Write;
use std::time::{Duration, Instant};

use sansocket::{Config, ConfigBuilder};

use crate::client::Client;
use crate::common::wire::{self, PING, PONG, TEXT};
use crate::running::{Call, Mail, Running};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(1000);

fn start(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Running {
    Running::start_with(set(Config::builder()).build().unwrap(), |server| server)
}

// ML-07
#[test]
fn a_request_that_dribbles_in_is_answered_with_408() {
    let server = start(|config| config.handshake_timeout(SHORT));
    let mut client = Client::connect(server.address);
    client.write(b"GET / HT");
    assert_eq!(client.status(), 408);
    assert_eq!(server.refused(), "the opening handshake took too long");
    // One that says nothing is closed.
    let mut silent = Client::connect(server.address);
    assert_eq!(silent.rest(), b"");
}

// ML-07
#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let server = start(|config| config.keepalive(SHORT, SHORT));
    let (mut client, id) = server.client();
    assert_eq!(client.frame(), (PING, vec![]));
    client.write(&wire::client(PONG, b""));
    assert_eq!(client.frame(), (PING, vec![]));
    assert_eq!(client.rest(), b"");
    assert_eq!(server.closed(), (id, String::new(), "the peer fell silent".to_owned()));
}

// ML-07, ML-13: its pongs are not read
#[test]
fn the_silence_of_a_connection_that_is_paused_does_not_count() {
    let server = start(|config| config.keepalive(SHORT, SHORT));
    let (mut client, id) = server.client();
    client.say("pause");
    assert_eq!(client.frame(), (PING, vec![]));
    client.write(&wire::client(PONG, b""));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        server.handle.mail(0, Mail::Say("still".to_owned())).unwrap();
        server.mail();
        std::thread::sleep(SHORT);
    }
    server.handle.mail(0, Mail::Do(id, "resume".to_owned())).unwrap();
    client.say("echo here");
    loop {
        match client.frame() {
            (PING, _) => client.write(&wire::client(PONG, b"")),
            (_, text) => break assert_eq!(text, b"here"),
        }
    }
}

// ML-07
#[test]
fn a_close_that_is_not_answered_ends() {
    let server = start(|config| config.close_timeout(SHORT).keepalive(LONG, LONG));
    let (mut client, id) = server.client();
    client.say("close 4000");
    client.assert_closed_with(4000);
    assert_eq!(client.rest(), b"");
    assert_eq!(server.closed(), (id, String::new(), "the closing handshake took too long".into()));
}

// ML-07
#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let server = start(|config| config.write_timeout(SHORT).keepalive(LONG, LONG));
    let (mut client, id) = server.client();
    client.say("fill 1000000 10000");
    assert_eq!(server.closed(), (id, String::new(), "the peer stopped reading".to_owned()));
    client.rest();
}

// ML-07, ML-13: an application that pauses until the queue has drained does not wait for ever
#[test]
fn a_peer_that_takes_nothing_is_cut_off_while_it_is_paused() {
    let timeout = Duration::from_millis(1500);
    let server = start(|config| config.write_timeout(timeout).keepalive(SHORT, SHORT));
    let (mut client, id) = server.client();
    let commands = ["fill 1000000 10000", "pause"].map(|one| wire::client(TEXT, one.as_bytes()));
    client.write(&commands.concat());
    assert_eq!(server.closed(), (id, String::new(), "the peer stopped reading".to_owned()));
    client.rest();
}

// ML-07: after our last byte it has time to end its side, but not for ever
#[test]
fn a_peer_that_does_not_end_its_side_is_not_waited_for_long() {
    let server = start(|config| config.linger(SHORT));
    let (mut client, _) = server.client();
    client.write(&wire::client(wire::CLOSE, &wire::body(1000, "")));
    client.assert_closed_with(1000);
    assert_eq!(client.rest(), b"");
    while server.handle.connections() > 0 {
        std::thread::sleep(SHORT);
    }
    let _ = client.0.write(b"x");
}

// ML-07: what others say is no sign of life of one, though they share a buffer
#[test]
fn a_silent_peer_is_given_up_beside_others_that_pause() {
    let second = Duration::from_secs(1);
    let config = Config::builder().keepalive(second, second).build().unwrap();
    let server = Running::start_with(config, |server| server);
    let (_silent, id) = server.client();
    // Each stops in the middle of its turn.
    for _ in 0..100 {
        let mut other = Client::open(server.address);
        other.say("pause");
        std::thread::sleep(Duration::from_millis(60));
        let is_given_up = |call: &Call| matches!(call, Call::Closed(closed, ..) if *closed == id);
        if server.calls().iter().any(is_given_up) {
            return;
        }
    }
    panic!("it was kept for six seconds");
}
