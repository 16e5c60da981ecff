//! Whether the page that a browser sent the request for may connect (RFC 6455 §10.2).

use crate::config::Origins;

impl Origins {
    /// Whether a page of `origin` may connect to what the request calls `host`.
    ///
    /// The request target plays no part: `//evil/` is a path, not a host.
    pub(super) fn allow(&self, origin: &[u8], host: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::List(origins) => {
                let Some(origin) = Origin::parse(origin) else {
                    // `null`, or a scheme without hosts, such as `file://`.
                    return origins.iter().any(|listed| listed.as_bytes() == origin);
                };
                origins
                    .iter()
                    .any(|listed| Origin::parse(listed.as_bytes()) == Some(origin.clone()))
            }
            Self::SameHost => Origin::parse(origin).is_some_and(|origin| origin.is_of(host)),
        }
    }
}

/// `scheme://host:port`, in lower case, the port filled in where the scheme has one.
#[derive(Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(origin: &[u8]) -> Option<Self> {
        let origin = std::str::from_utf8(origin).ok()?.to_ascii_lowercase();
        let (scheme, authority) =
            origin.split_once("://").filter(|(scheme, _)| !scheme.is_empty())?;
        let (host, port) = split_port(authority)?;
        Some(Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.or_else(|| default_port(scheme)),
        })
    }

    /// Whether `host`, a `Host` header, names this host and port. It does not say the scheme, so
    /// that of the origin fills in the port.
    fn is_of(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        split_port(&host).is_some_and(|(host, port)| {
            let port = port.or_else(|| default_port(&self.scheme));
            host == self.host && port.is_some() && port == self.port
        })
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// The host, and the port if there is one; `None` if it is malformed (RFC 3986 §3.2).
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    // An IPv6 address is in brackets, because of its colons.
    let host_len = match authority.strip_prefix('[') {
        Some(address) => address.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_len)?;
    if !is_address(host) && !is_name(host) {
        return None;
    }
    match port.strip_prefix(':') {
        None => port.is_empty().then_some((host, None)),
        Some("") => Some((host, None)),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
    }
}

fn is_address(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    address.is_some_and(|address| !address.is_empty() && address.bytes().all(part))
}

fn is_name(host: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
    !host.is_empty() && host.bytes().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    // HS-37, V77, V78
    #[test]
    fn the_same_host_is_the_same_host_and_port() {
        let rows = [
            ("http://example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("HTTPS://Example.COM", "example.com:443", true),
            ("http://example.com:80", "EXAMPLE.com", true),
            ("http://example.com:8080", "example.com:8080", true),
            ("http://[::1]:9001", "[::1]:9001", true),
            ("http://[::1]", "[::1]", true),
            ("http://[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", true),
            ("http://example.com", "example.com:8080", false),
            ("http://example.com:8080", "example.com", false),
            ("https://example.com", "example.com:80", false),
            ("http://evil.com", "example.com", false),
            ("http://example.com.evil.com", "example.com", false),
            ("http://evil.com/example.com", "example.com", false),
            ("http://evil@example.com", "example.com", false),
            ("http://example.com:80:80", "example.com:80", false),
            ("http://example.com:99999", "example.com:99999", false),
            ("http://example.com:+80", "example.com", false),
            ("http://", "", false),
            ("null", "null", false),
            ("", "example.com", false),
            ("chrome-extension://abc", "example.com", false),
            ("ftp://example.com", "example.com", false),
            ("://example.com", "example.com", false),
            ("http://[::1", "[::1", false),
            ("http://::1", "::1", false),
            ("http://[]", "[]", false),
            ("http://[::g]", "[::g]", false),
        ];
        for (origin, host, allowed) in rows {
            let policy = Origins::SameHost;
            assert_eq!(
                policy.allow(origin.as_bytes(), host.as_bytes()),
                allowed,
                "{origin} {host}"
            );
        }
        assert!(!Origins::SameHost.allow(b"http://example.com", b"example.com\xff"));
        assert!(!Origins::SameHost.allow(b"http://example.com\xff", b"example.com"));
    }

    //
    #[test]
    fn a_list_allows_what_it_lists() {
        let list =
            Origins::list(["https://example.com", "chrome-extension://abc", "null", "file://"]);
        let rows = [
            ("https://example.com", true),
            ("HTTPS://EXAMPLE.COM:443", true),
            ("chrome-extension://abc", true),
            ("null", true),
            ("file://", true),
            ("http://example.com", false),
            ("https://example.com:8443", false),
            ("https://www.example.com", false),
            ("NULL", false),
            ("", false),
        ];
        for (origin, allowed) in rows {
            assert_eq!(list.allow(origin.as_bytes(), b"example.com"), allowed, "{origin}");
        }
        assert!(!Origins::list(["https://example.com"]).allow(b"null", b"example.com"));
        assert!(Origins::Any.allow(b"\xff", b"example.com"));
    }
}
