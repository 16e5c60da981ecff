//! Where connections come from: a listening socket, or what stands for one.

use std::fmt::Debug;
use std::io;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::net::{Ipv4Addr, Ipv6Addr};
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::time::Duration;

use super::stream::Stream;
use super::transport::Transport;

/// A source of connections for a [`Server`](super::Server): [`TcpListener`], `UnixListener`, or your own, such
/// as one that wraps each connection in TLS.
///
/// ```no_run
/// use std::io;
/// use std::net::{SocketAddr, TcpListener, TcpStream};
/// use sansocket::net::{Listener, Server};
///
/// /// Takes connections from this machine only.
/// struct Local(TcpListener);
///
/// impl Listener for Local {
///     type Stream = TcpStream;
///     type Address = SocketAddr;
///
///     fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
///         loop {
///             let (stream, peer) = self.0.accept()?;
///             if peer.ip().is_loopback() {
///                 return Ok((stream, peer));
///             }
///         }
///     }
///
///     fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
///         Listener::waker(&self.0)
///     }
/// }
///
/// let listener = Local(TcpListener::bind("0.0.0.0:9001")?);
/// Server::from_listener(listener, sansocket::Config::default())?.run(|sender, mut receiver| {
///     while let Some(message) = receiver.recv()? {
///         sender.send(message)?;
///     }
///     Ok(())
/// });
/// # Ok::<(), io::Error>(())
/// ```
pub trait Listener {
    /// A connection. The opening handshake is done on a thread of its own, so what takes time, such as a TLS
    /// handshake, belongs into its first read.
    type Stream: Transport + 'static;
    /// The address of its peer.
    type Address: Debug + Send + 'static;

    /// Waits for the next connection.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::accept`]: the server reports them, and tries again.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Address)>;

    /// A function that makes an [`accept`](Self::accept) under way return, whether with a connection or an
    /// error, so that a server can stop. It must work from any thread.
    ///
    /// By default it does nothing: for a listener whose `accept` looks up by itself, which is to fail with
    /// `WouldBlock` or `TimedOut` every so often. The server calls it once before it accepts anything, and stops
    /// as soon as `accept` has returned.
    ///
    /// On Linux that of a [`TcpListener`] and of a `UnixListener` sets the receive timeout of the socket to 100 ms,
    /// and its function does nothing. The option belongs to the socket and stays: it holds for every descriptor of a
    /// listener that is shared, whose `accept` then fails with `WouldBlock`, and the connections that such an
    /// `accept` of the standard library returns have it for their reads. A connection that arrives in the 100 ms
    /// after a stop may be dropped. Elsewhere, where accepting knows no timeout, the function connects to the listener:
    /// so the address has to lead to it, and to nobody who shares it.
    ///
    /// # Errors
    ///
    /// There is no way to do so.
    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        Ok(Box::new(|| {}))
    }
}

/// How long an accept takes at most where it can look up by itself.
#[cfg(any(target_os = "linux", target_os = "android"))]
const LOOK_UP: Duration = Duration::from_millis(100);

impl Listener for TcpListener {
    type Stream = Stream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let (stream, peer) = self.accept()?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        stream.set_read_timeout(None)?; // that of the listener, which it has inherited
        Ok((stream.into(), peer))
    }

    /// Sees to it that accepting looks up by itself.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        // The standard library sets this option of streams only.
        let twin = TcpStream::from(OwnedFd::from(self.try_clone()?));
        twin.set_read_timeout(Some(LOOK_UP))?;
        Ok(Box::new(|| {}))
    }

    /// Connects to itself.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        let mut address = self.local_addr()?;
        match address.ip() {
            ip if !ip.is_unspecified() => {}
            ip if ip.is_ipv4() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            _ => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
        Ok(Box::new(move || {
            let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
        }))
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = unix::SocketAddr;

    fn accept(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        self.accept()
    }

    /// Sees to it that accepting looks up by itself.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        let twin = UnixStream::from(OwnedFd::from(self.try_clone()?));
        twin.set_read_timeout(Some(LOOK_UP))?;
        Ok(Box::new(|| {}))
    }

    /// Connects to itself.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        let address = self.local_addr()?;
        Ok(Box::new(move || {
            let _ = UnixStream::connect_addr(&address);
        }))
    }
}
