//! Which requests open a WebSocket: RFC 6455 §4.2.1, RFC 9112 and the choices in DESIGN.md, plainly
//! and without the crate's help. Slow, and blind to how the bytes are cut.

pub struct Rules {
    pub max_head: usize,
    pub max_target: usize,
    pub max_headers: usize,
    pub origins: Origins,
}

pub enum Origins {
    SameHost,
    List(&'static [&'static str]),
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    pub method: String,
    pub target: String,
    pub version: (u8, u8),
    pub headers: Vec<(String, Vec<u8>)>,
}

#[derive(Debug)]
pub enum Verdict {
    Incomplete,
    Accepted(Fields),
    Plain(Fields),
    /// The name of the refusal.
    Refused(&'static str),
}

/// What a server has to make of these bytes, the number of bytes after which that is certain, and the
/// fields if there is a head of the right form.
pub fn judge(bytes: &[u8], rules: &Rules) -> (Verdict, usize, Option<Fields>) {
    let (head, end) = match find_head(bytes, rules.max_head) {
        Found::Incomplete => return (Verdict::Incomplete, bytes.len(), None),
        Found::Wrong(why, at) => return (Verdict::Refused(why), at, None),
        Found::Head(head, end) => (head, end),
    };
    match parse(head, rules) {
        Ok(fields) => (judge_fields(&fields, rules), end, Some(fields)),
        Err(why) => (Verdict::Refused(why), end, None),
    }
}

/// The checks of the fields, in the order in which the crate promises to make them.
pub fn judge_fields(fields: &Fields, rules: &Rules) -> Verdict {
    let host = fields.all("Host");
    let one_host = host.len() == 1 && is_host(host[0]);
    if !lists(&fields.all("Upgrade"), "websocket") {
        // RFC 9112 §3.2: no upgrade is needed for these.
        return if fields.authority().is_some_and(|authority| !is_host(authority.as_bytes())) {
            Verdict::Refused("Target")
        } else if !one_host && (fields.version == (1, 1) || !host.is_empty()) {
            Verdict::Refused("Host")
        } else {
            Verdict::Plain(fields.clone())
        };
    }
    let subprotocols: Vec<_> = members(&fields.all("Sec-WebSocket-Protocol"));
    let version = fields.all("Sec-WebSocket-Version");
    let key = fields.all("Sec-WebSocket-Key");
    let origin = fields.all("Origin");
    let length = fields.all("Content-Length");
    let conditions = [
        (fields.version == (1, 1), "HttpVersion"),
        (fields.method == "GET", "Method"),
        (is_target(&fields.target, fields.authority()), "Target"),
        (one_host, "Host"),
        (length.is_empty() || length == [b"0"], "Body"),
        (fields.all("Transfer-Encoding").is_empty(), "Body"),
        (lists(&fields.all("Connection"), "upgrade"), "Connection"),
        (
            version.len() == 1 && (version[0] == b"13" || !version[0].contains(&b',')),
            "MissingVersion",
        ),
        (version == [b"13"], "UnsupportedVersion"),
        (key.len() == 1 && is_key(key[0]), "Key"),
        (subprotocols.iter().all(|name| is_token(name)), "Subprotocols"),
        (
            (1..subprotocols.len()).all(|i| !subprotocols[..i].contains(&subprotocols[i])),
            "Subprotocols",
        ),
        (
            members(&fields.all("Sec-WebSocket-Extensions")).iter().all(|e| is_extension(e)),
            "Extensions",
        ),
        (origin.len() <= 1, "RepeatedOrigin"),
        (origin.is_empty() || rules.origins.allow(origin[0], fields.host()), "Origin"),
    ];
    match conditions.iter().find(|condition| !condition.0) {
        Some((_, why)) => Verdict::Refused(why),
        None => Verdict::Accepted(fields.clone()),
    }
}

impl Fields {
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|header| header.0.eq_ignore_ascii_case(name));
        named.map(|header| &*header.1).collect()
    }

    /// The authority of an absolute target.
    pub fn authority(&self) -> Option<&str> {
        let lower = self.target.to_ascii_lowercase();
        let scheme =
            ["http://", "https://"].into_iter().find(|scheme| lower.starts_with(scheme))?;
        self.target[scheme.len()..].split(['/', '?']).next()
    }

    /// The host that the request is for (RFC 9112 §3.2.2), if it has one.
    pub fn host(&self) -> &[u8] {
        let first = self.all("Host").first().copied().unwrap_or_default();
        self.authority().map_or(first, str::as_bytes)
    }

    /// Path and query of a target that is right.
    pub fn resource(&self) -> (&str, Option<&str>) {
        let mut resource = &*self.target;
        if let Some(at) = resource.find("://").filter(|_| !resource.starts_with('/')) {
            let rest = &resource[at + 3..];
            resource = &rest[rest.find(['/', '?']).unwrap_or(rest.len())..];
        }
        let (path, query) = match resource.find('?') {
            Some(at) => (&resource[..at], Some(&resource[at + 1..])),
            None => (resource, None),
        };
        (if path.is_empty() { "/" } else { path }, query)
    }
}

