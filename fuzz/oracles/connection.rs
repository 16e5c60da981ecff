//! A connection under a list of operations, in either role, beside a small model of it:
//!
//! * it writes frames that a peer without mercy takes, at most one Close, and after that only pongs;
//! * messages, pings of ours and the Close go out in the order in which they were taken, each once, and what
//!   was refused does not go out; a message is refused exactly when we are closing or it does not fit;
//! * what waits of them never exceeds the queue limit, unless it is one message no larger than that;
//! * a pong answers a ping that was not answered; while little waits it takes its place in that order,
//!   else it may come sooner, or not at all if another ping came; by the time that nothing is pending
//!   the latest ping is answered, and those that were passed over are forgotten;
//! * events are those of a plain reading of the RFC; a Close of the peer is answered in kind, a fault
//!   with its code;
//! * pings fall due, and deadlines pass, at the tick and with the next tick that the model says;
//! * our side is to be ended when both have said the last word and nothing is pending; it is finished when the
//!   peer has ended its side too, after the linger time, or after a timeout;
//! * a message that goes past the queue is one among the others, wherever the writer stops;
//! * lending and reclaiming the queue changes nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sansocket::{Buffer, CloseCode, Config, Connection, Prepared, SendError, TimedOut};

use super::reader::Reader;
use super::reference::{self, End, Reading, Seen};
use super::stream;
use super::wire::{BINARY, CLOSE, Frame, PING, PONG, Peer, TEXT};

/// As long as no more than this waits, pongs join the queue.
const SHORT_QUEUE: usize = 1024;
const MAX_MESSAGE: usize = 70_000;
/// Nothing more is received after that.
const LONG: usize = 200_000;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
const PING_AFTER: Duration = Duration::from_secs(30);
const GIVE_UP_AFTER: Duration = Duration::from_secs(20);
const WRITE_TIMEOUT: Duration = Duration::from_secs(25);
const LINGER: Duration = Duration::from_secs(3);

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let flags = reader.byte();
    let client = cfg!(feature = "client") && flags & 1 != 0;
    let keepalive = flags & 2 != 0;
    let max_queue = reader.pick(&[1, 14, 30, 100, 139, 1000, 1400, 5000, 70_000, usize::MAX]);
    let mut session = Session::new(client, keepalive, max_queue);
    while !reader.is_empty() {
        session.step(&mut reader);
        session.check();
    }
    session.write(usize::MAX);
    session.check();
}

struct Session {
    client: bool,
    connection: Connection,
    input: Buffer,
    spare: Vec<u8>,
    model: Model,
}

impl Session {
    fn new(client: bool, keepalive: bool, max_queue: usize) -> Self {
        let config = Config::builder()
            .max_message(MAX_MESSAGE)
            .max_queue(max_queue)
            .close_timeout(CLOSE_TIMEOUT)
            .write_timeout(WRITE_TIMEOUT)
            .linger(LINGER);
        let config = match keepalive {
            true => config.keepalive(PING_AFTER, GIVE_UP_AFTER),
            false => config.no_keepalive(),
        };
        let config = config.build().unwrap();
        let (connection, peer) = match client {
            #[cfg(feature = "client")]
            true => (Connection::client(config), Peer::of_client()),
            _ => (Connection::server(config), Peer::of_server()),
        };
        let model = Model::new(peer, keepalive, max_queue);
        Self { client, connection, input: Buffer::new(), spare: vec![], model }
    }

    fn step(&mut self, reader: &mut Reader<'_>) {
        match reader.byte() % 16 {
            0..4 => {
                let bytes = stream::step(reader, !self.client);
                if self.model.fed.len() < LONG {
                    self.input.extend(&bytes);
                    self.model.feed(&bytes);
                }
            }
            4 => self.events(usize::MAX),
            5 => self.events(1 + reader.below(3)),
            6..8 => self.send(reader),
            8 => self.ping(reader),
            9 => self.close(reader),
            10 => self.write(1 + reader.below(200)),
            11 => self.write(64 * reader.below(256)),
            12 => self.tick(reader),
            13 => self.lend(reader),
            14 => self.connection.reclaim_queue(&mut self.spare),
            _ => {
                if reader.byte() > 200 {
                    self.eof();
                }
            }
        }
    }

