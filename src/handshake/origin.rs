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
                    return origin == b"null" && origins.iter().any(|listed| listed == "null");
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
        let (scheme, authority) = origin.split_once("://")?;
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
            host == self.host && port.or_else(|| default_port(&self.scheme)) == self.port
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

/// The host, and the port if there is one; `None` if it is malformed.
pub(super) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let malformed = |byte: u8| !byte.is_ascii_graphic() || b"/?#@\\,".contains(&byte);
    if authority.is_empty() || authority.bytes().any(malformed) {
        return None;
    }
    // An IPv6 address is in brackets, because of its colons.
    let colon = match (authority.rfind(':'), authority.rfind(']')) {
        (Some(colon), Some(bracket)) if colon < bracket => None,
        (colon, _) => colon,
    };
    let Some((host, port)) = colon.and_then(|colon| authority.split_at_checked(colon)) else {
        return Some((authority, None));
    };
    match port.get(1..)? {
        "" => Some((host, None)),
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        _ => None,
    }
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
        ];
        for (origin, host, allowed) in rows {
            let policy = Origins::SameHost;
            assert_eq!(
                policy.allow(origin.as_bytes(), host.as_bytes()),
                allowed,
                "{origin} {host}"
            );
        }
    }

    //
    #[test]
    fn a_list_allows_what_it_lists() {
        let list = Origins::list(["https://example.com", "chrome-extension://abc", "null"]);
        let rows = [
            ("https://example.com", true),
            ("HTTPS://EXAMPLE.COM:443", true),
            ("chrome-extension://abc", true),
            ("null", true),
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
