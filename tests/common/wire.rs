//! Frames as bytes, written and read without the crate's help (RFC 6455 §5.2).

pub(crate) const CONTINUATION: u8 = 0x80;
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

/// Turns a first byte into that of a fragment which is not the last.
pub(crate) const MORE: u8 = 0x7f;

/// The key of the examples in RFC 6455 §5.7.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client sends it: masked.
pub(crate) fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, KEY, payload)
}

pub(crate) fn masked(first: u8, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    frame.extend(length(0x80, payload.len() as u64));
    frame.extend(key);
    frame.extend(xor(payload, key));
    frame
}

/// A message as a client sends it compressed (RFC 7692 §7.2.1), in one frame.
pub(crate) fn compressed(first: u8, message: &[u8]) -> Vec<u8> {
    let mut payload = miniz_oxide::deflate::compress_to_vec(message, 9);
    payload.push(0); // behind a block that says that it is the last (§7.2.3.5)
    client(first | 0x40, &payload)
}

/// A frame as a server sends it: not masked.
pub(crate) fn server(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    frame.extend(length(0, payload.len() as u64));
    frame.extend(payload);
    frame
}

/// The header of a client's frame, whose payload may never come.
pub(crate) fn declare(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    header.extend(length(0x80, len));
    header.extend(KEY);
    header
}

/// The body of a Close frame.
pub(crate) fn body(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// The Close frame with which a server fails the connection.
pub(crate) fn failure(code: u16) -> Vec<u8> {
    server(CLOSE, &code.to_be_bytes())
}

/// Octet i of the payload, exclusive-or octet i modulo 4 of the key (§5.3).
pub(crate) fn xor(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect()
}

/// The second byte and the extended length, in the shortest form.
fn length(mask_bit: u8, len: u64) -> Vec<u8> {
    match len {
        0..=125 => vec![mask_bit | len as u8],
        126..=0xffff => [&[mask_bit | 126], &(len as u16).to_be_bytes()[..]].concat(),
        _ => [&[mask_bit | 127], &len.to_be_bytes()[..]].concat(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// A frame that is not masked.
pub(crate) fn plain(first: u8, payload: &[u8]) -> Frame {
    Frame { first, key: None, payload: payload.to_vec() }
}

/// What `bytes` consist of, which must be whole frames.
pub(crate) fn parse(bytes: &[u8]) -> Vec<Frame> {
    let (frames, rest) = parse_front(bytes);
    assert_eq!(rest.len(), 0, "the last frame is cut off");
    frames
}

/// The whole frames in front of `bytes`, and what follows them.
pub(crate) fn parse_front(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = split(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

fn split(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match second & 0x7f {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = usize::from(u16::from_be_bytes(*len));
            assert!(len > 125, "{len} fits a shorter form");
            (len, rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            let len = usize::try_from(u64::from_be_bytes(*len)).unwrap();
            assert!(len > 0xffff, "{len} fits a shorter form");
            (len, rest)
        }
        short => (usize::from(short), rest),
    };
    let (key, rest) = match second & 0x80 {
        0 => (None, rest),
        _ => rest.split_first_chunk().map(|(key, rest)| (Some(*key), rest))?,
    };
    let payload = xor(rest.get(..len)?, key.unwrap_or_default());
    Some((Frame { first, key, payload }, &rest[len..]))
}