    /// Takes up to `most` events.
    fn events(&mut self, most: usize) {
        for _ in 0..most {
            let idle = self.connection.pending().is_empty();
            match self.connection.next_event(&mut self.input) {
                Ok(Some(event)) => self.model.event(event.into(), idle),
                Ok(None) => return self.model.no_event(),
                Err(error) => return self.model.fault(error),
            }
        }
    }

    fn send(&mut self, reader: &mut Reader<'_>) {
        let op = reader.byte();
        let payload = stream::payload(reader, op / 4 % 16);
        if op >= 192 {
            return self.send_to(reader, op, payload);
        }
        let idle = self.connection.pending().is_empty();
        let (first, result) = match (op % 4, std::str::from_utf8(&payload)) {
            (0, Ok(text)) => (TEXT, self.connection.send(text)),
            (1, Ok(text)) => (TEXT, self.connection.send_prepared(&Prepared::new(text))),
            (3, _) => (BINARY, self.connection.send_prepared(&Prepared::new(&payload))),
            _ => (BINARY, self.connection.send(&payload)),
        };
        self.model.command(Frame { first, payload }, result, idle);
    }

    /// Past the queue, to a writer that does not take all.
    fn send_to(&mut self, reader: &mut Reader<'_>, op: u8, payload: Vec<u8>) {
        let mut room = vec![0; reader.pick(&[0, 1, 2, 10, 130, 1100, 70_000, 200_000])];
        let before = room.len();
        let mut writer = &mut room[..];
        let idle = self.connection.pending().is_empty();
        let (first, result) = match op % 2 {
            0 => (BINARY, self.connection.send_to(&mut writer, &payload)),
            _ => {
                let prepared = Prepared::new(&payload);
                (BINARY, self.connection.send_prepared_to(&mut writer, &prepared))
            }
        };
        let written = before - writer.len();
        self.model.command(Frame { first, payload }, result, idle);
        self.model.wrote(&room[..written]);
        self.model.moved |= written > 0;
        if result.is_ok() {
            self.model.heard |= self.model.blocked && written > 0;
            // This writer never says that it takes no more at present.
            self.model.blocked = false;
        }
    }

    /// Never without a payload: those are the keepalive's.
    fn ping(&mut self, reader: &mut Reader<'_>) {
        let len = reader.below(140);
        let payload = [b"!", reader.bytes(len)].concat();
        let idle = self.connection.pending().is_empty();
        let result = self.connection.ping(&payload);
        match payload.len() {
            0..=125 => self.model.command(Frame { first: PING, payload }, result, idle),
            _ => assert_eq!(result, Err(SendError::TooLong)),
        }
    }

    fn close(&mut self, reader: &mut Reader<'_>) {
        let code = u16::from_be_bytes([reader.byte(), reader.byte()]);
        let Some(code) = CloseCode::new(if code < 1000 { 1000 + code % 15 } else { code }) else {
            return;
        };
        let reason = "é".repeat(reader.below(70));
        let result = self.connection.close(code, &reason);
        match result {
            Err(SendError::ClientOnlyCode) => assert!(!self.client && u16::from(code) == 1010),
            _ => {
                assert!(result.is_ok() && (self.client || u16::from(code) != 1010));
                // 61 of these characters fit.
                let reason = &reason.as_bytes()[..reason.len().min(122)];
                self.model.close(&[&u16::from(code).to_be_bytes(), reason].concat());
            }
        }
    }

    /// Writes up to `most` of what is pending.
    fn write(&mut self, mut most: usize) {
        while most > 0 && !self.connection.pending().is_empty() {
            let pending = self.connection.pending();
            let now = pending.len().min(most);
            self.model.wrote(&pending[..now]);
            self.model.moved = true;
            // A peer that takes what had to wait for it is alive.
            self.model.heard |= self.model.blocked;
            self.model.blocked = now < pending.len();
            self.connection.sent(now);
            most -= now;
        }
    }

    fn tick(&mut self, reader: &mut Reader<'_>) {
        const SECOND: Duration = Duration::from_secs(1);
        let op = reader.byte();
        let now = match op % 8 {
            0 => self.model.now,
            1 => self.model.now + Duration::from_millis(u64::from(op) * 10),
            2 => self.model.now + 10 * SECOND,
            3 => self.model.now + 30 * SECOND,
            4 => self.model.now + 20 * SECOND - Duration::from_nanos(1),
            5 => self.model.now + 3600 * SECOND,
            // Exactly as asked.
            6 => self.model.due.unwrap_or(self.model.now),
            // A clock that was set back.
            _ => self.model.now.checked_sub(SECOND).unwrap_or(self.model.now),
        };
        let idle = self.connection.pending().is_empty();
        let wanted = self.model.tick(now, idle);
        assert_eq!(self.connection.tick(now), wanted);
    }

