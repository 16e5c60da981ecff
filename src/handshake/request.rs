//! The server's half of the handshake: a request that may be accepted (RFC 6455 §4.2).

use std::borrow::Borrow;
use std::ops::Deref;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

#[cfg(feature = "deflate")]
use super::extension;
use super::grammar::{are_extensions, is_token, lists, members};
use super::{HandshakeError, Head, Response, ResponseError, accept_key};
use crate::authority::Authority;
#[cfg(feature = "deflate")]
use crate::config::Agreement;
use crate::config::Config;

/// A request, as soon as its head is known.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// To open a WebSocket.
    Upgrade(Request),
    /// Plain HTTP: it does not ask for an upgrade to `websocket` (RFC 6455 §4.2.1). No fault, if the
    /// port serves both: answer it as you like.
    Http(Head),
}

impl Incoming {
    pub(super) fn check(head: Head, config: &Config) -> Result<Self, HandshakeError> {
        if lists(head.values("Upgrade"), "websocket") {
            return Request::check(head, config).map(Self::Upgrade);
        }
        if head.has_malformed_authority() {
            return Err(HandshakeError::Target);
        }
        // RFC 9112 §3.2: any request of HTTP/1.1 has one; earlier ones need not.
        let needs_host = head.version() == (1, 1) || head.header("Host").is_some();
        if needs_host && !has_host(&head) {
            return Err(HandshakeError::Host);
        }
        Ok(Self::Http(head))
    }

    /// The request to open a WebSocket, if nothing else is served here.
    ///
    /// ```
    /// use sansocket::{Config, handshake::{HandshakeError, Request}};
    ///
    /// let headers = [("Host", &b"example.com"[..])];
    /// let incoming = Request::new("GET", "/", (1, 1), headers, Config::default())?;
    /// let refused = incoming.upgrade().unwrap_err();
    /// assert_eq!(refused.status(), 426);
    /// # Ok::<(), HandshakeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is plain HTTP: [`HttpVersion`](HandshakeError::HttpVersion),
    /// [`Method`](HandshakeError::Method), or else [`Upgrade`](HandshakeError::Upgrade); in HTTP/2
    /// [`NoExtendedConnect`](HandshakeError::NoExtendedConnect).
    pub fn upgrade(self) -> Result<Request, HandshakeError> {
        match self {
            Self::Upgrade(request) => Ok(request),
            Self::Http(head) => Err(no_upgrade(&head)),
        }
    }
}

/// Why plain HTTP does not open a WebSocket.
pub(super) fn no_upgrade(head: &Head) -> HandshakeError {
    if head.has_pseudo_headers() {
        return HandshakeError::NoExtendedConnect;
    }
    match (head.version(), head.method()) {
        ((1, 1), "GET") => HandshakeError::Upgrade,
        ((1, 1), _) => HandshakeError::Method,
        _ => HandshakeError::HttpVersion,
    }
}

/// A request to open a WebSocket, correct in all that RFC 6455 asks of it, and from an origin that
/// may connect. Whether it is [accepted](Self::accept) is up to you.
///
/// It dereferences to its [`Head`], where path, query and headers are.
#[derive(Clone, Debug)]
#[must_use]
#[doc(alias = "WebSocketUpgrade")]
pub struct Request {
    head: Head,
    /// An agreement on compression, and the answer that says so.
    #[cfg(feature = "deflate")]
    agreed: Option<Box<(Agreement, String)>>,
}

