//! Frames as bytes, without the help of any library under test: what clients send, and a check of what
//! servers answer.

/// What is in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Binary,
    /// Text, all of it ASCII.
    Ascii,
    /// Text of which nearly every character is three bytes long.
    Japanese,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Binary, Self::Ascii, Self::Japanese];

    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ASCII text",
            Self::Japanese => "Japanese text",
        }
    }

    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    fn opcode(self) -> u8 {
        if self.is_text() { 1 } else { 2 }
    }

    /// `len` bytes that differ from message to message.
    pub fn payload(self, len: usize, number: usize) -> Vec<u8> {
        const ASCII: &[u8] = b"{\"id\":1048576,\"name\":\"The quick brown fox\",\"ok\":true} ";
        const JAPANESE: &str = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。";
        match self {
            Self::Binary => {
                let mut state = number as u64 * 2 + 1;
                let mut payload = Vec::with_capacity(len + 8);
                while payload.len() < len {
                    state =
                        state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    payload.extend_from_slice(&(state >> 16).to_be_bytes());
                }
                payload.truncate(len);
                payload
            }
            Self::Ascii => {
                ASCII.iter().copied().cycle().skip(number % ASCII.len()).take(len).collect()
            }
            Self::Japanese => {
                let skip = number % JAPANESE.chars().count();
                let mut text = String::with_capacity(len + 3);
                for c in JAPANESE.chars().cycle().skip(skip) {
                    if text.len() + c.len_utf8() > len {
                        break;
                    }
                    text.push(c);
                }
                while text.len() < len {
                    text.push('.');
                }
                text.into_bytes()
            }
        }
    }
}

/// A frame as a client sends it: whole and masked.
pub fn client_frame(kind: Kind, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    frame(0x80 | kind.opcode(), payload, key)
}

/// The same with a first byte of any kind, and with a key that differs from number to number.
pub fn masked(first: u8, payload: &[u8], number: usize) -> Vec<u8> {
    let key = (number as u32).wrapping_mul(2654435761).wrapping_add(0x37fa_213d);
    frame(first, payload, key.to_be_bytes())
}

fn frame(first: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame as a server sends it: whole and not masked.
pub fn server_frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(kind, payload, [0; 4]);
    frame[1] &= 0x7f;
    let key = frame.len() - payload.len() - 4;
    frame.drain(key..key + 4);
    frame
}

/// Frames of one client, end to end.
#[derive(Default)]
pub struct Recording {
    pub is_text: bool,
    /// What they carry.
    pub messages: Vec<Vec<u8>>,
    pub bytes: Vec<u8>,
    /// Where each frame ends.
    pub ends: Vec<usize>,
}

impl Recording {
    /// So many frames, each with another masking key and another payload.
    pub fn new(kind: Kind, len: usize, frames: usize) -> Self {
        let mut recording = Self { is_text: kind.is_text(), ..Self::default() };
        for number in 0..frames {
            let payload = kind.payload(len, number);
            let frame = masked(0x80 | kind.opcode(), &payload, number);
            recording.push(&frame, payload);
        }
        recording
    }

    pub fn push(&mut self, frame: &[u8], message: Vec<u8>) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
        self.messages.push(message);
    }

    /// Bytes on the wire, in percent of the messages.
    pub fn percent(&self) -> f64 {
        let raw: usize = self.messages.iter().map(Vec::len).sum();
        self.bytes.len() as f64 * 100.0 / raw as f64
    }

    /// The first `n` messages; it starts over when there are no more.
    pub fn first(&self, n: usize) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(Vec::as_slice).cycle().take(n)
    }
}

/// Checks that `written` is exactly these messages, each in one frame that is not masked.
pub fn check_frames<'a>(
    mut written: &[u8],
    is_text: bool,
    messages: impl Iterator<Item = &'a [u8]>,
) -> Result<(), String> {
    for (number, message) in messages.enumerate() {
        let Some((first, payload, rest)) = split_frame(written) else {
            return Err(format!("message {number}: no whole frame"));
        };
        if first != if is_text { 0x81 } else { 0x82 } {
            return Err(format!("message {number}: it starts with {first:#x}"));
        }
        if payload != message {
            return Err(format!("message {number}: another payload, of {} bytes", payload.len()));
        }
        written = rest;
    }
    match written {
        [] => Ok(()),
        more => Err(format!("{} bytes too many", more.len())),
    }
}

/// Splits a whole frame of a server off: first byte, payload, rest.
pub fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match second {
        len @ 0..=125 => (u64::from(len), rest),
        126 => {
            rest.split_first_chunk().map(|(len, rest)| (u16::from_be_bytes(*len).into(), rest))?
        }
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
        _ => return None,
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((first, payload, rest))
}
