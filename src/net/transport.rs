//! The socket, as the threads need it.

use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::encoder::write_slices;

/// A blocking stream of bytes that can be read by one thread while another writes: all methods take
/// `&self`.
///
/// Implemented for [`TcpStream`], `UnixStream`, and boxes and [`Arc`]s of transports, so that
/// `Box<dyn Transport>` is one. The socket must be in blocking mode.
pub trait Transport: Send + Sync + 'static {
    /// Reads some bytes; 0 at the end. Fails with `WouldBlock` or `TimedOut` when the read timeout
    /// has passed without any. The timeout bounds the whole call: a transport that needs several reads
    /// of its own for one byte, such as TLS, has to see to that, or deadlines do not hold.
    ///
    /// # Errors
    ///
    /// Those of [`Read::read`].
    fn read(&self, space: &mut [u8]) -> io::Result<usize>;

    /// Writes some bytes of the slices, in their order. Fails with `WouldBlock` or `TimedOut` when
    /// the write timeout has passed without any.
    ///
    /// To take fewer bytes than there are is no stall: the rest is offered again at once. What was not taken is
    /// offered again after a timeout, too, though not necessarily in the same slices, and more may
    /// stand behind it; unless [`resumes_writes`](Self::resumes_writes) says no.
    ///
    /// # Errors
    ///
    /// Those of [`Write::write_vectored`](io::Write::write_vectored).
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Passes on bytes that [`write`](Self::write) took and still holds, such as TLS records. It is called after the last
    /// byte of each batch, where a write takes no more, and before more is written while some are held; nothing to do by
    /// default. Returns how many bytes are still held when the write timeout has passed, or fails with `WouldBlock` or `TimedOut`, and is called again in both cases. One that
    /// can only fail does not show that a slow peer gets on: so let it hold no more than such a peer reads within the write
    /// timeout.
    ///
    /// # Errors
    ///
    /// Those of [`Write::flush`](io::Write::flush).
    fn flush(&self) -> io::Result<usize> {
        Ok(0)
    }

    /// Whether a write that has timed out may be tried again. Not so for a blocking write to a socket on
    /// Windows, after whose timeout it is not known how much was sent: the first one then ends the connection, and
    /// to be fair to slow peers each write may take the whole
    /// [write timeout](crate::ConfigBuilder::write_timeout), in which the receiver, too, may be held up, and those
    /// who otherwise do not wait; [`Sender::try_send`](super::Sender::try_send) then finds room only as that is made. [`TcpStream`] as a transport has no such writes.
    fn resumes_writes(&self) -> bool {
        true
    }

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

    /// Ends one or both directions, also for calls that are under way in other threads: a read then returns
    /// 0 once all that arrived was read (on Windows the next one may be the first that does), a write fails. It may be called several times, and while other
    /// threads read and write; it must not wait for them.
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::shutdown`].
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Whether the peer is authenticated and nobody else can read along, as over TLS: no by default. Only then
    /// does `net::connect` (feature `client`) send the request of a `wss` URL.
    fn is_secure(&self) -> bool {
        false
    }

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

/// On Windows a write is tried without blocking, again and again until the write timeout: a blocking one would not
/// say how much it sent before a timeout, and no [`TcpStream::shutdown`] ends it. A read that another thread begins
/// at such a moment fails with `WouldBlock` at once. Only one thread may write at a time.
impl Transport for TcpStream {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let mut stream = self;
        Read::read(&mut stream, space)
    }

    #[cfg(not(windows))]
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        write_slices(self, slices)
    }

    #[cfg(windows)]
    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        windows::write_within_timeout(self, slices)
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

#[cfg(windows)]
mod windows {
    use std::io::{self, IoSlice};
    use std::net::TcpStream;
    use std::thread;
    use std::time::{Duration, Instant};

    /// The first pause; each is twice as long as the one before, up to the longest.
    const PAUSE: Duration = Duration::from_millis(1);
    const MAX_PAUSE: Duration = Duration::from_millis(16);

    /// Our side of the stream was ended.
    const WSAESHUTDOWN: i32 = 10058;

    pub(super) fn write_within_timeout(
        stream: &TcpStream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let (mut end, mut pause) = (None, PAUSE);
        loop {
            match write_at_once(stream, slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // As it is called elsewhere.
                Err(error) if error.raw_os_error() == Some(WSAESHUTDOWN) => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                written => return written,
            }
            let now = Instant::now();
            let end = match end {
                Some(end) => end,
                None => *end
                    .insert(stream.write_timeout()?.and_then(|timeout| now.checked_add(timeout))),
            };
            let left = end.map_or(MAX_PAUSE, |end| end.saturating_duration_since(now));
            if left.is_zero() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            thread::sleep(pause.min(left));
            pause = (2 * pause).min(MAX_PAUSE);
        }
    }

    /// The socket is non-blocking for as long as this takes, and not while somebody waits: a read that begins
    /// meanwhile does not wait.
    fn write_at_once(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        stream.set_nonblocking(true)?;
        let written = super::write_slices(stream, slices);
        stream.set_nonblocking(false)?;
        written
    }
}

/// A pointer to a transport passes everything on.
macro_rules! deref_transport {
    ($pointer:ident) => {
        impl<T: Transport + ?Sized> Transport for $pointer<T> {
            fn read(&self, space: &mut [u8]) -> io::Result<usize> {
                (**self).read(space)
            }

            fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                (**self).write(slices)
            }

            fn flush(&self) -> io::Result<usize> {
                (**self).flush()
            }

            fn resumes_writes(&self) -> bool {
                (**self).resumes_writes()
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

            fn is_secure(&self) -> bool {
                (**self).is_secure()
            }

            fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
                (**self).set_nodelay(nodelay)
            }
        }
    };
}

deref_transport!(Box);
deref_transport!(Arc);
