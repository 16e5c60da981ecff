//! Frames as bytes, written and read without the crate's help (RFC 6455 §5.2).

pub const CONTINUATION: u8 = 0x80;
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;
/// Turns a first byte into that of a fragment which is not the last.
pub const MORE: u8 = 0x7f;

pub type Key = Option<[u8; 4]>;

/// A frame with this first byte, masked if there is a key.
pub fn frame(first: u8, key: Key, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, key.is_some(), payload.len() as u64);
    frame.extend(key.iter().flatten());
    frame.extend(xor(payload, key.unwrap_or_default()));
    frame
}

/// The first bytes of a frame up to the masking key, the length in its shortest form.
pub fn header(first: u8, masked: bool, len: u64) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut header = vec![first];
    if len < 126 {
        header.push(mask_bit | len as u8);
    } else if len < 65_536 {
        header.push(mask_bit | 126);
        header.extend(&len.to_be_bytes()[6..]);
    } else {
        header.push(mask_bit | 127);
        header.extend(len.to_be_bytes());
    }
    header
}

/// Octet i of the payload, exclusive-or octet i modulo 4 of the key (§5.3).
pub fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(first: u8, payload: &[u8]) -> Self {
        Self { first, payload: payload.to_vec() }
    }
}

/// A peer without mercy: takes what an endpoint writes, however it is cut, and panics at the first
/// byte that the endpoint should not have written.
///
/// Endpoints here never fragment, so every frame is final. After a Close there is nothing but pongs.
pub struct Peer {
    /// Whether the endpoint is a client.
    pub masked: bool,
    partial: Vec<u8>,
    pub frames: Vec<Frame>,
    pub closed: bool,
}

impl Peer {
    pub fn of_server() -> Self {
        Self { masked: false, partial: vec![], frames: vec![], closed: false }
    }

    #[cfg(feature = "client")]
    pub fn of_client() -> Self {
        Self { masked: true, ..Self::of_server() }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        self.partial.extend(bytes);
        while let Some((frame, len)) = self.front() {
            self.closed |= frame.first == CLOSE;
            self.frames.push(frame);
            self.partial.drain(..len);
        }
    }

    /// What there is of a frame that is not complete.
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    fn front(&self) -> Option<(Frame, usize)> {
        let bytes = &self.partial;
        let first = *bytes.first()?;
        assert!([TEXT, BINARY, CLOSE, PING, PONG].contains(&first), "first byte {first:#x}");
        assert!(!self.closed || first == PONG, "{first:#x} after a Close");
        let second = *bytes.get(1)?;
        assert_eq!(second & 0x80 != 0, self.masked, "masked or not");
        let (len, mut at) = match second & 0x7f {
            126 => (number(bytes.get(2..4)?), 4),
            127 => (number(bytes.get(2..10)?), 10),
            short => (usize::from(short), 2),
        };
        assert_eq!(bytes[..at], header(first, self.masked, len as u64), "not the shortest form");
        assert!(first & 8 == 0 || len <= 125, "a long control frame");
        let mut key = [0; 4];
        if self.masked {
            key.copy_from_slice(bytes.get(at..at + 4)?);
            at += 4;
        }
        let payload = xor(bytes.get(at..at + len)?, key);
        if first == TEXT {
            assert!(std::str::from_utf8(&payload).is_ok(), "a text that is none");
        }
        if first == CLOSE && !payload.is_empty() {
            let (code, reason) = payload.split_at(2);
            assert!(may_close_with(number(code)), "close code {}", number(code));
            assert!(std::str::from_utf8(reason).is_ok(), "a reason that is no text");
        }
        Some((Frame { first, payload }, at + len))
    }
}

/// What may stand in a Close frame: what IANA has registered for it, and what is private (§7.4).
pub fn may_close_with(code: usize) -> bool {
    let registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
    registered.contains(&code) || (3000..5000).contains(&code)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
