//! Our client and our server, with a network between them that delivers in any portions:
//!
//! * either side hears what the other said, all of it, in order and equal, up to and with the Close, even
//!   when a proxy splits messages into fragments and puts pongs between them (RFC 6455 §5.4);
//! * the latest ping of either side is answered, as long as nobody closes;
//! * in the end both are finished if one closed, and neither has anything left to say;
//! * an offer is accepted by our server and verified by our client, byte for byte as it was made;
//! * an answer that our client accepts switches to a WebSocket, answers its key, and agrees to what was
//!   offered; the verdict is the same however the answer is cut.

use std::collections::VecDeque;

use sansocket::handshake::{Acceptor, Connector, client};
use sansocket::{Buffer, CloseCode, Config, Connection, Event, Origins, Prepared};

use super::reader::{Reader, pieces};
use super::reference::Seen;
use super::wire::{self, BINARY, CLOSE, CONTINUATION, Frame, MORE, PONG, Peer, TEXT};
use super::{rules, sha1, stream};

/// The payload of the proxy's pongs.
const PROXY: &[u8] = b"proxy";

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    match reader.byte() {
        0xfe => offer(&mut reader),
        0xff => verify(&mut reader),
        flags => talk(&mut reader, flags),
    }
}

fn talk(reader: &mut Reader<'_>, flags: u8) {
    let config = Config::builder().max_queue(3000).build().unwrap();
    let proxy = flags & 1 != 0;
    let mut client = End::new(Connection::client(&config), Peer::of_client(), proxy);
    let mut server = End::new(Connection::server(&config), Peer::of_server(), proxy);
    while !reader.is_empty() {
        let op = reader.byte();
        let (from, to) = match op & 1 {
            0 => (&mut client, &mut server),
            _ => (&mut server, &mut client),
        };
        match op / 2 % 8 {
            0 | 1 => from.send(reader),
            2 => from.ping(reader),
            3 => from.write(1 + 8 * usize::from(reader.byte()), reader),
            4 | 5 => from.write(usize::MAX, reader),
            6 => to.receive(&mut from.network, 1 + usize::from(reader.byte()), op & 16 != 0),
            _ => match reader.byte() {
                0..240 => to.receive(&mut from.network, usize::MAX, op & 16 != 0),
                _ => from.close(reader),
            },
        }
    }
    while client.has_more() || server.has_more() {
        client.write(usize::MAX, reader);
        server.receive(&mut client.network, usize::MAX, true);
        server.write(usize::MAX, reader);
        client.receive(&mut server.network, usize::MAX, true);
    }
    let closed = client.said.last().is_some_and(|said| matches!(said, Seen::Close { .. }));
    for (speaker, listener) in [(&client, &server), (&server, &client)] {
        assert_eq!(speaker.said, listener.heard);
        assert_eq!(speaker.connection.is_closed(), closed);
        assert!(speaker.connection.pending().is_empty());
        assert!(closed || speaker.latest_ping.is_none(), "a ping was not answered");
    }
}

struct End {
    connection: Connection,
    input: Buffer,
    /// Messages that were taken to be sent; last a Close.
    said: Vec<Seen>,
    heard: Vec<Seen>,
    pings: Vec<Vec<u8>>,
    latest_ping: Option<Vec<u8>>,
    /// Watches over what is written.
    peer: Peer,
    proxy: bool,
    /// What is on its way to the other side.
    network: VecDeque<u8>,
}

impl End {
    fn new(connection: Connection, peer: Peer, proxy: bool) -> Self {
        Self {
            connection,
            input: Buffer::new(),
            said: vec![],
            heard: vec![],
            pings: vec![],
            latest_ping: None,
            peer,
            proxy,
            network: VecDeque::new(),
        }
    }

