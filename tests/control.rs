//! Pings and pongs (RFC 6455 §5.5.2, §5.5.3).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::{Seen, Session};
use common::wire::{self, BINARY, CLOSE, MORE, PING, PONG, TEXT};
use sansocket::{CloseCode, SendError};

/// More than what a pong may wait behind.
const LONG: usize = 3000;

fn ping(session: &mut Session, payload: &[u8]) {
    assert_eq!(session.events(&wire::client(PING, payload)), [Seen::ping(payload)]);
}

// R-112, CL-04
#[test]
fn a_ping_is_answered_with_its_payload() {
    for len in 0..=125 {
        for octet in [0, 0x80, 0xff] {
            let payload = vec![octet; len];
            let mut session = Session::new();
            ping(&mut session, &payload);
            assert_eq!(session.output(), wire::server(PONG, &payload));
        }
    }
}

// in one write, if they come in one read
#[test]
fn pings_are_answered_in_order() {
    let mut session = Session::new();
    let pings = [wire::client(PING, b"1"), wire::client(PING, b""), wire::client(PING, b"3")];
    session.events(&pings.concat());
    assert_eq!(session.connection.pending(), b"\x8a\x011\x8a\0\x8a\x013");
}

// CL-02: all of them, as long as the peer reads
#[test]
fn of_a_flood_of_pings_that_is_read_each_is_answered() {
    let mut session = Session::new();
    for i in 0..100_000_u32 {
        ping(&mut session, &i.to_be_bytes());
        assert_eq!(session.output(), wire::server(PONG, &i.to_be_bytes()));
    }
}

// R-113, CL-13
#[test]
fn a_ping_after_the_peers_close_is_not_answered() {
    let bytes = [wire::client(CLOSE, b"\x03\xe8"), wire::client(PING, b"late")].concat();
    for cut in 0..=bytes.len() {
        let mut session = Session::new();
        session.feed(&bytes[..cut]);
        session.feed(&bytes[cut..]);
        assert_eq!(session.output(), b"\x88\x02\x03\xe8");
    }
}

// behind the Close if little waits, before it if much does
#[test]
fn a_ping_after_our_close_and_before_the_peers_is_answered() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    ping(&mut session, b"?");
    assert_eq!(session.output(), b"\x88\x02\x03\xe8\x8a\x01?");
    ping(&mut session, b"!");
    assert_eq!(session.output(), b"\x8a\x01!");
    assert_eq!(session.events(b"\x88\x80\0\0\0\0"), [Seen::close(None, "")]);
    assert!(session.is_over());

    let mut session = Session::new();
    session.connection.send(&vec![0; LONG]).unwrap();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    ping(&mut session, b"?");
    let wanted = [wire::server(PONG, b"?"), wire::server(BINARY, &[0; LONG]), wire::failure(1000)];
    assert_eq!(session.output(), wanted.concat());
}

// R-117, CL-03
#[test]
fn a_pong_is_reported_and_not_answered() {
    let mut session = Session::new();
    for payload in [&b""[..], b"unasked", &[0xff; 125]] {
        assert_eq!(session.events(&wire::client(PONG, payload)), [Seen::pong(payload)]);
        assert_eq!(session.output(), []);
    }
}

// V34: at any time, also while the peer is in the middle of a message
#[test]
fn a_ping_of_ours_carries_up_to_125_bytes() {
    let mut session = Session::new();
    session.events(&wire::client(TEXT & MORE, b"under way"));
    for len in [0, 1, 125] {
        session.connection.ping(&vec![9; len]).unwrap();
        assert_eq!(session.output(), wire::server(PING, &vec![9; len]));
    }
    for len in [126, 127, 70_000] {
        assert_eq!(session.connection.ping(&vec![9; len]), Err(SendError::TooLong));
        assert_eq!(session.output(), []);
    }
}

//
#[test]
fn no_ping_of_ours_follows_our_close() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.connection.ping(b""), Err(SendError::Closed));
    assert_eq!(session.output(), wire::failure(1000));
}

