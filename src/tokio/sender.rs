//! The half that sends, from any number of tasks.

use std::fmt;
use std::sync::Arc;

use super::link::Link;
use super::sending::{Flushing, Item, Room, Sending};
use super::transport::Transport;
use crate::close::CloseCode;
use crate::encoder::Unsent;
use crate::error::SendError;
use crate::message::Message;
use crate::prepared::Prepared;

/// Sends messages. Clones send on the same connection, and every method takes `&self`: messages of
/// several tasks follow one another, never mixed.
///
/// There is no channel and no task behind it: a message is encoded into the connection's queue, and
/// written, by the task that sends it. What the peer does not take at once waits in the queue; the
/// [`Receiver`](super::Receiver) writes it as the peer reads on, so keep that receiving. A peer that takes nothing
/// for the [write timeout](crate::ConfigBuilder::write_timeout) ends the connection.
///
/// While more than 256 KiB wait, or a quarter of [`max_queue`](crate::ConfigBuilder::max_queue), sends wait. Who
/// comes first when there is room again has it; a future that is not polled any more holds up nobody. So at most
/// that and one message more wait, however many send.
///
/// The socket is closed when the receiver is dropped, whatever senders there are. It is 8 bytes large.
pub struct Sender<S: Transport> {
    link: Arc<Link<S>>,
}

impl<S: Transport> Sender<S> {
    pub(super) fn new(link: Arc<Link<S>>) -> Self {
        Self { link }
    }

    pub(super) fn link(&self) -> &Link<S> {
        &self.link
    }

    #[cfg(feature = "futures")]
    pub(super) fn into_link(self) -> Arc<Link<S>> {
        self.link
    }

