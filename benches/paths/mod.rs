//! The paths that are worth measuring, each as a function that does its work `n` times.
//!
//! `crate.rs` times them with criterion, `count.rs` runs them for callgrind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]
#![allow(unreachable_pub, reason = "a part of each benchmark")]

use std::hint::black_box;
use std::io::{self, Read};

use sansocket::frame::{self, Header, Opcode};
use sansocket::handshake::Acceptor;
use sansocket::{Buffer, Config, Connection, Event, Message, Prepared};

#[cfg(feature = "deflate")]
mod compressed;
#[cfg(feature = "tokio")]
mod tasks;

pub type Path = fn(u64);

/// All there are.
pub fn paths() -> impl Iterator<Item = &'static (&'static str, Path)> {
    let paths = PATHS.iter();
    #[cfg(feature = "deflate")]
    let paths = paths.chain(&compressed::PATHS);
    #[cfg(feature = "tokio")]
    let paths = paths.chain(&tasks::PATHS);
    paths
}

const PATHS: [(&str, Path); 21] = [
    ("receive 16 B binary", |n| receive(n, &Tape::of(&[7; 16]))),
    ("receive 16 B text", |n| receive(n, &Tape::of(&"a".repeat(16)))),
    ("receive 125 B text", |n| receive(n, &Tape::of(&"a".repeat(125)))),
    ("receive 1 KiB text", |n| receive(n, &Tape::of(&"a".repeat(1024)))),
    ("receive 1 KiB Japanese", |n| receive(n, &Tape::of(&"日本語".repeat(113)))),
    ("receive 16 KiB binary", |n| receive(n, &Tape::of(&[7; 16 * 1024]))),
    ("receive 1 MiB binary", |n| receive(n, &Tape::of(&vec![7; 1024 * 1024]))),
    ("receive 1 KiB text in 4 fragments", |n| receive(n, &Tape::fragments(&"a".repeat(1024)))),
    ("receive 16 KiB text in 1 KiB reads", |n| receive(n, &Tape::slow(&"a".repeat(16 * 1024)))),
    ("echo 16 B binary", |n| echo(n, &Tape::of(&[7; 16]))),
    ("echo 1 KiB text", |n| echo(n, &Tape::of(&"a".repeat(1024)))),
    ("echo 64 KiB binary", |n| echo(n, &Tape::of(&[7; 64 * 1024]))),
    ("mask 1 KiB", mask),
    ("decode a header", decode_header),
    ("encode a header", encode_header),
    ("send 1 KiB prepared", send_prepared),
    ("handshake", handshake),
    ("head of 8 KiB in bytes", |n| long_head(n, 8 * 1024, "X: ", "a")),
    ("head of 16 KiB in bytes", |n| long_head(n, 16 * 1024, "X: ", "a")),
    ("list of 8 KiB", |n| long_head(n, 8 * 1024, "Sec-WebSocket-Protocol: ", ",")),
    ("list of 16 KiB", |n| long_head(n, 16 * 1024, "Sec-WebSocket-Protocol: ", ",")),
];

fn receive(n: u64, tape: &Tape) {
    let mut connection = Connection::server(Config::default());
    drive(n, tape, &mut connection, |_, message| {
        black_box(message);
    });
}

fn echo(n: u64, tape: &Tape) {
    let mut connection = Connection::server(Config::default());
    drive(n, tape, &mut connection, |connection, message| {
        connection.send(message).unwrap();
    });
}

/// Reads the tape until `n` messages have come.
fn drive(
    n: u64,
    tape: &Tape,
    connection: &mut Connection,
    mut answer: impl FnMut(&mut Connection, Message<'_>),
) {
    let (mut reader, mut input) = (tape.reader(), Buffer::new());
    let mut received = 0;
    while received < n {
        input.read_from(&mut reader).unwrap();
        while let Some(event) = connection.next_event(&mut input).unwrap() {
            if let Event::Message(message) = event {
                answer(connection, message);
                received += 1;
            }
        }
        let pending = black_box(connection.pending()).len();
        connection.sent(pending);
    }
}

fn mask(n: u64) {
    let mut payload = [7; 1024];
    for _ in 0..n {
        frame::mask(black_box(&mut payload), black_box([1, 2, 3, 4]), 0);
    }
}

fn decode_header(n: u64) {
    let header =
        Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: Some([1, 2, 3, 4]), len: 300 };
    let bytes = header.encode();
    for _ in 0..n {
        black_box(Header::decode(black_box(bytes.as_ref()))).unwrap();
    }
}

