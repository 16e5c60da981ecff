//! What waits to be written, and in whose memory it waits.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::rng::Rng;
use common::session::Session;
use common::wire::{self, BINARY, PING, PONG, TEXT};
use sansocket::{CloseCode, Config, Connection, Prepared};

/// A session with something of everything to write.
fn busy() -> Session {
    let mut session = Session::new();
    session.connection.send("text").unwrap();
    session.connection.send(&[0xff; 300]).unwrap();
    session.connection.send_prepared(&Prepared::new(&[7; 70_000])).unwrap();
    session.connection.ping(b"ping").unwrap();
    session.events(&wire::client(PING, b"overtakes"));
    session.connection.close(CloseCode::NORMAL, "close").unwrap();
    session
}

// R-159, IO-02
#[test]
fn writes_may_be_as_short_as_they_like() {
    let wanted = [
        wire::server(PONG, b"overtakes"),
        wire::server(TEXT, b"text"),
        wire::server(BINARY, &[0xff; 300]),
        wire::server(BINARY, &[7; 70_000]),
        wire::server(PING, b"ping"),
        wire::server(wire::CLOSE, b"\x03\xe8close"),
    ]
    .concat();
    assert!(busy().output() == wanted);
    let mut rng = Rng::new(7);
    for most in [1, 2, 7, 100, 5000, 100_000] {
        let (mut session, mut output) = (busy(), vec![]);
        while !session.connection.pending().is_empty() {
            let n = session.connection.pending().len().min(1 + rng.below(most));
            output.extend(session.write(n));
            session.connection.sent(0);
        }
        assert!(output == wanted, "{most}");
    }
}

/// A session with a frame half written, behind which a pong and a keepalive ping wait.
fn interrupted(connection: Connection, ping: &[u8]) -> Session {
    let (mut session, start) = (Session::of(connection), Instant::now());
    session.connection.tick(start).unwrap();
    session.connection.send(&[1; 3000]).unwrap();
    session.write(1);
    session.connection.tick(start + Duration::from_secs(30)).unwrap();
    session.events(ping);
    session.connection.send("last").unwrap();
    session
}

fn all_kinds() -> Vec<Session> {
    vec![
        busy(),
        interrupted(Connection::server(Config::default()), &wire::client(PING, b"overtakes")),
        #[cfg(feature = "client")]
        interrupted(Connection::client(Config::default()), &wire::server(PING, b"overtakes")),
    ]
}

// IO-02: all of it is counted, wherever it waits
#[test]
fn queued_counts_all_pending_bytes() {
    assert_eq!(Session::new().connection.queued(), 0);
    let server = (2 + 2 + 3000) + (2 + 9) + 2 + (2 + 4) - 1;
    let queued: Vec<_> = all_kinds().iter().map(|session| session.connection.queued()).collect();
    assert_eq!(queued[1], server);
    #[cfg(feature = "client")]
    assert_eq!(queued[2], server + 4 * 4);
    let mut rng = Rng::new(7);
    for most in [1, 2, 7, 100, 5000] {
        for mut session in all_kinds() {
            let mut left = session.connection.queued();
            while !session.connection.pending().is_empty() {
                let n = session.connection.pending().len().min(1 + rng.below(most));
                session.write(n);
                left -= n;
                assert_eq!(session.connection.queued(), left);
            }
            assert_eq!(left, 0);
        }
    }
}

// IO-02, IO-05: asking changes nothing
#[test]
fn pending_bytes_stay_until_they_are_sent() {
    let mut session = busy();
    for _ in 0..3 {
        let pending = session.connection.pending().to_vec();
        assert!(!pending.is_empty());
        session.connection.sent(0);
        assert_eq!(session.connection.pending(), pending);
        session.connection.sent(1);
        assert_eq!(session.connection.pending(), &pending[1..]);
    }
}

// IO-07, V39: a write that claims too much
#[test]
fn more_than_was_pending_cannot_be_sent() {
    for more in [1, 1000, usize::MAX / 2] {
        let mut session = Session::new();
        session.connection.sent(more);
        session.connection.send("one").unwrap();
        session.connection.sent(1);
        session.connection.sent(4 + more);
        assert_eq!(session.connection.pending(), b"");
        session.connection.send("two").unwrap();
        assert_eq!(session.output(), b"\x81\x03two");
    }
}

