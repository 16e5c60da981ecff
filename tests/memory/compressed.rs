//! What compression takes.

use std::time::{Duration, Instant};

use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::{DataFormat, MZFlush};
use sansocket::{Buffer, Compression, Config, Connection};

use crate::common::session::{Session, compressed_connection as open, config};
use crate::common::wire::{self, MORE};
use crate::heap::{heap, measure};
use crate::{KIB, MIB, swallow};

/// "Hello".
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];
const TEXT: u8 = 0xc1;

fn session(config: &Config) -> Session {
    Session { connection: open(config), input: Buffer::new() }
}

fn compressed() -> Config {
    config(|config| config.compression(Compression::new()))
}

fn json(i: usize) -> String {
    format!(
        "{{\"id\":{i},\"symbol\":\"EURUSD\",\"bid\":1.{i:05},\"ask\":1.{i:06},\"time\":17000{i:08},\
        \"venue\":\"somewhere\",\"flags\":[1,2,3],\"comment\":\"none at all, as ever\"}}"
    )
}

/// Queues a message, and writes it.
fn send(connection: &mut Connection, message: &str, queue: &mut Vec<u8>) {
    connection.lend_queue(queue);
    connection.send(message).unwrap();
    assert_eq!(connection.pending()[0], TEXT);
    connection.sent(connection.pending().len());
    connection.reclaim_queue(queue);
}

// CO-15, RE-01: an idle connection has 32 bytes more than one without
#[test]
fn an_agreement_costs_little() {
    let config = compressed();
    let (first, _) = measure(|| open(&config));
    let (connection, idle) = measure(|| open(&config));
    assert!(first.is_compressed() && connection.is_compressed());
    // What the response and its headers took is gone.
    assert!(idle.live <= 32, "{idle:?}");
    assert!(size_of::<Connection>() <= 184);
}

// CO-15: what was sent is remembered, 4 KiB of it, and forgotten in silence
#[test]
fn a_connection_remembers_4_kib_and_nothing_after_silence() {
    let config = compressed();
    let (mut queue, mut warm) = (Vec::new(), open(&config));
    send(&mut warm, &json(1).repeat(100), &mut queue);
    let (connection, used) = measure(|| {
        let mut connection = open(&config);
        connection.tick(Instant::now()).unwrap();
        for i in 0..1000 {
            send(&mut connection, &json(i), &mut queue);
        }
        connection
    });
    assert!((4096..=4 * KIB + 128).contains(&used.live), "{used:?}");
    let mut connections = vec![connection];
    let silence = measure(|| {
        let mut connection = open(&config);
        let now = Instant::now();
        connection.tick(now).unwrap();
        for i in 0..1000 {
            send(&mut connection, &json(i), &mut queue);
        }
        connection.tick(now + Duration::from_secs(31)).unwrap();
        assert_eq!(connection.pending(), b"\x89\x00");
        connection.sent(2);
        connection.reclaim_queue(&mut queue);
        connection
    });
    assert!(silence.1.live <= 32, "{:?}", silence.1);
    connections.push(silence.0);
}

// RE-02: after the first few, a message costs no allocation, sent or received, and no memory is left behind
#[test]
fn a_message_costs_no_allocation() {
    no_allocation(&compressed());
    no_allocation(&config(|config| config.compression(Compression::new().remember_sent(0))));
    let remembers = Compression::new().remember_received(512);
    no_allocation(&config(|config| config.compression(remembers)));
}

fn no_allocation(config: &Config) {
    let (mut session, mut queue) = (session(config), Vec::new());
    let large = json(7).repeat(200);
    let mut round = |i: usize| {
        let text = &large[..200 + i % 1000];
        send(&mut session.connection, text, &mut queue);
        send(&mut session.connection, &large, &mut queue);
        swallow(&mut session, &wire_of(&HELLO)).unwrap();
    };
    for i in 0..300 {
        round(i);
    }
    let asked = heap(|| (0..1000).for_each(&mut round));
    // The frame that the test makes itself.
    assert_eq!((asked.live, asked.allocations), (0, 1000));
}

