//! A client that does what it is told, right or wrong, over a real socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansocket::net::{self, Receiver, Sender};
use sansocket::{Config, ConfigBuilder};

pub(crate) use crate::wire::{BINARY, CLOSE, PING, PONG, TEXT, client as frame};

pub(crate) const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// Long enough for any machine, short enough to end a test that hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Raw(pub(crate) TcpStream);

/// A connected pair of sockets: the client's, and the server's.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0)
}

/// A client, and the server's halves of an open connection.
pub(crate) fn open(config: Config) -> (Raw, Sender<TcpStream>, Receiver<TcpStream>) {
    let (client, server) = sockets();
    let accepting = thread::spawn(move || net::accept(server, config).unwrap());
    let client = Raw::shake_hands(client);
    let (sender, receiver) = accepting.join().unwrap();
    (client, sender, receiver)
}

pub(crate) fn config(build: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Config {
    build(Config::builder()).build().unwrap()
}

impl Raw {
    pub(crate) fn shake_hands(mut stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self(stream)
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        self.0.write_all(&frame(first, payload)).unwrap();
    }

    pub(crate) fn send_close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    /// The next frame: its first byte and its payload, which must not be masked.
    pub(crate) fn read(&mut self) -> (u8, Vec<u8>) {
        self.try_read().unwrap()
    }

    pub(crate) fn try_read(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let [first, second] = self.take()?;
        let len = match second {
            0..=125 => second.into(),
            126 => u16::from_be_bytes(self.take()?).into(),
            127 => u64::from_be_bytes(self.take()?),
            masked => panic!("a server's frame is masked: {masked:#x}"),
        };
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload)?;
        Ok((first, payload))
    }

    /// Reads a Close frame with this code, and then the end of the stream, not a reset.
    pub(crate) fn expect_close(&mut self, code: u16) {
        let (first, payload) = self.read();
        assert_eq!((first, &payload[..2]), (CLOSE, &code.to_be_bytes()[..]));
        self.expect_end();
    }

    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }

    pub(crate) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }

    /// Closes with a reset instead of an end.
    pub(crate) fn reset(self, unread: &Sender<TcpStream>) {
        // Closing a socket with unread input resets the connection.
        unread.send("unread").unwrap();
        self.0.peek(&mut [0]).unwrap();
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Keeps sending until it is cut off, which has to be soon.
pub(crate) fn talk(stream: &TcpStream, bytes: &'static [u8]) -> JoinHandle<()> {
    let mut stream = stream.try_clone().unwrap();
    thread::spawn(move || {
        let start = Instant::now();
        while stream.write_all(bytes).is_ok() {
            assert!(start.elapsed() < PATIENCE, "it may talk for ever");
            thread::sleep(Duration::from_millis(5));
        }
    })
}

pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
