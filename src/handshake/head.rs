//! An HTTP request head, found in bytes as they arrive and checked for its form alone.
//!
//! Each byte is looked at twice, whatever the segmentation: once by the search for the end, which
//! also refuses what proxies disagree about, and once by the parser of the whole.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::HandshakeError;
use super::grammar::{is_tchar, trim};
use crate::authority::Authority;
use crate::buffer::Buffer;
use crate::config::{Config, MAX_HEADERS};

/// Most heads are not larger, in bytes.
const USUAL: usize = 512;
/// Bytes of a head that are looked at at once.
const CHUNK: usize = 16;

/// The head of an HTTP request: what a plain one is handed over as, so that one port can serve
/// web pages and WebSockets.
///
/// Nothing is decoded or normalised. Header values are bytes, since any byte but control
/// characters may stand in them.
#[derive(Clone)]
pub struct Head {
    bytes: Vec<u8>,
    method: Range<usize>,
    target: Range<usize>,
    version: (u8, u8),
    /// `:authority`, which HTTP/1.1 does not have (RFC 9113 §8.3.1).
    authority: Option<Range<usize>>,
    headers: Vec<(Range<usize>, Range<usize>)>,
}

impl Head {
    /// A head that another parser has found.
    pub(super) fn new<'h>(
        method: &str,
        target: &str,
        version: (u8, u8),
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Self {
        let headers = headers.into_iter();
        let mut head = Self {
            bytes: Vec::with_capacity(USUAL),
            method: 0..0,
            target: 0..0,
            version,
            authority: None,
            headers: Vec::with_capacity(headers.size_hint().0.min(MAX_HEADERS)),
        };
        head.method = head.keep(method.as_bytes());
        head.target = head.keep(target.as_bytes());
        for (name, value) in headers {
            let header = (head.keep(name.as_bytes()), head.keep(trim(value)));
            head.headers.push(header);
        }
        head
    }

    /// That of HTTP/2 or HTTP/3.
    pub(super) fn with_authority(mut self, authority: &str) -> Self {
        self.authority = Some(self.keep(authority.as_bytes()));
        self
    }

