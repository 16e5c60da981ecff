//! The core without threads: all connections on one, with mio.
//!
//! `cargo run --release --example event_loop -- [ADDRESS] [--max-message BYTES] [--broadcast]`
//!
//! Echoes, or with `--broadcast` sends every message to everybody. Read it from `main` down. What makes
//! it fast and small: all connections read into one `Buffer` and write from one queue, which stay with
//! a connection only while something is unfinished; one write answers a whole batch of input; time is
//! looked at once per round.

use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use sansocket::handshake::{Request, Response};
use sansocket::{Buffer, Config, Connection, Event, Prepared};
use shared::{Args, about, announce};

mod shared;

const LISTENER: Token = Token(usize::MAX);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take to end its side when we have ended ours.
const LINGER: Duration = Duration::from_secs(2);
/// How often deadlines are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Reads and writes per turn of a connection, so that a busy one leaves time to the others.
const STEPS: usize = 16;
/// Answers of so many bytes are written before more is read.
const ENOUGH: usize = 256 * 1024;

/// From this length on a message is written from where it lies, rather than copied behind others.
const LONG: usize = 8 * 1024;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&["--broadcast"])?;
        let max_message = args.max_message.unwrap_or(1024 * 1024);
        // Whatever one read completes must fit into the queue, too.
        let max_queue = max_message.saturating_add(2 * ENOUGH);
        let config = Config::builder().max_message(max_message).max_queue(max_queue).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let listener = std::net::TcpListener::bind(&args.address).map_err(cannot)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener);
        announce(listener.local_addr()?);
        EventLoop::new(listener, config, args.flags.contains(&"--broadcast".to_owned()))?.run()
    })
}

struct EventLoop {
    poll: Poll,
    listener: TcpListener,
    clients: Vec<Option<Client>>,
    vacant: Vec<usize>,
    /// Clients that had more to say when their turn was over.
    unfinished: Vec<usize>,
    server: Server,
}

/// What all connections share.
struct Server {
    config: Config,
    input: Buffer,
    queue: Vec<u8>,
    /// Messages for everybody, if that is what we do with them.
    broadcast: Option<Vec<Prepared>>,
    now: Instant,
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    /// The beginning of a frame whose rest has not arrived.
    input: Option<Box<Buffer>>,
    /// The socket may have more to read.
    readable: bool,
    /// The peer has ended its side: no event will tell of the end of the stream again.
    ended: bool,
    due: Option<Instant>,
}

enum Stage {
    Handshake,
    Open(Connection),
    /// All is said: wait for the peer to end its side.
    Lingering,
}

/// What is to become of a client after its turn.
#[derive(PartialEq)]
enum Turn {
    /// It waits for its socket.
    Over,
    /// It has more to say.
    Unfinished,
    Gone,
}

