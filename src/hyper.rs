//! Takes over requests from hyper, and from servers that are built on it, such as axum. Feature `hyper`.
//!
//! [`upgrade`] checks a request, in HTTP/1.1 as in HTTP/2 (RFC 8441), and returns an [`Upgrade`]: look at it, decide,
//! and give hyper the response. The connection then is one of [`sansocket::tokio`](crate::tokio), over a [`Stream`].
//!
//! This is a handler of axum, for a route made with `any`, since HTTP/2 asks with CONNECT and not with GET:
//!
//! ```
//! # type Body = Vec<u8>;
//! # type Request = http::Request<Body>;
//! # type Response = http::Response<Body>;
//! // use axum::extract::Request;
//! // use axum::response::Response;
//! use sansocket::{Config, hyper};
//!
//! async fn echo(mut request: Request) -> Result<Response, Response> {
//!     let upgrade = hyper::upgrade(&mut request, Config::default())?;
//!     let response = upgrade.request().accept();
//!     Ok(upgrade.on_upgrade(response, |sender, mut receiver| async move {
//!         while let Some(message) = receiver.recv().await? {
//!             sender.send(message).await?;
//!         }
//!         Ok(())
//!     })?)
//! }
//! # let _ = echo;
//! ```
//!
//! `?` turns a [`HandshakeError`] into its response. Under hyper itself it is the same, with the connection served
//! `with_upgrades`.
//!
//! For HTTP/2 the server calls `enable_connect_protocol`, which `axum::serve` does when its feature `http2` is on. The
//! connection goes on when a WebSocket in it is closed. Its socket stays hyper's, so set `TCP_NODELAY` when you
//! accept it (axum: `ListenerExt::tap_io`): without, a small message in HTTP/2 or over TLS can take 40 ms.
//!
//! A server that stops knows nothing of the connections that it has handed over. With
//! [`on_upgrade_in`](Upgrade::on_upgrade_in) they are counted, limited, and told.

mod stream;
mod task;

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::{Method, Version};
use ::hyper::ext::Protocol;
use ::hyper::upgrade::OnUpgrade;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, HandlerResult};
use crate::handshake::{HandshakeError, Request, Response, ResponseError};
use crate::tokio::{Connections, Halves, Receiver, Sender, open_as};

pub use stream::Stream;

/// Checks a request to open a WebSocket: an upgrade of HTTP/1.1 (RFC 6455 §4.2), or an extended CONNECT of HTTP/2
/// (RFC 8441). If it is one, the means to take over the connection are taken out of its extensions; its body is
/// not touched.
///
/// The limits on the request's head are hyper's.
///
/// # Errors
///
/// Each refusal knows the [response](HandshakeError::into_http) that answers it. Plain HTTP is refused with
/// [`Upgrade`](HandshakeError::Upgrade), [`Method`](HandshakeError::Method),
/// [`HttpVersion`](HandshakeError::HttpVersion) or [`NoExtendedConnect`](HandshakeError::NoExtendedConnect);
/// [`NotUpgradable`](HandshakeError::NotUpgradable) if the request does not come from hyper, or this was called for it
/// before.
pub fn upgrade<B>(
    request: &mut ::http::Request<B>,
    config: impl Borrow<Config>,
) -> Result<Upgrade, HandshakeError> {
    let config = config.borrow();
    let protocol = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 | Version::HTTP_11 => None,
        _ if request.method() != Method::CONNECT => None,
        _ => request.extensions().get::<Protocol>(),
    };
    let checked = match protocol {
        Some(protocol) => {
            Request::extended_connect_from_http(protocol.as_str(), &*request, config)?
        }
        None => Request::from_http(request, config)?.upgrade()?,
    };
    let on_upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let on_upgrade = on_upgrade.ok_or(HandshakeError::NotUpgradable)?;
    Ok(Upgrade { request: checked, on_upgrade, config: config.clone() })
}

/// A request to open a WebSocket that was checked, and not yet answered. Take your time.
///
/// If it is dropped, hyper goes on with whatever the response is.
#[doc(alias = "WebSocketUpgrade")]
#[doc(alias = "subprotocol")]
pub struct Upgrade {
    request: Request,
    on_upgrade: OnUpgrade,
    config: Config,
}

impl Upgrade {
    /// The request, to decide by and to make the response from.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Accepts, in two steps: return the response to hyper, and wait for the connection in a task of its own, which
    /// hyper hands over when the response is written.
    ///
    /// ```
    /// # type Body = Vec<u8>;
    /// use sansocket::{Config, hyper};
    ///
    /// type Answer = http::Response<Body>;
    ///
    /// async fn echo(mut request: http::Request<Body>) -> Result<Answer, Answer> {
    ///     let upgrade = hyper::upgrade(&mut request, Config::default())?;
    ///     let response = upgrade.request().accept();
    ///     let (response, opening) = upgrade.accept(response)?;
    ///     tokio::spawn(async move {
    ///         let (sender, mut receiver) = opening.await?;
    ///         while let Some(message) = receiver.recv().await? {
    ///             sender.send(message).await?;
    ///         }
    ///         Ok::<(), sansocket::Error>(())
    ///     });
    ///     Ok(response)
    /// }
    /// # let _ = echo;
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is a refusal, or the acceptance of a request in another version of
    /// HTTP.
    pub fn accept<B: From<Vec<u8>>>(
        self,
        response: Response,
    ) -> Result<(::http::Response<B>, Opening), ResponseError> {
        let (response, opening) = self.split(response)?;
        Ok((response.into_http(), opening))
    }

