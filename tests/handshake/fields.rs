//! Host, Upgrade, Connection, the key, the version, and a body (RFC 6455 §4.2.1, items 2 to 6).

use sansocket::Config;
use sansocket::handshake::HandshakeError as E;

use crate::heads::{ACCEPT, KEY, REQUIRED, from, head, with, without};
use crate::refusals::foreign;
use crate::replay::{accepted, plain, refused, request};

// R-006, HS-13, V61
#[test]
fn there_is_one_host() {
    refused(&without("Host"), &Config::default(), &E::Host);
    for lines in [
        &["Host:"][..],
        &["Host: \t "],
        &["Host: a", "Host: b"],
        &["Host: a", "host: a"],
        &["Host: a", "Host:"],
        &["Host: a b"],
        &["Host: a\tb"],
        &["Host: a,b"],
        &["Host: a, a"],
        &["Host: http://a"],
        &["Host: a/"],
        &["Host: user@a"],
        &["Host: a?b"],
        &["Host: a#b"],
        &["Host: a\\b"],
        &["Host: \u{e9}"],
        &["Host: \u{c3}\u{a9}"],
    ] {
        refused(&with(lines), &Config::default(), &E::Host);
    }
    for host in [
        "example.com",
        "EXAMPLE.com:8080",
        "a",
        "127.0.0.1:9001",
        "[::1]",
        "[::1]:9001",
        "xn--caf-dma.example",
        "under_score",
        "example.com.",
        "example.com:",
    ] {
        let request = request(&with(&[&format!("Host: {host}")]), &Config::default());
        assert_eq!(request.header("host"), Some(host.as_bytes()));
    }
}

// R-006, HS-13, V61: RFC 9110 §7.2, RFC 3986 §3.2.2
#[test]
fn a_malformed_host_is_refused() {
    for host in [
        "[",
        "]",
        "[::1",
        "[]",
        "::1",
        ":",
        ":80",
        "a:b:c",
        "a:65536",
        "a:b",
        "%",
        "[::g]",
        "a:80:80",
        "a:-1",
        "a\"b",
        "<a>",
        "a%zz",
        "a%2",
        "[example.com]",
        "[fe80::1%25eth0]",
        "{a}",
        "a|b",
    ] {
        let line = format!("Host: {host}");
        refused(&with(&[&line]), &Config::default(), &E::Host);
        // Also where the target takes its place.
        let image = from("GET http://example.com/ HTTP/1.1", &[&line]);
        refused(&image, &Config::default(), &E::Host);
    }
    refused(&without("Host"), &Config::default(), &E::Host);
    for host in ["*", "a%2Fb", "[v1.a]", "[1:2::3]:", "a!$&'()*+;=b", "a:0065535"] {
        let image = with(&[&format!("Host: {host}"), "Origin: http://example.com"]);
        refused(&image, &Config::default(), &foreign());
        accepted(&with(&[&format!("Host: {host}")]), &Config::default());
    }
}

// HS-16, V58
#[test]
fn upgrade_lists_websocket() {
    let spaces = format!("Upgrade: {}websocket", " ".repeat(2000));
    for lines in [
        &["Upgrade: websocket"][..],
        &["Upgrade: WebSocket"],
        &["Upgrade: WEBSOCKET"],
        &["upgrade:websocket"],
        &["Upgrade: \t websocket \t "],
        &["Upgrade: h2c, websocket"],
        &["Upgrade: websocket, h2c"],
        &["Upgrade: h2c,websocket,foo/1"],
        &["Upgrade: ,,\t, websocket ,"],
        &["Upgrade: h2c", "Upgrade: websocket"],
        &["Upgrade: websocket", "Upgrade: websocket"],
        &["Upgrade:", "Upgrade: websocket"],
        &[&spaces],
    ] {
        accepted(&with(lines), &Config::default());
    }
}

// HS-14, HS-15, V63, V64, V65: whole tokens, and no other reading of the request
#[test]
fn without_upgrade_to_websocket_it_is_a_plain_request() {
    plain(&without("Upgrade"), &Config::default());
    for lines in [
        &["Upgrade:"][..],
        &["Upgrade: websockets"],
        &["Upgrade: web socket"],
        &["Upgrade: websock"],
        &["Upgrade: websocket/13"],
        &["Upgrade: notwebsocket"],
        &["Upgrade: \"websocket\""],
        &["Upgrade: websocket;q=1"],
        &["Upgrade: h2c"],
        &["Upgrade: websocket h2c"],
        &["Upgrade: web,socket"],
        &["Upgrade: web", "Upgrade: socket"],
        &["Upgrade: \u{ff}websocket"],
        &["Upgrade: h2c", "Sec-WebSocket-Version: 7"],
        &["X-Upgrade: websocket", "Upgrade: TLS/1.2"],
    ] {
        plain(&with(lines), &Config::default());
    }
}

