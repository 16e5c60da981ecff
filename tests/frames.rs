//! Base framing and masking, as a server sees them (RFC 6455 §5.2, §5.3).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::{Seen, Session, assert_fails_at_the_end};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, KEY, MORE, PING, PONG, TEXT};
use sansocket::frame::{self, Header, Opcode};
use sansocket::{Prepared, ProtocolError};

// the examples of §5.7, as a client sends them
#[test]
fn the_examples_of_the_rfc_are_understood() {
    let rows: [(&[u8], Seen); 4] = [
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::text("Hello")),
        (
            b"\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d\x80\x82\x37\xfa\x21\x3d\x5b\x95",
            Seen::text("Hello"),
        ),
        (b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::ping("Hello")),
        (b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Seen::pong("Hello")),
    ];
    for (bytes, event) in rows {
        assert_eq!(Session::new().events(bytes), [event], "{bytes:x?}");
    }
    for (header, len) in [
        (&b"\x82\xfe\x01\x00\x37\xfa\x21\x3d"[..], 256),
        (b"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d", 65_536),
    ] {
        let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
        let bytes = [header, &wire::xor(&payload, KEY)].concat();
        assert_eq!(Session::new().events(&bytes), [Seen::binary(payload)]);
    }
}

// the same, as a server sends them
#[test]
fn server_frames_are_unmasked_and_shortest() {
    let mut session = Session::new();
    session.connection.send("Hello").unwrap();
    session.connection.ping(b"Hello").unwrap();
    assert_eq!(session.output(), b"\x81\x05Hello\x89\x05Hello");
    let rows: [(usize, &[u8]); 8] = [
        (0, &[0]),
        (1, &[1]),
        (125, &[125]),
        (126, &[126, 0, 126]),
        (127, &[126, 0, 127]),
        (256, &[126, 1, 0]),
        (65_535, &[126, 0xff, 0xff]),
        (65_536, &[127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ];
    for (len, length) in rows {
        for prepared in [false, true] {
            let bytes = vec![0xa5; len];
            let text = "x".repeat(len);
            if prepared {
                session.connection.send_prepared(&Prepared::new(&bytes)).unwrap();
                session.connection.send_prepared(&Prepared::new(&text)).unwrap();
            } else {
                session.connection.send(&bytes).unwrap();
                session.connection.send(&text).unwrap();
            }
            let wanted = [&[BINARY], length, &bytes, &[TEXT], length, text.as_bytes()].concat();
            assert!(session.output() == wanted, "{len}");
        }
    }
}

// FR-01, L-03, V42 to V51: whatever the frame and wherever it stands
#[test]
fn reserved_bits_fail_the_connection_at_the_first_byte() {
    let open = wire::client(TEXT & MORE, b"a");
    for bits in 1..8 {
        for first in [TEXT, BINARY, CLOSE, PING, PONG, TEXT & MORE, BINARY & MORE, PING & MORE] {
            let first = first | bits << 4;
            assert_fails_at_the_end(b"", &[first], ProtocolError::ReservedBit);
        }
        for first in [CONTINUATION, CONTINUATION & MORE, TEXT, PING, CLOSE] {
            let first = first | bits << 4;
            assert_fails_at_the_end(&open, &[first], ProtocolError::ReservedBit);
        }
    }
}

// FR-02, V09: of any declared length
#[test]
fn reserved_opcodes_fail_the_connection_at_the_first_byte() {
    for opcode in (3..8).chain(11..16) {
        for first in [opcode, 0x80 | opcode] {
            let error = ProtocolError::ReservedOpcode(opcode);
            assert_fails_at_the_end(b"", &[first], error);
            for rest in [wire::declare(first, 1 << 62), wire::client(first, b"payload")] {
                let mut session = Session::new();
                assert_eq!(session.feed(&rest), (vec![], Some(error)));
                common::session::assert_failed(&mut session, error);
            }
        }
    }
}

// R-103, FR-10: at the first byte
#[test]
fn control_frames_are_not_fragmented() {
    for first in [CLOSE, PING, PONG] {
        assert_fails_at_the_end(b"", &[first & MORE], ProtocolError::FragmentedControl);
        let open = wire::client(BINARY & MORE, b"");
        assert_fails_at_the_end(&open, &[first & MORE], ProtocolError::FragmentedControl);
    }
}

// FR-09, V36: at the second byte
#[test]
fn control_frames_carry_at_most_125_bytes() {
    for first in [CLOSE, PING, PONG] {
        for second in [0xfe, 0xff] {
            assert_fails_at_the_end(b"", &[first, second], ProtocolError::LongControl);
        }
    }
    let longest = wire::client(PONG, &[7; 125]);
    assert_eq!(Session::new().events(&longest), [Seen::pong([7; 125])]);
}

// R-090, FR-03: at the second byte
#[test]
fn frames_of_a_client_are_masked() {
    let open = wire::client(TEXT & MORE, b"a");
    for second in [0, 5, 125, 126, 127] {
        for first in [TEXT, BINARY, TEXT & MORE, BINARY & MORE] {
            assert_fails_at_the_end(b"", &[first, second], ProtocolError::Unmasked);
        }
        for first in [CONTINUATION, CONTINUATION & MORE] {
            assert_fails_at_the_end(&open, &[first, second], ProtocolError::Unmasked);
        }
        for first in [CLOSE, PING, PONG] {
            if second <= 125 {
                assert_fails_at_the_end(b"", &[first, second], ProtocolError::Unmasked);
            }
        }
    }
}

// R-082, FR-04: at the last byte of the length
#[test]
fn lengths_come_in_their_shortest_form() {
    let long = |len: u64| [&[BINARY, 0xff], &len.to_be_bytes()[..]].concat();
    for len in 0..=125 {
        assert_fails_at_the_end(b"", &[TEXT, 0xfe, 0, len], ProtocolError::MalformedLength);
    }
    for len in [0, 1, 125, 126, 0x100, 0xfffe, 0xffff] {
        assert_fails_at_the_end(b"", &long(len), ProtocolError::MalformedLength);
    }
    for header in [vec![TEXT, 0xfe, 0, 126], long(0x1_0000)] {
        assert_eq!(Session::new().feed(&header), (vec![], None), "{header:x?}");
    }
}

// R-083, FR-05, V02, V03, V04, V05: at the third byte
#[test]
fn the_top_bit_of_a_length_is_zero() {
    for top in 0x80..=0xff {
        assert_fails_at_the_end(b"", &[BINARY, 0xff, top], ProtocolError::MalformedLength);
    }
    for length in [&[0xff; 8], b"\x80\0\0\0\0\0\0\x01", b"\x80\0\0\0\0\0\0\0"] {
        let bytes = [&[BINARY, 0xff], &length[..]].concat();
        let failed = (vec![], Some(ProtocolError::MalformedLength));
        assert_eq!(Session::new().feed(&bytes), failed);
    }
}

// FR-05, FR-06, FR-07, V04, V06, V08, V10, V17, L-01: at the last byte
// of the length
#[test]
fn a_length_beyond_the_limit_is_refused_from_the_header() {
    let too_big = |len| ProtocolError::MessageTooBig { len, max: 0x10_0000 };
    for len in [0x10_0001, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 5, 1 << 60] {
        let header = wire::declare(BINARY, len);
        assert_fails_at_the_end(b"", &header[..10], too_big(len));
    }
    let header = wire::declare(TEXT, (1 << 63) - 1);
    assert_fails_at_the_end(b"", &header[..10], too_big((1 << 63) - 1));
}

// FR-02, FR-03, V09: of several faults, the one that comes first
#[test]
fn the_first_fault_is_the_one_reported() {
    use ProtocolError::*;
    let open = wire::client(TEXT & MORE, b"a");
    let none = &b""[..];
    let rows: [(&[u8], &[u8], ProtocolError); 13] = [
        (none, &[0xff, 0x7f], ReservedBit),
        (none, &[0xc3, 0x05], ReservedBit),
        (none, &[0x40, 0x00], ReservedBit),
        (none, &[0x0b, 0xfe], ReservedOpcode(11)),
        (none, &[0x03, 0x05], ReservedOpcode(3)),
        (none, &[0x09, 0xfe], FragmentedControl),
        (none, &[0x08, 0x01], FragmentedControl),
        (none, &[0x80, 0x7f, 0xff], UnexpectedContinuation),
        (&open, &[0x81, 0x7f, 0xff], InterleavedMessage),
        (none, &[0x89, 0x7e, 0, 1], LongControl),
        (none, &[0x82, 0x7e, 0, 1], Unmasked),
        (none, &[0x82, 0x7f, 0xff], Unmasked),
        (none, &[0x82, 0xff, 0xff, 0xff], MalformedLength),
    ];
    for (before, bytes, error) in rows {
        let mut session = Session::new();
        session.events(before);
        assert_eq!(session.feed(bytes), (vec![], Some(error)), "{bytes:x?}");
    }
}

// FR-18
#[test]
fn every_frame_may_be_empty() {
    let rows = [
        (TEXT, Seen::text("")),
        (BINARY, Seen::binary([])),
        (PING, Seen::ping([])),
        (PONG, Seen::pong([])),
        (CLOSE, Seen::close(None, "")),
    ];
    for (first, event) in rows {
        assert_eq!(Session::new().events(&wire::client(first, b"")), [event]);
    }
    let mut session = Session::new();
    assert_eq!(session.events(&wire::client(BINARY & MORE, b"")), []);
    assert_eq!(session.events(&wire::client(CONTINUATION & MORE, b"")), []);
    assert_eq!(session.events(&wire::client(CONTINUATION, b"")), [Seen::binary([])]);
}

// FR-19: the key starts over with each frame
#[test]
fn any_key_unmasks_a_payload_of_any_length_at_any_place() {
    let keys = [KEY, [0; 4], [0xff; 4], [1, 2, 3, 4], [0, 0, 0, 1]];
    for len in 0..=130 {
        let payload: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(7)).collect();
        for before in 0..16 {
            let mut session = Session::new();
            let mut bytes = wire::client(PONG, &vec![0; before]);
            let mut wanted = vec![Seen::pong(vec![0; before])];
            for key in keys {
                bytes.extend(wire::masked(BINARY, key, &payload));
                wanted.push(Seen::binary(payload.clone()));
            }
            assert_eq!(session.events(&bytes), wanted, "{len} bytes after {before}");
        }
    }
}

// V13: the drafts before RFC 6455 are not spoken
#[test]
fn the_lengths_of_old_drafts_are_no_frames() {
    let error = Some(ProtocolError::UnexpectedContinuation);
    assert_eq!(Session::new().feed(&[0x80; 1000]), (vec![], error));
    let error = Some(ProtocolError::UnexpectedContinuation);
    assert_eq!(Session::new().feed(b"\0text\xff"), (vec![], error));
}

// R-157, FR-25, V15: what is complete comes first, then the fault
#[test]
fn messages_before_a_fault_are_delivered() {
    let good = [wire::client(TEXT, b"one"), wire::client(BINARY, b"two")].concat();
    let bytes = [&good[..], &[0x83], &wire::client(TEXT, b"never")].concat();
    let mut session = Session::new();
    let error = ProtocolError::ReservedOpcode(3);
    let wanted = vec![Seen::text("one"), Seen::binary(*b"two")];
    assert_eq!(session.feed(&bytes), (wanted, Some(error)));
    common::session::assert_failed(&mut session, error);
}

// R-094, FR-19: the function for tools
#[test]
fn masking_goes_on_at_any_offset() {
    let payload: Vec<u8> = (0..=255).collect();
    for cut in 0..=payload.len() {
        let mut masked = payload.clone();
        frame::mask(&mut masked[..cut], KEY, 0);
        frame::mask(&mut masked[cut..], KEY, cut);
        assert_eq!(masked, wire::xor(&payload, KEY));
    }
}

// the codec for tools says what the connection says
#[test]
fn the_header_codec_drops_no_bit_but_the_one_that_does_not_exist() {
    let header =
        |len| Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask: Some(KEY), len };
    for len in [0, 125, 126, 65_535, 65_536, (1 << 63) - 1] {
        assert_eq!(header(len).encode().as_ref(), wire::declare(BINARY, len));
    }
    assert_eq!(header(1 << 63 | 0x1_2345).encode().as_ref(), wire::declare(BINARY, 0x1_2345));
}
