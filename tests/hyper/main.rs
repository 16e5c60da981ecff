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
