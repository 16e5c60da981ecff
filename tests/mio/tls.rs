//! Open connections over TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use sansocket::Config;
use sansocket::mio::Server;

use crate::authority::{VERSIONS, client, client_with, known_client, server_for_known_clients};
use crate::client::{Client, PATIENCE, REQUEST};
use crate::common::wire::{self, BINARY, CLOSE, MORE, TEXT};
use crate::running::{Call, Mail, Running};
use crate::secure::Secure;

const KIB: usize = 1024;

const DISCONNECTED: &str = "the connection ended without a Close frame";

// ML-18, ML-01
#[test]
fn messages_of_all_lengths_come_back_over_tls() {
    let server = Running::start_secure();
    for versions in VERSIONS {
        let mut client = Secure::open_secure(server.address, client_with(versions).into());
        for len in [0, 1, 125, 126, 16 * KIB - 4, 16 * KIB, 65_535, 65_536, 1_000_000] {
            let message = vec![len as u8; len];
            client.write(&wire::client(BINARY, &message));
            assert_eq!(client.frame(), (BINARY, message));
        }
        client.close();
    }
}

// ML-18, ML-01: records and frames in pieces, from the first byte on
#[test]
fn messages_over_tls_that_arrive_byte_by_byte_come_back() {
    let server = Running::start_secure();
    for versions in VERSIONS {
        let mut client = Secure::connect_secure(server.address, client_with(versions).into());
        client.shake_hands_in_bytes();
        let bytes = [REQUEST.as_bytes(), &wire::client(TEXT, b"echo in bytes")].concat();
        for byte in bytes.chunks(7) {
            let records = client.seal(byte);
            client.send_in_bytes(&records);
        }
        client.read_head();
        assert_eq!(client.text(), "in bytes");
        client.close();
    }
}

/// Sends `bytes`, without a look at what comes, until nothing more is taken: how many of the records that was.
fn push(client: &mut Secure, records: &[u8]) -> usize {
    client.0.sock.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut idle = 0;
    while idle < 20 && sent < records.len() {
        match client.0.sock.write(&records[sent..]) {
            Ok(n) => (sent, idle) = (sent + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                std::thread::sleep(std::time::Duration::from_millis(10));
                idle += 1;
            }
        }
    }
    client.0.sock.set_nonblocking(false).unwrap();
    sent
}

// ML-18, TL-01: both sides write, nobody reads, and then all of it arrives
#[test]
fn large_messages_go_both_ways_while_nobody_reads() {
    const MESSAGES: usize = 64;
    let server = Running::start_secure();
    for versions in VERSIONS {
        let mut client = Secure::open_secure(server.address, client_with(versions).into());
        let message = |i: usize| vec![i as u8; 500 * KIB];
        let frames: Vec<_> =
            (0..MESSAGES).flat_map(|i| wire::client(BINARY, &message(i))).collect();
        let records = client.seal(&frames);
        let sent = push(&mut client, &records);
        assert!(sent < records.len(), "the server is not read from, and reads no more");
        let mut output = client.0.sock.try_clone().unwrap();
        let writer = std::thread::spawn(move || output.write_all(&records[sent..]).unwrap());
        for i in 0..MESSAGES {
            assert_eq!(client.frame(), (BINARY, message(i)), "{i}");
        }
        writer.join().unwrap();
        client.close();
    }
}

// ML-19, ML-11: records that wait are a part of the queue, and there is a call when there is room
#[test]
fn records_that_wait_count_as_queued() {
    const LIMIT: usize = 96 * KIB;
    for len in [100, 1000, 7000, 12_000] {
        let config = Config::builder().max_queue(LIMIT).build().unwrap();
        let server = Running::start_secure_with(config, |server| server);
        let (mut client, id) = server.secure_client();
        let mut sent = 0;
        // The system takes more from time to time; when it does no more, the queue is full.
        let queued = loop {
            for command in [format!("fill 100000 {len}"), "queued".to_owned()] {
                server.handle.mail(0, Mail::Do(id, command)).unwrap();
            }
            let filled: usize = server.mail().strip_prefix("filled ").unwrap().parse().unwrap();
            sent += filled;
            let queued: usize = server.mail().strip_prefix("queued ").unwrap().parse().unwrap();
            assert!(queued <= LIMIT, "{queued} of messages of {len} bytes");
            if filled == 0 {
                break queued;
            }
        };
        assert!(queued + len + 28 > LIMIT, "{queued} of messages of {len} bytes");
        for _ in 0..sent {
            assert_eq!(client.frame(), (BINARY, vec![b'x'; len]));
        }
        server.wait_for(|call| (*call == Call::Drained(id)).then_some(()));
        client.close();
    }
}

