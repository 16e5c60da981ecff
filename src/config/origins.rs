//! Which web pages may connect (RFC 6455 §10.2).

use std::sync::Arc;

use crate::authority::Authority;

/// Which web pages may connect, judged by the `Origin` header that browsers send (§10.2).
///
/// Browsers send a user's cookies along with a WebSocket handshake, from whatever page it comes.
/// Clients that are no browsers can claim any origin, or none; a request without one passes.
/// It is therefore no authentication (§10.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origins {
    /// Pages of the host that the request is for, see [`Head::host`](crate::handshake::Head::host). The scheme is not compared,
    /// as TLS often ends before the server; the ports are, the scheme's default filled in.
    ///
    /// A page whose host name was made to resolve to this server (DNS rebinding) is of the same host
    /// in its browser's eyes, and so in these: servers on a local network or on `localhost` that no
    /// proxy with a list of hosts protects do better with a list.
    #[default]
    SameHost,
    /// Pages of these origins, each written `scheme://host` or `scheme://host:port`, or `null`.
    /// Case and a default port do not matter. There are no wildcards.
    List(Arc<[String]>),
    /// Pages of any origin. Do not rely on cookies, then.
    Any,
}

impl Origins {
    /// Pages of these origins only.
    ///
    /// ```
    /// use sansocket::{Config, Origins};
    ///
    /// let origins = Origins::list(["https://example.com", "https://example.org:8443"]);
    /// let config = Config::builder().origins(origins).build()?;
    /// # let _ = config;
    /// # Ok::<(), sansocket::ConfigError>(())
    /// ```
    pub fn list<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self::List(origins.into_iter().map(Into::into).collect())
    }

    /// Whether a page of `origin` may connect to `host`, a host and perhaps a port.
    pub(crate) fn allow(&self, origin: &[u8], host: &[u8]) -> bool {
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

    /// Whether each listed origin is one that a browser may send.
    pub(super) fn are_well_formed(&self) -> bool {
        match self {
            Self::List(origins) => origins.iter().all(|origin| is_sent(origin)),
            _ => true,
        }
    }
}

fn is_sent(origin: &str) -> bool {
    match Origin::parse(origin.as_bytes()) {
        // A wildcard, which would stand for itself alone.
        Some(origin) => !origin.host.contains('*'),
        // Some browsers say `file://`, most `null`.
        None => match origin.strip_suffix("://") {
            Some(scheme) => {
                is_scheme(scheme) && default_port(&scheme.to_ascii_lowercase()).is_none()
            }
            None => origin == "null",
        },
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
            origin.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?;
        let Authority { host, port } = Authority::parse(authority)?;
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
        Authority::parse(&host).is_some_and(|Authority { host, port }| {
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

/// RFC 3986 §3.1
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-022, R-023, R-166, HS-37, V77, V78
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
            ("http://a%zz", "a%zz", false),
            ("a b://example.com:80", "example.com:80", false),
            ("1://example.com:80", "example.com:80", false),
            ("http://example.com:", "example.com:", true),
            ("http://example.com", "[example.com]", false),
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

    // R-023
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
