//! Ours: the core in memory, as the example `event_loop` drives it, and the server on threads.
//! (`event_loop` itself is a program of its own; what it does not show is here.)

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::channel;
use std::time::Duration;

use sansocket::handshake::Request;
use sansocket::{
    Buffer, Compression, Config, ConfigBuilder, Connection, Event, Message, OwnedMessage, Prepared,
    mio, net,
};

use super::MAX_MESSAGE;
use crate::deflate::OFFER;
use crate::memory::broadcast::Audience;
use crate::memory::subject::{Count, Outgoing, Subject};
use crate::memory::tape::Tape;
use crate::tls;

pub fn config() -> Config {
    settings().build().expect("it makes sense")
}

fn settings() -> ConfigBuilder {
    Config::builder().max_message(MAX_MESSAGE).max_queue(2 * MAX_MESSAGE)
}

/// Seconds of silence before a ping, for a server that is asked to give memory back soon. Otherwise there are none while
/// the others take their turns, which a client would have to answer: the peers send none, either.
pub const PING_AFTER: &str = "PEERS_PING_AFTER";

pub fn compressing(compression: Compression) -> Config {
    let seconds = std::env::var(PING_AFTER).ok().and_then(|text| text.parse().ok());
    let silence = Duration::from_secs(seconds.unwrap_or(3600));
    let config = settings().compression(compression).keepalive(silence, Duration::from_secs(60));
    config.build().expect("it makes sense")
}

struct Sansocket {
    tape: Tape,
    connection: Connection,
    input: Buffer,
    /// Lent to the connection while it has something to write.
    queue: Vec<u8>,
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    subject_of(tape, Connection::server(config()))
}

fn subject_of(tape: Tape, connection: Connection) -> Box<dyn Subject> {
    Box::new(Sansocket { tape, connection, input: Buffer::new(), queue: Vec::new() })
}

pub fn compressed(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    subjects(tapes, Compression::new())
}

/// No message refers to those before it, as where peers share a compressor.
pub fn forgetful(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    subjects(tapes, Compression::new().remember_sent(0))
}

fn subjects(tapes: Vec<Tape>, compression: Compression) -> Vec<Box<dyn Subject>> {
    let config = compressing(compression);
    let headers: [(&str, &[u8]); 6] = [
        ("Host", b"localhost"),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", OFFER.as_bytes()),
    ];
    let request = Request::new("GET", "/", (1, 1), headers, &config).expect("it is HTTP");
    let response = request.upgrade().expect("it is a request").accept();
    let open = |tape| subject_of(tape, response.open(&config).expect("it is accepted"));
    tapes.into_iter().map(open).collect()
}

impl Sansocket {
    fn flush(&mut self) {
        flush(&mut self.connection, &mut self.tape, &mut self.queue);
    }
}

#[inline]
fn flush(connection: &mut Connection, tape: &mut Tape, queue: &mut Vec<u8>) {
    while !connection.pending().is_empty() {
        let n = tape.write(connection.pending()).unwrap();
        connection.sent(n);
    }
    connection.reclaim_queue(queue);
}

/// Copying a long message costs more than a write.
const LONG: usize = 8 * 1024;

/// What waits is written before it leaves the innermost cache.
const HIGH: usize = 16 * 1024;

#[inline(always)]
fn send(connection: &mut Connection, tape: &mut Tape, message: Message<'_>) {
    match message.as_bytes().len() {
        ..LONG => connection.send(message).unwrap(),
        LONG.. => connection.send_to(tape, message).unwrap(),
    }
}

pub fn outgoing(outgoing: &Outgoing) -> Message<'_> {
    match outgoing.is_text {
        true => Message::Text(&outgoing.text),
        false => Message::Binary(&outgoing.bytes),
    }
}

impl Subject for Sansocket {
    fn receive(&mut self, messages: usize) -> Count {
        let mut count = Count::default();
        while count.messages < messages {
            match self.connection.next_event(&mut self.input).unwrap() {
                Some(Event::Message(message)) => {
                    count.add(matches!(message, Message::Text(_)), message.as_bytes());
                }
                Some(other) => panic!("{other:?}"),
                None => _ = self.input.read_from(&mut self.tape).unwrap(),
            }
        }
        count
    }

    fn echo(&mut self, messages: usize, _: usize) -> Count {
        let mut count = Count::default();
        self.connection.lend_queue(&mut self.queue);
        while count.messages < messages {
            match self.connection.next_event(&mut self.input).unwrap() {
                Some(Event::Message(message)) => {
                    count.add(matches!(message, Message::Text(_)), message.as_bytes());
                    send(&mut self.connection, &mut self.tape, message);
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    self.flush();
                    self.input.read_from(&mut self.tape).unwrap();
                    self.connection.lend_queue(&mut self.queue);
                }
            }
        }
        self.flush();
        count
    }

