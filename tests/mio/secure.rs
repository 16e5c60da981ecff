//! A server that speaks TLS, and clients that do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use sansocket::Config;
use sansocket::mio::{Id, Server};

use crate::authority;
use crate::client::{Client, PATIENCE, REQUEST};
use crate::running::{Call, Mail, Running};

pub(crate) type Secure = Client<StreamOwned<ClientConnection, TcpStream>>;

impl Running {
    pub(crate) fn start_secure() -> Self {
        Self::start_secure_with(Config::default(), |server| server)
    }

    pub(crate) fn start_secure_with(
        config: Config,
        set: impl FnOnce(Server<Mail>) -> Server<Mail>,
    ) -> Self {
        Self::start_with(config, |server| set(server.tls(authority::server()).unwrap()))
    }

    /// A client whose connection is open, and its name.
    pub(crate) fn secure_client(&self) -> (Secure, Id) {
        let client = Secure::open_secure(self.address, authority::client());
        let id = self.wait_for(|call| if let Call::Open(id, _) = call { Some(*id) } else { None });
        (client, id)
    }
}

impl Secure {
    /// Whose TLS handshake is done with the first that is written or read.
    pub(crate) fn connect_secure(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let tls = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
        Self(StreamOwned::new(tls, Client::connect(address).0))
    }

    pub(crate) fn open_secure(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let mut client = Self::connect_secure(address, config);
        client.write(REQUEST.as_bytes());
        client.read_head();
        client
    }

    /// Records that are ready to be sent.
    pub(crate) fn records(&mut self) -> Vec<u8> {
        let mut records = vec![];
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Those of some data.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut records = vec![];
        for chunk in plain.chunks(16 * 1024) {
            self.0.conn.writer().write_all(chunk).unwrap();
            records.extend(self.records());
        }
        records
    }

    /// Does the TLS handshake, whose records go out a byte at a time.
    pub(crate) fn shake_hands_in_bytes(&mut self) {
        self.0.sock.set_read_timeout(Some(PATIENCE)).unwrap();
        while self.0.conn.is_handshaking() {
            let records = self.records();
            self.send_in_bytes(&records);
            if self.0.conn.wants_read() {
                assert_ne!(self.0.conn.read_tls(&mut self.0.sock).unwrap(), 0);
                self.0.conn.process_new_packets().unwrap();
            }
        }
        let records = self.records();
        self.send_in_bytes(&records);
    }

    pub(crate) fn send_in_bytes(&mut self, records: &[u8]) {
        for byte in records {
            self.0.sock.write_all(&[*byte]).unwrap();
        }
    }

    /// Reads to a `close_notify`: without one this fails.
    pub(crate) fn assert_ends(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }
}
