//! A connection over a transport that fails as scripted: short reads and writes, interruptions,
//! timeouts, errors, ends, and claims of more bytes than there were; under a list of operations.
//!
//! * All ends: every call returns, after no more calls of the transport than the script accounts for,
//!   and nothing panics.
//! * What was written is a valid stream of frames up to any byte: what was sent, in order, each once;
//!   pongs for pings; one Close, and after it nothing but pongs. When a send or a flush succeeds, all that
//!   was taken before is written.
//! * After a write that failed nothing is written, and sends are refused. After the stream was shut
//!   down nothing is written, either.
//! * The messages are those in the bytes that were read, all that were complete, and then comes the end
//!   that fits: and the same end again, however often one asks.
//!
//! No time passes in it: a transport that would wait says at once that it has. Most scripts have
//! deadlines of an hour, and then all of the above is exact; in the others, of 1 ms, any end may also be
//! a timeout, at which what was decrypted, and not yet asked for, is given up.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sansocket::net::{self, Receiver, Sender, Transport};
use sansocket::tls::{Engine, Secure};
use sansocket::{Buffer, CloseCode, Config, Error, Prepared, SendError};

use super::reader::Reader;
use super::reference::{self, End, Reading, Seen};
use super::stream;
use super::wire::{BINARY, CLOSE, Frame, PING, PONG, Peer, TEXT};

const MAX_MESSAGE: usize = 70_000;
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub fn check(data: &[u8]) {
    check_over(data, false);
}

/// The same with a `Secure` over the transport, whose engine changes nothing: so all of the above has to hold.
pub fn check_secure(data: &[u8]) {
    check_over(data, true);
}

fn check_over(data: &[u8], secure: bool) {
    let mut reader = Reader::new(data);
    let flags = reader.byte();
    let setup = Setup {
        secure,
        hasty: flags & 7 == 7,
        accepts: flags & 8 != 0,
        max_queue: reader.pick(&[20, 200, 5000, 1 << 20]),
    };
    let transport = Scripted::new(&mut reader, setup.accepts);
    let Some((sender, receiver)) = setup.open(&transport) else {
        return;
    };
    let (read, written) = match setup.accepts {
        true => (REQUEST.len(), RESPONSE.len()),
        false => (0, 0),
    };
    let mut session = Session {
        secure: setup.secure,
        hasty: setup.hasty,
        transport,
        sender,
        receiver,
        read,
        written,
        given: VecDeque::new(),
        peer: Peer::of_server(),
        messages: vec![],
        ended: None,
        parted: false,
    };
    while !reader.is_empty() {
        session.step(&mut reader);
        session.check();
    }
    // Everybody has to come to an end.
    session.recv(true);
    let late = session.sender.send("late");
    assert!(matches!(late, Err(Error::Send(SendError::Closed))), "{late:?}");
    session.check();
}

struct Setup {
    secure: bool,
    hasty: bool,
    accepts: bool,
    max_queue: usize,
}

impl Setup {
    fn socket(&self, transport: &Scripted) -> Socket {
        match self.secure {
            true => Box::new(Secure::client(transport.clone(), Transparent)),
            false => Box::new(transport.clone()),
        }
    }

    fn open(&self, transport: &Scripted) -> Option<(Sender<Socket>, Receiver<Socket>)> {
        let hour = Duration::from_secs(3600);
        let time = if self.hasty { Duration::from_millis(1) } else { hour };
        let config = Config::builder()
            .max_message(MAX_MESSAGE)
            .max_queue(self.max_queue)
            .handshake_timeout(hour)
            .keepalive(time, time)
            .close_timeout(time)
            .write_timeout(time)
            .build()
            .unwrap();
        if !self.accepts {
            let halves = net::open(self.socket(transport), Buffer::new(), config);
            assert!(halves.is_ok() || transport.state().hurt);
            return halves.ok();
        }
        match net::accept(self.socket(transport), config) {
            Ok(halves) => {
                assert_eq!(transport.state().written, RESPONSE);
                Some(halves)
            }
            Err(_) => {
                let state = transport.state();
                assert!(state.hurt || state.waited || state.read.len() < REQUEST.len());
                let written = &state.written;
                let begins =
                    |answer: &[u8]| written.starts_with(answer) || answer.starts_with(written);
                assert!(
                    begins(b"HTTP/1.1 408 Request Timeout\r\n") || RESPONSE.starts_with(written)
                );
                None
            }
        }
    }
}

