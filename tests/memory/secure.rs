//! What a connection over TLS on the event loop holds when there is nothing to do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::server::NoServerSessionStorage;
use rustls::{ClientConnection, ServerConfig, StreamOwned};
use sansocket::mio::Server;
use sansocket::tls::{Engine, Rustls};
use sansocket::{Config, Message};

use crate::authority;
use crate::common::wire::{self, BINARY, TEXT};
use crate::heap::{live, measure};

type Client = StreamOwned<ClientConnection, TcpStream>;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A message of 50,000 bytes, to which the answer is the same.
const LEN: usize = 50_000;

fn client() -> ClientConnection {
    ClientConnection::new(authority::client(), "localhost".try_into().unwrap()).unwrap()
}

fn server_config() -> Arc<ServerConfig> {
    let mut config = authority::server_with(rustls::ALL_VERSIONS);
    // What it remembers of connections is not theirs.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Arc::new(config)
}

/// What rustls keeps of a connection, after the handshake and as much data.
fn kept_by_rustls(config: &Arc<ServerConfig>) -> usize {
    let engine = || {
        let (mut engine, mut client) = (Rustls::server(Arc::clone(config)).unwrap(), client());
        client.writer().write_all(&[7; LEN]).unwrap();
        let mut received = vec![];
        while received.len() < LEN {
            let (mut records, mut answer) = (vec![], vec![]);
            while client.wants_write() {
                client.write_tls(&mut records).unwrap();
            }
            engine.open(&mut records, &mut |plain| received.extend_from_slice(plain)).unwrap();
            engine.seal(&[], &mut answer).unwrap();
            let mut answer = answer.as_slice();
            while !answer.is_empty() {
                client.read_tls(&mut answer).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        for piece in received.chunks(16 * 1024) {
            engine.seal(piece, &mut vec![]).unwrap();
        }
        engine
    };
    drop(engine()); // what all have in common
    measure(engine).1.live
}

fn open(address: SocketAddr) -> Client {
    let mut client = StreamOwned::new(client(), TcpStream::connect(address).unwrap());
    client.write_all(REQUEST.as_bytes()).unwrap();
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    client.write_all(&wire::client(BINARY, &[7; LEN])).unwrap();
    client.read_exact(&mut [0; 4 + LEN]).unwrap();
    client
}

/// How much the thread of the server has on the heap.
fn heap_of_the_server(client: &mut Client) -> usize {
    client.write_all(&wire::client(TEXT, b"heap")).unwrap();
    let mut header = [0; 2];
    client.read_exact(&mut header).unwrap();
    let mut bytes = vec![0; usize::from(header[1])];
    client.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap().parse().unwrap()
}

// ML-23, RE-01
#[test]
fn an_idle_connection_over_tls_on_the_event_loop_holds_no_buffer() {
    const CONNECTIONS: usize = 20;
    let config = server_config();
    let kept = kept_by_rustls(&config);
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap().tls(config).unwrap();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let thread = thread::spawn(move || {
        server.run_fn(|peer, message| {
            let _ = match message {
                Message::Text(_) => peer.send(&live().to_string()),
                message => peer.send(message),
            };
        })
    });
    let mut first = open(address);
    let mut clients = vec![];
    let mut open_some = || {
        let before = heap_of_the_server(&mut first);
        clients.extend((0..CONNECTIONS).map(|_| open(address)));
        (heap_of_the_server(&mut first) - before) / CONNECTIONS
    };
    // What all share grows for a while.
    let each = (0..4).map(|_| open_some()).min().unwrap();
    assert!(each <= kept + 256, "{each} bytes each, {kept} of them those of rustls");
    drop((clients, first));
    handle.stop(Duration::ZERO, Duration::from_secs(10));
    thread.join().unwrap().unwrap();
}
