//! Requests as bytes, and responses read back, both without the crate's help.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "no test uses all of it, and a test that cannot go on fails"
)]

use httparse::{EMPTY_HEADER, Status};

/// The key of RFC 6455 §1.3, and what answers it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const FIRST: &str = "GET /chat HTTP/1.1";

/// What must be there, and nothing else.
pub(crate) const REQUIRED: [&str; 5] = [
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// A head of these lines. Each character stands for one byte: `\u{ff}` for 0xff.
pub(crate) fn head<'l>(first: &str, lines: impl IntoIterator<Item = &'l str>) -> Vec<u8> {
    let mut head = format!("{first}\r\n");
    for line in lines {
        head.extend([line, "\r\n"]);
    }
    head.push_str("\r\n");
    head.chars().map(|char| u8::try_from(char).unwrap()).collect()
}

/// A correct request, these lines in place of those with the same names.
pub(crate) fn with(lines: &[&str]) -> Vec<u8> {
    from(FIRST, lines)
}

/// [`with`], and a request line of its own.
pub(crate) fn from(first: &str, lines: &[&str]) -> Vec<u8> {
    let kept =
        |line: &&str| !lines.iter().any(|other| name(other).eq_ignore_ascii_case(name(line)));
    head(first, REQUIRED.into_iter().filter(kept).chain(lines.iter().copied()))
}

/// A correct request but for the header with this name, which it lacks.
pub(crate) fn without(missing: &str) -> Vec<u8> {
    head(FIRST, REQUIRED.into_iter().filter(|line| !name(line).eq_ignore_ascii_case(missing)))
}

fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

/// A response that is a complete one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut headers = [EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(Status::Complete(end)) = response.parse(bytes) else {
            panic!("no response: {}", bytes.escape_ascii());
        };
        assert_eq!(response.version, Some(1));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            status: response.code.unwrap(),
            headers: response.headers.iter().map(|h| (h.name.into(), text(h.value))).collect(),
            body: bytes.get(end..).unwrap().to_vec(),
        }
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|header| header.0.eq_ignore_ascii_case(name));
        named.map(|header| &*header.1).collect()
    }

    /// Asserts what holds of every refusal: it says how long it is, and that it is the last word.
    #[track_caller]
    pub(crate) fn assert_refusal(&self, status: u16) {
        assert_eq!(self.status, status);
        // RFC 9110 §15.4.5
        let length = if status == 304 { vec![] } else { vec![self.body.len().to_string()] };
        assert_eq!(self.values("Content-Length"), length, "{self:?}");
        let connection = self.values("Connection");
        assert!(["close", "close, Upgrade"].map(|value| vec![value]).contains(&connection));
        for absent in ["Transfer-Encoding", "Sec-WebSocket-Accept", "Sec-WebSocket-Protocol"] {
            assert_eq!(self.values(absent), [""; 0], "{self:?}");
        }
    }
}
