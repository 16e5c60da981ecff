//! Which requests a server accepts, which it refuses, and with what (RFC 6455 §4.2).

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
#[path = "../common/handshake.rs"]
mod heads;

mod accept_key;
mod acceptor;
mod clients;
mod elsewhere;
mod extended_connect;
mod fields;
mod form;
#[cfg(feature = "http")]
mod http;
mod limits;
mod lists;
mod mutations;
mod origin;
mod pipelined;
mod plain;
mod refusals;
mod replay;
mod request_line;
