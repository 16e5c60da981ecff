//! The frame header: 2 to 14 bytes in front of every payload (RFC 6455 §5.2).
//!
//! [`Connection`](crate::Connection) does all of this for you; the module is public for tools that
//! look at single frames, such as proxies, recorders and tests. It knows the header alone: not what
//! frames came before, which side we are on, or which limits hold.

use crate::error::ProtocolError;
use crate::mask;

/// The kind of a frame (§11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// 0: goes on with the fragmented message under way.
    Continuation = 0x0,
    /// 1: begins a text message.
    Text = 0x1,
    /// 2: begins a binary message.
    Binary = 0x2,
    /// 8: the last frame of its sender.
    Close = 0x8,
    /// 9: asks for a pong.
    Ping = 0x9,
    /// 10: answers a ping.
    Pong = 0xa,
}

impl Opcode {
    /// Whether it is a Close, Ping or Pong: never fragmented, at most 125 bytes (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The largest payload of a control frame, in bytes (§5.5).
pub const MAX_CONTROL: usize = 125;

/// RSV1 in the first byte of a frame.
#[cfg(feature = "deflate")]
pub(crate) const RSV1: u8 = 0x40;

/// A frame header.
///
/// ```
/// use sansocket::frame::{Header, Opcode};
///
/// let header = Header { fin: true, rsv1: false, opcode: Opcode::Text, mask: None, len: 300 };
/// let bytes = header.encode();
/// assert_eq!(bytes.as_ref(), [0x81, 126, 1, 44]);
/// assert_eq!(Header::decode(bytes.as_ref())?, Some((header, 4)));
/// assert_eq!(Header::decode(&[0x81, 126, 1])?, None); // more bytes, please
/// # Ok::<(), sansocket::ProtocolError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// The first reserved bit: of a message's first frame, that the message is compressed, if
    /// permessage-deflate was agreed on (RFC 7692 §6). Without, a [`Connection`](crate::Connection) refuses it.
    pub rsv1: bool,
    /// The kind of the frame.
    pub opcode: Opcode,
    /// The masking key, which all frames of a client have and none of a server (§5.3).
    pub mask: Option<[u8; 4]>,
    /// The length of the payload, in bytes; below 2⁶³.
    pub len: u64,
}

impl Header {
    /// Decodes the header in front of `bytes`, and says how long it is; `None` if more
    /// bytes are needed.
    ///
    /// # Errors
    ///
    /// A header that no peer may send is refused at the first byte that proves it: RSV2 and RSV3,
    /// RSV1 on anything but data frames, reserved opcodes, fragmented or long control frames, lengths that are
    /// not in their shortest form.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, ref bytes @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, rsv1, opcode) = first_byte(first)?;
        let &[second, ref bytes @ ..] = bytes else {
            return Ok(None);
        };
        let (masked, short) = second_byte(second, opcode)?;
        let Some((len, extended)) = length(short, bytes)? else {
            return Ok(None);
        };
        let Some((mask, key)) = masking_key(masked, bytes.get(extended..).unwrap_or_default())
        else {
            return Ok(None);
        };
        let header = Self { fin, rsv1, opcode, mask, len };
        Ok(Some((header, 2 + extended + key)))
    }

    /// The header's bytes, with the length in its shortest form. The top bit of
    /// [`len`](Self::len) does not exist on the wire and is dropped.
    #[must_use]
    #[inline]
    pub fn encode(&self) -> HeaderBytes {
        let mut header = HeaderBytes { bytes: [0; 14], len: 0 };
        let mask_bit = if self.mask.is_some() { 0x80 } else { 0 };
        let len = self.len & (u64::MAX >> 1);
        header.push([u8::from(self.fin) << 7 | u8::from(self.rsv1) << 6 | self.opcode as u8]);
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(short @ 0..=125), _) => header.push([mask_bit | short]),
            (_, Ok(medium)) => {
                header.push([mask_bit | 126]);
                header.push(medium.to_be_bytes());
            }
            _ => {
                header.push([mask_bit | 127]);
                header.push(len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            header.push(key);
        }
        header
    }
}

/// The bytes of an encoded [`Header`]: 2 to 14.
#[derive(Clone, Copy, Debug)]
pub struct HeaderBytes {
    bytes: [u8; 14],
    len: usize,
}

impl HeaderBytes {
    /// No header at all, for a frame that has its own.
    pub(crate) const NONE: Self = Self { bytes: [0; 14], len: 0 };

    #[inline]
    fn push<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + N) {
            room.copy_from_slice(&bytes);
            self.len += N;
        }
    }
}

impl AsRef<[u8]> for HeaderBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Masks or unmasks `payload` in place; the two are the same operation (§5.3).
///
/// `offset` is the number of payload bytes that went before, for a payload that comes in pieces.
///
/// ```
/// let mut payload = *b"Hello";
/// sansocket::frame::mask(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
pub fn mask(payload: &mut [u8], key: [u8; 4], offset: usize) {
    mask::apply(payload, mask::skip(key, offset));
}

// The pieces of a header, in the order in which they arrive, so that each fault is found at its
// first byte.

/// FIN, RSV1 and the opcode.
pub(crate) fn first_byte(byte: u8) -> Result<(bool, bool, Opcode), ProtocolError> {
    let (fin, rsv1) = (byte & 0x80 != 0, byte & 0x40 != 0);
    // Only data frames are ever compressed (RFC 7692 §6).
    if byte & 0x30 != 0 || rsv1 && byte & 0x0f > Opcode::Binary as u8 {
        return Err(ProtocolError::ReservedBit);
    }
    let opcode = match byte & 0x0f {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        reserved => return Err(ProtocolError::ReservedOpcode(reserved)),
    };
    if opcode.is_control() && !fin {
        return Err(ProtocolError::FragmentedControl);
    }
    Ok((fin, rsv1, opcode))
}

