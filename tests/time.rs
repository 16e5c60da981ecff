//! Deadlines, with a clock that the test turns.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::session::{Seen, Session, config};
use common::wire::{self, BINARY, CLOSE, MORE, PING, PONG, TEXT};
use sansocket::{CloseCode, Connection, SendError, TimedOut, Written};

const SECOND: Duration = Duration::from_secs(1);
const INSTANT: Duration = Duration::from_nanos(1);
const KEEPALIVE_PING: &[u8] = b"\x89\0";

// L-10, RE-05: 30 s of silence, then 30 s more
#[test]
fn a_silent_peer_is_pinged_once_and_then_given_up() {
    let (mut session, start) = (Session::new(), Instant::now());
    let (ping, death) = (start + 30 * SECOND, start + 60 * SECOND);
    for now in [start, start + SECOND, ping - INSTANT] {
        assert_eq!(session.connection.tick(now), Ok(Some(ping)));
        assert_eq!(session.output(), []);
    }
    assert_eq!(session.connection.tick(ping), Ok(Some(death)));
    assert_eq!(session.output(), KEEPALIVE_PING);
    for now in [ping, start + 55 * SECOND, death - INSTANT] {
        assert_eq!(session.connection.tick(now), Ok(Some(death)));
        assert_eq!(session.output(), []);
    }
    assert!(!session.connection.is_finished());
    for now in [death, death + SECOND, start] {
        assert_eq!(session.connection.tick(now), Err(TimedOut::Silence));
        assert!(session.connection.is_finished());
    }
    assert_eq!(session.connection.send("late"), Err(SendError::Closed));
    assert_eq!(session.events(&wire::client(TEXT, b"late")), []);
    assert_eq!(session.output(), [], "nobody is there to read a Close");
    assert_eq!(session.connection.eof(), Ok(()));
}

// L-10, RE-05: a day of it
#[test]
fn a_peer_that_answers_pings_lives() {
    let (mut session, mut now) = (Session::new(), Instant::now());
    session.connection.tick(now).unwrap();
    for _ in 0..2880 {
        now += 30 * SECOND;
        assert_eq!(session.connection.tick(now), Ok(Some(now + 30 * SECOND)));
        assert_eq!(session.output(), KEEPALIVE_PING);
        session.events(&wire::client(PONG, b""));
        assert_eq!(session.connection.tick(now), Ok(Some(now + 30 * SECOND)));
        assert_eq!(session.output(), []);
    }
}

// R-117, V24: a pong cannot arrive inside a large frame
#[test]
fn any_byte_breaks_the_silence() {
    let large = [wire::declare(BINARY, 100_000), vec![0; 50]].concat();
    let rows = [
        large,
        wire::client(TEXT & MORE, b"fragment"),
        wire::client(PING, b"the other way round"),
        wire::client(PONG, b"the wrong payload"),
        wire::client(TEXT, b"message"),
    ];
    for bytes in rows {
        let (mut session, mut now) = (Session::new(), Instant::now());
        session.connection.tick(now).unwrap();
        for (i, byte) in bytes.into_iter().enumerate() {
            now += 59 * SECOND;
            if i % 2 == 0 {
                session.input.extend(&[byte]);
            } else {
                session.input.read_from(&mut &[byte][..]).unwrap();
            }
            session.events(b"");
            session.output();
            assert_eq!(session.connection.tick(now), Ok(Some(now + 30 * SECOND)));
            assert_eq!(session.connection.tick(now + 30 * SECOND), Ok(Some(now + 60 * SECOND)));
            session.output();
        }
        assert_eq!(session.connection.tick(now + 60 * SECOND), Err(TimedOut::Silence));
    }
}

// RE-05: asking for events without any input is no sign of life
#[test]
fn nothing_does_not_break_the_silence() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.events(b"\x81");
    session.connection.tick(start).unwrap();
    for second in 1..60 {
        assert_eq!(session.connection.next_event(&mut session.input), Ok(None));
        session.input.filled(0);
        session.input = session.input.detach();
        session.connection.send("we talk").unwrap();
        session.output();
        session.connection.tick(start + second * SECOND).unwrap();
    }
    assert_eq!(session.connection.tick(start + 60 * SECOND), Err(TimedOut::Silence));
}

