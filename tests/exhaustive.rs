//! What is small enough to be tried in full.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that cannot go on fails"
)]

mod common;

use common::session::{Seen, Session, close_code};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, KEY, MORE, TEXT};
use sansocket::frame::{self, Header};
use sansocket::{Buffer, CloseCode, Config, Connection, Event, Message, ProtocolError};

// CL-09, CL-10, CL-25: all 65,536
#[test]
fn every_close_code() {
    for code in 0..=u16::MAX {
        let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let mut session = Session::new();
        let received = session.feed(&wire::client(CLOSE, &code.to_be_bytes()));
        if legal {
            assert_eq!(received, (vec![Seen::close(code, "")], None));
            assert_eq!(session.output(), wire::failure(code));
        } else {
            assert_eq!(received, (vec![], Some(ProtocolError::InvalidCloseCode(code))));
            assert_eq!(session.output(), wire::failure(1002));
        }
        let ours = CloseCode::new(code);
        assert_eq!(ours.is_some(), legal, "{code}");
        if let Some(ours) = ours.filter(|_| code != 1010) {
            let mut session = Session::new();
            session.connection.close(ours, "").unwrap();
            assert_eq!(session.output(), wire::failure(code));
        }
    }
}

/// Lengths on either side of every rule, for the forms of 16 and of 64 bits.
const MEDIUM: [u16; 8] = [0, 1, 125, 126, 127, 255, 256, 0xffff];
const LONG: [u64; 14] = [
    0,
    125,
    126,
    0xffff,
    0x1_0000,
    0x1_0001,
    0x10_0000,
    0x10_0001,
    (1 << 31) - 1,
    1 << 32,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// All headers with these first two bytes, and their lengths.
fn headers(first: u8, second: u8) -> Vec<(Vec<u8>, u64)> {
    let key = if second & 0x80 == 0 { &[][..] } else { &KEY };
    let with = |extended: &[u8]| [&[first, second], extended, key].concat();
    match second & 0x7f {
        126 => MEDIUM.map(|len| (with(&len.to_be_bytes()), len.into())).to_vec(),
        127 => LONG.map(|len| (with(&len.to_be_bytes()), len)).to_vec(),
        short => vec![(with(&[]), short.into())],
    }
}

/// The largest payload that fits behind those bytes of a message.
type Limit = (u64, u64);

/// The table of RFC 6455 §5.2, §5.4 and §5.5: the fault of a header, and how many of its bytes it
/// takes to see it. `open` and `limit` are what a connection knows besides.
fn fault(bytes: &[u8], len: u64, open: bool, limit: Limit) -> Option<(ProtocolError, usize)> {
    use ProtocolError::*;
    let (fin, opcode) = (bytes[0] >> 7 == 1, bytes[0] & 0xf);
    let form = bytes[1] & 0x7f;
    let extended = [0, 2, 8][usize::from(form.saturating_sub(125))];
    let too_big = MessageTooBig { len: len.saturating_add(limit.1), max: 0x10_0000 };
    let rows = [
        (bytes[0] & 0x70 != 0, ReservedBit, 1),
        ((3..8).contains(&opcode) || opcode > 10, ReservedOpcode(opcode), 1),
        (opcode >= 8 && !fin, FragmentedControl, 1),
        (opcode == 0 && !open, UnexpectedContinuation, 1),
        ((opcode == 1 || opcode == 2) && open, InterleavedMessage, 1),
        (opcode >= 8 && form > 125, LongControl, 2),
        (bytes[1] < 0x80, Unmasked, 2),
        (form == 126 && len < 126, MalformedLength, 4),
        (form == 127 && len >= 1 << 63, MalformedLength, 3),
        (form == 127 && len < 1 << 16, MalformedLength, 10),
        (opcode < 8 && len > limit.0, too_big, 2 + extended),
    ];
    rows.into_iter().find(|row| row.0).map(|(_, error, at)| (error, at))
}

//
// FR-01 to FR-06, FR-09 to FR-12, V02, V03, V05, V07, V09: all first and second bytes
#[test]
fn every_header() {
    for (first, second) in (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b))) {
        for (header, len) in headers(first, second) {
            for open in [None, Some(TEXT), Some(BINARY)] {
                check_header(&header, len, open);
            }
        }
    }
}

