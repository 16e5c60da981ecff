//! The client role: masked frames out, bare frames in (RFC 6455 §5.1, §5.3).

#![cfg(feature = "client")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::rng::Rng;
use common::session::{Seen, Session, config};
use common::wire::{self, BINARY, CLOSE, CONTINUATION, Frame, MORE, PING, PONG, TEXT};
use sansocket::{CloseCode, Config, Connection, Prepared, ProtocolError, TimedOut};

fn client() -> Session {
    Session::of(Connection::client(Config::default()))
}

/// The frames without their keys, of which each must have one.
#[track_caller]
fn unmask(frames: Vec<Frame>) -> Vec<Frame> {
    let unmask = |frame: Frame| {
        assert!(frame.key.is_some(), "{frame:?} is not masked");
        Frame { key: None, ..frame }
    };
    frames.into_iter().map(unmask).collect()
}

// whatever it is, and however long
#[test]
fn every_frame_of_a_client_is_masked() {
    for len in [0, 1, 2, 3, 4, 5, 125, 126, 127, 65_535, 65_536] {
        let mut session = client();
        let (bytes, text) = (vec![0xa5; len], "x".repeat(len));
        session.connection.send(&bytes).unwrap();
        session.connection.send(&text).unwrap();
        session.connection.send_prepared(&Prepared::new(&bytes)).unwrap();
        session.connection.send_prepared(&Prepared::new(&text)).unwrap();
        let (binary, text) = (wire::plain(BINARY, &bytes), wire::plain(TEXT, text.as_bytes()));
        let wanted = [binary.clone(), text.clone(), binary, text];
        assert!(unmask(session.frames()) == wanted, "{len}");
    }
}

// control frames of every origin
#[test]
fn every_control_frame_of_a_client_is_masked() {
    let mut session = client();
    let start = Instant::now();
    session.connection.tick(start).unwrap();
    session.connection.tick(start + Duration::from_secs(30)).unwrap();
    session.connection.ping(b"").unwrap();
    session.connection.ping(&[1; 125]).unwrap();
    session.events(&wire::server(PING, b"?"));
    session.connection.close(CloseCode::MANDATORY_EXTENSION, "for clients only").unwrap();
    let wanted = [
        wire::plain(PING, b""),
        wire::plain(PING, b""),
        wire::plain(PING, &[1; 125]),
        wire::plain(PONG, b"?"),
        wire::plain(CLOSE, b"\x03\xf2for clients only"),
    ];
    assert_eq!(unmask(session.frames()), wanted);

    let mut session = client();
    session.events(&wire::server(CLOSE, b"\x03\xe8"));
    assert_eq!(unmask(session.frames()), [wire::plain(CLOSE, b"\x03\xe8")]);

    let mut session = client();
    assert!(session.feed(&[0x83]).1.is_some());
    assert_eq!(unmask(session.frames()), [wire::plain(CLOSE, b"\x03\xea")]);
}

// R-095, V88: of so many random keys two may be the same, but hardly ever more
#[test]
fn every_frame_has_a_key_of_its_own() {
    let mut session = client();
    let mut keys = vec![];
    for i in 0..1000 {
        match i % 3 {
            0 => session.connection.send("same").unwrap(),
            1 => session.connection.ping(b"same").unwrap(),
            _ => _ = session.events(&wire::server(PING, b"same")),
        }
        keys.extend(session.frames().iter().map(|frame| frame.key.unwrap()));
    }
    assert_eq!(keys.len(), 1000);
    assert!(keys.iter().collect::<HashSet<_>>().len() >= 997);
    for bit in 0..32 {
        let ones = keys.iter().filter(|key| u32::from_ne_bytes(**key) >> bit & 1 == 1).count();
        assert!((350..=650).contains(&ones), "bit {bit} is set in {ones} keys");
    }
}

// at the second byte
#[test]
fn frames_of_a_server_are_not_masked() {
    for first in [TEXT, BINARY, TEXT & MORE, CLOSE, PING, PONG] {
        for second in [0x80, 0x85, 0xfd] {
            let mut session = client();
            assert_eq!(session.feed(&[first]), (vec![], None));
            let error = ProtocolError::Masked;
            assert_eq!(session.feed(&[second]), (vec![], Some(error)));
            assert_eq!(unmask(session.frames()), [wire::plain(CLOSE, b"\x03\xea")]);
            assert!(session.is_over());
            assert_eq!(session.feed(&wire::server(TEXT, b"late")), (vec![], Some(error)));
        }
    }
    let whole = wire::client(TEXT, b"Hello");
    assert_eq!(client().feed(&whole), (vec![], Some(ProtocolError::Masked)));
}

// the bare examples of §5.7, cut anywhere
#[test]
fn the_bare_examples_of_the_rfc_are_understood() {
    let medium = [&b"\x82\x7e\x01\0"[..], &[7; 256]].concat();
    let long = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65_536]].concat();
    let rows = [
        (&b"\x81\x05Hello"[..], Seen::text("Hello")),
        (b"\x01\x03Hel\x80\x02lo", Seen::text("Hello")),
        (b"\x89\x05Hello", Seen::ping("Hello")),
        (b"\x8a\x05Hello", Seen::pong("Hello")),
        (b"\x88\x02\x03\xe8", Seen::close(1000, "")),
        (&medium, Seen::binary([7; 256])),
        (&long, Seen::binary([7; 65_536])),
    ];
    for (bytes, event) in rows {
        for cut in (0..=bytes.len()).filter(|cut| *cut < 300 || cut + 3 > bytes.len()) {
            let mut session = client();
            let mut seen = session.events(&bytes[..cut]);
            seen.extend(session.events(&bytes[cut..]));
            assert!(seen == [event.clone()], "{cut}");
        }
    }
}

