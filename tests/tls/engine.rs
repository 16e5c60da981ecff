//! The engine alone: the same result however the records were cut.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, ServerConfig, SupportedProtocolVersion};
use sansocket::tls::{Engine, Rustls};

use crate::authority::{VERSIONS, client_with, server_with};

pub(crate) struct Pair {
    pub(crate) client: ClientConnection,
    pub(crate) server: Rustls,
    pub(crate) opened: Vec<u8>,
}

impl Pair {
    pub(crate) fn new(versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self::of(client_with(versions).into(), server_with(versions).into())
    }

    pub(crate) fn of(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Self {
        Self {
            client: ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap(),
            server: Rustls::server(server).unwrap(),
            opened: vec![],
        }
    }

    /// After the handshake.
    pub(crate) fn open(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut pair = Self::new(versions);
        while pair.pass(<[u8]>::len) | pair.answer() {}
        pair
    }

    /// Passes on what the client has to send, in two pieces or in many.
    pub(crate) fn pass(&mut self, cut: impl Fn(&[u8]) -> usize) -> bool {
        let mut records = self.records();
        let mut rest = records.as_mut_slice();
        while !rest.is_empty() {
            let (piece, others) = rest.split_at_mut(cut(rest).clamp(1, rest.len()));
            self.server.open(piece, &mut |plain| self.opened.extend_from_slice(plain)).unwrap();
            rest = others;
        }
        !records.is_empty()
    }

    pub(crate) fn records(&mut self) -> Vec<u8> {
        let mut records = vec![];
        while self.client.wants_write() {
            self.client.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Passes on what the server has to send.
    pub(crate) fn answer(&mut self) -> bool {
        let mut records = vec![];
        if self.server.wants_write() {
            self.server.seal(&[], &mut records).unwrap();
        }
        self.read(&records);
        !records.is_empty()
    }

    pub(crate) fn read(&mut self, mut records: &[u8]) -> Vec<u8> {
        let mut plain = vec![];
        while !records.is_empty() {
            self.client.read_tls(&mut records).unwrap();
            self.client.process_new_packets().unwrap();
            let _ = self.client.reader().read_to_end(&mut plain);
        }
        plain
    }
}

// TL-04
#[test]
fn records_can_be_cut_at_every_byte() {
    for versions in VERSIONS {
        for cut in 1..40 {
            let mut pair = Pair::new(versions);
            while pair.pass(|_| cut) | pair.answer() {}
            assert!(!pair.server.is_handshaking());
            pair.client.writer().write_all(b"first").unwrap();
            pair.client.writer().write_all(b"second").unwrap();
            pair.client.send_close_notify();
            pair.pass(|_| cut);
            assert_eq!(pair.opened, b"firstsecond");
            assert!(pair.server.is_closed());
        }
    }
}

// TL-04: in two pieces, at every place
#[test]
fn two_records_can_be_cut_anywhere() {
    for cut in 0..80 {
        let mut pair = Pair::open(VERSIONS[0]);
        pair.client.writer().write_all(b"first").unwrap();
        pair.client.writer().write_all(&[7; 20]).unwrap();
        let all = (5 + 5 + 17) + (5 + 20 + 17);
        pair.pass(|rest| if rest.len() == all { cut } else { rest.len() });
        assert_eq!(pair.opened, [&b"first"[..], &[7; 20]].concat());
    }
}

// TL-05: a record that is sealed while a message of the handshake is unfinished needs that message
#[test]
fn sealing_goes_on_while_a_record_is_unfinished() {
    let mut pair = Pair::open(VERSIONS[0]);
    pair.client.refresh_traffic_keys().unwrap();
    pair.client.writer().write_all(b"up").unwrap();
    let mut records = pair.records();
    for byte in &mut records {
        let mut sealed = vec![];
        let opened = &mut pair.opened;
        pair.server
            .open(std::slice::from_mut(byte), &mut |plain| opened.extend_from_slice(plain))
            .unwrap();
        pair.server.seal(b"down", &mut sealed).unwrap();
        assert_eq!(pair.read(&sealed), b"down");
    }
    assert_eq!(pair.opened, b"up");
}

// TL-06: nothing is sealed behind an alert or a close_notify
#[test]
fn nothing_is_sealed_after_the_end() {
    let mut pair = Pair::open(VERSIONS[0]);
    let mut records = vec![];
    pair.server.close(&mut records).unwrap();
    pair.read(&records);
    assert!(pair.server.open(&mut b"\x17\x03\x03\x00\x20".repeat(8), &mut |_| {}).is_err());
    let mut alert = vec![];
    assert!(pair.server.seal(b"more", &mut alert).is_err());
    assert!(pair.server.seal(b"more", &mut alert).is_err());
    assert!(pair.server.open(&mut [0x17], &mut |_| {}).is_err());
}

// TL-06: junk is answered with an alert
#[test]
fn junk_is_answered_with_an_alert() {
    let mut pair = Pair::new(VERSIONS[0]);
    assert!(pair.server.open(&mut [0x16, 3, 1, 0, 4, 1, 0, 0, 0], &mut |_| {}).is_err());
    let mut alert = vec![];
    assert!(pair.server.seal(&[], &mut alert).is_err(), "nothing more can be sent");
    assert!(matches!(alert[..], [0x15, 3, _, 0, 2, 2, _]), "{alert:?}");
}
