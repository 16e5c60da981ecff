//! Text is UTF-8, or the connection fails at the first byte that proves otherwise (§5.6, §8.1).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::session::{Seen, Session, assert_failed};
use common::wire::{self, BINARY, CONTINUATION, KEY, MORE, TEXT};
use sansocket::ProtocolError;

const INVALID: Option<ProtocolError> = Some(ProtocolError::InvalidText);

/// Sequences that are not UTF-8, up to the byte that proves it.
const IMPOSSIBLE: [&[u8]; 22] = [
    b"\x80",
    b"\xbf",
    b"\xc0",
    b"\xc1",
    b"\xf5",
    b"\xf8",
    b"\xfe",
    b"\xff",
    b"\xc2\x7f",
    b"\xc2\xc0",
    b"\xe0\x9f",
    b"\xe0\x80",
    b"\xed\xa0",
    b"\xed\xbf",
    b"\xe2\x28",
    b"\xe2\x82\x28",
    b"\xf0\x8f",
    b"\xf0\x80",
    b"\xf4\x90",
    b"\xf0\x9f\x28",
    b"\xf0\x9f\x8e\x28",
    b"\xf4\x8f\xbf\xc0",
];

/// What may come before: nothing, and as much as wakes the vector code.
fn fronts() -> [String; 7] {
    ["", "é", "κόσμε", "\u{10ffff}", &"x".repeat(63), &"日本".repeat(11), &"x".repeat(200)]
        .map(str::to_owned)
}

// FR-23: no byte later, in a frame whose rest has not come
#[test]
fn an_impossible_byte_fails_the_connection_at_once() {
    for front in fronts() {
        for bad in IMPOSSIBLE {
            for first in [TEXT, TEXT & MORE] {
                let payload = [front.as_bytes(), bad].concat();
                let header = wire::declare(first, payload.len() as u64 + 100);
                let masked = wire::xor(&payload, KEY);
                let (last, rest) = masked.split_last().unwrap();

                let mut session = Session::new();
                assert_eq!(session.feed(&[&header, rest].concat()), (vec![], None), "{bad:x?}");
                assert_eq!(session.feed(&[*last]), (vec![], INVALID), "{bad:x?}");
                assert_failed(&mut session, ProtocolError::InvalidText);

                let mut session = Session::new();
                session.feed(&header);
                assert_eq!(session.feed(&masked), (vec![], INVALID), "{bad:x?} in one read");
            }
        }
    }
}

// R-151, FR-23: Autobahn's cases 6.3 and 6.10 to 6.21
#[test]
fn a_whole_message_with_an_impossible_byte_fails_the_connection() {
    for front in fronts() {
        for bad in IMPOSSIBLE {
            for back in ["", "x", "\u{fffd}", &"y".repeat(100)] {
                let payload = [front.as_bytes(), bad, back.as_bytes()].concat();
                let mut session = Session::new();
                let whole = wire::client(TEXT, &payload);
                assert_eq!(session.feed(&whole), (vec![], INVALID), "{bad:x?}");
                assert_failed(&mut session, ProtocolError::InvalidText);
            }
        }
    }
}

// R-153, FR-23: Autobahn's cases 6.4
#[test]
fn an_impossible_byte_in_the_first_fragment_fails_before_the_second_comes() {
    for bad in IMPOSSIBLE {
        let mut session = Session::new();
        assert_eq!(session.feed(&wire::client(TEXT & MORE, bad)), (vec![], INVALID));
        assert_failed(&mut session, ProtocolError::InvalidText);
    }
}

// FR-23: after a mebibyte that was all right
#[test]
fn an_impossible_byte_after_a_mebibyte_of_text_fails_at_once() {
    let front = "aé日🎉".repeat((1 << 20) / 10).into_bytes();
    for cut in [0, 1, 4096, front.len() - 1, front.len()] {
        let mut session = Session::new();
        session.events(&wire::client(TEXT & MORE, &front[..cut]));
        let rest = [&front[cut..], b"\xff"].concat();
        let header = wire::declare(CONTINUATION, rest.len() as u64 + 1);
        let bytes = [header, wire::xor(&rest, KEY)].concat();
        let (last, rest) = bytes.split_last().unwrap();
        assert_eq!(session.feed(rest), (vec![], None));
        assert_eq!(session.feed(&[*last]), (vec![], INVALID));
    }
}

