//! How much a peer may send, and how much may wait for it (RFC 6455 §10.4).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::rng::Rng;
use common::session::{Seen, Session, assert_failed};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use sansocket::{Buffer, CloseCode, Config, ConfigError, Connection, Prepared};
use sansocket::{ProtocolError, SendError};

fn too_big(len: u64, max: usize) -> (Vec<Seen>, Option<ProtocolError>) {
    (vec![], Some(ProtocolError::MessageTooBig { len, max }))
}

// R-168, FR-06, FR-28, L-01, V17, V27: across all forms of the length
#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    for limit in [1, 2, 125, 126, 127, 65_535, 65_536, 100_000] {
        let limited = || Session::with(|config| config.max_message(limit));
        for first in [TEXT, BINARY] {
            let most = limited().events(&wire::client(first, &vec![b'x'; limit]));
            let all = match first {
                TEXT => Seen::text("x".repeat(limit)),
                _ => Seen::binary(vec![b'x'; limit]),
            };
            assert!(most == [all], "{limit}");
            for whole in [wire::client(first, &vec![b'x'; limit + 1]), {
                let header = wire::declare(first, limit as u64 + 1);
                header[..header.len() - 4].to_vec()
            }] {
                let mut session = limited();
                let failed = too_big(limit as u64 + 1, limit);
                assert_eq!(session.feed(&whole), failed, "{limit}");
                assert_failed(&mut session, failed.1.unwrap());
            }
        }
    }
}

// R-168, FR-17, L-02, V18, V19, V20, V21: the limit is one of messages
#[test]
fn fragments_together_may_be_as_large_as_the_limit_and_no_larger() {
    for pieces in [&[60, 40][..], &[100, 0], &[0, 100], &[1, 98, 1], &[50, 50]] {
        for more in [0, 1] {
            let mut session = Session::with(|config| config.max_message(100));
            let (last, front) = pieces.split_last().unwrap();
            for (i, len) in front.iter().enumerate() {
                let first = if i == 0 { TEXT } else { CONTINUATION };
                assert_eq!(session.events(&wire::client(first & MORE, &vec![b'x'; *len])), []);
            }
            if more == 0 {
                let all = [Seen::text("x".repeat(100))];
                assert_eq!(session.events(&wire::client(CONTINUATION, &vec![b'x'; *last])), all);
            } else {
                let header = wire::declare(CONTINUATION, *last as u64 + 1);
                let failed = too_big(101, 100);
                assert_eq!(session.feed(&header[..2]), failed);
                assert_failed(&mut session, failed.1.unwrap());
            }
        }
    }
}

// FR-17, V18, V22, V27: fragments without end
#[test]
fn an_endless_message_ends_at_the_limit() {
    let mut session = Session::with(|config| config.max_message(1000));
    assert_eq!(session.events(&wire::client(BINARY & MORE, b"")), []);
    let mut taken = 0;
    let error = loop {
        let (seen, error) = session.feed(&wire::client(CONTINUATION & MORE, &[0; 7]));
        assert_eq!(seen, []);
        match error {
            None => taken += 7,
            Some(error) => break error,
        }
    };
    assert_eq!((taken, Some(error)), (994, too_big(1001, 1000).1));
}

// V01, RE-10: lengths whose sum does not fit any integer
#[test]
fn lengths_that_overflow_together_are_too_big() {
    let mut session = Session::with(|config| config.max_message(usize::MAX));
    assert_eq!(session.events(&wire::client(BINARY & MORE, b"abc")), []);
    let huge = wire::declare(CONTINUATION & MORE, (1 << 63) - 1);
    if usize::BITS == 64 {
        assert_eq!(session.feed(&huge), (vec![], None));
        assert_eq!(session.feed(&[0; 1000]), (vec![], None));
    } else {
        assert_eq!(session.feed(&huge), too_big((1 << 63) + 2, usize::MAX));
    }
}

// R-089, FR-07, FR-28, V11: no limit is a limit, too
#[test]
fn without_a_limit_the_largest_length_is_only_waited_for() {
    let mut session = Session::with(|config| config.max_message(usize::MAX));
    let wanted =
        if usize::BITS == 64 { (vec![], None) } else { too_big((1 << 63) - 1, usize::MAX) };
    assert_eq!(session.feed(&wire::declare(TEXT, (1 << 63) - 1)), wanted);
    assert!(session.input.space().len() <= 64 * 1024);
    assert!(session.input.capacity() <= 64 * 1024);
    assert_eq!(session.feed(&wire::xor(b"text", wire::KEY)), wanted);
}

