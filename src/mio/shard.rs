//! A shard in the hands of the application: its connections by their names.

use std::fmt;

use super::app::Verdict;
use super::client::{Client, Stage};
use super::common::Common;
use super::mailbox::PostError;
use super::peer::Peer;
use super::table::{Id, Table};
use crate::message::Message;
use crate::prepared::Prepared;

/// The connections of a shard, for as long as a method of your [`App`](super::App) runs.
pub struct Shard<'a, S> {
    pub(super) table: &'a mut Table<S>,
    pub(super) common: &'a mut Common,
}

impl<S> Shard<'_, S> {
    /// The number of this shard: from 0 on.
    #[must_use]
    pub fn number(&self) -> usize {
        self.common.shard
    }

    /// How many connections this shard has, handshakes included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// The open connection of that name. `None` if it has ended, or is that of another shard. What is sent to it is
    /// written when the round ends.
    pub fn peer(&mut self, id: Id) -> Option<Peer<'_, S>> {
        let client = self.table.get(id).filter(|client| client.is_open())?;
        touch(client, id, self.common);
        client.peer(id, self.common)
    }

    /// Decides about a request that was to be decided [later](Verdict::Later), with one of the two other verdicts.
    /// Whether the client still waited for it.
    pub fn decide(&mut self, id: Id, verdict: Verdict<S>) -> bool {
        let Some(client) = self.table.get(id) else {
            return false;
        };
        let Stage::Handshake(handshake) = &mut client.stage else {
            return false;
        };
        if handshake.deciding.is_none() || matches!(verdict, Verdict::Later) {
            return false;
        }
        client.decide(verdict, self.common);
        touch(client, id, self.common);
        true
    }

    /// Publishes a message to all subscribers of a topic, see [`Peer::publish`].
    ///
    /// # Errors
    ///
    /// [`Full`](PostError::Full) if another shard does not keep up: nobody gets it.
    pub fn publish<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), PostError> {
        self.common.publish(topic, message, None)
    }

    /// The same with a message that was encoded before.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish).
    pub fn publish_prepared(&mut self, topic: &str, message: &Prepared) -> Result<(), PostError> {
        self.common.publish_prepared(topic, message.clone(), None)
    }

    /// How many subscribers a topic has in this shard.
    #[must_use]
    pub fn subscribers(&self, topic: &str) -> usize {
        let topic = self.common.topics.find(topic);
        topic.map_or(0, |topic| self.common.topics.members(topic).len())
    }

    /// How many messages were dropped in this shard since their receivers were slow, see
    /// [`Full::Drop`](super::Full::Drop).
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.common.dropped
    }
}

impl<S> fmt::Debug for Shard<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("number", &self.number())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

/// The connection is looked at when the round ends.
pub(super) fn touch<S>(client: &mut Client<S>, id: Id, common: &mut Common) {
    if !std::mem::replace(&mut client.flags.touched, true) {
        common.touched.push(id);
    }
}

impl<S> Client<S> {
    /// It as the application sees it, unless it was told of its end.
    #[inline(always)]
    pub(super) fn peer<'a>(&'a mut self, id: Id, common: &'a mut Common) -> Option<Peer<'a, S>> {
        let Self { stage, socket, flags, .. } = self;
        match stage {
            Stage::Open { connection, state: Some(state) } => {
                Some(Peer { id, state, connection, socket, flags, common })
            }
            _ => None,
        }
    }
}
