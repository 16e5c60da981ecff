//! The peer's key updates (RFC 8446 §4.6.3), whatever we do meanwhile.

use std::io::Write;
use std::thread;

use sansocket::tls::Engine;
use sansocket::{Config, Message};

use crate::authority::{VERSIONS, client, server};
use crate::engine::Pair;
use crate::peer::{Peer, frame};

const UPDATES: usize = 50;

// TL-05
#[test]
fn keys_are_updated_while_we_only_read() {
    let (mut peer, (_sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    for i in 0..UPDATES {
        // More than 32 without data in between end the connection, which is rustls' own limit.
        peer.tls.refresh_traffic_keys().unwrap();
        peer.send(&frame(0x81, i.to_string().as_bytes()));
        let wanted = i.to_string();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&wanted)));
    }
}

// TL-05: the answer to an update goes out ahead of the next message
#[test]
fn keys_are_updated_while_we_only_write() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    let receiving = thread::spawn(move || receiver.drain());
    for i in 0..UPDATES {
        peer.tls.refresh_traffic_keys().unwrap();
        peer.send(&frame(0x8a, b""));
        sender.send(&i.to_string()).unwrap();
        let wanted = i.to_string();
        assert_eq!(peer.read(2 + wanted.len())[2..], *wanted.as_bytes());
    }
    peer.pipe.end();
    assert!(receiving.join().unwrap().is_err());
}

// TL-05
#[test]
fn keys_are_updated_by_both_sides_while_both_write() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    for i in 0..UPDATES {
        peer.tls.refresh_traffic_keys().unwrap();
        peer.send(&frame(0x82, &vec![i as u8; 20_000]));
        let message = receiver.recv().unwrap().unwrap();
        assert_eq!(message.as_bytes(), vec![i as u8; 20_000]);
        sender.send(message).unwrap();
        assert_eq!(peer.read(4 + 20_000)[4..], vec![i as u8; 20_000]);
    }
}

// TL-05: ours reach the peer ahead of the next message, too
#[test]
fn our_own_updates_are_sent() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    for i in 0..UPDATES {
        sender.stream().with_engine(|engine| engine.refresh_traffic_keys()).unwrap().unwrap();
        sender.send(&i.to_string()).unwrap();
        let wanted = i.to_string();
        assert_eq!(peer.read(2 + wanted.len())[2..], *wanted.as_bytes());
        peer.send(&frame(0x81, b"answer"));
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("answer")));
    }
}

// TL-05: TLS 1.2 has no key updates, and goes on without
#[test]
fn only_tls_1_3_updates_keys() {
    for (versions, can) in [(VERSIONS[0], true), (VERSIONS[1], false)] {
        let mut pair = Pair::open(versions);
        assert_eq!(pair.server.refresh_traffic_keys().is_ok(), can);
        let mut sealed = vec![];
        pair.server.seal(b"down", &mut sealed).unwrap();
        assert_eq!(pair.read(&sealed), b"down");
        pair.client.writer().write_all(b"up").unwrap();
        pair.pass(<[u8]>::len);
        assert_eq!(pair.opened, b"up");
    }
}
