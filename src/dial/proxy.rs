//! A proxy that opens tunnels with CONNECT, and where the environment names one.

use std::env;
use std::fmt;

use super::exceptions::is_excepted;
use crate::authority::Authority;
use crate::handshake::client::{BuildError, Request, basic};

/// An HTTP proxy that is reached with plain TCP. It sees the host and port, and, through the tunnel, what is not TLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// An IPv6 address without its brackets.
    host: String,
    port: u16,
    authorization: Option<String>,
}

impl Proxy {
    /// The proxy at a URL of the form `http://user:password@host:port`, in which scheme and credentials may be missing.
    /// The port is 80 by default. Credentials may be percent-encoded; they are sent in the clear (RFC 7617).
    ///
    /// # Errors
    ///
    /// [`BuildError::Proxy`], for `https` and `socks` too: any stream that leads through one can be given to
    /// `connect`.
    pub fn new(url: &str) -> Result<Self, BuildError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(BuildError::Proxy),
            None => url,
        };
        // The authority ends at the first slash (RFC 3986 §3.2); a path has no meaning here.
        let rest = match rest.split_once('/') {
            Some((authority, "")) => authority,
            Some(_) => return Err(BuildError::Proxy),
            None => rest,
        };
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        let Authority { host, port } = Authority::parse(authority).ok_or(BuildError::Proxy)?;
        if port == Some(0) {
            return Err(BuildError::Proxy);
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let authorization = match credentials {
            None => None,
            Some(credentials) => {
                let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
                let (name, password) = (decode(name)?, decode(password)?);
                Some(basic(&name, &password).ok_or(BuildError::Proxy)?)
            }
        };
        let host = address.unwrap_or(host).to_owned();
        Ok(Self { host, port: port.unwrap_or(80), authorization })
    }

    /// The proxy that the environment names for this request, as for curl: `https_proxy` for `wss` and `http_proxy` for
    /// `ws`, or else `all_proxy`, unless the host is one of those in `no_proxy`. The names may be in capitals, but for
    /// `HTTP_PROXY`, which a CGI program gets from its client's `Proxy` header.
    ///
    /// `no_proxy` is a list of hosts, each of which stands for its subdomains too, of addresses, and of networks such as
    /// `10.0.0.0/8`; `*` is all.
    ///
    /// ```no_run
    /// use sansocket::dial::{Dial, Proxy};
    ///
    /// let dial = Dial::new("wss://example.com/chat")?;
    /// let proxy = Proxy::from_env(dial.request())?;
    /// let dial = dial.proxy(proxy);
    /// # let _ = dial;
    /// # Ok::<(), sansocket::handshake::client::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new): a proxy that cannot be used is not gone around.
    pub fn from_env(request: &Request) -> Result<Option<Self>, BuildError> {
        // One that is no Unicode stays one that is no URL.
        Self::from_variables(request, |name| {
            env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    fn from_variables(
        request: &Request,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, BuildError> {
        let find = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let own = match request.is_secure() {
            true => find(&["https_proxy", "HTTPS_PROXY"]),
            false => find(&["http_proxy"]),
        };
        let Some(url) = own.or_else(|| find(&["all_proxy", "ALL_PROXY"])) else {
            return Ok(None);
        };
        let exceptions = find(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        match is_excepted(request.host(), request.port(), &exceptions) {
            true => Ok(None),
            false => Self::new(url.trim()).map(Some),
        }
    }

    /// The host to connect to; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }
}

/// Without the credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Percent-decodes (RFC 3986 §2.1).
fn decode(text: &str) -> Result<String, BuildError> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(match byte {
            b'%' => {
                let value = digit().zip(digit()).map(|(high, low)| 16 * high + low);
                value.and_then(|value| u8::try_from(value).ok()).ok_or(BuildError::Proxy)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| BuildError::Proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    // DI-05
    #[test]
    fn a_proxy_is_a_host_a_port_and_perhaps_credentials() {
        let proxy = |url: &str| {
            let proxy = Proxy::new(url).ok()?;
            Some(format!("{} {} {:?}", proxy.host(), proxy.port(), proxy.authorization()))
        };
        for (url, wanted) in [
            ("http://proxy.example:3128", "proxy.example 3128 None"),
            ("HTTP://proxy.example/", "proxy.example 80 None"),
            ("proxy.example:3128", "proxy.example 3128 None"),
            ("http://[::1]:8080", "::1 8080 None"),
            ("http://a:b@h:1", "h 1 Some(\"Basic YTpi\")"),
            ("a@h", "h 80 Some(\"Basic YTo=\")"),
            ("http://a%40b:c%3Ad@h:1", "h 1 Some(\"Basic YUBiOmM6ZA==\")"),
        ] {
            assert_eq!(proxy(url).as_deref(), Some(wanted), "{url}");
        }
        for url in [
            "",
            "https://h:1",
            "socks5://h",
            "http://h:0",
            "http://h/path",
            "http://h/path@evil",
            "http://%zz@h",
            "a%3Ab@h",
        ] {
            assert_eq!(proxy(url), None, "{url}");
        }
        let shown = format!("{:?}", Proxy::new("http://me:secret@h"));
        assert!(!shown.contains("Basic") && !shown.contains("secret"), "{shown}");
    }

    // DI-06
    #[test]
    fn the_environment_names_a_proxy_as_for_curl() {
        let found = |url: &str, variables: &[(&str, &str)]| {
            let request = Request::new(url).ok()?;
            let variable = |name: &str| {
                let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
                Some((*value).to_owned())
            };
            Proxy::from_variables(&request, variable).ok()?.map(|proxy| proxy.host)
        };
        let all = [("http_proxy", "a"), ("HTTPS_PROXY", "b"), ("all_proxy", "c")];
        assert_eq!(found("ws://h", &all).as_deref(), Some("a"));
        assert_eq!(found("wss://h", &all).as_deref(), Some("b"));
        assert_eq!(found("ws://h", &all[1..]).as_deref(), Some("c"));
        assert_eq!(found("ws://h", &[("HTTP_PROXY", "from a header")]), None);
        assert_eq!(
            found("ws://h", &[("http_proxy", ""), ("ALL_PROXY", "c")]).as_deref(),
            Some("c")
        );
        assert_eq!(found("ws://h", &[("all_proxy", "c"), ("no_proxy", "h")]), None);
        let request = Request::new("ws://h").unwrap_or_else(|_| unreachable!());
        let socks = Proxy::from_variables(&request, |_| Some("socks5://h".to_owned()));
        assert_eq!(socks, Err(BuildError::Proxy), "it is not gone around");
    }
}
