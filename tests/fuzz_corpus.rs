//! Every file of the fuzz corpora again, through the oracle it was found with: see fuzz/README.md.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an oracle that is not content panics"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

#[cfg(feature = "mio")]
#[path = "common/rng.rs"]
mod rng;

/// All but `differential`, which needs the other implementation.
#[path = "../fuzz/oracles"]
mod oracles {
    pub mod adapter;
    #[cfg(feature = "deflate")]
    pub mod agree;
    pub mod connection;
    pub mod decoder;
    #[cfg(feature = "deflate")]
    pub mod deflate_in;
    #[cfg(all(feature = "client", feature = "deflate"))]
    pub mod deflate_round_trip;
    #[cfg(feature = "mio")]
    pub mod event_loop;
    pub mod handshake;
    pub mod header;
    #[cfg(feature = "client")]
    pub mod round_trip;

    mod answers;
    mod reader;
    mod reference;
    mod rules;
    mod sha1;
    mod stream;
    mod wire;
}

#[test]
fn handshake() {
    replay("handshake", oracles::handshake::check);
}

#[test]
fn header() {
    replay("header", oracles::header::check);
}

#[test]
fn decoder() {
    replay("decoder", oracles::decoder::check);
}

#[test]
#[cfg(feature = "client")]
fn round_trip() {
    replay("round_trip", oracles::round_trip::check);
}

#[test]
#[cfg(feature = "deflate")]
fn agree() {
    replay("agree", oracles::agree::check);
}

#[test]
#[cfg(feature = "deflate")]
fn deflate_in() {
    replay("deflate_in", oracles::deflate_in::check);
}

#[test]
#[cfg(all(feature = "client", feature = "deflate"))]
fn deflate_round_trip() {
    replay("deflate_round_trip", oracles::deflate_round_trip::check);
}

#[test]
fn connection() {
    replay("connection", oracles::connection::check);
}

#[test]
fn adapter() {
    replay("adapter", oracles::adapter::check);
}

// TL-15: a Secure does what its transport does, whatever that is
#[test]
fn secure() {
    replay("adapter", oracles::adapter::check_secure);
}

#[test]
#[cfg(feature = "mio")]
fn event_loop() {
    replay("event_loop", oracles::event_loop::check);
}

// ML-01, ML-06, ML-11: an echo on an event loop, whatever its peers do
#[test]
#[cfg(feature = "mio")]
fn event_loop_on_scripts_of_chance() {
    for seed in 0..500 {
        let mut rng = rng::Rng::new(seed);
        let len = rng.below(200);
        oracles::event_loop::check(&rng.bytes(len));
    }
}

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&corpus).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty(), "{corpus:?} is empty");
    files.sort();
    for file in files {
        let data = fs::read(&file).unwrap();
        assert!(catch_unwind(|| check(&data)).is_ok(), "{}", file.display());
    }
}
