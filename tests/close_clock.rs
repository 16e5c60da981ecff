//! When the wait for the peer's Close begins.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::session::{Session, config};
use sansocket::{CloseCode, Connection, Replies, TimedOut, Unsent};

const SECOND: Duration = Duration::from_secs(1);

// CL-16, RE-05: also if nothing was due before, whenever that was
#[test]
fn the_tick_after_a_close_starts_its_clock() {
    let mut session = Session::new();
    session.connection = Connection::server(config(|config| config.no_keepalive()));
    let start = Instant::now();
    assert_eq!(session.connection.tick(start), Ok(None));
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    let closed = start + 3600 * SECOND;
    assert_eq!(session.connection.tick(closed), Ok(Some(closed + 10 * SECOND)));
    assert_eq!(session.connection.tick(closed + 9 * SECOND), Ok(Some(closed + 10 * SECOND)));
    assert_eq!(session.connection.tick(closed + 10 * SECOND), Err(TimedOut::Close));
}

// CL-16: a Close that the writer holds is not written yet
#[test]
fn the_clock_waits_for_a_writer_that_holds_the_close() {
    let (_, mut write) = Connection::server(config(|config| config)).split();
    let start = Instant::now();
    write.close(CloseCode::NORMAL, "").unwrap();
    let all = |slices: &[std::io::IoSlice<'_>]| Ok(slices.iter().map(|slice| slice.len()).sum());
    write.write_with(&mut Unsent::nothing(), all).unwrap();
    write.flush_with(|| Ok(1)).unwrap();
    let mut read = Connection::server(config(|config| config)).split().0;
    let mut replies = Replies::new();
    for second in [0, 20] {
        let now = start + second * SECOND;
        assert_eq!(write.tick(now), Ok(Some(start + 30 * SECOND)), "the write timeout");
        assert_eq!(read.tick(now, write.progress(), &mut replies), Ok(None));
    }
    write.flush_with(|| Ok(0)).unwrap();
    let late = start + 21 * SECOND;
    assert_eq!(write.tick(late), Ok(None));
    assert_eq!(read.tick(late, write.progress(), &mut replies), Ok(Some(late + 10 * SECOND)));
}

// CL-16, CL-02: pings do not put it off, whose answers always wait behind the Close
#[test]
fn pongs_behind_the_close_do_not_hold_its_clock() {
    let mut session = Session::new();
    let start = Instant::now();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    for second in 0..10 {
        session.events(&common::wire::client(common::wire::PING, b"?"));
        assert!(!session.connection.pending().is_empty(), "a pong waits");
        let due = session.connection.tick(start + second * SECOND);
        assert_eq!(due, Ok(Some(start + 10 * SECOND)));
        session.output();
    }
    assert_eq!(session.connection.tick(start + 10 * SECOND), Err(TimedOut::Close));
}

// CL-16: nor does one that is queued before the Close is written
#[test]
fn a_pong_queued_behind_the_close_does_not_hold_its_clock() {
    let mut session = Session::new();
    let start = Instant::now();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.events(&common::wire::client(common::wire::PING, b"?"));
    session.connection.sent(b"\x88\x02\x03\xe8\x8a".len());
    let due = session.connection.tick(start);
    assert_eq!(due, Ok(Some(start + 10 * SECOND)));
    assert_eq!(session.connection.tick(start + 10 * SECOND), Err(TimedOut::Close));
}

// CL-24, V38: nobody waits for a peer to take pongs behind the Close, for which there is the close timeout
#[test]
fn a_pong_behind_the_close_has_no_deadline_of_its_own() {
    let mut session = Session::new();
    let long = |config: sansocket::ConfigBuilder| config.close_timeout(3600 * SECOND);
    session.connection = Connection::server(config(long));
    let start = Instant::now();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    session.connection.tick(start).unwrap();
    session.events(&common::wire::client(common::wire::PING, b"?"));
    let late = start + 3000 * SECOND;
    assert_eq!(session.connection.tick(late), Ok(Some(start + 3600 * SECOND)));
    session.events(&common::wire::client(common::wire::CLOSE, b"\x03\xe8"));
    assert_eq!(session.connection.tick(late), Ok(Some(late + 2 * SECOND)), "the linger time");
    assert_eq!(session.connection.tick(late + 2 * SECOND), Ok(None));
    assert!(session.connection.is_finished());
}

// V38: a peer that has ended its side, without a Close, may read slowly
#[test]
fn the_write_timeout_after_the_peers_end_counts_from_the_last_progress() {
    let mut session = Session::new();
    let start = Instant::now();
    session.connection.send(&[7; 1000]).unwrap();
    session.connection.eof().unwrap_err();
    for second in [0, 20, 40, 60] {
        let now = start + second * SECOND;
        assert_eq!(session.connection.tick(now), Ok(Some(now + 30 * SECOND)), "after {second} s");
        session.connection.sent(1);
    }
}
