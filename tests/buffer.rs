//! The buffer that the caller owns: how bytes get into it, and out again.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read};

use common::rng::Rng;
use common::session::{Seen, Session};
use common::wire::{self, BINARY, PING, TEXT};
use sansocket::Buffer;

/// Does as it is told, one read at a time; then it has ended.
struct Script(VecDeque<Step>);

enum Step {
    Bytes(Vec<u8>),
    Error(ErrorKind),
    /// Claims to have read this much more than there was room for.
    Claim(usize),
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl Read for Script {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.pop_front() {
            None => Ok(0),
            Some(Step::Bytes(bytes)) => {
                let n = bytes.len().min(room.len());
                room[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    self.0.push_front(Step::Bytes(bytes[n..].to_vec()));
                }
                Ok(n)
            }
            Some(Step::Error(kind)) => Err(kind.into()),
            Some(Step::Claim(more)) => Ok(room.len().saturating_add(more)),
        }
    }
}

fn hello() -> Vec<u8> {
    wire::client(TEXT, b"Hello")
}

// IO-01: any pattern
#[test]
fn reads_may_be_as_short_as_they_like() {
    let mut rng = Rng::new(1);
    let bytes = [hello(), wire::client(BINARY, &[7; 9000]), wire::client(PING, b"!")].concat();
    let wanted = [Seen::text("Hello"), Seen::binary([7; 9000]), Seen::ping("!")];
    for most in [1, 2, 7, 100, 5000, 20_000] {
        let mut session = Session::new();
        let mut seen = vec![];
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + rng.below(most)));
            let mut script = Script::new([Step::Bytes(now.to_vec())]);
            while session.input.read_from(&mut script).unwrap() > 0 {
                seen.extend(session.events(b""));
            }
            rest = later;
        }
        assert_eq!(seen, wanted);
    }
}

// IO-04
#[test]
fn a_read_that_was_interrupted_is_repeated() {
    let interrupted = || Step::Error(ErrorKind::Interrupted);
    let mut script =
        Script::new([interrupted(), interrupted(), Step::Bytes(hello()), interrupted()]);
    let mut input = Buffer::new();
    assert_eq!(input.read_from(&mut script).unwrap(), 11);
    assert_eq!(input.unread(), hello());
    assert_eq!(input.read_from(&mut script).unwrap(), 0);
    assert_eq!(input.unread(), hello());
}

// CL-21, IO-05, IO-06, IO-08, IO-09: and can be tried again
#[test]
fn a_read_that_failed_loses_nothing() {
    let kinds =
        [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionReset, ErrorKind::Other];
    for kind in kinds {
        let bytes = hello();
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let mut session = Session::new();
            session.events(a);
            let mut script = Script::new([Step::Error(kind), Step::Bytes(b.to_vec())]);
            let error = session.input.read_from(&mut script).unwrap_err();
            assert_eq!(error.kind(), kind);
            session.input.read_from(&mut script).unwrap();
            let wanted = if cut < bytes.len() { vec![Seen::text("Hello")] } else { vec![] };
            assert_eq!(session.events(b""), wanted);
        }
    }
}

// IO-07, V39, V40: the claim is not believed
#[test]
fn a_reader_that_claims_too_much_is_an_error() {
    for more in [1, 1000, usize::MAX] {
        let mut session = Session::new();
        let (front, back) = (&hello()[..3], &hello()[3..]);
        assert_eq!(session.events(front), []);
        let mut script = Script::new([Step::Claim(more), Step::Bytes(back.to_vec())]);
        let error = session.input.read_from(&mut script).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(session.input.unread(), front);
        assert_eq!(session.input.read_from(&mut script).unwrap(), back.len());
        assert_eq!(session.events(b""), [Seen::text("Hello")]);
    }
    let mut script = Script::new([Step::Claim(0)]);
    let mut input = Buffer::new();
    let room = input.space().len();
    assert_eq!(input.read_from(&mut script).unwrap(), room);
}

// IO-07: the same without a reader
#[test]
fn more_than_the_room_is_cut_to_the_room() {
    for more in [1, 1000, usize::MAX] {
        let mut input = Buffer::new();
        let room = input.space().len();
        input.filled(room.saturating_add(more));
        assert_eq!(input.unread(), vec![0; room]);
        input.filled(more);
        assert_eq!(input.unread().len(), room);
    }
    let mut input = Buffer::new();
    input.filled(10);
    assert_eq!(input.unread(), []);
}

// V82: and again at every later call
#[test]
fn a_reader_that_has_ended_reads_nothing() {
    let mut input = Buffer::new();
    for _ in 0..100 {
        assert_eq!(input.read_from(&mut io::empty()).unwrap(), 0);
        assert!(!input.space().is_empty());
    }
    assert!(input.is_empty());
}

