//! What a client may send, right and wrong, and what a server with the defaults makes of it.

use sansocket::ProtocolError;

use super::session::Seen;
use super::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};

#[derive(Clone, Debug)]
pub(crate) struct Vector {
    pub(crate) bytes: Vec<u8>,
    pub(crate) events: Vec<Seen>,
    pub(crate) error: Option<ProtocolError>,
}

impl Vector {
    fn right(bytes: Vec<u8>, events: Vec<Seen>) -> Self {
        Self { bytes, events, error: None }
    }

    fn wrong(bytes: &[u8], error: ProtocolError) -> Self {
        Self { bytes: bytes.to_vec(), events: vec![], error: Some(error) }
    }

    /// Whether nothing that follows is heard.
    pub(crate) fn is_end(&self) -> bool {
        self.error.is_some() || matches!(self.events.last(), Some(Seen::Close(..)))
    }

    pub(crate) fn then(&self, next: &Self) -> Self {
        let bytes = [&self.bytes[..], &next.bytes].concat();
        if self.is_end() {
            return Self { bytes, ..self.clone() };
        }
        let events = [&self.events[..], &next.events].concat();
        Self { bytes, events, error: next.error }
    }

    /// What a server that echoes answers to it, as long as that is little.
    pub(crate) fn answer(&self) -> Vec<u8> {
        let mut answer = vec![];
        for event in &self.events {
            match event {
                Seen::Text(text) => answer.extend(wire::server(TEXT, text.as_bytes())),
                Seen::Binary(bytes) => answer.extend(wire::server(BINARY, bytes)),
                Seen::Pong(_) => {}
                Seen::Ping(payload) => answer.extend(wire::server(PONG, payload)),
                Seen::Close(code, reason, _) => {
                    let body = code.map_or(vec![], |code| wire::body(code, reason));
                    answer.extend(wire::server(CLOSE, &body));
                }
            }
        }
        let error = self.error.map(|error| wire::failure(super::session::close_code(error)));
        answer.extend(error.unwrap_or_default());
        answer
    }
}

/// After each of these comes a new message.
pub(crate) fn messages() -> Vec<Vector> {
    let text =
        |text: &str| Vector::right(wire::client(TEXT, text.as_bytes()), vec![Seen::text(text)]);
    let binary = |len: usize| {
        let bytes = [0xff].repeat(len);
        Vector::right(wire::client(BINARY, &bytes), vec![Seen::binary(bytes)])
    };
    let join = |frames: &[Vec<u8>], events: Vec<Seen>| Vector::right(frames.concat(), events);
    let c = wire::client;
    vec![
        text(""),
        text("Hello"),
        text("é€🎉"),
        binary(0),
        binary(7),
        Vector::right(wire::masked(BINARY, [0; 4], b"clear"), vec![Seen::binary("clear")]),
        join(&[c(PING, b"?")], vec![Seen::ping("?")]),
        join(&[c(PONG, b"")], vec![Seen::pong("")]),
        join(&[c(TEXT & MORE, b"Hel"), c(CONTINUATION, b"lo")], vec![Seen::text("Hello")]),
        join(&[c(TEXT & MORE, b"\xe2\x82"), c(CONTINUATION, b"\xac")], vec![Seen::text("€")]),
        join(
            &[
                c(BINARY & MORE, b""),
                c(PING, b"1"),
                c(CONTINUATION & MORE, b"\xff"),
                c(PONG, b"2"),
                c(CONTINUATION & MORE, b""),
                c(CONTINUATION, b"\xfe"),
            ],
            vec![Seen::ping("1"), Seen::pong("2"), Seen::binary([0xff, 0xfe])],
        ),
    ]
}

/// Too long to be combined.
pub(crate) fn long_messages() -> Vec<Vector> {
    let mut vectors = vec![];
    for len in [63, 64, 125, 126, 127, 300, 1024, 65_535, 65_536] {
        for front in ["", "é", "€", "🎉"] {
            let text = format!("{front}{}", "xyz".repeat(len / 3 + 1));
            let text = text.chars().take(len - front.len() + usize::from(!front.is_empty()));
            let text: String = text.collect();
            vectors
                .push(Vector::right(wire::client(TEXT, text.as_bytes()), vec![Seen::Text(text)]));
        }
        let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
        vectors.push(Vector::right(wire::client(BINARY, &bytes), vec![Seen::Binary(bytes)]));
    }
    let text = "é€🎉".repeat(30);
    let middle = text.len() / 2 + 1;
    let (a, b) = text.as_bytes().split_at(middle);
    let fragments = [
        wire::client(TEXT & MORE, a),
        wire::client(PING, &[1; 125]),
        wire::client(CONTINUATION, b),
    ];
    vectors.push(Vector::right(fragments.concat(), vec![Seen::ping([1; 125]), Seen::Text(text)]));
    let pings = (0..20).map(|i| wire::client(PING, &[i; 125])).collect::<Vec<_>>().concat();
    vectors.push(Vector::right(pings, (0..20).map(|i| Seen::ping([i; 125])).collect()));
    vectors
}

