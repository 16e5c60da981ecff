//! A stream of frames, in either role, however it is cut and by whatever way it gets into the buffer:
//!
//! * the events, the fault and the end are those of a plain reading of the RFC, and come after the
//!   same byte; so are, from cut to cut, the bytes that are written in answer;
//! * every event consumes something, and after `None` no more lies unread than a header and a
//!   control frame without their last byte;
//! * the buffer's memory follows what arrived and not what was declared: it is at most 64 KiB, which is
//!   one read, and twice what can be unfinished, which is no more than arrived, and no more than a
//!   message of the limit and that unread rest (once a fault was found: and one more read, as the
//!   buffer is emptied by the next call);
//! * after a fault or a Close nothing is heard, nothing is kept, and nothing is answered.

use sansocket::{Buffer, Config, Connection, Disconnected, Event, Message, ProtocolError};

use super::reader::{Reader, pieces};
use super::reference::{self, End, Reading, Seen};
use super::stream;
use super::wire::{self, BINARY, CLOSE, Frame, PING, Peer, TEXT};

/// One read.
const ROOM: usize = 64 * 1024;
/// A header in part, or a control frame without its last byte.
const REST: usize = 14 + 125 - 1;

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let flags = reader.byte();
    let ways = reader.byte();
    let limits = [1, 2, 10, 125, 126, 127, 1000, 5000, 65_535, 65_536, 1 << 20, usize::MAX];
    let setup = Setup {
        client: cfg!(feature = "client") && flags & 1 != 0,
        echo: flags & 2 != 0,
        eager: flags & 4 != 0,
        limit: reader.pick(&limits),
    };
    let sizes = reader.sizes();
    let bytes = match flags & 8 {
        0 => stream::write(&mut reader, !setup.client),
        _ => reader.rest().to_vec(),
    };

    let reading = reference::read(&bytes, !setup.client, setup.limit);
    let outcome = setup.run(&bytes, &[], Way::Extend, &reading);
    let one = if bytes.len() < 512 { 1 } else { (bytes.len() / 64).max(97) };
    for (sizes, way) in [(&[one][..], ways), (&sizes, ways / 4), (&[], ways / 16)] {
        let way = [Way::Extend, Way::Read, Way::Space, Way::Shared][usize::from(way % 4)];
        assert_eq!(setup.run(&bytes, sizes, way, &reading), outcome, "{sizes:?} {way:?}");
    }
    assert_eq!(outcome.error, reading.error());
    let wanted = match reading.end {
        End::Open { mid_message } => Err(mid_message),
        End::Closed | End::Failed(..) => Ok(()),
    };
    assert_eq!(outcome.eof.map_err(|disconnected| disconnected.mid_message), wanted);
    assert_eq!(outcome.events, reading.into_events());
}

struct Setup {
    client: bool,
    /// Whether messages are sent back.
    echo: bool,
    /// Whether answers are written at once, or when all is read.
    eager: bool,
    limit: usize,
}

/// How bytes get into the buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Extend,
    Read,
    /// `space` and `filled`.
    Space,
    /// As event loops do it: one buffer for all, from which each takes what is left over.
    Shared,
}

/// All that can be seen of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<Seen>,
    error: Option<ProtocolError>,
    output: Vec<Frame>,
    eof: Result<(), Disconnected>,
}

impl Setup {
    fn run(&self, bytes: &[u8], sizes: &[usize], way: Way, reading: &Reading) -> Outcome {
        let mut session = Session::new(self);
        let mut inputs = Inputs { way, shared: Buffer::new(), own: None, noise: noise() };
        let mut arrived = 0;
        for mut piece in pieces(bytes, sizes) {
            while !piece.is_empty() {
                let n = inputs.take(piece);
                assert!(n > 0);
                arrived += n;
                piece = &piece[n..];
                let input = inputs.current();
                session.drain(input);
                assert!(session.error.is_some() || input.unread().len() <= REST, "{input:?}");
                // What is appended is the caller's choice.
                if way != Way::Extend {
                    let rest = if session.error.is_some() { ROOM } else { REST };
                    let unfinished = arrived.min(self.limit.saturating_add(rest));
                    assert!(input.capacity() <= ROOM + 2 * unfinished, "{input:?} of {arrived}");
                }
                assert_eq!((session.events.len(), session.error), reading.after(arrived));
                inputs.put_back();
            }
        }
        if session.error.is_some() || reading.end == End::Closed {
            session.assert_inert();
        }
        let eof = session.connection.eof();
        session.write();
        assert!(session.connection.is_finished());
        Outcome { events: session.events, error: session.error, output: session.peer.frames, eof }
    }
}

struct Session<'s> {
    setup: &'s Setup,
    connection: Connection,
    events: Vec<Seen>,
    error: Option<ProtocolError>,
    peer: Peer,
}