    fn lend(&mut self, reader: &mut Reader<'_>) {
        if reader.byte() & 1 == 0 {
            self.spare = vec![0xee; reader.pick(&[0, 1, 64, 4096])];
        }
        let (before, capacity) = (self.connection.pending().to_vec(), self.spare.capacity());
        self.connection.lend_queue(&mut self.spare);
        assert_eq!(self.connection.pending(), before);
        assert!(self.spare.capacity() == capacity || self.spare.capacity() == 0);
    }

    /// As documented: when all events were taken.
    fn eof(&mut self) {
        self.events(usize::MAX);
        let wanted = self.model.eof();
        assert_eq!(self.connection.eof().map_err(|disconnected| disconnected.mid_message), wanted);
    }

    fn check(&mut self) {
        let idle = self.connection.pending().is_empty();
        self.model.check(idle);
        assert_eq!(self.connection.is_finished(), self.model.is_finished(idle));
        let said_all = self.model.heard_last_word && self.model.timed_out.is_none() && idle;
        assert_eq!(self.connection.wants_shutdown(), said_all && !self.client);
    }
}

struct Model {
    max_queue: usize,
    /// What was received, what there is to see in it, and how much of that was seen.
    fed: Vec<u8>,
    reading: Reading,
    seen: usize,
    /// Whether the peer has said its last word, or can say no more.
    heard_out: bool,
    /// Whether we have.
    closed: bool,
    /// What was taken and not yet seen on the wire, in order: also pongs that have to come.
    queue: VecDeque<Frame>,
    /// Bytes of those that were taken, and of those that were written; pongs do not count.
    taken: usize,
    written: usize,
    /// Pings that may be answered, or passed over.
    pings: Vec<Vec<u8>>,
    /// The last ping, unless it was answered.
    latest_ping: Option<Vec<u8>>,
    /// Keepalive pings that fell due, and that were written; and whether one was since the last fell
    /// due.
    due_pings: usize,
    written_pings: usize,
    owes_ping: bool,
    /// Bytes that were queued at most, pongs and all, and bytes that were written.
    all_taken: usize,
    all_written: usize,
    peer: Peer,

    now: Instant,
    due: Option<Instant>,
    keepalive: bool,
    /// Bytes arrived that no call has noticed yet.
    news: bool,
    /// Something was heard since the last tick.
    heard: bool,
    silent_since: Option<Instant>,
    pinged: Option<Instant>,
    closing_since: Option<Instant>,
    /// Something was written since the last tick.
    moved: bool,
    /// The last write took less than there was.
    blocked: bool,
    stalled_since: Option<Instant>,
    /// Whether there is a Close of ours.
    close_taken: bool,
    lingering_since: Option<Instant>,
    lingered: bool,
    ended: bool,
    /// The peer's Close, or its fault, was seen.
    heard_last_word: bool,
    timed_out: Option<TimedOut>,
}

impl Model {
    fn new(peer: Peer, keepalive: bool, max_queue: usize) -> Self {
        Self {
            max_queue,
            fed: vec![],
            reading: reference::read(&[], true, 1),
            seen: 0,
            heard_out: false,
            closed: false,
            queue: VecDeque::new(),
            taken: 0,
            written: 0,
            pings: vec![],
            latest_ping: None,
            due_pings: 0,
            written_pings: 0,
            owes_ping: false,
            all_taken: 0,
            all_written: 0,
            peer,
            now: Instant::now() + Duration::from_secs(3600),
            due: None,
            keepalive,
            news: false,
            heard: false,
            silent_since: None,
            pinged: None,
            closing_since: None,
            moved: false,
            blocked: false,
            stalled_since: None,
            close_taken: false,
            lingering_since: None,
            lingered: false,
            ended: false,
            heard_last_word: false,
            timed_out: None,
        }
    }

    fn is_client(&self) -> bool {
        self.peer.masked
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.fed.extend(bytes);
        self.reading = reference::read(&self.fed, !self.is_client(), MAX_MESSAGE);
        self.news |= !bytes.is_empty();
    }

