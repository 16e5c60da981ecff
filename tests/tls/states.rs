//! The engine alone: what may be asked of it when, and what becomes of peers that do not do as TLS says.

use std::io::{ErrorKind, Write};
use std::sync::Arc;

use sansocket::tls::{Engine, Rustls};

use crate::authority::{VERSIONS, client_with, server_with};
use crate::engine::Pair;

// TL-04: a message of the handshake may lie in several records
#[test]
fn a_message_in_several_records_is_read() {
    for pieces in [2, 3, 50] {
        let mut pair = Pair::new(VERSIONS[0]);
        let hello = pair.records();
        for piece in hello[5..].chunks(hello.len() / pieces + 1) {
            let mut record = [&hello[..3], &(piece.len() as u16).to_be_bytes(), piece].concat();
            assert!(!pair.server.wants_write());
            pair.server.open(&mut record, &mut |_| {}).unwrap();
        }
        while pair.answer() | pair.pass(<[u8]>::len) {}
        assert!(!pair.server.is_handshaking());
    }
}

// TL-04, V84: in as many as there is no end of, it is a fault
#[test]
fn a_message_in_too_many_records_is_a_fault() {
    let mut pair = Pair::new(VERSIONS[0]);
    let mut records = b"\x16\x03\x01\0\x04\x01\0\xff\xff".to_vec();
    records.extend(b"\x16\x03\x01\0\x01a".repeat(20_000));
    let error = pair.server.open(&mut records, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(pair.server.open(&mut [0x16], &mut |_| {}).is_err(), "that is its end");
}

// TL-06: nothing is lost by asking too early
#[test]
fn data_has_to_wait_for_the_handshake() {
    let mut pair = Pair::new(VERSIONS[0]);
    let mut sealed = vec![];
    let early = pair.server.seal(b"early", &mut sealed).unwrap_err();
    assert_eq!((early.kind(), sealed.is_empty()), (ErrorKind::NotConnected, true));
    let early = pair.server.refresh_traffic_keys().unwrap_err();
    assert_eq!(early.kind(), ErrorKind::NotConnected);
    while pair.pass(<[u8]>::len) | pair.answer() {}
    pair.server.seal(b"in time", &mut sealed).unwrap();
    assert_eq!(pair.read(&sealed), b"in time");
}

// TL-05, TL-03: behind the tickets, which were not sent yet
#[test]
fn an_update_may_be_asked_for_before_tickets_are_sent() {
    let mut pair = Pair::new(VERSIONS[0]);
    while pair.server.is_handshaking() {
        pair.pass(<[u8]>::len);
        if pair.server.is_handshaking() {
            pair.answer();
        }
    }
    assert!(pair.server.wants_write());
    pair.server.refresh_traffic_keys().unwrap();
    pair.answer();
    let mut sealed = vec![];
    pair.server.seal(b"down", &mut sealed).unwrap();
    assert_eq!(pair.read(&sealed), b"down");
    assert!(pair.client.tls13_tickets_received() > 0);
}

// TL-06
#[test]
fn no_update_is_asked_for_after_a_failure() {
    let mut pair = Pair::open(VERSIONS[0]);
    assert!(pair.server.open(&mut b"\x17\x03\x03\0\x20".repeat(8), &mut |_| {}).is_err());
    assert_eq!(pair.server.refresh_traffic_keys().unwrap_err().kind(), ErrorKind::BrokenPipe);
}

// TL-01: records that are shorter than usual need more room
#[test]
fn short_records_are_sealed() {
    let mut config = server_with(VERSIONS[0]);
    config.max_fragment_size = Some(100);
    let mut pair = Pair::of(client_with(VERSIONS[0]).into(), config.into());
    while pair.pass(<[u8]>::len) | pair.answer() {}
    let (plain, mut sealed) = (vec![7; 16 * 1024], vec![]);
    pair.server.seal(&plain, &mut sealed).unwrap();
    assert!(sealed.len() > plain.len() + 1000);
    assert_eq!(pair.read(&sealed), plain);
}

// TL-11: whatever the configuration says, data that could be a replay is not taken
#[test]
fn early_data_is_a_fault() {
    let mut server = server_with(VERSIONS[0]);
    server.max_early_data_size = 1000;
    let mut client = client_with(VERSIONS[0]);
    client.enable_early_data = true;
    let (server, client) = (Arc::new(server), Arc::new(client));
    let mut pair = Pair::of(Arc::clone(&client), Arc::clone(&server));
    while pair.pass(<[u8]>::len) | pair.answer() {}
    let mut pair = Pair::of(client, server);
    pair.client.early_data().expect("there is a ticket").write_all(b"again").unwrap();
    let mut records = pair.records();
    let mut opened = vec![];
    let error = pair.server.open(&mut records, &mut |plain| opened.extend_from_slice(plain));
    let error = error.unwrap_err();
    assert_eq!((error.kind(), opened), (ErrorKind::InvalidData, vec![]));
    assert!(error.to_string().contains("replay"), "{error}");
}

// TL-11
#[test]
fn a_configuration_that_does_not_work_is_an_error() {
    let mut config = client_with(VERSIONS[0]);
    config.max_fragment_size = Some(1);
    let error = Rustls::client(config.into(), "localhost".try_into().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let mut config = server_with(VERSIONS[0]);
    config.max_fragment_size = Some(1);
    assert_eq!(Rustls::server(config.into()).unwrap_err().kind(), ErrorKind::InvalidInput);
}

// RE-08: the version, and no keys
#[test]
fn an_engine_shows_its_version() {
    let mut pair = Pair::new(VERSIONS[0]);
    assert_eq!(format!("{:?}", pair.server), "Rustls { version: None, .. }");
    while pair.pass(<[u8]>::len) | pair.answer() {}
    assert_eq!(format!("{:?}", pair.server), "Rustls { version: Some(TLSv1_3), .. }");
}
