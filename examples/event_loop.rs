//! The core without threads: all connections on one, with mio.
//!
//! `cargo run --release --example event_loop -- [ADDRESS] [--max-message BYTES] [--deflate] [--broadcast]`
//!
//! Echoes, or with `--broadcast` sends every message to everybody. Read it from `main` down. All that is decided
//! here is how to wait, which connection's turn it is, and where memory is lent from. It is fast and small
//! because all connections read into one `Buffer` and write from one queue, which stay with
//! a connection only while something is unfinished; one write answers a whole batch of input; time is
//! looked at once per round.

use std::io::{self, ErrorKind, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use sansocket::handshake::{Acceptor, Incoming, Request, Response};
use sansocket::{Buffer, Config, Connection, Event, Prepared, Written};
use shared::{Args, about, announce};

mod shared;

const LISTENER: Token = Token(usize::MAX);
/// How often deadlines are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Reads and writes per turn of a connection, so that a busy one leaves time to the others.
const STEPS: usize = 4;

/// From this length on a message is written from where it lies, rather than copied behind others.
const LONG: usize = 8 * 1024;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&["--broadcast"])?;
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
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
    /// Vacant from the next round on: events of this one may still name the last owner.
    freed: Vec<usize>,
    /// Clients that had more to say when their turn was over, each once.
    unfinished: Vec<usize>,
    server: Server,
}

/// The common property of all connections.
struct Server {
    config: Config,
    input: Buffer,
    queue: Vec<u8>,
    /// Messages for everybody, if that is what we do with them.
    broadcast: Option<Vec<Prepared>>,
    start: Instant,
    now: Instant,
}

impl Server {
    /// The second of a deadline, in 4 bytes; none is as late as can be.
    fn second(&self, due: Option<Instant>) -> u32 {
        let second = due.map(|due| due.saturating_duration_since(self.start).as_secs());
        second.and_then(|second| u32::try_from(second).ok()).unwrap_or(u32::MAX)
    }
}

struct Client {
    stream: TcpStream,
    stage: Stage,
    /// The beginning of a frame whose rest has not arrived.
    input: Option<Box<Buffer>>,
    /// The socket may have more to read.
    readable: bool,
    /// No event will tell of the end of the stream again.
    ended: bool,
    /// It waits in the list of the unfinished.
    listed: bool,
    /// The second in which to look at its deadlines.
    due: u32,
}

/// The two have the same verbs, but for what they find in the input.
#[allow(clippy::large_enum_variant, reason = "nearly all are open")]
enum Stage {
    Handshake(Box<Acceptor>),
    Open(Connection),
}

/// The state of a client after its turn.
#[derive(Clone, Copy, PartialEq)]
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
        let now = Instant::now();
        let server = Server {
            config,
            input: Buffer::new(),
            queue: Vec::new(),
            broadcast: broadcast.then(Vec::new),
            start: now,
            now,
        };
        let (clients, vacant, freed, unfinished) = (vec![], vec![], vec![], vec![]);
        Ok(Self { poll, listener, clients, vacant, freed, unfinished, server })
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
            // Those that wait for their next turn come before those that have just had one.
            for id in std::mem::take(&mut self.unfinished) {
                self.turn(id, |client| client.listed = false);
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(id) => self.turn(id, |client| {
                        client.readable |= event.is_readable() || event.is_read_closed();
                        client.ended |= event.is_read_closed();
                    }),
                }
            }
            self.broadcast();
            if self.server.now >= next_sweep {
                next_sweep = self.server.now + SWEEP;
                self.accept(); // connections that an error may have left behind
                self.sweep();
            }
            self.vacant.append(&mut self.freed);
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
            let client = Client::new(stream, id, self.poll.registry(), &self.server);
            match (client, self.clients.get_mut(id)) {
                (Ok(client), Some(place)) => *place = Some(client),
                _ => self.vacant.push(id),
            }
        }
    }

    fn turn(&mut self, id: usize, before: impl FnOnce(&mut Client)) {
        let Some(Some(client)) = self.clients.get_mut(id) else {
            return;
        };
        before(client);
        if client.listed {
            return; // it has had its turn in this round
        }
        match client.turn(&mut self.server) {
            Turn::Over => {}
            Turn::Unfinished => {
                client.listed = true;
                self.unfinished.push(id);
            }
            Turn::Gone => self.remove(id),
        }
    }

    /// Sends what everybody is told, at the end of a round.
    fn broadcast(&mut self) {
        let messages = self.server.broadcast.as_mut().map(std::mem::take).unwrap_or_default();
        if messages.is_empty() {
            return;
        }
        for id in 0..self.clients.len() {
            if let Some(Some(client)) = self.clients.get_mut(id) {
                if client.tell(&messages, &mut self.server) == Turn::Gone {
                    self.remove(id);
                }
            }
        }
    }

    /// Does what is due.
    fn sweep(&mut self) {
        let second = self.server.second(Some(self.server.now));
        for id in 0..self.clients.len() {
            let Some(Some(client)) = self.clients.get_mut(id) else {
                continue;
            };
            let is_due = client.due <= second;
            if is_due && client.settle(&self.server).unwrap_or(Turn::Gone) == Turn::Gone {
                self.remove(id);
            }
        }
    }

    fn remove(&mut self, id: usize) {
        if let Some(place) = self.clients.get_mut(id) {
            *place = None; // which closes the socket
            self.freed.push(id);
        }
    }
}

