//! Ours: the core in memory, as the example `event_loop` drives it, and the server on threads.
//! (`event_loop` itself is a program of its own.)

use std::io::{self, Write};
use std::net::TcpListener;

use sansocket::{Buffer, Config, Connection, Event, Message, Prepared, net};

use super::MAX_MESSAGE;
use crate::memory::broadcast::Audience;
use crate::memory::subject::{Count, Outgoing, Subject};
use crate::memory::tape::Tape;

fn config() -> Config {
    let config = Config::builder().max_message(MAX_MESSAGE).max_queue(2 * MAX_MESSAGE);
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
    let connection = Connection::server(config());
    Box::new(Sansocket { tape, connection, input: Buffer::new(), queue: Vec::new() })
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

fn outgoing(outgoing: &Outgoing) -> Message<'_> {
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
    serve(listener, |sender, mut receiver| {
        while let Some(message) = receiver.recv()? {
            sender.send(message)?;
        }
        Ok(())
    })
}

/// All that was received at once is answered at once.
pub fn serve_feed(listener: TcpListener) -> io::Result<()> {
    serve(listener, |sender, mut receiver| {
        while let Some(message) = receiver.recv()? {
            sender.feed(message)?;
        }
        Ok(())
    })
}

type Handler = fn(
    net::Sender<std::net::TcpStream>,
    net::Receiver<std::net::TcpStream>,
) -> net::HandlerResult;

fn serve(listener: TcpListener, handler: Handler) -> io::Result<()> {
    // `Server` binds for itself.
    let address = listener.local_addr()?;
    drop(listener);
    net::Server::bind(address, config())?.max_connections(100_000).run(handler);
    Ok(())
}