struct Session {
    secure: bool,
    hasty: bool,
    transport: Scripted,
    sender: Sender<Socket>,
    receiver: Receiver<Socket>,
    /// How much was read and written before the connection was open, or was looked at since.
    read: usize,
    written: usize,
    /// What was given to be sent and was not yet seen.
    given: VecDeque<Frame>,
    peer: Peer,
    messages: Vec<Seen>,
    /// How the receiver ended.
    ended: Option<String>,
    /// We closed or aborted.
    parted: bool,
}

impl Session {
    fn step(&mut self, reader: &mut Reader<'_>) {
        let broken = self.transport.state().broken;
        match reader.byte() % 10 {
            0..3 => self.recv(false),
            3 => {
                let result = self.sender.flush();
                self.after_write(&result);
            }
            4 => {
                let len = reader.below(130);
                let payload = [b"!", reader.bytes(len)].concat();
                let result = self.sender.ping(&payload);
                match payload.len() {
                    0..=125 => self.gave(Frame { first: PING, payload }, &result, false, broken),
                    _ => assert!(matches!(result, Err(Error::Send(SendError::TooLong)))),
                }
            }
            5 => match reader.byte() {
                250.. => {
                    self.sender.abort();
                    self.parted = true;
                }
                len => {
                    let reason = "x".repeat(usize::from(len) % 124);
                    assert_eq!(self.sender.close(CloseCode::GOING_AWAY, &reason), Ok(()));
                    self.parted = true;
                }
            },
            _ => {
                let (op, payload) = (reader.byte(), payload(reader));
                let sender = &self.sender;
                let feeds = op & 4 != 0;
                let (first, result) = match (op % 4, std::str::from_utf8(&payload)) {
                    (0, Ok(text)) if feeds => (TEXT, sender.feed(text)),
                    (0, Ok(text)) => (TEXT, sender.send(text)),
                    (1, _) if feeds => (BINARY, sender.feed_prepared(&Prepared::new(&payload))),
                    (1, _) => (BINARY, sender.send_prepared(&Prepared::new(&payload))),
                    _ if feeds => (BINARY, sender.feed(&payload)),
                    _ => (BINARY, sender.send(&payload)),
                };
                self.gave(Frame { first, payload }, &result, feeds, broken);
            }
        }
    }

    /// What became of a frame that was given to be sent, or to be queued; and whether a write had
    /// failed before.
    fn gave(&mut self, frame: Frame, result: &Result<(), Error>, feeds: bool, broken: bool) {
        match result {
            Err(Error::Send(error)) => assert_eq!(*error, SendError::Closed),
            _ => {
                assert!(!broken);
                self.given.push_back(frame);
            }
        }
        if !feeds || result.is_err() {
            self.after_write(result);
        }
    }