impl Client {
    fn new(
        mut stream: TcpStream,
        id: usize,
        registry: &Registry,
        server: &Server,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        let mut acceptor = Box::new(Acceptor::new(&server.config));
        let due = server.second(acceptor.tick(server.now).unwrap_or_default());
        let stage = Stage::Handshake(acceptor);
        Ok(Self { stream, stage, input: None, readable: false, ended: false, listed: false, due })
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
        let mut reading = Ok(true);
        for _ in 0..STEPS {
            if !matches!(reading, Ok(true)) {
                break;
            }
            reading = self.step(input, server);
        }
        // A peer that sends without end is answered, too.
        let turn = match reading {
            Ok(more) => self.settle(server).map(|turn| match turn {
                Turn::Over if more => Turn::Unfinished,
                turn => turn,
            }),
            Err(error) => Err(error),
        };
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
        turn.unwrap_or(Turn::Gone)
    }

    /// Reads as long as there is something to read, and then writes: the fewer the writes, the less often
    /// the peer has to be woken. Whether there is more to do at once.
    fn step(&mut self, input: &mut Buffer, server: &mut Server) -> io::Result<bool> {
        if self.readable && !self.stage.is_congested() {
            self.read(input, server)?;
            return Ok(self.readable);
        }
        Ok(self.write()? == Written::All && self.readable)
    }

    fn read(&mut self, input: &mut Buffer, server: &mut Server) -> io::Result<()> {
        let room = input.space().len();
        match input.read_from(&mut self.stream) {
            Ok(0) => {
                self.readable = false;
                self.stage.eof();
            }
            // Less than there was room for: that was all, and what comes next is an event.
            Ok(n) => self.readable = n == room || self.ended,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if let Stage::Handshake(acceptor) = &mut self.stage {
            match acceptor.next(input) {
                Ok(Some(Incoming::Upgrade(request))) => {
                    let opened = acceptor.accept(accept(&request));
                    self.stage = Stage::Open(opened.map_err(io::Error::other)?);
                }
                Ok(Some(Incoming::Http(_))) => _ = acceptor.reject(),
                // A refusal is pending.
                Ok(None) | Err(_) => {}
            }
        }
        if let Stage::Open(connection) = &mut self.stage {
            // More is to come, and will be answered with this in one write.
            let stream = (!self.readable).then_some(&mut self.stream);
            answer(connection, input, stream, server.broadcast.as_mut());
        }
        Ok(())
    }

    /// Sends what everybody is told.
    fn tell(&mut self, messages: &[Prepared], server: &mut Server) -> Turn {
        self.lend(server);
        if let (Stage::Open(connection), Some((last, rest))) =
            (&mut self.stage, messages.split_last())
        {
            // A client that does not keep up misses out.
            for message in rest {
                let _ = connection.send_prepared(message);
            }
            let _ = connection.send_prepared_to(&mut self.stream, last);
        }
        let turn = self.settle(server).unwrap_or(Turn::Gone);
        self.reclaim(server);
        turn
    }

    /// Writes what is pending, ends our side when all is said, and looks at the deadlines: what every turn
    /// ends with.
    fn settle(&mut self, server: &Server) -> io::Result<Turn> {
        // A ping or a response may be due: it is written at once. An error is the end of it,
        // and there may be something to write all the same.
        self.due = server.second(self.stage.tick(server.now));
        self.write()?;
        if self.stage.wants_shutdown() {
            self.stream.shutdown(Shutdown::Write)?;
            self.due = server.second(self.stage.tick(server.now));
        }
        Ok(if self.stage.is_finished() { Turn::Gone } else { Turn::Over })
    }

    fn write(&mut self) -> io::Result<Written> {
        let Self { stage, stream, .. } = self;
        match stage {
            Stage::Handshake(acceptor) => {
                acceptor.write_with(|slices| stream.write_vectored(slices))
            }
            Stage::Open(connection) => connection.write_with(|slices| match slices {
                [slice] => stream.write(slice),
                slices => stream.write_vectored(slices),
            }),
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

impl Stage {
    fn is_congested(&self) -> bool {
        matches!(self, Self::Open(connection) if connection.is_congested())
    }

    /// The end that these report has been noted by them; nobody here wants to hear of it.
    fn eof(&mut self) {
        match self {
            Self::Handshake(acceptor) => _ = acceptor.eof(),
            Self::Open(connection) => _ = connection.eof(),
        }
    }

    fn tick(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Self::Handshake(acceptor) => acceptor.tick(now).unwrap_or(Some(now)),
            Self::Open(connection) => connection.tick(now).unwrap_or(Some(now)),
        }
    }

    /// Whether our side is to be ended now, which is only asked once.
    fn wants_shutdown(&mut self) -> bool {
        match self {
            Self::Handshake(acceptor) if acceptor.wants_shutdown() => acceptor.shut_down(),
            Self::Open(connection) if connection.wants_shutdown() => connection.shut_down(),
            _ => return false,
        }
        true
    }

    fn is_finished(&self) -> bool {
        match self {
            Self::Handshake(acceptor) => acceptor.is_finished(),
            Self::Open(connection) => connection.is_finished(),
        }
    }
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
        // Refused only after a Close: the queue has room for the answers to one read.
        match (&mut broadcast, &mut stream) {
            (Some(everybody), _) => everybody.push(Prepared::new(message)),
            (None, Some(stream)) if long => _ = connection.send_to(*stream, message),
            _ => _ = connection.send(message),
        }
    }
}