// HS-17
#[test]
fn connection_lists_upgrade() {
    for lines in [
        &["Connection: Upgrade"][..],
        &["Connection: upgrade"],
        &["Connection: UPGRADE"],
        &["connection:Upgrade"],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: Upgrade, HTTP2-Settings"],
        &["Connection: keep-alive\t,\tUpgrade"],
        &["Connection: keep-alive,,Upgrade,"],
        &["Connection: close, Upgrade"],
        &["Connection: keep-alive", "Connection: Upgrade"],
        &["Connection: Upgrade", "Connection: keep-alive"],
        &["Connection:", "Connection: Upgrade"],
    ] {
        accepted(&with(lines), &Config::default());
    }
}

// R-010, HS-18, V64, V65
#[test]
fn connection_without_upgrade_is_refused() {
    refused(&without("Connection"), &Config::default(), &E::Connection);
    for lines in [
        &["Connection:"][..],
        &["Connection: close"],
        &["Connection: keep-alive"],
        &["Connection: upgrade-x"],
        &["Connection: upgradex"],
        &["Connection: notupgrade"],
        &["Connection: \"Upgrade\""],
        &["Connection: keep-alive Upgrade"],
        &["Connection: keep-alive; Upgrade"],
        &["Connection: up, grade"],
        &["Connection: up", "Connection: grade"],
        &["Connection: Upgrade\u{a0}"],
    ] {
        refused(&with(lines), &Config::default(), &E::Connection);
    }
}

// HS-20, V14
#[test]
fn the_key_is_sixteen_bytes_in_base64_once() {
    refused(&without("Sec-WebSocket-Key"), &Config::default(), &E::Key);
    let twice = format!("Sec-WebSocket-Key: {KEY}");
    let other = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
    for lines in [[&*twice, &twice], [&twice, other], [&twice, "sec-websocket-key:"]] {
        refused(&with(&lines), &Config::default(), &E::Key);
    }
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZQ====",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZWU=",
        "dGhlIHNhbXBsZSBub25jZWVl",
        "dGhl_HNhbXBsZSBub25jZQ==",
        "dGhl-HNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZ!==",
        "dGhlIHNh XBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ= =",
        "dGhlIHNhbX=sZSBub25jZQ==",
        "==dGhlIHNhbXBsZSBub25jZQ",
        "=dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ==,",
        "\"dGhlIHNhbXBsZSBub25jZQ==\"",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
        "\u{ff}GhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZ\u{ff}==",
        "========================",
    ] {
        refused(&with(&[&format!("Sec-WebSocket-Key: {key}")]), &Config::default(), &E::Key);
    }
    for len in 0..=64 {
        let line = format!("Sec-WebSocket-Key: {}", "A".repeat(len));
        refused(&with(&[&line]), &Config::default(), &E::Key);
    }
}

// HS-21: the bits that no byte needs do not matter, the text does
#[test]
fn the_key_is_used_as_the_text_it_is() {
    for (key, accept) in [
        (KEY, ACCEPT),
        ("AQIDBAUGBwgJCgsMDQ4PEA==", "C/0nmHhBztSRGR1CwL6Tf4ZjwpY="),
        ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    ] {
        for line in [
            format!("Sec-WebSocket-Key: {key}"),
            format!("SEC-WEBSOCKET-KEY:{key}"),
            format!("sec-websocket-key: \t {key}\t \t"),
        ] {
            let request = request(&with(&[&line]), &Config::default());
            let response = String::from_utf8(request.accept().to_bytes()).unwrap();
            assert!(
                response.contains(&format!("\r\nSec-WebSocket-Accept: {accept}\r\n")),
                "{line}"
            );
        }
    }
}

