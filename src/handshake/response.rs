//! The answer to a request: an ordinary value until its bytes are written.

use std::borrow::{Borrow, Cow};
use std::fmt;

use thiserror::Error;

use super::grammar::is_token;
use crate::config::{Agreement, Config, Role};
use crate::connection::Connection;

/// Most heads are not larger, in bytes.
const USUAL: usize = 256;

/// An HTTP response that accepts or refuses an upgrade, or answers plain HTTP.
///
/// ```
/// # use sansocket::handshake::Request;
/// # let headers: [(&str, &[u8]); 5] = [
/// #     ("Host", b"example.com"), ("Upgrade", b"websocket"), ("Connection", b"Upgrade"),
/// #     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", b"13"),
/// # ];
/// # let config = sansocket::Config::default();
/// # let request = Request::new("GET", "/", (1, 1), headers, &config)?.upgrade()?;
/// let response = request
///     .reject(401)?
///     .header("WWW-Authenticate", "Bearer")?
///     .body("text/plain", "who are you?")?;
/// assert_eq!(
///     response.to_bytes(),
///     b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Bearer\r\n\
///       Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nwho are you?"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Response {
    status: u16,
    /// Whether it is an acceptance.
    opens: bool,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Vec<u8>,
    /// The client's offers that were not answered yet.
    subprotocols: Vec<String>,
    /// An agreement on compression, which the connection is to keep.
    agreement: Option<Agreement>,
}