fn check_header(header: &[u8], len: u64, open: Option<u8>) {
    let mut session = Session::new();
    if let Some(open) = open {
        session.events(&wire::client(open & MORE, b"ab"));
    }
    let limit = if open.is_some() { (0x10_0000 - 2, 2) } else { (0x10_0000, 0) };
    if let Some((error, at)) = fault(header, len, open.is_some(), limit) {
        assert_eq!(session.feed(&header[..at - 1]), (vec![], None), "{header:x?} {open:?}");
        let rest = &header[at - 1..];
        assert_eq!(session.feed(rest), (vec![], Some(error)), "{header:x?} {open:?}");
        assert_eq!(session.output(), wire::failure(close_code(error)));
        return;
    }
    let opcode = header[0] & 0xf;
    let mut payload = vec![b'x'; len as usize];
    if opcode == 8 && len > 1 {
        payload[..2].copy_from_slice(b"\x0f\xa0");
    }
    let (seen, error) = session.feed(&[header, &wire::xor(&payload, KEY)].concat());
    let mut whole = open.map_or(vec![], |_| b"ab".to_vec());
    whole.extend(&payload);
    let text = || String::from_utf8(payload.get(2..).unwrap_or_default().to_vec()).unwrap();
    let wanted = match (opcode, len) {
        (0..=2, _) if header[0] < 0x80 => vec![],
        (0, _) if open == Some(TEXT) => vec![Seen::text(String::from_utf8(whole).unwrap())],
        (0, _) => vec![Seen::Binary(whole)],
        (1, _) => vec![Seen::text(String::from_utf8(payload).unwrap())],
        (2, _) => vec![Seen::Binary(payload)],
        (8, 1) => {
            assert_eq!((seen, error), (vec![], Some(ProtocolError::TruncatedCloseCode)));
            return;
        }
        (8, _) => vec![Seen::Close((len > 0).then_some(4000), text(), open.is_some())],
        (9, _) => vec![Seen::Ping(payload)],
        _ => vec![Seen::Pong(payload)],
    };
    assert!((seen, error) == (wanted, None), "{header:x?} {open:?}");
}

// FR-04, FR-05, PR1, V06, V07: the codec, which knows the header alone
#[test]
fn every_header_alone() {
    for (first, second) in (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b))) {
        for (bytes, len) in headers(first, second) {
            // Whether a message is open, a mask set, a limit passed is nothing to the codec.
            let mut set = bytes.clone();
            set[1] |= 0x80;
            // RSV1 of a data frame is shown, not judged.
            let rsv1 = first & 0x4f < 0x43 && first & 0x40 != 0;
            if rsv1 {
                set[0] &= !0x40;
            }
            let fault = fault(&set, len, matches!(first & 0xf, 0), (u64::MAX, 0));
            let complete = fault.map_or(bytes.len(), |(_, at)| at);
            for cut in 0..complete {
                assert_eq!(Header::decode(&bytes[..cut]), Ok(None), "{bytes:x?}");
            }
            match (fault, Header::decode(&bytes)) {
                (Some((error, _)), result) => assert_eq!(result, Err(error), "{bytes:x?}"),
                (None, Ok(Some((header, n)))) => {
                    assert_eq!((n, header.len), (bytes.len(), len));
                    assert_eq!((header.fin, header.opcode as u8), (first >= 0x80, first & 0xf));
                    assert_eq!(header.rsv1, rsv1);
                    assert_eq!(header.mask, (second >= 0x80).then_some(KEY));
                    assert_eq!(header.encode().as_ref(), bytes);
                }
                (None, result) => panic!("{bytes:x?}: {result:?}"),
            }
        }
    }
}

// R-094, FR-19: every offset and length up to 128, at every alignment
#[test]
fn every_mask() {
    let plain: Vec<u8> = (0..136).map(|i: u8| i.wrapping_mul(151)).collect();
    for key in [KEY, [0xff; 4], [1, 2, 4, 8]] {
        // Octet i of any payload that is masked with this key is one of these.
        let masks = wire::xor(&[0; 400], key);
        for offset in 0..=128 {
            for len in 0..=128 {
                for start in 0..8 {
                    let mut payload = plain.clone();
                    frame::mask(&mut payload[start..start + len], key, offset);
                    assert_eq!(payload[..start], plain[..start]);
                    assert_eq!(payload[start + len..], plain[start + len..]);
                    let right = (0..len)
                        .all(|i| payload[start + i] == plain[start + i] ^ masks[offset + i]);
                    assert!(right, "{len} bytes from {offset} at {start}");
                }
            }
        }
    }
}

