//! The opening handshake (RFC 6455 §4): look at the request, decide, then write a response.
//!
//! An [`Acceptor`] takes a [`Request`] from bytes as they arrive; behind another HTTP server,
//! [`Request::new`] checks what that has parsed. A request is a value: look at it, ask a database, take
//! your time. Then [`accept`](Request::accept) or [`reject`](Request::reject) it with a [`Response`],
//! which is a value too until its bytes are written.
//!
//! ```
//! use sansocket::{Buffer, Config, handshake::{Acceptor, Incoming}};
//!
//! let config = Config::default();
//! let mut buffer = Buffer::new();
//! buffer.extend(
//!     b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!       Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\
//!       Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n",
//! );
//! let mut acceptor = Acceptor::new(&config);
//! let Some(Incoming::Upgrade(request)) = acceptor.next(&mut buffer)? else {
//!     panic!("that was all of it");
//! };
//! if request.path() == "/chat" {
//!     let response = request.accept().subprotocol("chat")?;
//!     // The first bytes to write are the response. The first frames are perhaps in `buffer`.
//!     let connection = acceptor.accept(response)?;
//!     assert!(connection.pending().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! } else {
//!     acceptor.respond(request.reject(404)?)?; // its bytes are `acceptor.pending()`
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acceptor;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
mod connector;
mod error;
mod exchange;
#[cfg(feature = "deflate")]
mod extension;
mod grammar;
mod head;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "client")]
mod refusal;
mod request;
mod response;
#[cfg(feature = "client")]
mod tunnel;
mod unanswered;

pub use acceptor::Acceptor;
#[cfg(feature = "client")]
pub use connector::Connector;
pub use error::HandshakeError;
pub(crate) use exchange::Exchange;
pub use head::Head;
pub use request::{Incoming, Request};
pub use response::{Response, ResponseError};
#[cfg(feature = "client")]
pub(crate) use tunnel::Tunnel;
pub(crate) use unanswered::Unanswered;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
///
/// The key is used as the text it is. 28 bytes come back.
///
/// ```
/// use sansocket::handshake::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    let hash = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-041, R-043, HS-43
    #[test]
    fn accept_keys_of_the_rfc_and_of_others() {
        for (key, accept) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("AQIDBAUGBwgJCgsMDQ4PEA==", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="),
            ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
            ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ] {
            assert_eq!(accept_key(key), accept);
        }
    }
}
