//! A server in the hands of other threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::mailbox::{Mail, PostError};
use super::shared::Shared;
use super::table::Id;
use crate::close::CloseCode;
use crate::message::Message;
use crate::prepared::Prepared;

/// Reaches a [`Server`](super::Server) from any thread. A clone is a pointer copy.
///
/// What is posted is done in its order by each shard, soon; there is no order between shards. What is posted for
/// a connection that has ended does nothing.
pub struct Handle<M> {
    pub(super) shared: Arc<Shared<M>>,
}

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> Handle<M> {
    /// Sends a message to a connection. If that is too slow, it fares as
    /// [`when_full`](super::Server::when_full) says.
    ///
    /// # Errors
    ///
    /// [`Full`](PostError::Full) if the shard does not keep up, [`Stopped`](PostError::Stopped) if there is none. Nothing
    /// is sent then.
    pub fn send<'m>(&self, id: Id, message: impl Into<Message<'m>>) -> Result<(), PostError> {
        self.send_prepared(id, &Prepared::new(message))
    }

    /// Sends a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub fn send_prepared(&self, id: Id, message: &Prepared) -> Result<(), PostError> {
        self.shared.post(id.shard(), Mail::Send(id, message.clone()))
    }

    /// Publishes a message to all subscribers of a topic, in all shards. Those get it all the same that are
    /// subscribed when their shard comes to it. All publications of a server have one order in which every shard
    /// sees them, but for those of the shards themselves.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send): nobody gets it then.
    pub fn publish<'m>(
        &self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), PostError> {
        self.publish_prepared(topic, &Prepared::new(message))
    }

    /// Publishes a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub fn publish_prepared(&self, topic: &str, message: &Prepared) -> Result<(), PostError> {
        self.shared.publish(topic, message, None)
    }

    /// Tells a shard something, see [`App::mail`](super::App::mail).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send): it is dropped then.
    pub fn mail(&self, shard: usize, mail: M) -> Result<(), PostError> {
        self.shared.post(shard, Mail::Own(mail))
    }

    /// Starts the closing handshake of a connection, see [`Peer::close`](super::Peer::close).
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). 1010, which only clients close with, closes nothing.
    pub fn close(&self, id: Id, code: CloseCode, reason: &str) -> Result<(), PostError> {
        self.shared.post(id.shard(), Mail::Close(id, code, reason.into()))
    }

    /// How many shards there are. They are numbered from 0 on.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shared.shards()
    }

    /// How many connections there are, handshakes and sockets that were [taken over](super::Answer::Take)
    /// included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// How many messages were dropped since their receivers were slow, see [`Full::Drop`](super::Full::Drop).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// How often a shard was busy for more than 50 ms without a look at its sockets, such as by a method of the
    /// application that waits.
    #[must_use]
    pub fn long_rounds(&self) -> u64 {
        self.shared.long_rounds.load(Ordering::Relaxed)
    }

    /// Whether a [stop](Self::stop) has begun: for the probe of a load balancer.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// Closes `n` connections with 1012, spread evenly over `spread`, of each shard as many as is its share: for
    /// clients that shall come back elsewhere. Others are let in as before.
    ///
    /// # Errors
    ///
    /// [`Stopped`](PostError::Stopped).
    pub fn shed(&self, n: usize, spread: Duration) -> Result<(), PostError> {
        self.shared.shed(n, spread)
    }

    /// Stops accepting, answers requests that are under way with 503, closes every connection with 1001, and waits for them
    /// to end; after `deadline` the rest is cut off, which [`App::closed`](super::App::closed) sees as
    /// [`TimedOut::Close`](crate::TimedOut::Close). Returns how many that were.
    ///
    /// The Close frames are spread evenly over `spread`, so that the clients do not all come back at once to
    /// whatever takes over. Those whose turn comes after the deadline are cut off without one: leave some time
    /// between the two. Not to be called by a method of the [`App`](super::App), which would wait for itself.
    #[doc(alias = "shutdown")]
    #[doc(alias = "graceful")]
    pub fn stop(&self, spread: Duration, deadline: Duration) -> usize {
        self.shared.stop(spread, deadline)
    }
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
