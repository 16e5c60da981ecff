//! TLS in full duplex: one thread receives while others send, as without it; and TLS on event loops.
//!
//! A [`Secure`] is a [`Transport`](crate::net::Transport) over another one. Between the two stands an [`Engine`], a
//! TLS library as a state machine over bytes: it never sees the socket, and no lock is held around it while a thread
//! waits for the peer. With the feature `rustls` there is one, `Rustls`; `examples/native-tls` shows another. The event
//! loops of `sansocket::mio` (feature `mio`) speak TLS with the same parts, without locks: `mio::Server::tls`. In tasks
//! the streams of `tokio-rustls` do it.
//!
#![cfg_attr(feature = "rustls", doc = "```no_run")]
#![cfg_attr(not(feature = "rustls"), doc = "```ignore")]
//! use std::sync::Arc;
//! use sansocket::tls::rustls::ServerConfig;
//! use sansocket::{Config, net::Server};
//!
//! fn serve(tls: Arc<ServerConfig>) -> std::io::Result<()> {
//!     Server::bind("0.0.0.0:443", Config::default())?.tls(tls)?.run(|sender, mut receiver| {
//!         while let Some(message) = receiver.recv()? {
//!             sender.send(message)?;
//!         }
//!         Ok(())
//!     });
//!     Ok(())
//! }
//! ```
//!
//! # On the wire
//!
//! The TLS handshake is part of the opening handshake, and shares its deadline. Session tickets, answers to key updates and
//! alerts go out as pongs do: at once if nobody writes, or else by the thread that does. At the end a `close_notify` goes
//! ahead of the end of the stream. The end of the peer's stream without one is an end like any other: a message that was cut
//! off is noticed by its frame, and a connection that was by its missing Close, see
//! [`Error::Disconnected`](crate::Error::Disconnected). After an error of TLS an alert is sent and no Close frame, since
//! there is no way any more on which it could go.
//!
//! # Renewing certificates
//!
//! A server lives longer than a certificate. A `ServerConfig` asks its `ResolvesServerCert` for each handshake, so one
//! that can be swapped is all it takes; connections that are open go on.
//!
#![cfg_attr(feature = "rustls", doc = "```")]
#![cfg_attr(not(feature = "rustls"), doc = "```ignore")]
//! use std::sync::{Arc, RwLock};
//! use sansocket::tls::rustls::server::{ClientHello, ResolvesServerCert};
//! use sansocket::tls::rustls::sign::CertifiedKey;
//!
//! #[derive(Debug)]
//! struct Renewable(RwLock<Arc<CertifiedKey>>);
//!
//! impl Renewable {
//!     /// To be called when the files have changed: `CertifiedKey::from_der` checks that key and certificate match.
//!     fn renew(&self, key: CertifiedKey) {
//!         *self.0.write().unwrap() = Arc::new(key);
//!     }
//! }
//!
//! impl ResolvesServerCert for Renewable {
//!     fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
//!         Some(Arc::clone(&self.0.read().unwrap()))
//!     }
//! }
//! // ServerConfig::builder().with_no_client_auth().with_cert_resolver(renewable)
//! ```

#[cfg(all(feature = "mio", feature = "rustls"))]
mod channel;
#[cfg(feature = "rustls")]
mod config;
#[cfg(feature = "rustls")]
mod engine;
mod inbox;
mod lock;
mod outbox;
mod secure;
mod timeout;

use std::io;

/// The library, of the version that is used here.
#[cfg(feature = "rustls")]
pub use ::rustls;
#[cfg(all(feature = "mio", feature = "rustls"))]
pub(crate) use channel::Channel;
#[cfg(all(feature = "rustls", feature = "client"))]
pub(crate) use config::check_client;
#[cfg(feature = "rustls")]
pub(crate) use config::check_server;
#[cfg(feature = "rustls")]
pub use config::default_client_config;
#[cfg(feature = "rustls")]
pub use engine::Rustls;
#[cfg(all(feature = "mio", feature = "rustls"))]
pub(crate) use inbox::{http_refusal, spoke_http};
pub use secure::Secure;

/// A TLS connection without a socket: records in, plaintext out, and the other way round.
///
/// It must not keep anything back that it could hand out, nor block. Errors are final: after one it is asked once
/// for the records that it still has to send, such as an alert.
pub trait Engine: Send + 'static {
    /// Takes bytes that have arrived, any part of a record or several, and passes the plaintext to `plain`, in its
    /// order. The bytes may be changed. It keeps an unfinished record, or handshake message.
    ///
    /// # Errors
    ///
    /// The peer does not speak TLS, is not the right one, or has sent an alert: `InvalidData`.
    fn open(&mut self, records: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// Appends records: first those that the engine has to send by itself, then `plain`, of at most 16 KiB. That is empty
    /// until the [handshake](Self::is_handshaking) is over.
    ///
    /// # Errors
    ///
    /// Nothing can be sent any more, but for the records that were appended, such as an alert.
    fn seal(&mut self, plain: &[u8], records: &mut Vec<u8>) -> io::Result<()>;

    /// Appends a `close_notify`; nothing is sealed after it.
    ///
    /// # Errors
    ///
    /// Those of [`seal`](Self::seal).
    fn close(&mut self, records: &mut Vec<u8>) -> io::Result<()>;

    /// Whether it has records to send by itself: of the handshake, a session ticket, an alert.
    fn wants_write(&self) -> bool;

    /// Whether no data can be sent yet.
    fn is_handshaking(&self) -> bool;

    /// Whether the peer has sent its `close_notify`.
    fn is_closed(&self) -> bool;
}