impl Request {
    /// Checks a request that another HTTP server has parsed: method, target, version, and headers as
    /// name and value. The limits on the head are that server's.
    ///
    /// When it is accepted, give the socket and what was read beyond the head to
    /// [`net::open`](crate::net::open), or to a [`Connection`](crate::Connection) of your own; if `config` compresses, to
    /// [`net::open_connection`](crate::net::open_connection) with [`Response::open`].
    ///
    /// # Errors
    ///
    /// Each refusal knows the [response](HandshakeError::response) that answers it.
    #[allow(clippy::new_ret_no_self, reason = "it may turn out to be plain HTTP")]
    pub fn new<'h>(
        method: &str,
        target: &str,
        version: (u8, u8),
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        config: impl Borrow<Config>,
    ) -> Result<Incoming, HandshakeError> {
        Incoming::check(Head::new(method, target, version, headers), config.borrow())
    }

    /// Checks an extended CONNECT, which opens a WebSocket in HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220), and
    /// which another server has parsed: the pseudo-headers `:protocol`, `:path` and `:authority`, and the
    /// headers. That server has told its clients of the setting `SETTINGS_ENABLE_CONNECT_PROTOCOL`.
    ///
    /// Subprotocols and origin are checked as ever; there is no key. The [response](Self::accept) to it has status
    /// 200. After its head the stream carries frames, masked by the client, as a socket would. Its
    /// [method](Head::method) is `CONNECT`, its [version](Head::version) 2.0 whichever it is.
    ///
    /// ```
    /// use sansocket::{Config, handshake::Request};
    ///
    /// let headers = [("sec-websocket-version", &b"13"[..]), ("sec-websocket-protocol", b"chat")];
    /// let request = Request::extended_connect(
    ///     "websocket", "/chat", "example.com", headers, Config::default(),
    /// )?;
    /// assert_eq!((request.path(), request.host()), ("/chat", Some("example.com")));
    /// let response = request.accept().subprotocol("chat")?;
    /// assert_eq!(response.status(), 200);
    /// assert!(response.headers().eq([("Sec-WebSocket-Protocol", "chat")]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each refusal knows the [response](HandshakeError::response) that answers it.
    pub fn extended_connect<'h>(
        protocol: &str,
        target: &str,
        authority: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
        config: impl Borrow<Config>,
    ) -> Result<Self, HandshakeError> {
        let head = Head::new("CONNECT", target, (2, 0), headers).with_authority(authority);
        Self::check_connect(protocol, head, config.borrow())
    }

    /// Whether it came as an extended CONNECT (RFC 8441 §5), and not as an upgrade of HTTP/1.1.
    #[must_use]
    pub fn is_extended_connect(&self) -> bool {
        self.head.has_pseudo_headers()
    }

    /// The `Origin` header: the page that a browser sends the request for. Clients that are no
    /// browsers need not have one, and can claim any (§10.1).
    #[must_use]
    pub fn origin(&self) -> Option<&[u8]> {
        self.head.header("Origin")
    }

    /// The subprotocols (`Sec-WebSocket-Protocol`) that the client offers, the one it prefers first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        let offered = self.head.values("Sec-WebSocket-Protocol").flat_map(members);
        offered.filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Accepts: a response with status 101, to which a subprotocol and headers can be added. That to an
    /// [extended CONNECT](Self::extended_connect) has status 200.
    #[doc(alias = "101")]
    pub fn accept(&self) -> Response {
        let subprotocols = self.subprotocols().map(str::to_owned).collect();
        let response = if self.is_extended_connect() {
            Response::connected(subprotocols)
        } else {
            let key = self.head.header("Sec-WebSocket-Key").unwrap_or_default();
            let key = std::str::from_utf8(key).unwrap_or_default();
            Response::acceptance(accept_key(key), subprotocols)
        };
        #[cfg(feature = "deflate")]
        if let Some((agreement, answer)) = self.agreed.as_deref() {
            return response.with_compression(agreement, answer);
        }
        response
    }

    /// Whether the acceptance agrees to compress messages, see [`Response::without_compression`]. Feature `deflate`.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.agreed.is_some()
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
    pub(super) fn check_connect(
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

/// Whether there is one `Host`, of the right form (RFC 9112 §3.2). Also where an absolute target
/// takes its place.
fn has_host(head: &Head) -> bool {
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

    // R-013, R-014, HS-20, HS-21, V14
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

    // R-024, R-025, HS-23, V55, V59
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
