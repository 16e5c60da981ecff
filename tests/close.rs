//! The closing handshake, and other ends (RFC 6455 §5.5.1, §7).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::{Seen, Session, assert_failed};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use sansocket::{CloseCode, ProtocolError, SendError};

fn close(body: &[u8]) -> Vec<u8> {
    wire::client(CLOSE, body)
}

// CL-07, CL-10, CL-12, CL-19
#[test]
fn a_close_is_answered_with_the_same_and_then_the_socket_is_closed() {
    let longest = "é".repeat(61) + "!";
    let rows = [
        (None, ""),
        (Some(1000), ""),
        (Some(1001), "going"),
        (Some(1011), "a client's error"),
        (Some(1014), "bad gateway"),
        (Some(3000), ""),
        (Some(3001), "日本"),
        (Some(4999), "\0\u{feff}\u{ffff}"),
        (Some(4000), &longest),
    ];
    for (code, reason) in rows {
        let body = code.map_or(vec![], |code| wire::body(code, reason));
        let mut session = Session::new();
        assert_eq!(session.events(&close(&body)), [Seen::close(code, reason)]);
        assert!(!session.is_over(), "the answer is not written");
        assert_eq!(session.output(), wire::server(CLOSE, &body));
        assert!(session.is_over());
        assert_eq!(session.connection.eof(), Ok(()));
        assert!(session.is_over());
    }
}

// R-120, CL-08
#[test]
fn half_a_code_fails_the_connection() {
    for octet in [0, 3, 0xff] {
        let mut session = Session::new();
        let error = ProtocolError::TruncatedCloseCode;
        assert_eq!(session.feed(&close(&[octet])), (vec![], Some(error)));
        assert_failed(&mut session, error);
    }
}

// CL-09
#[test]
fn a_code_that_must_not_stand_on_the_wire_fails_the_connection() {
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 0xffff] {
        for reason in ["", "why"] {
            let mut session = Session::new();
            let error = ProtocolError::InvalidCloseCode(code);
            assert_eq!(session.feed(&close(&wire::body(code, reason))), (vec![], Some(error)));
            assert_failed(&mut session, error);
        }
    }
}