// ML-19, ML-07
#[test]
fn a_peer_that_takes_no_records_is_cut_off() {
    let short = std::time::Duration::from_millis(10);
    let config = Config::builder().write_timeout(short).build().unwrap();
    let server = Running::start_secure_with(config, |server| server);
    let (mut client, id) = server.secure_client();
    client.say("fill 1000000 10000");
    assert_eq!(server.closed(), (id, String::new(), "the peer stopped reading".to_owned()));
}

// ML-20, TL-06: the end is a Close, and then a close_notify
#[test]
fn a_good_close_ends_with_close_notify() {
    let server = Running::start_secure();
    for versions in VERSIONS {
        let mut client = Secure::open_secure(server.address, client_with(versions).into());
        client.write(&wire::client(CLOSE, &wire::body(1000, "")));
        client.0.conn.send_close_notify();
        client.0.flush().unwrap();
        client.assert_closed_with(1000);
        client.assert_ends();
        assert_eq!(server.closed().2, "1000");
    }
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
}

// ML-20, TL-07: whether a close_notify says so or not, and in the middle of a record
#[test]
fn an_end_without_a_close_is_a_disconnect() {
    let server = Running::start_secure();
    type End = fn(&mut Secure);
    let close_notify: End = |client| {
        client.0.conn.send_close_notify();
        client.0.flush().unwrap();
    };
    let in_a_record: End = |client| {
        let records = client.seal(b"never whole");
        client.0.sock.write_all(&records[..records.len() - 1]).unwrap();
    };
    for (end, is_orderly) in [(close_notify, true), (in_a_record, false), ((|_| {}) as End, false)]
    {
        let (mut client, id) = server.secure_client();
        client.say("the last");
        end(&mut client);
        if !is_orderly {
            client.0.sock.shutdown(Shutdown::Write).unwrap();
        }
        server.wait_for(|call| (*call == Call::Message(id, "the last".into())).then_some(()));
        assert_eq!(server.closed(), (id, String::new(), DISCONNECTED.to_owned()));
    }
    // In the middle of a message.
    let (mut client, _) = server.secure_client();
    client.write(&wire::client(TEXT & MORE, b"begun"));
    client.0.conn.send_close_notify();
    client.0.flush().unwrap();
    assert_eq!(server.closed().2, format!("{DISCONNECTED}, in the middle"));
}

// ML-20, TL-06: messages before a fault are delivered, and it is answered with an alert
#[test]
fn a_fault_in_a_record_is_answered_with_an_alert() {
    let server = Running::start_secure();
    let (mut client, id) = server.secure_client();
    let mut records = client.seal(&wire::client(TEXT, b"the last"));
    let mut broken = client.seal(&wire::client(TEXT, b"not this one"));
    *broken.last_mut().unwrap() ^= 1;
    records.extend(broken);
    client.0.sock.write_all(&records).unwrap();
    assert_eq!(server.call(), Call::Message(id, "the last".to_owned()));
    let (_, _, end) = server.closed();
    assert!(end.contains("decrypt"), "{end}");
    let error = client.0.read(&mut [0]).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}

