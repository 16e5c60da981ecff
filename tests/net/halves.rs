//! The halves of a connection: whom they serve, how one call ends it, and events in two steps.

use std::io::{IoSlice, Write};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::{Acceptor, Response};
use sansocket::net::{self, Incoming};
use sansocket::{
    Buffer, CloseCode, Config, Connection, Event, Message, Prepared, Replies, Unsent, WriteHalf,
    Written,
};

use crate::raw::{self, CLOSE, PING, Raw, TEXT, frame, read_head, sockets};

#[test]
fn a_connection_says_whom_it_serves() {
    let (client, server) = sockets();
    let address = client.local_addr().unwrap();
    let accepting = thread::spawn(move || net::accept(server, Config::default()).unwrap());
    let mut client = Raw::shake_hands(client);
    let (sender, mut receiver) = accepting.join().unwrap();
    assert_eq!(sender.stream().peer_addr().unwrap(), address);
    assert_eq!(receiver.stream().peer_addr().unwrap(), address);
    assert_eq!(receiver.request().unwrap().path(), "/chat");
    client.send(TEXT, b"x");
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("x")));
    assert!(receiver.request().is_none(), "an idle connection keeps nothing");
    assert!(receiver.take_request().is_none());
    sender.feed("fed").unwrap();
    assert_eq!(sender.queued(), 5);
    sender.try_send("now").unwrap();
    sender.try_send_prepared(&Prepared::new("prepared")).unwrap();
    for text in [&b"fed"[..], b"now", b"prepared"] {
        assert_eq!(client.read(), (TEXT, text.to_vec()));
    }
}

