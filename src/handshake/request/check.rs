//! The rules for a request that opens a WebSocket.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::Request;
use crate::authority::Authority;
#[cfg(feature = "deflate")]
use crate::config::Agreement;
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::handshake::extension;
use crate::handshake::grammar::{are_extensions, is_token, lists, members};
use crate::handshake::{HandshakeError, Head};

impl Request {
    pub(super) fn check(head: Head, config: &Config) -> Result<Self, HandshakeError> {
        use HandshakeError as Refused;

        if head.version() != (1, 1) {
            return Err(Refused::HttpVersion);
        }
        if head.method() != "GET" {
            return Err(Refused::Method);
        }
        if !head.has_resource() {
            return Err(Refused::Target);
        }
        if !has_host(&head) {
            return Err(Refused::Host);
        }
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
        Self::check_offers(head, config)
    }

    /// RFC 8441 §4, §5
    pub(in crate::handshake) fn check_connect(
        protocol: &str,
        head: Head,
        config: &Config,
    ) -> Result<Self, HandshakeError> {
        use HandshakeError as Refused;

        if !protocol.eq_ignore_ascii_case("websocket") {
            return Err(Refused::UnsupportedProtocol);
        }
        if head.has_malformed_authority() {
            return Err(Refused::Host);
        }
        if !head.target().starts_with('/') || !head.has_resource() {
            return Err(Refused::Target);
        }
        // RFC 9113 §8.3.1: a Host beside it names the same.
        let host = head.host().unwrap_or_default();
        if !head.values("Host").all(|other| other.eq_ignore_ascii_case(host.as_bytes())) {
            return Err(Refused::Host);
        }
        if has_body(&head) {
            return Err(Refused::Body);
        }
        // A key is not looked at (RFC 8441 §5): proxies between the two versions leave it in.
        for name in ["Connection", "Upgrade"] {
            if head.header(name).is_some() {
                return Err(Refused::UpgradeHeaders);
            }
        }
        match only(head.values("Sec-WebSocket-Version")) {
            Some(b"13") => Self::check_offers(head, config),
            Some(version) if !version.contains(&b',') => Err(Refused::UnsupportedConnectVersion),
            _ => Err(Refused::MissingVersion),
        }
    }

    /// Subprotocols, extensions and the origin.
    fn check_offers(head: Head, config: &Config) -> Result<Self, HandshakeError> {
        use HandshakeError as Refused;

        if !are_subprotocols(head.values("Sec-WebSocket-Protocol")) {
            return Err(Refused::Subprotocols);
        }
        if !head.values("Sec-WebSocket-Extensions").all(are_extensions) {
            return Err(Refused::Extensions);
        }
        if head.values("Origin").count() > 1 {
            return Err(Refused::RepeatedOrigin);
        }
        let host = head.host().unwrap_or_default();
        match head.header("Origin") {
            Some(origin) if !config.origins.allow(origin, host.as_bytes()) => {
                Err(HandshakeError::origin(origin, host))
            }
            #[cfg(not(feature = "deflate"))]
            _ => Ok(Self { head }),
            #[cfg(feature = "deflate")]
            _ => {
                let agreed = config.compression.as_ref().and_then(|compression| {
                    let offers = head.values("Sec-WebSocket-Extensions");
                    let (agreed, answer) = extension::agree(offers, &compression.settings())?;
                    let agreement = Agreement { compression: compression.clone(), agreed };
                    Some(Box::new((agreement, answer.to_string())))
                });
                Ok(Self { head, agreed })
            }
        }
    }
}

/// The value of a header that must be there once.
fn only<'v>(mut values: impl Iterator<Item = &'v [u8]>) -> Option<&'v [u8]> {
    let first = values.next();
    first.filter(|_| values.next().is_none())
}

/// Whether there is one `Host`, of the right form (RFC 9112 §3.2). Also where an absolute target
/// takes its place.
pub(super) fn has_host(head: &Head) -> bool {
    let host = only(head.values("Host")).and_then(|host| std::str::from_utf8(host).ok());
    host.is_some_and(|host| Authority::parse(host).is_some())
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
