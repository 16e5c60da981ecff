//! The form of a head: what proxies and servers may disagree about is refused (RFC 9112 §2.2, §5).

use sansocket::handshake::{Acceptor, HandshakeError as E};
use sansocket::{Buffer, Config};

use crate::heads::{FIRST, from, with};
use crate::replay::{accepted, buffer, incomplete, refused, request};

// R-037, HS-29
#[test]
fn a_line_that_is_no_header_is_refused() {
    for line in [
        "X-Foo",
        "X-Foo : bar",
        "X-Foo\t: bar",
        ": bar",
        ":",
        "X Foo: bar",
        "X(Foo): bar",
        "X\"Foo: bar",
        "X/Foo: bar",
        "{X}: bar",
        "\u{e9}: bar",
        "X@Foo: bar",
        "X=1",
        "Host : a",
        "X-Foo bar",
        "=?utf-8?q?X?=: bar",
    ] {
        refused(&with(&[line]), &Config::default(), &E::Malformed);
        refused(&with(&[line, "X-Foo: bar"]), &Config::default(), &E::Malformed);
    }
}

// R-037, HS-29: also where the fold would hide a header, or be the first line
#[test]
fn a_folded_line_is_refused() {
    for line in [
        "X-Foo: bar\r\n baz",
        "X-Foo: bar\r\n\tbaz",
        "X-Foo: bar\r\n ",
        "X-Foo:\r\n bar",
        "X-Foo: bar\r\n Transfer-Encoding: chunked",
    ] {
        refused(&with(&[line]), &Config::default(), &E::Malformed);
    }
    refused(&from(&format!("{FIRST}\r\n X: y"), &[]), &Config::default(), &E::Malformed);
    refused(&from(&format!("{FIRST}\r\n\t"), &[]), &Config::default(), &E::Malformed);
}

// R-037, HS-30
#[test]
fn a_line_ends_in_cr_lf_and_has_neither_elsewhere() {
    let correct = with(&["X-Foo: bar"]);
    let lines: Vec<_> =
        correct.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n").collect();
    assert_eq!(lines.len(), 8);
    for (at, _) in lines {
        for end in [&b"\n"[..], b"\r", b"\r\r\n", b"\n\r", b"\n\n", b"\r\r", b"\0", b" \n"] {
            let image = [&correct[..at], end, &correct[at + 2..], b"x"].concat();
            refused(&image, &Config::default(), &E::Malformed);
        }
    }
    for line in ["X-Foo: a\rb", "X-Foo: a\nb", "X-Foo: a\n\rb", "X-\rFoo: a", "X-Foo: a\r"] {
        refused(&with(&[line]), &Config::default(), &E::Malformed);
    }
    let all = String::from_utf8(correct).unwrap();
    refused(all.replace("\r\n", "\n").as_bytes(), &Config::default(), &E::Malformed);
    refused(all.replace("\r\n", "\r").as_bytes(), &Config::default(), &E::Malformed);
}

// R-028, R-037, HS-29: every byte in the name of a header
#[test]
fn a_name_consists_of_token_characters() {
    for byte in 0..=0xff {
        let char = char::from(byte);
        let image = with(&[&format!("X{char}Foo: bar")]);
        let token = char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
        if token {
            let request = request(&image, &Config::default());
            assert_eq!(request.header(&format!("x{char}foo")), Some(&b"bar"[..]));
        } else if char == ':' {
            assert_eq!(request(&image, &Config::default()).header("X"), Some(&b"Foo: bar"[..]));
        } else {
            refused(&image, &Config::default(), &E::Malformed);
        }
    }
}

// R-029, R-037, HS-30, HS-31, V59: every byte in the value of a header
#[test]
fn a_value_has_no_control_characters_but_tab() {
    for byte in 0..=0xff {
        for name in ["X-Foo", "Cookie", "User-Agent"] {
            let image = with(&[&format!("{name}: a{}c", char::from(byte))]);
            if matches!(byte, b'\t' | b' '..=b'~' | 0x80..) {
                let request = request(&image, &Config::default());
                assert_eq!(request.header(name), Some(&[b'a', byte, b'c'][..]));
            } else {
                // A CR is known to be alone at the byte after it.
                let after = image.len() - if byte == b'\r' { 4 } else { 5 };
                assert_eq!(refused(&image, &Config::default(), &E::Malformed), after);
            }
        }
    }
}

