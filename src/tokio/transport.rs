//! The socket, as tasks need it.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::TcpStream;

use crate::buffer::Buffer;
use crate::error::is_timeout;

/// A stream of bytes to be read and written by tasks: a [`TcpStream`], a `UnixStream`, a stream of `tokio-rustls`,
/// an upgraded connection of another server, or your own. Implemented for all that tokio's traits are.
///
/// A `poll_flush` follows the last byte of each batch. What goes of that while it is pending is not seen: one that holds
/// bytes, such as a stream of `tokio-rustls` (64 KiB at most, unless told otherwise), has to be rid of all of them within the
/// [write timeout](crate::ConfigBuilder::write_timeout), by default 30 s, or the peer counts as one that takes nothing.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Transport for S {}

/// At most so much is offered to anything but a TCP socket in one write: some copy all they are offered.
const LARGE_WRITE: usize = 64 * 1024;

/// The socket, if it is one of TCP.
pub(super) fn tcp<S: 'static>(stream: &S) -> Option<&TcpStream> {
    #[cfg(feature = "hyper")]
    if let Some(stream) = (stream as &dyn Any).downcast_ref::<crate::hyper::Stream>() {
        return stream.tcp();
    }
    #[cfg(feature = "client")]
    if let Some(stream) = (stream as &dyn Any).downcast_ref::<super::stream::Stream>() {
        return stream.plain_tcp();
    }
    (stream as &dyn Any).downcast_ref()
}

/// Whether nobody can be authenticated by it, and everybody may read along.
#[cfg(feature = "client")]
pub(super) fn is_plain<S: 'static>(stream: &S) -> bool {
    #[cfg(unix)]
    if (stream as &dyn Any).is::<::tokio::net::UnixStream>() {
        return true;
    }
    tcp(stream).is_some()
}

/// As an ordinary read, which fails with `WouldBlock` after the task was registered: how much there was, and whether it filled
/// all the room there was for it.
pub(super) fn read(
    stream: &mut impl Transport,
    buffer: &mut Buffer,
    cx: &mut Context<'_>,
) -> io::Result<(usize, bool)> {
    let mut room = 0;
    let n = buffer.read_with(|space| {
        room = space.len();
        let mut space = ReadBuf::new(space);
        match Pin::new(&mut *stream).poll_read(cx, &mut space) {
            Poll::Ready(result) => result.map(|()| space.filled().len()).map_err(final_error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    })?;
    Ok((n, n == room))
}

/// An ordinary write.
pub(super) fn write<S: Transport>(
    stream: &mut S,
    slices: &[IoSlice<'_>],
    cx: &mut Context<'_>,
) -> io::Result<usize> {
    let is_tcp = tcp(stream).is_some();
    let mut stream = Pin::new(stream);
    let polled = match slices {
        [] => return Ok(0),
        [first, _, ..]
            if !is_tcp && (first.len() >= LARGE_WRITE || !stream.is_write_vectored()) =>
        {
            stream.as_mut().poll_write(cx, up_to(first, LARGE_WRITE))
        }
        [only] if !is_tcp => stream.as_mut().poll_write(cx, up_to(only, LARGE_WRITE)),
        [only] => stream.as_mut().poll_write(cx, only),
        slices if is_tcp => stream.as_mut().poll_write_vectored(cx, slices),
        slices => {
            let (mut left, mut some) = (LARGE_WRITE, [IoSlice::new(&[]); 3]);
            for (to, slice) in some.iter_mut().zip(slices) {
                let slice = up_to(slice, left);
                left -= slice.len();
                *to = IoSlice::new(slice);
            }
            let full = some.iter().take_while(|slice| !slice.is_empty()).count();
            stream.as_mut().poll_write_vectored(cx, some.get(..full).unwrap_or_default())
        }
    };
    match polled {
        Poll::Ready(result) => result.map_err(final_error),
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// The same for a flush: how many bytes the stream still holds, which is none.
pub(super) fn flush<S: Transport>(stream: &mut S, cx: &mut Context<'_>) -> io::Result<usize> {
    match Pin::new(stream).poll_flush(cx) {
        Poll::Ready(result) => result.map(|()| 0).map_err(final_error),
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// A stream that is ready does not mean "later", whatever its error is called: nobody would be woken.
fn final_error(error: io::Error) -> io::Error {
    match is_timeout(&error) {
        true => io::Error::new(io::ErrorKind::ConnectionAborted, error),
        false => error,
    }
}

fn up_to(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}
