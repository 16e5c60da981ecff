//! Messages that are compressed once for many.

use sansocket::{Compression, Config, Connection, Prepared};

use crate::common::rng::Rng;
use crate::peer::{RSV1, Reader, accept, configured, json, pair};

// D-09, D-28, D-52: one image for connections with and without takeover; the others get the message as it is
#[test]
fn one_image_is_right_for_every_connection() {
    let compression = Compression::new();
    let config = configured(compression.clone());
    let mut rng = Rng::new(1);
    let offers = [
        ("permessage-deflate", 15, true),
        ("permessage-deflate; server_no_context_takeover", 15, false),
        ("permessage-deflate; server_max_window_bits=12", 12, true),
        ("permessage-deflate; server_max_window_bits=9", 9, true),
        ("foo", 15, true),
    ];
    let mut all: Vec<_> = offers
        .iter()
        .map(|(offer, bits, takeover)| (accept(offer, &config).0, Reader::new(*bits, *takeover)))
        .collect();
    for i in 0..100 {
        let news = json(&mut rng, 60 * i + 2);
        let prepared = Prepared::compressed(&news, &compression);
        assert_eq!(prepared.message().as_text(), Some(&*news));
        let plain = Prepared::new(&news);
        assert_eq!(prepared.frame(), plain.frame());
        for (j, (session, reader)) in all.iter_mut().enumerate() {
            let own = json(&mut rng, 200 + i);
            session.connection.send(own.as_str()).unwrap();
            match rng.below(2) {
                0 => session.connection.send_prepared(&prepared).unwrap(),
                _ => {
                    let mut socket = vec![];
                    session.connection.send_prepared_to(&mut socket, &prepared).unwrap();
                    let frames = crate::common::wire::parse(&socket);
                    assert_eq!(reader.read(&frames[0]).as_deref(), Ok(own.as_bytes()));
                    assert_eq!(reader.read(&frames[1]).as_deref(), Ok(news.as_bytes()));
                    if j == 4 {
                        assert_eq!(frames[1].first & RSV1, 0, "it did not agree");
                    }
                    session.connection.send(own.as_str()).unwrap();
                    let again = session.frames();
                    assert_eq!(reader.read(&again[0]).as_deref(), Ok(own.as_bytes()));
                    continue;
                }
            }
            for frame in session.frames() {
                let read = reader.read(&frame).unwrap();
                assert!(read == own.as_bytes() || read == news.as_bytes());
            }
        }
    }
}

#[test]
fn an_image_that_is_not_shorter_or_reaches_too_far_is_not_sent() {
    let compression = Compression::new();
    let config = configured(compression.clone());
    let frame_of = |offer: &str, bytes: &[u8]| {
        let (mut session, _) = accept(offer, &config);
        session.connection.send_prepared(&Prepared::compressed(bytes, &compression)).unwrap();
        session.frames()[0].first
    };
    let nine = "permessage-deflate; server_max_window_bits=9";
    assert_eq!(frame_of("permessage-deflate", &[7; 5000]), 0x82 | RSV1);
    assert_eq!(frame_of(nine, &[7; 512]), 0x82 | RSV1);
    assert_eq!(frame_of(nine, &[7; 513]), 0x82);
    assert_eq!(frame_of("permessage-deflate", &Rng::new(1).bytes(500)), 0x82);
    assert_eq!(frame_of("permessage-deflate", b""), 0x82);
}

// Clients mask a copy of the image
#[test]
fn a_client_sends_an_image_masked() {
    let compression = Compression::new();
    let config = configured(compression.clone());
    let news = Prepared::compressed(&"news ".repeat(100), &compression);
    let mut lone = Connection::client(Config::default());
    lone.send_prepared(&news).unwrap();
    assert_eq!(lone.pending()[0], 0x81, "it did not agree");

    let (mut server, mut client) = pair(&config, &config);
    for i in 0..20 {
        let text = "news ".repeat(100 + i);
        client.connection.send_prepared(&news).unwrap();
        client.connection.send(text.as_str()).unwrap();
        let bytes = client.output();
        assert_eq!(bytes[0] & 0xf0, 0xc0);
        let seen = server.events(&bytes);
        let wanted = ["news ".repeat(100), text].map(crate::common::session::Seen::text);
        assert_eq!(seen, wanted);
    }
}
