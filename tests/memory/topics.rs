//! What an event loop keeps of publications.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use sansocket::handshake::Request;
use sansocket::mio::{App, Id, Peer, Server, Shard, Verdict};
use sansocket::{Config, Message};

use super::{KIB, MIB, heap};

const RECIPIENTS: usize = 200;
const NOTES: usize = 4000;
pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

struct Rooms {
    opened: Sender<()>,
}

impl App for Rooms {
    type State = ();
    type Mail = Receiver<()>;

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        Verdict::Accept(request.accept(), ())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        for topic in ["a", "b"] {
            peer.subscribe(topic).unwrap();
        }
        self.opened.send(()).unwrap();
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}

    fn mail(&mut self, shard: &mut Shard<'_, ()>, go_on: Receiver<()>) {
        go_on.recv().unwrap();
        for n in 0..NOTES {
            shard.publish(if n % 2 == 0 { "a" } else { "b" }, "").unwrap();
        }
    }
}

// ML-05: memory for the publications of a round, and for the recipients, but not for each of the one to each of the other
#[test]
fn publications_of_a_round_are_not_kept_for_each_recipient() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let (opened, opens) = channel();
    let clients = std::thread::spawn(move || {
        let connect = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(REQUEST.as_bytes()).unwrap();
            opens.recv().unwrap();
            stream
        };
        let mut streams: Vec<TcpStream> = (0..RECIPIENTS).map(connect).collect();
        let (go_on, wait) = channel();
        handle.mail(0, wait).unwrap();
        go_on.send(()).unwrap();
        for stream in &mut streams {
            let mut last = Vec::new();
            while !last.ends_with(&b"\x81\0".repeat(NOTES)) {
                let mut bytes = [0; 16 * 1024];
                let n = stream.read(&mut bytes).unwrap();
                last.extend(&bytes[..n]);
            }
        }
        handle.stop(Duration::ZERO, Duration::ZERO);
    });
    let heap = heap::heap(|| {
        server.run(|_| Rooms { opened: opened.clone() }).unwrap();
    });
    clients.join().unwrap();
    assert!(heap.peak < 6 * MIB, "{} KiB", heap.peak / KIB);
}
