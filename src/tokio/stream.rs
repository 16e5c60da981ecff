//! One type for the sockets of clients that dial, whether they speak TLS or not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;
#[cfg(feature = "tokio-rustls")]
use tokio_rustls::client::TlsStream;

/// A TCP stream, perhaps with TLS over it: that of a client that [dials](super::dial).
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Plain(TcpStream),
    #[cfg(feature = "tokio-rustls")]
    Secure(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket, under TLS if there is any, such as for its addresses.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.kind {
            Kind::Plain(stream) => stream,
            #[cfg(feature = "tokio-rustls")]
            Kind::Secure(secure) => secure.get_ref().0,
        }
    }

    /// The TLS over it, if there is any, such as for the peer's certificates.
    #[cfg(feature = "tokio-rustls")]
    #[must_use]
    pub fn secure(&self) -> Option<&TlsStream<TcpStream>> {
        match &self.kind {
            Kind::Plain(_) => None,
            Kind::Secure(secure) => Some(secure),
        }
    }

    /// The socket, if there is no TLS over it.
    pub(super) fn plain_tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Plain(stream) => Some(stream),
            #[cfg(feature = "tokio-rustls")]
            Kind::Secure(_) => None,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Plain(stream) }
    }
}

#[cfg(feature = "tokio-rustls")]
impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self { kind: Kind::Secure(Box::new(stream)) }
    }
}

/// Calls the method of the stream that there is.
macro_rules! delegate {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().kind {
            Kind::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tokio-rustls")]
            Kind::Secure(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self.poll_read(cx, space))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.kind {
            Kind::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tokio-rustls")]
            Kind::Secure(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self.poll_shutdown(cx))
    }
}
