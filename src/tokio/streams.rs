//! A `Stream` of messages and a `Sink` for them, for code that is written against those.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::receiver::Receiver;
use super::sender::Sender;
use super::sending::{Item, Waiting};
use super::transport::Transport;
use crate::close::CloseCode;
use crate::error::Error;
use crate::message::OwnedMessage;

/// The messages of a [`Receiver`], as a `Stream`: copies, since a stream cannot lend.
///
/// It ends after a good close, and after its first error.
///
/// ```no_run
/// use futures::{SinkExt, StreamExt, TryStreamExt};
/// use sansocket::Config;
///
/// # async fn example(stream: tokio::net::TcpStream) -> Result<(), sansocket::Error> {
/// let (sender, receiver) = sansocket::tokio::accept(stream, Config::default()).await?;
/// receiver.into_stream().forward(sender.into_sink()).await?; // an echo
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct Messages<S: Transport> {
    /// `None` at the end.
    receiver: Option<Receiver<S>>,
}

impl<S: Transport> Receiver<S> {
    /// A `Stream` of messages with memory of their own. It is as cancel safe as [`recv`](Self::recv).
    pub fn into_stream(self) -> Messages<S> {
        Messages { receiver: Some(self) }
    }
}

impl<S: Transport> Messages<S> {
    /// The receiver again, until the end.
    #[must_use]
    pub fn into_inner(self) -> Option<Receiver<S>> {
        self.receiver
    }
}

impl<S: Transport> Stream for Messages<S> {
    type Item = Result<OwnedMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(receiver) = &mut self.receiver else {
            return Poll::Ready(None);
        };
        let received = match ready!(receiver.poll_recv(cx)) {
            Ok(message) => message.map(|message| Ok(message.into_owned())),
            Err(error) => Some(Err(error)),
        };
        if !matches!(received, Some(Ok(_))) {
            self.receiver = None;
        }
        Poll::Ready(received)
    }
}

impl<S: Transport> FusedStream for Messages<S> {
    fn is_terminated(&self) -> bool {
        self.receiver.is_none()
    }
}

/// A `Sink` for the messages of a [`Sender`]: an item is queued, a flush waits until all is in the hands of the stream,
/// and a close starts the closing handshake with 1000 and flushes it. Keep receiving meanwhile.
#[must_use = "sinks do nothing unless they are polled"]
pub struct Outgoing<S: Transport> {
    waiting: Waiting<Arc<super::link::Link<S>>, S>,
}

impl<S: Transport> Sender<S> {
    /// A `Sink` for messages of any kind that is or can be borrowed as a [`Message`](crate::Message).
    pub fn into_sink(self) -> Outgoing<S> {
        Outgoing { waiting: Waiting::new(self.into_link()) }
    }
}

impl<S: Transport, M> Sink<M> for Outgoing<S>
where
    M: Into<OwnedMessage>,
{
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.waiting.poll(cx, |turn, waiter| turn.poll_room(waiter))
    }

    fn start_send(self: Pin<&mut Self>, message: M) -> Result<(), Error> {
        let message = message.into();
        self.waiting.link().turn(|turn| turn.send(&Item::Message((&message).into()), false))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.waiting.poll(cx, |turn, waiter| turn.poll_flush(waiter))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.waiting.poll(cx, |turn, waiter| {
            turn.start_close(CloseCode::NORMAL, "")?;
            turn.poll_flush(waiter)
        })
    }
}

impl<S: Transport> fmt::Debug for Messages<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("receiver", &self.receiver).finish()
    }
}

impl<S: Transport> fmt::Debug for Outgoing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}
