//! sockudo-ws, with text checked and batched writes (its defaults), and without its heartbeat, as in
//! its own benchmarks: that looks at the clock for each message.
//! With compression, its defaults for a compressor per connection, and for none.

use std::io;
use std::net::TcpListener;

use futures::{Sink, SinkExt, Stream, StreamExt};
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::{CompressedWebSocketStream, Compression, Config, Error, Message, WebSocketStream};
use tokio::net::TcpStream;

use super::{Everybody, echo_batches, handshake, join, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn config() -> Config {
    Config::builder().auto_ping(false).idle_timeout(0).build()
}

fn open(tape: Tape) -> WebSocketStream<Tape> {
    WebSocketStream::server(tape, config())
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    sockudo_ws::init_clock();
    Box::new(Sockudo(open(tape)))
}

/// A compressor and a decompressor for each connection, windows of 32 KiB.
pub fn dedicated(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    compressed(tapes, Compression::Dedicated)
}

/// What it has against the memory that takes: no message refers to those before it.
pub fn shared(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    compressed(tapes, Compression::Shared)
}

fn compressed(tapes: Vec<Tape>, compression: Compression) -> Vec<Box<dyn Subject>> {
    sockudo_ws::init_clock();
    let config = compression.to_deflate_config().expect("it is on");
    let open = |tape| {
        let socket = CompressedWebSocketStream::server(tape, self::config(), config.clone());
        Box::new(Sockudo(socket)) as Box<dyn Subject>
    };
    tapes.into_iter().map(open).collect()
}

struct Sockudo<S>(S);

fn message(outgoing: &Outgoing) -> Message {
    let bytes = outgoing.bytes.clone();
    if outgoing.is_text { Message::Text(bytes) } else { Message::Binary(bytes) }
}

#[inline]
fn add(count: &mut Count, message: &Message) {
    match message {
        Message::Text(bytes) => count.add(true, bytes),
        Message::Binary(bytes) => count.add(false, bytes),
        other => panic!("{other:?}"),
    }
}

impl<S> Subject for Sockudo<S>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &self.0.next().await.unwrap().unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for number in 1..=messages {
                let message = self.0.next().await.unwrap().unwrap();
                add(&mut count, &message);
                self.0.feed(message).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.0.flush().await.unwrap();
                }
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize) {
        now(async {
            for number in 1..=messages {
                self.0.feed(message(outgoing)).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.0.flush().await.unwrap();
                }
            }
        });
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    sockudo_ws::init_clock();
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(SinkExt::send(socket, message(outgoing))).unwrap();
    }))
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    sockudo_ws::init_clock();
    serve_tokio(listener, |mut stream: TcpStream| async move {
        if sockudo_ws::handshake::server_handshake(&mut stream).await.is_ok() {
            let socket = WebSocketStream::server(stream, config());
            echo_batches(socket, is_data).await;
        }
    })
}

pub fn serve_dedicated(listener: TcpListener) -> io::Result<()> {
    serve_compressed(listener, Compression::Dedicated)
}

pub fn serve_shared(listener: TcpListener) -> io::Result<()> {
    serve_compressed(listener, Compression::Shared)
}

/// Its server does not negotiate, but for what it has a function.
fn serve_compressed(listener: TcpListener, compression: Compression) -> io::Result<()> {
    sockudo_ws::init_clock();
    let policy = compression.to_deflate_config().expect("it is on");
    serve_tokio(listener, move |mut stream: TcpStream| {
        let policy = policy.clone();
        async move {
            let mut agreed = None;
            let agree = |offers: &str| {
                agreed = negotiate_server_deflate(offers, &policy);
                agreed.as_ref().map(|agreed| agreed.to_response_header())
            };
            if handshake(&mut stream, agree).await.is_ok()
                && let Some(agreed) = agreed
            {
                let socket = CompressedWebSocketStream::server(stream, config(), agreed.config);
                echo_batches(socket, is_data).await;
            }
        }
    })
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}

pub fn serve_everybody(listener: TcpListener) -> io::Result<()> {
    sockudo_ws::init_clock();
    let everybody = Everybody::new(16);
    serve_tokio(listener, |mut stream| {
        let everybody = everybody.clone();
        async move {
            if sockudo_ws::handshake::server_handshake(&mut stream).await.is_ok() {
                join(WebSocketStream::server(stream, config()), everybody, is_data).await;
            }
        }
    })
}
