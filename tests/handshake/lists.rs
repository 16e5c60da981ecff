//! What the client offers: subprotocols and extensions (RFC 6455 §4.2.1, items 8 and 9; §9.1).

use sansocket::Config;
use sansocket::handshake::{Acceptor, HandshakeError as E, Request};

use crate::common::session::config;
use crate::heads::{REQUIRED, with};
use crate::replay::{refused, request};

fn named(name: &str, values: &[&str]) -> Vec<u8> {
    let lines: Vec<_> = values.iter().map(|value| format!("{name}:{value}")).collect();
    with(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

// HS-23, V59: empty members are no offers
#[test]
fn subprotocols_are_offered_in_the_order_of_the_request() {
    let offers: [(&[&str], &[&str]); 13] = [
        (&[], &[]),
        (&[""], &[]),
        (&["", " ", "\t,,"], &[]),
        (&["chat"], &["chat"]),
        (&[" chat, superchat"], &["chat", "superchat"]),
        (&["superchat,chat"], &["superchat", "chat"]),
        (&["a", " b, c"], &["a", "b", "c"]),
        (&[" a\t,\tb , c\t"], &["a", "b", "c"]),
        (&["a,,b,", ",", "c"], &["a", "b", "c"]),
        (&["Chat, chat, CHAT"], &["Chat", "chat", "CHAT"]),
        (&["!#$%&'*+-.^_`|~09AZaz"], &["!#$%&'*+-.^_`|~09AZaz"]),
        (&["v1.chat.example", "graphql-ws"], &["v1.chat.example", "graphql-ws"]),
        (&["constructor, __proto__"], &["constructor", "__proto__"]),
    ];
    for (values, offered) in offers {
        let request = request(&named("Sec-WebSocket-Protocol", values), &Config::default());
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), offered);
    }
}

// HS-23, V55, V59
#[test]
fn subprotocols_are_different_tokens() {
    let spaces = format!("b{}x", " ".repeat(2000));
    for values in [
        &["chat, chat"][..],
        &["chat", "chat"],
        &["a, b", "c, a"],
        &["a b"],
        &["a\tb"],
        &["chat;x"],
        &["chat; v=1"],
        &["chat/1"],
        &["\"chat\""],
        &["a, (b)"],
        &["a, {}"],
        &["a=b"],
        &["http://a"],
        &["[a]"],
        &["a\u{a0}"],
        &["\u{ff}"],
        &["caf\u{c3}\u{a9}"],
        &[&spaces],
    ] {
        refused(&named("Sec-WebSocket-Protocol", values), &Config::default(), &E::Subprotocols);
    }
}

// HS-25, V47, V56: all of it is well formed, and
// none of it is known here
#[test]
fn an_extension_that_is_not_known_is_declined() {
    for values in [
        &[""][..],
        &["foo"],
        &["foo", " bar; baz=2"],
        &["foo, bar; baz=2"],
        &[",foo,,bar,", "\t,"],
        &["foo ; a\t= 1 ;b=\"2\""],
        &["foo; a=\"\\1\\0\"; a=10; a"],
        &["permessage-deflate"],
        &["permessage-deflate; client_max_window_bits"],
        &["permessage-deflate; client_max_window_bits=15, permessage-deflate"],
        &["permessage-deflate; server_max_window_bits=999999999999; foo=08"],
        &["x-webkit-deflate-frame, permessage-deflate; client_max_window_bits"],
        &["constructor, __proto__; toString=valueOf"],
    ] {
        let request = request(&named("Sec-WebSocket-Extensions", values), &Config::default());
        let headers = request.accept();
        let names: Vec<_> = headers.headers().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["Upgrade", "Connection", "Sec-WebSocket-Accept"], "{values:?}");
    }
}