impl<'s> Session<'s> {
    fn new(setup: &'s Setup) -> Self {
        let config = Config::builder().max_message(setup.limit).build().unwrap();
        let (connection, peer) = match setup.client {
            #[cfg(feature = "client")]
            true => (Connection::client(config), Peer::of_client()),
            _ => (Connection::server(config), Peer::of_server()),
        };
        Self { setup, connection, events: vec![], error: None, peer }
    }

    /// Takes what events there are.
    fn drain(&mut self, input: &mut Buffer) {
        loop {
            let unread = input.unread().len();
            let event = match self.connection.next_event(input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    assert!(self.error.is_none_or(|before| before == error));
                    self.error = Some(error);
                    break;
                }
            };
            assert!(self.error.is_none());
            if let (Event::Message(message), true) = (event, self.setup.echo) {
                // It may not fit.
                let _ = self.connection.send(message);
            }
            self.events.push(event.into());
            assert!(input.unread().len() < unread, "an event out of nothing");
            if self.setup.eager {
                self.write();
            }
        }
        if self.setup.eager {
            self.write();
        }
    }

    /// Writes all that is pending.
    fn write(&mut self) {
        while !self.connection.pending().is_empty() {
            self.peer.take(self.connection.pending());
            self.connection.sent(self.connection.pending().len());
        }
        assert_eq!(self.peer.partial(), []);
    }

    /// After a fault or a Close.
    fn assert_inert(&mut self) {
        let key = (!self.setup.client).then_some([1, 2, 3, 4]);
        self.write();
        let written = self.peer.frames.len();
        let mut input = Buffer::new();
        for late in
            [(TEXT, "late"), (PING, "?"), (BINARY, "\0"), (CLOSE, "\x03\u{fffd}"), (0xff, "")]
        {
            input.extend(&wire::frame(late.0, key, late.1.as_bytes()));
            match self.connection.next_event(&mut input) {
                Ok(None) => assert_eq!(self.error, None),
                Err(error) => assert_eq!(Some(error), self.error),
                Ok(Some(event)) => panic!("{event:?} after the end"),
            }
            assert!(input.is_empty());
        }
        self.write();
        assert_eq!(self.peer.frames.len(), written);
        assert!(self.peer.closed && self.connection.is_closed());
        assert!(self.connection.send("late").is_err());
    }
}

/// The buffers of a connection, and those it shares with another.
struct Inputs {
    way: Way,
    shared: Buffer,
    own: Option<Buffer>,
    noise: Connection,
}

impl Inputs {
    /// Takes in a piece, or the front of it: how much.
    fn take(&mut self, mut piece: &[u8]) -> usize {
        if self.way == Way::Shared {
            if self.own.is_none() {
                self.make_noise();
            }
            self.resume(piece.len());
        }
        let all = piece.len();
        let way = self.way;
        let input = self.current();
        match way {
            Way::Extend => {
                input.extend(piece);
                all
            }
            Way::Read | Way::Shared => input.read_from(&mut piece).unwrap(),
            Way::Space => {
                let space = input.space();
                let n = all.min(space.len());
                space[..n].copy_from_slice(&piece[..n]);
                input.filled(n);
                n
            }
        }
    }

    /// A short rest may be taken back, or stay where it is.
    fn resume(&mut self, whether: usize) {
        if let Some(own) = self.own.as_mut().filter(|_| whether & 1 == 0) {
            let unread = own.unread().to_vec();
            assert_eq!(self.shared.attach(own).unread(), unread);
            if own.is_empty() {
                self.own = None;
            }
        }
    }

    fn current(&mut self) -> &mut Buffer {
        self.own.as_mut().unwrap_or(&mut self.shared)
    }

    /// After a turn of the connection.
    fn put_back(&mut self) {
        if self.way != Way::Shared {
            return;
        }
        match &self.own {
            None if !self.shared.is_empty() => {
                self.own = Some(self.shared.detach());
                assert!(self.shared.is_empty());
            }
            Some(own) if own.is_empty() => {
                let own = self.own.take();
                // The larger memory stays.
                if let Some(own) = own.filter(|own| own.capacity() > self.shared.capacity()) {
                    self.shared = own;
                }
            }
            _ => {}
        }
    }

    /// Another connection has its turn.
    fn make_noise(&mut self) {
        let mut bytes = &wire::frame(BINARY, Some([9, 8, 7, 6]), b"noise")[..];
        while !bytes.is_empty() {
            self.shared.read_from(&mut bytes).unwrap();
        }
        let event = self.noise.next_event(&mut self.shared);
        assert_eq!(event, Ok(Some(Event::Message(Message::Binary(b"noise")))));
        assert!(self.shared.is_empty());
    }
}

fn noise() -> Connection {
    Connection::server(Config::default())
}
