//! When the wait for the peer's Close begins.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::session::{Session, config};
use sansocket::{CloseCode, Connection, TimedOut};

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
