//! The body of a response that refuses, taken as it arrives up to a bound (RFC 9112 §6).

use super::client::Body;
use super::head::Head;
use crate::buffer::Buffer;

/// The most that is kept of a body, in bytes.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// A response without its end.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) body: Body,
    rest: Rest,
}

/// The part that is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Length(u64),
    UntilEof,
    /// The size of a chunk, as far as it has arrived.
    Size(u64),
    /// The end of a line that is of no interest; then a chunk of that size.
    Line(u64),
    Chunk(u64),
    /// The end of the line behind a chunk.
    ChunkEnd,
    None,
}

impl Refusal {
    pub(super) fn new(status: u16, head: Head) -> Self {
        let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        let rest = match (head.header("Transfer-Encoding"), head.header("Content-Length")) {
            _ if matches!(status, 100..=199 | 204 | 304) => Rest::None,
            (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Rest::Size(0),
            (Some(_), _) => Rest::UntilEof,
            (None, Some(len)) => number(len).map_or(Rest::None, Rest::Length),
            (None, None) => Rest::UntilEof,
        };
        Self { status, head, body: Body::default(), rest }
    }

    /// Takes what belongs to the body from the front of `input`. Whether that was all, or as much as is kept.
    pub(super) fn take(&mut self, input: &mut Buffer) -> bool {
        while !self.is_whole() {
            let bytes = input.unread();
            let Some(first) = bytes.first().copied() else {
                return false;
            };
            let n = match &mut self.rest {
                Rest::Length(left) | Rest::Chunk(left) => {
                    let room = MAX_BODY - self.body.len();
                    let most = usize::try_from(*left).unwrap_or(usize::MAX).min(room);
                    let piece = bytes.get(..most).unwrap_or(bytes);
                    self.body.0.extend_from_slice(piece);
                    *left -= piece.len() as u64;
                    piece.len()
                }
                Rest::UntilEof => {
                    let piece = bytes.get(..MAX_BODY - self.body.len()).unwrap_or(bytes);
                    self.body.0.extend_from_slice(piece);
                    piece.len()
                }
                _ => 1,
            };
            input.consume(n);
            self.rest = match self.rest {
                Rest::Chunk(0) => Rest::ChunkEnd,
                Rest::Size(size) => match char::from(first).to_digit(16) {
                    Some(digit) => size
                        .checked_mul(16)
                        .map_or(Rest::None, |size| Rest::Size(size + u64::from(digit))),
                    None if first == b'\n' => chunk(size),
                    None => Rest::Line(size),
                },
                Rest::Line(size) if first == b'\n' => chunk(size),
                Rest::ChunkEnd if first == b'\n' => Rest::Size(0),
                rest => rest,
            };
        }
        true
    }

    fn is_whole(&self) -> bool {
        self.body.len() >= MAX_BODY || matches!(self.rest, Rest::None | Rest::Length(0))
    }
}

/// The last chunk is empty; trailers are of no interest.
fn chunk(size: u64) -> Rest {
    if size == 0 { Rest::None } else { Rest::Chunk(size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(headers: &[(&str, &str)], bytes: &[u8]) -> (Vec<u8>, bool) {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let mut refusal = Refusal::new(403, Head::new("", "", (1, 1), headers));
        let (mut input, mut is_whole) = (Buffer::new(), false);
        for byte in bytes {
            assert!(!is_whole);
            input.extend(&[*byte]);
            is_whole = refusal.take(&mut input);
            assert!(input.is_empty());
        }
        let is_whole = is_whole || refusal.take(&mut input);
        (refusal.body.0, is_whole)
    }

    // DI-07
    #[test]
    fn a_body_ends_as_its_head_says() {
        let (length, chunked) = ("Content-Length", [("Transfer-Encoding", "chunked")]);
        assert_eq!(body(&[(length, "3")], b"abc"), (b"abc".to_vec(), true));
        assert_eq!(body(&[(length, "4")], b"abc"), (b"abc".to_vec(), false));
        assert_eq!(body(&[(length, "0")], b""), (vec![], true));
        assert_eq!(body(&[(length, "many")], b""), (vec![], true));
        assert_eq!(body(&[], b"abc"), (b"abc".to_vec(), false));
        assert_eq!(body(&chunked, b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\n"), (b"abc".to_vec(), true));
        assert_eq!(body(&chunked, b"2\r\nab\r\n"), (b"ab".to_vec(), false));
        assert_eq!(body(&chunked, b"fffffffffffffffff"), (vec![], true), "a size that is none");
    }

    // DI-07
    #[test]
    fn a_body_is_kept_up_to_a_bound() {
        for headers in
            [&[("Content-Length", "99999999999")][..], &[], &[("Transfer-Encoding", "gzip")]]
        {
            let long = vec![b'a'; MAX_BODY];
            assert_eq!(body(headers, &long), (long, true));
        }
    }
}
