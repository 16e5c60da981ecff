//! One type for the sockets of servers and clients, whether they speak TLS or not.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::transport::Transport;
use crate::tls::{Engine, Secure};

/// A TCP socket, perhaps with TLS over it: the transport of a [`Server`](super::Server), and of a client that
/// dials. So a handler is the same for both.
pub struct Stream {
    kind: Kind,
}

enum Kind {
    Plain(TcpStream),
    Secure(Box<dyn SecureTcp>),
}

/// [`Secure`] over TCP, whatever its engine.
trait SecureTcp: Transport {
    fn tcp(&self) -> &TcpStream;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Engine> SecureTcp for Secure<TcpStream, E> {
    fn tcp(&self) -> &TcpStream {
        self.stream()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Stream {
    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// The socket is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// Our own address.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    /// The socket, under TLS if there is any, such as for its options. To read from it or to write to it breaks the
    /// connection.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        match &self.kind {
            Kind::Plain(stream) => stream,
            Kind::Secure(secure) => secure.tcp(),
        }
    }

    /// The TLS over it, if it is of this engine, such as for the peer's certificates.
    ///
    #[cfg_attr(feature = "rustls", doc = "```")]
    #[cfg_attr(not(feature = "rustls"), doc = "```ignore")]
    /// use sansocket::net::Stream;
    /// use sansocket::tls::Rustls;
    ///
    /// /// Whether the client has shown a certificate that the `ServerConfig` accepts.
    /// fn is_authenticated(stream: &Stream) -> bool {
    ///     let engine = stream.secure::<Rustls>().and_then(|secure| secure.engine().ok());
    ///     engine.is_some_and(|engine| engine.state().peer_certificates().is_some())
    /// }
    /// ```
    #[must_use]
    pub fn secure<E: Engine>(&self) -> Option<&Secure<TcpStream, E>> {
        match &self.kind {
            Kind::Plain(_) => None,
            Kind::Secure(secure) => secure.as_any().downcast_ref(),
        }
    }

    /// Puts TLS over a socket that has none.
    #[cfg(feature = "rustls")]
    pub(crate) fn wrap<E: Engine>(
        self,
        wrap: impl FnOnce(TcpStream) -> io::Result<Secure<TcpStream, E>>,
    ) -> io::Result<Self> {
        match self.kind {
            Kind::Plain(stream) => wrap(stream).map(Self::from),
            Kind::Secure(_) => Ok(self),
        }
    }

    fn transport(&self) -> &dyn Transport {
        match &self.kind {
            Kind::Plain(stream) => stream,
            Kind::Secure(secure) => secure,
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self { kind: Kind::Plain(stream) }
    }
}

impl<E: Engine> From<Secure<TcpStream, E>> for Stream {
    fn from(secure: Secure<TcpStream, E>) -> Self {
        Self { kind: Kind::Secure(Box::new(secure)) }
    }
}

impl Transport for Stream {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        match &self.kind {
            Kind::Plain(stream) => Transport::read(stream, space),
            Kind::Secure(secure) => secure.read(space),
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.kind {
            Kind::Plain(stream) => Transport::write(stream, slices),
            Kind::Secure(secure) => secure.write(slices),
        }
    }

    fn flush(&self) -> io::Result<usize> {
        self.transport().flush()
    }

    fn resumes_writes(&self) -> bool {
        self.transport().resumes_writes()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.transport().set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.transport().set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.transport().shutdown(how)
    }

    fn is_secure(&self) -> bool {
        self.transport().is_secure()
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.transport().set_nodelay(nodelay)
    }
}

/// For one thread, such as to answer plain HTTP.
impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        Transport::read(self, space)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes {
            [] => Ok(0),
            bytes => Transport::write(self, &[IoSlice::new(bytes)]),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Transport::write(self, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        match Transport::flush(self)? {
            0 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("tcp", self.tcp())
            .field("is_secure", &self.is_secure())
            .finish()
    }
}
