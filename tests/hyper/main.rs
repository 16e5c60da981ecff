//! WebSockets under hyper, in HTTP/1.1 and HTTP/2, and under axum.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

#[path = "../common/wire.rs"]
#[allow(dead_code, reason = "no test uses all of it")]
mod wire;

mod client;
mod ends;
mod host;
mod http1;
mod http2;

use std::future::Future;
use std::time::Duration;

/// Long enough for any machine, short enough to end a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("it hangs") });
}

/// A configuration that compresses.
#[cfg(feature = "deflate")]
pub(crate) fn compressed() -> sansocket::Config {
    sansocket::Config::builder().compression(sansocket::Compression::new()).build().unwrap()
}

/// "Hello", compressed (RFC 7692 §7.2.3.1).
#[cfg(feature = "deflate")]
pub(crate) const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];
