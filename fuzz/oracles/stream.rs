//! Streams of frames out of fuzz bytes, mostly right ones: a small language in which a few bytes
//! make a long message or a rare fault, so that mutations do not have to find them byte by byte.

use super::reader::Reader;
use super::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, TEXT};

/// No stream is much longer.
const LONG: usize = 200_000;

/// What a peer sends: all the reader has.
pub fn write(reader: &mut Reader<'_>, masked: bool) -> Vec<u8> {
    let mut stream = vec![];
    while !reader.is_empty() && stream.len() < LONG {
        stream.extend(step(reader, masked));
    }
    stream
}

/// Often a frame, sometimes a piece of one or none at all.
pub fn step(reader: &mut Reader<'_>, masked: bool) -> Vec<u8> {
    match reader.byte() {
        op @ 0..0x80 => {
            let first = FIRST[usize::from(op % 8)];
            let key = key(reader, masked);
            let payload = payload(reader, op / 8);
            wire::frame(first, key, &payload)
        }
        0x80..0xa0 => {
            let key = key(reader, masked);
            let body = close_body(reader);
            wire::frame(CLOSE, key, &body)
        }
        0xa0..0xc0 => declaration(reader),
        0xc0..0xd0 => {
            // Many of a kind: empty fragments, pings.
            let first = reader.pick(&[CONTINUATION & MORE, PING, PONG, TEXT, CONTINUATION & MORE]);
            let times = reader.below(80);
            let key = key(reader, masked);
            let len = reader.below(3);
            wire::frame(first, key, reader.bytes(len)).repeat(times)
        }
        op => reader.bytes(usize::from(op % 32)).to_vec(),
    }
}

const FIRST: [u8; 8] =
    [TEXT, BINARY, CONTINUATION, TEXT & MORE, BINARY & MORE, CONTINUATION & MORE, PING, PONG];

fn key(reader: &mut Reader<'_>, masked: bool) -> wire::Key {
    let seed = if masked { reader.byte() } else { 0 };
    masked.then(|| [seed, seed ^ 0x5a, seed.wrapping_mul(7), seed & 0x3c])
}

pub fn payload(reader: &mut Reader<'_>, form: u8) -> Vec<u8> {
    let len = match form {
        0 => 0,
        1..8 => return reader.bytes(usize::from(form)).to_vec(),
        8 | 9 => {
            let len = usize::from(reader.byte());
            return reader.bytes(len).to_vec();
        }
        10 => usize::from(reader.byte()),
        11 => reader.pick(&[63, 64, 65, 124, 125, 126, 127, 128]),
        12 | 13 => 8 * usize::from(reader.byte()),
        14 => reader.pick(&[999, 1000, 1001, 1023, 1024, 1025, 4095, 4096, 4097, 4999, 5000, 5001]),
        // Rarely, since it takes long.
        _ => match reader.byte() {
            7 => reader.pick(&[65_535, 65_536, 65_537, 131_072, 32_768, 16_384, 199_999]),
            some => some.into(),
        },
    };
    filler(reader, len)
}

/// A long text of characters of every length, perhaps cut inside one; or bytes that are none.
fn filler(reader: &mut Reader<'_>, len: usize) -> Vec<u8> {
    let kind = reader.byte();
    let pattern: &[u8] = match kind % 8 {
        0..3 => b"x",
        3 => "é".as_bytes(),
        4 => "€uro ".as_bytes(),
        5 => "🎉".as_bytes(),
        6 => "aé€🎉".as_bytes(),
        _ => b"ok\xff",
    };
    let skip = usize::from(kind / 64);
    let mut filler = pattern.repeat((skip + len).div_ceil(pattern.len()));
    filler.drain(..skip);
    filler.truncate(len);
    filler
}

/// The body of a Close frame, right or wrong.
fn close_body(reader: &mut Reader<'_>) -> Vec<u8> {
    let code: u16 = match reader.byte() {
        0 => return vec![],
        1 => return reader.bytes(1).to_vec(),
        n @ 2..60 => 997 + u16::from(n),
        n @ 60..80 => reader.pick(&[2999, 3000, 3999, 4000, 4999, 5000, 999]) + u16::from(n & 1),
        n => u16::from_be_bytes([n, reader.byte()]),
    };
    let len = reader.byte();
    let reason = if len < 200 { reader.bytes(len.into()).to_vec() } else { filler(reader, 123) };
    [&code.to_be_bytes(), &reason[..]].concat()
}

/// A frame header whose length may be anything, in any form, and of which the payload need not come.
fn declaration(reader: &mut Reader<'_>) -> Vec<u8> {
    let first = match reader.byte() {
        any @ 0x80.. => any,
        some => FIRST[usize::from(some % 8)],
    };
    let mask_bit = reader.byte() & 0x80;
    let len: u64 = match reader.byte() {
        0 => 0,
        1 => 125,
        2 => 126,
        3 => 0xffff,
        4 => 0x1_0000,
        5 => 1 << 20,
        6 => (1 << 20) + 1,
        7 => 1 << 32,
        8 => 1 << 62,
        9 => (1 << 63) - 1,
        10 => 1 << 63,
        11 => u64::MAX,
        some => u64::from(some) * 9,
    };
    let form = reader.below(4);
    let mut header = vec![first];
    match form {
        0 => header = wire::header(first, mask_bit != 0, len),
        1 => header.push(mask_bit | len.min(125) as u8),
        2 => {
            header.push(mask_bit | 126);
            header.extend(&len.to_be_bytes()[6..]);
        }
        _ => {
            header.push(mask_bit | 127);
            header.extend(len.to_be_bytes());
        }
    }
    if mask_bit != 0 {
        header.extend([0; 4]);
    }
    header
}