// R-151, FR-23: a character that is cut off can be mended until the message ends
#[test]
fn text_that_ends_inside_a_character_fails_at_its_end_only() {
    for cut_off in [&b"\xc3"[..], b"\xe2", b"\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x8e"] {
        for front in fronts() {
            let payload = [front.as_bytes(), cut_off].concat();
            let whole = wire::client(TEXT, &payload);
            assert_eq!(Session::new().feed(&whole), (vec![], INVALID));

            let mut session = Session::new();
            session.events(&wire::client(TEXT & MORE, &payload));
            session.events(&wire::client(CONTINUATION & MORE, b""));
            let end = wire::client(CONTINUATION, b"");
            assert_eq!(session.feed(&end), (vec![], INVALID));
            assert_failed(&mut session, ProtocolError::InvalidText);
        }
    }
}

// R-152, FR-24: "€" in two fragments and in two reads; and so all others
#[test]
fn a_character_may_be_cut_anywhere() {
    for front in fronts() {
        for character in ["\u{80}", "\u{7ff}", "€", "\u{ffff}", "\u{10000}", "🎉"] {
            let text = format!("{front}{character}");
            for cut in front.len() + 1..text.len() {
                let wanted = [Seen::text(&text)];
                let (a, b) = text.as_bytes().split_at(cut);

                let mut session = Session::new();
                session.events(&wire::client(TEXT & MORE, a));
                assert_eq!(session.events(&wire::client(CONTINUATION, b)), wanted, "fragments");

                let mut session = Session::new();
                let whole = wire::client(TEXT, text.as_bytes());
                let (a, b) = whole.split_at(whole.len() - b.len());
                assert_eq!(session.events(a), []);
                assert_eq!(session.events(b), wanted, "reads");
            }
        }
    }
}

//
#[test]
fn odd_characters_arrive_as_they_are() {
    for text in ["\0", "\u{feff}bom", "\u{fffe}", "\u{ffff}", "\u{fdd0}", "\u{1fffe}\u{10ffff}"] {
        let mut session = Session::new();
        assert_eq!(session.events(&wire::client(TEXT, text.as_bytes())), [Seen::text(text)]);
        session.connection.send(text).unwrap();
        assert_eq!(session.output(), wire::server(TEXT, text.as_bytes()));
    }
}

// R-154, FR-26
#[test]
fn binary_is_any_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    for payload in IMPOSSIBLE.into_iter().chain([&all[..]]) {
        let mut session = Session::new();
        let wanted = [Seen::binary(payload)];
        assert_eq!(session.events(&wire::client(BINARY, payload)), wanted);
        for cut in 0..=payload.len() {
            session.events(&wire::client(BINARY & MORE, &payload[..cut]));
            assert_eq!(session.events(&wire::client(CONTINUATION, &payload[cut..])), wanted);
        }
    }
}

// R-157, V50: what one message knew does not leak into the next
#[test]
fn text_is_checked_anew_in_each_message() {
    let mut session = Session::new();
    for _ in 0..3 {
        session.events(&wire::client(TEXT & MORE, "a long beginning é".as_bytes()));
        assert_eq!(session.events(&wire::client(CONTINUATION, b"!")).len(), 1);
        session.events(&wire::client(BINARY & MORE, b"\xff\xff\xff\xff\xff\xff"));
        assert_eq!(session.events(&wire::client(CONTINUATION, b"\xff")).len(), 1);
    }
    let bad = wire::client(TEXT & MORE, b"x\xff");
    assert_eq!(session.feed(&bad), (vec![], INVALID));
}

// R-151, FR-25: nothing complete is lost to it
#[test]
fn messages_before_bad_text_are_delivered() {
    let bytes = [wire::client(TEXT, b"good"), wire::client(TEXT, b"b\xe4d")].concat();
    assert_eq!(Session::new().feed(&bytes), (vec![Seen::text("good")], INVALID));
}