// R-121, CL-11: also where the vector code looks
#[test]
fn a_reason_that_is_not_text_fails_the_connection() {
    for front in ["", "why", &"x".repeat(100)] {
        for bad in [&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x82", b"\x80", b"\xff later"]
        {
            let body = [b"\x03\xe8", front.as_bytes(), bad].concat();
            let mut session = Session::new();
            let error = ProtocolError::InvalidCloseReason;
            assert_eq!(session.feed(&close(&body)), (vec![], Some(error)));
            assert_failed(&mut session, error);
        }
    }
}

// CL-13: in the same read and in later ones
#[test]
fn nothing_after_a_close_is_processed() {
    let garbage = [&[0xff; 100][..], &close(&[1]), &wire::client(TEXT, b"\xff")];
    let late = [wire::client(TEXT, b"late"), wire::client(PING, b""), close(b"\x0b\xb8")];
    for late in late.iter().map(|late| &late[..]).chain(garbage) {
        let mut session = Session::new();
        let bytes = [&wire::client(TEXT, b"in time"), &close(b"\x03\xe8"), late].concat();
        let wanted = [Seen::text("in time"), Seen::close(1000, "")];
        assert_eq!(session.events(&bytes), wanted);
        for _ in 0..3 {
            assert_eq!(session.events(late), []);
            assert!(session.input.is_empty());
        }
        assert_eq!(session.output(), wire::failure(1000));
    }
}

// CL-14: it is answered at once, and the message is lost
#[test]
fn a_close_inside_a_message_is_a_good_close_that_says_so() {
    for (first, payload) in [(TEXT, &b""[..]), (BINARY, b"lost"), (TEXT, b"cut \xe2\x82")] {
        let mut session = Session::new();
        session.events(&wire::client(first & MORE, payload));
        session.events(&wire::client(CONTINUATION & MORE, b""));
        session.input.extend(&close(b"\x03\xe9bye"));
        let event = session.connection.next_event(&mut session.input).unwrap().unwrap();
        assert_eq!(Seen::from(event), Seen::Close(Some(1001), "bye".into(), true));
        assert!(session.input.is_empty());
        assert_eq!(session.output(), wire::server(CLOSE, b"\x03\xe9bye"));
        assert_eq!(session.events(&wire::client(CONTINUATION, b"late")), []);
        assert_eq!(session.connection.eof(), Ok(()));
    }
}

// then the peer's answer ends it
#[test]
fn our_close_says_what_it_was_told_to() {
    let longest = "x".repeat(123);
    for (code, reason) in [(1000, ""), (1001, "restart"), (3999, "é"), (4000, &longest[..])] {
        let mut session = Session::new();
        session.connection.close(CloseCode::new(code).unwrap(), reason).unwrap();
        assert_eq!(session.output(), wire::server(CLOSE, &wire::body(code, reason)));
        assert!(!session.is_over());
        let answer = close(&wire::body(4321, "as you wish"));
        assert_eq!(session.events(&answer), [Seen::close(4321, "as you wish")]);
        assert_eq!(session.output(), []);
        assert!(session.is_over());
    }
}

// CL-12, CL-25, V37: at a character
#[test]
fn a_reason_that_is_too_long_is_cut() {
    for (reason, sent) in [
        ("x".repeat(124), "x".repeat(123)),
        ("é".repeat(62), "é".repeat(61)),
        ("x".repeat(70_000), "x".repeat(123)),
    ] {
        let mut session = Session::new();
        session.connection.close(CloseCode::NORMAL, &reason).unwrap();
        assert_eq!(session.output(), wire::server(CLOSE, &wire::body(1000, &sent)));
    }
}

// R-134, CL-25: nothing is queued
#[test]
fn a_code_for_clients_is_refused() {
    let mut session = Session::new();
    let refused = session.connection.close(CloseCode::MANDATORY_EXTENSION, "");
    assert_eq!(refused, Err(SendError::ClientOnlyCode));
    assert_eq!(session.output(), []);
    session.connection.send("still open").unwrap();
    assert_eq!(session.frames(), [wire::plain(TEXT, b"still open")]);
}

// CL-18, L-07: what was queued before goes out before
#[test]
fn nothing_but_pongs_follows_our_close() {
    let mut session = Session::new();
    session.connection.send("before").unwrap();
    session.connection.close(CloseCode::GOING_AWAY, "first").unwrap();
    assert_eq!(session.connection.close(CloseCode::NORMAL, "second"), Ok(()));
    assert_eq!(session.connection.send("after"), Err(SendError::Closed));
    assert_eq!(session.connection.send(b"after"), Err(SendError::Closed));
    let prepared = sansocket::Prepared::new("after");
    assert_eq!(session.connection.send_prepared(&prepared), Err(SendError::Closed));
    assert_eq!(session.connection.ping(b"after"), Err(SendError::Closed));
    let wanted = [wire::plain(TEXT, b"before"), wire::plain(CLOSE, b"\x03\xe9first")];
    assert_eq!(session.frames(), wanted);
}

// nor the answer to the peer's
#[test]
fn nothing_follows_the_answer_to_a_close() {
    let mut session = Session::new();
    session.connection.send("before").unwrap();
    session.events(&close(b""));
    assert_eq!(session.connection.send("after"), Err(SendError::Closed));
    assert_eq!(session.connection.close(CloseCode::NORMAL, "again"), Ok(()));
    assert_eq!(session.output(), b"\x81\x06before\x88\0");
    assert_eq!(session.connection.send("after"), Err(SendError::Closed));
}

// R-128, CL-17
#[test]
fn both_may_close_at_once() {
    let mut session = Session::new();
    session.connection.close(CloseCode::GOING_AWAY, "mine").unwrap();
    assert_eq!(session.events(&close(b"\x0f\xa0yours")), [Seen::close(4000, "yours")]);
    assert!(!session.is_over());
    assert_eq!(session.output(), b"\x88\x06\x03\xe9mine");
    assert!(session.is_over());
}

// nothing is lost that the peer sent before it saw our Close
#[test]
fn after_our_close_the_peer_is_heard_until_its_own() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    let open = wire::client(TEXT & MORE, b"cross");
    assert_eq!(session.events(&open), []);
    assert_eq!(session.events(&wire::client(PONG, b"")), [Seen::pong([])]);
    assert_eq!(session.events(&wire::client(CONTINUATION, b"ing")), [Seen::text("crossing")]);
    assert_eq!(session.events(&wire::client(BINARY, b"too")), [Seen::binary("too")]);
    assert!(!session.is_over());
    assert_eq!(session.events(&close(b"\x03\xe8")), [Seen::close(1000, "")]);
    assert!(session.is_over());
}

// R-130, CL-23: no second Close frame
#[test]
fn a_fault_after_our_close_ends_the_connection() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.output(), wire::failure(1000));
    let failed = (vec![], Some(ProtocolError::ReservedBit));
    assert_eq!(session.feed(&[0xf1]), failed);
    assert_eq!(session.output(), []);
    assert!(session.is_over());
    assert_eq!(session.feed(&[0x83]), failed, "the first error stays");
}

// R-139, CL-22: as much as waits, there is room for a Close
#[test]
fn a_full_queue_has_room_for_a_close() {
    let full = || {
        let mut session = Session::with(|config| config.max_queue(200));
        session.connection.send(&[1; 186]).unwrap();
        assert_eq!(session.connection.send(""), Err(SendError::QueueFull));
        session
    };
    let queued = wire::plain(BINARY, &[1; 186]);

    let mut session = full();
    let reason = "x".repeat(123);
    session.connection.close(CloseCode::NORMAL, &reason).unwrap();
    let last = wire::plain(CLOSE, &wire::body(1000, &reason));
    assert_eq!(session.frames(), [queued.clone(), last.clone()]);

    let mut session = full();
    session.events(&close(&wire::body(1000, &reason)));
    assert_eq!(session.frames(), [queued.clone(), last]);

    let mut session = full();
    assert!(session.feed(&[0x83]).1.is_some());
    assert_eq!(session.frames(), [queued, wire::plain(CLOSE, b"\x03\xea")]);
}