    /// Refuses: the response is to be returned to hyper.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is an acceptance.
    pub fn reject<B: From<Vec<u8>>>(
        self,
        response: Response,
    ) -> Result<::http::Response<B>, ResponseError> {
        match response.is_acceptance() {
            true => Err(ResponseError::WrongKind),
            false => Ok(response.into_http()),
        }
    }

    /// Accepts, in one step: the response is to be returned to hyper, and `handler` runs in a task of its own as soon as
    /// the connection is open.
    ///
    /// When it returns, the connection is closed, after all that was fed is written: with 1000, or 1011 if it returned an
    /// error or panicked. Errors go to the crate `log` (feature `log`): disconnects at debug level, others
    /// at warn.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] as in [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio.
    pub fn on_upgrade<B, F>(
        self,
        response: Response,
        handler: impl FnOnce(Sender<Stream>, Receiver<Stream>) -> F + Send + 'static,
    ) -> Result<::http::Response<B>, ResponseError>
    where
        B: From<Vec<u8>>,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        self.on_upgrade_in(&Connections::new(), response, handler)
    }

    /// [`on_upgrade`](Self::on_upgrade) for one of these connections: it counts among them from now on, and a
    /// [stop](Connections::stop) closes it with 1001. If there are as many as there may be, or they are being stopped, the
    /// response is a 503.
    ///
    /// ```
    /// # type Body = Vec<u8>;
    /// use sansocket::tokio::Connections;
    /// use sansocket::{Config, hyper};
    ///
    /// type Answer = http::Response<Body>;
    ///
    /// async fn quiet(
    ///     mut request: http::Request<Body>,
    ///     connections: Connections<hyper::Stream>, // a part of your server's state
    /// ) -> Result<Answer, Answer> {
    ///     let upgrade = hyper::upgrade(&mut request, Config::default())?;
    ///     let response = upgrade.request().accept();
    ///     Ok(upgrade.on_upgrade_in(&connections, response, |_, mut receiver| async move {
    ///         Ok(receiver.drain().await?)
    ///     })?)
    /// }
    /// # let _ = quiet;
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] as in [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio.
    pub fn on_upgrade_in<B, F>(
        self,
        connections: &Connections<Stream>,
        response: Response,
        handler: impl FnOnce(Sender<Stream>, Receiver<Stream>) -> F + Send + 'static,
    ) -> Result<::http::Response<B>, ResponseError>
    where
        B: From<Vec<u8>>,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        let (response, opening) = self.split(response)?;
        let Some(permit) = connections.permit() else {
            return Ok(Response::full().into_http());
        };
        task::spawn(permit, opening, handler);
        Ok(response.into_http())
    }

    fn split(self, response: Response) -> Result<(Response, Opening), ResponseError> {
        let wanted = if self.request.is_extended_connect() { 200 } else { 101 };
        if !response.is_acceptance() || response.status() != wanted {
            return Err(ResponseError::WrongKind);
        }
        let connection = response.open(&self.config)?;
        let opens = Some((connection, self.request, self.config));
        Ok((response, Opening { on_upgrade: self.on_upgrade, opens }))
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The future of a connection that was accepted: its two halves, as soon as hyper has written the response.
///
/// It waits for as long as that takes; await it elsewhere than where the response is made. If it is dropped, hyper
/// closes the connection, or resets the stream.
///
/// # Errors
///
/// [`Error::Handshake`] with [`NotUpgradable`](HandshakeError::NotUpgradable) if hyper serves the connection without
/// upgrades; [`Error::Io`] with `ConnectionAborted` if the connection has ended first.
///
/// Do not return another response in the place of the acceptance: hyper does not look at its status, and hands over in
/// HTTP/1.1 what is left of the connection at its end. Until then this waits, and a permit that belongs to it is out.
#[must_use = "futures do nothing unless polled"]
pub struct Opening {
    on_upgrade: OnUpgrade,
    /// Until it is open.
    opens: Option<(Connection, Request, Config)>,
}

impl Future for Opening {
    type Output = Result<Halves<Stream>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = match self.opens {
            Some(_) => ready!(Pin::new(&mut self.on_upgrade).poll(cx)).map_err(not_upgraded)?,
            None => return Poll::Ready(Err(HandshakeError::NotUpgradable.into())),
        };
        let Some((connection, request, config)) = self.opens.take() else {
            return Poll::Ready(Err(HandshakeError::NotUpgradable.into()));
        };
        let (stream, input) = Stream::recover(upgraded);
        Poll::Ready(Ok(open_as(stream, connection, input, Some(request), &config)))
    }
}

fn not_upgraded(error: ::hyper::Error) -> Error {
    match error.is_user() {
        true => HandshakeError::NotUpgradable.into(),
        false => io::Error::new(io::ErrorKind::ConnectionAborted, error).into(),
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}
