//! Compressed messages (RFC 7692), against an inflater and a compressor that are not the crate's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/handshake.rs"]
mod handshake;

mod answers;
mod boundaries;
mod checker;
mod final_blocks;
mod isolation;
mod limits;
mod offers;
mod peer;
mod prepared;
mod receiving;
mod reference;
mod reserved_bits;
mod sending;
mod sizes;
#[cfg(feature = "tokio")]
mod tasks;
mod threads;
mod windows;
