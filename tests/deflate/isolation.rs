//! Connections that share their compressors, and nothing else.

use sansocket::{Compression, Prepared};

use crate::common::rng::Rng;
use crate::peer::{Reader, accept, configured, json};

// V50, D-09: no byte of one connection is ever referred to in another's stream, whoever comes first: in turn, in
// bursts, and with the compressor still warm
#[test]
fn connections_share_no_byte() {
    let compression = Compression::new();
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let config = configured(compression.clone());
        let offers = ["", "; server_no_context_takeover", "; server_max_window_bits=9", ""];
        let mut all: Vec<_> = offers
            .iter()
            .map(|offer| {
                let (session, _) = accept(&format!("permessage-deflate{offer}"), &config);
                let bits = if offer.contains("=9") { 9 } else { 15 };
                (session, Reader::new(bits, !offer.contains("no_context")))
            })
            .collect();
        // The same text everywhere: a reference into another's stream would be the shortest.
        let shared = json(&mut rng, 700);
        for _ in 0..300 {
            let i = rng.below(all.len());
            let (session, reader) = &mut all[i];
            for _ in 0..=rng.below(3) {
                let own = json(&mut rng, 80 + 40 * i);
                let text = match rng.below(3) {
                    0 => shared.clone(),
                    1 => own,
                    _ => shared.clone() + &own,
                };
                match rng.below(10) {
                    0 => session.connection.forget_sent(),
                    1 => session.connection.send(&rng.bytes(300)[..]).unwrap(),
                    2 => session
                        .connection
                        .send_prepared(&Prepared::compressed(&shared, &compression))
                        .unwrap(),
                    _ => session.connection.send(text.as_str()).unwrap(),
                }
                for frame in session.frames() {
                    let read = reader.read(&frame);
                    let is_known = read.as_ref().is_ok_and(|read| {
                        frame.first & 0x0f == 2
                            || *read == text.as_bytes()
                            || *read == shared.as_bytes()
                    });
                    assert!(is_known, "seed {seed}, connection {i}: {read:?}");
                }
            }
        }
    }
}

// The same with many threads that take and give back at the same time
#[test]
fn threads_share_no_byte() {
    let compression = Compression::new();
    let config = configured(compression);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let config = &config;
            scope.spawn(move || {
                let (mut session, _) = accept("permessage-deflate", config);
                let (mut reader, mut rng) = (Reader::new(15, true), Rng::new(thread));
                for _ in 0..200 {
                    let text = json(&mut rng, 300);
                    session.connection.send(text.as_str()).unwrap();
                    for frame in session.frames() {
                        assert_eq!(reader.read(&frame), Ok(text.clone().into_bytes()));
                    }
                }
            });
        }
    });
}
