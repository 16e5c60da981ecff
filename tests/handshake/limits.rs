//! How large a head may be (RFC 6455 §10.4).

use std::iter::repeat_n;

use sansocket::handshake::{Acceptor, HandshakeError as E};
use sansocket::{Buffer, Config, Connection, Event, Message};

use crate::common::session::config;
use crate::common::wire::{self, TEXT};
use crate::heads::{from, with};
use crate::replay::{accepted, buffer, incomplete, plain, refused, request};

const HEAD: usize = 16 * 1024;
const TARGET: usize = 8 * 1024;

/// A correct request of exactly this length.
fn of_len(len: usize) -> Vec<u8> {
    let base = with(&["X-Pad: "]).len();
    with(&[&format!("X-Pad: {}", "a".repeat(len - base))])
}

fn of_target_len(len: usize) -> Vec<u8> {
    from(&format!("GET /{} HTTP/1.1", "a".repeat(len - 1)), &[])
}

// R-034, L-09, HS-01, HS-03, V53: also byte by byte
#[test]
fn a_head_of_16_kib_is_accepted_and_one_byte_more_is_not() {
    for len in [HEAD - 1, HEAD] {
        assert_eq!(of_len(len).len(), len);
        accepted(&of_len(len), &Config::default());
    }
    // At the last byte that could have been its end.
    for len in [HEAD + 1, HEAD + 2, HEAD + 3, HEAD + 4, HEAD + 5, 4 * HEAD] {
        assert_eq!(refused(&of_len(len), &Config::default(), &E::HeadTooLarge), HEAD);
    }
    incomplete(&of_len(HEAD + 1)[..HEAD - 1], &Config::default());
    accepted(&[b"\r\n", &*of_len(HEAD - 2)].concat(), &Config::default());
    let image = [b"\r\n", &*of_len(HEAD - 1)].concat();
    assert_eq!(refused(&image, &Config::default(), &E::HeadTooLarge), HEAD);
}

// R-034, HS-03, HS-04, V60
#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    let endless = |first: &str, line: &str| {
        let mut image = first.as_bytes().to_vec();
        image.extend(line.bytes().cycle().take(2 * HEAD));
        image
    };
    for (first, line, why) in [
        ("GET / HTTP/1.1\r\n", "X: y\r\n", E::HeadTooLarge),
        ("GET / HTTP/1.1\r\n", "a", E::HeadTooLarge),
        ("GET / HTTP/1.1\r\nX: ", " \t", E::HeadTooLarge),
        ("GET /", "a", E::TargetTooLong),
        ("GET ", " ", E::TargetTooLong),
        ("", "A", E::TargetTooLong),
        ("\r\nGET /", "a", E::TargetTooLong),
    ] {
        assert_eq!(refused(&endless(first, line), &Config::default(), &why), HEAD, "{first}");
    }
}

// R-034, HS-04
#[test]
fn a_target_of_8_kib_is_accepted_and_one_byte_more_is_not() {
    for len in [TARGET - 1, TARGET] {
        let request = request(&of_target_len(len), &Config::default());
        assert_eq!(request.target().len(), len);
    }
    for len in [TARGET + 1, TARGET + 2, 12 * 1024] {
        refused(&of_target_len(len), &Config::default(), &E::TargetTooLong);
    }
}

// R-034, HS-05, HS-07, V54, V60, V62
#[test]
fn a_hundred_header_lines_are_accepted_and_one_more_is_not() {
    for line in ["X: y", "Cookie: a=b", "X:"] {
        let lines = |n: usize| repeat_n(line, n - 5).collect::<Vec<_>>();
        let request = request(&with(&lines(100)), &Config::default());
        assert_eq!(request.headers().count(), 100);
        for n in [101, 102, 1000] {
            refused(&with(&lines(n)), &Config::default(), &E::HeadTooLarge);
        }
    }
}

// HS-06
#[test]
fn one_line_may_fill_the_head() {
    let cookie = "a".repeat(15 * 1024);
    let long_value = request(&with(&[&format!("Cookie: {cookie}")]), &Config::default());
    assert_eq!(long_value.header("cookie"), Some(cookie.as_bytes()));
    let name = format!("X{}", "-".repeat(15 * 1024));
    let long_name = request(&with(&[&format!("{name}: b")]), &Config::default());
    assert_eq!(long_name.header(&name), Some(&b"b"[..]));
}

