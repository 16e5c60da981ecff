//! The core in a loop of one's own: `Acceptor` and `Connection` over non-blocking sockets, waited for with mio.
//!
//! `cargo run --release --example by_hand -- [ADDRESS] [--max-message BYTES]`
//!
//! It echoes. An event loop to build upon is `sansocket::mio`, which is also fair to those beside a peer that floods, has
//! a limit, and shares memory among connections.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sansocket::handshake::{Acceptor, Incoming};
use sansocket::{Buffer, Config, Connection, Event, Written};
use shared::{Args, about, announce};

mod shared;

const LISTENER: Token = Token(0);
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_secs(1);

struct Client {
    stream: TcpStream,
    stage: Stage,
    input: Buffer,
}

/// The two have the same verbs.
#[allow(clippy::large_enum_variant, reason = "nearly all are open")]
enum Stage {
    Handshake(Acceptor),
    Open(Connection),
}

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[])?;
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let listener = std::net::TcpListener::bind(&args.address).map_err(cannot)?;
        listener.set_nonblocking(true)?;
        announce(listener.local_addr()?);
        Ok(serve(TcpListener::from_std(listener), &config)?)
    })
}

fn serve(mut listener: TcpListener, config: &Config) -> io::Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: HashMap<Token, Client> = HashMap::new();
    let (mut last, mut next_tick) = (LISTENER, Instant::now() + TICK);
    loop {
        match poll.poll(&mut events, Some(next_tick.saturating_duration_since(Instant::now()))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = Instant::now();
        // Once a second a listener that had no file descriptors is tried again, too.
        let is_tick = now >= next_tick;
        if is_tick || events.iter().any(|event| event.token() == LISTENER) {
            while let Ok((mut stream, _)) = listener.accept() {
                last = Token(last.0 + 1);
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, last, both)?;
                let _ = stream.set_nodelay(true); // it may be reset already, as the next read says
                let stage = Stage::Handshake(Acceptor::new(config));
                clients.insert(last, Client { stream, stage, input: Buffer::new() });
            }
        }
        if is_tick {
            next_tick = now + TICK;
            clients.retain(|_, client| client.turn(now).unwrap_or(false));
        } else {
            for token in events.iter().map(|event| event.token()) {
                let is_alive = clients.get_mut(&token).map(|client| client.turn(now));
                if !matches!(is_alive, Some(Ok(true))) {
                    clients.remove(&token); // which closes the socket
                }
            }
        }
    }
}

impl Client {
    /// Writes and reads until the socket takes and has no more. Whether it goes on.
    fn turn(&mut self, now: Instant) -> io::Result<bool> {
        loop {
            let Self { stream, stage, input } = self;
            // A deadline that has passed is the end, but there may be a response to write.
            let (written, wants_shutdown, is_finished, is_congested) = match stage {
                Stage::Handshake(acceptor) => {
                    let _ = acceptor.tick(now);
                    let written = acceptor.write_with(|slices| stream.write_vectored(slices))?;
                    let state = (acceptor.wants_shutdown(), acceptor.is_finished(), false);
                    (written, state.0, state.1, state.2)
                }
                Stage::Open(connection) => {
                    let _ = connection.tick(now);
                    let written = connection.write_with(|slices| stream.write_vectored(slices))?;
                    let _ = connection.tick(now); // what was written moves deadlines
                    let is_congested = connection.is_congested();
                    (written, connection.wants_shutdown(), connection.is_finished(), is_congested)
                }
            };
            if wants_shutdown {
                stream.shutdown(Shutdown::Write)?;
                match stage {
                    Stage::Handshake(acceptor) => acceptor.shut_down(),
                    Stage::Open(connection) => connection.shut_down(),
                }
            }
            if is_finished || is_congested && written == Written::Blocked {
                return Ok(!is_finished);
            }
            match input.read_from(stream) {
                Ok(0) => {
                    match stage {
                        Stage::Handshake(acceptor) => _ = acceptor.eof(),
                        Stage::Open(connection) => _ = connection.eof(),
                    }
                    // What is pending is still written.
                    return Ok(written == Written::Blocked);
                }
                Ok(_) => self.answer()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
    }

    /// Faults of the peer, and its pings and Closes, are answered by themselves.
    fn answer(&mut self) -> io::Result<()> {
        if let Stage::Handshake(acceptor) = &mut self.stage {
            match acceptor.next(&mut self.input) {
                Ok(Some(Incoming::Upgrade(request))) => {
                    let connection = acceptor.accept(request.accept());
                    self.stage = Stage::Open(connection.map_err(io::Error::other)?);
                }
                Ok(Some(Incoming::Http(_))) => _ = acceptor.reject(),
                Ok(None) | Err(_) => {}
            }
        }
        if let Stage::Open(connection) = &mut self.stage {
            while let Ok(Some(event)) = connection.next_event(&mut self.input) {
                if let Event::Message(message) = event {
                    let _ = connection.send(message); // refused only after a Close
                }
            }
        }
        Ok(())
    }
}
