//! How a connection ends: in order, or cut off at any place.

use std::io::Read;
use std::thread;

use sansocket::{Config, Error};

use crate::authority::{VERSIONS, client, client_with, server, server_with};
use crate::peer::{PATIENCE, Peer, frame};

// TL-06, R-143: a close_notify goes ahead of the end of our side
#[test]
fn a_good_close_ends_with_close_notify() {
    for versions in VERSIONS {
        let (server, client) = (server_with(versions), client_with(versions));
        let (mut peer, (_sender, mut receiver)) =
            Peer::open(server.into(), client.into(), Config::default());
        peer.send(&frame(0x88, &[0x03, 0xe8]));
        assert_eq!(receiver.recv().unwrap(), None);
        assert_eq!(peer.read(4), [0x88, 2, 0x03, 0xe8]);
        let dropping = thread::spawn(move || drop(receiver));
        while !matches!(peer.tls.reader().read(&mut [0]), Ok(0)) {
            peer.take().unwrap(); // the end without a close_notify would be an error
        }
        peer.tls.send_close_notify();
        peer.flush();
        peer.pipe.end();
        dropping.join().unwrap();
    }
}

// TL-07, IO-14: the end of the stream with or without close_notify, in a message or between two
#[test]
fn an_end_without_a_close_is_a_disconnect() {
    for (bytes, mid_message) in [(&[][..], false), (&frame(0x81, b"half")[..4], true)] {
        for notifies in [false, true] {
            for ends in [false, true] {
                let (mut peer, (_sender, mut receiver)) =
                    Peer::open(server(), client(), Config::default());
                peer.send(bytes);
                if notifies {
                    peer.tls.send_close_notify();
                    peer.flush();
                }
                if ends || !notifies {
                    peer.pipe.end();
                }
                match receiver.recv() {
                    Err(Error::Disconnected(end)) => assert_eq!(end.mid_message, mid_message),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

// TL-07, IO-14: nor is the end of the stream in a record more than that
#[test]
fn a_record_that_is_cut_off_is_a_disconnect() {
    let (mut peer, (_sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    std::io::Write::write_all(&mut peer.tls.writer(), &frame(0x81, b"whole")).unwrap();
    let records = peer.records();
    peer.pipe.push(&records[..records.len() - 1]);
    peer.pipe.end();
    assert!(matches!(receiver.recv(), Err(Error::Disconnected(_))));
}

// TL-06, IO-15: an alert ends the connection at once, after the messages that came before it
#[test]
fn an_alert_is_an_error_after_the_messages_before_it() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    peer.send(&frame(0x81, b"before"));
    // A record that nobody has sealed.
    peer.pipe.push(&[
        0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    ]);
    assert_eq!(receiver.recv().unwrap().unwrap().as_bytes(), b"before");
    match receiver.recv() {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::InvalidData),
        other => panic!("{other:?}"),
    }
    assert!(sender.send("more").is_err());
    assert!(matches!(peer.take(), Err(rustls::Error::AlertReceived(_))), "we have said so");
}

// TL-06, V84: the end of the handshake at any byte is an end, and no loop
#[test]
fn a_handshake_that_is_cut_off_ends() {
    let mut peer =
        rustls::ClientConnection::new(client(), "localhost".try_into().unwrap()).unwrap();
    let mut hello = vec![];
    peer.write_tls(&mut hello).unwrap();
    for end in 0..hello.len() {
        let (peer, accepting) = Peer::start(server(), client(), Config::default());
        peer.pipe.push(&hello[..end]);
        peer.pipe.end();
        assert!(matches!(accepting.join().unwrap(), Err(Error::Disconnected(_))), "{end}");
    }
}

// TL-06: an abort waits for nobody
#[test]
fn an_abort_ends_both_directions_at_once() {
    let (peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    peer.pipe.set(crate::pipe::Way::Stalled);
    let blocked = thread::spawn({
        let sender = sender.clone();
        move || sender.send(&vec![0; 1 << 20])
    });
    let receiving = thread::spawn(move || receiver.recv().map(|_| ()));
    peer.pipe.wait_until(PATIENCE, |_, calls| calls.contains(&crate::pipe::Call::Stall)).unwrap();
    sender.abort();
    assert!(blocked.join().unwrap().is_err());
    assert!(matches!(receiving.join().unwrap(), Err(Error::Disconnected(_))));
}
