//! The other end: it opens a connection by a request in bytes, and compresses and inflates by other means.

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush};
use sansocket::handshake::{Acceptor, Connector, Incoming, client};
use sansocket::{Buffer, Compression, Config, Connection};

use crate::common::rng::Rng;
use crate::common::session::{Session, config};
use crate::common::wire::{self, Frame};
use crate::handshake::{Answer, with};
use crate::reference::{Fault, inflate};

pub(crate) const RSV1: u8 = 0x40;
pub(crate) const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];

pub(crate) fn configured(compression: Compression) -> Config {
    config(|config| config.compression(compression))
}

/// A server's connection to a client that offered this, and the answer.
pub(crate) fn accept(offer: &str, config: &Config) -> (Session, Vec<String>) {
    let mut input = Buffer::new();
    let line = format!("Sec-WebSocket-Extensions: {offer}");
    input.extend(&with(&[&line]));
    let mut acceptor = Acceptor::new(config);
    let Some(Incoming::Upgrade(request)) = acceptor.next(&mut input).unwrap() else {
        panic!("no request to upgrade");
    };
    let connection = acceptor.accept(request.accept()).unwrap();
    let mut session = Session { connection, input };
    let answer = Answer::read(&session.output());
    assert_eq!(answer.status, 101);
    (session, answer.values("Sec-WebSocket-Extensions").into_iter().map(str::to_owned).collect())
}

/// A server with the defaults, and a client that offers what Chromium does.
pub(crate) fn server() -> Session {
    server_with(Compression::new())
}

pub(crate) fn server_with(compression: Compression) -> Session {
    accept("permessage-deflate; client_max_window_bits", &configured(compression)).0
}

/// Both ends of a connection.
pub(crate) fn pair(server: &Config, client: &Config) -> (Session, Session) {
    let request = client::Request::new("ws://example.com/").unwrap();
    let (mut acceptor, mut connector) = (Acceptor::new(server), Connector::new(request, client));
    let mut input = Buffer::new();
    input.extend(connector.pending());
    connector.sent(connector.pending().len());
    let Some(Incoming::Upgrade(request)) = acceptor.next(&mut input).unwrap() else {
        panic!("no request to upgrade");
    };
    let mut session = Session { connection: acceptor.accept(request.accept()).unwrap(), input };
    let mut input = Buffer::new();
    input.extend(&session.output());
    connector.next(&mut input).unwrap().unwrap();
    (session, Session { connection: connector.connect().unwrap(), input })
}

/// Reads the frames of a server or client, which may refer to those before them.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) window: usize,
    pub(crate) takeover: bool,
    history: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(bits: u8, takeover: bool) -> Self {
        Self { window: 1 << bits, takeover, history: vec![] }
    }

    /// The payload of a data frame.
    pub(crate) fn read(&mut self, frame: &Frame) -> Result<Vec<u8>, Fault> {
        if frame.first & RSV1 == 0 {
            return Ok(frame.payload.clone());
        }
        let message = inflate(&frame.payload, &self.history, self.window)?;
        if self.takeover {
            self.history.extend_from_slice(&message);
            let surplus = self.history.len().saturating_sub(self.window);
            self.history.drain(..surplus);
        }
        Ok(message)
    }
}

/// Compresses messages, each of which may refer to those before it.
pub(crate) struct Writer(CompressorOxide);

impl Writer {
    pub(crate) fn new() -> Self {
        let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(6, 0, 0));
        compressor.set_format_and_level(DataFormat::Raw, 6);
        Self(compressor)
    }

    pub(crate) fn write(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; message.len() * 2 + 1000];
        let result = deflate(&mut self.0, message, &mut out, MZFlush::Sync);
        result.status.unwrap();
        assert_eq!(result.bytes_consumed, message.len());
        out.truncate(result.bytes_written);
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }
}

/// A message compressed alone.
pub(crate) fn compressed(message: &[u8]) -> Vec<u8> {
    Writer::new().write(message)
}

/// A compressed message as a client sends it, in one frame.
pub(crate) fn message(first: u8, payload: &[u8]) -> Vec<u8> {
    wire::client(first | RSV1, payload)
}

/// Something like what people send: JSON of this length, or nearly.
pub(crate) fn json(rng: &mut Rng, len: usize) -> String {
    let mut text = String::from("[");
    while text.len() + 80 < len {
        let (id, price) = (rng.below(100_000), rng.below(10_000));
        let name = rng.pick(&["EURUSD", "BTCUSD", "GBPJPY", "XAUUSD"]);
        text +=
            &format!("{{\"id\":{id},\"symbol\":\"{name}\",\"bid\":{price}.{id:05},\"ok\":true}},");
    }
    while text.len() + 1 < len {
        text.push(' ');
    }
    text + "]"
}

/// The data frames that a connection has to write.
pub(crate) fn frames(connection: &mut Connection) -> Vec<Frame> {
    let mut output = vec![];
    while !connection.pending().is_empty() {
        output.extend_from_slice(connection.pending());
        connection.sent(connection.pending().len());
    }
    wire::parse(&output)
}