/// What waits to be written in the tests of boundaries.
const QUEUE: [&[u8]; 4] = [&[1; 3], &[2; 2], &[], &[4; LONG]];

/// Where its frames end.
const ENDS: [usize; 5] = [0, 5, 9, 11, 11 + 4 + LONG];

fn queued() -> Session {
    let mut session = Session::new();
    for data in QUEUE {
        session.connection.send(data).unwrap();
    }
    session
}

fn next_end(written: usize) -> usize {
    *ENDS.iter().find(|end| **end >= written).unwrap()
}

// R-114, CL-05, CL-06: wherever the write stands when the ping comes
#[test]
fn a_pong_overtakes_at_the_next_frame_boundary() {
    let queue = QUEUE.map(|data| wire::server(BINARY, data)).concat();
    assert_eq!(queue.len(), ENDS[4]);
    for written in 0..queue.len() {
        let mut session = queued();
        let mut output = session.write(written);
        ping(&mut session, b"now");
        output.extend(session.output());
        // Behind little, it simply waits its turn.
        let end = if queue.len() - written > 1024 { next_end(written) } else { queue.len() };
        let wanted = [&queue[..end], b"\x8a\x03now", &queue[end..]].concat();
        assert!(output == wanted, "after {written} bytes");
    }
}

/// All ways to write `n` bytes, in calls of these lengths.
fn compositions(n: usize) -> Vec<Vec<usize>> {
    let first = 1..n;
    let with = |first: usize| {
        compositions(n - first).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    first.flat_map(with).chain([vec![n]]).collect()
}

// R-114, CL-05, IO-02: with two pings, the second one call after the first
#[test]
fn pongs_come_between_whole_frames_however_they_are_written() {
    let data = QUEUE.map(|data| wire::plain(BINARY, data));
    for calls in compositions(12) {
        for first in 0..calls.len() {
            let mut session = queued();
            let (mut output, mut written_at_first) = (vec![], 0);
            for (i, n) in calls.iter().enumerate() {
                output.extend(session.write(*n));
                if i == first {
                    written_at_first = output.len();
                    ping(&mut session, b"a");
                } else if i == first + 1 {
                    ping(&mut session, b"b");
                }
            }
            output.extend(session.output());

            let frames = wire::parse(&output);
            let (pongs, rest): (Vec<_>, Vec<_>) = frames.into_iter().partition(|f| f.first == PONG);
            assert_eq!(rest, data, "{calls:?}");
            let pongs: Vec<&[u8]> = pongs.iter().map(|frame| &frame.payload[..]).collect();
            // The first may go out until the second takes its place.
            let wanted: &[&[u8]] = match calls.get(first + 1) {
                None => &[b"a"],
                Some(n) if written_at_first + n >= next_end(written_at_first) => &[b"a", b"b"],
                Some(_) => &[b"b"],
            };
            assert_eq!(pongs, wanted, "{calls:?}, pinged after {written_at_first}");
        }
    }
}

// R-115, L-06: as long as none of them is being written
#[test]
fn the_latest_of_many_pings_is_answered() {
    for written in [1, 100, LONG] {
        let mut session = Session::new();
        session.connection.send(&vec![0; LONG]).unwrap();
        session.connection.send(&vec![0; LONG]).unwrap();
        let mut output = session.write(written);
        for i in 0..10_000_u32 {
            ping(&mut session, &i.to_be_bytes());
        }
        output.extend(session.output());
        let data = wire::plain(BINARY, &[0; LONG]);
        let pong = wire::plain(PONG, &9999_u32.to_be_bytes());
        assert_eq!(wire::parse(&output), [data.clone(), pong, data]);
    }
}

// R-115, CL-01: pings alone make a queue, up to a point
#[test]
fn of_a_flood_of_pings_the_first_and_the_last_are_answered() {
    let mut session = Session::new();
    for i in 0..10_000_u32 {
        ping(&mut session, &i.to_be_bytes());
    }
    let output = session.output();
    assert!(output.len() <= 1024 + 3 * 6, "{} bytes", output.len());
    let frames = wire::parse(&output);
    assert!(frames.iter().all(|frame| frame.first == PONG));
    assert!(frames.contains(&wire::plain(PONG, &0_u32.to_be_bytes())));
    assert!(frames.contains(&wire::plain(PONG, &9999_u32.to_be_bytes())));
}

// R-114, CL-05: a pong that is half written stays what it is
#[test]
fn a_ping_does_not_change_a_pong_that_is_being_written() {
    let old = wire::server(PONG, b"the first");
    for written in 1..old.len() {
        let mut session = Session::new();
        session.connection.send(&vec![0; LONG]).unwrap();
        ping(&mut session, b"the first");
        let mut output = session.write(written);
        ping(&mut session, b"dropped");
        ping(&mut session, b"the last, which is longer");
        output.extend(session.output());
        let new = wire::server(PONG, b"the last, which is longer");
        assert!(output == [&old[..], &new, &wire::server(BINARY, &[0; LONG])].concat());
    }
}

// as soon as more than 1 KiB waits
#[test]
fn a_pong_waits_behind_little_and_overtakes_more() {
    for (len, overtakes) in [(2, false), (3, true)] {
        let mut session = Session::new();
        for _ in 0..255 {
            session.connection.send(b"12").unwrap();
        }
        session.connection.send(&vec![0; len]).unwrap();
        assert_eq!(session.connection.pending().len(), 1022 + len);
        ping(&mut session, b"");
        let place = session.frames().iter().position(|frame| frame.first == PONG);
        assert_eq!(place, Some(if overtakes { 0 } else { 256 }));
    }
}

// what is sent meanwhile goes behind
#[test]
fn a_pong_is_not_overtaken_by_what_is_sent_after_it() {
    let mut session = Session::new();
    session.connection.send(&vec![0; LONG]).unwrap();
    ping(&mut session, b"!");
    session.connection.send("later").unwrap();
    session.connection.ping(b"later").unwrap();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    let wanted = [
        wire::plain(PONG, b"!"),
        wire::plain(BINARY, &[0; LONG]),
        wire::plain(TEXT, b"later"),
        wire::plain(PING, b"later"),
        wire::plain(CLOSE, b"\x03\xe8"),
    ];
    assert_eq!(session.frames(), wanted);
}

// the queue is as before once the pong is out
#[test]
fn after_a_pong_the_queue_goes_on() {
    let mut session = Session::new();
    for round in 0..100_u8 {
        session.connection.send(&vec![round; LONG]).unwrap();
        ping(&mut session, &[round]);
        let wanted = [wire::plain(PONG, &[round]), wire::plain(BINARY, &[round; LONG])];
        assert_eq!(session.frames(), wanted);
        session.connection.send(&[round]).unwrap();
        assert_eq!(session.frames(), [wire::plain(BINARY, &[round])]);
    }
}

// nor does a fault wait for them
#[test]
fn a_pong_that_waits_goes_out_before_the_close_of_a_failure() {
    let mut session = Session::new();
    session.connection.send(&vec![0; LONG]).unwrap();
    ping(&mut session, b"!");
    assert!(session.feed(&[0x83]).1.is_some());
    let wanted = [wire::server(PONG, b"!"), wire::server(BINARY, &[0; LONG]), wire::failure(1002)];
    assert_eq!(session.output(), wanted.concat());
    assert!(session.is_over());
}

// CL-05: also when the queue has moved what waits to the front, in the middle of a frame
#[test]
fn a_pong_waits_for_the_frame_though_the_queue_has_moved() {
    let mut session = Session::new();
    session.connection.send(&[1; LONG]).unwrap();
    let mut output = session.write(LONG / 2);
    session.connection.send(&[2; LONG]).unwrap(); // takes the room of what is written
    ping(&mut session, b"now");
    output.extend(session.output());
    let wanted = [
        wire::server(BINARY, &[1; LONG]),
        wire::server(PONG, b"now"),
        wire::server(BINARY, &[2; LONG]),
    ];
    assert!(output == wanted.concat());
}
