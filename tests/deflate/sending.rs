//! Messages that are sent compressed, and those that are not.

use std::time::{Duration, Instant};

use sansocket::{CloseCode, Compression, SendError};

use crate::common::rng::Rng;
use crate::common::session::Session;
use crate::common::wire::{self, BINARY, CLOSE, PING, PONG, TEXT};
use crate::peer::{RSV1, Reader, accept, configured, frames, json, server, server_with};

fn is_compressed(session: &mut Session) -> bool {
    session.frames()[0].first & RSV1 != 0
}

// D-09, D-22, D-38, D-41, D-42: what is sent is read by another inflater, and later messages take less
#[test]
fn messages_refer_to_those_before_them() {
    let (mut session, mut reader) = (server(), Reader::new(15, true));
    let (mut first, mut later) = (0, 0);
    let mut rng = Rng::new(1);
    for i in 0..100 {
        let text = json(&mut rng, 200);
        session.connection.send(text.as_str()).unwrap();
        let frames = session.frames();
        assert_eq!((frames.len(), frames[0].first), (1, TEXT | RSV1));
        assert!(!frames[0].payload.ends_with(&[0, 0, 0xff, 0xff]));
        assert_eq!(reader.read(&frames[0]), Ok(text.into_bytes()));
        match i {
            0 => first = frames[0].payload.len(),
            _ => later += frames[0].payload.len(),
        }
    }
    assert!(later / 99 < first * 2 / 3, "{} after {first}", later / 99);
}

// D-17, D-19: each begins with an empty window
#[test]
fn without_takeover_the_same_message_is_the_same_bytes() {
    for (compression, offer) in [
        (Compression::new(), "permessage-deflate; server_no_context_takeover"),
        (Compression::new().remember_sent(0), "permessage-deflate"),
    ] {
        let (mut session, _) = accept(offer, &configured(compression));
        let mut reader = Reader::new(15, false);
        let text = "Hello, ".repeat(30);
        session.connection.send(text.as_str()).unwrap();
        let first = session.frames();
        assert_eq!(reader.read(&first[0]), Ok(text.clone().into_bytes()));
        session.connection.send(text.as_str()).unwrap();
        assert_eq!(session.frames(), first);
    }
}

// CO-09, D-38, D-52: raw messages and control frames between, which are in no window
#[test]
fn messages_that_do_not_shrink_go_as_they_are() {
    let (mut session, mut reader) = (server(), Reader::new(15, true));
    let mut rng = Rng::new(2);
    for i in 0..200 {
        let random = rng.bytes(100 + 3 * i);
        let text = json(&mut rng, 300);
        session.connection.send(text.as_str()).unwrap();
        session.connection.send(&random[..]).unwrap();
        session.connection.ping(text.as_bytes().get(..100).unwrap()).unwrap();
        session.input.extend(&wire::client(PING, &text.as_bytes()[..50]));
        session.events(&[]);
        let frames = session.frames();
        assert_eq!(reader.read(&frames[0]), Ok(text.clone().into_bytes()));
        assert_eq!((frames[1].first, &frames[1].payload), (BINARY, &random));
        assert_eq!((frames[2].first, &frames[2].payload[..]), (PING, &text.as_bytes()[..100]));
        assert_eq!((frames[3].first, &frames[3].payload[..]), (PONG, &text.as_bytes()[..50]));
    }
}

// The first message may come out longer: sent as it is, it would be in no window, and nothing would ever shrink.
#[test]
fn the_first_message_is_compressed_even_if_it_does_not_shrink() {
    let (mut session, mut reader) = (server(), Reader::new(15, true));
    let random = Rng::new(3).bytes(400);
    for i in 0..3 {
        session.connection.send(&random[..]).unwrap();
        let frames = session.frames();
        assert_eq!(frames[0].first, BINARY | RSV1);
        assert_eq!(reader.read(&frames[0]).as_deref(), Ok(&random[..]));
        match i {
            0 => assert!((401..=466).contains(&frames[0].payload.len())),
            _ => assert!(frames[0].payload.len() < 20),
        }
    }
    // Without takeover it is no use.
    let (mut session, _) =
        accept("permessage-deflate; server_no_context_takeover", &configured(Compression::new()));
    session.connection.send(&random[..]).unwrap();
    assert!(!is_compressed(&mut session));
}

// Media streams: messages of a kind that never shrinks are tried ever less often
#[test]
fn after_many_refusals_few_messages_are_tried() {
    let mut session = server();
    let mut rng = Rng::new(4);
    session.connection.send(&rng.bytes(500)[..]).unwrap();
    assert!(is_compressed(&mut session), "the first");
    for _ in 0..1000 {
        session.connection.send(&rng.bytes(500)[..]).unwrap();
        assert!(!is_compressed(&mut session));
    }
    let text = "a".repeat(500);
    let mut tries = 0;
    loop {
        tries += 1;
        session.connection.send(text.as_str()).unwrap();
        if is_compressed(&mut session) {
            break;
        }
    }
    assert!((2..=65).contains(&tries), "{tries}");
    session.connection.send(text.as_str()).unwrap();
    assert!(is_compressed(&mut session), "one success is enough");
}