/// The header that says what was agreed on.
const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// Headers that the handshake writes itself.
const RESERVED: [&str; 8] = [
    "Connection",
    "Content-Length",
    "Sec-WebSocket-Accept",
    EXTENSIONS,
    "Sec-WebSocket-Protocol",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

impl Response {
    /// An answer to plain HTTP, with a status from 200 to 599.
    ///
    /// # Errors
    ///
    /// Another status.
    pub fn new(status: u16) -> Result<Self, ResponseError> {
        match status {
            200..=599 => Ok(Self::refusal(status, "")),
            _ => Err(ResponseError::InvalidStatus(status)),
        }
    }

    pub(super) fn acceptance(accept_key: String, subprotocols: Vec<String>) -> Self {
        Self {
            status: 101,
            opens: true,
            headers: vec![
                ("Upgrade".into(), "websocket".into()),
                ("Connection".into(), "Upgrade".into()),
                ("Sec-WebSocket-Accept".into(), accept_key.into()),
            ],
            body: Vec::new(),
            subprotocols,
            agreement: None,
        }
    }

    /// The acceptance of an extended CONNECT (RFC 8441 §5).
    pub(super) fn connected(subprotocols: Vec<String>) -> Self {
        Self {
            status: 200,
            opens: true,
            headers: Vec::new(),
            body: Vec::new(),
            subprotocols,
            agreement: None,
        }
    }

    /// A refusal with a line of text.
    pub(crate) fn refusal(status: u16, reason: &str) -> Self {
        // RFC 9110 §7.8: who sends `Upgrade` says so in `Connection`.
        let connection = if status == 426 { "close, Upgrade" } else { "close" };
        let mut headers = vec![("Connection".into(), connection.into())];
        if !reason.is_empty() {
            headers.push(("Content-Type".into(), "text/plain; charset=utf-8".into()));
        }
        if status == 426 {
            headers.push(("Upgrade".into(), "websocket".into()));
        }
        Self {
            status,
            opens: false,
            headers,
            body: reason.into(),
            subprotocols: Vec::new(),
            agreement: None,
        }
    }

    /// There is no room for the client now.
    pub(crate) fn full() -> Self {
        Self::unavailable("the server is full\n")
    }

    /// The client may come back (RFC 9110 §15.6.4).
    pub(crate) fn unavailable(text: &str) -> Self {
        let mut response = Self::refusal(503, text);
        response.push("Retry-After", "10");
        response
    }

    /// The application gave none that can be given: a fault of the server.
    pub(crate) fn no_answer() -> Self {
        Self::refusal(500, "the server has no answer\n")
    }

    pub(crate) fn push(&mut self, name: &'static str, value: &'static str) {
        self.headers.push((name.into(), value.into()));
    }

    /// Agrees to compress messages.
    #[cfg(feature = "deflate")]
    pub(super) fn with_compression(mut self, agreement: &Agreement, answer: &str) -> Self {
        self.headers.push((EXTENSIONS.into(), answer.to_owned().into()));
        self.agreement = Some(agreement.clone());
        self
    }

    /// Does not agree to compress messages on this connection: for clients that cannot do it although they offer it, such
    /// as Safari 15.0 to 15.3, or where secrets are sent beside what others may choose. Feature `deflate`.
    #[cfg(feature = "deflate")]
    pub fn without_compression(mut self) -> Self {
        self.headers.retain(|(name, _)| name != EXTENSIONS);
        self.agreement = None;
        self
    }

    /// The connection that this acceptance opens, for those who write its bytes themselves: with compression, if that was
    /// agreed on, for which [`Connection::server`] knows too little.
    ///
    /// # Errors
    ///
    /// [`WrongKind`](ResponseError::WrongKind) if this is no acceptance.
    ///
    /// ```
    /// use sansocket::{Config, handshake::Request};
    ///
    /// # let headers: [(&str, &[u8]); 5] = [
    /// #     ("Host", b"example.com"), ("Upgrade", b"websocket"), ("Connection", b"Upgrade"),
    /// #     ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", b"13"),
    /// # ];
    /// let config = Config::default();
    /// let request = Request::new("GET", "/", (1, 1), headers, &config)?.upgrade()?;
    /// let response = request.accept();
    /// let to_write = response.to_bytes();
    /// let connection = response.open(&config)?;
    /// # assert!(to_write.starts_with(b"HTTP/1.1 101") && connection.pending().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(&self, config: impl Borrow<Config>) -> Result<Connection, ResponseError> {
        self.open_with(config.borrow(), &[])
    }

    /// The same, with bytes to write first.
    pub(super) fn open_with(
        &self,
        config: &Config,
        output: &[u8],
    ) -> Result<Connection, ResponseError> {
        match self.opens {
            true => Ok(Connection::opened(Role::Server, config, output, self.agreement.as_ref())),
            false => Err(ResponseError::WrongKind),
        }
    }

    /// Agrees to one of the subprotocols that the client offered. Without this none is agreed to,
    /// which browsers that offered some take for a failure.
    ///
    /// # Errors
    ///
    /// The client did not offer it, in exactly this case, or one was chosen before.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, ResponseError> {
        if !self.subprotocols.iter().any(|offered| offered == name) {
            return Err(ResponseError::NotOffered);
        }
        self.subprotocols = Vec::new();
        self.headers.push(("Sec-WebSocket-Protocol".into(), name.to_owned().into()));
        Ok(self)
    }

    /// Adds a header, such as a cookie.
    ///
    /// # Errors
    ///
    /// The name is no token, the value has control characters, or the header is one
    /// that the handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, ResponseError> {
        if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(ResponseError::ReservedHeader);
        }
        let clean = value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
        if !is_token(name.as_bytes()) || !clean {
            return Err(ResponseError::InvalidHeader);
        }
        self.headers.push((name.to_owned().into(), value.to_owned().into()));
        Ok(self)
    }

    /// Gives it a body, instead of any it had.
    ///
    /// # Errors
    ///
    /// This is an acceptance, a 204 or a 304, which have none; or the content type has control characters.
    pub fn body(
        mut self,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, ResponseError> {
        if !self.may_have_body() {
            return Err(ResponseError::NoBody);
        }
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
        let mut response = self.header("Content-Type", content_type)?;
        response.body = body.into();
        Ok(response)
    }

    /// Whether this is an acceptance, after which the connection is open: a 101, or the 200 that answers an
    /// [extended CONNECT](super::Request::extended_connect).
    #[must_use]
    pub fn is_acceptance(&self) -> bool {
        self.opens
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The headers, but for `Content-Length`; for other HTTP servers to write.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The body; for other HTTP servers to write.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    #[cfg(feature = "http")]
    pub(super) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// All of it, as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The same without the body: the answer to a `HEAD` request (RFC 9110 §9.3.2).
    #[must_use]
    pub fn head_bytes(&self) -> Vec<u8> {
        let mut head = String::with_capacity(USUAL);
        head.extend(["HTTP/1.1 ", &self.status.to_string(), " ", phrase(self.status), "\r\n"]);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if self.may_have_body() {
            head.extend(["Content-Length: ", &self.body.len().to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// RFC 9110 §8.6, §9.3.6, §15.4.5
    fn may_have_body(&self) -> bool {
        !self.opens && !matches!(self.status, 204 | 304)
    }
}

/// Shows the status and the names of the headers: values may be secret.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// A response that must not be written. Nothing was.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The client did not offer this subprotocol (RFC 6455 §4.2.2), or one was chosen before.
    #[error("the client did not offer this subprotocol")]
    NotOffered,
    /// A header's name is no token, or its value has control characters.
    #[error("a response header is malformed")]
    InvalidHeader,
    /// The handshake writes this header itself.
    #[error("the handshake writes this header itself")]
    ReservedHeader,
    /// An acceptance, a 204 and a 304 have no body.
    #[error("this response has no body")]
    NoBody,
    /// Neither is a refusal to be accepted with, nor an acceptance to be rejected with.
    #[error("a refusal and an acceptance were mixed up")]
    WrongKind,
    /// A response was given before.
    #[error("the request was answered before")]
    Answered,
    /// A refusal has a status from 300 to 599, an answer to plain HTTP one from 200.
    #[error("{0} is no status for this response")]
    InvalidStatus(u16),
}

/// The reason phrase: for people, and optional (RFC 9112 §4).
fn phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
