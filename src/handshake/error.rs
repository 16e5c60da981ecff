//! Why a handshake is refused, and the HTTP response that says so.

use thiserror::Error;

#[cfg(doc)]
use super::Head;
use super::Response;

/// The request does not open a WebSocket.
///
/// The answer on the wire is [`response`](Self::response), a complete HTTP response with
/// `Connection: close`; close the socket after it. No frame must be sent or read.
#[derive(Error, Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The client speaks TLS: this port is no `https` or `wss` one. 400.
    #[error("the client speaks TLS, and this port does not")]
    Tls,
    /// Plain HTTP where there are only WebSockets (RFC 6455 §4.2.1). 426.
    #[error("the request asks for no upgrade to websocket")]
    Upgrade,
    /// Not HTTP, or HTTP that proxies disagree about. 400.
    #[error("the request is malformed")]
    Malformed,
    /// The request target is neither a path nor an `http` or `https` URI with a host and no user
    /// information (RFC 9110 §4.2). 400.
    #[error("the request target is malformed")]
    Target,
    /// The request target is longer than the limit. 414.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The head is longer, or has more lines, than the limit. 431.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// HTTP/2 or HTTP/3, but no extended CONNECT, which alone opens a WebSocket there (RFC 8441 §4). 400.
    #[error("over HTTP/2 a WebSocket is opened by an extended CONNECT")]
    NoExtendedConnect,
    /// The `:protocol` of an extended CONNECT is not `websocket` (RFC 8441 §5, RFC 9220 §3). 501.
    #[error("the :protocol of the request is not websocket")]
    UnsupportedProtocol,
    /// An extended CONNECT with `Connection` or `Upgrade`, which belong to HTTP/1.1 (RFC 9113 §8.2.2). 400.
    #[error("an extended CONNECT has a header of the upgrade of HTTP/1.1")]
    UpgradeHeaders,
    /// `Sec-WebSocket-Version` of an extended CONNECT is not 13. 400, as HTTP/2 has no 426.
    #[error("the version of the WebSocket protocol is not 13")]
    UnsupportedConnectVersion,
    /// The HTTP server that has parsed the request does not let go of the connection, which is a fault of this
    /// program: it serves connections without upgrades, or the upgrade was taken before. 500.
    #[error("the HTTP server serves without upgrades, or the upgrade was taken before")]
    NotUpgradable,
    /// HTTP, but not 1.1. 505.
    #[error("the HTTP version is not 1.1")]
    HttpVersion,
    /// The method is not GET. 405.
    #[error("the method is not GET")]
    Method,
    /// No `Host`, several, or one that is malformed (RFC 9112 §3.2); in HTTP/2 also one that is not
    /// `:authority`, or a malformed one of those (RFC 9113 §8.3.1). 400.
    #[error("the Host header is missing or malformed")]
    Host,
    /// The request announces a body. 400.
    #[error("the request announces a body")]
    Body,
    /// `Connection` does not list `Upgrade` (§4.2.1). 400.
    #[error("the Connection header does not list Upgrade")]
    Connection,
    /// `Sec-WebSocket-Version` is missing, or there are several (§4.2.1, §11.3.5). 400.
    #[error("the Sec-WebSocket-Version header is missing or repeated")]
    MissingVersion,
    /// `Sec-WebSocket-Version` is not 13 (§4.4). 426.
    #[error("the version of the WebSocket protocol is not 13")]
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is missing, repeated, or no 16 bytes in base64 (§4.2.1). 400.
    #[error("the Sec-WebSocket-Key header is missing or malformed")]
    Key,
    /// `Sec-WebSocket-Protocol` is no list of different tokens (§4.1). 400.
    #[error("the Sec-WebSocket-Protocol header is malformed")]
    Subprotocols,
    /// `Sec-WebSocket-Extensions` is malformed (§9.1). 400.
    #[error("the Sec-WebSocket-Extensions header is malformed")]
    Extensions,
    /// Several `Origin` headers. 400.
    #[error("the Origin header is repeated")]
    RepeatedOrigin,
    /// A page of this origin may not connect, see [`Origins`](crate::Origins) (§10.2). 403, in which
    /// neither is named.
    #[error("the origin \"{origin}\" may not connect to host \"{host}\", see Config::origins")]
    Origin {
        /// The first 200 bytes of the `Origin` header, other characters than visible ASCII escaped.
        origin: String,
        /// The same of the [host](Head::host) that the request is for.
        host: String,
    },
}

impl HandshakeError {
    pub(super) fn origin(origin: &[u8], host: &str) -> Self {
        let shown = |bytes: &[u8]| bytes.get(..200).unwrap_or(bytes).escape_ascii().to_string();
        Self::Origin { origin: shown(origin), host: shown(host.as_bytes()) }
    }

    /// The HTTP status that answers it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Upgrade | Self::UnsupportedVersion => 426,
            Self::UnsupportedProtocol => 501,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::HttpVersion => 505,
            Self::Method => 405,
            Self::Origin { .. } => 403,
            Self::NotUpgradable => 500,
            _ => 400,
        }
    }

    /// The HTTP response that answers it, with a line of text for people. No byte of the request is
    /// in it.
    pub fn response(&self) -> Response {
        let text = match self {
            Self::Origin { .. } => "pages of this origin may not connect\n".to_owned(),
            Self::NotUpgradable => "this server cannot open WebSockets here\n".to_owned(),
            error => format!("{error}\n"),
        };
        let mut response = Response::refusal(self.status(), &text);
        if self.status() == 405 {
            response.push("Allow", "GET");
        }
        match self {
            Self::MissingVersion
            | Self::UnsupportedVersion
            | Self::UnsupportedConnectVersion
            | Self::Upgrade => response.push("Sec-WebSocket-Version", "13"),
            _ => {}
        }
        response
    }
}
