//! How connections end.

use crate::client::Client;
use crate::common::wire::{self, CLOSE, TEXT};
use crate::running::{Call, Running};

// ML-06: once for each that was opened
#[test]
fn the_end_is_told_with_the_peers_close() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(&wire::client(CLOSE, &wire::body(4000, "enough")));
    client.assert_closed_with(4000);
    assert_eq!(server.closed(), (id, String::new(), "4000 enough".to_owned()));
    assert_eq!(client.rest(), b"");

    let (mut client, id) = server.client();
    client.write(&wire::client(CLOSE, b""));
    assert_eq!(client.frame(), (CLOSE, vec![]));
    assert_eq!(server.closed(), (id, String::new(), "1005".to_owned()));
}

// ML-06
#[test]
fn a_fault_of_the_peer_is_answered_and_told() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.say("set at fault");
    client.write(&wire::client(TEXT, b"\xff"));
    client.assert_closed_with(1007);
    let (closed, state, end) = server.closed();
    assert_eq!((closed, &*state), (id, "at fault"));
    assert_eq!(end, "the peer broke the protocol: a text message is not UTF-8");
}

// ML-06
#[test]
fn a_peer_that_goes_away_is_told() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(b"\x81");
    drop(client);
    let (closed, _, end) = server.closed();
    assert_eq!((closed, &*end), (id, "the connection ended without a Close frame, in the middle"));
    let (client, id) = server.client();
    let mut client = client;
    client.write(&wire::client(TEXT, b"echo unread"));
    client.reset();
    assert_eq!(server.closed().0, id);
}

// ML-06: what the peer sent before it saw our Close still arrives
#[test]
fn the_application_closes() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.say("close 4001");
    client.say("echo behind it");
    let (first, payload) = client.frame();
    assert_eq!((first, &payload[..]), (CLOSE, &b"\x0f\xa1as told"[..]));
    client.write(&wire::client(CLOSE, &wire::body(4001, "")));
    let behind = server.wait_for(|call| match call {
        Call::Message(_, text) if text.starts_with("echo") => Some(text.clone()),
        _ => None,
    });
    assert_eq!(behind, "echo behind it");
    assert_eq!(server.closed(), (id, String::new(), "4001".to_owned()));
    assert_eq!(client.rest(), b"");

    let (mut client, _) = server.client();
    client.say("close 1010");
    assert_eq!(server.mail(), "Err(ClientOnlyCode)");
    assert_eq!(client.ask("echo still open"), "still open");
}

// ML-06: nothing more is delivered
#[test]
fn the_application_cuts_off() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(&[wire::client(TEXT, b"abort"), wire::client(TEXT, b"echo no more")].concat());
    assert_eq!(client.rest(), b"");
    assert_eq!(server.call(), Call::Message(id, "abort".to_owned()));
    let end = "the connection ended without a Close frame".to_owned();
    assert_eq!(server.call(), Call::Closed(id, String::new(), end));
}

// ML-10: its connection gets 1011, the others go on
#[test]
fn a_panic_ends_its_own_connection_with_1011() {
    let server = Running::start();
    let (mut other, _) = server.client();
    let (mut client, id) = server.client();
    client.write(&[wire::client(TEXT, b"panic"), wire::client(TEXT, b"echo no more")].concat());
    client.assert_closed_with(1011);
    assert_eq!(server.closed(), (id, String::new(), "a method of the App panicked".to_owned()));
    assert_eq!(client.rest(), b"");
    assert_eq!(other.ask("echo on"), "on");
}

// ML-10
#[test]
fn a_panic_when_it_is_told_of_an_end_does_no_harm() {
    let server = Running::start();
    let (mut client, _) = server.client();
    client.say("set panic");
    client.close();
    let (mut other, _) = server.client();
    assert_eq!(other.ask("echo on"), "on");
    server.handle.mail(0, crate::running::Mail::Say("panic".to_owned())).unwrap();
    assert_eq!(other.ask("echo still on"), "still on");
    while server.handle.connections() > 1 {
        std::thread::yield_now();
    }
}

// ML-06: the last words of the state
#[test]
fn the_end_of_one_may_be_published_to_others() {
    let server = Running::start();
    let (mut one, _) = server.client();
    let (mut two, _) = server.client();
    assert_eq!(one.ask("join room"), "Ok(true)");
    assert_eq!(two.ask("join room"), "Ok(true)");
    two.say("set will room");
    drop(two);
    assert_eq!(one.text(), "gone");
    let _: &Client = &one;
}

// ML-10, ML-11: so does one when it is told that there is room
#[test]
fn a_panic_when_it_has_drained_ends_its_own_connection() {
    let config = sansocket::Config::builder().max_queue(64 * 1024).build().unwrap();
    let server = Running::start_with(config, |server| server);
    let (mut client, _) = server.client();
    client.say("set panic");
    client.say("fill 100000 1000");
    let (first, payload) = loop {
        match client.frame() {
            (wire::BINARY, _) => {}
            other => break other,
        }
    };
    assert_eq!((first, &payload[..2]), (CLOSE, &1011_u16.to_be_bytes()[..]));
    assert_eq!(server.client().0.ask("echo on"), "on");
}