// CO-14, D-51, D-52
#[test]
fn a_plain_message_is_not_compressed() {
    let (mut session, mut reader) = (server(), Reader::new(15, true));
    let text = "secret ".repeat(40);
    for _ in 0..3 {
        session.connection.send_plain(text.as_str()).unwrap();
        assert_eq!(session.frames(), [wire::plain(TEXT, text.as_bytes())]);
        session.connection.send(text.as_str()).unwrap();
        let frames = session.frames();
        assert_eq!(reader.read(&frames[0]).as_deref(), Ok(text.as_bytes()));
        assert_eq!(frames[0].first, TEXT | RSV1);
    }
}

// CO-15: in silence, at the end, and when it is told to; the peer need not know
#[test]
fn the_history_may_be_forgotten_at_any_time() {
    let (mut session, mut reader) = (server(), Reader::new(15, true));
    let text = json(&mut Rng::new(6), 400);
    let mut send = |session: &mut Session| {
        session.connection.send(text.as_str()).unwrap();
        let frames: Vec<_> = session.frames();
        let frame = frames.iter().find(|frame| frame.first & 0x0f == 1).unwrap();
        assert_eq!(reader.read(frame).as_deref(), Ok(text.as_bytes()));
        frame.payload.len()
    };
    let (first, later) = (send(&mut session), send(&mut session));
    assert!(later < first / 4, "{later} after {first}");
    session.connection.forget_sent();
    assert_eq!(send(&mut session), first);
    assert_eq!(send(&mut session), later);
    let now = Instant::now();
    session.connection.tick(now).unwrap();
    session.connection.tick(now + Duration::from_secs(31)).unwrap();
    assert_eq!(session.frames(), [wire::plain(PING, b"")]);
    assert_eq!(send(&mut session), first, "silence");
}

// RE-08: and so it is not shown, nor what was received
#[test]
fn the_history_is_not_shown() {
    let config = configured(Compression::new().remember_received(4096));
    let (mut server, mut client) = crate::peer::pair(&config, &config);
    client.connection.send("hunter2".repeat(30).as_str()).unwrap();
    server.events(&client.output());
    let shown = format!("{:?} {:?}", server.connection, client.connection);
    assert!(!shown.contains("104, 117, 110, 116"), "{shown}");
    assert!(shown.contains("Window(210 bytes)"), "{shown}");
}

// Past the queue: what the socket takes, and the rest in its order
#[test]
fn a_message_that_is_passed_on_is_compressed_too() {
    let mut rng = Rng::new(8);
    for room in [0, 1, 5, 100, 3000, usize::MAX] {
        let (mut session, mut reader) = (server(), Reader::new(15, true));
        let texts = [json(&mut rng, 100_000), json(&mut rng, 90), json(&mut rng, 20_000)];
        let mut socket = vec![0; room.min(1 << 20)];
        let left = {
            let mut full = &mut socket[..];
            for text in &texts {
                session.connection.send_to(&mut full, text.as_str()).unwrap();
            }
            full.len()
        };
        let written = socket.len() - left;
        let mut bytes = socket[..written].to_vec();
        bytes.extend(session.output());
        let frames = wire::parse(&bytes);
        assert_eq!(frames.len(), 3);
        for (frame, text) in frames.iter().zip(&texts) {
            assert_eq!(reader.read(frame).as_deref(), Ok(text.as_bytes()));
        }
    }
}

// CO-17: admitted by their length, so that nothing fails after it was compressed
#[test]
fn a_full_queue_refuses_a_message_before_it_is_compressed() {
    let config = crate::common::session::config(|config| {
        config.compression(Compression::new()).max_queue(1000)
    });
    let (mut session, _) = accept("permessage-deflate", &config);
    let mut reader = Reader::new(15, true);
    let mut rng = Rng::new(9);
    let (mut sent, mut refused) = (vec![], 0);
    for i in 0..2000 {
        let text = json(&mut rng, 10 + i % 1200);
        match session.connection.send(text.as_str()) {
            Ok(()) => sent.push(text),
            Err(SendError::QueueFull) => refused += 1,
            Err(SendError::MessageTooLarge { len, max: 1000 }) => assert!(len > 1000),
            Err(error) => panic!("{error}"),
        }
        assert!(session.connection.queued() <= 1000);
        if rng.one_in(4) {
            for (frame, text) in frames(&mut session.connection).iter().zip(sent.drain(..)) {
                assert_eq!(reader.read(frame), Ok(text.into_bytes()));
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn nothing_is_compressed_behind_a_close() {
    let mut session = server();
    session.connection.send("x".repeat(100).as_str()).unwrap();
    session.connection.close(CloseCode::NORMAL, "bye").unwrap();
    assert_eq!(session.connection.send("x".repeat(100).as_str()), Err(SendError::Closed));
    let frames = session.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[1].first, CLOSE);
}

// D-14, D-28: levels differ in what they make, not in what it says
#[test]
fn every_level_is_understood() {
    let mut sizes = vec![];
    for level in 1..=9 {
        let mut session = server_with(Compression::new().level(level));
        let (mut reader, mut size) = (Reader::new(15, true), 0);
        let mut rng = Rng::new(10);
        for i in 0..20 {
            let text = json(&mut rng, 600 * i + 80);
            session.connection.send(text.as_str()).unwrap();
            let frames = session.frames();
            assert_eq!(reader.read(&frames[0]), Ok(text.into_bytes()), "level {level}");
            size += frames[0].payload.len();
        }
        sizes.push(size);
    }
    assert!(sizes[8] < sizes[0], "{sizes:?}");
}
