//! What a peer costs that sends without end.

use sansocket::{CloseCode, ProtocolError};

use crate::common::session::Session;
use crate::common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};
use crate::heap::{NOTHING, heap};
use crate::{KIB, swallow};

// R-115, L-06, CL-01, V29, V30, V31, V32: a flood of pings, and nobody who reads the pongs
#[test]
fn a_million_pings_cost_4_kib() {
    for queued in [0, 10_000] {
        let mut session = Session::new();
        let ping = wire::client(PING, &[0xa5; 125]);
        session.connection.send(&vec![0; queued]).unwrap();
        session.input.extend(&ping.repeat(10));
        session.input.consume(usize::MAX);
        let flood = heap(|| {
            for _ in 0..100_000 {
                for _ in 0..10 {
                    session.input.extend(&ping);
                }
                while session.connection.next_event(&mut session.input).unwrap().is_some() {}
            }
        });
        assert!(flood.peak <= 4 * KIB, "{flood:?}");
    }
}

// CL-03, V35
#[test]
fn a_million_pongs_cost_nothing() {
    let mut session = Session::new();
    let pongs = wire::client(PONG, &[0xa5; 125]).repeat(10);
    swallow(&mut session, &pongs).unwrap();
    let flood = heap(|| {
        for _ in 0..100_000 {
            swallow(&mut session, &pongs).unwrap();
        }
    });
    assert_eq!(flood, NOTHING);
}

// FR-14, L-04, V22, V28
#[test]
fn a_million_empty_fragments_are_cut_short() {
    let mut session = Session::new();
    let empty = wire::client(CONTINUATION & MORE, b"");
    swallow(&mut session, &wire::client(BINARY & MORE, b"")).unwrap();
    for _ in 1..64 {
        swallow(&mut session, &empty).unwrap();
    }
    let error = Err(ProtocolError::TooManyEmptyFragments);
    assert_eq!(swallow(&mut session, &empty), error);
    assert_eq!(session.output(), wire::failure(1008));
    let flood = heap(|| {
        for _ in 0..1_000_000 {
            assert_eq!(swallow(&mut session, &empty), error);
        }
    });
    assert_eq!(flood, NOTHING);
}

// CL-13, V82: what is not heard is not kept
#[test]
fn after_the_end_more_input_costs_nothing() {
    let ends = [wire::client(CLOSE, b"\x03\xe8"), vec![0x83], wire::client(TEXT, b"\xff"), vec![]];
    for end in ends {
        let mut session = Session::new();
        let garbage = [0x5a; 4 * KIB];
        let _ = swallow(&mut session, &end);
        if end.is_empty() {
            assert!(session.connection.eof().is_err());
        }
        let _ = swallow(&mut session, &garbage);
        let flood = heap(|| {
            for _ in 0..10_000 {
                let _ = swallow(&mut session, &garbage);
                assert!(session.input.is_empty());
            }
        });
        assert_eq!(flood, NOTHING);
    }
}

// CL-15: nor does what comes before the peer's Close, once it is delivered
#[test]
fn data_after_our_close_does_not_pile_up() {
    let mut session = Session::new();
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    let data = wire::client(BINARY, &[1; 1000]);
    swallow(&mut session, &data).unwrap();
    let flood = heap(|| {
        for _ in 0..10_000 {
            swallow(&mut session, &data).unwrap();
        }
    });
    assert_eq!(flood, NOTHING);
}
