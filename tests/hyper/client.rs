//! A client of HTTP/1.1 that does what it is told, over a real socket.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wire::{self, Frame};

pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

/// A correct request with these lines as well.
pub(crate) fn request(path: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), input: Vec::new() }
    }

    /// An open connection, and the head of the acceptance.
    pub(crate) async fn open(address: SocketAddr, path: &str, lines: &[&str]) -> (Self, String) {
        let mut client = Self::connect(address).await;
        let head = client.ask(request(path, lines).as_bytes()).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (client, head)
    }

    /// Sends a request, and reads the head of the answer, in lower case but for the first line.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> String {
        self.write(request).await;
        loop {
            if let Some(end) = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<_> = self.input.drain(..end + 4).collect();
                let head = String::from_utf8(head).unwrap();
                let (first, rest) = head.split_once("\r\n").unwrap();
                return format!("{first}\r\n{}", rest.to_lowercase());
            }
            assert!(self.read().await, "no answer: {}", self.input.escape_ascii());
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn send(&mut self, first: u8, payload: &[u8]) {
        self.write(&wire::client(first, payload)).await;
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        loop {
            let (mut frames, rest) = wire::parse_front(&self.input);
            if !frames.is_empty() {
                let frame = frames.remove(0);
                let others: Vec<u8> =
                    frames.iter().flat_map(|f| wire::server(f.first, &f.payload)).collect();
                self.input = [&others, rest].concat();
                return frame;
            }
            assert!(self.read().await, "no frame: {}", self.input.escape_ascii());
        }
    }

    /// Sends a text, and wants it back.
    pub(crate) async fn echo(&mut self, text: &str) {
        self.send(wire::TEXT, text.as_bytes()).await;
        assert_eq!(self.frame().await, wire::plain(wire::TEXT, text.as_bytes()));
    }

    /// Wants a Close, answers it, and wants the end of the stream.
    pub(crate) async fn closed_with(&mut self, code: u16, reason: &str) {
        let body = wire::body(code, reason);
        assert_eq!(self.frame().await, wire::plain(wire::CLOSE, &body));
        self.send(wire::CLOSE, &body).await;
        self.ended().await;
    }

    pub(crate) async fn ended(&mut self) {
        assert!(!self.read().await, "{}", self.input.escape_ascii());
    }

    /// All that still comes.
    pub(crate) async fn rest(mut self) -> String {
        while self.read().await {}
        String::from_utf8(self.input).unwrap()
    }

    async fn read(&mut self) -> bool {
        self.stream.read_buf(&mut self.input).await.unwrap() > 0
    }
}
