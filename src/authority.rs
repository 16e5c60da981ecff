//! The host and port that a URI, a `Host` header or an origin names (RFC 3986 §3.2, RFC 9110 §7.2).

use std::net::Ipv6Addr;

/// A host and perhaps a port, correct in their form. User information is no part of it: nobody must
/// send any (RFC 9110 §4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// As it was written; an IPv6 address is in its brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `None` if it is malformed, or names no host (RFC 9110 §4.2.1).
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        // An IPv6 address is in brackets, because of its colons.
        let host_len = match text.strip_prefix('[') {
            Some(address) => address.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(host_len)?;
        if !is_name(host) && !is_literal(host) {
            return None;
        }
        match port.strip_prefix(':') {
            None => port.is_empty().then_some(Self { host, port: None }),
            // RFC 3986 §3.2.3: *DIGIT.
            Some("") => Some(Self { host, port: None }),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Self { host, port: Some(port.parse().ok()?) })
            }
            Some(_) => None,
        }
    }
}

/// An address in brackets: version 6, or one of the future (RFC 3986 §3.2.2).
fn is_literal(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok() || is_future(address))
}

fn is_future(address: &str) -> bool {
    let Some((version, rest)) =
        address.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !rest.is_empty()
        && rest.bytes().all(|byte| is_plain(byte) || b",:".contains(&byte))
}

/// A registered name or an IPv4 address. No comma, though RFC 3986 has it: two `Host` lines that
/// somebody joined look like that.
fn is_name(mut host: &str) -> bool {
    if host.is_empty() {
        return false;
    }
    while let Some((plain, encoded)) = host.split_once('%') {
        let digits = encoded.as_bytes().first_chunk::<2>();
        if !plain.bytes().all(is_plain)
            || !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        {
            return false;
        }
        host = encoded.get(2..).unwrap_or_default();
    }
    host.bytes().all(is_plain)
}

/// Unreserved, or a delimiter within a part, but for the comma.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("example.com:0", "example.com", Some(0)),
            ("example.com:00080", "example.com", Some(80)),
            ("example.com:65535", "example.com", Some(65_535)),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:9001", "[::1]", Some(9001)),
            ("[::ffff:192.0.2.1]:", "[::ffff:192.0.2.1]", None),
            ("[v1.fe80::a+b]:1", "[v1.fe80::a+b]", Some(1)),
            ("a%2Fb%c3:1", "a%2Fb%c3", Some(1)),
            ("a-._~!$&'()*+;=b", "a-._~!$&'()*+;=b", None),
        ] {
            assert_eq!(Authority::parse(text), Some(Authority { host, port }), "{text}");
        }
    }

    //
    #[test]
    fn a_malformed_authority_is_none() {
        for text in [
            "",
            ":",
            ":80",
            "[",
            "[]",
            "[]:80",
            "[::1",
            "::1",
            "[::g]",
            "[::1]x",
            "[::1]:x",
            "[v.x]",
            "[v1.]",
            "[v1]",
            "[vg.x]",
            "[example.com]",
            "[fe80::1%25eth0]",
            "[192.0.2.1]",
            "a:b",
            "a:80:80",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:99999999999999999999",
            "a b",
            "a\"b",
            "<a>",
            "a%",
            "a%2",
            "a%zz",
            "a%2g",
            "a%\u{e9}9",
            "a,b",
            "a/b",
            "a?b",
            "a#b",
            "u@a",
            "u:p@a",
            "a\\b",
            "{a}",
            "a|b",
            "a^b",
            "a`b",
            "\u{e9}",
            "a\0",
            "a]",
            "a[",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }
}