// R-082, FR-05, FR-28, V11: and the rest of the rules hold as ever
#[test]
fn without_a_limit_the_rules_hold() {
    let mut session = Session::with(|config| config.max_message(usize::MAX));
    let bytes = [&[BINARY, 0xff], &[0xff; 8][..]].concat();
    assert_eq!(session.feed(&bytes), (vec![], Some(ProtocolError::MalformedLength)));
}

// FR-27, L-08: control frames are not messages
#[test]
fn control_frames_do_not_count() {
    for limit in [1, 10] {
        let mut session = Session::with(|config| config.max_message(limit));
        session.events(&wire::client(BINARY & MORE, &vec![0; limit]));
        for first in [PING, PONG] {
            assert_eq!(session.events(&wire::client(first, &[9; 125])).len(), 1);
        }
        assert_eq!(
            session.events(&wire::client(CONTINUATION, b"")),
            [Seen::binary(vec![0; limit])]
        );
        let body = wire::body(1000, &"x".repeat(123));
        assert_eq!(session.events(&wire::client(CLOSE, &body)).len(), 1);
    }
}

// FR-14, L-04, V22, V23, V28: the last does not count, and each message has its own
#[test]
fn a_message_has_at_most_64_empty_fragments() {
    for empty_first in [true, false] {
        let mut session = Session::new();
        for _ in 0..3 {
            let first = wire::client(BINARY & MORE, if empty_first { b"" } else { b"x" });
            session.events(&first);
            for i in 0..(if empty_first { 63 } else { 64 }) {
                assert_eq!(session.events(&wire::client(CONTINUATION & MORE, b"")), [], "{i}");
                let some = wire::client(CONTINUATION & MORE, b"y");
                assert_eq!(session.events(&some), []);
            }
            assert_eq!(session.events(&wire::client(CONTINUATION, b"")).len(), 1);
        }
        session.events(&wire::client(TEXT & MORE, b""));
        for _ in 0..63 {
            session.events(&wire::client(CONTINUATION & MORE, b""));
        }
        let bytes = wire::client(CONTINUATION & MORE, b"");
        let error = ProtocolError::TooManyEmptyFragments;
        assert_eq!(session.feed(&bytes[..1]), (vec![], None));
        assert_eq!(session.feed(&bytes[1..2]), (vec![], Some(error)));
        assert_failed(&mut session, error);
    }
}

// PR4: a larger limit refuses nothing that a smaller one took
#[test]
fn limits_are_monotone() {
    let mut rng = Rng::new(4);
    for _ in 0..200 {
        let mut bytes = vec![];
        for _ in 0..rng.below(8) {
            let first = *rng.pick(&[TEXT, BINARY, BINARY & MORE, CONTINUATION, PING]);
            let len = rng.below(60);
            bytes.extend(wire::client(first, &vec![b'x'; len]));
        }
        let run = |limit| Session::with(|config| config.max_message(limit)).feed(&bytes);
        let mut before = run(1);
        for limit in (2..200).chain([usize::MAX]) {
            let now = run(limit);
            assert!(now.0.starts_with(&before.0), "{bytes:x?} {limit}");
            if !before.1.is_some_and(|error| error.is_limit()) {
                assert_eq!(now, before);
            }
            before = now;
        }
    }
}

// L-07, V33, R-155: refused whole, and taken again when there is room
#[test]
fn a_message_that_does_not_fit_the_queue_is_refused_whole() {
    let mut session = Session::with(|config| config.max_queue(1000));
    let server = &mut session.connection;
    server.send(&[1; 500]).unwrap();
    assert_eq!(server.send(&[2; 500]), Err(SendError::QueueFull));
    assert_eq!(server.send_prepared(&Prepared::new(&[2; 500])), Err(SendError::QueueFull));
    server.send(&[3; 400]).unwrap();
    assert_eq!(server.ping(&[4; 125]), Err(SendError::QueueFull));
    let output = session.write(504);
    session.connection.send(&[2; 500]).unwrap();
    let output = [output, session.output()].concat();
    let wanted = [(1, 500), (3, 400), (2, 500)].map(|(n, len)| wire::plain(BINARY, &vec![n; len]));
    assert_eq!(wire::parse(&output), wanted);
}

// L-07, FR-28: with its header, of 14 bytes at most, unless nothing waits before it
#[test]
fn the_queue_never_exceeds_its_limit_but_by_a_first_header() {
    for limit in [1, 20, 140, 1000, 70_000] {
        for len in [0, 1, 125, 126, 300] {
            let mut session = Session::with(|config| config.max_queue(limit));
            loop {
                let waiting = session.connection.pending().len();
                let fits = if waiting == 0 { len <= limit } else { waiting + len + 14 <= limit };
                let wanted = match fits {
                    true => Ok(()),
                    false if len > limit => Err(SendError::MessageTooLarge { len, max: limit }),
                    false => Err(SendError::QueueFull),
                };
                assert_eq!(session.connection.send(&vec![0; len]), wanted, "{waiting} of {limit}");
                if !fits {
                    break;
                }
            }
        }
    }
}