// for both roles the same
#[test]
fn a_server_has_to_keep_the_rules_as_well() {
    use ProtocolError::*;
    let open = wire::server(TEXT & MORE, b"");
    let rows: [(Vec<u8>, ProtocolError); 13] = [
        (vec![0xc1], ReservedBit),
        (vec![0x8f], ReservedOpcode(15)),
        (vec![0x09], FragmentedControl),
        (vec![0x88, 126], LongControl),
        (vec![0x80], UnexpectedContinuation),
        ([&open[..], &[0x82]].concat(), InterleavedMessage),
        (vec![0x82, 126, 0, 125], MalformedLength),
        (vec![0x82, 127, 0x80], MalformedLength),
        (wire::server(BINARY, &[0; 101])[..2].to_vec(), MessageTooBig { len: 101, max: 100 }),
        (wire::server(TEXT, b"\xff"), InvalidText),
        (wire::server(CLOSE, b"\x03"), TruncatedCloseCode),
        (wire::server(CLOSE, b"\x03\xee"), InvalidCloseCode(1006)),
        (wire::server(CLOSE, b"\x03\xe8\xff"), InvalidCloseReason),
    ];
    for (bytes, error) in rows {
        let limited = config(|config| config.max_message(100));
        let mut session = Session::of(Connection::client(limited));
        assert_eq!(session.feed(&bytes), (vec![], Some(error)), "{bytes:x?}");
    }
}

// the key is part of the frame that must not be broken
#[test]
fn a_pong_of_a_client_comes_at_a_frame_boundary() {
    for written in 0..60 {
        let mut session = client();
        for data in [&[1; 10][..], &[], &[2; 20], &[3; 3000]] {
            session.connection.send(data).unwrap();
        }
        let mut output = session.write(written);
        session.events(&wire::server(PING, b"now"));
        output.extend(session.output());
        let place = [0, 16, 22, 48].iter().filter(|end| **end < written).count();
        let mut wanted = [&[1; 10][..], &[], &[2; 20], &[3; 3000]]
            .map(|data| wire::plain(BINARY, data))
            .to_vec();
        wanted.insert(place, wire::plain(PONG, b"now"));
        assert_eq!(unmask(wire::parse(&output)), wanted, "after {written}");
    }
}

// the server closes the socket first, and in time
#[test]
fn a_client_waits_for_the_servers_close_but_not_for_ever() {
    let (mut session, start) = (client(), Instant::now());
    session.connection.close(CloseCode::NORMAL, "").unwrap();
    session.output();
    let deadline = start + Duration::from_secs(10);
    assert_eq!(session.connection.tick(start), Ok(Some(deadline)));
    assert!(!session.is_over());
    assert_eq!(session.connection.tick(deadline), Err(TimedOut::Close));
    assert!(session.is_over());
}

/// Moves what waits, in pieces of a random size, from one to the other.
fn carry(rng: &mut Rng, from: &mut Session, to: &mut Session) -> Vec<Seen> {
    let mut seen = vec![];
    while !from.connection.pending().is_empty() {
        let pending = from.connection.pending();
        let n = 1 + rng.below(pending.len());
        to.input.extend(&pending[..n]);
        from.connection.sent(n);
        seen.extend(to.events(b""));
    }
    seen
}

// PR3: there and back
#[test]
fn our_client_and_our_server_understand_each_other() {
    let mut rng = Rng::new(5);
    let (mut client, mut server) = (client(), Session::new());
    for _ in 0..300 {
        let mut sent = vec![];
        for _ in 0..rng.below(5) {
            let len = [0, 30, 200, 70_000][rng.below(4)];
            if rng.one_in(2) {
                let text = rng.text(len);
                client.connection.send(&text).unwrap();
                sent.push(Seen::Text(text));
            } else {
                let bytes = rng.bytes(len);
                client.connection.send(&bytes).unwrap();
                sent.push(Seen::Binary(bytes));
            }
        }
        let seen = carry(&mut rng, &mut client, &mut server);
        assert!(seen == sent);
        for message in seen {
            match message {
                Seen::Text(text) => server.connection.send(&text).unwrap(),
                Seen::Binary(bytes) => server.connection.send(&bytes).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        assert!(carry(&mut rng, &mut server, &mut client) == sent);

        client.connection.ping(b"a").unwrap();
        server.connection.ping(b"b").unwrap();
        assert_eq!(carry(&mut rng, &mut client, &mut server), [Seen::ping("a")]);
        assert_eq!(carry(&mut rng, &mut server, &mut client), [Seen::ping("b"), Seen::pong("a")]);
        assert_eq!(carry(&mut rng, &mut client, &mut server), [Seen::pong("b")]);
    }
    client.connection.close(CloseCode::GOING_AWAY, "enough").unwrap();
    assert_eq!(carry(&mut rng, &mut client, &mut server), [Seen::close(1001, "enough")]);
    assert!(!server.is_over());
    assert_eq!(carry(&mut rng, &mut server, &mut client), [Seen::close(1001, "enough")]);
    assert!(server.is_over() && client.is_over());
    assert_eq!((server.connection.eof(), client.connection.eof()), (Ok(()), Ok(())));
}

// a server's fragments
#[test]
fn a_client_joins_fragments() {
    let bytes = [
        wire::server(TEXT & MORE, b"\xe2\x82"),
        wire::server(PING, b"?"),
        wire::server(CONTINUATION & MORE, b""),
        wire::server(CONTINUATION, b"\xac"),
    ]
    .concat();
    for piece in 1..=bytes.len() {
        let mut session = client();
        let seen: Vec<Seen> = bytes.chunks(piece).flat_map(|piece| session.events(piece)).collect();
        assert_eq!(seen, [Seen::ping("?"), Seen::text("€")]);
    }
}
