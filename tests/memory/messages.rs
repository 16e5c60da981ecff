//! What messages cost, whole and in pieces, in and out.

use std::io::{self, ErrorKind, Read};

use sansocket::{Buffer, Config, Connection, Event, Prepared, SendError};

use crate::common::session::{Seen, Session, config};
use crate::common::wire::{self, BINARY, CONTINUATION, MORE, TEXT};
use crate::heap::{NOTHING, heap, measure, starve};
use crate::{KIB, MIB, echo};

/// The most by which a buffer grows at a time, beyond what it holds.
const STEP: usize = 64 * KIB;

// V23, RE-04, AL3: and so no garbage, however long it goes on
#[test]
fn receiving_and_echoing_allocates_nothing() {
    for len in [0, 16, 125, 126, KIB, 64 * KIB, MIB] {
        for first in [TEXT, BINARY] {
            let mut connection = Connection::server(config(|config| config.max_queue(2 * MIB)));
            let mut input = Buffer::new();
            let frame = wire::client(first, &vec![b'x'; len]);
            for _ in 0..10 {
                echo(&mut connection, &mut input, &frame[..]);
            }
            // Often enough for memory that is not needed to be given back.
            let rounds = if len < MIB { 270 } else { 20 };
            let steady = heap(|| {
                for _ in 0..rounds {
                    assert_eq!(echo(&mut connection, &mut input, &frame[..]), 1);
                }
            });
            assert_eq!(steady, NOTHING, "{len}");
        }
    }
}

// AL3: what goes past the queue is not copied
#[test]
fn a_message_that_the_writer_takes_needs_no_memory() {
    for len in [0, 125, 126, KIB, MIB] {
        let mut connection = Connection::server(Config::default());
        let (payload, prepared) = (vec![7; len], Prepared::new(&vec![7; len]));
        let cost = heap(|| {
            connection.send_to(&mut io::sink(), &payload).unwrap();
            connection.send_prepared_to(&mut io::sink(), &prepared).unwrap();
        });
        assert_eq!(cost, NOTHING, "{len}");
    }
}

// FR-06, FR-08, L-05, V08, V10, V24, V70: what is declared is not what has come
#[test]
fn a_header_costs_one_small_read() {
    for (limit, len) in [(MIB, MIB), (usize::MAX, MIB), (usize::MAX, isize::MAX as usize)] {
        let config = config(|config| config.max_message(limit));
        for first in [TEXT, BINARY, BINARY & MORE] {
            let header = wire::declare(first, len as u64);
            let (_, declared) = measure(|| {
                let mut connection = Connection::server(&config);
                let mut input = Buffer::new();
                assert_eq!(input.read_from(&mut &header[..]).unwrap(), header.len());
                assert_eq!(connection.next_event(&mut input), Ok(None));
                assert!(!input.space().is_empty());
                (connection, input)
            });
            assert!(declared.peak <= 8 * KIB, "{declared:?}");
        }
    }
}

// FR-02, FR-06, V08, V09: nor does one that is refused
#[test]
fn a_header_that_is_refused_costs_one_small_read() {
    for (first, len) in [(BINARY, MIB as u64 + 1), (BINARY, 1 << 60), (0x83, 1 << 60)] {
        let header = wire::declare(first, len);
        let (_, refused) = measure(|| {
            let mut session = Session::new();
            session.input.read_from(&mut &header[..]).unwrap();
            assert!(session.connection.next_event(&mut session.input).is_err());
            assert!(session.connection.next_event(&mut session.input).is_err());
            session
        });
        assert!(refused.peak <= 8 * KIB, "{refused:?}");
    }
}