// CL-20: between frames, in a header, in a payload, in a message
#[test]
fn an_end_without_a_close_says_what_was_lost() {
    let whole = wire::client(TEXT, b"whole");
    let rows = [
        (vec![], false),
        (wire::client(PING, b"1"), false),
        (vec![0x81], true),
        (vec![0x81, 0x85], true),
        (wire::declare(TEXT, 5), true),
        (wire::declare(BINARY, 70_000)[..9].to_vec(), true),
        (wire::client(TEXT, b"Hello")[..8].to_vec(), true),
        (wire::client(TEXT & MORE, b""), true),
        (wire::client(TEXT & MORE, b"Hel"), true),
        ([wire::client(TEXT & MORE, b"Hel"), wire::client(PING, b"")].concat(), true),
        (wire::client(PING, b"abc")[..7].to_vec(), true),
        (wire::client(CLOSE, b"\x03\xe8")[..7].to_vec(), true),
        ([&wire::client(TEXT & MORE, b"a")[..], &[0x80]].concat(), true),
    ];
    for (rest, mid_message) in rows {
        let mut session = Session::new();
        assert_eq!(session.events(&whole), [Seen::text("whole")]);
        session.events(&rest);
        session.output();
        let disconnected = session.connection.eof().unwrap_err();
        assert_eq!(disconnected.mid_message, mid_message, "{rest:x?}");
        assert!(session.is_over());
        assert_eq!(session.output(), [], "a code 1006 is never sent");
    }
}

// R-136, V82: the end is the end
#[test]
fn after_the_end_of_the_stream_nothing_comes_and_nothing_goes() {
    let mut session = Session::new();
    session.events(&wire::client(PING, b"?"));
    assert!(!session.connection.eof().unwrap_err().mid_message);
    assert_eq!(session.connection.send("late"), Err(SendError::Closed));
    assert_eq!(session.connection.close(CloseCode::NORMAL, ""), Ok(()));
    for _ in 0..3 {
        assert_eq!(session.events(&wire::client(TEXT, b"late")), []);
    }
    assert!(!session.is_over(), "the peer may still read");
    assert_eq!(session.output(), b"\x8a\x01?");
    assert!(session.is_over());
}

// R-138, CL-19, CL-20: after a failure or both Closes the end is expected; after ours alone not
#[test]
fn an_end_is_good_after_the_peers_close_only() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    assert!(!session.connection.eof().unwrap_err().mid_message);
    assert_eq!(session.output(), wire::failure(1000), "what was said before may still go out");

    let mut session = Session::new();
    assert!(session.feed(&[0x83]).1.is_some());
    assert_eq!(session.connection.eof(), Ok(()));
    assert_eq!(session.output(), wire::failure(1002));
    let failed = (vec![], Some(ProtocolError::ReservedOpcode(3)));
    assert_eq!(session.feed(b"late"), failed);
}

// R-141, RE-09: what the application logs says what was wrong
#[test]
fn errors_name_the_fault_and_their_close_code() {
    let rows = [
        (ProtocolError::ReservedBit, 1002, "a reserved bit is set"),
        (ProtocolError::ReservedOpcode(11), 1002, "opcode 0xb is reserved"),
        (ProtocolError::FragmentedControl, 1002, "a control frame is fragmented"),
        (ProtocolError::LongControl, 1002, "a control frame carries more than 125 bytes"),
        (ProtocolError::UnexpectedContinuation, 1002, "a continuation frame continues nothing"),
        (ProtocolError::InterleavedMessage, 1002, "a message begins inside another"),
        (ProtocolError::Unmasked, 1002, "a frame from the client is not masked"),
        (ProtocolError::Masked, 1002, "a frame from the server is masked"),
        (ProtocolError::MalformedLength, 1002, "the payload length is malformed"),
        (
            ProtocolError::MessageTooBig { len: 11, max: 10 },
            1009,
            "the message of 11 bytes, or more, is larger than the limit of 10",
        ),
        (ProtocolError::TooManyEmptyFragments, 1008, "too many empty fragments"),
        (ProtocolError::InvalidText, 1007, "a text message is not UTF-8"),
        (ProtocolError::TruncatedCloseCode, 1002, "a Close frame has half a code"),
        (ProtocolError::InvalidCloseCode(7), 1002, "close code 7 must not stand on the wire"),
        (ProtocolError::InvalidCloseReason, 1007, "a close reason is not UTF-8"),
    ];
    for (error, code, text) in rows {
        assert_eq!((u16::from(error.close_code()), &*error.to_string()), (code, text));
    }
}
