//! The load generator: many connections on one thread. What it sends is made before, and every byte that
//! comes back is compared with what should.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::wire::{Kind, client_frame, server_frame};

/// What one connection sends, and what it must get.
pub struct Exchange {
    /// Messages in flight at once.
    pub messages: usize,
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

pub struct Clients {
    poll: Poll,
    connections: Vec<Connection>,
    space: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    sent: usize,
    received: usize,
    since: Instant,
    /// It waits for an answer, or a part of one.
    busy: bool,
}

/// How a load was borne.
pub struct Outcome {
    pub messages: usize,
    pub elapsed: Duration,
    /// From the first byte sent to the last received, in microseconds, one per exchange.
    pub latencies: Vec<f64>,
}

impl Clients {
    /// Opens so many connections, one after the other.
    pub fn open(address: SocketAddr, n: usize) -> io::Result<Self> {
        let mut clients =
            Self { poll: Poll::new()?, connections: vec![], space: vec![0; 256 * 1024] };
        for _ in 0..n {
            clients.add(address)?;
        }
        Ok(clients)
    }

    fn add(&mut self, address: SocketAddr) -> io::Result<()> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(handshake_request().as_bytes())?;
        let mut response = [0; 1024];
        let mut filled = 0;
        while !is_accepted(&response[..filled])? {
            match stream.read(&mut response[filled..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        stream.set_nonblocking(true)?;
        reset_when_closed(&stream)?;
        let mut stream = TcpStream::from_std(stream);
        let token = Token(self.connections.len());
        self.poll.registry().register(
            &mut stream,
            token,
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let since = Instant::now();
        self.connections.push(Connection { stream, sent: 0, received: 0, since, busy: false });
        Ok(())
    }

    /// Repeats the exchange on all connections for some time; those under way are completed.
    pub fn run(&mut self, exchange: &Exchange, time: Duration) -> io::Result<Outcome> {
        let start = Instant::now();
        let mut latencies = Vec::with_capacity(1 << 16);
        for connection in &mut self.connections {
            connection.start(exchange)?;
        }
        let mut events = Events::with_capacity(1024);
        let mut busy = self.connections.len();
        while busy > 0 {
            if start.elapsed() > time + Duration::from_secs(20) {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("{busy} answers missing")));
            }
            poll(&mut self.poll, &mut events)?;
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
                }
            }
        }
        let messages = latencies.len() * exchange.messages;
        Ok(Outcome { messages, elapsed: start.elapsed(), latencies })
    }

    /// So many connections send, one after the other; everybody gets one message. Repeats that for some time.
    pub fn broadcast(
        &mut self,
        exchange: &Exchange,
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
            while busy > 0 {
                if round.elapsed() > Duration::from_secs(20) {
                    let reason = format!("{busy} of {} missed a message", self.connections.len());
                    return Err(io::Error::new(ErrorKind::TimedOut, reason));
                }
                poll(&mut self.poll, &mut events)?;
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
    fn start(&mut self, exchange: &Exchange) -> io::Result<()> {
        self.sent = 0;
        self.received = 0;
        self.since = Instant::now();
        self.busy = true;
        self.write(exchange)
    }

    fn write(&mut self, exchange: &Exchange) -> io::Result<()> {
        while self.sent < exchange.request.len() {
            match self.stream.write(&exchange.request[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the answer is complete.
    fn read(&mut self, exchange: &Exchange, space: &mut [u8]) -> io::Result<bool> {
        loop {
            let n = match self.stream.read(space) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
            let expected = exchange.answer.get(self.received..self.received + n);
            if !self.busy || expected != Some(&space[..n]) {
                return Err(io::Error::new(ErrorKind::InvalidData, "not what was sent"));
            }
            self.received += n;
            if self.received == exchange.answer.len() {
                return Ok(true);
            }
            if n < space.len() {
                return Ok(false);
            }
        }
    }
}

/// The opening handshake of a client that is no browser.
pub fn handshake_request() -> &'static str {
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
}

/// Whether the response is complete; an error if it is not a yes.
pub fn is_accepted(response: &[u8]) -> io::Result<bool> {
    if !response.ends_with(b"\r\n\r\n") {
        return Ok(false);
    }
    let text = String::from_utf8_lossy(response);
    if text.starts_with("HTTP/1.1 101 ") && text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
        return Ok(true);
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the handshake was refused"))
}

/// Closes by a reset, so that thousands of connections leave no ports behind that wait.
pub fn reset_when_closed(stream: &impl std::os::fd::AsRawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the structure is plain data of that size.
    let result = unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
