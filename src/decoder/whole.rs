//! The fast path: a message in one frame that lies in the buffer whole.
//!
//! It only ever says "not for me": what is wrong with a frame is for the general machine to say.

use super::{Decoder, Found, State};
use crate::buffer::Buffer;
use crate::frame::Opcode;
use crate::mask;

impl Decoder {
    /// The message in front of the buffer, if it is as simple as that.
    #[inline(always)]
    pub(crate) fn find_whole(&self, input: &mut Buffer) -> Option<Found> {
        match self.state {
            State::Ready => self.whole_message(input),
            _ => None,
        }
    }

    #[inline(always)]
    fn whole_message(&self, input: &mut Buffer) -> Option<Found> {
        let start = input.position();
        let (&mut [first, second], rest) = input.unread_mut().split_first_chunk_mut()?;
        let kind = match first {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            _ => return None,
        };
        if (second & 0x80 != 0) != self.masked {
            return None;
        }
        let (len, rest, extended) = match second & 0x7f {
            short @ 0..=125 => (usize::from(short), rest, 0),
            126 => match rest.split_first_chunk_mut()? {
                (&mut [0, 0..=125], _) => return None,
                (medium, rest) => (usize::from(u16::from_be_bytes(*medium)), rest, 2),
            },
            _ => match rest.split_first_chunk_mut()? {
                (&mut [0, 0, 0, 0, 0, 0, _, _], _) => return None,
                (long, rest) => (usize::try_from(u64::from_be_bytes(*long)).ok()?, rest, 8),
            },
        };
        if len > self.max_message {
            return None;
        }
        let header = if self.masked {
            let (key, rest) = rest.split_first_chunk_mut()?;
            mask::apply(rest.get_mut(..len)?, *key);
            2 + extended + 4
        } else {
            rest.get(..len)?;
            2 + extended
        };
        input.consume(header + len);
        input.note_frame(header + len);
        let payload = start + header..start + header + len;
        Some(Found::new(kind, payload, false))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::config::{Config, Role};
    use crate::frame::Header;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    const MAX: usize = 70_000;

    fn decoder() -> Decoder {
        let config = Config::builder().max_message(MAX).build().unwrap();
        Decoder::new(Role::Server, &config, None)
    }

    fn frame(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
        let header = Header { fin, rsv1: false, opcode, mask, len: payload.len() as u64 }.encode();
        let mut masked = payload.to_vec();
        mask::apply(&mut masked, mask.unwrap_or_default());
        [header.as_ref(), &masked].concat()
    }

    fn find(bytes: &[u8]) -> (Option<Found>, Buffer) {
        let mut input = Buffer::new();
        input.extend(bytes);
        (decoder().find_whole(&mut input), input)
    }

    // Every form of the length, in either kind
    #[test]
    fn it_takes_whole_messages_of_any_length() {
        for opcode in [Opcode::Text, Opcode::Binary] {
            for len in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, MAX] {
                let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
                let (found, input) =
                    find(&[frame(true, opcode, Some(KEY), &payload), vec![7]].concat());
                let found = found.unwrap();
                assert_eq!(found.kind, opcode);
                assert!(!found.mid_message && input.get(found.payload) == payload, "{len}");
                assert_eq!(input.unread(), [7]);
            }
        }
    }

    #[test]
    fn it_leaves_everything_else_as_it_is() {
        let whole = frame(true, Opcode::Text, Some(KEY), b"hello");
        let medium = frame(true, Opcode::Binary, Some(KEY), &[0; 126]);
        let long = frame(true, Opcode::Binary, Some(KEY), &[0; 65_536]);
        let not_minimal = |len: &[u8]| [&[0x82], len, &KEY, &[0; 125]].concat();
        let mut others = vec![
            frame(false, Opcode::Text, Some(KEY), b"hello"),
            frame(true, Opcode::Continuation, Some(KEY), b"hello"),
            frame(true, Opcode::Ping, Some(KEY), b"hello"),
            frame(true, Opcode::Close, Some(KEY), b""),
            frame(true, Opcode::Text, None, b"hello"),
            frame(true, Opcode::Binary, Some(KEY), &[0; MAX + 1]),
            not_minimal(&[0x80 | 126, 0, 125]),
            not_minimal(&[0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 125]),
            [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff][..], &KEY, &[0; 65_535]].concat(),
            [&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1][..], &KEY, &[0; 200]].concat(),
            [&[0xc2, 0x80][..], &KEY].concat(),
        ];
        for unfinished in [whole, medium, long] {
            others.extend([1, 2, 3, 5, 7, 13].map(|len| unfinished[..len.min(10)].to_vec()));
            others.push(unfinished[..unfinished.len() - 1].to_vec());
        }
        for other in others {
            let (found, input) = find(&other);
            assert!(found.is_none(), "{:x?}", &other[..other.len().min(14)]);
            assert!(input.unread() == other);
        }
    }

    #[test]
    fn it_is_for_between_messages() {
        let (mut decoder, mut input) = (decoder(), Buffer::new());
        input.extend(&frame(false, Opcode::Text, Some(KEY), b"begun"));
        assert!(matches!(decoder.step(&mut input), Ok(crate::decoder::Step::Fragment)));
        input.extend(&frame(true, Opcode::Text, Some(KEY), b"another"));
        assert!(decoder.find_whole(&mut input).is_none());
    }

    #[cfg(feature = "client")]
    #[test]
    fn a_client_takes_what_is_not_masked() {
        let decoder = Decoder::new(Role::Client, &Config::default(), None);
        for (mask, taken) in [(None, true), (Some(KEY), false)] {
            let mut input = Buffer::new();
            input.extend(&frame(true, Opcode::Text, mask, b"hello"));
            let found = decoder.find_whole(&mut input);
            assert_eq!(found.map(|found| input.get(found.payload)), taken.then_some(&b"hello"[..]));
            input.extend(&frame(true, Opcode::Binary, None, b"cut")[..4]);
            assert!(decoder.find_whole(&mut input).is_none());
        }
    }
}
