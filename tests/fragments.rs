//! Messages in several frames (RFC 6455 §5.4).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::{Seen, Session, assert_fails_at_the_end};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use sansocket::{Event, Message, ProtocolError};

/// A message in fragments of these payloads.
fn fragments(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (i, payload) in payloads.iter().enumerate() {
        let opcode = if i == 0 { first } else { CONTINUATION };
        let last = i + 1 == payloads.len();
        bytes.extend(wire::client(if last { opcode } else { opcode & MORE }, payload));
    }
    bytes
}

// of the type that the first one names
#[test]
fn fragments_are_joined_in_order() {
    let payload: Vec<u8> = (0..100).collect();
    for n in [1, 2, 3, 100] {
        let pieces: Vec<&[u8]> = payload.chunks(100 / n).collect();
        let mut session = Session::new();
        let text = Seen::text(String::from_utf8(payload.clone()).unwrap());
        assert_eq!(session.events(&fragments(TEXT, &pieces)), [text], "{n}");
        let binary = Seen::binary(payload.clone());
        assert_eq!(session.events(&fragments(BINARY, &pieces)), [binary], "{n}");
    }
}

// FR-18: empty ones, too
#[test]
fn a_message_is_the_same_however_it_is_cut() {
    let payload = "Grüße, 世界".as_bytes();
    let wanted = [Seen::text("Grüße, 世界")];
    for a in 0..=payload.len() {
        for b in a..=payload.len() {
            let pieces = [&payload[..a], &payload[a..b], &payload[b..]];
            assert_eq!(Session::new().events(&fragments(TEXT, &pieces)), wanted, "{a} {b}");
        }
    }
}

// R-106, FR-18
#[test]
fn fragments_may_be_empty() {
    let rows: [(&[&[u8]], &str); 6] = [
        (&[b"", b"a", b"b"], "ab"),
        (&[b"a", b"", b"b"], "ab"),
        (&[b"a", b"b", b""], "ab"),
        (&[b"", b"", b"a"], "a"),
        (&[b"", b""], ""),
        (&[b"", b"", b""], ""),
    ];
    for (payloads, whole) in rows {
        let mut session = Session::new();
        assert_eq!(session.events(&fragments(TEXT, payloads)), [Seen::text(whole)]);
        assert_eq!(session.events(&fragments(BINARY, payloads)), [Seen::binary(whole)]);
    }
}

// text and binary, whole and in pieces
#[test]
fn after_the_last_fragment_a_new_message_begins() {
    let bytes = [
        fragments(TEXT, &[b"o", b"ne"]),
        fragments(BINARY, &[b"t", b"w", b"o"]),
        fragments(TEXT, &[b"three"]),
        fragments(BINARY, &[b"four"]),
        fragments(TEXT, &[b"", b"five"]),
    ]
    .concat();
    let wanted = [
        Seen::text("one"),
        Seen::binary("two"),
        Seen::text("three"),
        Seen::binary("four"),
        Seen::text("five"),
    ];
    assert_eq!(Session::new().events(&bytes), wanted);
}

// R-100, FR-11: at its first byte
#[test]
fn a_continuation_continues_something() {
    let whole = fragments(TEXT, &[b"whole"]);
    let pieces = fragments(BINARY, &[b"in", b"pieces"]);
    let ping = wire::client(PING, b"");
    for before in [vec![], whole, pieces, ping] {
        for first in [CONTINUATION, CONTINUATION & MORE] {
            assert_fails_at_the_end(&before, &[first], ProtocolError::UnexpectedContinuation);
        }
    }
}

// R-101, FR-12: at its first byte
#[test]
fn a_message_does_not_begin_inside_another() {
    for open in [TEXT & MORE, BINARY & MORE] {
        for payload in [&b""[..], b"open"] {
            let mut before = wire::client(open, payload);
            for _ in 0..2 {
                for first in [TEXT, BINARY, TEXT & MORE, BINARY & MORE] {
                    assert_fails_at_the_end(&before, &[first], ProtocolError::InterleavedMessage);
                }
                before.extend(wire::client(CONTINUATION & MORE, b"still"));
            }
        }
    }
}

// FR-12: what was open is gone, what was complete is not
#[test]
fn a_message_inside_another_loses_neither_earlier_one() {
    let bytes = [
        fragments(TEXT, &[b"whole"]),
        wire::client(TEXT & MORE, b"lost"),
        wire::client(BINARY, b"wrong"),
    ]
    .concat();
    let error = Some(ProtocolError::InterleavedMessage);
    assert_eq!(Session::new().feed(&bytes), (vec![Seen::text("whole")], error));
}

