//! TLS on threads: over sockets, and over memory where each byte counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod authority;
mod deadlines;
mod duplex;
mod ends;
mod engine;
mod final_writes;
mod key_updates;
mod peer;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../net/pipe.rs"]
mod pipe;
mod secure;
mod server;
mod slow;
mod states;
#[cfg(feature = "tokio")]
mod tokio;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../common/wire.rs"]
mod wire;
