//! The hosts to which no proxy leads: the list `no_proxy` of the environment.

use std::net::IpAddr;

/// Whether the list names this host, and this port if it names one.
pub(super) fn is_excepted(host: &str, port: u16, list: &str) -> bool {
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    entries.into_iter().any(|entry| matches(host, port, entry))
}

fn matches(host: &str, port: u16, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        let whole = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
        return is_in_network(address, whole.unwrap_or(entry));
    }
    let (name, only) = match entry.rsplit_once(':') {
        Some((name, digits)) => match digits.parse::<u16>() {
            Ok(only) => (name, Some(only)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    let plain = |name: &str| name.trim_matches('.').to_ascii_lowercase();
    let (host, name) = (plain(host), plain(name.strip_prefix('*').unwrap_or(name)));
    let is_under =
        host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !name.is_empty() && is_under && only.is_none_or(|only| only == port)
}

/// Whether `network` is this address, or a prefix of it such as `10.0.0.0/8`.
fn is_in_network(address: IpAddr, network: &str) -> bool {
    let (prefix, len) = match network.split_once('/') {
        Some((prefix, len)) => (prefix, len.parse::<u32>().ok()),
        None => (network, Some(128)),
    };
    let (Ok(prefix), Some(len)) = (prefix.parse::<IpAddr>(), len) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, size), (prefix, of)) = (bits(address), bits(prefix));
    size == of && (address ^ prefix).leading_zeros() >= len.min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    // DI-06
    #[test]
    fn hosts_addresses_and_networks_are_excepted() {
        for (host, list, excepted) in [
            ("example.com", "example.com", true),
            ("example.com", "a, EXAMPLE.com", true),
            ("sub.example.com", "example.com", true),
            ("sub.example.com", ".example.com", true),
            ("sub.example.com", "*.example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com", "example.org example.com", true),
            ("example.com", "example.com:80", true),
            ("example.com", "example.com:81", false),
            ("example.com", "*", true),
            ("example.com", "", false),
            ("example.com", ".", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.0.0.0/x", false),
            ("::1", "::1", true),
            ("::1", "[::1]", true),
            ("fe80::7", "fe80::/10", true),
            ("fec0::7", "fe80::/10", false),
            ("::1", "0.0.0.0/0", false),
        ] {
            assert_eq!(is_excepted(host, 80, list), excepted, "{host} in {list:?}");
        }
    }
}
