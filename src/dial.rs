//! Clients that dial: from a URL to an open connection. Feature `client`.
//!
//! A [`Dial`] says where to and how; `net::dial` and `tokio::dial` do it, and `connect_to` is their short form.
//!
//! ```no_run
//! use std::time::Duration;
//! use sansocket::{Config, dial::Dial, net};
//!
//! let dial = Dial::new("ws://localhost:9001/chat")?
//!     .subprotocol("chat")?
//!     .header("Cookie", "session=a1b2")?
//!     .timeout(Duration::from_secs(5));
//! let (sender, mut receiver, response) = net::dial(&dial, Config::default())?;
//! println!("we speak {:?}", response.subprotocol());
//! sender.send("Hello")?;
//! println!("{:?}", receiver.recv()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One deadline bounds all of it: the look-up of the name, the sockets, a proxy, TLS and the opening handshake. Of several
//! addresses, of both families in turn, each has 250 ms before the next is tried beside it, and the first that connects is
//! taken (RFC 8305). A request of a `wss` URL never goes out in the clear.
//!
//! There are no redirects: to follow one blindly takes credentials to wherever it leads. Nor is there a connection that
//! comes back by itself, since only the application knows how to go on; but there are its parts:
//! [`Close::is_retryable`](crate::Close::is_retryable) and [`Backoff`].
//!
//! Only one connection to a host should be in the opening handshake at a time (RFC 6455 §4.1): a program that opens many at
//! once takes turns. A dial knows of no others.

mod backoff;
mod exceptions;
mod proxy;
mod race;

use std::fmt;
use std::net::SocketAddr;
#[cfg(feature = "rustls")]
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use backoff::Backoff;
pub use proxy::Proxy;
pub(crate) use race::{Next, Race};

use crate::config::{Config, Millis};
use crate::error::TimedOut;
use crate::handshake::Tunnel;
use crate::handshake::client::{BuildError, Request};
#[cfg(feature = "rustls")]
use crate::tls;

/// Where to dial, and how.
#[derive(Clone)]
#[must_use]
pub struct Dial {
    request: Request,
    timeout: Option<Duration>,
    addresses: Vec<SocketAddr>,
    proxy: Option<Proxy>,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<tls::rustls::ClientConfig>>,
}

impl Dial {
    /// To a URL; see [`Request::new`].
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`].
    pub fn new(url: &str) -> Result<Self, BuildError> {
        Request::new(url).map(Self::from)
    }

    /// Offers a subprotocol, after those offered before.
    ///
    /// # Errors
    ///
    /// Those of [`Request::subprotocol`].
    pub fn subprotocol(self, name: &str) -> Result<Self, BuildError> {
        Ok(Self { request: self.request.subprotocol(name)?, ..self })
    }

    /// Adds a header to the request, such as `Cookie`.
    ///
    /// # Errors
    ///
    /// Those of [`Request::header`].
    pub fn header(self, name: &str, value: &str) -> Result<Self, BuildError> {
        Ok(Self { request: self.request.header(name, value)?, ..self })
    }

    /// Adds an `Origin`.
    ///
    /// # Errors
    ///
    /// Those of [`Request::origin`].
    pub fn origin(self, origin: &str) -> Result<Self, BuildError> {
        Ok(Self { request: self.request.origin(origin)?, ..self })
    }

    /// Adds an `Authorization` for HTTP's Basic scheme.
    ///
    /// # Errors
    ///
    /// Those of [`Request::basic_auth`].
    pub fn basic_auth(self, name: &str, password: &str) -> Result<Self, BuildError> {
        Ok(Self { request: self.request.basic_auth(name, password)?, ..self })
    }

    /// How long it may take in all: [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout), 10 s by default. At
    /// least a millisecond, and at most 49 days.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Connects to this address and asks no name service; the `Host` and the name in the certificate are still those of the
    /// URL. With a [proxy](Self::proxy) it is the proxy's. Several are tried as those of a name are.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// Connects through a proxy, `ws` as well as `wss` (RFC 6455 §4.1). None by default; see
    /// [`Proxy::from_env`].
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Speaks TLS with this configuration, if the URL is a `wss` one. By default it is
    /// [`default_client_config`](tls::default_client_config).
    ///
    /// Its ALPN has to be `http/1.1` alone; if it has none, that is what is offered.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: Arc<tls::rustls::ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// The request that will be sent.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The host and port to connect to first.
    pub(crate) fn first_hop(&self) -> (String, u16) {
        match &self.proxy {
            Some(proxy) => (proxy.host().to_owned(), proxy.port()),
            None => (self.request.host().to_owned(), self.request.port()),
        }
    }

    /// The addresses that are to be used, if there are any.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The handshake with the proxy, if there is one.
    pub(crate) fn tunnel(&self, config: &Config) -> Option<Tunnel> {
        let proxy = self.proxy.as_ref()?;
        Some(Tunnel::new(&self.request.host_and_port(), proxy.authorization(), config))
    }

    /// The configuration of TLS, for a `wss` URL.
    ///
    /// # Errors
    ///
    /// There is none that works.
    #[cfg(feature = "rustls")]
    pub(crate) fn secure(&self) -> std::io::Result<Option<Secured>> {
        use std::io::{Error, ErrorKind};
        if !self.request.is_secure() {
            return Ok(None);
        }
        let config = match &self.tls {
            Some(config) => tls::check_client(Arc::clone(config))?,
            None => tls::default_client_config()?,
        };
        let name = tls::rustls::pki_types::ServerName::try_from(self.request.host().to_owned())
            .map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
        Ok(Some((config, name)))
    }

    pub(crate) fn deadline(&self, config: &Config, now: Instant) -> Deadline {
        let timeout = self.timeout.unwrap_or_else(|| config.handshake_timeout.into());
        Deadline { start: now, timeout }
    }
}

/// The configuration of TLS, and the name of the server.
#[cfg(feature = "rustls")]
pub(crate) type Secured =
    (Arc<tls::rustls::ClientConfig>, tls::rustls::pki_types::ServerName<'static>);

/// The one deadline of a dial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    start: Instant,
    timeout: Duration,
}

impl Deadline {
    /// The time that is left.
    ///
    /// # Errors
    ///
    /// None is left.
    pub(crate) fn left(&self, now: Instant) -> Result<Duration, TimedOut> {
        let left = self.timeout.saturating_sub(now.saturating_duration_since(self.start));
        match left < Duration::from_millis(1) {
            true => Err(TimedOut::Handshake),
            false => Ok(left),
        }
    }

    /// The configuration for a handshake that has the rest of the time.
    pub(crate) fn configure(&self, config: &Config, now: Instant) -> Result<Config, TimedOut> {
        let millis = u32::try_from(self.left(now)?.as_millis()).unwrap_or(u32::MAX);
        Ok(Config { handshake_timeout: Millis::new(millis), ..config.clone() })
    }
}

/// For what cannot be said here, such as an offer of extensions.
impl From<Request> for Dial {
    fn from(request: Request) -> Self {
        Self {
            request,
            timeout: None,
            addresses: Vec::new(),
            proxy: None,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }
}

/// Shows where it goes: headers and credentials may be secret.
impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("request", &self.request)
            .field("timeout", &self.timeout)
            .field("addresses", &self.addresses)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}