// RE-05: a deadline that was missed is not made up for
#[test]
fn a_late_tick_pings_before_it_gives_up() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.tick(start).unwrap();
    let late = start + 100_000 * SECOND;
    assert_eq!(session.connection.tick(late), Ok(Some(late + 30 * SECOND)));
    assert_eq!(session.output(), KEEPALIVE_PING);
    session.events(b"\x81");
    let later = late + 100_000 * SECOND;
    assert_eq!(session.connection.tick(later), Ok(Some(later + 30 * SECOND)));
    assert_eq!(session.output(), []);
}

// RE-05: it neither fires early nor panics
#[test]
fn a_clock_that_jumps_back_only_makes_deadlines_late() {
    let (mut session, start) = (Session::new(), Instant::now());
    let later = start + 1000 * SECOND;
    session.connection.tick(later).unwrap();
    assert_eq!(session.connection.tick(start), Ok(Some(later + 30 * SECOND)));
    assert_eq!(session.connection.tick(later + 30 * SECOND), Ok(Some(later + 60 * SECOND)));
    assert_eq!(session.output(), KEEPALIVE_PING);
    assert_eq!(session.connection.tick(start), Ok(Some(later + 60 * SECOND)));
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    assert_eq!(session.connection.tick(later), Ok(Some(later + 10 * SECOND)));
    assert_eq!(session.connection.tick(start), Ok(Some(later + 10 * SECOND)));
    let timed_out = session.connection.tick(later + 10 * SECOND);
    assert_eq!(timed_out, Err(TimedOut::Close));
}

// RE-05: where the clock itself ends
#[test]
fn at_the_end_of_time_there_is_no_next_tick() {
    let mut last = Instant::now();
    for bit in (0..64).rev() {
        last = last.checked_add(Duration::from_secs(1 << bit)).unwrap_or(last);
    }
    let mut session = Session::new();
    assert_eq!(session.connection.tick(last), Ok(None));
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.connection.tick(last), Ok(None));
}

// RE-05, RE-07: the shortest and the longest times
#[test]
fn times_are_as_configured() {
    let longest = Duration::from_millis(u32::MAX.into());
    let shortest = Duration::from_millis(1);
    for (first, second) in [(shortest, longest), (longest, shortest)] {
        let (mut session, start) = (
            Session::with(|config| config.keepalive(first, second).close_timeout(second)),
            Instant::now(),
        );
        assert_eq!(session.connection.tick(start), Ok(Some(start + first)));
        let ping = start + first;
        assert_eq!(session.connection.tick(ping), Ok(Some(ping + second)));
        assert_eq!(session.output(), KEEPALIVE_PING);
        session.connection.close(CloseCode::NORMAL, "").unwrap();
        session.output();
        assert_eq!(session.connection.tick(ping), Ok(Some(ping + second)));
        assert_eq!(session.connection.tick(ping + second), Err(TimedOut::Close));
    }
}

// RE-05: but a closing handshake has its deadline
#[test]
fn without_keepalive_silence_is_no_fault() {
    let (mut session, start) = (Session::with(|config| config.no_keepalive()), Instant::now());
    assert_eq!(session.connection.tick(start), Ok(None));
    let later = start + 10_000_000 * SECOND;
    assert_eq!(session.connection.tick(later), Ok(None));
    assert_eq!(session.output(), []);
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    assert_eq!(session.connection.tick(later), Ok(Some(later + 10 * SECOND)));
    assert_eq!(session.connection.tick(later + 10 * SECOND), Err(TimedOut::Close));
}

/// A server that waits for long if the peer takes nothing.
fn patient() -> Session {
    Session::with(|config| config.write_timeout(100_000 * SECOND))
}

// RE-05: before what waits, if nothing of it is written yet
#[test]
fn a_ping_overtakes_a_long_queue() {
    let (mut session, start) = (patient(), Instant::now());
    session.connection.send(&[1; 3000]).unwrap();
    session.connection.tick(start).unwrap();
    session.connection.tick(start + 30 * SECOND).unwrap();
    assert_eq!(session.connection.pending(), KEEPALIVE_PING);
    assert_eq!(session.frames(), [wire::plain(PING, b""), wire::plain(BINARY, &[1; 3000])]);
}

