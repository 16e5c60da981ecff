//! Full duplex over TLS: reading and writing do not wait for each other.

use std::net::{TcpListener, TcpStream};
use std::thread;

use rustls::SupportedProtocolVersion;
use sansocket::handshake::client::Request;
use sansocket::net::{self, Receiver, Sender};
use sansocket::tls::{Rustls, Secure};
use sansocket::{Config, Message};

use crate::authority::{VERSIONS, client, client_with, server, server_with};
use crate::peer::{PATIENCE, Peer, frame};
use crate::pipe::{Call, Way};

const MEBI: usize = 1024 * 1024;

type Socket = Secure<TcpStream, Rustls>;
type Halves = (Sender<Socket>, Receiver<Socket>);

/// A client and a server over a socket.
fn open(versions: &[&'static SupportedProtocolVersion]) -> (Halves, Halves) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = Rustls::server(server_with(versions).into()).unwrap();
    let server = Secure::server(listener.accept().unwrap().0, server);
    let accepting = thread::spawn(move || net::accept(server, Config::default()).unwrap());
    let name = "localhost".try_into().unwrap();
    let client = Rustls::client(client_with(versions).into(), name).unwrap();
    let request = Request::new("wss://localhost/").unwrap();
    let connected = net::connect(Secure::client(stream, client), &request, Config::default());
    let (sender, receiver, _) = connected.unwrap();
    ((sender, receiver), accepting.join().unwrap())
}

// TL-01, IO-13: the promise: two peers that both write 64 MiB to each other at once finish, over TLS, too
#[test]
fn both_sides_write_64_mib_at_once() {
    for versions in VERSIONS {
        let (client, server) = open(versions);
        let sides = [client, server].map(|(sender, mut receiver)| {
            let written = thread::spawn({
                let sender = sender.clone();
                move || (0..64).for_each(|_| sender.send(&vec![7; MEBI]).unwrap())
            });
            let read = thread::spawn(move || {
                for _ in 0..64 {
                    let message = receiver.recv().unwrap().unwrap();
                    assert_eq!(message.as_bytes(), vec![7; MEBI]);
                }
                receiver
            });
            (sender, written, read)
        });
        let [client, server] = sides.map(|(sender, written, read)| {
            written.join().unwrap();
            (sender, read.join().unwrap())
        });
        let ending = thread::spawn(move || {
            let (_sender, mut receiver) = server;
            receiver.drain().unwrap();
        });
        client.1.close(1000.try_into().unwrap(), "").unwrap();
        ending.join().unwrap();
    }
}

// TL-01
#[test]
fn many_threads_send_whole_messages() {
    let ((client, mut received), (server, mut echoed)) = open(VERSIONS[0]);
    let echoing = thread::spawn(move || {
        while let Some(message) = echoed.recv().unwrap() {
            server.send(message).unwrap();
        }
    });
    let threads: Vec<_> = (0..4u8)
        .map(|id| {
            let client = client.clone();
            thread::spawn(move || {
                for size in [1, 125, 5000, 70_000, 200_000] {
                    client.send(&vec![id; size]).unwrap();
                    client.feed(&vec![id; size]).unwrap();
                }
                client.flush().unwrap();
            })
        })
        .collect();
    let mut sizes = vec![vec![]; 4];
    for _ in 0..40 {
        let message = received.recv().unwrap().unwrap();
        let payload = message.as_bytes();
        assert!(payload.iter().all(|byte| *byte == payload[0]), "two messages are mixed");
        sizes[usize::from(payload[0])].push(payload.len());
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let wanted: Vec<_> = [1, 125, 5000, 70_000, 200_000].into_iter().flat_map(|n| [n, n]).collect();
    assert_eq!(sizes, vec![wanted; 4]);
    received.close(1000.try_into().unwrap(), "").unwrap();
    echoing.join().unwrap();
}

// TL-02, IO-13: the receiver goes on while a sender is blocked, and answers pings when there is room again
#[test]
fn a_blocked_sender_does_not_stop_the_receiver() {
    let (mut peer, (sender, mut receiver)) = Peer::open(server(), client(), Config::default());
    peer.pipe.set(Way::Stalled);
    let blocked = thread::spawn(move || sender.send(&vec![0; MEBI]));
    peer.pipe.wait_until(PATIENCE, |_, calls| calls.contains(&Call::Stall)).unwrap();
    for i in 0..100 {
        peer.send(&frame(0x89, b"ping"));
        peer.send(&frame(0x81, i.to_string().as_bytes()));
        let wanted = i.to_string();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&wanted)));
    }
    assert!(!blocked.is_finished());
    peer.pipe.set(Way::Open);
    blocked.join().unwrap().unwrap();
    let pong = b"\x8a\x04ping";
    let receiving = thread::spawn(move || receiver.drain());
    let plain = peer.read(10 + MEBI + pong.len());
    assert!(plain.ends_with(pong), "the latest ping is answered: {:?}", &plain[..20]);
    peer.pipe.end();
    assert!(receiving.join().unwrap().is_err());
}

// TL-03: tickets go out ahead of any data
#[test]
fn tickets_are_sent_when_the_handshake_is_done() {
    let (mut peer, accepting) = Peer::start(server(), client(), Config::default());
    while peer.tls.tls13_tickets_received() == 0 {
        peer.take().unwrap();
    }
    peer.pipe.end();
    assert!(accepting.join().unwrap().is_err());
}

// TL-03: in a socket that takes nothing they wait, and nobody waits for them
#[test]
fn tickets_that_are_not_taken_are_sent_later() {
    let (mut peer, accepting) = Peer::start(server(), client(), Config::default());
    peer.take().unwrap(); // the client's Finished is on its way: the answer to it are tickets
    peer.pipe.set(Way::Stalled);
    std::io::Write::write_all(&mut peer.tls.writer(), crate::peer::REQUEST).unwrap();
    peer.flush();
    let stalls = |calls: &[Call]| calls.iter().filter(|call| **call == Call::Stall).count();
    peer.pipe.wait_until(PATIENCE, |_, calls| stalls(calls) > 2).unwrap();
    peer.pipe.set(Way::Open);
    let head = peer.read_until(|plain| plain.ends_with(b"\r\n\r\n"));
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    accepting.join().unwrap().unwrap();
    assert!(peer.tls.tls13_tickets_received() > 0);
}