// V26: room is made without loss, and no more than is promised
#[test]
fn room_grows_with_what_comes() {
    let mut input = Buffer::new();
    assert_eq!((input.capacity(), input.is_empty()), (0, true));
    assert_eq!(input.space().len(), 4 * 1024);
    let mut len = 0;
    for i in 0..40 {
        let space = input.space();
        let room = space.len();
        assert!((1..=64 * 1024).contains(&room));
        space.fill(i);
        input.filled(room);
        len += room;
        assert_eq!(input.unread().len(), len);
        assert!(input.capacity() <= 2 * len + 64 * 1024, "{} for {len}", input.capacity());
    }
    assert!(len > 1 << 20, "{len}");
    assert!(input.unread().is_sorted());
}

// FR-15: what is sure to come is made room for, and nothing beyond
#[test]
fn a_long_message_gets_the_room_it_takes() {
    let mut session = Session::new();
    let frame = wire::client(BINARY, &[7; 1 << 20]);
    for _ in 0..3 {
        let mut reader = &frame[..];
        let mut seen = vec![];
        while !reader.is_empty() {
            session.input.read_from(&mut reader).unwrap();
            seen.extend(session.events(b""));
        }
        assert!(seen == [Seen::binary([7; 1 << 20])]);
        let capacity = session.input.capacity();
        assert!(capacity <= (1 << 20) + 64 * 1024, "{capacity}");
    }
}

// IO-01, V12, V15
#[test]
fn bytes_are_appended_and_consumed_in_order() {
    let mut rng = Rng::new(2);
    let (mut input, mut model) = (Buffer::new(), VecDeque::new());
    for _ in 0..1000 {
        match rng.below(4) {
            0 => {
                let len = rng.below(3000);
                let bytes = rng.bytes(len);
                input.extend(&bytes);
                model.extend(bytes);
            }
            1 => {
                let most = *rng.pick(&[10, 4000, 1 << 20]);
                let n = rng.below(most);
                input.consume(n);
                model.drain(..n.min(model.len()));
            }
            2 => {
                let space = input.space();
                let n = rng.below(space.len());
                let bytes = rng.bytes(n);
                space[..n].copy_from_slice(&bytes);
                input.filled(n);
                model.extend(bytes);
            }
            _ if rng.one_in(10) => {
                let rest = input.detach();
                assert!(input.is_empty() && input.unread().is_empty());
                input = rest;
            }
            _ => {}
        }
        assert_eq!(input.is_empty(), model.is_empty());
        assert!(input.unread().iter().eq(&model));
    }
}

// IO-07
#[test]
fn consuming_beyond_the_end_consumes_all() {
    for n in [5, 6, 1000, usize::MAX] {
        let mut input = Buffer::new();
        input.extend(b"bytes");
        input.consume(n);
        assert_eq!(input.unread(), []);
        assert!(input.is_empty());
        input.extend(b"more");
        assert_eq!(input.unread(), b"more");
    }
}

// Whole long frames, no more memory than one of them, and a short read at the end of
// what there is
#[test]
fn long_frames_are_read_one_at_a_time() {
    for len in [16 * 1024, 20_000, 65_535, 65_536, 300_000] {
        let frame = wire::client(BINARY, &vec![5; len]);
        let mut session = Session::new();
        let (mut wire, mut seen) = (frame.repeat(12), 0);
        let mut last_reads = 0;
        while seen < 12 {
            last_reads += 1;
            let room = session.input.space().len();
            let n = session.input.read_from(&mut &*wire).unwrap();
            wire.drain(..n);
            assert_eq!(n < room, wire.is_empty(), "{len}");
            while let Some(event) = session.connection.next_event(&mut session.input).unwrap() {
                assert!(matches!(event, sansocket::Event::Message(_)));
                seen += 1;
                if seen < 6 {
                    last_reads = 0;
                }
            }
        }
        assert_eq!(last_reads, 7, "{len}");
        assert!(session.input.capacity() <= 2 * frame.len() + 64 * 1024);

        // And back to many at once.
        let short = wire::client(BINARY, &[5; 100]).repeat(1000);
        session.events(&short[..106]);
        assert!(session.input.space().len() >= 16 * 1024);
    }
}

