//! Frame headers: whatever the bytes, `Header::decode` says what a table says, at the byte that
//! proves it and no other, and keeps saying it; what it accepts is the one encoding of what it
//! returns. Masking is the naive loop, in one piece or in two.
//!
//! The table: RFC 6455 §5.2 and §5.5. A length is proved wrong by its last byte, but for the top
//! bit of eight, which the first proves.

use sansocket::ProtocolError;
use sansocket::frame::{Header, Opcode, mask};

use super::reader::Reader;
use super::wire;

pub fn check(data: &[u8]) {
    decoded(data);
    let mut reader = Reader::new(data);
    encoded(&mut reader);
    masked(&mut reader);
}

fn decoded(data: &[u8]) {
    let wanted = table(data);
    for n in 0..=data.len().min(20) {
        let bytes = &data[..n];
        let decoded = Header::decode(bytes);
        match &wanted {
            Some((proof, Err(error))) if n >= *proof => assert_eq!(decoded, Err(*error)),
            Some((len, Ok(header))) if n >= *len => {
                assert_eq!(decoded, Ok(Some((*header, *len))));
                assert_eq!(header.encode().as_ref(), &bytes[..*len]);
            }
            _ => assert_eq!(decoded, Ok(None), "after {n} of {data:x?}"),
        }
    }
}

/// What stands in front of `bytes`, and after how many that is certain.
fn table(bytes: &[u8]) -> Option<(usize, Result<Header, ProtocolError>)> {
    use ProtocolError::*;

    let first = *bytes.first()?;
    let opcode = match first & 0xf {
        0 => Some(Opcode::Continuation),
        1 => Some(Opcode::Text),
        2 => Some(Opcode::Binary),
        8 => Some(Opcode::Close),
        9 => Some(Opcode::Ping),
        10 => Some(Opcode::Pong),
        _ => None,
    };
    let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
    let control = first & 8 != 0;
    let fault = match opcode {
        _ if first & 0x30 != 0 => ReservedBit,
        _ if rsv1 && first & 0xf > 2 => ReservedBit,
        None => ReservedOpcode(first & 0xf),
        Some(_) if control && !fin => FragmentedControl,
        Some(opcode) => {
            let second = *bytes.get(1)?;
            if control && second & 0x7f > 125 {
                return Some((2, Err(LongControl)));
            }
            let (at, len) = match second & 0x7f {
                126 => (4, u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
                127 if *bytes.get(2)? >= 0x80 => return Some((3, Err(MalformedLength))),
                127 => (10, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
                short => (2, u64::from(short)),
            };
            if at == 4 && len <= 125 || at == 10 && len <= 65_535 {
                return Some((at, Err(MalformedLength)));
            }
            let (at, mask) = match second & 0x80 {
                0 => (at, None),
                _ => (at + 4, Some(*bytes.get(at..)?.first_chunk()?)),
            };
            return Some((at, Ok(Header { fin, rsv1, opcode, mask, len })));
        }
    };
    Some((1, Err(fault)))
}

/// A header that is made up decodes to itself if it may stand on the wire at all.
fn encoded(reader: &mut Reader<'_>) {
    use Opcode::*;

    let opcode = reader.pick(&[Continuation, Text, Binary, Close, Ping, Pong]);
    let flags = reader.byte();
    let mask: [u8; 4] = std::array::from_fn(|_| reader.byte());
    let len: [u8; 8] = std::array::from_fn(|_| reader.byte());
    // Small lengths, too.
    let len = u64::from_be_bytes(len) >> (flags & 0x3f);
    let header = Header {
        fin: flags & 0x80 != 0,
        rsv1: flags & 1 != 0,
        opcode,
        mask: (flags & 0x40 != 0).then_some(mask),
        len,
    };
    let encoded = header.encode();
    let bytes = encoded.as_ref();
    assert!((2..=14).contains(&bytes.len()));
    let on_the_wire = Header { len: len & (u64::MAX >> 1), ..header };
    let legal = !opcode.is_control() || header.fin && !header.rsv1 && on_the_wire.len <= 125;
    match Header::decode(bytes) {
        Ok(decoded) => {
            assert!(legal);
            assert_eq!(decoded, Some((on_the_wire, bytes.len())));
        }
        Err(error) => assert!(!legal, "{header:?}: {error}"),
    }
}

fn masked(reader: &mut Reader<'_>) {
    let key: [u8; 4] = std::array::from_fn(|_| reader.byte());
    let offset = usize::from(reader.byte());
    let cut = usize::from(reader.byte());
    let payload = reader.rest();
    let ahead = vec![0; offset % 4];
    let wanted = &wire::xor(&[&ahead, payload].concat(), key)[offset % 4..];
    let mut whole = payload.to_vec();
    mask(&mut whole, key, offset);
    assert_eq!(whole, wanted);
    let mut pieces = payload.to_vec();
    let (front, back) = pieces.split_at_mut(cut.min(payload.len()));
    mask(front, key, offset);
    mask(back, key, offset + front.len());
    assert_eq!(pieces, wanted);
}
