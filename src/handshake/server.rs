//! The server's half of the handshake: a request that may be accepted (RFC 6455 §4.2).

use std::borrow::Borrow;
use std::ops::Deref;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::{HandshakeError, Head, Response, ResponseError, accept_key, is_tchar, is_token};
use super::{lists, members, trim};
use crate::buffer::Buffer;
use crate::config::Config;

/// A request to open a WebSocket, correct in all that RFC 6455 asks of it, and from an origin that
/// may connect. Whether it is [accepted](Self::accept) is up to you.
///
/// It dereferences to its [`Head`], where path, query and headers are.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    head: Head,
}

impl Request {
    /// Takes a request from the front of `input`, and leaves what is behind its head there: bytes
    /// of the first frames, if a client is in a hurry. `None` if more bytes are needed.
    ///
    /// Each byte is looked at a bounded number of times, however they dribble in.
    ///
    /// # Errors
    ///
    /// Each refusal knows the [response](HandshakeError::response) that answers it. After one
    /// `input` is empty, except for [`NotWebSocket`](HandshakeError::NotWebSocket).
    pub fn parse(
        input: &mut Buffer,
        config: impl Borrow<Config>,
    ) -> Result<Option<Self>, HandshakeError> {
        let request = match Head::parse(input, config.borrow()) {
            Ok(Some(head)) => Self::check(head, config.borrow()).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        if !matches!(request, Ok(_) | Err(HandshakeError::NotWebSocket(_))) {
            input.clear();
        }
        request
    }

    /// A request that another HTTP server has parsed: method, target, version, and headers as
    /// name and value. The same checks hold.
    ///
    /// When it is accepted, give the socket and what was read beyond the head to
    /// [`net::open`](crate::net::open), or to a [`Connection`](crate::Connection) of your own.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), but for the limits on the head.
    pub fn new<'h>(
        method: &str,
        target: &str,
        version: (u8, u8),
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        config: impl Borrow<Config>,
    ) -> Result<Self, HandshakeError> {
        Self::check(Head::new(method, target, version, headers), config.borrow())
    }

    /// The `Origin` header: the page that a browser sends the request for. Clients that are no
    /// browsers need not have one, and can claim any (§10.1).
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        self.head.header("Origin")
    }

    /// The subprotocols that the client offers, the one it prefers first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let offered = self.head.values("Sec-WebSocket-Protocol").flat_map(members);
        offered.filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Accepts: a response with status 101, to which a subprotocol and headers can be added.
    pub fn accept(&self) -> Response {
        let key = self.head.header("Sec-WebSocket-Key").unwrap_or_default();
        let key = std::str::from_utf8(key).unwrap_or_default();
        Response::acceptance(accept_key(key), self.subprotocols().map(str::to_owned).collect())
    }

    /// Refuses with a status, such as 401 or 404, to which headers and a body can be added.
    ///
    /// A page's script sees neither status nor body, only that the connection failed. If it must
    /// know why, accept and close with a code from 4000 to 4999.
    ///
    /// # Errors
    ///
    /// The status is below 300 or above 599.
    pub fn reject(&self, status: u16) -> Result<Response, ResponseError> {
        match status {
            300.. => Response::new(status),
            _ => Err(ResponseError::InvalidStatus(status)),
        }
    }

    fn check(head: Head, config: &Config) -> Result<Self, HandshakeError> {
        use HandshakeError as Refused;

        if !lists(head.values("Upgrade"), "websocket") {
            return Err(Refused::NotWebSocket(Box::new(head)));
        }
        if head.version() != (1, 1) {
            return Err(Refused::HttpVersion);
        }
        if head.method() != "GET" {
            return Err(Refused::Method);
        }
        if !head.has_resource() {
            return Err(Refused::Target);
        }
        let host = only(head.values("Host")).filter(|host| is_host(host));
        let host = host.ok_or(Refused::Host)?;
        if has_body(&head) {
            return Err(Refused::Body);
        }
        if !lists(head.values("Connection"), "upgrade") {
            return Err(Refused::Connection);
        }
        match only(head.values("Sec-WebSocket-Version")) {
            Some(b"13") => {}
            Some(version) if !version.contains(&b',') => return Err(Refused::UnsupportedVersion),
            _ => return Err(Refused::MissingVersion),
        }
        if !only(head.values("Sec-WebSocket-Key")).is_some_and(is_key) {
            return Err(Refused::Key);
        }
        if !are_subprotocols(head.values("Sec-WebSocket-Protocol")) {
            return Err(Refused::Subprotocols);
        }
        if !head.values("Sec-WebSocket-Extensions").all(are_extensions) {
            return Err(Refused::Extensions);
        }
        if head.values("Origin").count() > 1 {
            return Err(Refused::RepeatedOrigin);
        }
        if head.header("Origin").is_some_and(|origin| !config.origins.allow(origin, host)) {
            return Err(Refused::Origin);
        }
        Ok(Self { head })
    }
}