    fn after_write(&mut self, result: &Result<(), Error>) {
        self.look();
        let broken = self.transport.state().broken;
        match result {
            // A flush has nothing to write any more.
            Ok(()) if broken || self.hasty => {}
            Ok(()) => assert!(self.given.is_empty() && self.peer.partial().is_empty()),
            Err(Error::Send(_)) => {}
            Err(Error::Io(_)) => assert!(broken),
            Err(Error::TimedOut(_)) => assert!(self.hasty),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Once, or until it has said several times that it is over.
    fn recv(&mut self, until_the_end: bool) {
        let mut last_words = 0;
        while last_words == 0 || until_the_end && last_words < 3 {
            match self.receiver.recv() {
                Ok(Some(message)) => {
                    assert_eq!(self.ended, None);
                    self.messages.push(message.into());
                    if !until_the_end {
                        return;
                    }
                }
                Ok(None) => self.end("closed".into(), None),
                Err(error) => self.end(kind(&error), Some(&error)),
            }
            last_words += usize::from(self.ended.is_some());
        }
    }

    /// What the receiver said at the end, or says again.
    fn end(&mut self, said: String, error: Option<&Error>) {
        if let Some(ended) = &self.ended {
            return assert_eq!(*ended, said, "another end");
        }
        let state = self.transport.state();
        let reading = reference::read(&state.read[self.read..], true, MAX_MESSAGE);
        let timed_out = matches!(error, Some(Error::TimedOut(_)));
        assert!(!timed_out || self.hasty);
        // The rest may lie where what was decrypted waits, as it may in a socket, when time is up, or whatever is asked
        // of the transport fails.
        let gives_up = self.secure && (timed_out || state.fuse == Some(0));
        let close = self.receiver.close_frame();
        let close = close.map(|close| Seen::from(sansocket::Event::Close(close)));
        assert_eq!(close.is_some(), error.is_none());
        match (&reading.end, error) {
            (_, Some(_)) if gives_up => {}
            (End::Closed, None) => assert_eq!(close.as_ref(), reading.events.last().map(|e| &e.1)),
            (End::Failed(_, fault), Some(Error::Protocol(said))) => assert_eq!(said, fault),
            (End::Open { mid_message }, Some(Error::Disconnected(aborted))) => {
                assert_eq!(aborted.mid_message, *mid_message);
            }
            (End::Open { .. }, Some(Error::Io(_))) => assert!(state.hurt),
            (End::Open { .. }, _) => assert!(timed_out),
            (end, error) => panic!("{error:?} after {end:?}"),
        }
        let events: Vec<_> = reading.into_events();
        let is_message = |event: &&Seen| matches!(event, Seen::Text(_) | Seen::Binary(_));
        let mut messages = events.iter().filter(is_message);
        assert!(messages.by_ref().take(self.messages.len()).eq(&self.messages));
        assert!(messages.next().is_none() || gives_up, "messages were lost");
        drop(state);
        self.ended = Some(said);
    }

    /// Looks at what was written.
    fn look(&mut self) {
        let state = self.transport.state();
        let reading = reference::read(&state.read[self.read..], true, MAX_MESSAGE);
        self.peer.take(&state.written[self.written..]);
        self.written = state.written.len();
        let waited = state.waited;
        drop(state);
        for frame in std::mem::take(&mut self.peer.frames) {
            match frame.first {
                PONG => {
                    let mut pings = reading.events.iter().map(|event| &event.1);
                    let answers = pings.any(|event| *event == Seen::Ping(frame.payload.clone()));
                    assert!(answers, "a pong for nothing");
                }
                // Of the keepalive, which takes the transport's word for how long it has waited.
                PING if frame.payload.is_empty() => assert!(waited || self.hasty),
                CLOSE if self.parted => {}
                CLOSE => assert_eq!(Some(frame.payload), last_word(&reading)),
                _ => assert_eq!(Some(frame), self.given.pop_front()),
            }
        }
    }

    fn check(&mut self) {
        self.look();
        let wanted = &self.given;
        if let [first, ..] = *self.peer.partial() {
            let other = [PONG, CLOSE, PING].contains(&first);
            assert!(other || wanted.front().is_some_and(|frame| frame.first == first));
        }
    }
}

/// The body of the Close that answers the end.
fn last_word(reading: &Reading) -> Option<Vec<u8>> {
    match (&reading.end, reading.events.last()) {
        (End::Failed(_, fault), _) => Some(u16::from(fault.close_code()).to_be_bytes().to_vec()),
        (End::Closed, Some((_, Seen::Close { code, reason, .. }))) => {
            let code = code.map(u16::to_be_bytes);
            Some(code.map_or(vec![], |code| [&code, reason.as_bytes()].concat()))
        }
        _ => None,
    }
}

fn payload(reader: &mut Reader<'_>) -> Vec<u8> {
    match reader.byte() {
        // About the border between what is copied behind its header and what is not.
        form @ 240.. => vec![b'y'; 8100 + 12 * usize::from(form - 240)],
        form => stream::payload(reader, form % 16),
    }
}

fn kind(error: &Error) -> String {
    match error {
        Error::Io(error) => format!("{:?}", error.kind()),
        error => format!("{error:?}"),
    }
}

/// What a read or write does.
#[derive(Clone, Copy)]
enum Step {
    /// Moves this many bytes at most.
    Some(usize),
    Fail(ErrorKind),
    /// Claims one byte more than there was.
    TooMuch,
}

type Socket = Box<dyn Transport>;

/// An engine whose records are the plaintext.
struct Transparent;

impl Engine for Transparent {
    fn open(&mut self, records: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        plain(records);
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        assert!(plain.len() <= 16 * 1024);
        records.extend_from_slice(plain);
        Ok(())
    }

    fn close(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn wants_write(&self) -> bool {
        false
    }

    fn is_handshaking(&self) -> bool {
        false
    }

    fn is_closed(&self) -> bool {
        false
    }
}

/// A transport that follows a script.
#[derive(Clone)]
struct Scripted(Arc<Mutex<State>>);

struct State {
    /// What the peer sends.
    input: Vec<u8>,
    reads: VecDeque<Step>,
    writes: VecDeque<Step>,
    /// What all reads do after those: fail, or end the stream.
    then: Option<ErrorKind>,
    /// Operations until everything fails, timeouts to be set among them.
    fuse: Option<usize>,
    read: Vec<u8>,
    written: Vec<u8>,
    /// Something was not as it should be; or took long.
    hurt: bool,
    waited: bool,
    /// A write failed.
    broken: bool,
    /// What was shut down: reading, writing.
    shut: (bool, bool),
    calls: usize,
    most_calls: usize,
}

impl Scripted {
    fn new(reader: &mut Reader<'_>, accepts: bool) -> Self {
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::Other];
        let ends = reader.byte();
        let (reads, writes, input) = (reader.below(32), reader.below(32), reader.below(16));
        let reads: VecDeque<_> = (0..reads).map(|_| step(reader)).collect();
        let writes: VecDeque<_> = (0..writes).map(|_| step(reader)).collect();
        let mut bytes = if accepts { REQUEST.to_vec() } else { vec![] };
        for _ in 0..input {
            bytes.extend(stream::step(reader, true));
        }
        Self(Arc::new(Mutex::new(State {
            // Each call moves something, or takes a step of the script; and in the end some look again.
            most_calls: 2 * bytes.len() + 100 * (reads.len() + writes.len()) + 10_000,
            input: bytes,
            reads,
            writes,
            then: (ends & 1 != 0).then(|| kinds[usize::from(ends / 2 % 3)]),
            fuse: (ends >= 224).then(|| usize::from(ends - 224)),
            read: vec![],
            written: vec![],
            hurt: false,
            waited: false,
            broken: false,
            shut: (false, false),
            calls: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn step(reader: &mut Reader<'_>) -> Step {
    match reader.byte() {
        n @ 0..200 => Step::Some(usize::from(n) + 1),
        n @ 200..216 => Step::Some(1000 * usize::from(n - 199)),
        216..226 => Step::Fail(ErrorKind::WouldBlock),
        226..232 => Step::Fail(ErrorKind::TimedOut),
        232..240 => Step::Fail(ErrorKind::Interrupted),
        240..244 => Step::TooMuch,
        244..248 => Step::Some(0),
        248..252 => Step::Fail(ErrorKind::ConnectionReset),
        _ => Step::Fail(ErrorKind::Other),
    }
}

impl State {
    /// Every operation begins with this.
    fn begin(&mut self) -> io::Result<()> {
        self.calls += 1;
        assert!(self.calls < self.most_calls, "it goes on and on");
        match &mut self.fuse {
            Some(0) => {
                self.hurt = true;
                Err(ErrorKind::ConnectionReset.into())
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn is_temporary(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

impl Transport for Scripted {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        assert!(!space.is_empty());
        let mut state = self.state();
        state.begin()?;
        if state.shut.0 {
            return Ok(0);
        }
        let step = match (state.reads.pop_front(), state.then) {
            (Some(step), _) => step,
            (None, Some(kind)) if state.input.is_empty() => Step::Fail(kind),
            (None, _) => Step::Some(usize::MAX),
        };
        match step {
            Step::Some(n) => {
                let n = n.min(space.len()).min(state.input.len());
                let rest = state.input.split_off(n);
                let front = std::mem::replace(&mut state.input, rest);
                space[..n].copy_from_slice(&front);
                state.read.extend(front);
                if n == 0 {
                    state.shut.0 = true;
                }
                Ok(n)
            }
            Step::TooMuch => {
                state.hurt = true;
                Ok(space.len() + 1)
            }
            Step::Fail(kind) => {
                state.hurt |= !is_temporary(kind);
                state.waited |= is_temporary(kind);
                Err(kind.into())
            }
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state();
        assert!(!state.broken, "a write after one that failed");
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(!bytes.is_empty());
        if let Err(error) = state.begin() {
            state.broken = true;
            return Err(error);
        }
        if state.shut.1 {
            (state.hurt, state.broken) = (true, true);
            return Err(ErrorKind::BrokenPipe.into());
        }
        match state.writes.pop_front().unwrap_or(Step::Some(usize::MAX)) {
            Step::Some(n) => {
                let n = n.min(bytes.len());
                state.written.extend(&bytes[..n]);
                state.hurt |= n == 0;
                state.broken |= n == 0;
                Ok(n)
            }
            Step::TooMuch => {
                (state.hurt, state.broken) = (true, true);
                Ok(bytes.len() + 1)
            }
            Step::Fail(kind) => {
                state.hurt |= !is_temporary(kind);
                state.broken |= !is_temporary(kind);
                state.waited |= is_temporary(kind);
                Err(kind.into())
            }
        }
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        assert!(timeout.is_some_and(|timeout| timeout >= Duration::from_millis(1)));
        self.state().begin()
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        state.shut.0 |= how != Shutdown::Write;
        state.shut.1 |= how != Shutdown::Read;
        Ok(())
    }
}
