//! What is left over when one buffer serves many connections: taken out of it, and given back.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use common::rng::Rng;
use common::session::{Seen, Session};
use common::wire::{self, BINARY, CONTINUATION, MORE, PING, TEXT};
use sansocket::{Buffer, Config, Connection, Event, Message};

// FR-20: at every byte, in every kind of unfinished business
#[test]
fn detached_input_goes_on_where_it_stopped() {
    let bytes = [
        wire::client(TEXT, b"Hello"),
        wire::client(TEXT & MORE, b"frag"),
        wire::client(PING, b"between"),
        wire::client(CONTINUATION & MORE, b"men"),
        wire::client(CONTINUATION, b"ted"),
        wire::client(BINARY, &[5; 300]),
    ]
    .concat();
    let wanted = [
        Seen::text("Hello"),
        Seen::ping("between"),
        Seen::text("fragmented"),
        Seen::binary([5; 300]),
    ];
    for spare in [0, 100_000] {
        for cut in 0..=bytes.len() {
            for attach in [false, true] {
                let mut session = Session::new();
                session.input.extend(&vec![0; spare]);
                session.input.consume(spare);
                let mut seen = session.events(&bytes[..cut]);
                let mut rest = session.input.detach();
                assert!(session.input.is_empty());
                assert_eq!(session.input.unread(), []);
                if attach {
                    let capacity = session.input.capacity();
                    let unread = rest.unread().to_vec();
                    assert_eq!(session.input.attach(&mut rest).unread(), unread);
                    assert!(rest.is_empty() && session.input.capacity() <= capacity.max(4096));
                } else {
                    session.input = rest;
                }
                seen.extend(session.events(&bytes[cut..]));
                assert_eq!(seen, wanted, "{cut}");
            }
        }
    }
}

// FR-20: a long rest is not copied, and nothing is mixed
#[test]
fn a_long_rest_is_resumed_where_it_is() {
    let (mut shared, mut rest) = (Buffer::new(), Buffer::new());
    for (len, moves) in [(1, true), (4096, true), (4097, false), (5000, false)] {
        rest.extend(&vec![7; len]);
        let before = rest.unread().as_ptr();
        let input = shared.attach(&mut rest);
        assert!(input.unread() == vec![7; len]);
        assert_eq!(input.unread().as_ptr() != before, moves, "{len}");
        input.consume(len);
        assert!(rest.is_empty());
    }
    assert!(shared.attach(&mut rest).is_empty());
    shared.extend(b"another's");
    rest.extend(b"own");
    assert_eq!(shared.attach(&mut rest).unread(), b"own");
    assert_eq!(shared.unread(), b"another's");
}

// RE-01: a small rest leaves the shared memory where it is, a large one takes it along
#[test]
fn detaching_copies_little() {
    let mut shared = Buffer::new();
    shared.extend(&[0; 100_000]);
    shared.consume(99_990);
    let rest = shared.detach();
    assert_eq!((rest.unread(), rest.capacity()), (&[0; 10][..], 10));
    assert!(shared.capacity() >= 100_000);

    shared.extend(&[1; 90_000]);
    let rest = shared.detach();
    assert_eq!(rest.unread(), [1; 90_000]);
    assert!(rest.capacity() >= 100_000);
    assert_eq!(shared.capacity(), 0);
    assert_eq!(shared.detach().capacity(), 0);
}

// FR-15: also of a frame that began in another buffer
#[test]
fn missing_bytes_are_known_after_detaching() {
    let mut session = Session::new();
    assert_eq!(session.events(&wire::declare(BINARY, 300)), []);
    assert_eq!(session.input.detach().space().len(), 300 + 1);
}

// FR-15: a length that one connection announces is no guess at the frames of another
#[test]
fn an_announced_length_stays_with_its_connection() {
    const MIB: u64 = 1024 * 1024;
    let config = Config::builder().max_message(256 * 1024 * 1024).build().unwrap();
    let (mut one, mut other) = (Connection::server(&config), Connection::server(&config));
    let mut shared = Buffer::new();
    let small = wire::client(TEXT, b"hi");
    shared.extend(&small[..7]);
    assert_eq!(other.next_event(&mut shared), Ok(None));
    let mut of_other = shared.detach();

    shared.extend(&wire::declare(BINARY, 200 * MIB));
    assert_eq!(one.next_event(&mut shared), Ok(None));
    let of_one = shared.detach();

    let input = shared.attach(&mut of_other);
    input.extend(&small[7..]);
    assert_eq!(other.next_event(input), Ok(Some(Event::Message(Message::Text("hi")))));
    assert!(shared.is_empty() && !shared.space().is_empty());

    let arrived = 14 + small.len();
    let held = shared.capacity() + of_one.capacity() + of_other.capacity();
    assert!(held <= 2 * arrived + 64 * 1024, "{held} bytes are held");
}

