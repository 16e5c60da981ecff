//! One connection and its socket, from the first byte to the last: what is kept of it between two turns.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::app::HttpRequest;
use super::socket::Socket;
use crate::buffer::Buffer;
use crate::buffer::memory::MAX_SPARE;
use crate::config::Config;
use crate::connection::Connection;
use crate::encoder::{Written, write_slices};
use crate::handshake::{Acceptor, Head};

pub(super) struct Client<S> {
    pub(super) socket: Socket,
    pub(super) stage: Stage<S>,
    /// The beginning of a frame whose rest has not arrived, or messages that wait for the next turn.
    pub(super) input: Option<Box<Buffer>>,
    pub(super) flags: Flags,
}

#[derive(Debug, Default)]
pub(super) struct Flags {
    /// The socket may have more to read.
    pub(super) readable: bool,
    /// No event will tell of the end of the stream again.
    pub(super) ended: bool,
    /// There may be whole messages in the input.
    pub(super) undecoded: bool,
    /// It waits for its next turn.
    pub(super) listed: bool,
    /// It has caused much work in its last turn, or is going to.
    pub(super) busy: bool,
    /// It is looked at when the round ends.
    pub(super) touched: bool,
    /// It is open, and the application does not know yet.
    pub(super) opening: bool,
    /// The application wants no more messages now.
    pub(super) paused: bool,
    /// A message did not fit into the queue.
    pub(super) overflowed: bool,
    /// The application wants it to be cut off.
    pub(super) aborted: bool,
}

/// The two have the same verbs, but for what they find in the input.
#[allow(clippy::large_enum_variant, reason = "nearly all are open")]
pub(super) enum Stage<S> {
    Handshake(Box<Handshake>),
    Open {
        connection: Connection,
        /// Until the application was told of the end.
        state: Option<S>,
    },
}

pub(super) struct Handshake {
    pub(super) acceptor: Acceptor,
    pub(super) from: SocketAddr,
    /// It is only told that there is no room.
    pub(super) is_refusal: bool,
    /// The application knows that it was refused.
    pub(super) reported: bool,
    /// The application decides, until then.
    pub(super) deciding: Option<Instant>,
    /// The socket is to be given away.
    pub(super) taken: Option<Taken>,
}

pub(super) struct Taken {
    pub(super) head: Head,
    pub(super) serve: Box<dyn FnOnce(HttpRequest) + Send>,
}

impl<S> Client<S> {
    pub(super) fn new(socket: Socket, from: SocketAddr, is_refusal: bool, config: &Config) -> Self {
        let acceptor = Acceptor::new(config);
        let handshake = Handshake {
            acceptor,
            from,
            is_refusal,
            reported: is_refusal,
            deciding: None,
            taken: None,
        };
        let mut client = Self {
            flags: Flags { busy: socket.is_handshaking(), ..Flags::default() },
            socket,
            stage: Stage::Handshake(Box::new(handshake)),
            input: None,
        };
        client.refuse_full();
        client
    }

    pub(super) fn is_refusal(&self) -> bool {
        matches!(&self.stage, Stage::Handshake(handshake) if handshake.is_refusal)
    }

    /// Whether the application knows it, and was not told of its end.
    pub(super) fn is_open(&self) -> bool {
        self.is_accepted() && !self.flags.opening
    }

    /// The same, or the application is about to know it.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Open { state: Some(_), .. })
    }

    /// Whether there is something to read or to decode that is wanted now.
    pub(super) fn has_input(&self) -> bool {
        (self.flags.readable || self.flags.undecoded)
            && !self.flags.paused
            && !matches!(&self.stage, Stage::Handshake(handshake) if handshake.deciding.is_some())
    }

    pub(super) fn is_congested(&self) -> bool {
        matches!(&self.stage, Stage::Open { connection, .. } if connection.is_congested())
    }

    /// How many bytes of messages wait to be written.
    pub(super) fn queued(&self) -> usize {
        match &self.stage {
            Stage::Handshake(_) => 0,
            Stage::Open { connection, .. } => connection.queued() + self.socket.held(),
        }
    }

    pub(super) fn has_output(&self) -> bool {
        match &self.stage {
            Stage::Handshake(handshake) => !handshake.acceptor.pending().is_empty(),
            Stage::Open { connection, .. } => !connection.pending().is_empty(),
        }
    }

    pub(super) fn write(&mut self) -> io::Result<Written> {
        // First what waits in records: that some of it goes is a sign of life, which more behind it would hide.
        if self.socket.held() > 0 && self.flush()? == Written::Blocked {
            return Ok(Written::Blocked);
        }
        let Self { stage, socket, .. } = self;
        let written = match stage {
            Stage::Handshake(handshake) => {
                // An answer is over when it is on the wire.
                #[cfg(feature = "rustls")]
                handshake.acceptor.exchange().set_unflushed();
                handshake.acceptor.write_with(|slices| write_slices(&mut *socket, slices))
            }
            Stage::Open { connection, .. } => {
                connection.write_with(|slices| write_slices(&mut *socket, slices))
            }
        }?;
        Ok(if self.flush()? == Written::All { written } else { Written::Blocked })
    }

    /// Has TLS pass on what it took, if there is any.
    #[cfg_attr(
        not(feature = "rustls"),
        allow(clippy::needless_pass_by_ref_mut, reason = "TLS would change it")
    )]
    fn flush(&mut self) -> io::Result<Written> {
        #[cfg(feature = "rustls")]
        match (&mut self.stage, self.socket.flush_tls()) {
            (Stage::Handshake(handshake), held) => {
                return handshake.acceptor.exchange().flush_with(|| held.unwrap_or(Ok(0)));
            }
            (Stage::Open { connection, .. }, Some(held)) => return connection.flush_with(|| held),
            (Stage::Open { .. }, None) => {} // without TLS
        }
        Ok(Written::All)
    }

    /// Whether our side is to be ended now, which is only asked once.
    pub(super) fn wants_shutdown(&mut self) -> bool {
        match &mut self.stage {
            Stage::Handshake(handshake) if handshake.acceptor.wants_shutdown() => {
                handshake.acceptor.shut_down();
            }
            Stage::Open { connection, .. } if connection.wants_shutdown() => connection.shut_down(),
            _ => return false,
        }
        true
    }

    pub(super) fn is_finished(&self) -> bool {
        match &self.stage {
            Stage::Handshake(handshake) => handshake.acceptor.is_finished(),
            Stage::Open { connection, .. } => connection.is_finished(),
        }
    }

    pub(super) fn lend_queue(&mut self, spare: &mut Vec<u8>) {
        if let Stage::Open { connection, .. } = &mut self.stage {
            connection.lend_queue(spare);
        }
    }

    pub(super) fn reclaim_queue(&mut self, spare: &mut Vec<u8>) {
        if let Stage::Open { connection, .. } = &mut self.stage {
            connection.reclaim_queue(spare);
            if spare.capacity() > MAX_SPARE {
                *spare = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ML-09: with its generation, its deadline and its subscriptions less than 300
    #[test]
    fn a_connection_takes_240_bytes_and_the_state() {
        // In a build with assertions a socket of mio knows where it is registered.
        let debug = if cfg!(debug_assertions) { 16 } else { 0 };
        let size = size_of::<Option<Client<()>>>();
        assert!(size <= 240 + debug, "{size} bytes");
    }
}
