//! tungstenite, with the buffers that its documentation recommends for high load (its defaults).
//! `write` holds back what fits into 128 KiB; `flush` sends it.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes, WebSocket};

use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject};
use crate::memory::tape::Tape;

fn open(tape: Tape) -> WebSocket<Tape> {
    WebSocket::from_raw_socket(tape, Role::Server, Some(WebSocketConfig::default()))
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

pub fn message(outgoing: &Outgoing) -> Message {
    let bytes = outgoing.bytes.clone();
    match outgoing.is_text {
        // SAFETY: it is text; checking it each time would be unfair.
        true => Message::Text(unsafe { Utf8Bytes::from_bytes_unchecked(bytes) }),
        false => Message::Binary(bytes),
    }
}

#[inline]
pub fn add(count: &mut Count, message: &Message) {
    match message {
        Message::Text(text) => count.add(true, text.as_bytes()),
        Message::Binary(bytes) => count.add(false, bytes),
        other => panic!("{other:?}"),
    }
}

impl Subject for WebSocket<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        let mut count = Count::default();
        for _ in 0..messages {
            add(&mut count, &self.read().unwrap());
        }
        count
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        let mut count = Count::default();
        for number in 1..=messages {
            let message = self.read().unwrap();
            add(&mut count, &message);
            self.write(message).unwrap();
            if number % burst == 0 || number == messages {
                self.flush().unwrap();
            }
        }
        count
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize) {
        for number in 1..=messages {
            self.write(message(outgoing)).unwrap();
            if number % burst == 0 || number == messages {
                self.flush().unwrap();
            }
        }
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        socket.send(message(outgoing)).unwrap();
    }))
}

/// A thread per connection. Whether more input is there cannot be known without waiting for it, so
/// each answer is sent at once.
pub fn serve(listener: TcpListener) -> io::Result<()> {
    for stream in listener.incoming() {
        thread::spawn(move || echo(stream?));
    }
    Ok(())
}

fn echo(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return Ok(());
    };
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            break;
        }
    }
    Ok(())
}
