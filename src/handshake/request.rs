//! The server's half of the handshake: a request that may be accepted (RFC 6455 §4.2).

mod check;

use std::borrow::Borrow;
use std::ops::Deref;

use super::grammar::{lists, members};
use super::{HandshakeError, Head, Response, ResponseError, accept_key};
#[cfg(feature = "deflate")]
use crate::config::Agreement;
use crate::config::Config;
use check::has_host;

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
}

impl Deref for Request {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}
