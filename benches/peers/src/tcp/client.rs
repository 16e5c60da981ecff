//! The load generator: many connections on one thread. What it sends is made before, and every byte that
//! comes back is compared with what should.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::stream::{Agreed, Opening, Stream};
use crate::wire::{Kind, client_frame, server_frame};

/// What connections send, and what they must get.
pub trait Traffic {
    /// Messages in flight at once on each.
    fn in_flight(&self) -> usize;

    /// What a connection sends at once in its so many-th turn.
    fn request(&self, connection: usize, turn: usize) -> &[u8];

    /// Takes more of the answer, of which so many bytes came before: whether it is complete.
    fn answer(
        &mut self,
        connection: usize,
        turn: usize,
        before: usize,
        bytes: &[u8],
    ) -> io::Result<bool>;

    /// Bytes on the wire since this was asked for last, in percent of those of the messages; nothing if they are
    /// the same.
    fn percent(&mut self) -> Option<Result<f64, String>> {
        None
    }
}

/// The same on all connections, and in each turn.
pub struct Exchange {
    messages: usize,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Exchange {
    /// An echo of so many messages, sent at once; the next follow when all are back.
    pub fn echo(len: usize, messages: usize) -> Self {
        let mut exchange = Self { messages, request: vec![], answer: vec![] };
        for number in 0..messages {
            let kind = Kind::Binary;
            let payload = kind.payload(len, number);
            let key = (number as u32 + 1).wrapping_mul(2654435761).to_be_bytes();
            exchange.request.extend(client_frame(kind, &payload, key));
            exchange.answer.extend(server_frame(kind, &payload));
        }
        exchange
    }
}

impl Traffic for Exchange {
    fn in_flight(&self) -> usize {
        self.messages
    }

    fn request(&self, _: usize, _: usize) -> &[u8] {
        &self.request
    }

    fn answer(&mut self, _: usize, _: usize, before: usize, bytes: &[u8]) -> io::Result<bool> {
        let end = before + bytes.len();
        match self.answer.get(before..end) {
            Some(expected) if expected == bytes => Ok(end == self.answer.len()),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "not what was sent")),
        }
    }
}

pub struct Clients {
    poll: Poll,
    connections: Vec<Connection>,
    space: Vec<u8>,
}

struct Connection {
    stream: Stream,
    number: usize,
    turn: usize,
    sent: usize,
    received: usize,
    since: Instant,
    /// It waits for an answer, or a part of one.
    busy: bool,
}

/// Waits of a second each, in which nothing comes: a machine that stands still for a minute is not the server's fault.
const PATIENCE: u32 = 30;

/// How a load was borne.
pub struct Outcome {
    pub messages: usize,
    pub elapsed: Duration,
    /// From the first byte sent to the last received, in microseconds, one per exchange.
    pub latencies: Vec<f64>,
}

impl Clients {
    /// Opens so many connections, one after the other. What was agreed on with the last is the same for all.
    pub fn open(
        address: SocketAddr,
        n: usize,
        opening: &Opening,
    ) -> io::Result<(Self, Option<Agreed>)> {
        let mut clients =
            Self { poll: Poll::new()?, connections: vec![], space: vec![0; 256 * 1024] };
        let mut agreed = None;
        for number in 0..n {
            let (stream, answer) = opening.open(address)?;
            agreed = Some(answer);
            stream.register(clients.poll.registry(), Token(number))?;
            clients.connections.push(Connection {
                stream,
                number,
                turn: 0,
                sent: 0,
                received: 0,
                since: Instant::now(),
                busy: false,
            });
        }
        Ok((clients, agreed))
    }

    /// Repeats the exchange on all connections for some time; those under way are completed.
    pub fn run(&mut self, exchange: &mut dyn Traffic, time: Duration) -> io::Result<Outcome> {
        let start = Instant::now();
        let mut latencies = Vec::with_capacity(1 << 16);
        for connection in &mut self.connections {
            connection.start(exchange)?;
        }
        let mut events = Events::with_capacity(1024);
        let mut busy = self.connections.len();
        let mut silence = 0;
        while busy > 0 {
            poll(&mut self.poll, &mut events)?;
            silence = if events.is_empty() { silence + 1 } else { 0 };
            if silence == PATIENCE {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("{busy} answers missing")));
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                if event.is_writable() && connection.busy {
                    connection.write(exchange)?;
                }
                if connection.read(exchange, &mut self.space)? {
                    let latency = connection.since.elapsed();
                    latencies.push(latency.as_nanos() as f64 / 1e3);
                    if start.elapsed() >= time {
                        connection.busy = false;
                        busy -= 1;
                    } else {
                        connection.start(exchange)?;
                    }
                } else if event.is_read_closed() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
        }
        let messages = latencies.len() * exchange.in_flight();
        Ok(Outcome { messages, elapsed: start.elapsed(), latencies })
    }

    /// So many connections send, one after the other; everybody gets one message. Repeats that for some time.
    pub fn broadcast(
        &mut self,
        exchange: &mut dyn Traffic,
        speakers: usize,
        time: Duration,
    ) -> io::Result<Outcome> {
        let start = Instant::now();
        let mut latencies = vec![];
        let mut events = Events::with_capacity(1024);
        while start.elapsed() < time {
            let round = Instant::now();
            for connection in &mut self.connections {
                connection.received = 0;
                connection.busy = true;
            }
            let mut busy = self.connections.len();
            let first = latencies.len() * speakers % busy;
            for speaker in first..first + speakers {
                self.connections[speaker].start(exchange)?;
            }
            let mut silence = 0;
            while busy > 0 {
                poll(&mut self.poll, &mut events)?;
                silence = if events.is_empty() { silence + 1 } else { 0 };
                if silence == PATIENCE {
                    let reason = format!("{busy} of {} missed a message", self.connections.len());
                    return Err(io::Error::new(ErrorKind::TimedOut, reason));
                }
                for event in &events {
                    let connection = &mut self.connections[event.token().0];
                    if connection.read(exchange, &mut self.space)? {
                        connection.busy = false;
                        busy -= 1;
                    }
                }
            }
            latencies.push(round.elapsed().as_nanos() as f64 / 1e3);
        }
        let messages = latencies.len() * self.connections.len();
        Ok(Outcome { messages, elapsed: start.elapsed(), latencies })
    }
}

fn poll(poll: &mut Poll, events: &mut Events) -> io::Result<()> {
    match poll.poll(events, Some(Duration::from_secs(1))) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

impl Connection {
    fn start(&mut self, exchange: &dyn Traffic) -> io::Result<()> {
        self.turn += 1;
        self.sent = 0;
        self.received = 0;
        self.since = Instant::now();
        self.busy = true;
        self.write(exchange)
    }

    fn write(&mut self, exchange: &dyn Traffic) -> io::Result<()> {
        let request = exchange.request(self.number, self.turn);
        let mut go_on = || {
            while self.sent < request.len() {
                self.sent += self.stream.write(&request[self.sent..])?;
            }
            self.stream.flush()
        };
        match go_on() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the answer is complete.
    fn read(&mut self, exchange: &mut dyn Traffic, space: &mut [u8]) -> io::Result<bool> {
        loop {
            let n = match self.stream.read(space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            if !self.busy {
                return Err(io::Error::new(ErrorKind::InvalidData, "nobody asked"));
            }
            if exchange.answer(self.number, self.turn, self.received, &space[..n])? {
                return Ok(true);
            }
            self.received += n;
            if n < space.len() && self.stream.tells_when_empty() {
                return Ok(false);
            }
        }
    }
}
