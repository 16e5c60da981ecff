//! What a client in a hurry sends behind its request (RFC 6455 §4.2.2, §10.3).

use sansocket::handshake::{Acceptor, HandshakeError, Incoming};
use sansocket::{Buffer, Config, Connection};

use crate::common::session::{Seen, Session};
use crate::common::wire::{self, CLOSE, MORE, PING, TEXT};
use crate::heads::with;
use crate::replay::{accepted, buffer};

/// What a connection sees in `input` once the request in front of it is accepted.
fn events(input: Buffer) -> Vec<Seen> {
    let mut session = Session::of(Connection::server(Config::default()));
    session.input = input;
    session.events(b"")
}

// HS-33, HS-42: wherever it is cut
#[test]
fn frames_behind_the_head_are_kept_for_the_connection() {
    let frames = [
        wire::client(TEXT, b"early"),
        wire::client(PING, b"?"),
        wire::client(TEXT & MORE, b"bi"),
        wire::client(wire::CONTINUATION, b"rd"),
        wire::client(CLOSE, &wire::body(1000, "bye")),
    ];
    let seen = [Seen::text("early"), Seen::ping("?"), Seen::text("bird"), Seen::close(1000, "bye")];
    let image = [with(&[]), frames.concat()].concat();
    accepted(&image, &Config::default());
    for cut in 1..image.len() {
        let mut input = buffer(&image[..cut]);
        let mut parsed = Acceptor::new(Config::default()).next(&mut input).unwrap();
        input.extend(&image[cut..]);
        if parsed.is_none() {
            parsed = Acceptor::new(Config::default()).next(&mut input).unwrap();
        }
        assert!(parsed.is_some(), "cut at {cut}");
        assert_eq!(input.unread(), &image[with(&[]).len()..], "cut at {cut}");
        assert_eq!(events(input), seen, "cut at {cut}");
    }
}

// R-035, HS-33: a frame of which only a part came with the head
#[test]
fn half_a_frame_behind_the_head_is_finished_later() {
    let frame = wire::client(TEXT, b"early bird");
    for cut in 0..frame.len() {
        let mut input = buffer(&[&with(&[])[..], &frame[..cut]].concat());
        assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(Some(_))));
        let mut session = Session::of(Connection::server(Config::default()));
        session.input = input;
        assert_eq!(session.events(b""), []);
        assert_eq!(session.events(&frame[cut..]), [Seen::text("early bird")]);
    }
}

// R-035, HS-33, HS-34, V71: a second request is no frame
#[test]
fn a_request_behind_an_accepted_one_breaks_the_protocol() {
    let mut input = buffer(&[with(&[]), with(&[])].concat());
    assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(Some(_))));
    assert_eq!(input.unread(), with(&[]));
    let mut session = Session::of(Connection::server(Config::default()));
    session.input = input;
    let (seen, error) = session.feed(b"");
    assert_eq!(seen, []);
    assert_eq!(error, Some(sansocket::ProtocolError::ReservedBit));
    assert_eq!(session.output(), wire::failure(1002));
}

// the answer and what the server has to say go out together
#[test]
fn the_server_may_speak_as_soon_as_it_has_answered() {
    let mut input = buffer(&with(&[]));
    let request =
        Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    let mut connection = Connection::server(Config::default());
    connection.send("welcome").unwrap();
    let output = [&request.accept().to_bytes(), connection.pending()].concat();
    assert_eq!(
        output.escape_ascii().to_string(),
        "HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n\\x81\\x07welcome"
    );
}

// R-033, HS-42: the rest of a request that was put aside, as an event loop does
#[test]
fn a_part_of_a_head_can_move_to_another_buffer() {
    let image = [&with(&[])[..], &wire::client(TEXT, b"early")].concat();
    for cut in 0..=image.len() {
        let mut shared = buffer(&image[..cut]);
        let early = Acceptor::new(Config::default()).next(&mut shared).unwrap();
        let mut own = shared.detach();
        assert!(shared.is_empty());
        own.extend(&image[cut..]);
        let request = early.or_else(|| Acceptor::new(Config::default()).next(&mut own).unwrap());
        assert_eq!(request.unwrap().upgrade().unwrap().path(), "/chat");
        assert_eq!(events(own), [Seen::text("early")]);
    }
}

// HS-33, V53: where the search for the end has got to is forgotten with the head
#[test]
fn each_head_is_searched_from_its_beginning() {
    let config = Config::default();
    let long = format!("GET /1 HTTP/1.1\r\nHost: e\r\nX: {}\r\n\r\n", "x".repeat(400));
    let mut input = Buffer::new();
    input.extend(&long.as_bytes()[..300]);
    assert!(Acceptor::new(&config).next(&mut input).unwrap().is_none());
    input.extend(&long.as_bytes()[300..]);
    input.extend(b"GET /2 HTTP/1.1\r\nHost: e\r\n\r\n");
    for path in ["/1", "/2"] {
        match Acceptor::new(&config).next(&mut input) {
            Ok(Some(Incoming::Http(head))) => assert_eq!(head.path(), path),
            other => panic!("{other:?}"),
        }
    }
    // And with what is detached.
    input.extend(&long.as_bytes()[..300]);
    assert!(Acceptor::new(&config).next(&mut input).unwrap().is_none());
    assert_eq!(input.detach().unread(), &long.as_bytes()[..300]);
    input.extend(b"GET / HTTP/1.1\nHost: example.com\r\n\r\n");
    let parsed = Acceptor::new(&config).next(&mut input);
    assert!(matches!(parsed, Err(HandshakeError::Malformed)), "{parsed:?}");
}
