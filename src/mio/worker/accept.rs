//! Connections that come to a shard, and sockets that leave it for a thread of the application.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use ::mio::net::TcpStream;
use ::mio::{Interest, Token};

use super::Worker;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::mio::app::{App, HttpRequest};
use crate::mio::client::{Client, Stage};
use crate::mio::handshake::refused;
use crate::mio::shared::{Admission, Shared};

/// New connections of a round.
const ACCEPTS: usize = 64;

impl<A: App> Worker<A> {
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Some(listening) = &mut self.listening else {
                return;
            };
            let Some((stream, from)) = listening.accept(self.common.now) else {
                return;
            };
            match self.shared.admit(self.common.shard) {
                Admission::Stays => self.connect(stream, from, false),
                Admission::IsTold => self.connect(stream, from, true),
                Admission::IsCutOff => self.report_full(from),
            }
        }
    }

    pub(super) fn report_full(&mut self, from: SocketAddr) {
        let limit = self.shared.max_connections.load(Ordering::Relaxed);
        refused(&mut self.app, from, &Error::ServerFull { limit });
    }

    pub(super) fn connect(&mut self, mut stream: TcpStream, from: SocketAddr, is_refusal: bool) {
        if is_refusal {
            self.report_full(from);
        }
        if self.common.stopping {
            return self.leave(is_refusal);
        }
        let nodelay = match self.common.config.nodelay {
            true => stream.set_nodelay(true),
            false => Ok(()),
        };
        let Some(slot) = self.table.take_slot() else {
            return self.leave(is_refusal);
        };
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let ready = nodelay
            .and_then(|()| registry.register(&mut stream, Token(slot as usize), both))
            .and_then(|()| self.common.socket(stream));
        let socket = match ready {
            Ok(socket) => socket,
            Err(error) => {
                self.table.give_back(slot);
                self.leave(is_refusal);
                if !is_refusal {
                    refused(&mut self.app, from, &error.into());
                }
                return;
            }
        };
        self.table.insert(slot, Client::new(socket, from, is_refusal, &self.common.config));
        // It may have spoken already; its deadline counts from now on.
        self.turn(slot);
    }

    /// Gives a socket to a thread of the application.
    pub(super) fn give_away(&mut self, slot: u32) {
        let Some(Client { mut socket, stage: Stage::Handshake(handshake), input, .. }) =
            self.table.remove(slot)
        else {
            return;
        };
        let leave = Leave { shared: Arc::clone(&self.shared), shard: self.common.shard };
        let Some(taken) = handshake.taken else {
            return; // it is
        };
        let _ = self.poll.registry().deregister(socket.tcp_mut());
        let from = handshake.from;
        let input = input.map_or_else(Buffer::new, |input| *input);
        let serve = move || {
            let _leave = leave;
            if let Ok(stream) = socket.into_blocking() {
                (taken.serve)(HttpRequest { stream, head: taken.head, input });
            }
        };
        if let Err(error) = thread::Builder::new().name("sansocket-http".into()).spawn(serve) {
            refused(&mut self.app, from, &error.into());
        }
    }
}

/// Gives back the place of a socket that was given away.
struct Leave<M> {
    shared: Arc<Shared<M>>,
    shard: usize,
}

impl<M> Drop for Leave<M> {
    fn drop(&mut self) {
        self.shared.leave(self.shard);
    }
}
