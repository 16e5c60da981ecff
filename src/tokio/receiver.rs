//! The half that receives, in one task; it also answers pings and watches the deadlines.

mod core;
mod edges;
mod work;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use self::core::Core;
#[cfg(doc)]
use super::Sender;
use super::link::Link;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::connection::ReadHalf;
use crate::error::Error;
use crate::handshake::Request;
use crate::message::{Close, Event, Message};

/// Receives messages.
///
/// Keep calling [`recv`](Self::recv), even if you expect nothing ([`drain`](Self::drain) does it in one
/// line): that is where pings and Closes are answered, where a peer that is gone is noticed, and where what was
/// fed to a [`Sender`] is written.
///
/// Dropping it closes the socket at once, whatever senders there are; under a [`Server`](super::Server) or
/// [`Connections`](super::Connections), when the handler has returned. A drop cannot wait: without a Close the peer sees
/// an abrupt end, and what it had not taken is lost. [`close`](Self::close) is the polite form. After `recv` has
/// returned `None` or an error there is nothing left to be done.
///
/// It is 8 bytes large, and holds neither a buffer nor a timer that nobody needs while it waits.
pub struct Receiver<S: Transport>(
    /// `None` once it was dropped.
    Option<Box<Inner<S>>>,
);

pub(super) struct Inner<S: Transport> {
    link: Arc<Link<S>>,
    core: Core,
    /// Apart from the rest, since messages borrow it.
    buffer: Option<Box<Buffer>>,
}

impl<S: Transport> Receiver<S> {
    pub(super) fn new(
        link: Arc<Link<S>>,
        read: ReadHalf,
        buffer: Buffer,
        request: Option<Request>,
    ) -> Self {
        let core = Core::new(read, request);
        let buffer = (!buffer.is_empty()).then(|| Box::new(buffer));
        Self(Some(Box::new(Inner { link, core, buffer })))
    }

    /// The next message, as soon as it is complete. `None` after a good close, when the peer has had time to end
    /// its side: then [`close_frame`](Self::close_frame) says why.
    ///
    /// The message borrows the receiver until the next call; a [`Sender`] can send it meanwhile. What was fed
    /// is written before this waits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, as in a `select!` whose other branch comes first, nothing was
    /// received: the next call goes on where it was. Now and then it is not ready though more has arrived, to leave other tasks
    /// their turn; [`buffered`](Self::buffered) has what is there.
    ///
    /// # Errors
    ///
    /// All are final, and come again if asked again. Complete messages come before any:
    /// [`Error::Protocol`], after the Close frame that answers it was written and the peer had time to read it;
    /// [`Error::Disconnected`] if the peer's side ended without a Close frame; [`Error::TimedOut`] if it fell silent,
    /// did not answer our Close, or takes nothing of what is sent; [`Error::Io`] if the stream failed. A write that
    /// failed in another task is reported here, too.
    ///
    /// # Panics
    ///
    /// Outside of a runtime of tokio with its timer enabled (`enable_time`), or when the one in which it first waited is gone:
    /// its timer is of that runtime, which has to be driven.
    #[inline]
    pub fn recv(&mut self) -> Receiving<'_, S> {
        Receiving(Next::of(&mut self.0, false))
    }

    /// The next message, ping or pong; a ping is answered by itself. `None` after a good close. For who measures
    /// latencies with [`Sender::ping`]; otherwise as [`recv`](Self::recv), cancel safety included.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub async fn event(&mut self) -> Result<Option<Event<'_>>, Error> {
        Next::of(&mut self.0, true).await
    }

    /// [`recv`](Self::recv) by polls, for futures and streams of your own. It is pending now and then though more has
    /// arrived, to leave other tasks their turn; [`buffered`](Self::buffered) has what is there.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'_>>, Error>> {
        Pin::new(&mut self.recv()).poll(cx)
    }

    /// The next message of those that have arrived: what [`recv`](Self::recv) would return at once without
    /// reading. For answering a batch with [`feed`](Sender::feed).
    ///
    /// # Errors
    ///
    /// [`Error::Protocol`] for text that is no UTF-8. Every other end is for [`recv`](Self::recv) to tell.
    pub fn buffered(&mut self) -> Result<Option<Message<'_>>, Error> {
        let Some(inner) = &mut self.0 else {
            return Ok(None);
        };
        let Inner { link, core, buffer } = &mut **inner;
        let found = core.find_buffered(link, buffer);
        match core.event(link, found, buffer)? {
            Some(Event::Message(message)) => Ok(Some(message)),
            _ => Ok(None),
        }
    }

    /// Receives and discards messages until the end: for a connection on which you only send. Without it a
    /// peer's pings and Closes stay unanswered.
    ///
    /// ```no_run
    /// # use sansocket::Config;
    /// # async fn example(stream: tokio::net::TcpStream) -> Result<(), sansocket::Error> {
    /// let (sender, mut receiver) = sansocket::tokio::accept(stream, Config::default()).await?;
    /// tokio::spawn(async move { receiver.drain().await });
    /// while sender.send("tick").await.is_ok() {
    ///     tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub async fn drain(&mut self) -> Result<(), Error> {
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// Closes the connection and waits for its end: sends a Close frame behind all that was fed, discards
    /// messages until the peer's Close comes, and gives the peer time to end its side.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, so is the receiver: the socket is closed.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv), and [`SendError::ClientOnlyCode`](crate::SendError::ClientOnlyCode)
    /// for 1010 from a server.
    pub async fn close(mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        if let Some(inner) = &self.0 {
            inner.link.turn(|turn| turn.start_close(code, reason))?;
        }
        self.drain().await
    }

    /// The peer's Close frame, once it has come.
    #[must_use]
    pub fn close_frame(&self) -> Option<Close<'_>> {
        self.0.as_ref()?.core.edges.close()
    }

    /// The request that opened the connection, until [`recv`](Self::recv) waits for the first time: an
    /// idle connection keeps nothing. `None` also after [`open`](super::open), where somebody else read it.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.0.as_ref()?.core.edges.request()
    }

    /// Takes the request that opened the connection, to keep it for longer.
    pub fn take_request(&mut self) -> Option<Request> {
        self.0.as_mut()?.core.edges.take_request()
    }

    /// Looks at the stream, such as for the peer's address or for what TLS has agreed on; `None` if it is closed. To
    /// read from it or to write to it breaks the connection, and to use a [`Sender`] of it in there is a deadlock.
    pub fn with_stream<T>(&self, look: impl FnOnce(&S) -> T) -> Option<T> {
        self.0.as_ref()?.link.turn(|turn| turn.stream.as_ref().map(look))
    }
}

