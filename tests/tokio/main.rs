//! Connections over streams, in tasks of tokio.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/mod.rs"]
mod common;

mod alone;
mod budget;
mod cancellation;
mod closing;
mod deadlines;
mod duplex;
mod events;
mod handshake;
mod peer;
mod runtimes;
mod server;
mod shown;
mod slow;
mod stopping;
mod streams;
