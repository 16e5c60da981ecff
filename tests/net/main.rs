//! Connections over sockets, on threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod answers;
#[cfg(feature = "client")]
mod client;
mod closing;
mod deadlines;
mod duplex;
mod ends;
mod fake;
mod faults;
mod feeding;
mod halves;
mod handover;
mod handshake;
mod last_words;
mod pacing;
mod pipe;
mod raw;
mod reports;
#[cfg(feature = "client")]
mod secrecy;
mod server;
mod short_writes;
mod slow_readers;
mod stalled_close;
mod stalled_pongs;
mod stopping;
mod teardown;
mod try_send;
mod under_way;
mod waiting;
#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../common/wire.rs"]
mod wire;
mod write_failures;
mod writes;