// R-167, FR-15, V23, V25, PR6, PR7, AL3: the smallest fragments, the smallest reads, and both.
// It grows by doubling, so what is moved is linear in what arrives.
#[test]
fn a_message_costs_at_most_twice_itself() {
    for (len, dribbled) in [(4 * MIB, false), (MIB, true)] {
        let mut fragments = wire::client(TEXT & MORE, b"x");
        fragments.extend(wire::client(CONTINUATION & MORE, b"x").repeat(len - 2));
        fragments.extend(wire::client(CONTINUATION, b"x"));
        let whole = wire::client(TEXT, &vec![b'x'; len]);
        let config = config(|config| config.max_message(len));
        for bytes in [&whole, &fragments] {
            let received = heap(|| {
                let (mut connection, mut input) = (Connection::server(&config), Buffer::new());
                let (mut reader, mut dribble) = (&bytes[..], Dribble(bytes));
                let reader: &mut dyn Read = if dribbled { &mut dribble } else { &mut reader };
                let mut messages = 0;
                while input.read_from(&mut &mut *reader).unwrap() > 0 {
                    while let Some(event) = connection.next_event(&mut input).unwrap() {
                        let Event::Message(message) = event else { unreachable!() };
                        assert_eq!(message.as_bytes().len(), len);
                        messages += 1;
                    }
                }
                assert_eq!(messages, 1);
            });
            assert!(received.peak <= 2 * len + STEP, "{received:?}");
            assert!(dribbled || received.allocations <= 40, "{received:?}");
            assert_eq!(received.live, 0);
        }
    }
}

/// Says one byte at a time.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(&mut room[..1])
    }
}

// V24, V25, PR7: of what has come, not of the reads it came in
#[test]
fn an_unfinished_message_costs_the_same_in_one_read_and_in_many() {
    for fragmented in [false, true] {
        let mut bytes = wire::declare(BINARY, MIB as u64);
        bytes.extend([7; 300_000]);
        if fragmented {
            bytes = wire::client(BINARY & MORE, &[7; 1000]).repeat(1);
            for _ in 1..300 {
                bytes.extend(wire::client(CONTINUATION & MORE, &[7; 1000]));
            }
        }
        let mut costs = vec![];
        for size in [1, 10, 1000, 4096, STEP, bytes.len()] {
            for extend in [false, true] {
                let (_, cost) = measure(|| {
                    let mut session = Session::new();
                    for mut piece in bytes.chunks(size) {
                        if extend {
                            session.input.extend(piece);
                            piece = &[];
                            assert_eq!(session.connection.next_event(&mut session.input), Ok(None));
                        }
                        while !piece.is_empty() {
                            session.input.read_from(&mut piece).unwrap();
                            assert_eq!(session.connection.next_event(&mut session.input), Ok(None));
                        }
                    }
                    session
                });
                costs.push(cost.live);
            }
        }
        let (least, most) = (costs.iter().min().unwrap(), costs.iter().max().unwrap());
        assert!(*least >= 300_000 && *most <= 2 * 300_000 + STEP, "{costs:?}");
    }
}

// L-07, V33, RE-06: a peer that does not read
#[test]
fn a_full_queue_grows_no_more() {
    let mut session = Session::with(|config| config.max_queue(MIB));
    let filled = heap(|| while session.connection.send(&[1; 1000]).is_ok() {});
    assert!(filled.peak <= 2 * MIB, "{filled:?}");
    let full = heap(|| {
        for _ in 0..100_000 {
            assert_eq!(session.connection.send(&[1; 1000]), Err(SendError::QueueFull));
        }
    });
    assert_eq!(full, NOTHING);
    let slow = heap(|| {
        for _ in 0..1000 {
            session.connection.sent(1004);
            session.connection.send(&[1; 1000]).unwrap();
        }
    });
    assert!(filled.live + slow.live <= 2 * MIB, "{slow:?} after {filled:?}");
}

// RE-02: the output queue cannot be starved so, for it would abort
#[test]
fn a_message_for_which_there_is_no_memory_can_be_read_later() {
    let message = vec![7; 500_000];
    let frame = wire::client(BINARY, &message);
    let mut reader = &frame[..];
    let mut session = Session::new();
    let error = starve(200_000, || {
        loop {
            match session.input.read_from(&mut reader) {
                Ok(_) => assert_eq!(session.connection.next_event(&mut session.input), Ok(None)),
                Err(error) => break error.kind(),
            }
        }
    });
    assert_eq!(error, ErrorKind::OutOfMemory);
    assert!(!reader.is_empty());
    let mut seen = vec![];
    while !reader.is_empty() {
        assert!(session.input.read_from(&mut reader).unwrap() > 0);
        seen.extend(session.events(b""));
    }
    assert!(seen == [Seen::Binary(message)]);
}
