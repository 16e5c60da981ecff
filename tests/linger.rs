//! The end behind the last frame: when our side of the stream ends, and when the socket is closed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::session::{Seen, Session};
use common::wire::{self, BINARY, CLOSE, MORE, PING, TEXT};
use sansocket::{CloseCode, SendError, TimedOut};

const SECOND: Duration = Duration::from_secs(1);

/// All ways in which nothing more is received but the end.
fn ends() -> [Vec<u8>; 3] {
    [wire::client(CLOSE, b"\x03\xe8"), vec![0xff], wire::client(TEXT, b"\xff")]
}

// R-142, CL-24: behind the last byte, and once
#[test]
fn a_server_ends_its_side_when_all_is_written() {
    for bytes in ends() {
        let mut session = Session::new();
        session.connection.send("before").unwrap();
        session.feed(&bytes);
        while !session.connection.pending().is_empty() {
            assert!(!session.connection.wants_shutdown());
            session.connection.sent(1);
        }
        assert!(session.connection.wants_shutdown() && !session.connection.is_finished());
        session.connection.shut_down();
        assert!(!session.connection.wants_shutdown() && !session.connection.is_finished());
        assert_eq!(session.connection.eof(), Ok(()));
        assert!(session.connection.is_finished());
    }
}

// CL-24, L-12: a peer that does not end its side has two seconds from the last byte
#[test]
fn a_peer_that_stays_is_left() {
    for bytes in ends() {
        let (mut session, start) = (Session::new(), Instant::now());
        session.feed(&bytes);
        session.connection.tick(start).unwrap();
        session.output();
        let written = start + 5 * SECOND;
        for talk in [0, 1] {
            let now = written + talk * SECOND;
            assert_eq!(session.connection.tick(now), Ok(Some(written + 2 * SECOND)));
            let late = wire::client(TEXT, b"late");
            session.input.extend(&late);
            assert!(!matches!(session.connection.next_event(&mut session.input), Ok(Some(_))));
            assert!(session.input.is_empty(), "it is discarded");
            assert!(!session.connection.is_finished());
        }
        assert_eq!(session.connection.tick(written + 2 * SECOND), Ok(None));
        assert!(session.connection.is_finished());
    }
}

// the server ends the stream first, and the client waits for it
#[cfg(feature = "client")]
#[test]
fn a_client_waits_for_the_server_to_end_the_stream() {
    let config = common::session::config(|config| config);
    let mut session = Session::of(sansocket::Connection::client(config));
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    session.events(&wire::server(CLOSE, b"\x03\xe8"));
    assert!(session.is_over());
    assert!(!session.connection.wants_shutdown() && !session.connection.is_finished());
    assert_eq!(session.connection.eof(), Ok(()));
    assert!(session.connection.is_finished());
}

// before the peer's Close there is nothing to end
#[test]
fn our_close_alone_ends_nothing() {
    let mut session = Session::new();
    session.connection.close(CloseCode::GOING_AWAY, "").unwrap();
    session.output();
    assert!(!session.connection.wants_shutdown() && !session.connection.is_finished());
    assert_eq!(session.events(&wire::client(TEXT, b"crossing")), [Seen::text("crossing")]);
    session.events(&wire::client(CLOSE, b""));
    assert!(session.connection.wants_shutdown());
}

// and the peer is not heard any more, its Close neither
#[test]
fn a_connection_can_be_finished_from_our_side() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.send("last words").unwrap();
    session.connection.finish(CloseCode::INTERNAL_ERROR, "");
    assert_eq!(session.connection.send("late"), Err(SendError::Closed));
    assert_eq!(session.events(&wire::client(TEXT, b"unheard")), []);
    let wanted = [wire::plain(TEXT, b"last words"), wire::plain(CLOSE, &1011u16.to_be_bytes())];
    assert_eq!(session.frames(), wanted);
    assert!(session.connection.wants_shutdown());
    session.connection.finish(CloseCode::NORMAL, "once is enough");
    assert_eq!(session.output(), []);
    assert_eq!(session.connection.tick(start), Ok(Some(start + 2 * SECOND)));
}

// IO-14: the peer may have ended one side only
#[test]
fn output_is_written_after_the_end_of_the_peers_stream() {
    let mut session = Session::new();
    session.connection.send("an answer").unwrap();
    assert!(session.connection.eof().is_err());
    assert!(!session.connection.is_finished());
    assert_eq!(session.frames(), [wire::plain(TEXT, b"an answer")]);
    assert!(session.connection.is_finished());
}

// CL-21, IO-08: nothing follows half a frame; what arrives is seen for a bounded time
#[test]
fn after_a_failed_write_messages_still_arrive() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.send("never whole").unwrap();
    session.write(3);
    session.connection.write_failed();
    assert_eq!(session.output(), []);
    assert_eq!(session.connection.send("more"), Err(SendError::Closed));
    assert!(!session.connection.wants_shutdown());
    assert_eq!(session.connection.tick(start), Ok(Some(start + 2 * SECOND)));
    assert_eq!(session.events(&wire::client(TEXT, b"arrived")), [Seen::text("arrived")]);
    session.events(&wire::client(PING, b""));
    assert!(!session.connection.is_finished());
    assert_eq!(session.connection.tick(start + 2 * SECOND), Ok(None));
    assert!(session.connection.is_finished());
}

// L-12, V38: whoever waits for it
#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.tick(start).unwrap();
    session.connection.send("unread").unwrap();
    for second in 0..30 {
        let now = start + second * SECOND;
        assert!(session.connection.tick(now).is_ok());
        session.events(&wire::client(BINARY & MORE, b"")[..1]);
        session.input = sansocket::Buffer::new();
    }
    assert_eq!(session.connection.tick(start + 30 * SECOND), Err(TimedOut::Write));
    assert_eq!(session.connection.tick(start), Err(TimedOut::Write));
    assert!(session.connection.is_finished());
    assert_eq!(session.connection.send("more"), Err(SendError::Closed));
}

// FR-22, V33: input waits while output does
#[test]
fn a_connection_with_much_to_write_is_congested() {
    let mut session = Session::new();
    session.connection.send(&vec![0; 250_000]).unwrap();
    assert!(!session.connection.is_congested());
    session.connection.send(&vec![0; 20_000]).unwrap();
    assert!(session.connection.is_congested());
    session.output();
    assert!(!session.connection.is_congested());
    for (waiting, congested) in [(250, false), (251, true)] {
        let mut small = Session::with(|config| config.max_queue(1000));
        small.connection.send(&vec![0; waiting - 4]).unwrap();
        assert_eq!(small.connection.is_congested(), congested, "a quarter, and {waiting} wait");
    }
}

// IO-07, V38: to be asked and to take nothing is no progress
#[test]
fn a_writer_that_takes_nothing_does_not_put_off_the_write_timeout() {
    let (mut session, start) = (Session::new(), Instant::now());
    let full: &mut [u8] = &mut [];
    for second in 0..30 {
        session.connection.send_to(&mut &mut *full, "unread").unwrap();
        session.connection.sent(0);
        let due = session.connection.tick(start + second * SECOND);
        assert_eq!(due, Ok(Some(start + 30 * SECOND)));
    }
    assert_eq!(session.connection.tick(start + 30 * SECOND), Err(TimedOut::Write));
}
