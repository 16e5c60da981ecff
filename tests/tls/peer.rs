//! A TLS client in memory, whose records the test passes on as it likes.

use std::io::{Read, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, ServerConfig};
use sansocket::net::{self, Receiver, Sender};
use sansocket::tls::{Rustls, Secure};
use sansocket::{Config, Error};

use crate::pipe::{Pipe, Way};
pub(crate) use crate::wire::client as frame;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

pub(crate) type Server = Secure<Pipe, Rustls>;
pub(crate) type Halves = (Sender<Server>, Receiver<Server>);

pub(crate) struct Peer {
    pub(crate) tls: ClientConnection,
    pub(crate) pipe: Pipe,
    seen: usize,
    plain: Vec<u8>,
}

impl Peer {
    /// A client, and a server that accepts it on a thread.
    pub(crate) fn start(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
        config: Config,
    ) -> (Self, JoinHandle<Result<Halves, Error>>) {
        let pipe = Pipe::new(Way::Open);
        let secure = Secure::server(pipe.clone(), Rustls::server(server).unwrap());
        let accepting = thread::spawn(move || net::accept(secure, config));
        (Self::over(pipe, client), accepting)
    }

    /// A client, whoever serves it.
    pub(crate) fn over(pipe: Pipe, client: Arc<ClientConfig>) -> Self {
        let tls = ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
        Self { tls, pipe, seen: 0, plain: vec![] }
    }

    /// The same after both handshakes.
    pub(crate) fn open(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
        config: Config,
    ) -> (Self, Halves) {
        let (mut peer, accepting) = Self::start(server, client, config);
        peer.request();
        (peer, accepting.join().unwrap().unwrap())
    }

    /// Asks for a WebSocket, and waits until that is open.
    pub(crate) fn request(&mut self) {
        self.tls.writer().write_all(REQUEST).unwrap();
        let head = self.read_until(|plain| plain.ends_with(b"\r\n\r\n"));
        assert!(head.starts_with(b"HTTP/1.1 101 "));
    }

    /// The records that the client has to send.
    pub(crate) fn records(&mut self) -> Vec<u8> {
        let mut records = vec![];
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Sends all that there is to send.
    pub(crate) fn flush(&mut self) {
        let records = self.records();
        if !records.is_empty() {
            self.pipe.push(&records);
        }
    }

    pub(crate) fn send(&mut self, plain: &[u8]) {
        for chunk in plain.chunks(16 * 1024) {
            self.tls.writer().write_all(chunk).unwrap();
            self.flush();
        }
    }

    /// Takes what the server has written, and answers it.
    pub(crate) fn take(&mut self) -> Result<(), rustls::Error> {
        self.flush();
        let mut records = vec![];
        let seen = self.seen;
        self.pipe.wait_until(PATIENCE, |output, _| output.len() > seen).expect("nothing came");
        self.pipe.look(|output| records.extend_from_slice(&output[seen..]));
        self.seen += records.len();
        let mut records = records.as_slice();
        while !records.is_empty() {
            self.tls.read_tls(&mut records).unwrap();
            self.tls.process_new_packets()?;
            let mut plain = vec![];
            let _ = self.tls.reader().read_to_end(&mut plain);
            self.plain.extend(plain);
        }
        self.flush();
        Ok(())
    }

    /// The plaintext, as soon as it is enough.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        while !enough(&self.plain) {
            self.take().unwrap();
        }
        std::mem::take(&mut self.plain)
    }

    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        self.read_until(|plain| plain.len() >= len)
    }
}
