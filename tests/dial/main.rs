//! Clients that dial, on threads and in tasks: proxies, TLS, deadlines, refusals.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[allow(dead_code, reason = "not all of it is used here")]
#[path = "../tls/authority.rs"]
mod authority;
mod host;
mod proxies;
mod refusals;
mod streams;
mod tasks;
mod urls;