fn wire_of(payload: &[u8; 7]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(13);
    frame.extend_from_slice(&[TEXT, 0x87, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

// CO-01, V42 to V45, D-50: the largest bomb that a limit of 1 MiB lets in would be 1 GiB
#[test]
fn a_bomb_takes_its_limit_and_no_more() {
    let config = compressed();
    let mut session = session(&config);
    let wire = MIB + MIB / 8 + 64;
    let (header, payload) =
        (wire::declare(0xc2, wire as u64), wire::xor(&best_bomb(wire), wire::KEY));
    let (error, used) = measure(|| {
        session.input.extend(&header);
        for piece in payload.chunks(16 * KIB) {
            session.input.extend(piece);
            if let Err(error) = session.connection.next_event(&mut session.input) {
                return Some(error);
            }
        }
        None
    });
    assert!(
        matches!(error, Some(sansocket::ProtocolError::MessageTooBig { max: MIB, .. })),
        "{error:?}"
    );
    // The wire's bytes, the message, and an inflater of 48 KB.
    let most = 2 * wire + MIB + 64 * KIB + 50 * KIB;
    assert!(used.peak <= most, "{} of {most}: {used:?}", used.peak);
    // One that would be ten times as large is refused by its header.
    let mut session = self::session(&config);
    let refused = heap(|| {
        let error = swallow(&mut session, &wire::declare(0xc2, 10 << 20)).unwrap_err();
        assert!(matches!(error, sansocket::ProtocolError::MessageTooBig { .. }));
    });
    assert!(refused.peak <= 5 * KIB, "{refused:?}");
}

/// Nearly as many zeros as fit into so many bytes.
fn best_bomb(wire: usize) -> Vec<u8> {
    let block = four_mib();
    block.repeat(wire / block.len() + 1)[..wire].to_vec()
}

/// Zeros, compressed.
pub(crate) fn four_mib() -> Vec<u8> {
    let zeros = vec![0; 4 << 20];
    let mut compressor = CompressorOxide::new(create_comp_flags_from_zip_params(9, 0, 0));
    compressor.set_format_and_level(DataFormat::Raw, 9);
    let mut block = vec![0; 64 * KIB];
    let made = deflate(&mut compressor, &zeros, &mut block, MZFlush::Sync);
    block.truncate(made.bytes_written);
    assert!(block.len() < 5 * KIB, "{}", block.len());
    block
}

// CO-15: messages that are never whole hold their bytes, and no inflater
#[test]
fn unfinished_messages_hold_no_inflater() {
    let config = compressed();
    let begun = wire::client(TEXT & MORE, &HELLO[..3]);
    let mut shared = Buffer::new();
    let mut warm = open(&config);
    shared.extend(&begun);
    warm.next_event(&mut shared).unwrap();
    let _ = shared.detach();
    let (rests, used) = measure(|| {
        let mut rests = Vec::with_capacity(1000);
        for _ in 0..1000 {
            let mut connection = open(&config);
            shared.extend(&begun);
            assert_eq!(connection.next_event(&mut shared), Ok(None));
            rests.push((connection, shared.detach()));
        }
        rests
    });
    let each = used.live / rests.len();
    let inline = size_of::<(Connection, Buffer)>();
    assert!(each <= inline + 32 + 3, "{each}");
}

// Jetty #13029: the last message is not kept while nothing comes
#[test]
fn an_idle_buffer_holds_no_message() {
    let config = compressed();
    let mut session = session(&config);
    let (_, used) = measure(|| {
        for _ in 0..3 {
            swallow(&mut session, &wire_of(&HELLO)).unwrap();
        }
        session.input = Buffer::new();
    });
    // One inflater and its output, in the pool.
    assert!(used.live <= 56 * KIB, "{used:?}");
    let again = heap(|| {
        let mut other = self::session(&config);
        swallow(&mut other, &wire_of(&HELLO)).unwrap();
    });
    assert_eq!(again.live, 0, "it comes from the pool");
}