// R-001, R-029, R-037, HS-12, HS-30: every byte in the method and in the target
#[test]
fn the_request_line_is_of_visible_ascii() {
    for byte in (0..=0xff).filter(|byte| *byte != b' ') {
        let char = char::from(byte);
        let token = char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
        let why = if token { E::Method } else { E::Malformed };
        let method = from(&format!("G{char}T / HTTP/1.1"), &[]);
        if byte != b'E' {
            refused(&method, &Config::default(), &why);
        }
        let target = from(&format!("GET /{char}x HTTP/1.1"), &[]);
        if byte.is_ascii_graphic() && byte != b'#' {
            accepted(&target, &Config::default());
        } else {
            let why = if byte == b'#' { E::Target } else { E::Malformed };
            refused(&target, &Config::default(), &why);
        }
    }
}

// R-037, R-146, HS-11, HS-30, HS-32, V63: a server that waits for more learns nothing more
#[test]
fn malformed_requests_are_refused_at_their_first_wrong_byte() {
    let rows: [(&[u8], &[u8]); 25] = [
        (b"\x16", b"\x16"),
        (b"", b"\x80\x2e\x01\x00\x02"), // SSL 2
        (b"", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), // a frame
        (b"", b"\xa1\x80\0\0\0\0"),
        (b"", b"\0"),
        (b"", b" GET / HTTP/1.1"),
        (b"", b"\nGET / HTTP/1.1"),
        (b"", b"{\"id\":1}"),
        (b"", b"<?xml"),
        (b"\r", b"G"),
        (b"\r", b"\r\n"),
        (b"\r\n", b"\r\nGET / HTTP/1.1"),
        (b"\r\n", b"\nGET / HTTP/1.1"),
        (b"\r\n", b" GET / HTTP/1.1"),
        (b"GET", b"\0 / HTTP/1.1"),
        (b"GET / HTTP/1.1", b"\n"),
        (b"GET / HTTP/1.1\r", b"H"),
        (b"GET / HTTP/1.1\r\n", b" "),
        (b"GET / HTTP/1.1\r\n", b"\t"),
        (b"GET / HTTP/1.1\r\n", b"\n"),
        (b"GET / HTTP/1.1\r\nHost: a", b"\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r", b"\r"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b" b"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\r"),
        (b"GET / HTTP/1.1\r\nHost: a", b"\x7f"),
    ];
    for (front, back) in rows {
        incomplete(front, &Config::default());
        let image = [front, back].concat();
        assert_eq!(refused(&image, &Config::default(), &E::Malformed), front.len() + 1);
    }
}

// HS-32: some clients end a body with a line end too much (RFC 9112 §2.2)
#[test]
fn one_empty_line_in_front_is_tolerated() {
    accepted(&[b"\r\n", &*with(&[])].concat(), &Config::default());
    accepted(&[b"\r\n", &*with(&[]), b"\r\n\r\n"].concat(), &Config::default());
    for front in ["\r\n\r\n", "\r\n\r\n\r\n", "\n", "\r", "\n\n", "\r\r\n", "\r\n\n", " \r\n"] {
        let image = [front.as_bytes(), &with(&[])].concat();
        refused(&image, &Config::default(), &E::Malformed);
    }
}

// R-033, HS-41, HS-42: the end of the stream can come anywhere, and is no answer
#[test]
fn a_part_of_a_head_is_never_enough() {
    let image = with(&["Origin: http://example.com", "Sec-WebSocket-Protocol: chat"]);
    for image in [&image[..], &[b"\r\n", &*image].concat()] {
        for end in 0..image.len() {
            let mut input = buffer(&image[..end]);
            assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(None)), "{end}");
            assert_eq!(input.unread(), &image[..end]);
            // Asking again changes nothing.
            assert!(matches!(Acceptor::new(Config::default()).next(&mut input), Ok(None)), "{end}");
            input.extend(&image[end..]);
            assert!(
                matches!(Acceptor::new(Config::default()).next(&mut input), Ok(Some(_))),
                "{end}"
            );
            assert_eq!(input.unread(), b"");
        }
    }
    assert!(matches!(Acceptor::new(Config::default()).next(&mut Buffer::new()), Ok(None)));
}

// R-016, R-028: white space around a value is not part of it
#[test]
fn the_white_space_around_a_value_does_not_matter() {
    for line in ["X-Foo:a b", "X-Foo: a b", "X-Foo:\t \t a b\t \t", "x-fOO: a b "] {
        let request = request(&with(&[line]), &Config::default());
        assert_eq!(request.header("X-Foo"), Some(&b"a b"[..]));
        assert_eq!(request.headers().last().unwrap().1, b"a b");
    }
    for line in ["X-Foo:", "X-Foo: ", "X-Foo:\t \t"] {
        assert_eq!(request(&with(&[line]), &Config::default()).header("x-foo"), Some(&b""[..]));
    }
}