// HS-19, V13, V64
#[test]
fn the_version_is_13() {
    refused(&without("Sec-WebSocket-Version"), &Config::default(), &E::MissingVersion);
    for version in ["13, 8", "8, 13", "13,13", "13,", ",13", "7, 8"] {
        let line = format!("Sec-WebSocket-Version: {version}");
        refused(&with(&[&line]), &Config::default(), &E::MissingVersion);
    }
    let (ours, other) = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8");
    for lines in [[ours, other], [other, ours], [ours, ours], [ours, "sec-websocket-version:"]] {
        refused(&with(&lines), &Config::default(), &E::MissingVersion);
    }
    for version in [
        "0", "1", "4", "7", "8", "12", "14", "130", "255", "256", "013", "+13", "-13", "13.0",
        "0x0d", "1 3", "13 ;", "13a", "\"13\"", "thirteen", "\u{ff}", "13\u{a0}", "\u{b9}3",
    ] {
        let line = format!("Sec-WebSocket-Version: {version}");
        refused(&with(&[&line]), &Config::default(), &E::UnsupportedVersion);
    }
    accepted(&with(&["sec-websocket-version:\t13 "]), &Config::default());
}

// R-036, HS-26, HS-27, V75
#[test]
fn a_body_is_refused() {
    for lines in [
        &["Content-Length: 5"][..],
        &["Content-Length: 00"],
        &["Content-Length: +0"],
        &["Content-Length: -0"],
        &["Content-Length: 0, 0"],
        &["Content-Length: 0,"],
        &["Content-Length: 0x0"],
        &["Content-Length: 0 0"],
        &["Content-Length:"],
        &["Content-Length: \u{b2}"],
        &["Content-Length: 0", "Content-Length: 0"],
        &["Content-Length: 0", "content-length: 5"],
        &["Content-Length: 18446744073709551616"],
        &["Transfer-Encoding: chunked"],
        &["Transfer-Encoding: identity"],
        &["Transfer-Encoding:"],
        &["Content-Length: 0", "Transfer-Encoding: chunked"],
        &["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"],
    ] {
        let image = [with(lines), b"hello".to_vec()].concat();
        refused(&image, &Config::default(), &E::Body);
        refused(&with(lines), &Config::default(), &E::Body);
    }
    // White space to some, and part of the value to others.
    refused(&with(&["Transfer-Encoding: \u{b}chunked"]), &Config::default(), &E::Malformed);
    accepted(&with(&["Content-Length: 0"]), &Config::default());
    accepted(&with(&["content-length:\t0 "]), &Config::default());
}

// R-028, HS-22, HS-28, V54: no 100 is sent, and an answer in the request is no answer
#[test]
fn other_headers_do_not_matter() {
    for line in [
        "X-Foo: bar",
        "Expect: 100-continue",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Foo: bar",
        "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5",
        "Content-Type: text/plain",
        "Trailer: X-Foo",
        "TE: trailers",
        "X-Empty:",
        "__proto__: constructor",
        "X-Obs-Text: \u{80}\u{ff}",
    ] {
        let request = request(&with(&[line]), &Config::default());
        let (name, value) = line.split_once(':').unwrap();
        let value: Vec<_> = value.trim().chars().map(|char| char as u8).collect();
        assert_eq!(request.header(name), Some(&*value));
        let response = String::from_utf8(request.accept().to_bytes()).unwrap();
        assert_eq!(
            response,
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
            )
        );
    }
}

// names in any case, in any order
#[test]
fn the_order_of_the_headers_does_not_matter() {
    let mut lines = REQUIRED;
    permute(&mut lines, 0, &mut |lines| {
        for change in [str::to_owned, str::to_ascii_lowercase, str::to_ascii_uppercase] {
            let lines = lines.iter().map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                format!("{}:{value}", change(name))
            });
            let lines: Vec<_> = lines.collect();
            let image = head("GET / HTTP/1.1", lines.iter().map(String::as_str));
            let request = request(&image, &Config::default());
            let seen = request.headers().map(|(name, _)| name.to_owned());
            let sent = lines.iter().map(|line| line.split(':').next().unwrap().to_owned());
            assert!(seen.eq(sent), "{lines:?}");
        }
    });
}

fn permute(lines: &mut [&str; 5], from: usize, visit: &mut impl FnMut(&[&str])) {
    if from == lines.len() {
        return visit(lines);
    }
    for i in from..lines.len() {
        lines.swap(from, i);
        permute(lines, from + 1, visit);
        lines.swap(from, i);
    }
}