// Whether a frame is long is a matter of all its bytes, and what is there of the next counts
#[test]
fn the_next_long_frame_gets_the_room_it_lacks() {
    for (header, payload, long) in [(8, 16 * 1024 - 9, false), (8, 16 * 1024 - 8, true)] {
        let frame = wire::client(BINARY, &vec![5; payload]);
        assert_eq!(frame.len(), header + payload);
        for (room, begun) in [(0, 0), (0, 1), (0, 5), (60_000, 1), (60_000, 5)] {
            let mut session = Session::new();
            session.input.extend(&vec![0; room]);
            session.input.consume(room);
            session.events(&[&frame, &frame[..begun]].concat());
            let missing = frame.len() - begun;
            assert_eq!(session.input.space().len() == missing + 1, long, "{begun}");
        }
    }
}

// What is there moves once, while it is small, and only if what is missing has no room behind it
#[test]
fn a_frame_moves_to_where_it_has_room() {
    let message = wire::client(BINARY, &[5; 45_000]);
    let next = wire::client(BINARY, &[6; 30_000]);
    for (room, begun, missing, moves) in
        [(60_000, 1008, 29_000, true), (90_000, next.len() - 4, 4, false)]
    {
        let mut session = Session::new();
        session.input.extend(&vec![0; room]);
        session.input.consume(room);
        session.events(&[&message, &next[..begun]].concat());
        let before = session.input.unread().as_ptr().addr();
        let space = session.input.space();
        assert_eq!(space.len(), missing + 1);
        // A gap of a header is closed without a move.
        assert_eq!(before - space.as_ptr().addr() > 8, moves);
        assert_eq!(session.input.capacity(), room);
        assert!(session.events(&next[begun..]) == [Seen::binary([6; 30_000])]);
    }
}

// What is taken at once: as much as a read brings, up to 64 KiB
#[test]
fn reads_grow_to_64_kib() {
    let mut input = Buffer::new();
    let mut rooms = vec![];
    for _ in 0..7 {
        let room = input.space().len();
        rooms.push(room / 1024);
        input.filled(room);
        input.consume(room);
    }
    assert_eq!(rooms, [4, 8, 16, 32, 64, 64, 64]);
}

// The same when a read never ends where a frame does: what is there of the next does not keep the room as it was
#[test]
fn reads_grow_to_64_kib_behind_the_beginning_of_a_frame() {
    let of_any_size = [0, 1, 5, 100, 3000].map(|payload| (None, payload));
    // With these a read would end behind a header for ever, and its frame have room.
    let in_step = [(None, 299), (None, 3575), (Some(1), 13), (Some(1), 117), (Some(3), 39)];
    for (first, payload) in of_any_size.into_iter().chain(in_step) {
        let frame = wire::client(BINARY, &vec![7; payload]);
        let mut session = Session::new();
        let mut rest = first.map_or(vec![], |len| wire::client(BINARY, &vec![7; len]));
        let mut longest = 0;
        for _ in 0..12 {
            let room = session.input.space();
            longest = longest.max(room.len());
            while rest.len() < room.len() {
                rest.extend_from_slice(&frame);
            }
            let n = room.len();
            room.copy_from_slice(&rest[..n]);
            rest.drain(..n);
            session.input.filled(n);
            while session.connection.next_event(&mut session.input).unwrap().is_some() {}
        }
        assert!(longest > 60 * 1024, "{first:?} {payload}: {longest}");
        assert!(session.input.capacity() <= 80 * 1024, "{first:?} {payload}");
    }
}

// A long message lets expect others, a control frame does not: many of them are no reason for a long read
#[test]
fn a_control_frame_ends_long_reads() {
    let mut session = Session::new();
    session.events(&wire::client(BINARY, &vec![7; 1024 * 1024]));
    assert!(session.input.space().len() > 1024 * 1024);
    session.events(&wire::client(PING, b""));
    assert!(session.input.space().len() <= 64 * 1024, "{}", session.input.space().len());
}

// An event loop compares what it read with the room there was
#[test]
fn asking_for_room_twice_gives_the_same() {
    let mut input = Buffer::new();
    while input.capacity() < 64 * 1024 {
        let room = input.space().len();
        input.filled(room);
        input.consume(room);
    }
    for i in 0..1000 {
        let room = input.space().len();
        assert_eq!(input.space().len(), room, "{i}");
        input.filled(1);
        input.consume(1);
    }
    assert!(input.capacity() <= 4096);
}

// RE-01: for as long as a quarter of it is
#[test]
fn memory_that_is_needed_is_kept() {
    for (needed, kept) in [(16 * 1024, true), (16 * 1024 - 1, false)] {
        let mut input = Buffer::new();
        while input.capacity() < 64 * 1024 {
            let room = input.space().len();
            input.filled(room);
            input.consume(room);
        }
        let stayed = (0..1000).all(|_| {
            input.space();
            input.filled(needed);
            input.consume(needed);
            input.capacity() == 64 * 1024
        });
        assert_eq!(stayed, kept, "{needed}");
    }
}