// ML-20, ML-14
#[test]
fn a_stop_closes_with_1001_and_close_notify() {
    for shards in [1, 2] {
        let server = Running::start_secure_with(Config::default(), |server| server.shards(shards));
        let mut clients: Vec<_> = (0..6).map(|_| server.secure_client().0).collect();
        let answering = std::thread::spawn(move || {
            for client in &mut clients {
                client.assert_closed_with(1001);
                client.write(&wire::client(CLOSE, &wire::body(1001, "")));
                client.assert_ends();
                client.0.sock.shutdown(Shutdown::Write).unwrap();
            }
        });
        assert_eq!(server.stop(PATIENCE), (0, 0));
        answering.join().unwrap();
    }
}

// ML-18, TL-05: the peer's keys and ours, while nothing and while much is under way
#[test]
fn keys_are_updated() {
    let server = Running::start_secure();
    let (mut client, _) = server.secure_client();
    for len in [0, 10, 100_000] {
        client.0.conn.refresh_traffic_keys().unwrap();
        let message = "k".repeat(len);
        assert_eq!(client.ask(&format!("echo {message}")), message);
        assert_eq!(client.ask(&format!("echo {message}")), message);
    }
    client.close();
}

// ML-18, ML-13
#[test]
fn a_connection_over_tls_that_is_paused_delivers_nothing_until_it_is_resumed() {
    let server = Running::start_secure();
    let (mut client, id) = server.secure_client();
    let frames =
        ["pause", "echo first", "echo second"].map(|one| wire::client(TEXT, one.as_bytes()));
    client.write(&frames.concat());
    client.say("echo third");
    assert_eq!(server.call(), Call::Message(id, "pause".to_owned()));
    for n in 0..3 {
        server.handle.mail(0, Mail::Say(n.to_string())).unwrap();
        assert_eq!(server.call(), Call::Mail(n.to_string()));
    }
    server.handle.mail(0, Mail::Do(id, "resume".to_owned())).unwrap();
    assert_eq!([client.text(), client.text(), client.text()], ["first", "second", "third"]);
    client.close();
}

// ML-18, ML-05: with and without TLS nothing is different for those who publish
#[test]
fn topics_reach_subscribers_over_tls() {
    let server = Running::start_secure_with(Config::default(), |server| server.shards(2));
    let mut clients: Vec<_> = (0..4).map(|_| server.secure_client().0).collect();
    for client in &mut clients {
        assert_eq!(client.ask("join room"), "Ok(true)");
    }
    for news in ["short".to_owned(), "long".repeat(100_000)] {
        server.handle.publish("room", &news).unwrap();
        for client in &mut clients {
            assert_eq!(client.text(), news);
        }
    }
    clients.into_iter().for_each(Client::close);
}

// ML-18, TL-13
#[test]
fn an_application_sees_the_certificate_of_the_client() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.tls(Arc::new(server_for_known_clients())).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let thread = std::thread::spawn(move || {
        server.run_fn(|peer, _| {
            let certificates = peer.tls().unwrap().state().peer_certificates().unwrap().len();
            let _ = peer.send(&certificates.to_string());
        })
    });
    let mut known = Secure::open_secure(address, known_client().into());
    assert_eq!(known.ask("how many?"), "1");
    known.close();
    let mut unknown = Secure::connect_secure(address, client());
    let refused = unknown.0.write_all(REQUEST.as_bytes()).and_then(|()| unknown.0.read(&mut [0]));
    assert!(refused.is_err(), "no certificate, no connection");
    handle.stop(std::time::Duration::ZERO, PATIENCE);
    thread.join().unwrap().unwrap();
}

// ML-18
#[cfg(feature = "deflate")]
#[test]
fn messages_over_tls_are_compressed() {
    let config = Config::builder().compression(sansocket::Compression::new()).build().unwrap();
    let server = Running::start_secure_with(config, |server| server);
    let mut client = Secure::connect_secure(server.address, client());
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    client.write(format!("{}{offer}", REQUEST.strip_suffix("\r\n").unwrap()).as_bytes());
    let head = client.try_read_head().unwrap();
    assert!(head.contains("permessage-deflate"), "{head}");
    client.write(&wire::client(BINARY, &[b'x'; 10_000]));
    let (first, payload) = client.frame();
    assert_eq!(first, BINARY | 0x40);
    assert!(payload.len() < 100, "{}", payload.len());
    client.close();
}