    fn event(&mut self, event: Seen, idle: bool) {
        assert!(!self.heard_out);
        let wanted = &self.reading.events[self.seen].1;
        assert_eq!(event, *wanted);
        self.seen += 1;
        self.heard = true;
        match event {
            Seen::Ping(payload) => {
                // Nor must anything be about to overtake the queue.
                let none_waits = self.pings.is_empty() && self.due_pings == self.written_pings;
                let short = none_waits && self.all_taken - self.all_written <= SHORT_QUEUE;
                self.all_taken += self.len(payload.len());
                self.latest_ping = Some(payload.clone());
                match short || idle {
                    true => self.queue.push_back(Frame { first: PONG, payload }),
                    false => self.pings.push(payload),
                }
            }
            Seen::Close { code, reason, .. } => {
                self.heard_out = true;
                self.heard_last_word = true;
                let code = code.map(u16::to_be_bytes);
                let body = code.map_or(vec![], |code| [&code, reason.as_bytes()].concat());
                self.close(&body);
            }
            _ => {}
        }
    }

    fn no_event(&mut self) {
        let reading = &self.reading;
        assert!(self.heard_out || self.seen == reading.events.len() && reading.error().is_none());
        self.heard |= std::mem::take(&mut self.news);
    }

    fn fault(&mut self, error: sansocket::ProtocolError) {
        let reading = &self.reading;
        assert_eq!((self.seen, reading.error()), (reading.events.len(), Some(error)));
        self.heard_out = true;
        self.heard_last_word = true;
        self.close(&u16::from(error.close_code()).to_be_bytes());
    }

    /// The first Close is queued, whatever the limit.
    fn close(&mut self, body: &[u8]) {
        if !std::mem::replace(&mut self.closed, true) {
            self.close_taken = true;
            self.take(Frame::new(CLOSE, body));
        }
    }