    fn send(&mut self, reader: &mut Reader<'_>) {
        let op = reader.byte();
        let payload = stream::payload(reader, op / 4 % 16);
        let (said, result) = match std::str::from_utf8(&payload) {
            Ok(text) if op & 1 == 0 => {
                let result = match op & 2 {
                    0 => self.connection.send(text),
                    _ => self.connection.send_prepared(&Prepared::new(text)),
                };
                (Seen::Text(text.into()), result)
            }
            _ => {
                let result = match op & 2 {
                    0 => self.connection.send(&payload),
                    _ => self.connection.send_prepared(&Prepared::new(&payload)),
                };
                (Seen::Binary(payload), result)
            }
        };
        if result.is_ok() {
            self.said.push(said);
        }
    }

    fn ping(&mut self, reader: &mut Reader<'_>) {
        let len = reader.below(126);
        let payload = reader.bytes(len);
        if payload != PROXY && self.connection.ping(payload).is_ok() {
            self.pings.push(payload.to_vec());
            self.latest_ping = Some(payload.to_vec());
        }
    }

    fn close(&mut self, reader: &mut Reader<'_>) {
        let codes = [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::BAD_GATEWAY];
        let code = reader.pick(&codes);
        let reason = "é".repeat(reader.below(62));
        self.connection.close(code, &reason).unwrap();
    }

    /// Writes some of what is pending to the network.
    fn write(&mut self, mut most: usize, reader: &mut Reader<'_>) {
        while most > 0 && !self.connection.pending().is_empty() {
            let pending = self.connection.pending();
            let now = pending.len().min(most);
            self.peer.take(&pending[..now]);
            if !self.proxy {
                self.network.extend(&pending[..now]);
            }
            self.connection.sent(now);
            most -= now;
            for frame in std::mem::take(&mut self.peer.frames) {
                if frame.first == CLOSE {
                    self.said.push(close(&frame.payload));
                }
                if self.proxy {
                    self.network.extend(self.pass_on(&frame, reader));
                }
            }
        }
    }

    /// What a proxy makes of a frame.
    fn pass_on(&self, frame: &Frame, reader: &mut Reader<'_>) -> Vec<u8> {
        let key = self.peer.masked.then(|| [reader.byte(), 1, 2, 3]);
        let sizes = match frame.first {
            TEXT | BINARY => reader.sizes(),
            _ => vec![],
        };
        let mut passed_on = vec![];
        let mut first = frame.first;
        let mut rest = &frame.payload[..];
        for size in sizes {
            let (fragment, behind) = rest.split_at(size.min(rest.len()));
            passed_on.extend(wire::frame(first & MORE, key, fragment));
            if size & 1 == 0 {
                passed_on.extend(wire::frame(PONG, key, PROXY));
            }
            (first, rest) = (CONTINUATION, behind);
        }
        passed_on.extend(wire::frame(first, key, rest));
        passed_on
    }

    /// Receives up to `most` bytes from the network.
    fn receive(&mut self, network: &mut VecDeque<u8>, most: usize, by_reads: bool) {
        let arrived: Vec<u8> = network.drain(..most.min(network.len())).collect();
        let mut rest = &arrived[..];
        while !rest.is_empty() {
            match by_reads {
                true => assert!(self.input.read_from(&mut rest).unwrap() > 0),
                false => self.input.extend(std::mem::take(&mut rest)),
            }
            while let Some(event) = self.connection.next_event(&mut self.input).unwrap() {
                match event {
                    Event::Ping(_) | Event::Pong(PROXY) => {}
                    Event::Pong(payload) => {
                        assert!(
                            self.pings.iter().any(|ping| ping == payload),
                            "a pong for nothing"
                        );
                        self.latest_ping = self.latest_ping.take().filter(|ping| ping != payload);
                    }
                    Event::Close(close) => {
                        assert!(!close.mid_message);
                        self.heard.push(event.into());
                    }
                    Event::Message(message) => self.heard.push(message.into()),
                    _ => panic!("{event:?} is new"),
                }
            }
        }
    }

