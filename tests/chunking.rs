//! However the input is cut, the same comes out: events, the error, and the answers.
//!
//! Pongs overtake what waits once that is more than 1 KiB, so the order of answers may depend on
//! when they are written. Here nothing is written before all is read, and so it does not.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::rng::Rng;
use common::session::{Seen, Session};
use common::vectors::{self, Vector};
use common::wire::{self, CLOSE};
use sansocket::{Disconnected, ProtocolError};

/// All that can be seen of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<Seen>,
    error: Option<ProtocolError>,
    output: Vec<u8>,
    end: Result<(), Disconnected>,
}

/// How bytes get into the buffer.
#[derive(Clone, Copy, Debug)]
enum Way {
    Extend,
    Read,
    /// As event loops do it: one buffer for all, from which each takes what is left over.
    Detach,
}

const WAYS: [Way; 3] = [Way::Extend, Way::Read, Way::Detach];

/// A server with the defaults receives `pieces`, and echoes what messages there are.
fn receive(pieces: &[&[u8]], way: Way) -> Outcome {
    let mut session = Session::new();
    let mut events = vec![];
    let mut error = None;
    for piece in pieces {
        let mut reader = *piece;
        loop {
            match way {
                Way::Extend => session.input.extend(std::mem::take(&mut reader)),
                Way::Read | Way::Detach => _ = session.input.read_from(&mut reader).unwrap(),
            }
            let (seen, failure) = session.echo();
            assert!(error.is_none() || (failure == error && seen.is_empty()));
            events.extend(seen);
            error = failure;
            if let Way::Detach = way {
                session.input = session.input.detach();
            }
            if reader.is_empty() {
                break;
            }
        }
    }
    let end = session.connection.eof();
    Outcome { events, error, output: session.output(), end }
}

fn assert_same(wanted: &Outcome, vector: &Vector, cuts: &[usize], way: Way) {
    let mut pieces = vec![];
    let mut rest = &vector.bytes[..];
    for cut in cuts.iter().rev() {
        let (front, piece) = rest.split_at(*cut);
        pieces.insert(0, piece);
        rest = front;
    }
    pieces.insert(0, rest);
    let outcome = receive(&pieces, way);
    assert!(outcome == *wanted, "cut at {cuts:?}: {outcome:x?} is not {wanted:x?}");
}

/// Whole, byte by byte, and cut at every place; the short ones at every two, too.
fn assert_indifferent(vector: &Vector, to_be_cut_twice: usize) {
    let len = vector.bytes.len();
    let wanted = receive(&[&vector.bytes], Way::Extend);
    assert_eq!((&wanted.events, wanted.error), (&vector.events, vector.error));
    if wanted.output.len() <= 1024 {
        assert_eq!(wanted.output, vector.answer());
    }
    // Of the longest, those places that may matter.
    let places = (0..=len).filter(|i| len < 3000 || *i < 20 || i + 20 > len || i % 4099 < 2);
    for way in WAYS {
        assert_same(&wanted, vector, &[], way);
        if len < 3000 {
            assert_same(&wanted, vector, &(0..=len).collect::<Vec<_>>(), way);
        }
        for a in places.clone() {
            assert_same(&wanted, vector, &[a], way);
            if len <= to_be_cut_twice {
                for b in a..=len {
                    assert_same(&wanted, vector, &[a, b], way);
                }
            }
        }
    }
}

// FR-20, FR-24, IO-01, PR2, PR5, V15
#[test]
fn one_message() {
    for vector in vectors::messages() {
        assert_indifferent(&vector, 100);
    }
}

// FR-20, FR-24, IO-01, PR2: with every form of the length
#[test]
fn one_long_message() {
    for vector in vectors::long_messages() {
        assert_indifferent(&vector, 0);
    }
}

// R-157, FR-20, IO-01, PR2, PR3
#[test]
fn two_messages_in_a_row() {
    for a in vectors::messages() {
        for b in vectors::messages() {
            assert_indifferent(&a.then(&b), 40);
        }
    }
}

// R-157, FR-20, IO-01, PR2, PR3
#[test]
fn three_messages_in_a_row() {
    let messages = vectors::messages();
    for a in &messages {
        for b in &messages {
            for c in &messages {
                assert_indifferent(&a.then(b).then(c), 0);
            }
        }
    }
}

// FR-20, IO-01, PR2, PR5, V15
#[test]
fn an_end() {
    for end in vectors::ends() {
        assert_indifferent(&end, 140);
    }
}

// FR-12, FR-25, IO-01, PR2, PR5
#[test]
fn an_end_after_a_message_and_before_another() {
    let messages = vectors::messages();
    for (i, end) in vectors::ends().iter().enumerate() {
        for (j, message) in messages.iter().enumerate() {
            assert_indifferent(&message.then(end), 0);
            assert_indifferent(&end.then(message), 0);
            let late = &messages[(i + j) % messages.len()];
            assert_indifferent(&message.then(end).then(late), 0);
        }
    }
}

// CL-13, CL-23, V46, PR5: the first is what counts
#[test]
fn an_end_after_an_end() {
    let ends = vectors::ends();
    for a in &ends {
        for b in ends.iter().filter(|end| end.bytes.len() < 40) {
            assert_indifferent(&a.then(b), 0);
        }
    }
}

// CL-20, FR-20: the same is lost, wherever the stream stops
#[test]
fn an_unfinished_stream() {
    for vector in vectors::messages().into_iter().chain(vectors::ends()) {
        for stop in 0..vector.bytes.len() {
            let bytes = &vector.bytes[..stop];
            let wanted = receive(&[bytes], Way::Extend);
            for way in WAYS {
                assert_eq!(receive(&[bytes], way), wanted);
                assert_eq!(receive(&bytes.chunks(1).collect::<Vec<_>>(), way), wanted);
                assert_eq!(receive(&bytes.chunks(3).collect::<Vec<_>>(), way), wanted);
            }
        }
    }
}

// FR-20, IO-01, PR2, PR5: what nobody would send on purpose
#[test]
fn noise() {
    let images: Vec<Vec<u8>> =
        vectors::messages().into_iter().chain(vectors::ends()).map(|v| v.bytes).collect();
    let mut rng = Rng::new(6);
    for _ in 0..20_000 {
        let mut bytes = vec![];
        for _ in 0..1 + rng.below(4) {
            bytes.extend(rng.pick(&images));
        }
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(3) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes.insert(at, *rng.pick(&[0, 1, 0x7f, 0x80, 0xfe, 0xff])),
                _ => bytes.truncate(at + 1),
            }
        }
        let wanted = receive(&[&bytes], Way::Extend);
        let mut pieces = vec![];
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(1 + rng.below(rest.len().min(30)));
            pieces.push(piece);
            rest = later;
        }
        for way in WAYS {
            assert_eq!(receive(&pieces, way), wanted, "{bytes:x?}");
        }
        let answers = wire::parse(&wanted.output);
        let (last, before) = answers.split_last().map_or((None, &[][..]), |(l, b)| (Some(l), b));
        assert!(before.iter().all(|frame| frame.first != CLOSE));
        let closed = matches!(wanted.events.last(), Some(Seen::Close(..)));
        let failed = wanted.error.is_some();
        assert_eq!(last.is_some_and(|frame| frame.first == CLOSE), closed || failed);
        assert_eq!(wanted.end.is_ok(), closed || failed);
    }
}
