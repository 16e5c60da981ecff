//! Opens connections and drops them again, several at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Poll, Registry, Token};

use super::client::Outcome;
use super::stream::{Opening, Stream};

struct Attempt {
    stream: Stream,
    asked: bool,
    response: Vec<u8>,
    since: Instant,
}

impl Attempt {
    fn new(
        opening: &Opening,
        address: SocketAddr,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        let stream = opening.stream(TcpStream::connect(address)?.into())?;
        stream.register(registry, token)?;
        Ok(Self { stream, asked: false, response: vec![], since: Instant::now() })
    }

    /// Whether it is open.
    fn go_on(&mut self, opening: &Opening) -> io::Result<bool> {
        match self.exchange(opening) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            done => done,
        }
    }

    fn exchange(&mut self, opening: &Opening) -> io::Result<bool> {
        if !self.asked {
            let request = opening.request();
            if self.stream.write(request.as_bytes())? < request.len() {
                return Err(ErrorKind::WriteZero.into());
            }
            self.asked = true;
            self.stream.flush()?;
        }
        let mut space = [0; 1024];
        loop {
            match self.stream.read(&mut space)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => self.response.extend_from_slice(&space[..n]),
            }
            if opening.check(&self.response)?.is_some() {
                return Ok(true);
            }
        }
    }
}

/// How handshakes went, and how many of them resumed an earlier TLS session.
pub struct Handshakes {
    pub outcome: Outcome,
    pub resumed: usize,
}

/// Keeps `at_once` handshakes under way for some time.
pub fn run(
    address: SocketAddr,
    opening: &Opening,
    at_once: usize,
    time: Duration,
) -> io::Result<Handshakes> {
    let start = Instant::now();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let open = |n: usize, poll: &Poll| Attempt::new(opening, address, Token(n), poll.registry());
    let mut attempts =
        (0..at_once).map(|n| open(n, &poll)).collect::<io::Result<Vec<Attempt>>>()?;
    let mut latencies = vec![];
    let mut resumed = 0;
    while start.elapsed() < time {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let n = event.token().0;
            if attempts[n].go_on(opening)? {
                latencies.push(attempts[n].since.elapsed().as_nanos() as f64 / 1e3);
                resumed += usize::from(attempts[n].stream.is_resumed());
                attempts[n] = open(n, &poll)?;
            }
        }
    }
    let outcome = Outcome { messages: latencies.len(), elapsed: start.elapsed(), latencies };
    Ok(Handshakes { outcome, resumed })
}
