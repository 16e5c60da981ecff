//! The half that sends, from any number of threads.

use std::fmt;
use std::sync::Arc;

use super::link::Link;
use super::stream::Stream;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::error::{Error, SendError};
use crate::message::Message;
use crate::prepared::Prepared;

/// Sends messages. Clones send on the same connection, and every method takes `&self`: messages of
/// several threads follow one another, never mixed.
///
/// A send waits while the peer does not read, and for other sends: a peer that takes nothing for the
/// [write timeout](crate::ConfigBuilder::write_timeout) ends the connection, one that reads slowly can hold all
/// senders for as long as it makes progress. [`try_send`](Self::try_send) and [`close`](Self::close) do not wait;
/// what they leave is written by a thread that waits in their place, for as long as it has to and not longer. After
/// a write that failed the connection takes nothing more, since half a frame may be out, and the receiver
/// fails, too.
///
/// The socket is shut down when the [`Receiver`](super::Receiver) is dropped, whatever senders there are; its
/// descriptor is given back with the last of them.
pub struct Sender<S = Stream> {
    link: Arc<Link<S>>,
}

impl<S: Transport> Sender<S> {
    pub(super) fn new(link: Arc<Link<S>>) -> Self {
        Self { link }
    }

    pub(super) fn link(&self) -> &Arc<Link<S>> {
        &self.link
    }

    /// The socket, such as for the peer's address. To read from it or to write to it breaks the connection.
    #[must_use]
    pub fn stream(&self) -> &S {
        self.link.stream()
    }

    /// Sends a message. It is on the wire, with all that was fed before, when this returns; it takes
    /// one call to the socket unless the peer is slow.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or closed; [`Error::TimedOut`] if the peer
    /// does not read; [`Error::Io`] if the socket fails.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.link.send(|half| half.begin(message))
    }

    /// Sends a message that is not to be compressed, whatever was agreed on: for secrets, since the length of a
    /// compressed message tells of what is in it and in those before it (RFC 7692 §8). Feature `deflate`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn send_plain<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.link.send(|half| half.begin_plain(message))
    }

    /// Queues a message. It goes out with the next [`send`](Self::send) or [`flush`](Self::flush),
    /// or before the receiver waits for more input: so a loop that answers what it receives with
    /// `feed` writes once per batch of input. From another thread, `flush` after the last.
    ///
    /// While another thread writes, that one takes the message with it, behind its own: this does not wait. Only
    /// when the queue is full it is written first, for which this waits as a send does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn feed<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.link.feed(len, |half| half.send(message), |half| half.begin(message))
    }

    /// Queues a message that is not to be compressed, as [`send_plain`](Self::send_plain) sends one. Feature `deflate`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    #[cfg(feature = "deflate")]
    pub fn feed_plain<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.as_bytes().len();
        self.link.feed(len, |half| half.send_plain(message), |half| half.begin_plain(message))
    }

    /// Sends a message without waiting, neither for other senders nor for the peer, but for the few milliseconds
    /// after which a write is given up that is the first to find the socket full, or to find that the peer takes a
    /// little at a time. What the peer does not
    /// take at once stays in the queue, of at most [`max_queue`](crate::ConfigBuilder::max_queue) bytes, and as
    /// much again while another thread writes. The rest goes out as soon as the peer reads on: a thread that is
    /// started for that waits for it, at most until the write timeout.
    ///
    /// For messages to many: whoever cannot keep up gets `QueueFull`, and holds up nobody.
    ///
    /// ```no_run
    /// use sansocket::{CloseCode, Prepared, SendError, net::Sender};
    ///
    /// fn broadcast(audience: &mut Vec<Sender>, news: &str) {
    ///     let news = Prepared::new(news);
    ///     audience.retain(|sender| match sender.try_send_prepared(&news) {
    ///         Err(SendError::QueueFull) => {
    ///             sender.abort(); // too slow
    ///             false
    ///         }
    ///         sent => sent.is_ok(),
    ///     });
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing is sent then: [`SendError::QueueFull`] if the peer has not read enough of what was sent before;
    /// [`SendError::MessageTooLarge`] if the message would not even fit an empty queue;
    /// [`SendError::Closed`] if the connection is closing or closed.
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.link.try_send(message.as_bytes().len(), |half| half.send(message))
    }

    /// The same for a message that was encoded before, see [`Prepared`].
    ///
    /// # Errors
    ///
    /// Those of [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), SendError> {
        self.link.try_send(prepared.payload().len(), |half| half.send_prepared(prepared))
    }

    /// How many bytes wait to be written, as of the last look at them: what was fed, what was tried, and what
    /// the peer did not take. The rest of a long message that a [`send`](Self::send) is writing from where it lies does not
    /// count.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.link.queued()
    }

    /// Writes what was fed.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the peer does not read; [`Error::Io`] if the socket fails;
    /// [`Error::Send`] if it has failed before, and what was fed is lost.
    pub fn flush(&self) -> Result<(), Error> {
        self.link.flush()
    }

    /// Sends a message that was encoded before, see [`Prepared`]. A server copies nothing of it. It waits as
    /// [`send`](Self::send) does: one slow peer in a loop over many holds up all of them, for which there is
    /// [`try_send_prepared`](Self::try_send_prepared).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        self.link.send(|half| half.begin_prepared(prepared))
    }

    /// Queues a message that was encoded before, as [`feed`](Self::feed) does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn feed_prepared(&self, prepared: &Prepared) -> Result<(), Error> {
        let len = prepared.payload().len();
        self.link.feed(
            len,
            |half| half.send_prepared(prepared),
            |half| half.begin_prepared(prepared),
        )
    }

    /// Sends a ping of up to 125 bytes. The peer answers with a pong of the same payload (RFC 6455
    /// §5.5.2). Keepalive sends its own; this is for measuring.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLong`], and those of [`send`](Self::send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.link.send(|half| half.begin_ping(payload))
    }

    /// Starts the closing handshake: sends a Close frame with a code and a reason (RFC 6455 §7.1.2), which is
    /// cut to 123 bytes at a character. A second one is not sent, and is no error; nor is anything sent if
    /// the connection has ended.
    ///
    /// The Close goes out behind all that was sent and fed before, as soon as the peer takes that. This does not
    /// wait for it, as [`try_send`](Self::try_send) does not.
    ///
    /// Keep receiving: messages that the peer sent before it saw the Close still arrive, and
    /// then [`recv`](super::Receiver::recv) returns `None`; if the peer does not answer within the close
    /// timeout of the frame being written, that fails; for a peer that sends on without end after at most twice as long.
    ///
    /// # Errors
    ///
    /// [`SendError::ClientOnlyCode`] for 1010 from a server.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.link.close(code, reason)
    }

    /// Ends the connection at once, without a Close frame: for a peer that takes too long. Sends that
    /// are under way fail, and so does the receiver.
    pub fn abort(&self) {
        self.link.abort();
    }
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { link: Arc::clone(&self.link) }
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
