//! Opens connections and drops them again, several at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

use super::client::{Outcome, handshake_request, is_accepted, reset_when_closed};

struct Attempt {
    stream: TcpStream,
    asked: bool,
    response: Vec<u8>,
    since: Instant,
}

impl Attempt {
    fn new(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        reset_when_closed(&stream)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, asked: false, response: vec![], since: Instant::now() })
    }

    /// Whether it is open.
    fn go_on(&mut self) -> io::Result<bool> {
        if !self.asked {
            match self.stream.write(handshake_request().as_bytes()) {
                Ok(n) if n == handshake_request().len() => self.asked = true,
                Ok(_) => return Err(ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let mut space = [0; 1024];
        match self.stream.read(&mut space) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.response.extend_from_slice(&space[..n]);
                is_accepted(&self.response)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Keeps `at_once` handshakes under way for some time.
pub fn run(address: SocketAddr, at_once: usize, time: Duration) -> io::Result<Outcome> {
    let start = Instant::now();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let open = |n: usize, poll: &Poll| Attempt::new(address, Token(n), poll.registry());
    let mut attempts =
        (0..at_once).map(|n| open(n, &poll)).collect::<io::Result<Vec<Attempt>>>()?;
    let mut latencies = vec![];
    while start.elapsed() < time {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let n = event.token().0;
            if attempts[n].go_on()? {
                latencies.push(attempts[n].since.elapsed().as_nanos() as f64 / 1e3);
                attempts[n] = open(n, &poll)?;
            }
        }
    }
    Ok(Outcome { messages: latencies.len(), elapsed: start.elapsed(), latencies })
}