    /// Sends a message: queues it, behind all that was fed before, and tries once to write. It waits only while too
    /// much waits already. [`flush`](Self::flush) is for those who want it in the hands of the system.
    ///
    /// # Cancel safety
    ///
    /// When the future is ready the message is queued, whole and in order, and will be sent unless the connection
    /// ends first. If it is dropped before, not one byte of it is queued. Nothing happens before the first poll.
    ///
    /// # Errors
    ///
    /// [`Error::Send`](crate::Error::Send) if the connection is closing or closed;
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not read; [`Error::Io`](crate::Error::Io) if
    /// the stream fails.
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime of tokio with its timer enabled.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Message(message.into()), true)
    }

    /// Sends a message that is not to be compressed, whatever was agreed on: for secrets, since the length of a
    /// compressed message tells of what is in it and in those before it (RFC 7692 §8). Feature `deflate`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and the same cancel safety.
    #[cfg(feature = "deflate")]
    pub fn send_plain<'m>(&self, message: impl Into<Message<'m>>) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Plain(message.into()), true)
    }

    /// Sends a message that was encoded before, see [`Prepared`]. A server copies nothing of it that the peer
    /// takes at once.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and the same cancel safety.
    pub fn send_prepared<'m>(&self, prepared: &'m Prepared) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Prepared(prepared), true)
    }

    /// Queues a message. It goes out with the next [`send`](Self::send) or [`flush`](Self::flush), or before the
    /// receiver waits for more input, which is woken for it: so a loop that answers what it receives with
    /// `feed` writes once per batch of input, and nothing that was fed is forgotten, whichever task feeds. A server
    /// writes a message of more than 32 KiB at once, from where it lies, unless it is compressed.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and the same cancel safety.
    pub fn feed<'m>(&self, message: impl Into<Message<'m>>) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Message(message.into()), false)
    }

    /// Queues a message that is not to be compressed, as [`send_plain`](Self::send_plain) sends one. Feature `deflate`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and the same cancel safety.
    #[cfg(feature = "deflate")]
    pub fn feed_plain<'m>(&self, message: impl Into<Message<'m>>) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Plain(message.into()), false)
    }

    /// Queues a message that was encoded before, as [`feed`](Self::feed) does.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and the same cancel safety.
    pub fn feed_prepared<'m>(&self, prepared: &'m Prepared) -> Sending<'_, 'm, S> {
        Sending::new(&self.link, Item::Prepared(prepared), false)
    }

    /// Sends a message without waiting: queues it, and tries once to write.
    ///
    /// For messages to many: whoever cannot keep up gets `QueueFull`, and holds up nobody.
    ///
    /// ```no_run
    /// use sansocket::{Prepared, SendError, tokio::Sender};
    /// use tokio::net::TcpStream;
    ///
    /// fn broadcast(audience: &mut Vec<Sender<TcpStream>>, news: &str) {
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
    /// Nothing is sent then: [`SendError::QueueFull`] if the peer has not read enough of what was sent before, and the
    /// message does not fit into [`max_queue`](crate::ConfigBuilder::max_queue) bytes;
    /// [`SendError::MessageTooLarge`] if it would not even fit an empty queue; [`SendError::Closed`] if the
    /// connection is closing or closed.
    pub fn try_send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.link.turn(|turn| turn.try_send(&Item::Message(message)))
    }

    /// The same for a message that was encoded before, see [`Prepared`].
    ///
    /// # Errors
    ///
    /// Those of [`try_send`](Self::try_send).
    pub fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), SendError> {
        self.link.turn(|turn| turn.try_send(&Item::Prepared(prepared)))
    }

    /// Sends a ping of up to 125 bytes, without waiting. The peer answers with a pong of the same payload (RFC 6455
    /// §5.5.2), which [`Receiver::event`](super::Receiver::event) shows. Keepalive sends its own; this is for
    /// measuring.
    ///
    /// # Errors
    ///
    /// [`SendError::TooLong`], and those of [`try_send`](Self::try_send).
    pub fn ping(&self, payload: &[u8]) -> Result<(), SendError> {
        self.link.turn(|turn| turn.try_send(&Item::Ping(payload)))
    }

    /// Waits until nothing waits any more: all that was sent and fed is in the hands of the stream and flushed, what others
    /// send meanwhile among it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what is queued stays queued, and is written before the receiver waits.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not read; [`Error::Io`](crate::Error::Io) if
    /// the stream fails; [`Error::Send`](crate::Error::Send) if it has failed before, and what was fed is lost.
    pub fn flush(&self) -> Flushing<'_, S> {
        Flushing::new(&self.link)
    }

    /// Waits until a [`send`](Self::send) would not have to, such as after a
    /// [`QueueFull`](SendError::QueueFull).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). It may be dropped at any time.
    pub fn ready(&self) -> Room<'_, S> {
        Room::new(&self.link)
    }

    /// Starts the closing handshake, without waiting: queues a Close frame with a code and a reason (RFC 6455 §7.1.2),
    /// which is cut to 123 bytes at a character, behind all that was sent and fed before. A second one is not
    /// sent, and is no error; nor is anything sent if the connection has ended.
    ///
    /// Keep receiving: messages that the peer sent before it saw the Close still arrive, and
    /// then [`recv`](super::Receiver::recv) returns `None`; if the peer does not answer within the close
    /// timeout of the frame being written, that fails.
    ///
    /// # Errors
    ///
    /// [`SendError::ClientOnlyCode`] for 1010 from a server.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.link.turn(|turn| {
            turn.start_close(code, reason)?;
            // A failure is the receiver's to report.
            let _ = turn.write(&mut Unsent::nothing(), None);
            Ok(())
        })
    }

    /// Ends the connection at once, without a Close frame: for a peer that takes too long. The socket is closed; sends
    /// that are under way fail, and so does the receiver.
    pub fn abort(&self) {
        self.link.turn(|turn| turn.cut_off(crate::end::Failure::Aborted));
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.link.turn(|turn| turn.write.queued())
    }

    /// Whether two senders are of the same connection, such as to take one out of a list.
    #[must_use]
    pub fn same_connection(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }
}

impl<S: Transport> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { link: Arc::clone(&self.link) }
    }
}

impl<S: Transport> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