/// Whether the frame is masked, and the short form of its length.
pub(crate) fn second_byte(byte: u8, opcode: Opcode) -> Result<(bool, u8), ProtocolError> {
    let short = byte & 0x7f;
    if opcode.is_control() && usize::from(short) > MAX_CONTROL {
        return Err(ProtocolError::LongControl);
    }
    Ok((byte & 0x80 != 0, short))
}

/// The length, and how many of `bytes` it took.
pub(crate) fn length(short: u8, bytes: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
    match short {
        126 => {
            let Some(medium) = bytes.first_chunk() else {
                return Ok(None);
            };
            match u16::from_be_bytes(*medium) {
                0..=125 => Err(ProtocolError::MalformedLength),
                len => Ok(Some((len.into(), 2))),
            }
        }
        127 => {
            if matches!(bytes, [0x80..=0xff, ..]) {
                return Err(ProtocolError::MalformedLength);
            }
            let Some(long) = bytes.first_chunk() else {
                return Ok(None);
            };
            match u64::from_be_bytes(*long) {
                0..=0xffff => Err(ProtocolError::MalformedLength),
                len => Ok(Some((len, 8))),
            }
        }
        short => Ok(Some((short.into(), 0))),
    }
}

/// The masking key if there is to be one, and how many of `bytes` it took.
pub(crate) fn masking_key(masked: bool, bytes: &[u8]) -> Option<(Option<[u8; 4]>, usize)> {
    match masked {
        true => bytes.first_chunk().map(|key| (Some(*key), 4)),
        false => Some((None, 0)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // R-078: a tool sees the bit of a compressed message; for a connection it is a fault
    #[test]
    fn rsv1_is_shown_on_data_frames() {
        for first in [0xc1, 0xc2, 0xc0, 0x41, 0x42, 0x40] {
            let (header, len) = Header::decode(&[first, 3]).unwrap().unwrap();
            assert!(header.rsv1 && len == 2);
            assert_eq!(header.encode().as_ref(), [first, 3]);
        }
        for first in [0xc8, 0xc9, 0xca, 0x48] {
            assert_eq!(Header::decode(&[first]), Err(ProtocolError::ReservedBit));
        }
    }

    const LENGTHS: [u64; 11] =
        [0, 1, 125, 126, 127, 255, 256, 0xffff, 0x1_0000, 1 << 32, u64::MAX >> 1];

    // R-081, R-084, R-086
    #[test]
    fn headers_round_trip_and_need_every_byte() {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        for opcode in [Continuation, Text, Binary, Close, Ping, Pong] {
            for len in LENGTHS {
                for mask in [None, Some([1, 2, 3, 4])] {
                    for (fin, rsv1) in [(true, false), (false, false), (true, true), (false, true)]
                    {
                        if opcode.is_control() && (len > 125 || !fin || rsv1) {
                            continue;
                        }
                        let header = Header { fin, rsv1, opcode, mask, len };
                        let encoded = header.encode();
                        let bytes = encoded.as_ref();
                        for cut in 0..bytes.len() {
                            assert_eq!(Header::decode(&bytes[..cut]), Ok(None));
                        }
                        assert_eq!(Header::decode(bytes), Ok(Some((header, bytes.len()))));
                    }
                }
            }
        }
    }

    // R-081: 2, 4 or 10 bytes
    #[test]
    fn lengths_take_their_shortest_form() {
        for (len, wanted) in [(0, 2), (125, 2), (126, 4), (127, 4), (0xffff, 4), (0x1_0000, 10)] {
            let header = Header { fin: true, rsv1: false, opcode: Opcode::Binary, mask: None, len };
            assert_eq!(header.encode().as_ref().len(), wanted, "{len}");
        }
    }

    // R-077, R-079, R-080, R-082, R-083, R-103, R-110, FR-01, FR-02, FR-04, FR-05, FR-09, FR-10, V02
    #[test]
    fn faults_are_found_at_the_first_byte_that_proves_them() {
        use ProtocolError::*;
        let rows: [(&[u8], ProtocolError); 17] = [
            (&[0xc9], ReservedBit),
            (&[0xe1], ReservedBit),
            (&[0xa0], ReservedBit),
            (&[0x99], ReservedBit),
            (&[0x83], ReservedOpcode(3)),
            (&[0x07], ReservedOpcode(7)),
            (&[0x8b], ReservedOpcode(11)),
            (&[0x8f], ReservedOpcode(15)),
            (&[0x08], FragmentedControl),
            (&[0x09], FragmentedControl),
            (&[0x0a], FragmentedControl),
            (&[0x88, 0xfe], LongControl),
            (&[0x89, 126], LongControl),
            (&[0x8a, 127], LongControl),
            (&[0x82, 0xfe, 0, 125], MalformedLength),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], MalformedLength),
            (&[0x82, 0xff, 0x80], MalformedLength),
        ];
        for (bytes, error) in rows {
            assert_eq!(Header::decode(bytes), Err(error), "{bytes:x?}");
            assert_eq!(Header::decode(&bytes[..bytes.len() - 1]), Ok(None), "{bytes:x?}");
        }
    }
}