// CL-05, RE-05: at a frame boundary, behind a pong, and one for all
#[test]
fn a_ping_into_a_queue_that_does_not_move_waits_alone() {
    let (mut session, start) = (patient(), Instant::now());
    session.connection.send(&[1; 3000]).unwrap();
    session.connection.send(&[2; 3000]).unwrap();
    let mut output = session.write(1);
    session.connection.tick(start).unwrap();
    for i in 0..100_u8 {
        let pinged = start + (40 * u32::from(i) + 30) * SECOND;
        assert_eq!(session.connection.tick(pinged), Ok(Some(pinged + 30 * SECOND)));
        session.events(&wire::client(PING, &[i]));
        session.connection.tick(pinged + 10 * SECOND).unwrap();
    }
    output.extend(session.output());
    let wanted = [
        wire::plain(BINARY, &[1; 3000]),
        wire::plain(PONG, &[99]),
        wire::plain(PING, b""),
        wire::plain(BINARY, &[2; 3000]),
    ];
    assert_eq!(wire::parse(&output), wanted);
}

// R-127, CL-16, L-10, V83: from the first tick that sees our Close
#[test]
fn a_peer_has_ten_seconds_to_answer_our_close() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.tick(start).unwrap();
    let closed = start + 29 * SECOND;
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(session.output(), wire::failure(1000));
    let deadline = closed + 10 * SECOND;
    for now in [closed, closed + SECOND, deadline - INSTANT] {
        assert_eq!(session.connection.tick(now), Ok(Some(deadline)));
        assert!(!session.connection.is_finished());
    }
    assert_eq!(session.output(), [], "no ping");
    for now in [deadline, deadline + 100 * SECOND, start] {
        assert_eq!(session.connection.tick(now), Err(TimedOut::Close));
        assert!(session.connection.is_finished());
    }
    assert_eq!(session.events(&wire::client(CLOSE, b"")), [], "too late");
}

// CL-15, CL-16: it may talk as much as it likes
#[test]
fn data_does_not_put_off_the_close_timeout() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    session.connection.tick(start).unwrap();
    for second in 1..10 {
        assert_eq!(session.events(&wire::client(TEXT, b"on")), [Seen::text("on")]);
        let next = session.connection.tick(start + second * SECOND);
        assert_eq!(next, Ok(Some(start + 10 * SECOND)));
    }
    assert_eq!(session.connection.tick(start + 10 * SECOND), Err(TimedOut::Close));
    assert_eq!(session.events(&wire::client(TEXT, b"and on")), []);
    assert!(session.input.is_empty());
}

// of an answer, too, and of the Close that a failure calls for
#[test]
fn a_close_that_cannot_be_written_is_given_up() {
    for bytes in [wire::client(CLOSE, b"\x03\xe8"), vec![0xff], vec![]] {
        let (mut session, start) = (Session::new(), Instant::now());
        session.feed(&bytes);
        if bytes.is_empty() {
            session.connection.send("unwritten").unwrap();
            assert!(!session.connection.eof().unwrap_err().mid_message);
        }
        assert_eq!(session.connection.tick(start), Ok(Some(start + 30 * SECOND)));
        session.connection.sent(1);
        let later = start + 20 * SECOND;
        assert_eq!(session.connection.tick(later), Ok(Some(later + 30 * SECOND)));
        assert!(!session.connection.is_finished());
        for now in [later + 30 * SECOND, start] {
            assert_eq!(session.connection.tick(now), Err(TimedOut::Write));
            assert!(session.connection.is_finished());
        }
    }
}

// nothing is due any more
#[test]
fn a_finished_connection_asks_for_no_tick() {
    for bytes in [wire::client(CLOSE, b"\x03\xe8"), vec![0xff], vec![]] {
        let (mut session, start) = (Session::new(), Instant::now());
        session.connection.tick(start).unwrap();
        session.feed(&bytes);
        if bytes.is_empty() {
            assert!(!session.connection.eof().unwrap_err().mid_message);
        }
        session.output();
        let end = start + 2 * SECOND;
        let lingering = if bytes.is_empty() { None } else { Some(end) };
        assert_eq!(session.connection.tick(start), Ok(lingering));
        for now in [end, start + 100_000 * SECOND, start] {
            assert_eq!(session.connection.tick(now), Ok(None));
            assert!(session.connection.is_finished());
            assert_eq!(session.output(), []);
        }
    }
}

