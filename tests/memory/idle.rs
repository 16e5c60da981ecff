//! What a connection holds that has nothing to do.

use std::time::{Duration, Instant};

use sansocket::{Buffer, Config, Connection};

use crate::common::session::{Session, config};
use crate::common::wire::{self, BINARY, CONTINUATION, MORE, PING, TEXT};
use crate::heap::{NOTHING, heap, measure};
use crate::{KIB, MIB, echo, swallow};

// RE-01
#[test]
fn a_connection_is_small() {
    let most = if cfg!(feature = "deflate") { 184 } else { 176 };
    assert!(size_of::<Connection>() <= most, "{}", size_of::<Connection>());
}

// RE-01
#[test]
fn an_unused_connection_holds_no_heap() {
    let config = Config::default();
    let (mut session, unused) =
        measure(|| Session { connection: Connection::server(&config), input: Buffer::new() });
    assert_eq!(unused, NOTHING);
    let now = Instant::now();
    let asked = heap(|| {
        assert_eq!(session.connection.next_event(&mut session.input), Ok(None));
        assert!(session.connection.tick(now).unwrap().is_some());
        assert_eq!(session.connection.pending(), []);
    });
    assert_eq!(asked, NOTHING);
}

// RE-01, RE-03: one that an event loop lends its memory to, for large messages and small ones in turn
#[test]
fn an_idle_connection_holds_no_heap() {
    let (mut input, mut queue) = (Buffer::new(), Vec::new());
    let frames = [
        wire::client(TEXT & MORE, &[b'x'; 3000]),
        wire::client(PING, b"?"),
        wire::client(CONTINUATION, &[b'x'; 10_000]),
        wire::client(BINARY, &[0xff; 100_000]),
    ]
    .concat();
    let config = Config::default();
    let mut connections: Vec<_> = (0..100).map(|_| Connection::server(&config)).collect();
    for warm in [false, true] {
        let busy = heap(|| {
            for connection in &mut connections {
                connection.lend_queue(&mut queue);
                assert_eq!(echo(connection, &mut input, &frames[..]), 2);
                connection.reclaim_queue(&mut queue);
            }
        });
        assert_eq!(busy.live, if warm { 0 } else { input.capacity() + queue.capacity() });
        assert_eq!(busy == NOTHING, warm);
    }
}

// RE-01: one that keeps its queue gives it back in silence, but for the ping
#[test]
fn a_silent_connection_holds_next_to_no_heap() {
    let (mut connection, mut input) = (Connection::server(Config::default()), Buffer::new());
    let now = Instant::now();
    connection.tick(now).unwrap();
    let (_, silent) = measure(|| {
        echo(&mut connection, &mut input, &wire::client(BINARY, &[1; 50_000])[..]);
        input = Buffer::new();
        connection.tick(now).unwrap();
        connection.tick(now + Duration::from_secs(30)).unwrap();
        assert_eq!(connection.pending(), b"\x89\0");
        connection.sent(2);
    });
    assert!(silent.peak > 100_000, "{silent:?}");
    assert!(silent.live <= 16, "{silent:?}");
}

// RE-01: what was needed once is given back
#[test]
fn the_memory_of_a_large_message_is_given_back_after_small_ones() {
    let config = config(|config| config.max_queue(2 * MIB));
    let (mut connection, mut input) = (Connection::server(&config), Buffer::new());
    let (_, cost) = measure(|| {
        echo(&mut connection, &mut input, &wire::client(BINARY, &vec![1; MIB])[..]);
        assert!(input.capacity() >= MIB);
        for _ in 0..300 {
            echo(&mut connection, &mut input, &wire::client(TEXT, b"small")[..]);
        }
        assert!(input.capacity() <= 4 * KIB, "{}", input.capacity());
    });
    assert!(cost.live <= 8 * KIB, "{cost:?}");
}

// RE-03
#[test]
fn dropped_connections_leave_nothing_behind() {
    let ended = |i: usize| {
        let mut session = Session::new();
        session.connection.send(&vec![1; i % 3000]).unwrap();
        let bytes = [
            wire::client(PING, &[1; 100]),
            wire::client(BINARY & MORE, &vec![2; i % 5000]),
            vec![[0x83, 0x80][i % 2]],
        ];
        let _ = swallow(&mut session, &bytes.concat());
        session.connection.sent(i % 100);
    };
    ended(0);
    let all = heap(|| (0..10_000).for_each(ended));
    assert_eq!(all.live, 0);
}