fn encode_header(n: u64) {
    let header = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, len: 300 };
    for _ in 0..n {
        black_box(black_box(&header).encode());
    }
}

fn send_prepared(n: u64) {
    let mut connection = Connection::server(Config::default());
    let prepared = Prepared::new(&"a".repeat(1024));
    for _ in 0..n {
        connection.send_prepared(&prepared).unwrap();
        let pending = black_box(connection.pending()).len();
        connection.sent(pending);
    }
}

fn handshake(n: u64) {
    let head = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
        Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n\
        Upgrade: websocket\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
        Accept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n\
        Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let config = Config::default();
    let mut input = Buffer::new();
    for _ in 0..n {
        input.extend(black_box(head));
        let request = Acceptor::new(&config).next(&mut input).unwrap().unwrap().upgrade().unwrap();
        black_box(request.accept().to_bytes());
    }
}

/// A request of `len` bytes, all of them in one header: bytes, or a list of different names.
fn long_head(n: u64, len: usize, name: &str, fill: &str) {
    let request = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";
    let room = len - request.len() - name.len() - 4;
    let (value, step) = match fill {
        // From the last to the first, so that sorting has something to do.
        "," => ((10_000..100_000).rev().map(|i| format!("{i},")).collect(), usize::MAX),
        fill => (fill.repeat(room), 1),
    };
    let head = format!("{request}{name}{}\r\n\r\n", &value[..room]);
    let config = Config::default();
    for _ in 0..n {
        let (mut input, mut acceptor) = (Buffer::new(), Acceptor::new(&config));
        let pieces = head.as_bytes().chunks(step.min(len));
        let (last, requests) = (
            pieces.len() - 1,
            pieces.map(|piece| {
                input.extend(piece);
                acceptor.next(&mut input).unwrap()
            }),
        );
        assert_eq!(requests.take_while(Option::is_none).count(), last);
    }
}

/// Recorded frames of one message, over and over.
struct Tape {
    bytes: Vec<u8>,
    longest_read: usize,
}

impl Tape {
    fn of<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        Self::repeat(&masked(true, false, opcode, message.as_bytes()))
    }

    fn fragments(text: &str) -> Self {
        let parts: Vec<_> = text.as_bytes().chunks(text.len() / 4).collect();
        let masked = |fin, opcode, part| masked(fin, false, opcode, part);
        let mut bytes = masked(false, Opcode::Text, parts[0]);
        bytes.extend(masked(false, Opcode::Continuation, parts[1]));
        bytes.extend(masked(false, Opcode::Continuation, parts[2]));
        bytes.extend(masked(true, Opcode::Continuation, parts[3]));
        Self::repeat(&bytes)
    }

    /// A read brings one.
    #[cfg(feature = "tokio")]
    fn in_step<'m>(message: impl Into<Message<'m>>) -> Self {
        let tape = Self::of(message);
        let (header, at) = Header::decode(&tape.bytes).unwrap().unwrap();
        Self { longest_read: at + usize::try_from(header.len).unwrap(), ..tape }
    }

    fn slow(text: &str) -> Self {
        Self { longest_read: 1024, ..Self::of(text) }
    }

    /// About a mebibyte of it.
    fn repeat(message: &[u8]) -> Self {
        let times = 1024 * 1024 / message.len() + 1;
        Self { bytes: message.repeat(times), longest_read: usize::MAX }
    }

    fn reader(&self) -> impl Read {
        TapeReader { tape: self, position: 0 }
    }
}

struct TapeReader<'t> {
    tape: &'t Tape,
    position: usize,
}

impl Read for TapeReader<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let rest = &self.tape.bytes[self.position..];
        let n = rest.len().min(space.len()).min(self.tape.longest_read);
        space[..n].copy_from_slice(&rest[..n]);
        self.position = (self.position + n) % self.tape.bytes.len();
        Ok(n)
    }
}

fn masked(fin: bool, rsv1: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let header = Header { fin, rsv1, opcode, mask: Some(key), len: payload.len() as u64 };
    let mut frame = header.encode().as_ref().to_vec();
    let start = frame.len();
    frame.extend(payload);
    frame::mask(&mut frame[start..], key, 0);
    frame
}