/// The first and the last byte of each class that the definition of UTF-8 tells apart.
const EDGES: [u8; 24] = [
    0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
    0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
];

// FR-23, FR-24: against the standard library, cut at each place.
//
// In full: all sequences of one and two bytes; those of three that begin as a character of three or
// four bytes does; and those of four of which each byte is an edge of its class. Nothing is lost:
// whether a sequence is UTF-8 depends on the classes of its bytes alone (Unicode, table 3-7), and a
// longer sequence that begins otherwise is a character, or a fault, that was tried, and a shorter one.
#[test]
fn every_sequence_of_one_or_two_bytes() {
    let mut text = TextCheck::new();
    for a in 0..=255 {
        text.check(&[a]);
        for b in 0..=255 {
            text.check(&[a, b]);
        }
    }
}

// FR-23, FR-24
#[test]
fn every_sequence_of_three_bytes() {
    let mut text = TextCheck::new();
    for a in 0xe0..=0xf4 {
        for b in 0..=255 {
            for c in 0..=255 {
                text.check(&[a, b, c]);
            }
        }
    }
}

// FR-23, FR-24
#[test]
fn every_sequence_of_four_bytes() {
    let mut text = TextCheck::new();
    for a in EDGES {
        for b in EDGES {
            for c in EDGES {
                for d in EDGES {
                    text.check(&[a, b, c, d]);
                }
            }
        }
    }
}

/// Sends sequences as text; the connection lasts until one is none.
struct TextCheck {
    config: Config,
    connection: Connection,
    input: Buffer,
}

impl TextCheck {
    fn new() -> Self {
        let config = Config::default();
        Self { connection: Connection::server(&config), config, input: Buffer::new() }
    }

    fn check(&mut self, sequence: &[u8]) {
        for cut in 0..=sequence.len() {
            let (front, back) = sequence.split_at(cut);
            // In two fragments.
            if self.piece(&[&frame(TEXT & MORE, front.len()), front], front, false) {
                self.piece(&[&frame(CONTINUATION, back.len()), back], sequence, true);
            }
            // In two reads.
            if cut == 0 || cut == sequence.len() {
                self.piece(&[&frame(TEXT, sequence.len()), sequence], sequence, true);
            } else if self.piece(&[&frame(TEXT, sequence.len()), front], front, false) {
                self.piece(&[back], sequence, true);
            }
        }
        // Where the vector code looks: across the end of its first block of 64 bytes.
        let mut long = [b'x'; 80];
        long[62..62 + sequence.len()].copy_from_slice(sequence);
        if self.piece(&[&frame(TEXT & MORE, 66), &long[..66]], &long[..66], false) {
            self.piece(&[&frame(CONTINUATION, 14), &long[66..]], &long, true);
        }
    }

    /// Receives `bytes`, after which the message is `so_far`; whether the connection goes on.
    fn piece(&mut self, bytes: &[&[u8]], so_far: &[u8], whole: bool) -> bool {
        for bytes in bytes {
            self.input.extend(bytes);
        }
        let result = self.connection.next_event(&mut self.input);
        match std::str::from_utf8(so_far) {
            Ok(text) if whole => {
                assert_eq!(result, Ok(Some(Event::Message(Message::Text(text)))));
                true
            }
            Err(error) if whole || error.error_len().is_some() => {
                assert_eq!(result, Err(ProtocolError::InvalidText), "{so_far:x?}");
                assert_eq!(self.connection.pending(), b"\x88\x02\x03\xef");
                self.input.consume(usize::MAX);
                _ = self.connection.next_event(&mut self.input);
                assert!(self.input.is_empty());
                self.connection = Connection::server(&self.config);
                false
            }
            _ => {
                assert_eq!(result, Ok(None), "{so_far:x?}");
                true
            }
        }
    }
}

/// The header of a frame with a key of zeros.
fn frame(first: u8, len: usize) -> [u8; 6] {
    [first, 0x80 | len as u8, 0, 0, 0, 0]
}
