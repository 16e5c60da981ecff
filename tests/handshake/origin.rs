//! Which pages may connect (RFC 6455 §4.2.2 item 4, §10.2).

use sansocket::handshake::HandshakeError as E;
use sansocket::{Config, Origins};

use crate::common::session::config;
use crate::heads::{from, with};
use crate::refusals::foreign;
use crate::replay::{accepted, refused, request};

fn policy(origins: Origins) -> Config {
    config(|config| config.origins(origins))
}

// R-021, HS-37: who is no browser need not say where it comes from
#[test]
fn a_request_without_origin_passes() {
    for origins in [Origins::SameHost, Origins::list(["https://example.com"]), Origins::Any] {
        let request = request(&with(&[]), &policy(origins));
        assert_eq!(request.origin(), None);
    }
}

// HS-37, V77
#[test]
fn by_default_a_page_of_the_same_host_and_port_may_connect() {
    for (host, origin) in [
        ("example.com", "http://example.com"),
        ("example.com", "https://example.com"),
        ("example.com", "HTTPS://Example.COM"),
        ("EXAMPLE.com", "http://example.com"),
        ("example.com:80", "http://example.com"),
        ("example.com", "http://example.com:80"),
        ("example.com:443", "https://example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com:8080", "http://example.com:8080"),
        ("example.com:8443", "https://example.com:8443"),
        ("localhost:9001", "http://localhost:9001"),
        ("[::1]:9001", "http://[::1]:9001"),
        ("[::1]", "https://[::1]"),
        ("127.0.0.1:9001", "http://127.0.0.1:9001"),
    ] {
        let image = with(&[&format!("Host: {host}"), &format!("Origin: {origin}")]);
        let request = request(&image, &Config::default());
        assert_eq!(request.origin(), Some(origin.as_bytes()));
    }
}

// HS-37, V77
#[test]
fn by_default_a_page_of_another_host_or_port_is_refused() {
    for (host, origin) in [
        ("example.com", "http://evil.example"),
        ("example.com", "http://example.com.evil.example"),
        ("example.com", "http://evilexample.com"),
        ("example.com", "http://sub.example.com"),
        ("sub.example.com", "http://example.com"),
        ("example.com", "http://example.com:8080"),
        ("example.com:8080", "http://example.com"),
        ("example.com:80", "https://example.com"),
        ("example.com:443", "http://example.com"),
        ("example.com:8080", "http://example.com:8081"),
        ("example.com", "http://example.com@evil.example"),
        ("example.com", "http://evil.example@example.com"),
        ("example.com", "http://evil.example/example.com"),
        ("example.com", "http://evil.example#example.com"),
        ("example.com", "http://evil.example?example.com"),
        ("example.com", "http://evil.example\\example.com"),
        ("example.com", "http://example.com/"),
        ("example.com", "http://example.com, http://evil.example"),
        ("example.com", "http://example.com http://evil.example"),
        ("example.com", "http://example.com:80:80"),
        ("example.com", "http://example.com:0x50"),
        ("example.com", "http://example.com:+80"),
        ("example.com", "http://example.com:65616"),
        ("example.com", "http://example.com:99999999999999999999"),
        ("example.com", "example.com"),
        ("example.com", "//example.com"),
        ("example.com", "http:example.com"),
        ("example.com", "http://"),
        ("example.com", "null"),
        ("null", "null"),
        ("example.com", ""),
        ("example.com", "file://"),
        ("example.com", "chrome-extension://gighmmpiobklfepjocnamgkkbiglidom"),
        ("example.com", "moz-extension://2c1d0b4e-1f4e-4c9e-8a11-5a3b3b1a7c10"),
        ("example.com", "http://ex\u{e4}mple.com"),
        ("example.com", "http://example.com\u{ff}"),
        ("[::1]:9001", "http://[::2]:9001"),
        ("[::1]", "http://::1"),
        ("127.0.0.1", "http://localhost"),
    ] {
        let image = with(&[&format!("Host: {host}"), &format!("Origin: {origin}")]);
        refused(&image, &Config::default(), &foreign());
    }
}

