//! The socket of a connection, perhaps with TLS over it.

use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
#[cfg(feature = "rustls")]
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "rustls")]
use std::sync::Arc;

use ::mio::net::TcpStream;

use crate::buffer::Buffer;
use crate::connection::Connection;
#[cfg(feature = "rustls")]
use crate::encoder::write_slices;
use crate::error::SendError;
use crate::net::Stream;
#[cfg(feature = "rustls")]
use crate::tls::rustls::ServerConfig;
#[cfg(feature = "rustls")]
use crate::tls::{Channel, Rustls, Secure};

pub(super) struct Socket {
    tcp: TcpStream,
    #[cfg(feature = "rustls")]
    tls: Option<Box<Channel<Rustls>>>,
}

/// The outcome of a read.
pub(super) enum Read {
    /// So many bytes came from the socket; whether there may be more.
    Some(usize, bool),
    End,
    /// Plain HTTP where TLS is to be spoken. It goes on in the clear.
    #[cfg(feature = "rustls")]
    Http,
}

#[cfg_attr(
    not(feature = "rustls"),
    allow(clippy::needless_pass_by_ref_mut, reason = "TLS would change it")
)]
impl Socket {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// One that speaks TLS.
    ///
    /// # Errors
    ///
    /// The configuration does not work.
    #[cfg(feature = "rustls")]
    pub(super) fn secure(tcp: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let engine = Rustls::server(Arc::clone(config))?;
        Ok(Self { tcp, tls: Some(Box::new(Channel::server(engine))) })
    }

    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    pub(super) fn tcp_mut(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// The TLS over it.
    #[cfg(feature = "rustls")]
    pub(super) fn tls(&self) -> Option<&Channel<Rustls>> {
        self.tls.as_deref()
    }

    /// Whether a TLS handshake is under way.
    #[inline]
    pub(super) fn is_handshaking(&self) -> bool {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &self.tls {
            return tls.is_handshaking();
        }
        false
    }

    /// Reads once, into `input`; over TLS what comes lies in `records` first, which is empty afterwards.
    #[inline]
    pub(super) fn read(&mut self, input: &mut Buffer, records: &mut Buffer) -> io::Result<Read> {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &mut self.tls {
            let read = read_records(&mut self.tcp, tls, input, records)?;
            if matches!(read, Read::Http) {
                self.tls = None;
            }
            return Ok(read);
        }
        #[cfg(not(feature = "rustls"))]
        let _ = records;
        let room = input.space().len();
        Ok(match input.read_from(&mut self.tcp)? {
            0 => Read::End,
            n => Read::Some(n, n == room),
        })
    }

    /// Writes what TLS has taken, or has to say itself: how many bytes it still holds. `None` where there is no TLS.
    #[cfg(feature = "rustls")]
    pub(super) fn flush_tls(&mut self) -> Option<io::Result<usize>> {
        let tcp = &self.tcp;
        let tls = self.tls.as_mut()?;
        Some(tls.flush(|slices| write_slices(tcp, slices)))
    }

    /// How many bytes of records wait to be written.
    #[inline]
    pub(super) fn held(&self) -> usize {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &self.tls {
            return tls.held();
        }
        0
    }

    /// Whether a message fits into the queue with what waits behind it, in records.
    ///
    /// # Errors
    ///
    /// Those of [`Connection::send`].
    #[inline]
    pub(super) fn admit(&self, connection: &Connection, len: usize) -> Result<(), SendError> {
        match self.held() {
            0 => Ok(()),
            held => connection.admit_behind(held, len),
        }
    }

    /// Ends our side, over TLS with a `close_notify` ahead.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &mut self.tls {
            tls.close(|slices| write_slices(&self.tcp, slices));
        }
        self.tcp.shutdown(Shutdown::Write)
    }

    /// The same socket for a thread that waits.
    pub(super) fn into_blocking(self) -> io::Result<Stream> {
        let tcp = std::net::TcpStream::from(self.tcp);
        tcp.set_nonblocking(false)?;
        #[cfg(feature = "rustls")]
        if let Some(tls) = self.tls {
            return Ok(Secure::resume(tcp, *tls).into());
        }
        Ok(tcp.into())
    }
}

/// Takes some of the bytes; `WouldBlock` if that is none.
impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "rustls")]
        if self.tls.is_some() {
            return self.write_vectored(&[IoSlice::new(bytes)]);
        }
        self.tcp.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "rustls")]
        if let Some(tls) = &mut self.tls {
            return tls.write(slices, |slices| write_slices(&self.tcp, slices));
        }
        self.tcp.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // that what TLS holds goes out is seen to at the end of each turn
    }
}

/// Reads some records, and opens them.
#[cfg(feature = "rustls")]
fn read_records(
    tcp: &mut TcpStream,
    tls: &mut Channel<Rustls>,
    input: &mut Buffer,
    records: &mut Buffer,
) -> io::Result<Read> {
    if let Some(end) = tls.end() {
        return end.map(|_| Read::End);
    }
    let room = records.space().len();
    let n = records.read_from(tcp)?;
    if n == 0 {
        return Ok(Read::End);
    }
    if tls.is_http(records.unread()) {
        records.consume(usize::MAX);
        return Ok(Read::Http);
    }
    // The configuration's own code is called in there, such as to find a certificate.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        tls.open(records.unread_mut(), input, |slices| write_slices(&*tcp, slices));
    }));
    records.consume(usize::MAX);
    opened.map_err(|_| io::Error::other("the TLS of this connection has panicked"))?;
    // The end is read apart, behind the rest.
    Ok(Read::Some(n, n == room || tls.end().is_some()))
}
