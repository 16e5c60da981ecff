//! Connections over sockets, on threads.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[cfg(feature = "client")]
mod client;
mod closing;
mod deadlines;
mod duplex;
mod fake;
mod faults;
mod handshake;
mod raw;
mod remaining;
mod server;
mod writes;
