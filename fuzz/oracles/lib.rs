//! What must hold of whatever bytes: each oracle is a plain function that panics if it does not.
//!
//! Nothing here needs a fuzzer. `tests/fuzz_corpus.rs` of the crate includes the same files, all but
//! `differential`, and runs them over the corpora as ordinary tests.

pub mod adapter;
#[cfg(feature = "deflate")]
pub mod agree;
pub mod connection;
pub mod decoder;
#[cfg(feature = "deflate")]
pub mod deflate_in;
#[cfg(all(feature = "client", feature = "deflate"))]
pub mod deflate_round_trip;
pub mod differential;
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
