//! Properties of whatever one may come up with; a case that fails is made as small as possible.
//!
//! `PROPTEST_CASES=100000 cargo test --all-features --test properties` looks further.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use proptest::collection::vec;
use proptest::prelude::*;
use sansocket::handshake::{Acceptor, Request};
use sansocket::{Buffer, Config, ProtocolError};

use common::session::{Seen, Session};
use common::wire::{self, BINARY, CONTINUATION, TEXT};

const FIN: u8 = 0x80;

/// `bytes` in pieces of these lengths, over and over.
fn pieces<'b>(mut bytes: &'b [u8], lens: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = vec![];
    for len in lens.iter().cycle() {
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
        if bytes.is_empty() {
            break;
        }
    }
    pieces
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    vec(1..200_usize, 1..8)
}

/// Text, nearly text, and anything.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        ".{0,100}".prop_map(String::into_bytes),
        (".{0,100}", any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        }),
        vec(any::<u8>(), 0..100),
    ]
}

fn request(bytes: &[u8]) -> Request {
    let mut input = Buffer::new();
    input.extend(bytes);
    Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap()
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

proptest! {
    // however it is fragmented and however it arrives
    #[test]
    fn text_is_what_std_takes_for_text(text in texts(), fragments in lens(), cuts in lens()) {
        let fragments = pieces(&text, &fragments);
        let last = fragments.len() - 1;
        let mut image = vec![];
        for (i, fragment) in fragments.into_iter().enumerate() {
            let opcode = if i == 0 { TEXT & 0xf } else { CONTINUATION & 0xf };
            image.extend(wire::client(opcode | if i == last { FIN } else { 0 }, fragment));
        }
        let mut session = Session::new();
        let (mut events, mut error) = (vec![], None);
        for piece in pieces(&image, &cuts) {
            let (more, fault) = session.feed(piece);
            events.extend(more);
            error = error.or(fault);
        }
        match String::from_utf8(text) {
            Ok(text) => prop_assert_eq!((events, error), (vec![Seen::text(text)], None)),
            Err(_) => prop_assert_eq!((events, error), (vec![], Some(ProtocolError::InvalidText))),
        }
    }

    // R-051, V76, HS-35: what can be said is said as it is, and nothing else with it
    #[test]
    fn a_header_of_a_response_is_one_header(name in "[!-~]{0,12}|.{0,5}", value in "[ -~]{0,20}|.{0,9}") {
        if let Ok(response) = request(REQUEST.as_bytes()).accept().header(&name, &value) {
            let bytes = response.to_bytes();
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut parsed = httparse::Response::new(&mut headers);
            prop_assert_eq!(parsed.parse(&bytes), Ok(httparse::Status::Complete(bytes.len())));
            prop_assert_eq!(parsed.headers.len(), 4);
            let last = &parsed.headers[3];
            prop_assert_eq!((last.name, last.value), (&name[..], value.trim_matches([' ', '\t']).as_bytes()));
        }
    }

    // L-02: to the byte
    #[test]
    fn a_message_may_be_as_long_as_the_limit(limit in 1..5000_usize, parts in vec(0..2000_usize, 1..6)) {
        let mut session = Session::with(|config| config.max_message(limit));
        let (mut len, last) = (0, parts.len() - 1);
        for (i, part) in parts.into_iter().enumerate() {
            let opcode = if i == 0 { BINARY & 0xf } else { CONTINUATION & 0xf };
            let frame = wire::client(opcode | if i == last { FIN } else { 0 }, &vec![7; part]);
            let (events, error) = session.feed(&frame);
            len += part;
            if len > limit {
                prop_assert_eq!(error, Some(ProtocolError::MessageTooBig { len: len as u64, max: limit }));
                break;
            }
            let wanted = if i == last { vec![Seen::binary(vec![7; len])] } else { vec![] };
            prop_assert_eq!((events, error), (wanted, None));
        }
    }
}

#[cfg(feature = "client")]
proptest! {
    // no URL brings anything into the request but a host and a target
    #[test]
    fn an_offer_is_a_request_whatever_the_url(
        host in "[a-z0-9.]{1,9}|\\[::[0-9a-f]{1,4}\\]|[^:/?#]{0,6}",
        port in "(:[0-9]{0,5})?",
        resource in prop_oneof!["(/[!-~]{0,9})?([?][!-~]{0,9})?", "([/?#].{0,8})?"],
    ) {
        use sansocket::handshake::client;
        if let Ok(offer) = client::Request::new(&format!("ws://{host}{port}{resource}")) {
            let bytes = offer.to_bytes();
            prop_assert_eq!(String::from_utf8_lossy(&bytes).matches("\r\n").count(), 7);
            let request = request(&bytes);
            let target = request.target();
            prop_assert!(target.starts_with('/') && target.ends_with(&resource), "{}", target);
            let wanted = match port.trim_start_matches([':', '0']) {
                "" | "80" => host,
                port => format!("{host}:{port}"),
            };
            prop_assert_eq!(request.header("host").unwrap(), wanted.as_bytes());
        }
    }

    // both ways at once, in any pieces, and nothing is lost or out of order
    #[test]
    fn a_conversation_arrives(
        messages in vec((any::<bool>(), texts()), 0..20),
        most in lens(),
    ) {
        use sansocket::Connection;
        let mut ends = [
            Session::of(Connection::client(Config::default())),
            Session::of(Connection::server(Config::default())),
        ];
        let (mut sent, mut seen) = ([vec![], vec![]], [vec![], vec![]]);
        let mut messages = messages.into_iter();
        let mut most = most.into_iter().cycle();
        loop {
            let next = messages.next();
            if let Some((from_server, payload)) = next.clone() {
                let from = usize::from(from_server);
                let message = match String::from_utf8(payload) {
                    Ok(text) => Seen::text(text),
                    Err(error) => Seen::binary(error.into_bytes()),
                };
                match &message {
                    Seen::Text(text) => ends[from].connection.send(text).unwrap(),
                    Seen::Binary(bytes) => ends[from].connection.send(bytes).unwrap(),
                    other => unreachable!("{other:?}"),
                }
                sent[1 - from].push(message);
            }
            let mut idle = true;
            for from in 0..2 {
                let n = ends[from].connection.pending().len().min(most.next().unwrap());
                let bytes = ends[from].write(n);
                idle &= n == 0;
                let (events, error) = ends[1 - from].feed(&bytes);
                prop_assert_eq!(error, None);
                seen[1 - from].extend(events);
            }
            if idle && next.is_none() {
                break;
            }
        }
        prop_assert_eq!(seen, sent);
    }
}