// FR-13: the pong is pending before the message is complete
#[test]
fn control_frames_between_fragments_are_handled_at_once() {
    let mut session = Session::new();
    session.input.extend(&wire::client(TEXT & MORE, b"Hel"));
    session.input.extend(&wire::client(PING, b"now"));
    session.input.extend(&wire::client(PONG, b"unasked"));
    session.input.extend(&wire::client(CONTINUATION, b"lo"));

    let event = session.connection.next_event(&mut session.input).unwrap();
    assert_eq!(event, Some(Event::Ping(b"now")));
    assert_eq!(session.connection.pending(), b"\x8a\x03now");
    let event = session.connection.next_event(&mut session.input).unwrap();
    assert_eq!(event, Some(Event::Pong(b"unasked")));
    let event = session.connection.next_event(&mut session.input).unwrap();
    assert_eq!(event, Some(Event::Message(Message::Text("Hello"))));
    assert_eq!(session.output(), b"\x8a\x03now");
}

// R-102, FR-13: with the longest payloads, before the first byte of the message and after the last
#[test]
fn control_frames_between_fragments_leave_the_message_alone() {
    let pieces = [&b""[..], b"a", b"", b"bc", b"def", b""];
    let mut bytes = Vec::new();
    for (i, payload) in (0..).zip(pieces) {
        bytes.extend(wire::client(if i == 0 { BINARY } else { CONTINUATION } & MORE, payload));
        bytes.extend(wire::client(PING, &[i; 125]));
    }
    bytes.extend(wire::client(CONTINUATION, b"g"));
    let mut wanted: Vec<Seen> = (0..6).map(|i| Seen::ping([i; 125])).collect();
    wanted.push(Seen::binary("abcdefg"));
    assert_eq!(Session::new().events(&bytes), wanted);
}

// FR-16: the shape of Autobahn's case 9.3.1
#[test]
fn four_mebibytes_come_in_fragments_of_64_bytes() {
    let mut session = Session::with(|config| config.max_message(4 << 20));
    let payload: Vec<u8> = (0..=255).cycle().take(4 << 20).collect();
    let pieces: Vec<&[u8]> = payload.chunks(64).collect();
    let events = session.events(&fragments(BINARY, &pieces));
    assert!(events == [Seen::binary(payload)]);
}

// FR-21, L-12, RE-10, V26, W1: one event for each call, whatever was read
#[test]
fn a_million_messages_in_one_read_come_one_by_one() {
    let mut session = Session::new();
    let mut bytes = Vec::new();
    for i in 0..1_000_000_u32 {
        bytes.extend(wire::client(BINARY, &i.to_be_bytes()[2..]));
    }
    session.input.extend(&bytes);
    for i in 0..1_000_000_u32 {
        let unread = session.input.unread().len();
        let event = session.connection.next_event(&mut session.input).unwrap();
        assert_eq!(event, Some(Event::Message(Message::Binary(&i.to_be_bytes()[2..]))));
        assert_eq!(session.input.unread().len(), unread - 8);
    }
    assert_eq!(session.connection.next_event(&mut session.input), Ok(None));
}

// nothing is sent in fragments, and so nothing can come in between
#[test]
fn each_message_is_sent_in_one_frame() {
    let mut session = Session::new();
    for len in [0, 125, 126, 70_000, 250_000] {
        session.connection.send(&vec![1; len]).unwrap();
        session.connection.ping(b"between").unwrap();
        session.connection.send(&"x".repeat(len)).unwrap();
    }
    let first: Vec<u8> = session.frames().iter().map(|frame| frame.first).collect();
    assert_eq!(first, [BINARY, PING, TEXT].repeat(5));
}

// CL-14
#[test]
fn a_close_may_come_between_fragments() {
    for payload in [&b""[..], b"lost"] {
        let open = wire::client(TEXT & MORE, payload);
        let bytes = [open, wire::client(CLOSE, b"\x03\xe8bye")].concat();
        let mut session = Session::new();
        let close = Seen::Close(Some(1000), "bye".into(), true);
        assert_eq!(session.events(&bytes), [close]);
        assert_eq!(session.output(), b"\x88\x05\x03\xe8bye");
        assert!(session.is_over());
    }
}

// FR-14: all of a message's, whatever comes before, between and behind them
#[test]
fn empty_fragments_are_counted_in_all() {
    let empty = || wire::client(CONTINUATION & MORE, b"");
    let content = || wire::client(CONTINUATION & MORE, b"b");
    let begin = |payload| wire::client(BINARY & MORE, payload);
    for (begin, step) in [
        (begin(b"a"), empty()),
        (begin(b"a"), [empty(), content()].concat()),
        (begin(b""), [empty(), wire::client(PING, b"")].concat()),
    ] {
        let mut session = Session::new();
        let (events, error) = session.feed(&[begin, step.repeat(65)].concat());
        assert_eq!(error, Some(ProtocolError::TooManyEmptyFragments));
        assert!(events.len() <= 64);
    }
}