// the whole goodbye in one call
#[test]
fn close_waits_for_the_peers_close() {
    let (mut client, sender, receiver) = raw::open(Config::default());
    let closing = thread::spawn(move || receiver.close(CloseCode::GOING_AWAY, "bye"));
    assert_eq!(client.read(), (CLOSE, b"\x03\xe9bye".to_vec()));
    client.send(TEXT, b"discarded");
    client.send_close(1001, "");
    client.expect_end();
    drop(client);
    closing.join().unwrap().unwrap();
    assert!(sender.send("late").is_err());
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_served() {
    use std::io::Read;
    use std::os::unix::net::{UnixListener, UnixStream};

    use sansocket::net::Server;

    use crate::raw::{PATIENCE, REQUEST};

    let path = std::env::temp_dir().join(format!("sansocket-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let server = Server::from_listener(listener, Config::default()).unwrap();
    let handle = server.handle();
    let running = thread::spawn(move || server.run(|_, mut receiver| Ok(receiver.drain()?)));
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    drop(client);
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    assert_eq!(running.join().unwrap(), 0);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn plain_http_can_be_rejected() {
    let (mut client, server) = sockets();
    client.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
    let Incoming::Http(http) = Incoming::read(server, Config::default()).unwrap() else {
        panic!("this is no WebSocket");
    };
    assert!(http.stream().peer_addr().is_ok());
    let rejecting = thread::spawn(move || http.reject());
    assert!(read_head(&mut client).starts_with("HTTP/1.1 426 "));
    drop(client);
    rejecting.join().unwrap();
}

fn input() -> Buffer {
    let mut input = Buffer::new();
    for (first, payload) in [(PING, &b"p"[..]), (TEXT, b"hi"), (TEXT, b"\xff")] {
        input.extend(&frame(first, payload));
    }
    input
}

#[test]
fn events_come_in_two_steps() {
    let (mut connection, mut input) = (Connection::server(Config::default()), input());
    let ready = connection.advance(&mut input).unwrap().unwrap();
    assert!(!ready.is_message() && !ready.is_close());
    assert_eq!(connection.event(ready, &input).unwrap(), Event::Ping(b"p"));
    let ready = connection.advance(&mut input).unwrap().unwrap();
    assert!(ready.is_message());
    assert_eq!(connection.event(ready, &input).unwrap(), Event::Message(Message::Text("hi")));
    let ready = connection.advance(&mut input).unwrap().unwrap();
    assert!(connection.event(ready, &input).is_err());
    assert_eq!(connection.pending(), b"\x8a\x01p\x88\x02\x03\xef");
}

#[test]
fn halves_exchange_replies() {
    let (mut read, mut write) = Connection::server(Config::default()).split();
    let (mut input, mut replies) = (input(), Replies::new());
    assert_eq!(read.next_event(&mut input, &mut replies).unwrap(), Some(Event::Ping(b"p")));
    assert_eq!(format!("{replies:?}"), "Replies { pong: true, ping: false, close: false, .. }");
    assert!(read.next_event(&mut input, &mut replies).unwrap().is_some());
    assert!(read.next_event(&mut input, &mut replies).is_err());
    assert!(replies.has_close());
    write.reply(&mut replies);
    assert!(replies.is_empty());
    assert_eq!(write.pending(), b"\x8a\x01p\x88\x02\x03\xef");
}

#[test]
fn a_refusal_is_written_by_the_write_loop() {
    let mut acceptor = Acceptor::new(Config::default());
    acceptor.respond(Response::new(404).unwrap()).unwrap();
    let mut written = Vec::new();
    acceptor.write_with(|slices| written.write_vectored(slices)).unwrap();
    assert!(written.starts_with(b"HTTP/1.1 404 "));
    assert!(acceptor.wants_shutdown());
}

#[test]
fn a_half_that_receives_remembers_the_end() {
    let (mut read, _) = Connection::server(Config::default()).split();
    assert!(!read.has_eof() && !read.is_closed());
    assert!(read.eof(&mut Replies::new()).is_err());
    assert!(read.has_eof() && read.is_closed());
}

// what the writer holds back is not written
#[test]
fn our_side_is_not_ended_before_the_writer_has_passed_on_everything() {
    let (mut read, mut write) = Connection::server(Config::default()).split();
    let (mut input, mut replies, now) = (Buffer::new(), Replies::new(), Instant::now());
    input.extend(&frame(CLOSE, b"\x03\xe8"));
    assert!(read.advance(&mut input, &mut replies).unwrap().unwrap().is_close());
    write.reply(&mut replies);
    write.sent(write.pending().len());
    write.flush_with(|| Ok(1)).unwrap();
    assert!(!write.wants_shutdown());
    assert_eq!(write.tick(now), Ok(Some(now + Duration::from_secs(30))));
    write.flush_with(|| Ok(0)).unwrap();
    assert!(write.wants_shutdown());
    assert_eq!(write.tick(now), Ok(None));
}

// L-10, V38: what a writer passes on, such as records of TLS, is a sign of life; what it takes from us is none
#[test]
fn a_peer_that_reads_what_the_writer_holds_is_not_silent() {
    let (mut read, mut write) = Connection::server(Config::default()).split();
    let (start, mut replies) = (Instant::now(), Replies::new());
    let mut tick = |seconds, write: &WriteHalf| {
        let now = start + Duration::from_secs(seconds);
        let next = read.tick(now, write.progress(), &mut replies).unwrap().unwrap();
        let pings = !replies.is_empty();
        replies = Replies::new();
        ((next - start).as_secs(), pings)
    };
    assert_eq!(write.flush_with(|| Ok(1000)).unwrap(), Written::Blocked);
    assert_eq!(tick(0, &write), (30, false));
    for (seconds, held, due, pings) in
        [(29, 980, 59, false), (40, 980, 59, false), (58, 500, 88, false), (88, 600, 118, true)]
    {
        let taken = |slices: &[IoSlice<'_>]| Ok(slices.iter().map(|slice| slice.len()).sum());
        write.send("taken").unwrap();
        assert_eq!(write.write_with(&mut Unsent::nothing(), taken).unwrap(), Written::All);
        assert_eq!(write.flush_with(|| Ok(held)).unwrap(), Written::Blocked);
        assert_eq!(tick(seconds, &write), (due, pings));
    }
}