// R-168, L-07: an echo needs no configuration
#[test]
fn the_largest_message_that_is_received_can_be_sent() {
    let mut session = Session::new();
    let largest = vec![1; 1 << 20];
    assert!(session.events(&wire::client(BINARY, &largest)) == [Seen::binary(&largest[..])]);
    session.connection.send(&largest).unwrap();
    assert!(session.output() == wire::server(BINARY, &largest));
}

// L-07: one read brings the end of the largest message and as many small ones as fit behind it
#[test]
fn the_echo_of_a_largest_message_leaves_room_for_the_answers_behind_it() {
    let mut session = Session::new();
    session.connection.send(&vec![1; 1 << 20]).unwrap();
    // The largest read that there is, of the shortest messages that there are.
    for _ in 0..65_536 / wire::client(TEXT, b"").len() {
        session.connection.send("").unwrap();
    }
}

// L-07: to wait for room would be in vain
#[test]
fn a_message_that_never_fits_the_queue_says_so() {
    let mut session = Session::with(|config| config.max_queue(1000));
    let never = Err(SendError::MessageTooLarge { len: 1001, max: 1000 });
    for waiting in [0, 502] {
        assert_eq!(session.connection.pending().len(), waiting);
        assert_eq!(session.connection.send(&[2; 1001]), never);
        assert_eq!(session.connection.send_prepared(&Prepared::new(&[2; 1001])), never);
        if waiting == 0 {
            session.connection.send(&[1; 498]).unwrap();
        }
    }
}

// FR-28: an unlimited queue does not overflow
#[test]
fn a_queue_without_a_limit_takes_what_comes() {
    let mut session = Session::with(|config| config.max_queue(usize::MAX));
    for _ in 0..5 {
        session.connection.send(&vec![0; 1 << 20]).unwrap();
    }
    assert_eq!(session.frames(), vec![wire::plain(BINARY, &vec![0; 1 << 20]); 5]);
}

// L-08: the answers that the protocol demands are not refused for want of room
#[test]
fn pongs_and_closes_find_room_in_a_full_queue() {
    let mut session = Session::with(|config| config.max_queue(3));
    session.connection.send(b"x").unwrap();
    assert_eq!(session.connection.send(b"y"), Err(SendError::QueueFull));
    session.events(&wire::client(PING, &[7; 125]));
    session.connection.close(CloseCode::GOING_AWAY, "full").unwrap();
    let wanted = [
        wire::plain(BINARY, b"x"),
        wire::plain(PONG, &[7; 125]),
        wire::plain(CLOSE, b"\x03\xe9full"),
    ];
    assert_eq!(session.frames(), wanted);
}

// RE-07, FR-28
#[test]
fn limits_of_zero_are_refused_and_of_one_are_kept() {
    for (name, builder) in [
        ("max_message", Config::builder().max_message(0)),
        ("max_queue", Config::builder().max_queue(0)),
    ] {
        assert_eq!(builder.build().map(|_| ()), Err(ConfigError::Zero(name)));
    }
    let tiny = Config::builder().max_message(1).max_queue(1).build().unwrap();
    let (mut connection, mut input) = (Connection::server(tiny), Buffer::new());
    input.extend(&wire::client(BINARY, b"1"));
    assert!(connection.next_event(&mut input).unwrap().is_some());
    assert_eq!(connection.send(b"12"), Err(SendError::MessageTooLarge { len: 2, max: 1 }));
    assert_eq!(connection.send(b"1"), Ok(()));
    assert_eq!(connection.send(b""), Err(SendError::QueueFull));
}

// L-02: a fragment counts whole, though its last character is not there yet
#[test]
fn half_a_character_counts() {
    let mut session = Session::with(|config| config.max_message(4));
    let image = [wire::client(TEXT & MORE, b"ab\xe2\x82"), wire::client(CONTINUATION, b"\xac")];
    assert_eq!(session.feed(&image.concat()), too_big(5, 4));
}

// L-07: one message as large as the limit, whichever way it is sent
#[test]
fn the_largest_prepared_message_fits() {
    let mut session = Session::with(|config| config.max_queue(100));
    let (fits, does_not) = (Prepared::new(&[0; 100]), Prepared::new(&[0; 101]));
    let refused = session.connection.send_prepared(&does_not);
    assert_eq!(refused, Err(SendError::MessageTooLarge { len: 101, max: 100 }));
    assert_eq!(session.connection.send_prepared(&fits), Ok(()));
}
