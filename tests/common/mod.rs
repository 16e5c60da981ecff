//! What the tests of a connection share.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "no test uses all of it, and a test that cannot go on fails"
)]

pub(crate) mod rng;
pub(crate) mod session;
pub(crate) mod vectors;
pub(crate) mod wire;