// HS-25, V57
#[test]
fn extensions_that_are_malformed_are_refused() {
    let unclosed = format!("a;b=\"{}", "\\c".repeat(1000));
    for values in [
        &["foo; =1"][..],
        &["foo;;"],
        &["foo;"],
        &[";foo"],
        &["foo; a="],
        &["foo; a=;b"],
        &["foo; a=b=c"],
        &["foo=1"],
        &["\"foo\""],
        &["foo; \"a\"=1"],
        &["foo; a=\"b c\""],
        &["foo; a=\"b,c\""],
        &["foo; a=\"b\\\"c\""],
        &["foo; a=\"\""],
        &["foo; a=\""],
        &["foo; a=\"b"],
        &["foo; a=\"b\\\""],
        &["foo; a=\"b\"c"],
        &["foo; a=\"b\" c"],
        &["foo; a='b c'"],
        &["foo bar"],
        &["foo / bar"],
        &["foo, bar;"],
        &["foo;", "bar"],
        &["foo; a=\"b", "c\""],
        &["foo\u{e9}"],
        &["foo; a=\u{ff}"],
        &[&unclosed],
    ] {
        refused(&named("Sec-WebSocket-Extensions", values), &Config::default(), &E::Extensions);
    }
}

// L-11, HS-23, HS-25, V55, V57, V58, V62: as long as a head may be, and longer
#[test]
fn long_lists_are_read_like_short_ones() {
    let spaces = " ".repeat(32 * 1024);
    let names = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<Vec<_>>().join(",");
    let (protocol, extensions) = ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions");
    for (name, value, why) in [
        (protocol, names(10_000), None),
        (protocol, names(10_000) + ",p5000", Some("Subprotocols")),
        (protocol, format!("b{spaces}x"), Some("Subprotocols")),
        (protocol, format!("b{spaces},{spaces}x"), None),
        (protocol, ",".repeat(32 * 1024), None),
        (extensions, "permessage-deflate,".repeat(1000), None),
        (extensions, format!("a{}", ";b=\"\\c\"".repeat(4000)), None),
        (extensions, format!("a{}", ";b=\"\\c".repeat(4000)), Some("Extensions")),
        (extensions, format!("a;b=\"{}", "\\c".repeat(16_000)), Some("Extensions")),
        (extensions, format!("a{spaces};{spaces}b{spaces}={spaces}c"), None),
        (extensions, format!("a{spaces}b"), Some("Extensions")),
        (extensions, ";".repeat(32 * 1024), Some("Extensions")),
        ("Connection", format!("x{spaces},{spaces}upgrade"), None),
        ("Connection", format!("x{spaces}upgrade"), None),
        ("Upgrade", format!("{},x{spaces}y", ",".repeat(32 * 1024)), None),
    ] {
        let required = REQUIRED.map(|line| line.split_once(": ").unwrap());
        let headers = required.into_iter().chain([(name, &*value)]);
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        let request = Request::new("GET", "/", (1, 1), headers, Config::default());
        let error = request.map(|_| ()).map_err(|error| format!("{error:?}"));
        assert_eq!(error.err().as_deref(), why, "{name}");
    }
}

// HS-23: the limit on the head is what bounds them
#[test]
fn ten_thousand_subprotocols_fit_where_the_head_may_be_large() {
    let large = config(|config| config.max_head(1024 * 1024));
    let names: Vec<_> = (0..10_000).map(|i| format!("p{i}")).collect();
    let line = format!("Sec-WebSocket-Protocol: {}", names.join(", "));
    let mut input = crate::replay::buffer(&with(&[&line]));
    let request = Acceptor::new(large).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    assert!(request.subprotocols().eq(&names));
    assert!(request.accept().subprotocol("p9999").is_ok());
}

// R-026, HS-23: in all lines, not only the first
#[test]
fn each_line_of_extensions_follows_the_grammar() {
    for values in [["a", "b;;"], ["b;;", "a"]] {
        refused(&named("Sec-WebSocket-Extensions", &values), &Config::default(), &E::Extensions);
    }
}