    fn has_more(&self) -> bool {
        !self.connection.pending().is_empty() || !self.network.is_empty()
    }
}

/// A Close as the other side is to see it.
fn close(body: &[u8]) -> Seen {
    let code = body.first_chunk().map(|code| u16::from_be_bytes(*code));
    let reason = String::from_utf8(body.get(2..).unwrap_or_default().to_vec()).unwrap();
    Seen::Close { code, reason, mid_message: false }
}

/// An offer for whatever URL, with whatever in it.
fn offer(reader: &mut Reader<'_>) {
    const COMMON: [&str; 12] = [
        "chat",
        "superchat",
        "Cookie",
        "Sec-WebSocket-Key",
        "Host",
        "X-A",
        "x\r\ny",
        "Origin",
        "http://a",
        "Upgrade",
        "example.com",
        "é",
    ];
    let mut text = || match reader.byte() {
        len @ 0..192 => String::from_utf8_lossy(reader.bytes(len.into())).into_owned(),
        n => COMMON[usize::from(n) % COMMON.len()].to_owned(),
    };
    let url = text();
    let mut offer = match client::Request::new(&url) {
        Ok(offer) => offer,
        Err(error) => return assert_eq!(error, client::BuildError::Url),
    };
    let (mut subprotocols, mut headers) = (vec![], vec![]);
    for _ in 0..3 {
        let (name, value, other) = (text(), text(), text());
        match offer.clone().subprotocol(&name) {
            Ok(more) => {
                assert!(rules::is_token(name.as_bytes()) && !subprotocols.contains(&name));
                subprotocols.push(name);
                offer = more;
            }
            Err(error) => assert_eq!(error, client::BuildError::Subprotocol),
        }
        // What a server would refuse, rightly, if we let users write it.
        let refused =
            ["content-length", "transfer-encoding"].contains(&&*other.to_ascii_lowercase());
        match offer.clone().header(&other, &value) {
            Ok(more) => {
                assert!(!refused && rules::is_token(other.as_bytes()));
                if !other.eq_ignore_ascii_case("Origin") {
                    headers.push((other, rules::trim(value.as_bytes()).to_vec()));
                    offer = more;
                }
            }
            Err(error) => assert_eq!(error, client::BuildError::Header),
        }
    }

    let config = Config::builder().origins(Origins::Any).build().unwrap();
    let mut input = Buffer::new();
    input.extend(&offer.to_bytes());
    let request = Acceptor::new(&config).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    assert!(input.is_empty());
    assert!(request.subprotocols().eq(&subprotocols));
    let last = request.headers().skip(request.headers().count() - headers.len());
    assert!(last.eq(headers.iter().map(|(name, value)| (&**name, &**value))));
    let authority = std::str::from_utf8(request.header("Host").unwrap()).unwrap();
    assert!(authority.trim_start_matches('[').starts_with(offer.host()));
    let (_, rest) = url.split_once("://").unwrap();
    let resource = &rest[rest.find(['/', '?']).unwrap_or(rest.len())..];
    assert!(request.target() == resource || request.target() == ["/", resource].concat());

    let mut response = request.accept();
    if let Some(name) = subprotocols.last() {
        response = response.subprotocol(name).unwrap();
    }
    input.extend(&response.to_bytes());
    input.extend(b"\x81\x02hi");
    let mut connector = Connector::new(offer, &config);
    let accepted = connector.next(&mut input).unwrap().unwrap();
    assert_eq!(accepted.subprotocol(), subprotocols.last().map(String::as_str));
    assert_eq!(input.unread(), b"\x81\x02hi");
}

