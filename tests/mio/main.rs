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

#[cfg(feature = "rustls")]
#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "the tests of TLS on threads use the rest")]
mod authority;
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
#[cfg(feature = "rustls")]
mod secure;
mod shards;
mod stopping;
mod tasks;
mod threads;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "rustls")]
mod tls_handshake;
mod topics;