//
#[test]
fn the_limits_can_be_smaller() {
    let len = with(&[]).len();
    let smaller = config(|config| config.max_head(len).max_target(5));
    accepted(&with(&[]), &smaller);
    assert_eq!(refused(&with(&["X:"]), &smaller, &E::HeadTooLarge), len);
    assert_eq!(refused(&[b"\r\n", &*with(&[])].concat(), &smaller, &E::HeadTooLarge), len);

    let smaller = config(|config| config.max_target(5));
    accepted(&from("GET /chat HTTP/1.1", &[]), &smaller);
    refused(&from("GET /chats HTTP/1.1", &[]), &smaller, &E::TargetTooLong);
    refused(&from("GET http://h/ HTTP/1.1", &[]), &smaller, &E::TargetTooLong);

    let smaller = config(|config| config.max_headers(5));
    accepted(&with(&[]), &smaller);
    refused(&with(&["X:"]), &smaller, &E::HeadTooLarge);

    let one = config(|config| config.max_head(1).max_target(1));
    assert_eq!(refused(b"G", &one, &E::TargetTooLong), 1);
}

// a token in a cookie can be long
#[test]
fn the_limit_on_the_head_can_be_larger() {
    let cookie = format!("Cookie: {}", "a".repeat(40 * 1024));
    for max in [1024 * 1024, usize::MAX] {
        let larger = config(|config| config.max_head(max).max_target(max));
        accepted(&with(&[&cookie]), &larger);
        let long = request(&of_target_len(40 * 1024), &larger);
        assert_eq!(long.path().len(), 40 * 1024);
    }
}

// R-034, HS-05: plain requests have the same limits
#[test]
fn a_plain_request_has_the_same_limits() {
    plain(&with(&["Upgrade: h2c"]), &Config::default());
    let lines: Vec<_> = repeat_n("X: y", 96).chain(["Upgrade: h2c"]).collect();
    refused(&with(&lines), &Config::default(), &E::HeadTooLarge);
    let long = format!("GET /{} HTTP/1.1", "a".repeat(TARGET));
    refused(&from(&long, &["Upgrade: h2c"]), &Config::default(), &E::TargetTooLong);
}

// R-035, HS-33: what follows the head is none of it
#[test]
fn the_limit_on_the_head_does_not_count_what_follows() {
    let mut image = of_len(HEAD);
    image.extend(wire::client(TEXT, &[b'a'; 60_000]));
    let mut input = buffer(&image);
    assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(Some(_))));
    let mut connection = Connection::server(Config::default());
    match connection.next_event(&mut input) {
        Ok(Some(Event::Message(Message::Text(text)))) => assert_eq!(text, "a".repeat(60_000)),
        other => panic!("{other:?}"),
    }
}

// R-034, HS-02, V53, V60: from a client that never stops, however much it sends at once
#[test]
fn a_head_without_end_takes_bounded_memory() {
    for line in [&b"X: y\r\n"[..], b"a"] {
        let mut input = Buffer::new();
        let mut endless = line.iter().copied().cycle();
        let mut read = 0;
        input.extend(b"GET / HTTP/1.1\r\n");
        let error = loop {
            let space = input.space();
            space.fill_with(|| endless.next().unwrap());
            let n = space.len();
            input.filled(n);
            read += n;
            match Acceptor::new(Config::default()).next(&mut input) {
                Ok(None) => assert!(read < HEAD),
                Ok(Some(_)) => panic!("it has no end"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, E::HeadTooLarge));
        assert!(input.is_empty());
        assert!(input.capacity() <= 64 * 1024, "{}", input.capacity());
    }
}

// path and query together
#[test]
fn the_query_counts() {
    let target = |len: usize| format!("GET /?{} HTTP/1.1", "q".repeat(len - 2));
    accepted(&from(&target(TARGET), &[]), &Config::default());
    refused(&from(&target(TARGET + 1), &[]), &Config::default(), &E::TargetTooLong);
}