// HS-12, HS-37, V78: a path is no host
#[test]
fn a_path_has_no_part_in_it() {
    for origin in ["https://evil", "http://evil"] {
        let image = from("GET //evil/ws HTTP/1.1", &[&format!("Origin: {origin}")]);
        refused(&image, &Config::default(), &foreign());
    }
    accepted(&from("GET //evil/ws HTTP/1.1", &["Origin: http://example.com"]), &Config::default());
}

// HS-12, HS-37, V78: RFC 9112 §3.2.2 has `Host` ignored where the target is absolute
#[test]
fn the_host_of_an_absolute_target_is_the_one_that_counts() {
    for (target, origin) in [
        ("http://other.example/ws", "http://other.example"),
        ("https://other.example:443/", "https://other.example"),
        ("http://Other.example:8080", "http://other.example:8080"),
        ("http://[::1]/", "http://[::1]"),
    ] {
        let first = format!("GET {target} HTTP/1.1");
        let seen = request(&from(&first, &[&format!("Origin: {origin}")]), &Config::default());
        assert_ne!(seen.host(), Some("example.com"));
        let ours = from(&first, &["Origin: http://example.com"]);
        refused(&ours, &Config::default(), &foreign());
    }
}

// HS-37
#[test]
fn a_list_allows_what_it_lists_and_nothing_else() {
    let list = policy(Origins::list([
        "https://Example.com",
        "http://localhost:3000",
        "chrome-extension://gighmmpiobklfepjocnamgkkbiglidom",
        "https://[::1]",
        "null",
    ]));
    for origin in [
        "https://example.com",
        "HTTPS://EXAMPLE.COM:443",
        "http://localhost:3000",
        "chrome-extension://gighmmpiobklfepjocnamgkkbiglidom",
        "https://[::1]:443",
        "null",
    ] {
        accepted(&with(&["Host: other", &format!("Origin: {origin}")]), &list);
    }
    for origin in [
        "http://example.com",
        "https://example.com:8443",
        "https://www.example.com",
        "https://example.com.evil.example",
        "http://localhost",
        "http://localhost:3001",
        "https://localhost:3000",
        "chrome-extension://other",
        "https://other",
        "NULL",
        "",
        "\u{ff}",
    ] {
        refused(&with(&["Host: other", &format!("Origin: {origin}")]), &list, &foreign());
    }
    let nobody = policy(Origins::list([""; 0]));
    for origin in ["http://example.com", "null", ""] {
        refused(&with(&[&format!("Origin: {origin}")]), &nobody, &foreign());
    }
}

// R-022, HS-31, HS-37
#[test]
fn any_page_may_connect_where_that_is_asked_for() {
    for origin in ["http://evil.example", "null", "file://", "", "//", "\u{ff}"] {
        accepted(&with(&[&format!("Origin: {origin}")]), &policy(Origins::Any));
    }
}

// R-023, HS-37
#[test]
fn a_repeated_origin_is_refused_wherever_pages_may_come_from() {
    let list = Origins::list(["http://example.com", "null"]);
    for origins in [Origins::SameHost, list, Origins::Any] {
        for lines in [
            ["Origin: http://example.com", "Origin: http://example.com"],
            ["Origin: http://example.com", "origin: http://evil.example"],
            ["Origin: null", "Origin:"],
        ] {
            refused(&with(&lines), &policy(origins.clone()), &E::RepeatedOrigin);
        }
    }
}

// on either side
#[test]
fn case_and_a_default_port_do_not_matter_in_a_list() {
    for listed in ["https://example.org:443", "HTTPS://EXAMPLE.org", "https://example.org"] {
        for origin in ["https://example.org", "https://example.org:443", "https://Example.Org"] {
            let image = with(&[&format!("Origin: {origin}")]);
            accepted(&image, &policy(Origins::list([listed])));
        }
        let image = with(&["Origin: http://example.org"]);
        refused(&image, &policy(Origins::list([listed])), &foreign());
    }
}
