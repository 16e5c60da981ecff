//! Messages that arrive compressed, right and wrong.

use sansocket::{Compression, ProtocolError};

use crate::common::rng::Rng;
use crate::common::session::{Seen, assert_failed};
use crate::common::wire::{self, BINARY, CONTINUATION, MORE, PING, TEXT};
use crate::peer::{HELLO, RSV1, Writer, accept, compressed, configured, json, message, server};

// CO-07, D-41 to D-46, D-39, D-40: the examples of RFC 7692 §7.2.3, and their like
#[test]
fn every_form_of_a_compressed_message_is_read() {
    let rows: [(&[u8], &str); 9] = [
        (&HELLO, "Hello"),
        (&[0, 5, 0, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0], "Hello"),
        (&[0xf2, 0x48, 0x05, 0, 0, 0, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0], "Hello"),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0], "Hello"),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0], "Hello"),
        (&[0], ""),
        (&[2, 0], ""),
        (&[1], ""), // the block that is cut off may be a final one
        (&[], ""),  // Firefox was seen to send it
    ];
    for (payload, wanted) in rows {
        let mut session = server();
        let bytes = message(TEXT, payload);
        let twice = [&bytes[..], &bytes].concat();
        assert_eq!(
            session.events(&twice),
            [Seen::text(wanted), Seen::text(wanted)],
            "{payload:x?}"
        );
        // Cut into frames anywhere, with a ping between.
        for cut in 0..=payload.len() {
            let bytes = [
                wire::client((TEXT | RSV1) & MORE, &payload[..cut]),
                wire::client(PING, b"?"),
                wire::client(CONTINUATION, &payload[cut..]),
            ]
            .concat();
            assert_eq!(session.events(&bytes), [Seen::ping("?"), Seen::text(wanted)]);
            for byte in &bytes {
                session.input.extend(&[*byte]);
            }
            assert_eq!(session.events(&[]), [Seen::ping("?"), Seen::text(wanted)]);
        }
    }
}

// CO-07: whoever leaves the end of the last block in the message sends a block too many
#[test]
fn a_message_that_was_not_stripped_is_corrupt() {
    let mut session = server();
    let payload = [&HELLO[..6], &[0, 0, 0, 0xff, 0xff]].concat();
    let (_, error) = session.feed(&message(TEXT, &payload));
    assert_eq!(error, Some(ProtocolError::CorruptMessage));
}

// CO-03, D-49: faults of every kind, and the answer to them
#[test]
fn a_corrupt_message_closes_with_1007() {
    let too_far = [0xf2, 0, 0x11, 0, 0];
    let rows: [&[u8]; 7] = [
        &[0x07],                                  // block type 3
        &[0x06, 0, 0],                            // the same, and not the last
        &[0, 5, 0, 0xfa, 0xfe, 1, 2, 3, 4, 5, 0], // a stored length that does not match
        &too_far,                                 // before the start
        &[0xff; 20],
        &[0x04, 0xff, 0xff, 0xff], // codes that are none
        &[0, 0],                   // half a block
    ];
    for payload in rows {
        let mut session = server();
        let (seen, error) = session.feed(&message(BINARY, payload));
        assert_eq!((seen, error), (vec![], Some(ProtocolError::CorruptMessage)), "{payload:x?}");
        assert_closed(&mut session, ProtocolError::CorruptMessage, 1007);
    }
}

/// Asserts that one Close frame is the last word.
#[track_caller]
fn assert_closed(session: &mut crate::common::session::Session, error: ProtocolError, code: u16) {
    assert_eq!(session.output(), wire::failure(code));
    assert_eq!(session.feed(&message(TEXT, &HELLO)), (vec![], Some(error)));
    assert_eq!(session.output(), []);
    assert_eq!(session.connection.send("late"), Err(sansocket::SendError::Closed));
}

// CO-04: a message that was cut short is not taken for a whole one, unless it is one
#[test]
fn a_message_that_is_cut_short_is_corrupt() {
    let mut rng = Rng::new(4);
    let (mut cuts, mut whole) = (0, 0);
    let config = configured(Compression::new());
    for i in 0..200 {
        let text = json(&mut rng, 20 + 7 * i);
        let payload = compressed(text.as_bytes());
        for cut in 1..payload.len() {
            let (mut session, _) = accept("permessage-deflate", &config);
            let (seen, error) = session.feed(&message(BINARY, &payload[..cut]));
            let reference = crate::reference::inflate(&payload[..cut], b"", 1 << 15);
            match reference {
                Ok(shorter) => {
                    assert_eq!((seen, error), (vec![Seen::binary(shorter)], None));
                    whole += 1;
                }
                Err(_) => assert_eq!((seen, error), (vec![], Some(ProtocolError::CorruptMessage))),
            }
            cuts += 1;
        }
    }
    assert!(cuts > 10_000 && whole < 100, "{whole} of {cuts}");
}

