//! web-socket, behind a `BufReader` as in its examples, since it reads headers byte by byte. It
//! leaves checking text to its user; here simdutf8 does it. It writes each message as it is told to.

use std::io;
use std::net::TcpListener;

use tokio::io::{AsyncRead, BufReader};
use tokio::net::TcpStream;
use web_socket::{DataType, Event, MessageType, WebSocket};

use super::{handshake, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

type Socket<S> = WebSocket<BufReader<S>>;

fn open(tape: Tape) -> Socket<Tape> {
    WebSocket::server(BufReader::with_capacity(64 * 1024, tape))
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

enum Received {
    Text(Box<[u8]>),
    Binary(Box<[u8]>),
}

impl Received {
    fn as_text(bytes: &[u8]) -> &str {
        // SAFETY: it was checked when it was received.
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }
}

/// The next message; `None` at the end.
#[inline]
async fn receive<S: AsyncRead + Unpin>(socket: &mut Socket<S>) -> Option<Received> {
    loop {
        match socket.recv().await.ok()? {
            Event::Data { ty: DataType::Complete(MessageType::Binary), data } => {
                return Some(Received::Binary(data));
            }
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                return simdutf8::basic::from_utf8(&data).is_ok().then_some(Received::Text(data));
            }
            Event::Ping(_) | Event::Pong(_) => {}
            // Nobody here sends fragments.
            Event::Data { .. } | Event::Error(_) | Event::Close { .. } => return None,
        }
    }
}

#[inline]
fn add(count: &mut Count, message: &Received) {
    match message {
        Received::Text(bytes) => count.add(true, bytes),
        Received::Binary(bytes) => count.add(false, bytes),
    }
}

impl Subject for Socket<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &receive(self).await.unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, _: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                let message = receive(self).await.unwrap();
                add(&mut count, &message);
                match &message {
                    Received::Text(bytes) => self.send(Received::as_text(bytes)).await.unwrap(),
                    Received::Binary(bytes) => self.send(&**bytes).await.unwrap(),
                }
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, _: usize) {
        now(async {
            for _ in 0..messages {
                send(self, outgoing).await;
            }
        });
    }
}

async fn send(socket: &mut Socket<Tape>, outgoing: &Outgoing) {
    match outgoing.is_text {
        true => WebSocket::send(socket, Received::as_text(&outgoing.bytes)).await.unwrap(),
        false => WebSocket::send(socket, &*outgoing.bytes).await.unwrap(),
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(send(socket, outgoing));
    }))
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |mut stream: TcpStream| async move {
        if handshake(&mut stream, |_| None).await.is_err() {
            return;
        }
        let mut socket = WebSocket::server(BufReader::new(stream));
        while let Some(message) = receive(&mut socket).await {
            let sent = match &message {
                Received::Text(bytes) => socket.send(Received::as_text(bytes)).await,
                Received::Binary(bytes) => socket.send(&**bytes).await,
            };
            if sent.is_err() {
                return;
            }
        }
    })
}