    /// Whether it is one of HTTP/2 or HTTP/3, which know no upgrade.
    pub(super) fn has_pseudo_headers(&self) -> bool {
        self.authority.is_some()
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Takes a head from the front of `input` as soon as all of it is there.
    #[inline]
    pub(super) fn parse(
        input: &mut Buffer,
        config: &Config,
    ) -> Result<Option<Self>, HandshakeError> {
        let Some(end) = find_end(input, config)? else {
            return Ok(None);
        };
        let head = Self::parse_whole(input.unread().get(..end).unwrap_or_default(), config)?;
        input.consume(end);
        Ok(Some(head))
    }

    fn parse_whole(bytes: &[u8], config: &Config) -> Result<Self, HandshakeError> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let limit = config.max_headers.min(MAX_HEADERS);
        let headers = headers.get_mut(..limit).unwrap_or_default();
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(bytes, headers) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::HeadTooLarge),
            Err(httparse::Error::Version) => return Err(HandshakeError::HttpVersion),
            _ => return Err(HandshakeError::Malformed),
        }
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(HandshakeError::Malformed);
        };
        if target.len() > config.max_target {
            return Err(HandshakeError::TargetTooLong);
        }
        let headers = request.headers.iter().map(|header| (header.name, header.value));
        Ok(Self::new(method, target, (1, minor), headers))
    }

    /// The method, such as `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.text(&self.method)
    }

    /// The request target as it was sent.
    #[must_use]
    pub fn target(&self) -> &str {
        self.text(&self.target)
    }

    /// The path of the target, beginning with `/`, not percent-decoded. An absolute target
    /// (`http://host/path`) has one too; of targets without any (`*`) it is the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        match self.resource().split_once('?') {
            Some(("", _)) => "/",
            Some((path, _)) => path,
            None if self.resource().is_empty() => "/",
            None => self.resource(),
        }
    }

    /// The part behind the `?` of the target, not percent-decoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// The HTTP version, major and minor.
    #[must_use]
    pub fn version(&self) -> (u8, u8) {
        self.version
    }

    /// The value of the first header with this name, in whatever case, without the white space
    /// around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// [`header`](Self::header) as text; `None` if it is not there or is no UTF-8.
    #[must_use]
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The host, and perhaps port, that the request is for: that of an absolute target, which takes the
    /// place of the `Host` header (RFC 9112 §3.2.2), or else that header. In HTTP/2 it is `:authority`
    /// (RFC 9113 §8.3.1).
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.authority().or_else(|| self.header_str("Host"))
    }

    /// The value of the first cookie with this name, in exactly this case, as it was sent
    /// (RFC 6265 §5.4). There may be several `Cookie` lines.
    ///
    /// ```
    /// # use sansocket::{Config, handshake::{Incoming, Request}};
    /// # let headers = [("Host", &b"h"[..]), ("Cookie", b"theme=dark; session=a1b2")];
    /// # let incoming = Request::new("GET", "/?token=x%20y", (1, 1), headers, Config::default())?;
    /// # let Incoming::Http(head) = incoming else { panic!() };
    /// assert_eq!(head.cookie("session"), Some("a1b2"));
    /// assert_eq!(head.query_value("token"), Some("x%20y"));
    /// # Ok::<(), sansocket::handshake::HandshakeError>(())
    /// ```
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut pairs = self.values("Cookie").flat_map(|line| line.split(|byte| *byte == b';'));
        pairs.find_map(|pair| {
            let (found, value) = std::str::from_utf8(trim(pair)).ok()?.split_once('=')?;
            (found == name).then_some(value)
        })
    }

    /// The value of the first parameter with this name in the [query](Self::query), up to the next
    /// `&`, not percent-decoded; empty if it has none.
    #[must_use]
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query()?.split('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            (found == name).then_some(value)
        })
    }

    /// All headers in their order, names as they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let headers = self.headers.iter();
        headers.map(|(name, value)| (self.text(name), self.get(value)))
    }

    /// The values of all headers with this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let is_named = |range| self.get(range).eq_ignore_ascii_case(name.as_bytes());
        let named = self.headers.iter().filter(move |(range, _)| is_named(range));
        named.map(|(_, value)| self.get(value))
    }

    /// The target without the scheme and host of the absolute form (RFC 9112 §3.2.2).
    fn resource(&self) -> &str {
        self.absolute().map_or_else(|| self.target(), |(_, resource)| resource)
    }

    /// Authority and resource of an absolute target.
    fn absolute(&self) -> Option<(&str, &str)> {
        let (_, rest) = self.target().split_once("://").filter(|(scheme, _)| is_http(scheme))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        rest.split_at_checked(end)
    }

    fn authority(&self) -> Option<&str> {
        match &self.authority {
            Some(range) => Some(self.text(range)),
            None => self.absolute().map(|(authority, _)| authority),
        }
    }

    /// Whether an absolute target has no host, user information, or a port that is none
    /// (RFC 9110 §4.2).
    pub(super) fn has_malformed_authority(&self) -> bool {
        self.authority().is_some_and(|authority| Authority::parse(authority).is_none())
    }

    /// Whether the target is of origin or absolute form, without a fragment (RFC 6455 §4.2.1).
    pub(super) fn has_resource(&self) -> bool {
        let target = self.target();
        let clean = target.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#');
        clean
            && (target.starts_with('/') || self.absolute().is_some())
            && !self.has_malformed_authority()
    }

    fn get(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        std::str::from_utf8(self.get(range)).unwrap_or_default()
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Shows the request line and the names of the headers: values may be secret.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("Head")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// The length of the head in front of `input`, its empty line included, once that has arrived.
///
/// Looks at each byte once, and goes on where the last call ended. Refuses early what must not
/// stand in a head: line ends other than CRLF, folded lines, control characters (RFC 9112 §2.2,
/// §5.2); and whatever does not begin like a request, such as a TLS handshake.
#[inline]
pub(super) fn find_end(
    input: &mut Buffer,
    config: &Config,
) -> Result<Option<usize>, HandshakeError> {
    let bytes = input.unread();
    // One empty line is tolerated in front (RFC 9112 §2.2).
    let start = match bytes {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    match bytes.get(start) {
        None => return Ok(None),
        Some(first) if is_tchar(*first) => {}
        // A handshake record of TLS, of whatever version (RFC 8446 §5.1).
        Some(0x16) if start == 0 => match bytes.get(1) {
            None => return Ok(None),
            Some(0x03) => return Err(HandshakeError::Tls),
            Some(_) => return Err(HandshakeError::Malformed),
        },
        Some(_) => return Err(HandshakeError::Malformed),
    }
    let mut last = input.scanned();
    while last < bytes.len() {
        let end = last + 1;
        let goes_on = match bytes.get(..end).unwrap_or_default() {
            [.., b'\r', b'\n', b'\r', b'\n'] => return Ok(Some(end)),
            [.., b'\r', b'\n'] => false,
            [.., b'\n'] | [.., b'\r', _] | [.., b'\n', b' ' | b'\t'] => {
                return Err(HandshakeError::Malformed);
            }
            [.., b'\r'] => false,
            [.., b'\t'] => true,
            [.., 0..=0x1f | 0x7f] => return Err(HandshakeError::Malformed),
            _ => true,
        };
        if end >= config.max_head {
            let lines = bytes.iter().take(end);
            return Err(match lines.copied().skip(start).any(|byte| byte == b'\n') {
                true => HandshakeError::HeadTooLarge,
                false => HandshakeError::TargetTooLong,
            });
        }
        last = end;
        // What follows the end of a line is looked at with it, and the last byte that may be read by itself.
        if goes_on && end < bytes.len() {
            let most = bytes.len().min(config.max_head - 1);
            last += before_control(bytes.get(end..most).unwrap_or_default());
        }
    }
    let seen = bytes.len();
    input.set_scanned(seen);
    Ok(None)
}

/// How many bytes there are in front of the next control character.
fn before_control(bytes: &[u8]) -> usize {
    let is_control = |byte: u8| byte < 0x20 || byte == 0x7f;
    // All of a chunk at once.
    let has_none = |chunk: &&[u8]| !chunk.iter().fold(false, |any, &byte| any | is_control(byte));
    let whole = CHUNK * bytes.chunks_exact(CHUNK).take_while(has_none).count();
    let rest = bytes.get(whole..).unwrap_or_default();
    whole + rest.iter().position(|&byte| is_control(byte)).unwrap_or(rest.len())
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // HS-01: wherever it lies
    #[test]
    fn the_next_control_character_is_found() {
        for len in 0..100 {
            let mut bytes = vec![b'a'; len];
            assert_eq!(before_control(&bytes), len);
            for at in 0..len {
                for control in [0, b'\t', b'\n', b'\r', 0x1f, 0x7f] {
                    bytes[at] = control;
                    assert_eq!(before_control(&bytes), at);
                }
                for other in [b' ', b'~', 0x80, 0xff] {
                    bytes[at] = other;
                    assert_eq!(before_control(&bytes), len);
                }
            }
        }
    }

    // V53, HS-01: nor after the rest has moved
    #[test]
    fn bytes_of_a_head_are_scanned_once() {
        let mut input = Buffer::new();
        for byte in b"GET / HTTP/1.1\r\nHost: example.com\r\n" {
            input.extend(&[*byte]);
            let before = input.unread().len();
            assert!(matches!(find_end(&mut input, &Config::default()), Ok(None)));
            assert_eq!(input.scanned(), before);
            input = input.detach();
            assert_eq!(input.scanned(), before);
        }
    }
}
