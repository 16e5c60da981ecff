//! Windows of every size, at every level, held against an inflater that enforces them.

use sansocket::{Compression, Prepared};

use crate::common::rng::Rng;
use crate::peer::{Reader, accept, configured, json};

// D-14, D-24, D-28, D-33, CO-11: whatever is sent in between
#[test]
fn nothing_refers_further_back_than_the_window() {
    for bits in 8..=15 {
        for level in 1..=9 {
            session(bits, level, true);
        }
        session(bits, 3, false);
    }
}

fn session(bits: u8, level: u8, takeover: bool) {
    let compression = Compression::new().level(level).remember_sent(32_768).threshold(1);
    let no_takeover = if takeover { "" } else { "; server_no_context_takeover" };
    let offer = format!("permessage-deflate; server_max_window_bits={bits}{no_takeover}");
    let (mut session, _) = accept(&offer, &configured(compression.clone()));
    let mut reader = Reader::new(bits, takeover);
    let mut rng = Rng::new(u64::from(bits) * 100 + u64::from(level));
    let block = rng.bytes(700);
    let mut compressed = 0;
    for _ in 0..60 {
        let len = 1 << rng.below(13);
        let text = match rng.below(4) {
            // Twice the same random bytes, at every distance around the window.
            0 => [&block[..], &rng.bytes(len), &block].concat(),
            1 => rng.bytes(len),
            2 => "ab".repeat(len).into_bytes(),
            _ => json(&mut rng, len * 2).into_bytes(),
        };
        let connection = &mut session.connection;
        match rng.below(8) {
            0 => connection.send_plain(&text[..]).unwrap(),
            1 => connection.send_prepared(&Prepared::compressed(&text[..], &compression)).unwrap(),
            2 => connection.send_prepared(&Prepared::new(&text[..])).unwrap(),
            3 => {
                connection.forget_sent();
                connection.send(&text[..]).unwrap();
            }
            4 => {
                connection.ping(&text[..text.len().min(125)]).unwrap();
                connection.send(&text[..]).unwrap();
            }
            _ => connection.send(&text[..]).unwrap(),
        }
        for frame in session.frames() {
            if frame.first & 0x0f == 2 {
                let read = reader.read(&frame);
                assert!(read.as_ref() == Ok(&text), "{bits} bits, level {level}: {:?}", read.err());
                compressed += usize::from(frame.first & 0x40 > 0);
            }
        }
    }
    assert!(compressed > 10, "{compressed}");
}