// in the same frame as any other
#[test]
fn a_prepared_message_is_sent_as_it_is() {
    let mut session = Session::new();
    for message in [Prepared::new(""), Prepared::new("é"), Prepared::new(&[0; 70_000])] {
        session.connection.send_prepared(&message).unwrap();
        assert!(session.output() == message.frame());
    }
}

// RE-01: as event loops do it
#[test]
fn memory_can_be_lent_and_given_back() {
    let mut session = Session::new();
    let mut spare = Vec::with_capacity(1000);
    spare.extend(b"what was in it is not sent");
    session.connection.lend_queue(&mut spare);
    assert_eq!((spare.capacity(), session.connection.pending()), (0, &b""[..]));
    session.connection.send("lent").unwrap();

    session.connection.reclaim_queue(&mut spare);
    assert_eq!(spare.capacity(), 0, "it is in use");
    session.write(3);
    session.connection.reclaim_queue(&mut spare);
    assert_eq!(spare.capacity(), 0, "it still is");
    assert_eq!(session.output(), b"ent");
    session.connection.reclaim_queue(&mut spare);
    assert_eq!((spare.capacity(), spare.len()), (1000, 0));
}

// RE-01: nothing is lost, and nothing is lent to who has
#[test]
fn a_queue_with_memory_keeps_it() {
    let mut session = Session::new();
    session.connection.send(&[1; 500]).unwrap();
    let mut spare = Vec::with_capacity(1000);
    session.connection.lend_queue(&mut spare);
    assert_eq!(spare.capacity(), 1000);
    assert_eq!(session.frames(), [wire::plain(BINARY, &[1; 500])]);
    session.connection.reclaim_queue(&mut spare);
    assert_eq!(spare.capacity(), 1000, "the larger of the two");
    let mut smaller = Vec::with_capacity(10);
    session.connection.lend_queue(&mut spare);
    session.connection.reclaim_queue(&mut smaller);
    assert_eq!((spare.capacity(), smaller.capacity()), (0, 1000));
}

// CL-05: while a pong is half written there is nothing to give back
#[test]
fn a_queue_with_a_pong_before_it_is_kept() {
    let mut session = Session::new();
    session.connection.send(&[1; 3000]).unwrap();
    session.events(&wire::client(PING, b"?"));
    let mut output = session.write(1);
    let mut spare = Vec::new();
    session.connection.reclaim_queue(&mut spare);
    session.connection.lend_queue(&mut Vec::with_capacity(10));
    assert_eq!(spare.capacity(), 0);
    output.extend(session.output());
    assert_eq!(wire::parse(&output), [wire::plain(PONG, b"?"), wire::plain(BINARY, &[1; 3000])]);
}

// CL-05: what counts is what waits, not what is written
#[test]
fn a_pong_joins_what_little_is_left() {
    for (left, joins) in [(1024, true), (1025, false)] {
        let mut session = Session::new();
        session.connection.send(&[1; 3000]).unwrap();
        session.write(3004 - left);
        session.events(&wire::client(PING, b"?"));
        assert_eq!(session.connection.pending().len() > left, joins);
        assert_eq!(session.connection.queued(), left + 3);
    }
}

// RE-01: however long it never runs dry
#[test]
fn a_queue_takes_the_memory_of_what_waits() {
    let mut session = Session::new();
    session.connection.send(&[7; 1000]).unwrap();
    for _ in 0..10_000 {
        session.connection.send(&[7; 1000]).unwrap();
        session.write(1004);
    }
    session.output();
    let mut spare = vec![];
    session.connection.reclaim_queue(&mut spare);
    assert!((1..=4096).contains(&spare.capacity()), "{}", spare.capacity());
}

// RE-01: a queue that was large once does not stay so
#[test]
fn memory_that_is_not_needed_is_given_back() {
    for (len, kept) in [(60_000, true), (70_000, false)] {
        let mut session = Session::new();
        session.connection.send(&vec![7; len]).unwrap();
        session.output();
        for _ in 0..1000 {
            session.connection.send("short").unwrap();
            session.output();
        }
        let mut spare = vec![];
        session.connection.reclaim_queue(&mut spare);
        assert_eq!(spare.capacity() >= len, kept, "{} of {len}", spare.capacity());
    }
}
