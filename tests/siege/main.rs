//! The examples `echo` (threads) and `event_loop` as processes of their own, and clients that treat them badly:
//! afterwards they still serve the others, and have given everything back.
//!
//! `cargo test` builds the examples, too; `cargo test --test siege` alone does not.

#![cfg(target_os = "linux")] // for what /proc tells
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod embedded;
mod exhaustion;
mod fairness;
mod faults;
mod server;
mod soak;