// RE-05, PR3: what nobody has looked at yet is news to its own connection, and to no other
#[test]
fn arrivals_are_noticed_by_their_own_connection() {
    const SECOND: Duration = Duration::from_secs(1);
    for resumed in [false, true] {
        let (mut one, mut other, start) = (Session::new(), Session::new(), Instant::now());
        for session in [&mut one, &mut other] {
            session.connection.tick(start).unwrap();
        }
        let mut shared = Buffer::new();
        shared.extend(&[TEXT]);
        let mut rest = shared.detach();
        assert_eq!(other.connection.next_event(&mut shared), Ok(None));
        let input = if resumed { shared.attach(&mut rest) } else { &mut rest };
        assert_eq!(one.connection.next_event(input), Ok(None));
        for (session, pings) in [(&mut one, false), (&mut other, true)] {
            session.connection.tick(start + 30 * SECOND).unwrap();
            assert_eq!(!session.connection.pending().is_empty(), pings);
        }
    }
}

// RE-05: to wake up for nothing is no sign of life
#[test]
fn attached_input_is_not_news() {
    const SECOND: Duration = Duration::from_secs(1);
    let (mut session, start) = (Session::new(), Instant::now());
    assert_eq!(session.events(&[TEXT]), []);
    session.connection.tick(start).unwrap();
    let (mut shared, mut rest) = (Buffer::new(), session.input.detach());
    let input = shared.attach(&mut rest);
    assert_eq!(session.connection.next_event(input), Ok(None));
    session.connection.tick(start + 30 * SECOND).unwrap();
    assert_eq!(session.connection.pending(), b"\x89\0");
}

// FR-20: an unfinished message in the shared buffer, of which no byte is unread
#[test]
fn unfinished_messages_do_not_mix() {
    let (mut one, mut two) = (Session::new(), Session::new());
    assert_eq!(one.events(&wire::client(TEXT & MORE, b"one")), []);
    assert_eq!(two.events(&wire::client(TEXT & MORE, b"two")), []);
    let input = one.input.attach(&mut two.input);
    input.extend(&wire::client(CONTINUATION, b"!"));
    let event = two.connection.next_event(input);
    assert_eq!(event, Ok(Some(Event::Message(Message::Text("two!")))));
}

/// One of many connections of an event loop.
struct Client {
    connection: Connection,
    /// What the shared buffer could not keep.
    own: Option<Buffer>,
    sends: VecDeque<Vec<u8>>,
    seen: Vec<Seen>,
    wanted: Vec<Seen>,
}

impl Client {
    fn turn(&mut self, shared: &mut Buffer, bytes: &[u8]) {
        let mut reader = bytes;
        while !reader.is_empty() {
            let input = self.own.as_mut().unwrap_or(shared);
            input.read_from(&mut reader).unwrap();
            while let Some(event) = self.connection.next_event(input).unwrap() {
                if let Event::Message(Message::Text(text)) = event {
                    self.connection.send(text).unwrap();
                }
                self.seen.push(event.into());
            }
            self.connection.sent(self.connection.pending().len());
            match (self.own.is_some(), self.own.as_ref().unwrap_or(shared).is_empty()) {
                (false, false) => self.own = Some(shared.detach()),
                (true, true) => self.own = None,
                _ => {}
            }
        }
    }
}

// FR-20, IO-01, PR3, RE-01: as the event loop among the examples does it
#[test]
fn many_connections_share_a_buffer() {
    let mut rng = Rng::new(3);
    let config = Config::default();
    let mut shared = Buffer::new();
    let mut clients: Vec<Client> = (0..20)
        .map(|_| {
            let (mut sends, mut wanted) = (VecDeque::new(), vec![]);
            for _ in 0..60 {
                let len = [3, 200, 9000][rng.below(3)];
                let text = rng.text(len);
                let (a, b) = text.as_bytes().split_at(rng.below(text.len()));
                sends.push_back(wire::masked(TEXT & MORE, rng.key(), a));
                sends.push_back(wire::masked(CONTINUATION, rng.key(), b));
                wanted.push(Seen::Text(text));
            }
            let connection = Connection::server(&config);
            Client { connection, own: None, sends, seen: vec![], wanted }
        })
        .collect();
    while clients.iter().any(|client| !client.sends.is_empty()) {
        let chosen = rng.below(clients.len());
        let client = &mut clients[chosen];
        let Some(mut frame) = client.sends.pop_front() else { continue };
        let now = 1 + rng.below(frame.len());
        let later = frame.split_off(now);
        client.turn(&mut shared, &frame);
        if !later.is_empty() {
            client.sends.push_front(later);
        }
        assert!(shared.is_empty());
    }
    for client in &clients {
        assert!(client.own.is_none());
        assert!(client.seen == client.wanted);
    }
}

// RE-05: where connections share a buffer
#[test]
fn unread_bytes_of_a_failed_connection_are_no_sign_of_life_of_the_next() {
    const SECOND: Duration = Duration::from_secs(1);
    let (mut failed, mut session, start) = (Session::new(), Session::new(), Instant::now());
    session.connection.tick(start).unwrap();
    session.input.extend(b"\xff");
    for _ in 0..2 {
        assert!(failed.connection.next_event(&mut session.input).is_err());
    }
    assert!(session.input.is_empty());
    assert_eq!(session.events(b""), []);
    let ping = start + 30 * SECOND;
    assert_eq!(session.connection.tick(start + SECOND), Ok(Some(ping)));
}