    fn command(&mut self, frame: Frame, result: Result<(), SendError>, idle: bool) {
        let len = frame.payload.len();
        match result {
            Ok(()) => {
                assert!(!self.closed);
                let alone = self.waiting() == 0 && len <= self.max_queue;
                self.take(frame);
                assert!(alone || self.waiting() <= self.max_queue, "{} wait", self.waiting());
            }
            Err(SendError::Closed) => assert!(self.closed),
            Err(SendError::MessageTooLarge { len: said, max }) => {
                assert!(!self.closed && len > max);
                assert_eq!((said, max), (len, self.max_queue));
            }
            Err(error) => {
                assert_eq!(error, SendError::QueueFull);
                assert!(len <= self.max_queue);
                // Pongs in the queue take room too: up to a short queue and one more.
                let pongs = SHORT_QUEUE + 139;
                let pings = 6 * (self.due_pings - self.written_pings);
                let at_most = self.waiting() + pongs + pings;
                let too_large = match idle {
                    true => len > self.max_queue,
                    false => at_most + len + 14 > self.max_queue,
                };
                assert!(!self.closed && too_large, "{at_most} {len}");
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        let len = self.len(frame.payload.len());
        self.taken += len;
        self.all_taken += len;
        self.queue.push_back(frame);
    }

    /// Of a frame with a payload of this length.
    fn len(&self, payload: usize) -> usize {
        let mask = if self.is_client() { 4 } else { 0 };
        let header = match payload {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        header + mask + payload
    }

    /// What was taken and not written.
    fn waiting(&self) -> usize {
        let partial = match self.peer.partial() {
            [PONG, ..] => 0,
            // A ping of the keepalive, or one of ours.
            [PING, second, ..] if second & 0x7f == 0 => 0,
            partial => partial.len(),
        };
        (self.taken - self.written).saturating_sub(partial)
    }

    fn wrote(&mut self, bytes: &[u8]) {
        self.peer.take(bytes);
        self.all_written += bytes.len();
        for frame in std::mem::take(&mut self.peer.frames) {
            let len = self.len(frame.payload.len());
            if frame.first == PONG {
                self.pong(frame);
            } else if frame.first == PING && frame.payload.is_empty() {
                self.written_pings += 1;
                self.owes_ping = false;
                assert!(self.written_pings <= self.due_pings);
            } else {
                assert_eq!(Some(frame), self.queue.pop_front());
                self.written += len;
            }
        }
    }

    fn pong(&mut self, frame: Frame) {
        if self.latest_ping.as_ref() == Some(&frame.payload) {
            self.latest_ping = None;
        }
        if self.queue.front() == Some(&frame) {
            self.queue.pop_front();
        } else {
            let ping = self.pings.iter().position(|ping| *ping == frame.payload);
            self.pings.swap_remove(ping.expect("a pong for nothing, or too soon"));
        }
    }

    fn tick(&mut self, now: Instant, idle: bool) -> Result<Option<Instant>, TimedOut> {
        self.now = self.now.max(now);
        let next = self.next_tick(now, idle);
        self.timed_out = next.err();
        self.due = next.unwrap_or(None);
        next
    }

    fn next_tick(&mut self, now: Instant, idle: bool) -> Result<Option<Instant>, TimedOut> {
        if let Some(timed_out) = self.timed_out {
            return Err(timed_out);
        }
        if self.is_finished(idle) {
            return Ok(None);
        }
        let over = |since: Instant, time| now.saturating_duration_since(since) >= time;
        // Our Close is written when nothing but pongs is left in front of nothing.
        let close_written = self.closed && !self.queue.iter().any(|frame| frame.first != PONG);
        if close_written && (self.close_taken || idle) {
            self.closing_since.get_or_insert(now);
        }
        if std::mem::take(&mut self.moved) || idle {
            self.stalled_since = None;
        }
        let mut write = None;
        // Behind the Close there are only pongs.
        if !idle && self.closing_since.is_none() {
            let since = *self.stalled_since.get_or_insert(now);
            if over(since, WRITE_TIMEOUT) {
                return Err(self.time_out(TimedOut::Write));
            }
            write = Some(since + WRITE_TIMEOUT);
        }
        let read = self.next_read_tick(now, idle)?;
        Ok(match (read, write) {
            (Some(read), Some(write)) => Some(read.min(write)),
            (read, write) => read.or(write),
        })
    }

    fn next_read_tick(&mut self, now: Instant, idle: bool) -> Result<Option<Instant>, TimedOut> {
        let over = |since: Instant, time| now.saturating_duration_since(since) >= time;
        if self.heard_out {
            if !idle && self.closing_since.is_none() {
                return Ok(None);
            }
            let since = *self.lingering_since.get_or_insert(now);
            self.lingered = over(since, LINGER);
            return Ok((!self.lingered).then_some(since + LINGER));
        }
        if self.closed {
            let Some(since) = self.closing_since else {
                return Ok(None);
            };
            return match over(since, CLOSE_TIMEOUT) {
                true => Err(self.time_out(TimedOut::Close)),
                false => Ok(Some(since + CLOSE_TIMEOUT)),
            };
        }
        if !self.keepalive {
            return Ok(None);
        }
        if std::mem::take(&mut self.heard) || self.silent_since.is_none() {
            self.silent_since = Some(now);
            self.pinged = None;
        }
        let since = self.silent_since.unwrap();
        match self.pinged {
            None if over(since, PING_AFTER) => {
                self.pinged = Some(now);
                self.due_pings += 1;
                self.owes_ping = true;
                self.all_taken += self.len(0);
                Ok(Some(now + GIVE_UP_AFTER))
            }
            None => Ok(Some(since + PING_AFTER)),
            Some(pinged) if over(pinged, GIVE_UP_AFTER) => Err(self.time_out(TimedOut::Silence)),
            Some(pinged) => Ok(Some(pinged + GIVE_UP_AFTER)),
        }
    }

    fn time_out(&mut self, timed_out: TimedOut) -> TimedOut {
        self.heard_out = true;
        self.closed = true;
        timed_out
    }

    /// An error says whether something was under way.
    fn eof(&mut self) -> Result<(), bool> {
        self.closed = true;
        self.ended = true;
        match std::mem::replace(&mut self.heard_out, true) {
            true => Ok(()),
            false => match &self.reading.end {
                End::Open { mid_message } => Err(*mid_message),
                end => panic!("{end:?}"),
            },
        }
    }

    /// Whether all that was taken is written.
    fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.peer.partial().is_empty()
            && self.latest_ping.is_none()
            && !self.owes_ping
    }

    fn check(&mut self, idle: bool) {
        if self.timed_out == Some(TimedOut::Write) {
            // Half a frame may be out: nothing follows it.
            assert!(idle);
        } else if idle {
            assert!(self.is_idle(), "something was forgotten");
            self.pings.clear();
            // Some fell due while another waited already: one for all.
            self.due_pings = self.written_pings;
            self.all_taken = self.all_written;
        } else {
            assert!(self.all_taken > self.all_written, "pending out of nothing");
        }
    }

    fn is_finished(&self, idle: bool) -> bool {
        self.timed_out.is_some() || self.lingered || self.ended && idle
    }
}
