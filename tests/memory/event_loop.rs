//! Connections on an event loop: at rest, in a flood, and before they are open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::Request;
use sansocket::mio::{App, Handle, Id, Peer, Server, Shard, Verdict};
use sansocket::{Config, Message};

use crate::common::session::config;
use crate::common::wire::{self, BINARY, PING};
use crate::heap::{Heap, heap, live};
use crate::topics::REQUEST;
use crate::{KIB, MIB};

/// Long enough for a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Echoes what is binary, and says how much its thread holds.
struct Echo;

impl App for Echo {
    type State = ();
    type Mail = SyncSender<isize>;

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        Verdict::Accept(request.accept(), ())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("all").unwrap();
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        if message.is_binary() {
            let _ = peer.send(message);
        }
    }

    fn mail(&mut self, _: &mut Shard<'_, ()>, asked: SyncSender<isize>) {
        asked.send(live()).unwrap();
    }
}

/// The server, as its clients see it.
struct Service {
    address: SocketAddr,
    handle: Handle<SyncSender<isize>>,
}

impl Service {
    /// Serves `clients`, on this thread.
    fn run(config: Config, clients: impl FnOnce(&Self) + Send + 'static) -> Heap {
        let server = Server::bind("127.0.0.1:0", config).unwrap().max_connections(2000);
        let service = Self { address: server.local_addr().unwrap(), handle: server.handle() };
        let clients = thread::spawn(move || clients(&service));
        let heap = heap(|| _ = server.run(|_| Echo).unwrap());
        clients.join().unwrap();
        heap
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A client whose connection is open.
    fn open(&self) -> TcpStream {
        self.open_with("")
    }

    fn open_with(&self, headers: &str) -> TcpStream {
        let mut stream = self.connect();
        let request = REQUEST.strip_suffix("\r\n").unwrap();
        stream.write_all(format!("{request}{headers}\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        stream
    }

    /// Bytes on the heap, when all that was sent before has been seen to.
    fn live(&self) -> isize {
        self.hold().recv().unwrap()
    }

    /// Nothing more is seen to until the answer is received.
    fn hold(&self) -> Receiver<isize> {
        let (asked, answer) = sync_channel(0);
        self.handle.mail(0, asked).unwrap();
        answer
    }
}

/// Even if the clients panic.
impl Drop for Service {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO, Duration::ZERO);
    }
}

fn echo(stream: &mut TcpStream, payload: &[u8]) {
    let message = wire::client(BINARY, payload);
    let mut sending = stream.try_clone().unwrap();
    let sender = thread::spawn(move || sending.write_all(&message).unwrap());
    let mut echoed = vec![0; wire::server(BINARY, payload).len()];
    stream.read_exact(&mut echoed).unwrap();
    assert!(echoed.ends_with(payload));
    sender.join().unwrap();
}

// ML-09, RE-01: name, deadline, topic and connection, after a message of a megabyte, too
#[test]
fn an_idle_connection_on_a_loop_holds_less_than_300_bytes() {
    const CLIENTS: usize = 192;
    let config = config(|config| config.max_message(MIB).max_queue(2 * MIB));
    Service::run(config, |service| {
        let mut first = service.open();
        echo(&mut first, b"hello");
        let before = service.live();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| service.open()).collect();
        for client in &mut clients {
            echo(client, b"hello");
        }
        let small = service.live() - before;
        assert!(small <= (300 * CLIENTS) as isize, "{small} bytes");
        for client in &mut clients[..4] {
            echo(client, &vec![7; MIB]);
        }
        // Memory of that size is not kept for the next.
        let start = Instant::now();
        while service.live() - before > (300 * CLIENTS) as isize {
            assert!(start.elapsed() < PATIENCE, "{} bytes", service.live() - before);
            thread::sleep(Duration::from_millis(10));
        }
    });
}

// CL-01, V29: pings without end by a client that does not read
#[test]
fn a_flood_of_pings_costs_a_loop_no_more_than_a_read() {
    let quiet = Service::run(Config::default(), |service| drop(service.open()));
    let flood = Service::run(Config::default(), |service| {
        let mut client = service.open();
        client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let pings = wire::client(PING, &[0xa5; 125]).repeat(1000);
        // Pongs that replace each other are not written to a client that does not read: it can go on for ever.
        for _ in 0..100 {
            client.write_all(&pings).unwrap();
        }
    });
    // A read of 64 KiB, behind the beginning of a ping, and the pong.
    assert!(flood.peak <= quiet.peak + 68 * KIB, "{flood:?}, {quiet:?}");
}

// CO-01, ML-17: messages that were compressed are not kept until it is their connections' turn again
#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_of_many_take_the_memory_of_one() {
    let config = config(|config| config.compression(sansocket::Compression::new()));
    let flood = Service::run(config, |service| {
        let bombs = wire::compressed(wire::TEXT, &vec![b'x'; MIB]).repeat(20);
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let mut clients: Vec<_> = (0..24).map(|_| service.open_with(offer)).collect();
        let held = service.hold();
        // After so much of them, short messages are read 64 KiB at a time.
        clients[0].write_all(&wire::client(wire::TEXT, &[b'x'; KIB]).repeat(200)).unwrap();
        for client in &mut clients {
            client.write_all(&bombs).unwrap();
        }
        held.recv().unwrap();
        for client in &mut clients {
            echo(client, b"the end");
        }
    });
    assert!(flood.peak <= 6 * MIB, "{flood:?}");
}

// ML-11: answers to a client that does not read, up to the limit
#[test]
fn answers_that_nobody_reads_take_no_more_than_the_queue() {
    let quiet = Service::run(Config::default(), |service| drop(service.open()));
    let config = config(|config| config.max_queue(256 * KIB));
    let flood = Service::run(config, |service| {
        let mut client = service.open();
        client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let messages = wire::client(BINARY, &[7; KIB]).repeat(100);
        // Nothing is read on while so much waits to be written.
        let stalled = (0..1000).any(|_| client.write_all(&messages).is_err());
        assert!(stalled, "100 MB were read");
    });
    assert!(flood.peak <= quiet.peak + 1024 * KIB, "{flood:?}, {quiet:?}");
}

// L-09: heads that do not end, up to 16 KiB each, and gone with the clients
#[test]
fn heads_without_end_cost_a_loop_their_bytes() {
    const CLIENTS: usize = 100;
    let heap = Service::run(Config::default(), |service| {
        let before = service.live();
        let head = [REQUEST.trim_end().as_bytes(), b"\r\nX: ", &[b'x'; 15 * KIB]].concat();
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| service.connect()).collect();
        for client in &mut clients {
            client.write_all(&head).unwrap();
        }
        while service.live() - before < (CLIENTS * 15 * KIB) as isize {
            thread::yield_now();
        }
        drop(clients);
        while service.handle.connections() > 0 {
            thread::yield_now();
        }
        assert!(service.live() - before < (64 * KIB) as isize);
    });
    assert!(heap.peak <= CLIENTS * 34 * KIB + 512 * KIB, "{heap:?}");
}