/// After these nothing is heard.
pub(crate) fn ends() -> Vec<Vector> {
    use ProtocolError::*;
    let too_big = |len| MessageTooBig { len, max: 1 << 20 };
    let close = |body: &[u8], event| Vector::right(wire::client(CLOSE, body), vec![event]);
    let c = |first, payload: &[u8]| wire::client(first, payload);
    let longest = "x".repeat(123);
    let long = |len: u64| [&[BINARY, 0xff], &len.to_be_bytes()[..], b"keys and more"].concat();
    vec![
        close(b"", Seen::close(None, "")),
        close(b"\x03\xe8", Seen::close(1000, "")),
        close(b"\x0f\xa0bye", Seen::close(4000, "bye")),
        close(&wire::body(1001, &longest), Seen::close(1001, &longest)),
        Vector::right(
            [c(TEXT & MORE, b"lost"), c(CLOSE, b"\x03\xe8")].concat(),
            vec![Seen::Close(Some(1000), String::new(), true)],
        ),
        Vector::wrong(&c(0xc1, b"rsv"), ReservedBit),
        Vector::wrong(&c(0x90, b"rsv"), ReservedBit),
        Vector::wrong(&[0xff], ReservedBit),
        Vector::wrong(&c(0x83, b"opcode"), ReservedOpcode(3)),
        Vector::wrong(&c(0x0f, b""), ReservedOpcode(15)),
        Vector::wrong(&c(0x09, b"ping"), FragmentedControl),
        Vector::wrong(&c(PING, &[0; 126]), LongControl),
        Vector::wrong(&c(CONTINUATION, b"of what"), UnexpectedContinuation),
        Vector::wrong(&c(CONTINUATION & MORE, b""), UnexpectedContinuation),
        Vector::wrong(&[c(TEXT & MORE, b"a"), c(TEXT, b"b")].concat(), InterleavedMessage),
        Vector::wrong(&[c(BINARY & MORE, b""), c(TEXT & MORE, b"b")].concat(), InterleavedMessage),
        Vector::wrong(&wire::server(TEXT, b"bare"), Unmasked),
        Vector::wrong(&wire::server(CLOSE, b"\x03\xe8"), Unmasked),
        Vector::wrong(&wire::server(PING, b""), Unmasked),
        Vector::wrong(b"\x81\xfe\0\x7dkeys and more", MalformedLength),
        Vector::wrong(&long(0xffff), MalformedLength),
        Vector::wrong(&long(1 << 63), MalformedLength),
        Vector::wrong(&long(u64::MAX), MalformedLength),
        Vector::wrong(&long(0x10_0001), too_big(0x10_0001)),
        Vector::wrong(&long(1 << 60), too_big(1 << 60)),
        Vector::wrong(
            &[c(TEXT & MORE, b"a"), wire::declare(CONTINUATION, 1 << 20)].concat(),
            too_big((1 << 20) + 1),
        ),
        Vector::wrong(&c(TEXT, b"b\xffd"), InvalidText),
        Vector::wrong(&c(TEXT, b"cut \xe2\x82"), InvalidText),
        Vector::wrong(&c(TEXT & MORE, b"\xed\xa0\x80"), InvalidText),
        Vector::wrong(&[c(TEXT & MORE, b"\xe2"), c(CONTINUATION, b"(")].concat(), InvalidText),
        Vector::wrong(&[c(TEXT & MORE, b"\xe2"), c(CONTINUATION, b"")].concat(), InvalidText),
        Vector::wrong(
            &[wire::declare(TEXT, 100), wire::xor(b"b\xff", wire::KEY)].concat(),
            InvalidText,
        ),
        Vector::wrong(&c(CLOSE, b"\x03"), TruncatedCloseCode),
        Vector::wrong(&c(CLOSE, b"\x03\xed"), InvalidCloseCode(1005)),
        Vector::wrong(&c(CLOSE, b"\x03\xe8\xff"), InvalidCloseReason),
        Vector::wrong(
            &[c(TEXT & MORE, b""), c(CONTINUATION & MORE, b"").repeat(64)].concat(),
            TooManyEmptyFragments,
        ),
    ]
}
