//! What is needed of a socket.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A blocking stream of bytes that can be read by one thread while another writes: all methods take
/// `&self`.
///
/// Implemented for [`TcpStream`], `UnixStream`, and boxes and [`Arc`]s of transports, so that
/// `Box<dyn Transport>` is one. The socket must be in blocking mode.
pub trait Transport: Send + Sync {
    /// Reads some bytes; 0 at the end. Fails with `WouldBlock` or `TimedOut` when the read timeout
    /// has passed without any.
    ///
    /// # Errors
    ///
    /// Those of [`Read::read`].
    fn read(&self, space: &mut [u8]) -> io::Result<usize>;

    /// Writes some bytes of the slices, in their order. Fails with `WouldBlock` or `TimedOut` when
    /// the write timeout has passed without any.
    ///
    /// # Errors
    ///
    /// Those of [`Write::write_vectored`].
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// How long a read may take. Never zero.
    ///
    /// # Errors
    ///
    /// The transport cannot do it. No connection is opened then: its deadlines would not hold.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// How long a write may take. Never zero.
    ///
    /// # Errors
    ///
    /// As for [`set_read_timeout`](Self::set_read_timeout).
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one or both directions, also for calls that are under way in other threads.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::shutdown`].
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Whether small packets are sent at once; nothing where that has no meaning.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::set_nodelay`].
    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let _ = nodelay;
        Ok(())
    }
}

/// One slice needs no vectored call.
fn write_slices(mut writer: impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => writer.write(slice),
        slices => writer.write_vectored(slices),
    }
}

impl Transport for TcpStream {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let mut stream = self;
        Read::read(&mut stream, space)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        write_slices(self, slices)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.set_nodelay(nodelay)
    }
}

#[cfg(unix)]
impl Transport for UnixStream {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let mut stream = self;
        Read::read(&mut stream, space)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        write_slices(self, slices)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

/// What a pointer to a transport does: pass it on.
macro_rules! deref_transport {
    ($pointer:ident) => {
        impl<T: Transport + ?Sized> Transport for $pointer<T> {
            fn read(&self, space: &mut [u8]) -> io::Result<usize> {
                (**self).read(space)
            }

            fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                (**self).write(slices)
            }

            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_read_timeout(timeout)
            }

            fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_write_timeout(timeout)
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                (**self).shutdown(how)
            }

            fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
                (**self).set_nodelay(nodelay)
            }
        }
    };
}

deref_transport!(Box);
deref_transport!(Arc);
