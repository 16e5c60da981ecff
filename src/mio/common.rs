//! What all connections of a shard share: memory that is lent, the time, topics, and what is to be done when the round ends.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use ::mio::net::TcpStream;

use super::deadlines::{Clock, NEVER};
use super::mailbox::PostError;
use super::shared::Others;
use super::socket::Socket;
use super::table::Id;
use super::topics::{SubscribeError, Topics};
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::Config;
use crate::error::Error;
use crate::message::{Close, Message};
use crate::prepared::Prepared;
#[cfg(feature = "rustls")]
use crate::tls::rustls::ServerConfig;

pub(super) struct Common {
    pub(super) config: Config,
    pub(super) shard: usize,
    /// All connections read into this, one after the other.
    pub(super) input: Buffer,
    /// Those that speak TLS read records into this, before they open them.
    pub(super) records: Buffer,
    /// How many may go on with a TLS handshake in this round.
    pub(super) handshakes: usize,
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// The memory of the output queue of whichever connection has its turn.
    pub(super) queue: Vec<u8>,
    pub(super) clock: Clock,
    pub(super) now: Instant,
    pub(super) when_full: Full,
    pub(super) stopping: bool,
    /// Messages that were dropped since a receiver was slow.
    pub(super) dropped: u64,
    /// Those of them that all threads know of.
    pub(super) reported: u64,
    pub(super) topics: Topics,
    /// Publications that go out when the round ends.
    pub(super) notes: Vec<Note>,
    /// Subscriptions to topics that were published to in this round: how many notes there were before.
    joined: HashMap<(u32, u32), usize>,
    /// Connections that are looked at when the round ends.
    pub(super) touched: Vec<Id>,
    /// The end of the connection that has its turn, if it has ended.
    pub(super) end: Option<End>,
    /// The second in which that connection is to be looked at.
    pub(super) due: u32,
    /// The work that connections have caused: bytes that were read, and messages, of which each counts as 256 bytes.
    pub(super) spent: usize,
    pub(super) others: Option<Arc<dyn Others>>,
}

/// A message for the subscribers of a topic.
pub(super) struct Note {
    pub(super) topic: u32,
    pub(super) message: Prepared,
    /// Who does not get it.
    pub(super) but: Option<u32>,
}

/// What becomes of a receiver that is too slow for what is published or sent from other threads, as soon as
/// [`max_queue`](crate::ConfigBuilder::max_queue) bytes wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// It is closed with 1013: it misses nothing without notice. So is each for which a message is larger than the
    /// whole queue.
    #[default]
    Close,
    /// It misses the message, and [`Shard::dropped`](super::Shard::dropped) counts it.
    Drop,
}

/// The end of a connection, until the application is told.
pub(super) enum End {
    Closed { code: Option<CloseCode>, reason: String, mid_message: bool },
    Failed(Error),
}

impl From<Close<'_>> for End {
    fn from(close: Close<'_>) -> Self {
        let Close { code, reason, mid_message } = close;
        Self::Closed { code, reason: reason.to_owned(), mid_message }
    }
}

impl Common {
    pub(super) fn new(config: Config, shard: usize, now: Instant) -> Self {
        Self {
            config,
            shard,
            input: Buffer::new(),
            records: Buffer::new(),
            handshakes: 0,
            #[cfg(feature = "rustls")]
            tls: None,
            queue: Vec::new(),
            clock: Clock::new(now),
            now,
            when_full: Full::Close,
            stopping: false,
            dropped: 0,
            reported: 0,
            topics: Topics::new(0),
            notes: Vec::new(),
            joined: HashMap::new(),
            touched: Vec::new(),
            end: None,
            due: NEVER,
            spent: 0,
            others: None,
        }
    }

    /// The socket of a connection that was accepted.
    ///
    /// # Errors
    ///
    /// The configuration of TLS does not work.
    pub(super) fn socket(&self, tcp: TcpStream) -> io::Result<Socket> {
        #[cfg(feature = "rustls")]
        if let Some(config) = &self.tls {
            return Socket::secure(tcp, config);
        }
        Ok(Socket::new(tcp))
    }

    /// Notes the end of a connection. The first that is known counts.
    pub(super) fn end(&mut self, end: impl FnOnce() -> End) {
        self.end.get_or_insert_with(end);
    }

    pub(super) fn subscribe(&mut self, slot: u32, topic: &str) -> Result<bool, SubscribeError> {
        let joined = self.topics.subscribe(slot, topic)?;
        if let Some(topic) = joined.filter(|_| !self.notes.is_empty()) {
            self.joined.insert((topic, slot), self.notes.len());
        }
        Ok(joined.is_some())
    }

    pub(super) fn publish<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
        but: Option<u32>,
    ) -> Result<(), PostError> {
        let known = self.topics.find(topic);
        if known.is_none() && self.others.is_none() {
            return Ok(());
        }
        self.publish_prepared(topic, Prepared::new(message), but)
    }

    pub(super) fn publish_prepared(
        &mut self,
        topic: &str,
        message: Prepared,
        but: Option<u32>,
    ) -> Result<(), PostError> {
        if let Some(others) = &self.others {
            others.publish_elsewhere(topic, &message, self.shard)?;
        }
        self.publish_here(topic, message, but);
        Ok(())
    }

    /// Notes a message for the subscribers of this shard.
    pub(super) fn publish_here(&mut self, topic: &str, message: Prepared, but: Option<u32>) {
        if let Some(topic) = self.topics.find(topic) {
            self.notes.push(Note { topic, message, but });
        }
    }

    /// The notes of this round, and who has subscribed in between.
    pub(super) fn take_notes(&mut self) -> (Vec<Note>, HashMap<(u32, u32), usize>) {
        (std::mem::take(&mut self.notes), std::mem::take(&mut self.joined))
    }
}
