//! One open connection, in the hands of the application.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::client::Flags;
use super::common::Common;
use super::mailbox::PostError;
use super::socket::Socket;
use super::table::Id;
use super::topics::SubscribeError;
use crate::close::CloseCode;
use crate::connection::Connection;
use crate::error::SendError;
use crate::message::Message;
use crate::prepared::Prepared;

/// From this length on a message is written from where it lies, rather than copied behind others.
const LONG: usize = 8 * 1024;

/// One open connection, for as long as a method of your [`App`](super::App) runs.
///
/// What is sent is written when the messages at hand are dealt with: all that you send in reply to one batch
/// of input goes out in one write.
pub struct Peer<'a, S> {
    pub(super) id: Id,
    pub(super) state: &'a mut S,
    pub(super) connection: &'a mut Connection,
    pub(super) socket: &'a mut Socket,
    pub(super) flags: &'a mut Flags,
    pub(super) common: &'a mut Common,
}

impl<S> Peer<'_, S> {
    /// Its name, to be kept, given to other threads, and [looked up](super::Shard::peer).
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// What you keep of it.
    #[must_use]
    pub fn state(&mut self) -> &mut S {
        self.state
    }

    /// The address of its socket's other end.
    ///
    /// # Errors
    ///
    /// The socket is not connected any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.tcp().peer_addr()
    }

    /// The TLS of its connection, if it [has any](super::Server::tls), such as for the client's certificates.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(&self) -> Option<&crate::tls::Rustls> {
        self.socket.tls().map(crate::tls::Channel::engine)
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// [`Closed`](SendError::Closed) after a Close frame; [`QueueFull`](SendError::QueueFull) if it does not fit
    /// into [`max_queue`](crate::ConfigBuilder::max_queue): [`drained`](super::App::drained) tells when
    /// there is room; [`MessageTooLarge`](SendError::MessageTooLarge) if there will never be. Nothing of it is
    /// sent then.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let admitted = self.socket.admit(self.connection, message.len());
        // If more is to come, it will be answered with this in one write.
        let sent = admitted.and_then(|()| match message.len() >= LONG && !self.flags.readable {
            true => self.connection.send_to(self.socket, message),
            false => self.connection.send(message),
        });
        self.noting_overflow(sent)
    }

    /// Sends a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &Prepared) -> Result<(), SendError> {
        let admitted = self.socket.admit(self.connection, message.len());
        let sent = admitted.and_then(|()| match message.len() >= LONG && !self.flags.readable {
            true => self.connection.send_prepared_to(self.socket, message),
            false => self.connection.send_prepared(message),
        });
        self.noting_overflow(sent)
    }

    /// Sends a ping, which is answered with a [pong](super::App::pong) of the same payload. Keepalive sends pings
    /// of its own; this is for measuring.
    ///
    /// # Errors
    ///
    /// [`TooLong`](SendError::TooLong) if the payload exceeds 125 bytes, and those of [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let admitted = self.socket.admit(self.connection, payload.len());
        let sent = admitted.and_then(|()| self.connection.ping(payload));
        self.noting_overflow(sent)
    }

    /// How many bytes wait to be written. Over TLS those are among them that are sealed already.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.connection.queued() + self.socket.held()
    }

    /// Delivers no more messages until [`resume`](Self::resume), and reads no more: the peer will not be able
    /// to send either. Its silence does not count meanwhile, as its pongs are not read; neither is a Close. If it
    /// takes nothing of what waits for it, it is cut off as ever.
    pub fn pause(&mut self) {
        self.flags.paused = true;
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&mut self) {
        self.flags.paused = false;
    }

    /// Subscribes to a topic: from now on it receives what is [published](Self::publish) there, by any shard or
    /// thread. Whether it is new. All subscriptions end with the connection.
    ///
    /// # Errors
    ///
    /// It has too many, or the name is too long.
    pub fn subscribe(&mut self, topic: &str) -> Result<bool, SubscribeError> {
        self.common.subscribe(self.id.slot(), topic)
    }

    /// Ends a subscription. What was published in this round does not reach it any more. Whether there was one.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        self.common.topics.unsubscribe(self.id.slot(), topic)
    }

    /// The topics it is subscribed to, in no order.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.common.topics.names(self.id.slot())
    }

    /// Publishes a message to all subscribers of a topic, in all shards; this peer is one of them if it has
    /// subscribed. They get it when the round ends, all that was published in the round in one write each, and so
    /// behind what is [sent](Self::send) to them in the meantime. Each recipient gets the messages of one
    /// publisher in their order.
    ///
    /// # Errors
    ///
    /// [`Full`](PostError::Full) if another shard does not keep up: nobody gets it. It cannot fail with one shard.
    /// Receivers that are too slow are no error here, see [`Server::when_full`](super::Server::when_full).
    pub fn publish<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), PostError> {
        self.common.publish(topic, message, None)
    }

    /// The same, but this peer does not get it.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub fn publish_to_others<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), PostError> {
        self.common.publish(topic, message, Some(self.id.slot()))
    }

    /// Starts the closing handshake, see [`Connection::close`]. Messages that the peer sent before it saw our
    /// Close are still delivered.
    ///
    /// # Errors
    ///
    /// [`ClientOnlyCode`](SendError::ClientOnlyCode) for 1010.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.connection.close(code, reason)?;
        self.flags.paused = false; // the answer has to be read
        Ok(())
    }

    /// Cuts it off, without a Close frame. Nothing more of it is delivered but its end.
    pub fn abort(&mut self) {
        self.flags.aborted = true;
    }

    fn noting_overflow(&mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        self.flags.overflowed |= sent == Err(SendError::QueueFull);
        sent
    }
}

impl<S: fmt::Debug> fmt::Debug for Peer<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
