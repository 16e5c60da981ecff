//! Connections on event loops, over loopback sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../siege/client.rs"]
mod client;
#[path = "../common/mod.rs"]
mod common;

mod backpressure;
mod closing;
mod deadlines;
mod fairness;
mod handshake;
mod http;
mod messages;
mod minimal;
mod model;
mod running;
mod shards;
mod stopping;
mod tasks;
mod threads;
mod topics;