// in time
#[test]
fn an_answer_within_the_close_timeout_ends_well() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    session.connection.tick(start).unwrap();
    session.events(&wire::client(CLOSE, b"\x03\xe8"));
    let answered = start + 10 * SECOND;
    assert_eq!(session.connection.tick(answered), Ok(Some(answered + 2 * SECOND)));
    assert_eq!(session.connection.eof(), Ok(()));
    assert!(session.connection.is_finished());
}

// RE-05: at once, and not only when there is nothing more to take
#[test]
fn a_message_breaks_the_silence_before_the_next_is_asked_for() {
    let (mut session, start) = (Session::new(), Instant::now());
    session.connection.tick(start).unwrap();
    session.input.extend(&wire::client(TEXT, b"hello"));
    assert!(session.connection.next_event(&mut session.input).unwrap().is_some());
    session.connection.tick(start + 30 * SECOND).unwrap();
    assert_eq!(session.connection.pending(), b"");
}

// L-10, V38: a peer that reads what waits is not silent, though it cannot be pinged meanwhile
#[test]
fn a_peer_that_reads_slowly_is_not_silent() {
    let mut session = Session::new();
    let start = Instant::now();
    session.connection.send(&vec![7; 1_000_000]).unwrap();
    for second in 0..190 {
        assert!(session.connection.is_congested() || second > 140, "so it is not read from");
        let n = session.connection.pending().len().min(5000);
        session.connection.sent(n);
        assert!(session.connection.tick(start + second * SECOND).is_ok(), "after {second} s");
    }
}

// L-10: what the socket takes at once says nothing about the peer
#[test]
fn sending_does_not_break_the_silence() {
    let mut session = Session::new();
    let start = Instant::now();
    let end = (0..100).find(|second| {
        session.connection.send("tick").unwrap();
        session.output();
        session.connection.tick(start + *second * SECOND).is_err()
    });
    assert_eq!(end, Some(60));
}

// CL-16: what lies in the socket is to be read before it is too late
#[test]
fn an_overdue_connection_says_so_before_the_tick() {
    let mut session = Session::new();
    let start = Instant::now();
    session.connection.tick(start).unwrap();
    assert!(!session.connection.is_overdue(start + 60 * SECOND), "it was not pinged");
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    session.connection.tick(start).unwrap();
    assert!(!session.connection.is_overdue(start + 9 * SECOND));
    assert!(session.connection.is_overdue(start + 10 * SECOND));
    assert_eq!(session.connection.tick(start + 10 * SECOND), Err(TimedOut::Close));
}

// RE-05: nothing else becomes due any more
#[test]
fn the_deadline_that_passed_first_stays_the_reason() {
    let (mut session, start) =
        (Session::with(|config| config.write_timeout(100 * SECOND)), Instant::now());
    session.connection.send("unread").unwrap();
    for second in [0, 30] {
        session.connection.tick(start + second * SECOND).unwrap();
    }
    for second in [60, 1000] {
        let timed_out = session.connection.tick(start + second * SECOND);
        assert_eq!(timed_out, Err(TimedOut::Silence));
    }
}

// V38: a queue that was blocked and is written since is no stall, whichever way it was written
#[test]
fn a_queue_that_was_written_after_all_has_no_deadline() {
    let full = |_: &[std::io::IoSlice<'_>]| Err(std::io::ErrorKind::WouldBlock.into());
    let writes: [fn(&mut Connection); 2] = [
        |connection| connection.sent(connection.pending().len()),
        |connection| connection.send_to(&mut Vec::new(), "all goes").unwrap(),
    ];
    for write in writes {
        let mut connection = Connection::server(config(|config| config.no_keepalive()));
        let start = Instant::now();
        connection.send("hello").unwrap();
        assert_eq!(connection.write_with(full).unwrap(), Written::Blocked);
        assert_eq!(connection.tick(start), Ok(Some(start + 30 * SECOND)));
        write(&mut connection);
        assert!(connection.pending().is_empty());
        assert_eq!(connection.tick(start + 40 * SECOND), Ok(None));
    }
}
