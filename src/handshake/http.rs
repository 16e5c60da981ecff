//! Requests and responses of the crate `http`, for the servers and clients that speak in them.

use std::borrow::Borrow;

use ::http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use ::http::{StatusCode, Uri, Version};

#[cfg(feature = "client")]
use super::client;
use super::grammar::members;
use super::{HandshakeError, Head, Incoming, Request, Response, ResponseError};
use crate::config::Config;

impl Request {
    /// [`new`](Self::new) with what a server has that parses into the crate `http`. Its body is not looked
    /// at. Feature `http`.
    ///
    /// In HTTP/2 this finds plain HTTP alone, since `:protocol` is no part of an [`http::Request`](::http::Request): see
    /// [`extended_connect`](Self::extended_connect), and `sansocket::hyper`, which does it all.
    ///
    /// ```
    /// use sansocket::{Config, handshake::{HandshakeError, Request, Response}};
    ///
    /// fn answer(request: &http::Request<()>) -> Result<http::Response<Vec<u8>>, HandshakeError> {
    ///     let request = Request::from_http(request, Config::default())?.upgrade()?;
    ///     Ok(request.accept().into_http())
    /// }
    /// # let request = http::Request::builder()
    /// #     .uri("/chat")
    /// #     .header("Host", "example.com")
    /// #     .header("Connection", "Upgrade")
    /// #     .header("Upgrade", "websocket")
    /// #     .header("Sec-WebSocket-Version", "13")
    /// #     .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    /// #     .body(())?;
    /// # let response = answer(&request)?;
    /// # assert_eq!(response.status(), 101);
    /// # assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Each refusal knows the [response](HandshakeError::into_http) that answers it.
    pub fn from_http<B>(
        request: &::http::Request<B>,
        config: impl Borrow<Config>,
    ) -> Result<Incoming, HandshakeError> {
        let version = match request.version() {
            Version::HTTP_09 => (0, 9),
            Version::HTTP_10 => (1, 0),
            Version::HTTP_11 => (1, 1),
            Version::HTTP_2 => (2, 0),
            _ => (3, 0),
        };
        let method = request.method().as_str();
        let head = if version < (2, 0) {
            let target = request.uri().to_string();
            Head::new(method, &target, version, fields(request.headers()))
        } else {
            let head = Head::new(method, path(request.uri()), version, fields(request.headers()));
            head.with_authority(authority(request))
        };
        Incoming::check(head, config.borrow())
    }

    /// [`extended_connect`](Self::extended_connect) with what a server has that parses into the crate `http`.
    #[cfg(feature = "hyper")]
    pub(crate) fn extended_connect_from_http<B>(
        protocol: &str,
        request: &::http::Request<B>,
        config: &Config,
    ) -> Result<Self, HandshakeError> {
        let headers = fields(request.headers());
        let authority = authority(request);
        Self::extended_connect(protocol, path(request.uri()), authority, headers, config)
    }
}

fn fields(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// `:path` (RFC 9113 §8.3.1)
fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |path| path.as_str())
}

/// `:authority`, or the `Host` that may stand in its place (RFC 9113 §8.3.1).
fn authority<B>(request: &::http::Request<B>) -> &str {
    match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    }
}

impl Response {
    /// For another HTTP server to write. Feature `http`.
    ///
    /// `Connection: close` is left out: whether the connection goes on is that server's business, and
    /// HTTP/2 has no such header. So is `Content-Length`, which it computes from the body.
    #[must_use]
    pub fn into_http<B: From<Vec<u8>>>(self) -> ::http::Response<B> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers() {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                continue; // no response has such a header: it was checked
            };
            let value = match name == CONNECTION {
                true if !members(value.as_bytes()).any(is_upgrade) => continue,
                true => HeaderValue::from_static("Upgrade"),
                false => value,
            };
            // There is no more room than for tens of thousands.
            let _ = headers.try_append(name, value);
        }
        let status = StatusCode::from_u16(self.status());
        let mut response = ::http::Response::new(self.into_body().into());
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }
}

fn is_upgrade(member: &[u8]) -> bool {
    member.eq_ignore_ascii_case(b"upgrade")
}

impl<B: From<Vec<u8>>> From<Response> for ::http::Response<B> {
    fn from(response: Response) -> Self {
        response.into_http()
    }
}

impl HandshakeError {
    /// The HTTP response that answers it, for another HTTP server to write. Feature `http`.
    #[must_use]
    pub fn into_http<B: From<Vec<u8>>>(self) -> ::http::Response<B> {
        self.response().into_http()
    }
}

/// So that `?` refuses in handlers that return `Result<http::Response<B>, http::Response<B>>`.
impl<B: From<Vec<u8>>> From<HandshakeError> for ::http::Response<B> {
    fn from(error: HandshakeError) -> Self {
        error.into_http()
    }
}

/// A 500 without a reason: it is a fault of the server.
impl<B: From<Vec<u8>>> From<ResponseError> for ::http::Response<B> {
    fn from(_: ResponseError) -> Self {
        Response::no_answer().into_http()
    }
}

#[cfg(feature = "client")]
impl client::Request {
    /// For an HTTP client that takes requests of the crate `http`. Features `http` and `client`.
    ///
    /// Its URI is absolute, `http` for `ws` and `https` for `wss`, as clients want it that find the way themselves, such
    /// as `reqwest`. One that was given a connection, such as `hyper::client::conn`, wants path and query alone there.
    ///
    /// ```
    /// use sansocket::handshake::client;
    ///
    /// let request = client::Request::new("wss://example.com/chat?room=1")?.to_http()?;
    /// assert_eq!(request.uri(), "https://example.com/chat?room=1");
    /// assert_eq!(request.headers()["host"], "example.com");
    ///
    /// let (mut parts, ()) = request.into_parts();
    /// parts.uri = parts.uri.path_and_query().cloned().map(Into::into).unwrap_or_default();
    /// assert_eq!(parts.uri, "/chat?room=1");
    /// # Ok::<(), client::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`](client::BuildError::Url) if the URL is none that the crate `http` takes;
    /// [`BuildError::Header`](client::BuildError::Header) if there are tens of thousands of headers, or one with as
    /// long a name.
    pub fn to_http(&self) -> Result<::http::Request<()>, client::BuildError> {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(self.authority());
        let uri = uri.path_and_query(self.target()).build();
        let mut request = ::http::Request::new(());
        *request.uri_mut() = uri.map_err(|_| client::BuildError::Url)?;
        let mut result = Ok(());
        self.write_headers(|name, value| {
            let appended = match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => request.headers_mut().try_append(name, value).is_ok(),
                _ => false,
            };
            if !appended {
                result = Err(client::BuildError::Header);
            }
        });
        result.map(|()| request)
    }

    /// Checks the answer to [`to_http`](Self::to_http), as it would be on the wire (RFC 6455 §4.1). Go on with the
    /// upgraded stream, and with [`Response::open`](client::Response::open). Features `http` and
    /// `client`.
    ///
    /// # Errors
    ///
    /// The server refuses, or does not answer as RFC 6455 asks.
    pub fn verify_http<B>(
        &self,
        response: &::http::Response<B>,
    ) -> Result<client::Response, client::Error> {
        let (status, version) = (response.status(), response.version());
        if status == StatusCode::SWITCHING_PROTOCOLS && version != Version::HTTP_11 {
            return Err(client::Error::Malformed);
        }
        let head = Head::new("", "", (1, 1), fields(response.headers()));
        self.check(status.as_u16(), head)
    }
}
