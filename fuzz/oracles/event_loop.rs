//! An event loop on a thread, and peers that write in pieces, read when they like, end their side, or are reset, as scripted.
//!
//! * What a peer receives begins as what an echo sends, whatever the pieces: its messages in order, pongs between
//!   them, and one Close at the end if there is one.
//! * One that has sent a Close, and reads to the end, gets all of it.
//! * Each connection that was opened has one end, and nothing is left of those that have gone.
//! * Another peer is served all the time.
//!
//! All sockets are real, so a script says what happens, and not when.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sansocket::handshake::Request;
use sansocket::mio::{App, Handle, Id, Peer, Server, Shard, Verdict};
use sansocket::{Close, Config, Error, Message};

use super::reader::Reader;

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

static OPEN: AtomicUsize = AtomicUsize::new(0);

struct Echo;

impl App for Echo {
    type State = bool;
    type Mail = ();

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<bool> {
        Verdict::Accept(request.accept(), false)
    }

    fn open(&mut self, peer: &mut Peer<'_, bool>) {
        assert!(!std::mem::replace(peer.state(), true), "it was open before");
        OPEN.fetch_add(1, Ordering::SeqCst);
    }

    fn message(&mut self, peer: &mut Peer<'_, bool>, message: Message<'_>) {
        assert!(*peer.state());
        let _ = peer.send(message); // refused after a Close
    }

    fn closed(&mut self, _: &mut Shard<'_, bool>, _: Id, state: bool, _: Result<Close<'_>, Error>) {
        assert!(state);
        OPEN.fetch_sub(1, Ordering::SeqCst);
    }

    fn refused(&mut self, _: SocketAddr, _: &Error) {}
}

/// The server, which runs as long as the process.
fn server() -> &'static (SocketAddr, Handle<()>) {
    static SERVER: OnceLock<(SocketAddr, Handle<()>)> = OnceLock::new();
    SERVER.get_or_init(|| {
        let config = Config::builder().max_message(100_000).build().unwrap();
        let server = Server::bind("127.0.0.1:0", config).unwrap().shards(2);
        let address = server.local_addr().unwrap();
        let handle = server.handle();
        std::thread::spawn(move || server.run(|_| Echo).unwrap());
        (address, handle)
    })
}

struct Script {
    stream: TcpStream,
    /// What is still to be written.
    output: Vec<u8>,
    written: usize,
    received: Vec<u8>,
    ended: bool,
}

pub fn check(data: &[u8]) {
    let (address, handle) = server();
    let mut reader = Reader::new(data);
    let mut bystander = Script::open(*address, REQUEST.to_vec());
    bystander.write(usize::MAX);
    bystander.read_until(RESPONSE.len());

    let (output, expected, closes) = conversation(&mut reader);
    let mut script = Script::open(*address, output);
    let mut is_whole = closes;
    while !reader.is_empty() {
        match reader.byte() % 16 {
            0..8 => {
                let n = 1 + reader.below(200);
                script.write(n * n);
            }
            8..13 => script.read(1 + reader.below(256) * 100),
            13 => {
                let _ = script.stream.shutdown(Shutdown::Write);
                is_whole &= script.written == script.output.len();
                script.ended = true;
            }
            14 => {
                bystander.output = b"\x82\x81\0\0\0\0x".to_vec();
                bystander.written = 0;
                bystander.received.clear();
                bystander.write(usize::MAX);
                bystander.read_until(3);
                assert_eq!(bystander.received, b"\x82\x01x");
            }
            _ => {
                // With something unread that is a reset.
                is_whole = false;
                break;
            }
        }
    }
    if is_whole {
        script.finish();
        assert_eq!(script.received.len(), expected.len());
    }
    let n = script.received.len();
    assert!(expected.get(..n) == Some(&script.received[..]), "{n} of {}", expected.len());
    drop((script, bystander));
    let start = Instant::now();
    while handle.connections() > 0 || OPEN.load(Ordering::SeqCst) > 0 {
        assert!(start.elapsed() < PATIENCE, "{} are left", handle.connections());
        std::thread::yield_now();
    }
}

/// What a peer writes, the echo of it, and whether it ends in a Close.
fn conversation(reader: &mut Reader<'_>) -> (Vec<u8>, Vec<u8>, bool) {
    let (mut output, mut expected) = (REQUEST.to_vec(), RESPONSE.to_vec());
    for _ in 0..reader.below(20) {
        let len = reader.pick(&[0, 1, 5, 125, 126, 3000, 8192, 20_000, 65_535, 65_536, 99_999]);
        let payload = vec![reader.byte(); len];
        match reader.below(4) {
            0 => {
                let half = len / 2;
                output.extend(frame(0x02, 0x80, &payload[..half]));
                output.extend(frame(0x80, 0x80, &payload[half..]));
            }
            // A pong may be replaced by a later one only behind much that waits: so there is one at a time.
            1 if len <= 125 && expected.len() < 1000 => {
                output.extend(frame(0x89, 0x80, &payload));
                expected.extend(frame(0x8a, 0, &payload));
                continue;
            }
            _ => output.extend(frame(0x82, 0x80, &payload)),
        }
        expected.extend(frame(0x82, 0, &payload));
    }
    let closes = reader.below(4) > 0;
    if closes {
        output.extend(frame(0x88, 0x80, &[3, 0xe8]));
        expected.extend(frame(0x88, 0, &[3, 0xe8]));
    }
    (output, expected, closes)
}

/// A frame, of a client with a key of zeros if it is masked.
fn frame(first: u8, mask: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(mask | len as u8),
        len @ 126..65_536 => {
            frame.push(mask | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(mask | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    if mask != 0 {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

impl Script {
    fn open(address: SocketAddr, output: Vec<u8>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, output, written: 0, received: vec![], ended: false }
    }

    /// Writes some, as far as the socket takes it.
    fn write(&mut self, n: usize) {
        let end = self.output.len().min(self.written.saturating_add(n));
        while self.written < end && !self.ended {
            match self.stream.write(&self.output[self.written..end]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return, // it has ended
            }
        }
    }

    /// Reads some, if there is any.
    fn read(&mut self, n: usize) {
        let mut space = vec![0; n];
        if let Ok(n) = self.stream.read(&mut space) {
            self.received.extend(&space[..n]);
        }
    }

    fn read_until(&mut self, n: usize) {
        let start = Instant::now();
        while self.received.len() < n {
            assert!(start.elapsed() < PATIENCE, "{} of {n} bytes", self.received.len());
            self.read(n - self.received.len());
        }
    }

    /// Writes the rest, and reads to the end.
    fn finish(&mut self) {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "it does not end");
            self.write(usize::MAX);
            let mut space = [0; 64 * 1024];
            match self.stream.read(&mut space) {
                Ok(0) => return,
                Ok(n) => self.received.extend(&space[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
