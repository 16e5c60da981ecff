//! The client's half of the handshake: an offer, and a look at the answer (RFC 6455 §4.1).

mod error;

use std::borrow::Borrow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[cfg(feature = "deflate")]
use super::extension;
use super::grammar::{is_token, lists};
use super::head::{Head, find_end};
use super::{HandshakeError, accept_key};
use crate::authority::Authority;
use crate::buffer::Buffer;
use crate::config::{Agreement, Config, MAX_HEADERS, Role};
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
pub use error::{Body, BuildError, Error};

/// A request to open a WebSocket, and what is needed to check the answer.
///
/// ```
/// use sansocket::handshake::client;
///
/// let request = client::Request::new("ws://example.com/chat")?.subprotocol("chat")?;
/// assert!(request.to_bytes().starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
/// // Then a `Connector` takes it.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Request {
    secure: bool,
    host: String,
    port: u16,
    target: String,
    key: String,
    subprotocols: Vec<String>,
    headers: Vec<(String, String)>,
    #[cfg(feature = "deflate")]
    compression: Option<Compression>,
}

impl Request {
    /// An offer for a `ws` or `wss` URL, with a fresh random key (§4.1). `http` and `https` stand for the same, as in
    /// browsers. Names of other scripts have to be in ASCII already (`xn--`), as the crate `url` writes them.
    ///
    /// # Errors
    ///
    /// The URL is malformed, has a fragment (§3), user information, or port 0.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        let (scheme, rest) = url.split_once("://").ok_or(BuildError::Url)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("http") => false,
            _ if scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https") => true,
            _ => return Err(BuildError::Url),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        let Authority { host, port } = Authority::parse(authority).ok_or(BuildError::Url)?;
        let clean = resource.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if port == Some(0) || !clean {
            return Err(BuildError::Url);
        }
        let slash = if resource.starts_with('/') { "" } else { "/" };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: port.unwrap_or_else(|| default_port(secure)),
            target: [slash, resource].concat(),
            key: STANDARD.encode(rand::random::<[u8; 16]>()),
            subprotocols: Vec::new(),
            headers: Vec::new(),
            #[cfg(feature = "deflate")]
            compression: None,
        })
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    ///
    /// It is no token, or was offered before (§4.1).
    pub fn subprotocol(mut self, name: &str) -> Result<Self, BuildError> {
        if !is_token(name.as_bytes()) || self.subprotocols.iter().any(|offered| offered == name) {
            return Err(BuildError::Subprotocol);
        }
        self.subprotocols.push(name.to_owned());
        Ok(self)
    }

    /// Adds a header, such as `Origin`, `Authorization` or `Cookie`.
    ///
    /// # Errors
    ///
    /// The name is no token, the value has control characters, or the header is one that
    /// the handshake writes itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, BuildError> {
        let reserved = ["Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"];
        let reserved = reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        let ours = name.get(..14).is_some_and(|head| head.eq_ignore_ascii_case("Sec-WebSocket-"));
        let clean = value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control());
        if reserved || ours || !is_token(name.as_bytes()) || !clean {
            return Err(BuildError::Header);
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Offers to compress messages (RFC 7692). A [`Connector`](super::Connector) does so by itself if its
    /// [`Config`] says so; this is for requests that go another way. Feature `deflate`.
    ///
    /// # Errors
    ///
    /// A setting of the compression is out of range.
    #[cfg(feature = "deflate")]
    pub fn compression(self, compression: &Compression) -> Result<Self, BuildError> {
        match compression.fault() {
            Some(_) => Err(BuildError::Compression),
            None => Ok(Self { compression: Some(compression.clone()), ..self }),
        }
    }

    /// The same, unless that was done before.
    #[cfg(feature = "deflate")]
    pub(super) fn offering(self, compression: Option<&Compression>) -> Self {
        Self { compression: self.compression.or_else(|| compression.cloned()), ..self }
    }

    /// Adds the header `Origin`, as pages in browsers have it: for servers that ask for one (§4.1).
    ///
    /// # Errors
    ///
    /// Those of [`header`](Self::header).
    pub fn origin(self, origin: &str) -> Result<Self, BuildError> {
        self.header("Origin", origin)
    }

    /// Adds an `Authorization` for HTTP's Basic scheme (RFC 7617). In a `ws` URL everybody on the way can read it.
    ///
    /// # Errors
    ///
    /// There is a colon in the name.
    pub fn basic_auth(self, name: &str, password: &str) -> Result<Self, BuildError> {
        let value = basic(name, password).ok_or(BuildError::Header)?;
        self.header("Authorization", &value)
    }

    /// The host to connect to; an IPv6 address without its brackets.
    ///
    /// ```
    /// use sansocket::handshake::client;
    ///
    /// let request = client::Request::new("ws://[::1]:9001")?;
    /// assert_eq!((request.host(), request.port()), ("::1", 9001)); // for `TcpStream::connect`
    /// # Ok::<(), client::BuildError>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> &str {
        let address = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        address.unwrap_or(&self.host)
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the URL is a `wss` one: the connection has to be made over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The request, as it goes on the wire. No frame must follow before the answer is verified.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("GET {} HTTP/1.1\r\n", self.target);
        self.write_headers(|name, value| head.extend([name, ": ", value, "\r\n"]));
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// All headers, in their order.
    pub(super) fn write_headers(&self, mut write: impl FnMut(&str, &str)) {
        write("Host", &self.authority());
        write("Upgrade", "websocket");
        write("Connection", "Upgrade");
        write("Sec-WebSocket-Key", &self.key);
        write("Sec-WebSocket-Version", "13");
        if !self.subprotocols.is_empty() {
            write("Sec-WebSocket-Protocol", &self.subprotocols.join(", "));
        }
        #[cfg(feature = "deflate")]
        if let Some(compression) = &self.compression {
            let offers = extension::offers(compression.settings());
            let offers: Vec<_> = offers.map(|offer| offer.to_string()).collect();
            write("Sec-WebSocket-Extensions", &offers.join(", "));
        }
        for (name, value) in &self.headers {
            write(name, value);
        }
    }

    /// Host and port as a proxy is told them.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Host and port as URIs have them: without the port that the scheme implies.
    pub(super) fn authority(&self) -> String {
        match self.port == default_port(self.secure) {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    #[cfg(feature = "http")]
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    /// Takes the answer from the front of `input`, and leaves what is behind it there: the first
    /// frames. `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The server refuses, or does not answer as RFC 6455 §4.1 asks. Close the socket.
    pub(super) fn verify(
        &self,
        input: &mut Buffer,
        config: &Config,
    ) -> Result<Option<Response>, Error> {
        let Some(end) = find_answer_end(input, config)? else {
            return Ok(None);
        };
        let (status, head) = parse(input.unread().get(..end).unwrap_or_default())?;
        if head.version() != (1, 1) {
            return Err(Error::Malformed);
        }
        input.consume(end);
        self.check(status, head).map(Some)
    }

    /// Looks at an answer, of which the head has arrived.
    pub(super) fn check(&self, status: u16, head: Head) -> Result<Response, Error> {
        if status != 101 {
            return Err(Error::Refused { status, head: Box::new(head), body: Body::default() });
        }
        let once = |name| {
            let mut values = head.values(name);
            values.next().filter(|_| values.next().is_none())
        };
        if !once("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(Error::Upgrade);
        }
        if !lists(head.values("Connection"), "upgrade") {
            return Err(Error::Connection);
        }
        if once("Sec-WebSocket-Accept") != Some(accept_key(&self.key).as_bytes()) {
            return Err(Error::AcceptKey);
        }
        let agreement = self.agreement(&head)?;
        let subprotocol = match head.header("Sec-WebSocket-Protocol") {
            None => None,
            Some(_) => {
                let chosen = once("Sec-WebSocket-Protocol").unwrap_or_default();
                let offered = |name: &&String| name.as_bytes() == chosen;
                let chosen = self.subprotocols.iter().find(offered);
                Some(chosen.ok_or(Error::Subprotocol)?.clone())
            }
        };
        Ok(Response { head, subprotocol, agreement })
    }

    /// The extension that the server has chosen of those that were offered.
    #[cfg(feature = "deflate")]
    fn agreement(&self, head: &Head) -> Result<Option<Agreement>, Error> {
        let Some(compression) = &self.compression else {
            return no_extension(head);
        };
        let answer = head.values("Sec-WebSocket-Extensions");
        let agreed = extension::verify(answer, &compression.settings()).ok_or(Error::Extension)?;
        Ok(agreed.map(|agreed| Agreement { compression: compression.clone(), agreed }))
    }

    #[cfg(not(feature = "deflate"))]
    fn agreement(&self, head: &Head) -> Result<Option<Agreement>, Error> {
        no_extension(head)
    }
}

/// None was offered.
fn no_extension(head: &Head) -> Result<Option<Agreement>, Error> {
    match head.header("Sec-WebSocket-Extensions") {
        Some(_) => Err(Error::Extension),
        None => Ok(None),
    }
}

/// Shows where it goes: keys and headers may be secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}

/// The terms that the server agreed to.
#[derive(Clone, Debug)]
pub struct Response {
    head: Head,
    subprotocol: Option<String>,
    agreement: Option<Agreement>,
}

impl Response {
    /// The subprotocol that the server chose. If it chose none, it is up to you whether to go on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The value of the first header with this name in the answer, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.header(name)
    }

    /// The connection that it opens, for those who have written and read elsewhere than by a
    /// [`Connector`](super::Connector): with compression, if that was agreed on, for which
    /// [`Connection::client`] knows too little.
    #[must_use]
    pub fn open(&self, config: impl Borrow<Config>) -> Connection {
        Connection::opened(Role::Client, config.borrow(), &[], self.agreement.as_ref())
    }

    pub(super) fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }
}

/// The credentials of HTTP's Basic scheme.
pub(crate) fn basic(name: &str, password: &str) -> Option<String> {
    let value = || format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    (!name.contains(':')).then(value)
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// The length of the head of an answer, once it is all there.
pub(super) fn find_answer_end(input: &mut Buffer, config: &Config) -> Result<Option<usize>, Error> {
    find_end(input, config).map_err(|error| match error {
        HandshakeError::Malformed | HandshakeError::Tls => Error::Malformed,
        _ => Error::HeadTooLarge,
    })
}

pub(super) fn parse(bytes: &[u8]) -> Result<(u16, Head), Error> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Error::HeadTooLarge),
        _ => return Err(Error::Malformed),
    }
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(Error::Malformed);
    };
    let headers = response.headers.iter().map(|header| (header.name, header.value));
    Ok((status, Head::new("", "", (1, minor), headers)))
}
