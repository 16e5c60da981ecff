//! The stream under an upgraded connection: the TCP socket itself, if there is one right below hyper.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::upgrade::Upgraded;
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;

use crate::buffer::Buffer;

/// The stream of a connection that hyper has handed over: a TCP socket, or TLS over one, or a stream of HTTP/2, or
/// whatever else hyper has served.
///
/// A socket that hyper was given as a [`TokioIo`] of a [`TcpStream`], as `axum::serve` does it, is
/// [recovered](Self::tcp): it costs no more than without hyper, and honours
/// [`Config::nodelay`](crate::ConfigBuilder::nodelay).
pub struct Stream(Io);

enum Io {
    Tcp(TcpStream),
    Other(TokioIo<Upgraded>),
}

impl Stream {
    /// The socket, if hyper has served it without anything in between.
    ///
    /// ```
    /// use sansocket::hyper::Stream;
    /// use sansocket::tokio::Receiver;
    ///
    /// fn peer(receiver: &Receiver<Stream>) -> Option<std::net::SocketAddr> {
    ///     receiver.with_stream(|stream| stream.tcp()?.peer_addr().ok())?
    /// }
    /// # let _ = peer;
    /// ```
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            Io::Tcp(tcp) => Some(tcp),
            Io::Other(_) => None,
        }
    }

    /// The stream, and what hyper had read beyond the request's head.
    pub(super) fn recover(upgraded: Upgraded) -> (Self, Buffer) {
        let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => return Self::over(parts.io, &parts.read_buf),
            Err(upgraded) => upgraded,
        };
        // The builder that finds out the version of HTTP wraps the socket once more.
        match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => Self::over(parts.io, &parts.read_buf),
            // It gives the bytes that were read before those that are not.
            Err(upgraded) => (Self(Io::Other(TokioIo::new(upgraded))), Buffer::new()),
        }
    }

    /// `read` is copied, as it would keep hyper's whole buffer alive.
    fn over(io: TokioIo<TcpStream>, read: &[u8]) -> (Self, Buffer) {
        let mut input = Buffer::new();
        if !read.is_empty() {
            input.extend(read);
        }
        (Self(Io::Tcp(io.into_inner())), input)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Io::Tcp(tcp) => Pin::new(tcp).poll_read(cx, space),
            Io::Other(other) => Pin::new(other).poll_read(cx, space),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Other(other) => Pin::new(other).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Io::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Io::Other(other) => Pin::new(other).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Io::Tcp(tcp) => tcp.is_write_vectored(),
            Io::Other(other) => other.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Io::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Other(other) => Pin::new(other).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Io::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Other(other) => Pin::new(other).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("tcp", &self.tcp()).finish_non_exhaustive()
    }
}