enum Found<'b> {
    Incomplete,
    Wrong(&'static str, usize),
    /// The lines, and where the next thing begins.
    Head(&'b [u8], usize),
}

/// The head in front, or the first byte that cannot stand in one.
fn find_head(bytes: &[u8], max_head: usize) -> Found<'_> {
    // An empty line in front is tolerated (RFC 9112 §2.2).
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    for i in 0..bytes.len() {
        let before = if i == 0 { 0 } else { bytes[i - 1] };
        let wrong = match bytes[i] {
            b'\r' if i == 0 => false,
            // TLS, if the next byte says so too.
            0x16 if i == 0 => false,
            0x03 if i == 1 && before == 0x16 => return Found::Wrong("Tls", 2),
            _ if i == 1 && before == 0x16 => true,
            byte if i == start => !is_tchar(byte),
            b'\n' => before != b'\r',
            _ if before == b'\r' => true,
            b' ' | b'\t' if before == b'\n' => true,
            b'\t' | b'\r' => false,
            byte => byte < 0x20 || byte == 0x7f,
        };
        if wrong {
            return Found::Wrong("Malformed", i + 1);
        }
        if bytes[i] == b'\n' && bytes[..=i].ends_with(b"\r\n\r\n") {
            return Found::Head(&bytes[start..i - 1], i + 1);
        }
        if i + 1 == max_head {
            let one_line = !bytes[start..=i].contains(&b'\n');
            return Found::Wrong(if one_line { "TargetTooLong" } else { "HeadTooLarge" }, i + 1);
        }
    }
    Found::Incomplete
}

/// Lines that end in CRLF, each.
fn parse(head: &[u8], rules: &Rules) -> Result<Fields, &'static str> {
    let mut lines = vec![];
    let mut rest = head;
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    let [request_line, header_lines @ ..] = &lines[..] else {
        return Err("Malformed");
    };
    let mut words = request_line.splitn(3, |byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = words.next();
    // Which bytes may stand in a target that is used is another matter.
    let is_target = !target.is_empty() && target.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    let target = std::str::from_utf8(target).ok().filter(|_| is_target && is_token(method));
    let (Some(target), Some(version)) = (target, version) else {
        return Err("Malformed");
    };
    let minor = match version {
        b"HTTP/1.0" => 0,
        b"HTTP/1.1" => 1,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0' | b'1', ..] => return Err("Malformed"),
        _ => return Err("HttpVersion"),
    };
    let mut headers = vec![];
    for line in header_lines {
        let colon = line.iter().position(|byte| *byte == b':').ok_or("Malformed")?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) {
            return Err("Malformed");
        }
        if headers.len() == rules.max_headers {
            return Err("HeadTooLarge");
        }
        headers.push((String::from_utf8_lossy(name).into_owned(), trim(value).to_vec()));
    }
    if target.len() > rules.max_target {
        return Err("TargetTooLong");
    }
    let method = String::from_utf8_lossy(method).into_owned();
    Ok(Fields { method, target: target.into(), version: (1, minor), headers })
}

pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    const MARKS: &[u8] = b"!#$%&'*+-.^_`|~";
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9') || MARKS.contains(&byte)
}

pub fn trim(bytes: &[u8]) -> &[u8] {
    let is_white = |byte: &u8| b" \t".contains(byte);
    let start = bytes.iter().take_while(|byte| is_white(byte)).count();
    let end = bytes[start..].iter().rev().take_while(|byte| is_white(byte)).count();
    &bytes[start..bytes.len() - end]
}

/// The members of comma-separated lists; empty ones do not count (RFC 9110 §5.6.1).
pub fn members<'v>(values: &[&'v [u8]]) -> Vec<&'v [u8]> {
    let all = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    all.map(trim).filter(|member| !member.is_empty()).collect()
}

fn lists(values: &[&[u8]], token: &str) -> bool {
    members(values).iter().any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// A path, or an absolute URI with a host, neither with a fragment.
fn is_target(target: &str, authority: Option<&str>) -> bool {
    let clean = target.chars().all(|char| char.is_ascii_graphic() && char != '#');
    clean
        && match authority {
            Some(authority) => is_host(authority.as_bytes()),
            None => target.starts_with('/'),
        }
}

fn is_host(host: &[u8]) -> bool {
    std::str::from_utf8(host).is_ok_and(|host| parse_authority(host).is_some())
}

/// Host and port (RFC 3986 §3.2.2, §3.2.3), but that a name has no comma.
fn parse_authority(authority: &str) -> Option<(&str, Option<u64>)> {
    // Not the colons of an IPv6 address, which stands in brackets.
    let from = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority[from..].rfind(':').map(|colon| from + colon) {
        Some(colon) => (&authority[..colon], &authority[colon + 1..]),
        None => (authority, ""),
    };
    let proper = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => is_ipv6(address) || is_ipvfuture(address),
        None => is_name(host),
    };
    if !proper || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = port.bytes().try_fold(0u64, |number, digit| {
        Some(10 * number + u64::from(digit - b'0')).filter(|number| *number < 65_536)
    });
    Some((host, Some(number?).filter(|_| !port.is_empty())))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    while let Some(char) = chars.next() {
        let right = match char {
            '%' => {
                let digits: Vec<_> = chars.by_ref().take(2).collect();
                digits.len() == 2 && digits.iter().all(char::is_ascii_hexdigit)
            }
            char => is_plain(char),
        };
        if !right {
            return false;
        }
    }
    !name.is_empty()
}

fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(char)
}

fn is_ipvfuture(address: &str) -> bool {
    let Some(at) = address.find('.').filter(|_| address.starts_with(['v', 'V'])) else {
        return false;
    };
    let (version, rest) = (&address[1..at], &address[at + 1..]);
    let hex = version.chars().all(|char| char.is_ascii_hexdigit());
    let plain = rest.chars().all(|char| is_plain(char) || char == ':' || char == ',');
    !version.is_empty() && hex && !rest.is_empty() && plain
}

/// Eight groups, the last two perhaps an IPv4 address; one or more of them perhaps left out.
fn is_ipv6(address: &str) -> bool {
    match address.find("::") {
        None => groups(address, true) == Some(8),
        Some(at) => match (groups(&address[..at], false), groups(&address[at + 2..], true)) {
            (Some(front), Some(back)) => front + back < 8,
            _ => false,
        },
    }
}

fn groups(part: &str, ends: bool) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    let groups: Vec<_> = part.split(':').collect();
    let mut count = 0;
    for (i, group) in groups.iter().enumerate() {
        let hex = group.chars().all(|char| char.is_ascii_hexdigit());
        count += match group.len() {
            1..=4 if hex => 1,
            _ if ends && i + 1 == groups.len() && is_ipv4(group) => 2,
            _ => return None,
        };
    }
    Some(count)
}

fn is_ipv4(address: &str) -> bool {
    let octets: Vec<_> = address.split('.').collect();
    octets.len() == 4
        && octets.iter().all(|octet| {
            let digits = octet.chars().all(|char| char.is_ascii_digit());
            (1..=3).contains(&octet.len())
                && digits
                && (*octet == "0" || !octet.starts_with('0'))
                && octet.parse::<u64>().is_ok_and(|number| number < 256)
        })
}

/// 22 characters of base64 and two `=`; what the last character says beyond 16 bytes does not matter.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(digit)
}

/// §9.1. A quoted value would be a token without its quotes, so there are no commas, semicolons or
/// equals signs in it.
fn is_extension(extension: &[u8]) -> bool {
    let mut parts = extension.split(|byte| *byte == b';');
    if !is_token(trim(parts.next().unwrap_or_default())) {
        return false;
    }
    parts.all(|parameter| match parameter.iter().position(|byte| *byte == b'=') {
        None => is_token(trim(parameter)),
        Some(at) => {
            let value = trim(&parameter[at + 1..]);
            let value = match value {
                [b'"', quoted @ .., b'"'] => unescape(quoted),
                _ => Some(value.to_vec()),
            };
            is_token(trim(&parameter[..at])) && value.is_some_and(|value| is_token(&value))
        }
    })
}

/// Without backslashes, none of which may be the last or escape another.
fn unescape(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = quoted.iter();
    let mut plain = vec![];
    while let Some(byte) = bytes.next() {
        plain.push(if *byte == b'\\' { *bytes.next()? } else { *byte });
    }
    Some(plain)
}

impl Origins {
    /// Whether a page of `origin` may connect to `host` (§10.2).
    fn allow(&self, origin: &[u8], host: &[u8]) -> bool {
        let parsed = parse_origin(origin);
        match self {
            Self::Any => true,
            Self::List(listed) => listed.iter().any(|one| match &parsed {
                None => one.as_bytes() == origin,
                some => parse_origin(one.as_bytes()) == *some,
            }),
            // The scheme is not compared, but fills in the port.
            Self::SameHost => parsed.is_some_and(|parsed| {
                let claimed = [parsed.0.as_bytes(), b"://", host].concat();
                parsed.2.is_some() && parse_origin(&claimed) == Some(parsed)
            }),
        }
    }
}

/// Scheme, host and port, all that matters in one form.
fn parse_origin(origin: &[u8]) -> Option<(String, String, Option<u64>)> {
    let origin = String::from_utf8(origin.to_ascii_lowercase()).ok()?;
    let at = origin.find("://")?;
    let (scheme, authority) = (&origin[..at], &origin[at + 3..]);
    let mut chars = scheme.chars();
    if !chars.next()?.is_ascii_alphabetic()
        || !chars.all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
    {
        return None;
    }
    let (host, port) = parse_authority(authority)?;
    let port = port.or(match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    });
    Some((scheme.into(), host.into(), port))
}