/// The future of [`Receiver::recv`], which says what it does.
#[must_use = "futures do nothing unless they are polled"]
pub struct Receiving<'r, S: Transport>(Next<'r, S>);

impl<'r, S: Transport> Future for Receiving<'r, S> {
    type Output = Result<Option<Message<'r>>, Error>;

    // Always: handed over in memory, a message costs more than to find it.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.whole() {
            Some(message) => Poll::Ready(Ok(Some(message))),
            None => self.poll_any(cx).map_err(|error| *error),
        }
    }
}

impl<'r, S: Transport> Receiving<'r, S> {
    /// The error in a box: in what is handed over in memory, a message is found too late.
    #[inline(never)]
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message<'r>>, Box<Error>>> {
        let event = ready!(Pin::new(&mut self.0).poll(cx))?;
        Poll::Ready(Ok(match event {
            Some(Event::Message(message)) => Some(message),
            _ => None,
        }))
    }
}

impl<S: Transport> fmt::Debug for Receiving<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}

/// The next message, or with `events` also ping or pong.
struct Next<'r, S: Transport> {
    inner: Option<(&'r Link<S>, &'r mut Core)>,
    /// Until an event borrows it.
    buffer: Option<&'r mut Option<Box<Buffer>>>,
    events: bool,
}

impl<'r, S: Transport> Next<'r, S> {
    #[inline]
    fn of(inner: &'r mut Option<Box<Inner<S>>>, events: bool) -> Self {
        let Some(inner) = inner.as_deref_mut() else {
            return Self { inner: None, buffer: None, events };
        };
        let Inner { link, core, buffer } = inner;
        Self { inner: Some((link, core)), buffer: Some(buffer), events }
    }

    /// The fast path: a message that lies in the buffer whole, if it is as simple as that.
    #[inline(always)]
    fn whole(&mut self) -> Option<Message<'r>> {
        let (link, core) = self.inner.as_mut()?;
        let whole = core.find_whole(self.buffer.as_mut()?)?;
        core.whole_message(link, &whole, self.buffer.take()?)
    }
}

impl<'r, S: Transport> Future for Next<'r, S> {
    type Output = Result<Option<Event<'r>>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, buffer, events } = &mut *self;
        let Some((link, core)) = inner else {
            return Poll::Ready(Ok(None));
        };
        if let Some(input) = buffer {
            let ready = ready!(core.poll_next(link, input, *events, cx))?;
            match buffer.take() {
                // Text that is none: that error comes when the peer has had time to read of it.
                Some(input) => match core.event(link, ready, input) {
                    Err(_) => {}
                    event => return Poll::Ready(event),
                },
                None => return Poll::Ready(Ok(None)),
            }
        }
        core.poll_end(link, &mut None, cx).map_ok(|()| None)
    }
}

impl<S: Transport> Inner<S> {
    /// Ends the connection, with a Close frame unless there was one, and waits until it has ended.
    pub(super) async fn finish(self: Box<Self>, code: CloseCode) {
        // Dropped in the middle it closes the socket, too.
        let mut receiver = Receiver(Some(self));
        let Some(inner) = receiver.0.as_deref_mut() else {
            return;
        };
        let Self { link, core, buffer } = inner;
        core.finish_with(link, code);
        // How it ended was the handler's to report.
        let _ = poll_fn(|cx| core.poll_end(link, buffer, cx)).await;
    }
}

impl<S: Transport> Drop for Receiver<S> {
    fn drop(&mut self) {
        let Some(inner) = self.0.take() else {
            return;
        };
        let link = Arc::clone(&inner.link);
        link.turn(|turn| match turn.awaited {
            true => turn.dropped = Some(inner),
            false => turn.close(),
        });
    }
}

impl<S: Transport> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buffer = self.0.as_ref().and_then(|inner| inner.buffer.as_ref());
        f.debug_struct("Receiver").field("buffer", &buffer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // TA-10: what is kept while nothing happens is the half of the protocol, and four words
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn an_idle_receiver_is_small() {
        let inner = size_of::<Inner<::tokio::net::TcpStream>>();
        assert_eq!(inner, size_of::<ReadHalf>() + 32);
        assert_eq!(size_of::<ReadHalf>(), if cfg!(feature = "deflate") { 72 } else { 64 });
    }
}
