//! Messages that are larger than they look.

use sansocket::{Compression, ConfigBuilder, ProtocolError};

use crate::common::session::{Seen, Session, config};
use crate::common::wire::{self, BINARY, CONTINUATION, MORE, TEXT};
use crate::peer::{RSV1, accept, compressed, message};

fn server(build: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Session {
    let config = config(|config| build(config.compression(Compression::new())));
    accept("permessage-deflate", &config).0
}

// CO-01, V42 to V45, D-50: exactly the limit passes
#[test]
fn the_limit_is_on_the_decompressed_message() {
    for max in [100, 4096, 65_536, 65_537, 200_000, 1 << 20] {
        for (len, fits) in [(max - 1, true), (max, true), (max + 1, false), (max * 1000, false)] {
            if len > 100 << 20 {
                continue;
            }
            let mut session = server(|config| config.max_message(max));
            let payload = bomb(len);
            let (seen, error) = session.feed(&message(BINARY, &payload));
            match fits {
                true => assert_eq!((seen, error), (vec![Seen::binary(vec![0; len])], None)),
                false => {
                    assert_eq!(seen, []);
                    // A bomb may be too large as it is.
                    let Some(ProtocolError::MessageTooBig { max: told, .. }) = error else {
                        panic!("{max}, {len}: {error:?}");
                    };
                    assert_eq!(told, max);
                    assert_eq!(session.output(), wire::failure(1009));
                }
            }
        }
    }
}

fn bomb(len: usize) -> Vec<u8> {
    compressed(&vec![0; len])
}

// CO-02: over many fragments, and again and again
#[test]
fn the_limit_holds_for_each_message() {
    let mut session = server(|config| config.max_message(100_000));
    let payload = bomb(100_000);
    for _ in 0..50 {
        let bytes: Vec<u8> = payload
            .iter()
            .enumerate()
            .flat_map(|(i, byte)| {
                let first = if i == 0 { (BINARY | RSV1) & MORE } else { CONTINUATION & MORE };
                wire::client(first, &[*byte])
            })
            .chain(wire::client(CONTINUATION, b""))
            .collect();
        assert_eq!(session.events(&bytes), [Seen::binary(vec![0; 100_000])]);
    }
    let (seen, error) = session.feed(&message(BINARY, &bomb(100_001)));
    assert!(seen.is_empty() && matches!(error, Some(ProtocolError::MessageTooBig { .. })));
}

// V46, CL-23: the first error stays
#[test]
fn nothing_is_read_behind_a_message_that_was_too_big() {
    let mut session = server(|config| config.max_message(1000));
    let garbage = [&bomb(2000)[..], &[0xff; 50]].concat();
    let (_, error) = session.feed(&message(BINARY, &garbage));
    assert!(matches!(error, Some(ProtocolError::MessageTooBig { max: 1000, .. })), "{error:?}");
    let again = [message(BINARY, &[7; 10]), wire::client(TEXT, b"x")].concat();
    assert_eq!(session.feed(&again), (vec![], error));
    assert_eq!(session.output(), wire::failure(1009));
}

// CO-01: on the wire a message may be a little longer than it is, and no more
#[test]
fn the_wire_has_a_limit_too() {
    let max = 10_000;
    let limit = max + max / 8 + 64;
    let mut session = server(|config| config.max_message(max));
    let header = wire::declare(BINARY | RSV1, limit as u64);
    assert_eq!(session.feed(&header), (vec![], None));
    let mut session = server(|config| config.max_message(max));
    let header = wire::declare(BINARY | RSV1, limit as u64 + 1);
    let (_, error) = session.feed(&header);
    assert!(matches!(error, Some(ProtocolError::MessageTooBig { .. })), "{error:?}");
    let mut session = server(|config| config.max_message(max));
    let header = wire::declare(BINARY, max as u64 + 1);
    assert!(
        session.feed(&header).1.is_some(),
        "of a message that is not compressed it is the same as ever"
    );
    // One that does not shrink at all, by compressors of all kinds: in stored blocks, small ones too, and with fixed codes.
    let random = crate::common::rng::Rng::new(3).bytes(max);
    let stored = |size: usize| {
        let blocks = random.chunks(size).flat_map(|chunk| {
            let len = chunk.len() as u16;
            [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), chunk].concat()
        });
        blocks.chain([0]).collect::<Vec<u8>>()
    };
    for payload in [compressed(&random), stored(2000), stored(127), fixed(&random)] {
        let mut session = server(|config| config.max_message(max));
        assert_eq!(session.events(&message(BINARY, &payload)), [Seen::binary(&random[..])]);
    }
}

/// Each byte by a fixed code, of 8 or 9 bits.
fn fixed(bytes: &[u8]) -> Vec<u8> {
    let mut bits = vec![false, true, false];
    let mut push = |code: u16, n: u32| bits.extend((0..n).rev().map(|i| code >> i & 1 == 1));
    for byte in bytes {
        match *byte {
            byte @ 0..144 => push(0x30 + u16::from(byte), 8),
            byte => push(0x190 + u16::from(byte) - 144, 9),
        }
    }
    push(0, 7);
    push(0, 3);
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}

// CO-16, V11: a limit that is none is no other path, and sums do not overflow
#[test]
fn no_limit_is_a_large_one() {
    let mut session = server(|config| config.max_message(usize::MAX));
    let (len, wanted) = (3 << 20, vec![0; 3 << 20]);
    assert_eq!(session.events(&message(BINARY, &bomb(len))), [Seen::binary(wanted)]);
}

// CO-13: a wrong byte stops it at its step
#[test]
fn text_that_is_none_is_not_decompressed_to_its_end() {
    let mut text = vec![b'a'; 1 << 20];
    text[10] = 0xff;
    let payload = compressed(&text);
    // Behind the step with the wrong byte nothing is looked at: what follows is no DEFLATE.
    let mut broken = payload;
    let half = broken.len() / 2;
    broken[half..].fill(0xff);
    let mut session = server(|config| config);
    assert_eq!(session.feed(&message(TEXT, &broken)), (vec![], Some(ProtocolError::InvalidText)));
    let mut session = server(|config| config);
    assert_eq!(
        session.feed(&message(BINARY, &broken)),
        (vec![], Some(ProtocolError::CorruptMessage))
    );
}
