//! Messages that are compressed.

use std::hint::black_box;

use sansocket::frame::{Header, Opcode};
use sansocket::handshake::Request;
use sansocket::{Compression, Config, Connection};

use super::{Path, Tape, drive, masked};

pub const PATHS: [(&str, Path); 7] = [
    ("compress 180 B, in turn with another", |n| send(n, 180, 2)),
    ("compress 180 B, one after the other", |n| send(n, 180, 1)),
    ("compress 1.9 KB, in turn with another", |n| send(n, 1900, 2)),
    ("compress 64 KiB text", |n| send(n, 64 * 1024, 2)),
    ("decompress 180 B", |n| receive(n, 180)),
    ("decompress 1.9 KB", |n| receive(n, 1900)),
    ("decompress 64 KiB text", |n| receive(n, 64 * 1024)),
];

fn open(offer: &str, config: &Config) -> Connection {
    let headers = [
        ("Host", &b"example.com"[..]),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", offer.as_bytes()),
    ];
    let request = Request::new("GET", "/", (1, 1), headers, config).unwrap().upgrade().unwrap();
    request.accept().open(config).unwrap()
}

/// JSON, another one for each `i`.
fn json(i: u64, len: usize) -> String {
    let mut text = String::from("[");
    let mut n = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while text.len() + 90 < len {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, price) = (n >> 44, n >> 50);
        let name = if n >> 63 == 0 { "EURUSD" } else { "GBPJPY" };
        text +=
            &format!("{{\"id\":{id},\"symbol\":\"{name}\",\"bid\":{price}.{id:05},\"ok\":true}},");
    }
    text + "{\"id\":0,\"symbol\":\"EURUSD\",\"bid\":1.0842,\"ask\":1.0843,\"ok\":true}]"
}

fn send(n: u64, len: usize, connections: usize) {
    let config = Config::builder().compression(Compression::new()).build().unwrap();
    let mut connections: Vec<_> =
        (0..connections).map(|_| open("permessage-deflate", &config)).collect();
    let messages: Vec<_> = (0..64).map(|i| json(i, len)).collect();
    let mut messages = messages.iter().cycle();
    for _ in 0..n {
        // They take turns.
        connections.rotate_left(1);
        let connection = &mut connections[0];
        connection.send(messages.next().unwrap()).unwrap();
        let pending = black_box(connection.pending()).len();
        connection.sent(pending);
    }
}

fn receive(n: u64, len: usize) {
    let config = Config::builder().compression(Compression::new()).build().unwrap();
    let mut sender = open("permessage-deflate; server_no_context_takeover", &config);
    let mut bytes = vec![];
    for i in 0..64 {
        sender.send(&json(i, len)).unwrap();
        let frame = sender.pending();
        let (header, at) = Header::decode(frame).unwrap().unwrap();
        bytes.extend(masked(true, header.rsv1, Opcode::Text, &frame[at..]));
        let sent = frame.len();
        sender.sent(sent);
    }
    let tape = Tape { bytes, longest_read: usize::MAX };
    let mut connection = open("permessage-deflate", &config);
    drive(n, &tape, &mut connection, |_, message| {
        black_box(message);
    });
}