impl EventLoop {
    fn new(mut listener: TcpListener, config: Config, broadcast: bool) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let server = Server {
            config,
            input: Buffer::new(),
            queue: Vec::new(),
            broadcast: broadcast.then(Vec::new),
            now: Instant::now(),
        };
        Ok(Self { poll, listener, clients: vec![], vacant: vec![], unfinished: vec![], server })
    }

    fn run(mut self) -> shared::Result {
        let mut events = Events::with_capacity(1024);
        let mut next_sweep = self.server.now + SWEEP;
        loop {
            let wait = match self.unfinished.is_empty() {
                true => next_sweep.saturating_duration_since(self.server.now),
                false => Duration::ZERO,
            };
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => self.server.now = Instant::now(),
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(id) => self.turn(id, event.is_readable(), event.is_read_closed()),
                }
            }
            for id in std::mem::take(&mut self.unfinished) {
                self.turn(id, true, false);
            }
            if self.server.now >= next_sweep {
                next_sweep = self.server.now + SWEEP;
                self.accept(); // what an error may have left behind
                self.sweep();
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Perhaps out of file descriptors: try again with the next sweep.
                Err(error) => return eprintln!("cannot accept: {error}"),
            };
            let id = self.vacant.pop().unwrap_or(self.clients.len());
            if id == self.clients.len() {
                self.clients.push(None);
            }
            let client = Client::new(stream, id, self.poll.registry(), self.server.now);
            match (client, self.clients.get_mut(id)) {
                (Ok(client), Some(place)) => *place = Some(client),
                _ => self.vacant.push(id),
            }
        }
    }

    fn turn(&mut self, id: usize, readable: bool, ended: bool) {
        let Some(Some(client)) = self.clients.get_mut(id) else {
            return;
        };
        client.readable |= readable || ended;
        client.ended |= ended;
        match client.turn(&mut self.server) {
            Turn::Over => {}
            Turn::Unfinished => self.unfinished.push(id),
            Turn::Gone => self.remove(id),
        }
        self.broadcast();
    }

    fn broadcast(&mut self) {
        let Some(messages) = self.server.broadcast.as_mut().map(std::mem::take) else {
            return;
        };
        for id in 0..self.clients.len() {
            let Some(Some(client)) = self.clients.get_mut(id).filter(|_| !messages.is_empty())
            else {
                continue;
            };
            if client.tell(&messages, &mut self.server) == Turn::Gone {
                self.remove(id);
            }
        }
    }

    /// Does what is due.
    fn sweep(&mut self) {
        let now = self.server.now;
        for id in 0..self.clients.len() {
            let Some(Some(client)) = self.clients.get_mut(id) else {
                continue;
            };
            let is_due = client.due.is_some_and(|due| due <= now);
            if is_due && client.alarm(&mut self.server) == Turn::Gone {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: usize) {
        if let Some(place) = self.clients.get_mut(id) {
            *place = None; // which closes the socket
            self.vacant.push(id);
        }
    }
}

impl Client {
    fn new(
        mut stream: TcpStream,
        id: usize,
        registry: &Registry,
        now: Instant,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        let due = Some(now + HANDSHAKE_TIMEOUT);
        Ok(Self {
            stream,
            stage: Stage::Handshake,
            input: None,
            readable: false,
            ended: false,
            due,
        })
    }

    /// Reads and answers, until there is nothing to read or the peer does not take the answers.
    fn turn(&mut self, server: &mut Server) -> Turn {
        self.lend(server);
        let mut shared = std::mem::take(&mut server.input);
        let mut own = self.input.take();
        let input = match &mut own {
            Some(own) => shared.attach(own),
            None => &mut shared,
        };
        let mut turn = Turn::Unfinished;
        for _ in 0..STEPS {
            turn = self.step(input, server).unwrap_or(Turn::Gone);
            if turn != Turn::Unfinished {
                break;
            }
        }
        // Who sends without end is answered, too.
        if turn == Turn::Unfinished && self.flush(server).is_err() {
            turn = Turn::Gone;
        }
        self.reclaim(server);
        self.input = match own {
            Some(own) if !own.is_empty() => Some(own),
            _ if !shared.is_empty() => Some(Box::new(shared.detach())),
            // The larger memory stays, for the next to read into.
            Some(own) if own.capacity() > shared.capacity() => {
                shared = *own;
                None
            }
            _ => None,
        };
        server.input = shared;
        turn
    }

    /// Reads as long as there is something to read, and then writes: the fewer the writes, the less often
    /// the peer has to be woken. When the peer has ended its side, all is written before that is seen.
    fn step(&mut self, input: &mut Buffer, server: &mut Server) -> io::Result<Turn> {
        let most = if self.ended { 0 } else { ENOUGH };
        if self.readable && self.queued() <= most {
            return self.read(input, server);
        }
        match self.flush(server)? && self.readable {
            true => Ok(Turn::Unfinished),
            false => Ok(Turn::Over),
        }
    }

    fn queued(&self) -> usize {
        match &self.stage {
            Stage::Open(connection) => connection.queued(),
            _ => 0,
        }
    }

    /// Sends what everybody is told.
    fn tell(&mut self, messages: &[Prepared], server: &mut Server) -> Turn {
        self.lend(server);
        if let (Stage::Open(connection), Some((last, rest))) =
            (&mut self.stage, messages.split_last())
        {
            // Who does not keep up misses out.
            for message in rest {
                let _ = connection.send_prepared(message);
            }
            let _ = connection.send_prepared_to(&mut self.stream, last);
        }
        let turn = self.flush(server).map_or(Turn::Gone, |_| Turn::Over);
        self.reclaim(server);
        turn
    }

    fn read(&mut self, input: &mut Buffer, server: &mut Server) -> io::Result<Turn> {
        let room = input.space().len();
        match input.read_from(&mut self.stream) {
            Ok(0) if self.queued() == 0 => return Ok(Turn::Gone),
            Ok(0) => {
                self.ended = true;
                return Ok(Turn::Unfinished);
            }
            // Less than there was room for: that was all, and what comes next is an event.
            Ok(n) => self.readable = n == room || self.ended,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Turn::Unfinished);
            }
            Err(error) => return Err(error),
        }
        let Server { config, broadcast, now, .. } = server;
        if let Stage::Handshake = self.stage {
            self.stage = handshake(&mut self.stream, input, config)?;
            if let Stage::Lingering = self.stage {
                self.due = Some(*now + LINGER);
            }
        }
        match &mut self.stage {
            Stage::Handshake => {}
            Stage::Open(connection) => {
                // More is to come, and will be answered with this in one write.
                let stream = (!self.readable).then_some(&mut self.stream);
                answer(connection, input, stream, broadcast.as_mut());
                self.due = connection.tick(*now).unwrap_or(Some(*now));
            }
            Stage::Lingering => input.consume(usize::MAX),
        }
        Ok(Turn::Unfinished)
    }

    /// Writes what is pending; whether that was all.
    fn flush(&mut self, server: &mut Server) -> io::Result<bool> {
        let Stage::Open(connection) = &mut self.stage else {
            return Ok(true);
        };
        while !connection.pending().is_empty() {
            match self.stream.write(connection.pending()) {
                Ok(n) => connection.sent(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if connection.is_finished() {
            connection.reclaim_queue(&mut server.queue);
            self.stream.shutdown(Shutdown::Write)?;
            self.stage = Stage::Lingering;
            self.due = Some(server.now + LINGER);
        }
        Ok(true)
    }

    /// A deadline has passed.
    fn alarm(&mut self, server: &mut Server) -> Turn {
        match &mut self.stage {
            Stage::Handshake => {
                let timeout = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                if self.input.is_some() {
                    let _ = self.stream.write(timeout);
                }
                Turn::Gone
            }
            Stage::Open(connection) => {
                let Ok(due) = connection.tick(server.now) else {
                    return Turn::Gone;
                };
                self.due = due;
                self.flush(server).map_or(Turn::Gone, |_| Turn::Over)
            }
            Stage::Lingering => Turn::Gone,
        }
    }

    fn lend(&mut self, server: &mut Server) {
        if let Stage::Open(connection) = &mut self.stage {
            connection.lend_queue(&mut server.queue);
        }
    }

    fn reclaim(&mut self, server: &mut Server) {
        if let Stage::Open(connection) = &mut self.stage {
            connection.reclaim_queue(&mut server.queue);
        }
    }
}

/// Answers the request as soon as all of it is there.
fn handshake(stream: &mut TcpStream, input: &mut Buffer, config: &Config) -> io::Result<Stage> {
    let (stage, response) = match Request::parse(input, config) {
        Ok(None) => return Ok(Stage::Handshake),
        Ok(Some(request)) => (Stage::Open(Connection::server(config)), accept(&request)),
        Err(error) => (Stage::Lingering, error.response()),
    };
    // A fresh socket has room for all of it.
    stream.write_all(&response.to_bytes())?;
    if let Stage::Lingering = stage {
        input.consume(usize::MAX);
        stream.shutdown(Shutdown::Write)?;
    }
    Ok(stage)
}

/// We speak whatever the client likes best.
fn accept(request: &Request) -> Response {
    let first = request.subprotocols().next();
    let agreed = first.and_then(|name| request.accept().subprotocol(name).ok());
    agreed.unwrap_or_else(|| request.accept())
}

fn answer(
    connection: &mut Connection,
    input: &mut Buffer,
    mut stream: Option<&mut TcpStream>,
    mut broadcast: Option<&mut Vec<Prepared>>,
) {
    // An error has queued its Close frame already.
    while let Ok(Some(event)) = connection.next_event(input) {
        let Event::Message(message) = event else {
            continue; // pings and Closes are answered by themselves
        };
        let long = message.as_bytes().len() >= LONG;
        // Refused only after a Close: the queue has room for one read.
        match (&mut broadcast, &mut stream) {
            (Some(everybody), _) => everybody.push(Prepared::new(message)),
            (None, Some(stream)) if long => _ = connection.send_to(*stream, message),
            _ => _ = connection.send(message),
        }
    }
}