/// Whatever a server may answer. A byte of 255 stands for the right accept key, some others for
/// what is often right.
fn verify(reader: &mut Reader<'_>) {
    const PHRASES: [&str; 12] = [
        "HTTP/1.1 101 Switching Protocols\r\n",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Sec-WebSocket-Accept: ",
        "Sec-WebSocket-Protocol: chat\r\n",
        "\r\n",
        "\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n",
        "Sec-WebSocket-Extensions: x\r\n",
        "Content-Length: 0\r\n",
        "superchat",
        "Sec-WebSocket-Protocol: ",
    ];
    let offer = client::Request::new("ws://a").unwrap().subprotocol("chat").unwrap();
    let offer = offer.subprotocol("superchat").unwrap();
    let config = Config::builder().max_head(1000).max_target(1000).build().unwrap();
    let request = String::from_utf8(offer.to_bytes()).unwrap();
    let key = request.split_once("Sec-WebSocket-Key: ").unwrap().1;
    let accept = sha1::accept_key(&key[..24]);
    let sizes = reader.sizes();
    let mut answer = vec![];
    for byte in reader.rest() {
        match *byte {
            255 => answer.extend(accept.as_bytes()),
            128.. => answer.extend(PHRASES[usize::from(*byte) % PHRASES.len()].as_bytes()),
            byte => answer.push(byte),
        }
    }

    let run = |sizes: &[usize]| {
        let (mut input, mut arrived) = (Buffer::new(), 0);
        let mut connector = Connector::new(offer.clone(), &config);
        for piece in pieces(&answer, sizes) {
            arrived += piece.len();
            input.extend(piece);
            match connector.next(&mut input) {
                // All that arrived, but for interim responses.
                Ok(None) => assert!(answer[..arrived].ends_with(input.unread())),
                Ok(Some(accepted)) => {
                    input.extend(&answer[arrived..]);
                    return Some((Ok(accepted), input.unread().to_vec()));
                }
                Err(error) => return Some((Err(error), vec![])),
            }
        }
        None
    };
    let outcome = run(&[]);
    for sizes in [&[1][..], &sizes] {
        assert_eq!(format!("{:?}", run(sizes)), format!("{outcome:?}"));
    }
    match outcome {
        None => {}
        Some((Ok(accepted), rest)) => {
            let head = String::from_utf8_lossy(&answer[..answer.len() - rest.len()]);
            let mut head = head.trim_start();
            while !head[8..].starts_with(" 101") {
                assert!(head[8..].starts_with(" 1"), "an interim response");
                head = head.split_once("\r\n\r\n").unwrap().1.trim_start();
            }
            let lines: Vec<_> = head.split("\r\n").collect();
            assert!(lines[0].starts_with("HTTP/1.") && lines[0][8..].starts_with(" 101"));
            let all = |name: &str| {
                let pairs = lines[1..].iter().filter_map(|line| line.split_once(':'));
                let named = pairs.filter(|(other, _)| other.eq_ignore_ascii_case(name));
                named.map(|(_, value)| rules::trim(value.as_bytes()).to_vec()).collect::<Vec<_>>()
            };
            assert!(
                all("Upgrade").len() == 1 && all("Upgrade")[0].eq_ignore_ascii_case(b"websocket")
            );
            let connection: Vec<_> = all("Connection").join(&b","[..]).to_ascii_lowercase();
            assert!(rules::members(&[&connection]).contains(&&b"upgrade"[..]));
            assert_eq!(all("Sec-WebSocket-Accept"), [accept.as_bytes()]);
            assert!(all("Sec-WebSocket-Extensions").is_empty());
            let agreed = accepted.subprotocol();
            let agreed: Vec<_> = agreed.iter().map(|name| name.as_bytes().to_vec()).collect();
            assert_eq!(all("Sec-WebSocket-Protocol"), agreed);
            assert!(agreed.is_empty() || [&b"chat"[..], b"superchat"].contains(&&*agreed[0]));
        }
        Some((Err(client::Error::Refused { status, .. }), _)) => assert_ne!(status, 101),
        Some((Err(_), _)) => {}
    }
}
