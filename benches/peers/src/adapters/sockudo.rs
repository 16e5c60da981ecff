//! sockudo-ws, with text checked and batched writes (its defaults), and without its heartbeat, as in
//! its own benchmarks: that looks at the clock for each message.

use std::io;
use std::net::TcpListener;

use futures::{SinkExt, StreamExt};
use sockudo_ws::{Config, Message, WebSocketStream};
use tokio::net::TcpStream;

use super::{Everybody, echo_batches, join, serve_tokio};
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
    Box::new(open(tape))
}

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

impl Subject for WebSocketStream<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &self.next().await.unwrap().unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for number in 1..=messages {
                let message = self.next().await.unwrap().unwrap();
                add(&mut count, &message);
                self.feed(message).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.flush().await.unwrap();
                }
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize) {
        now(async {
            for number in 1..=messages {
                self.feed(message(outgoing)).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.flush().await.unwrap();
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
