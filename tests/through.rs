//! Messages that go past the queue, to writers of every kind.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Instant;

use common::session::Session;
use common::wire::{self, BINARY, CLOSE, PING, PONG, TEXT};
use sansocket::{
    Buffer, CloseCode, Config, Connection, Prepared, Replies, SendError, WriteHalf, Written,
};

/// Takes so many bytes, in one write, and then no more.
struct Takes {
    room: usize,
    taken: Vec<u8>,
    writes: usize,
}

impl Takes {
    fn new(room: usize) -> Self {
        Self { room, taken: vec![], writes: 0 }
    }
}

impl Write for Takes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes += 1;
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let all = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let n = all.len().min(self.room);
        self.room -= n;
        self.taken.extend_from_slice(&all[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// IO-02: one write, and nothing is kept
#[test]
fn a_willing_writer_gets_all_of_it_at_once() {
    let mut connection = Connection::server(Config::default());
    let mut writer = Takes::new(usize::MAX);
    connection.send("before").unwrap();
    connection.send_to(&mut writer, &[7; 70_000]).unwrap();
    assert_eq!((connection.pending(), writer.writes), (&[][..], 1));
    connection.send_to(&mut writer, "").unwrap();
    connection.send_prepared_to(&mut writer, &Prepared::new("prepared")).unwrap();
    assert_eq!((connection.pending(), writer.writes), (&[][..], 3));
    let wanted = [
        wire::server(TEXT, b"before"),
        wire::server(BINARY, &[7; 70_000]),
        wire::server(TEXT, b""),
        wire::server(TEXT, b"prepared"),
    ];
    assert!(writer.taken == wanted.concat());
}

// IO-02, IO-11, CL-05: wherever the writer stops, the rest waits, and a pong waits for its end
#[test]
fn a_writer_may_stop_anywhere() {
    let payload: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let (before, frame) = (wire::server(TEXT, b"before"), wire::server(BINARY, &payload));
    for prepared in [false, true] {
        for room in 0..=before.len() + frame.len() {
            let mut session = Session::new();
            let mut writer = Takes::new(room);
            session.connection.send("before").unwrap();
            if prepared {
                let message = Prepared::new(&payload);
                session.connection.send_prepared_to(&mut writer, &message).unwrap();
            } else {
                session.connection.send_to(&mut writer, &payload).unwrap();
            }
            assert_eq!(writer.taken.len(), room);
            assert!(writer.writes <= 2, "once until it stops");
            session.connection.send("after").unwrap();
            session.events(&wire::client(PING, b"overtakes"));
            let output = [writer.taken, session.output()].concat();
            let after = wire::server(TEXT, b"after");
            let pong = wire::server(PONG, b"overtakes");
            let orders = [
                [&pong, &before, &frame, &after],
                [&before, &pong, &frame, &after],
                [&before, &frame, &pong, &after],
                [&before, &frame, &after, &pong],
            ];
            let order = orders.iter().position(|order| order.iter().copied().flatten().eq(&output));
            // It never comes later than it has to.
            let waiting = before.len() + frame.len() - room + after.len();
            let soonest = match room {
                _ if waiting <= 1024 => 3,
                0 => 0,
                room if room <= before.len() => 1,
                _ => 2,
            };
            assert_eq!(order, Some(soonest), "{room}");
        }
    }
}

// IO-04, IO-05: what a writer says to it is seen with the next write
#[test]
fn a_writer_that_fails_leaves_all_of_it() {
    struct Fails(Vec<io::Result<usize>>);
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.0.pop().unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let frame = wire::server(TEXT, b"message");
    for kind in [ErrorKind::WouldBlock, ErrorKind::BrokenPipe, ErrorKind::TimedOut] {
        let mut connection = Connection::server(Config::default());
        connection.send_to(&mut Fails(vec![Err(kind.into())]), "message").unwrap();
        assert_eq!(connection.pending(), frame);
    }
    // A claim that cannot be true says nothing.
    for (claim, left) in [(0, 9), (1, 8), (8, 1), (9, 0), (10, 9), (usize::MAX, 9)] {
        let mut connection = Connection::server(Config::default());
        let interrupted = Err(ErrorKind::Interrupted.into());
        connection.send_to(&mut Fails(vec![Ok(claim), interrupted]), "message").unwrap();
        assert_eq!(connection.pending(), &frame[9 - left..]);
    }
}

// CL-05: a pong that waits already goes first
#[test]
fn urgent_pongs_stay_ahead() {
    for prepared in [false, true] {
        let mut session = Session::new();
        session.connection.send(&[1; 2000]).unwrap();
        session.events(&wire::client(PING, b"overtakes"));
        let mut writer = Takes::new(usize::MAX);
        if prepared {
            session.connection.send_prepared_to(&mut writer, &Prepared::new("last")).unwrap();
        } else {
            session.connection.send_to(&mut writer, "last").unwrap();
        }
        let output = writer.taken;
        let wanted = [
            wire::server(PONG, b"overtakes"),
            wire::server(BINARY, &[1; 2000]),
            wire::server(TEXT, b"last"),
        ];
        assert!(output == wanted.concat());
    }
}

// L-07, CL-18: refused before anything is written
#[test]
fn messages_beyond_the_queue_are_not_written() {
    let config = Config::builder().max_message(100).max_queue(200).build().unwrap();
    let mut connection = Connection::server(&config);
    let mut writer = Takes::new(usize::MAX);
    let (long, prepared) = ([0; 201], Prepared::new(&[0; 201]));
    let too_large = Err(SendError::MessageTooLarge { len: 201, max: 200 });
    assert_eq!(connection.send_to(&mut writer, &long), too_large);
    assert_eq!(connection.send_prepared_to(&mut writer, &prepared), too_large);
    connection.send_to(&mut writer, &[0; 200]).unwrap();
    assert_eq!(writer.writes, 1);

    connection.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(connection.send_to(&mut writer, "late"), Err(SendError::Closed));
    let late = Prepared::new("late");
    assert_eq!(connection.send_prepared_to(&mut writer, &late), Err(SendError::Closed));
    assert_eq!(writer.writes, 1);
    assert_eq!(connection.pending(), wire::server(CLOSE, b"\x03\xe8"));
}

// Clients mask what they send, whichever way it goes
#[cfg(feature = "client")]
#[test]
fn a_client_masks() {
    use sansocket::{Event, Message};

    let mut client = Connection::client(Config::default());
    let mut writer = Takes::new(usize::MAX);
    client.send_to(&mut writer, &[7; 10_000]).unwrap();
    client.send_prepared_to(&mut writer, &Prepared::new("prepared")).unwrap();
    assert_eq!((client.pending(), writer.writes), (&[][..], 2));

    let mut server = Connection::server(Config::default());
    let mut input = Buffer::new();
    input.extend(&writer.taken);
    let event = server.next_event(&mut input).unwrap();
    assert_eq!(event, Some(Event::Message(Message::Binary(&[7; 10_000]))));
    let event = server.next_event(&mut input).unwrap();
    assert_eq!(event, Some(Event::Message(Message::Text("prepared"))));
}

/// What arrives when a message is begun and then written.
fn begun(write: &mut WriteHalf, payload: &[u8]) -> Vec<u8> {
    let mut taken = vec![];
    let mut unsent = write.begin(payload).unwrap();
    let written = write.write_with(&mut unsent, |slices| taken.write_vectored(slices));
    assert_eq!(written.unwrap(), Written::All);
    taken
}

// IO-02: up to 8 KiB, a copy costs less than a slice of its own
#[test]
fn short_messages_are_queued_and_long_ones_lie_where_they_are() {
    for (len, queued) in [(0, true), (8192, true), (8193, false), (70_000, false)] {
        let (_, mut write) = Connection::server(Config::default()).split();
        let payload = vec![7; len];
        assert!(begun(&mut write, &payload) == wire::server(BINARY, &payload));
        let _ = write.begin(&payload).unwrap();
        assert_eq!(!write.pending().is_empty(), queued, "{len}");
    }
}

// IO-02, CL-05: what is queued meanwhile waits for its end, and no longer
#[test]
fn a_message_that_is_written_from_where_it_lies_is_not_interrupted() {
    let payload = vec![7; 10_000];
    let (before, frame) = (wire::server(TEXT, b"before"), wire::server(BINARY, &payload));
    let pong = wire::server(PONG, b"?");
    for room in (0..30).chain([5000, before.len() + frame.len() - 1]) {
        let (mut read, mut write) = Connection::server(Config::default()).split();
        let (mut input, mut replies, now) = (Buffer::new(), Replies::new(), Instant::now());
        let mut writer = Takes::new(room);
        write.send("before").unwrap();
        let mut unsent = write.begin(&payload).unwrap();
        let written = write.write_with(&mut unsent, |slices| writer.write_vectored(slices));
        assert_eq!((written.unwrap(), writer.taken.len()), (Written::Blocked, room));
        assert!(write.tick(now).unwrap().is_some(), "it waits");
        input.extend(&wire::client(PING, b"?"));
        let _ = read.advance(&mut input, &mut replies).unwrap();
        write.reply(&mut replies);

        writer.room = usize::MAX;
        let written = write.write_with(&mut unsent, |slices| writer.write_vectored(slices));
        assert_eq!((written.unwrap(), write.queued()), (Written::All, 0));
        assert_eq!(write.tick(now), Ok(None), "nothing waits");
        let wanted = match room <= before.len() {
            true => [&before[..], &pong, &frame],
            false => [&before[..], &frame, &pong],
        };
        assert!(writer.taken == wanted.concat(), "{room}");
    }
}
