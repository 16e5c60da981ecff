//! The opening handshake (RFC 6455 §4): look at the request, decide, then write a response.
//!
//! A [`Request`] is parsed from bytes as they arrive, or made from what another HTTP server has
//! parsed. It is a value: look at it, ask a database, take your time. Then
//! [`accept`](Request::accept) or [`reject`](Request::reject) it with a [`Response`], which is a
//! value too until its bytes are written.
//!
//! ```
//! use sansocket::{Buffer, Config, Connection, handshake::Request};
//!
//! let config = Config::default();
//! let mut buffer = Buffer::new();
//! buffer.extend(
//!     b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!       Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\
//!       Sec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://example.com\r\n\r\n",
//! );
//! let Some(request) = Request::parse(&mut buffer, &config)? else {
//!     panic!("that was all of it");
//! };
//! let response = match request.path() {
//!     "/chat" => request.accept().subprotocol("chat")?,
//!     _ => request.reject(404)?,
//! };
//! assert!(response.to_bytes().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! // What came behind the head is still in `buffer`: it belongs to the frames.
//! let connection = Connection::server(&config);
//! # let _ = connection;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "client")]
pub mod client;
mod error;
mod head;
mod origin;
mod response;
mod server;

pub use error::HandshakeError;
pub use head::Head;
pub use response::{Response, ResponseError};
pub use server::Request;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

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
    let mut hash = Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.digest().bytes())
}

// The shared header grammar (RFC 9110 §5.6), each function one pass over its bytes.

/// Whether `byte` may stand in a token.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// `bytes` without white space around it.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list; empty ones do not count.
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = value.split(|byte| *byte == b',').map(trim);
    members.filter(|member| !member.is_empty())
}

/// Whether one of the lists has this member, in whatever case.
fn lists<'v>(values: impl IntoIterator<Item = &'v [u8]>, token: &str) -> bool {
    let mut all = values.into_iter().flat_map(members);
    all.any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
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

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        let value = b"keep-alive\t,,\tUpgrade ,";
        assert_eq!(members(value).collect::<Vec<_>>(), [&b"keep-alive"[..], b"Upgrade"]);
        assert!(lists([&value[..]], "upgrade"));
        assert!(!lists([&b"notupgrade"[..], b"upgrade-x"], "upgrade"));
    }
}