impl Deref for Request {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

/// The value of a header that must be there once.
fn only<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<&'v [u8]> {
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

fn is_host(host: &[u8]) -> bool {
    let malformed = |byte: &u8| !byte.is_ascii_graphic() || b",/?#@\\".contains(byte);
    !host.is_empty() && !host.iter().any(malformed)
}

/// A body on the request would be read as frames, or the other way round: what smuggling is
/// made of. Only `Content-Length: 0` is harmless.
fn has_body(head: &Head) -> bool {
    let lengths = head.values("Content-Length").count();
    lengths > 1
        || lengths == 1 && head.header("Content-Length") != Some(b"0")
        || head.header("Transfer-Encoding").is_some()
}

/// 16 bytes in base64 (§4.2.1). Bits beyond them in the last character are tolerated, as the RFC's
/// own example has some (erratum 3150).
fn is_key(key: &[u8]) -> bool {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    key.len() == 24 && ENGINE.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Tokens, each of them once (§4.1).
fn are_subprotocols<'v>(values: impl Iterator<Item = &'v [u8]>) -> bool {
    let mut names: Vec<_> = values.flat_map(members).collect();
    names.sort_unstable();
    names.iter().all(|name| is_token(name)) && names.is_sorted_by(|a, b| a < b)
}

/// `extension *(";" parameter ["=" value])`, in a list (§9.1). What they are does not matter:
/// none is known here, so all are declined.
fn are_extensions(mut value: &[u8]) -> bool {
    loop {
        value = trim(value);
        match value {
            [] => return true,
            [b',', rest @ ..] => value = rest,
            _ => match extension(value) {
                Some(rest @ ([] | [b',', ..])) => value = rest,
                _ => return false,
            },
        }
    }
}

/// Takes one extension with its parameters from the front, and returns the rest.
fn extension(value: &[u8]) -> Option<&[u8]> {
    let mut rest = trim(token(value)?);
    while let [b';', parameter @ ..] = rest {
        rest = trim(token(trim(parameter))?);
        if let [b'=', value @ ..] = rest {
            rest = trim(parameter_value(trim(value))?);
        }
    }
    Some(rest)
}

fn token(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|byte| !is_tchar(*byte)).unwrap_or(value.len());
    value.get(end..).filter(|_| end > 0)
}

/// A token, or a quoted string that would be one without its quotes and backslashes.
fn parameter_value(value: &[u8]) -> Option<&[u8]> {
    let [b'"', rest @ ..] = value else {
        return token(value);
    };
    let (mut rest, mut empty) = (rest, true);
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest).filter(|_| !empty),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if is_tchar(*byte) => rest,
            _ => return None,
        };
        empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // HS-20, HS-21, V14
    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for key in
            ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "AAAAAAAAAAAAAAAAAAAAAA=="]
        {
            assert!(is_key(key.as_bytes()), "{key}");
        }
        for key in [
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZWU=",
            "dGhlIHNhbXBsZSBub25j",
            "dGhl_HNhbXBsZSBub25jZQ==",
            "dGhl IHNhbXBsZSBub25jZ==",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "dGhlIHNhbXBsZSBub25jZQ=A",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
        for len in 0..=64 {
            assert!(!is_key(&vec![b'A'; len]), "{len}");
        }
    }

    // HS-25, V56, V57
    #[test]
    fn extensions_follow_their_grammar() {
        let long = format!("a;b=\"{}", "\\c".repeat(4000));
        for (value, wanted) in [
            ("", true),
            ("foo", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("foo, bar; baz=2", true),
            (",foo,,bar,", true),
            ("foo ; a = 1 ;b=\"2\"", true),
            ("a; p=\"1\\0\"", true),
            ("constructor, __proto__", true),
            ("foo; =1", false),
            ("foo;;", false),
            ("foo;", false),
            ("\"foo\"", false),
            ("foo; a=\"b c\"", false),
            ("foo; a=\"\"", false),
            ("foo; a=\"b", false),
            ("foo; a=\"b\"c", false),
            ("foo; a=", false),
            ("foo bar", false),
            ("foo\u{e9}", false),
            (&long, false),
        ] {
            assert_eq!(are_extensions(value.as_bytes()), wanted, "{value}");
        }
    }

    // HS-23, V55, V59
    #[test]
    fn subprotocols_are_different_tokens() {
        for (values, wanted) in [
            (&["chat, superchat"][..], true),
            (&["a", "b, c"], true),
            (&["a,,b", ""], true),
            (&["chat, chat"], false),
            (&["chat", "chat"], false),
            (&["a b"], false),
            (&["chat;x"], false),
            (&["caf\u{e9}"], false),
        ] {
            let values = values.iter().map(|value| value.as_bytes());
            assert_eq!(are_subprotocols(values), wanted);
        }
    }
}
