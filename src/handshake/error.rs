//! Why a handshake is refused, and the HTTP response that says so.

use thiserror::Error;

use super::{Head, Response};

/// The request does not open a WebSocket.
///
/// The answer on the wire is [`response`](Self::response), a complete HTTP response with
/// `Connection: close`; close the socket after it. No frame must be sent or read.
#[derive(Error, Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// An ordinary HTTP request: it does not ask for an upgrade to `websocket` (RFC 6455 §4.2.1).
    /// No fault, if the port serves both: answer it as you like. What followed the head, such as
    /// a body, is still unread in the buffer. Standing alone it is answered 426.
    #[error("this is a WebSocket endpoint, and the request asks for no upgrade to it")]
    NotWebSocket(Box<Head>),
    /// Not HTTP, or HTTP that proxies disagree about. 400.
    #[error("the request is malformed")]
    Malformed,
    /// The request target is neither a path nor an `http` or `https` URI. 400.
    #[error("the request target is malformed")]
    Target,
    /// The request target is longer than the limit. 414.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The head is longer, or has more lines, than the limit. 431.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// HTTP, but not 1.1. 505.
    #[error("the HTTP version is not 1.1")]
    HttpVersion,
    /// The method is not GET. 405.
    #[error("the method is not GET")]
    Method,
    /// No `Host`, several, or one that is malformed (RFC 9112 §3.2). 400.
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
    /// A page of this origin may not connect, see [`Origins`](crate::Origins) (§10.2). 403.
    #[error("pages of this origin may not connect")]
    Origin,
}

impl HandshakeError {
    /// The HTTP status that answers it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NotWebSocket(head) if head.version() != (1, 1) => 505,
            Self::NotWebSocket(head) if head.method() != "GET" => 405,
            Self::NotWebSocket(_) | Self::UnsupportedVersion => 426,
            Self::TargetTooLong => 414,
            Self::HeadTooLarge => 431,
            Self::HttpVersion => 505,
            Self::Method => 405,
            Self::Origin => 403,
            _ => 400,
        }
    }

    /// The HTTP response that answers it, with a line of text for people.
    pub fn response(&self) -> Response {
        let text = match self {
            // RFC 9110 §9.3.2
            Self::NotWebSocket(head) if head.method() == "HEAD" => String::new(),
            error => format!("{error}\n"),
        };
        let mut response = Response::refusal(self.status(), &text);
        if self.status() == 405 {
            response.push("Allow", "GET");
        }
        if matches!(self, Self::MissingVersion | Self::UnsupportedVersion | Self::NotWebSocket(_)) {
            response.push("Sec-WebSocket-Version", "13");
        }
        response
    }
}
