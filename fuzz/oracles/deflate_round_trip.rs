//! Messages between a server and a client that agreed on compression, whatever the parameters, in whatever order they are
//! sent, compressed or not, prepared or not, while either forgets; and cut into whatever pieces on the way: they arrive as
//! they were sent. Two pairs share the compressors in turn, so that what is left of one would be seen in the other.

use std::cell::RefCell;

use sansocket::handshake::{Acceptor, Connector, Incoming, client};
use sansocket::{Buffer, Compression, Config, Connection, Event, Message, Prepared};

use super::reader::{Reader, pieces};

thread_local! {
    /// Made once: a compressor is large.
    static COMPRESSION: RefCell<Compression> = RefCell::new(Compression::new());
}

const SIZES: [usize; 8] = [0, 512, 1024, 2048, 4096, 8192, 16_384, 32_768];

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let compression = COMPRESSION.with_borrow(Clone::clone);
    let mut pairs = [pair(&mut reader, &compression), pair(&mut reader, &compression)];
    let mut text = String::from("{\"symbol\":\"EURUSD\",\"bid\":1.0842,\"ask\":1.0843}");
    for _ in 0..64 {
        if reader.is_empty() {
            break;
        }
        let (pair, from) = (reader.below(2), reader.below(2));
        let pair = &mut pairs[pair];
        let mut wanted = vec![];
        let sizes = reader.sizes();
        for _ in 0..=reader.below(3) {
            let connection = &mut pair[from].connection;
            let op = reader.byte();
            vary(&mut text, &mut reader);
            let bytes;
            let message = match op % 3 {
                0 => {
                    bytes = noise(&mut reader);
                    Message::Binary(&bytes)
                }
                _ => Message::Text(&text),
            };
            match op / 3 % 8 {
                0 => connection.send_plain(message).unwrap(),
                1 => {
                    connection.send_prepared(&Prepared::compressed(message, &compression)).unwrap()
                }
                2 => connection.send_prepared(&Prepared::new(message)).unwrap(),
                3 => {
                    connection.forget_sent();
                    connection.send(message).unwrap();
                }
                4 => {
                    connection.ping(b"EURUSD").unwrap();
                    connection.send(message).unwrap();
                }
                _ => connection.send(message).unwrap(),
            }
            wanted.push(message.into_owned());
        }
        let mut wire = vec![];
        while !pair[from].connection.pending().is_empty() {
            let pending = pair[from].connection.pending();
            wire.extend_from_slice(pending);
            let n = pending.len();
            pair[from].connection.sent(n);
        }
        let End { connection, input } = &mut pair[1 - from];
        let mut wanted = wanted.into_iter();
        for piece in pieces(&wire, &sizes) {
            input.extend(piece);
            while let Some(event) = connection.next_event(input).unwrap() {
                if let Event::Message(message) = event {
                    assert_eq!(Some(message.into_owned()), wanted.next());
                }
            }
        }
        assert_eq!(wanted.next(), None);
    }
}

struct End {
    connection: Connection,
    input: Buffer,
}

fn config(reader: &mut Reader<'_>, compression: &Compression) -> Config {
    let compression = compression
        .clone()
        .level(1 + reader.byte() % 9)
        .threshold(reader.pick(&[0, 1, 64, 200]))
        .remember_sent(reader.pick(&SIZES))
        .remember_received(reader.pick(&SIZES));
    Config::builder().compression(compression).build().unwrap()
}

/// A server and its client.
fn pair(reader: &mut Reader<'_>, compression: &Compression) -> [End; 2] {
    let (server, client) = (config(reader, compression), config(reader, compression));
    let request = client::Request::new("ws://example.com/").unwrap();
    let (mut acceptor, mut connector) = (Acceptor::new(&server), Connector::new(request, &client));
    let mut input = Buffer::new();
    input.extend(connector.pending());
    connector.sent(connector.pending().len());
    let Some(Incoming::Upgrade(request)) = acceptor.next(&mut input).unwrap() else {
        panic!("no request to upgrade");
    };
    let mut server = End { connection: acceptor.accept(request.accept()).unwrap(), input };
    let mut input = Buffer::new();
    input.extend(server.connection.pending());
    let n = server.connection.pending().len();
    server.connection.sent(n);
    connector.next(&mut input).unwrap().unwrap();
    let connection = connector.connect().unwrap();
    assert!(connection.is_compressed() && server.connection.is_compressed());
    [server, End { connection, input }]
}

/// Changes the text a little: something at its end, or all of it once more.
fn vary(text: &mut String, reader: &mut Reader<'_>) {
    let op = reader.byte();
    match op {
        0..200 => text.extend(format!(",{op}").chars()),
        200..220 if text.len() < 20_000 => text.push_str(&text.clone()),
        _ => {
            let mut half = text.len() / 2;
            while !text.is_char_boundary(half) {
                half += 1;
            }
            text.truncate(half);
        }
    }
}

/// Up to 255 bytes, as they are or over and over.
fn noise(reader: &mut Reader<'_>) -> Vec<u8> {
    let (n, times) = (reader.byte(), reader.byte());
    let bytes = reader.bytes(n.into());
    bytes.repeat(if times % 4 == 0 { usize::from(times) } else { 1 })
}
