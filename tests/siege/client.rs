//! A client that stops wherever it is told to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::wire::{self, CLOSE, TEXT};

/// Long enough for any machine, and shorter than the keepalive, which would end in the end whatever hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Over TCP, or what lies over that.
pub(crate) struct Client<S = TcpStream>(pub(crate) S);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.write(REQUEST.as_bytes());
        client.read_head();
        client
    }

    /// Ends its side, and reads what comes until the server has ended its own, too: this.
    pub(crate) fn half_close(mut self) -> Vec<u8> {
        self.0.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        rest
    }

    /// Closes with a reset rather than an end, which is what the system does if there is something
    /// unread.
    pub(crate) fn reset(self) {
        assert_eq!(self.0.peek(&mut [0]).unwrap(), 1);
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn read_head(&mut self) {
        let head = self.try_read_head().unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    pub(crate) fn try_read_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.extend(byte);
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn assert_echoes(&mut self) {
        self.write(&wire::client(TEXT, b"hello"));
        let mut echo = [0; 7];
        self.0.read_exact(&mut echo).unwrap();
        assert_eq!(echo, *b"\x81\x05hello");
    }

    pub(crate) fn close(mut self) {
        self.write(&wire::client(CLOSE, &[3, 0xe8]));
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"\x88\x02\x03\xe8");
    }
}