// CO-13, D-40: text is text when it is decompressed
#[test]
fn text_that_is_none_closes_with_1007() {
    for bad in [&b"ok\xff"[..], b"\xe2\x82", b"\xed\xa0\x80"] {
        let mut session = server();
        let payload = compressed(bad);
        assert_eq!(session.events(&message(BINARY, &payload)), [Seen::binary(bad)]);
        let (seen, error) = session.feed(&message(TEXT, &payload));
        assert_eq!((seen, error), (vec![], Some(ProtocolError::InvalidText)));
        assert_failed(&mut session, ProtocolError::InvalidText);
    }
    let mut session = server();
    let long = "日本語".repeat(50_000);
    let payload = compressed(long.as_bytes());
    assert_eq!(session.events(&message(TEXT, &payload)), [Seen::text(long)]);
}

// CO-09, D-38, D-52: messages that are not compressed, and control frames, are in no window
#[test]
fn raw_messages_do_not_enter_the_window() {
    let config = configured(Compression::new().remember_received(32_768));
    let (mut session, _) = accept("permessage-deflate", &config);
    let again = [0xf2, 0, 0x11, 0, 0];
    let bytes = [
        message(TEXT, &HELLO),
        wire::client(TEXT, b"plain"),
        wire::client(PING, b"ping"),
        message(TEXT, &again),
        wire::client(BINARY, &[7; 300]),
        message(TEXT, &again),
    ]
    .concat();
    let seen = session.events(&bytes);
    assert_eq!(
        seen,
        [
            Seen::text("Hello"),
            Seen::text("plain"),
            Seen::ping("ping"),
            Seen::text("Hello"),
            Seen::binary([7; 300]),
            Seen::text("Hello"),
        ]
    );
}

// CO-12, D-23: a hint that the answer does not repeat binds nobody; what it says binds the client
#[test]
fn messages_refer_back_only_if_that_was_agreed_on() {
    let again = message(TEXT, &[0xf2, 0, 0x11, 0, 0]);
    let first = message(TEXT, &HELLO);
    let remembers = configured(Compression::new().remember_received(32_768));
    let (mut session, answer) = accept("permessage-deflate; client_max_window_bits", &remembers);
    assert_eq!(answer, ["permessage-deflate"]);
    session.events(&first);
    assert_eq!(session.events(&again), [Seen::text("Hello")]);
    let mut session = server();
    session.events(&first);
    assert_eq!(session.feed(&again), (vec![], Some(ProtocolError::CorruptMessage)));
}

// D-34, D-27, D-47: as far back as there is anything
#[test]
fn a_message_may_refer_32_768_bytes_back_and_not_further() {
    let config = configured(Compression::new().remember_received(32_768));
    let mut rng = Rng::new(7);
    for (len, works) in [(32_768, true), (32_767, false)] {
        let (mut session, _) = accept("permessage-deflate", &config);
        let random = rng.bytes(len);
        let stored =
            [&[0][..], &(len as u16).to_le_bytes(), &(!(len as u16)).to_le_bytes(), &random, &[0]]
                .concat();
        assert_eq!(session.events(&message(BINARY, &stored)), [Seen::binary(random.clone())]);
        let back = far_match(32_768);
        let (seen, error) = session.feed(&message(BINARY, &back));
        match works {
            true => assert_eq!((seen, error), (vec![Seen::binary(&random[..3])], None)),
            false => assert_eq!((seen, error), (vec![], Some(ProtocolError::CorruptMessage))),
        }
    }
}

/// A block with fixed codes: one match of three bytes at a distance from 24,577 to 32,768.
fn far_match(distance: usize) -> Vec<u8> {
    let (mut bits, mut count) = (0_u64, 0_usize);
    let mut push = |value: usize, n: usize, reversed: bool| {
        for i in 0..n {
            let bit = if reversed { value >> (n - 1 - i) } else { value >> i } & 1;
            bits |= (bit as u64) << count;
            count += 1;
        }
    };
    push(0, 1, false); // not the last
    push(1, 2, false); // fixed codes
    push(1, 7, true); // length 3
    push(29, 5, true); // distances from 24,577
    push(distance - 24_577, 13, false);
    push(0, 7, true); // the end
    push(0, 3, false); // a stored block, whose length is cut off
    bits.to_le_bytes()[..count.div_ceil(8)].to_vec()
}

// D-19, D-46: what a compressor of another make writes, with takeover and without
#[test]
fn another_compressor_is_understood() {
    let mut rng = Rng::new(5);
    let remembers = configured(Compression::new().remember_received(32_768));
    let (mut session, _) = accept("permessage-deflate", &remembers);
    let mut alone = server();
    let mut writer = Writer::new();
    for i in 0..200 {
        let text = json(&mut rng, 50 * i);
        let bytes = message(TEXT, &writer.write(text.as_bytes()));
        assert_eq!(session.events(&bytes), [Seen::text(text.clone())]);
        let bytes = message(TEXT, &compressed(text.as_bytes()));
        assert_eq!(alone.events(&bytes), [Seen::text(text)]);
    }
}