    fn send(&mut self, message: &Outgoing, messages: usize, _: usize) {
        let message = outgoing(message);
        self.connection.lend_queue(&mut self.queue);
        for _ in 0..messages {
            send(&mut self.connection, &mut self.tape, message);
            if self.connection.pending().len() >= HIGH {
                self.flush();
                self.connection.lend_queue(&mut self.queue);
            }
        }
        self.flush();
    }
}

struct Everybody {
    connections: Vec<(Connection, Tape)>,
    queue: Vec<u8>,
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    let connections = tapes.into_iter().map(|tape| (Connection::server(config()), tape)).collect();
    Box::new(Everybody { connections, queue: Vec::new() })
}

impl Audience for Everybody {
    fn tell(&mut self, message: &Outgoing) {
        let prepared = Prepared::new(outgoing(message));
        for (connection, tape) in &mut self.connections {
            connection.send_prepared_to(tape, &prepared).unwrap();
            flush(connection, tape, &mut self.queue);
        }
    }
}

/// Each answer is on the wire before the next message is looked at.
pub fn serve_send(listener: TcpListener) -> io::Result<()> {
    serve(listener, config(), |sender, mut receiver| {
        while let Some(message) = receiver.recv()? {
            sender.send(message)?;
        }
        Ok(())
    })
}

/// All that was received at once is answered at once.
pub fn serve_feed(listener: TcpListener) -> io::Result<()> {
    serve(listener, config(), feed)
}

fn feed(
    sender: net::Sender<net::Stream>,
    mut receiver: net::Receiver<net::Stream>,
) -> net::HandlerResult {
    while let Some(message) = receiver.recv()? {
        sender.feed(message)?;
    }
    Ok(())
}

/// Publishes each message to the topic of its connection.
pub fn serve_topics(listener: TcpListener) -> io::Result<()> {
    mio::Server::from_listeners(vec![listener], config())
        .max_connections(100_000)
        .run(|_| Topics { connections: 0 })
        .map(drop)
}

struct Topics {
    connections: usize,
}

impl mio::App for Topics {
    type State = String;
    type Mail = ();

    fn request(&mut self, _: mio::Id, _: SocketAddr, request: &Request) -> mio::Verdict<String> {
        self.connections += 1;
        let topic = (self.connections - 1) % crate::tcp::TOPICS;
        mio::Verdict::Accept(request.accept(), topic.to_string())
    }

    fn open(&mut self, peer: &mut mio::Peer<'_, String>) {
        let topic = peer.state().clone();
        peer.subscribe(&topic).unwrap();
    }

    fn message(&mut self, peer: &mut mio::Peer<'_, String>, message: Message<'_>) {
        let topic = std::mem::take(peer.state());
        peer.publish(&topic, message).unwrap();
        *peer.state() = topic;
    }
}

/// Echoes by way of another thread.
pub fn serve_threads(listener: TcpListener) -> io::Result<()> {
    let server = mio::Server::from_listeners(vec![listener], config()).max_connections(100_000);
    let handle = server.handle();
    let (sender, questions) = channel::<(mio::Id, OwnedMessage)>();
    std::thread::spawn(move || {
        for (id, message) in questions {
            while handle.send(id, &message) == Err(mio::PostError::Full) {
                std::thread::yield_now();
            }
        }
    });
    server
        .run_fn(move |peer, message| {
            let _ = sender.send((peer.id(), message.into_owned()));
        })
        .map(drop)
}

pub fn serve_compressed(listener: TcpListener) -> io::Result<()> {
    serve_event_loop(listener, Compression::new())
}

pub fn serve_forgetful(listener: TcpListener) -> io::Result<()> {
    serve_event_loop(listener, Compression::new().remember_sent(0))
}

fn serve_event_loop(listener: TcpListener, compression: Compression) -> io::Result<()> {
    run_event_loop(mio::Server::from_listeners(vec![listener], compressing(compression)))
}

/// With TLS over it.
pub fn serve_secure_event_loop(listener: TcpListener) -> io::Result<()> {
    let server = mio::Server::from_listeners(vec![listener], config());
    run_event_loop(server.tls(tls::server_config())?)
}

fn run_event_loop(server: mio::Server) -> io::Result<()> {
    server.max_connections(100_000).run_fn(|peer, message| _ = peer.send(message)).map(drop)
}

pub fn serve_compressed_threads(listener: TcpListener) -> io::Result<()> {
    serve(listener, compressing(Compression::new()), feed)
}

/// With TLS over it.
pub fn serve_secure(listener: TcpListener) -> io::Result<()> {
    bind(listener, config())?.tls(tls::server_config())?.run(feed);
    Ok(())
}

fn serve(
    listener: TcpListener,
    config: Config,
    handler: fn(net::Sender<net::Stream>, net::Receiver<net::Stream>) -> net::HandlerResult,
) -> io::Result<()> {
    bind(listener, config)?.run(handler);
    Ok(())
}

fn bind(listener: TcpListener, config: Config) -> io::Result<net::Server> {
    Ok(net::Server::from_listener(listener, config)?.max_connections(100_000))
}
