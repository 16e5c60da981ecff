//! Where connections come from: a listening socket, or what stands for one.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use ::tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use ::tokio::net::{UnixListener, UnixStream, unix};

use super::transport::Transport;

/// A source of connections for a [`Server`](super::Server): [`TcpListener`], `UnixListener`, or your own.
///
/// ```no_run
/// use std::io;
/// use std::net::SocketAddr;
/// use std::task::{Context, Poll};
/// use sansocket::tokio::Listener;
/// use tokio::net::{TcpListener, TcpStream};
///
/// /// Takes connections from this machine only.
/// struct Local(TcpListener);
///
/// impl Listener for Local {
///     type Stream = TcpStream;
///     type Address = SocketAddr;
///
///     fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
///         loop {
///             match self.0.poll_accept(cx) {
///                 Poll::Ready(Ok((_, peer))) if !peer.ip().is_loopback() => {}
///                 accepted => return accepted,
///             }
///         }
///     }
/// }
/// ```
pub trait Listener {
    /// A connection. The opening handshake is done in a task of its own, so what takes time, such as a TLS
    /// handshake, belongs into its first read.
    type Stream: Transport + Send;
    /// The address of its peer.
    type Address: Debug + Send + 'static;

    /// The next connection.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::accept`]: the server reports them, and tries again.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Stream, Self::Address)>>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Address = SocketAddr;

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll_accept(cx)
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = unix::SocketAddr;

    fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(UnixStream, unix::SocketAddr)>> {
        self.poll_accept(cx)
    }
}
