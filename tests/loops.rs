//! A connection in a loop of the application's own, as the documentation shows it.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::error::Error;
use std::io::{self, Read, Write};

use common::wire::{self, BINARY, CLOSE, CONTINUATION, MORE, TEXT};
use sansocket::{Buffer, Config, Connection, Event};

/// Has some input, and then the end.
struct Socket<'a> {
    input: &'a [u8],
    output: Vec<u8>,
}

impl Read for Socket<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.input.read(space)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Echoes. A fault is told when its answer is written.
fn serve(socket: &mut Socket<'_>, config: &Config) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::server(config);
    let mut input = Buffer::new();
    while !connection.is_finished() {
        if input.read_from(socket)? == 0 {
            connection.eof()?;
        }
        let fault = echo(&mut connection, &mut input);
        while !connection.pending().is_empty() {
            let n = socket.write(connection.pending())?;
            connection.sent(n);
        }
        fault?;
    }
    Ok(())
}

fn echo(connection: &mut Connection, input: &mut Buffer) -> Result<(), Box<dyn Error>> {
    while let Some(event) = connection.next_event(input)? {
        if let Event::Message(message) = event {
            connection.send(message)?;
        }
    }
    Ok(())
}

// each fault has its answer on the wire
#[test]
fn a_loop_writes_the_answer_to_a_fault() {
    let faults = [
        (b"\x81\x02hi".to_vec(), 1002),
        (wire::client(TEXT, b"\xff"), 1007),
        (wire::declare(BINARY, 1 << 21), 1009),
    ];
    for (input, code) in faults {
        let mut socket = Socket { input: &input, output: vec![] };
        serve(&mut socket, &Config::default()).unwrap_err();
        assert_eq!(socket.output, wire::failure(code));
    }
}

// RE-06: what may be received at once may be answered at once
#[test]
fn a_loop_can_echo_a_message_near_the_limit_and_those_behind_it() {
    const MEBI: usize = 1 << 20;
    for last in [1, 10, 1000, 100_000] {
        // The read that has the last fragment may have all that is behind it, too.
        let large = vec![7; MEBI];
        let (begin, end) = large.split_at(MEBI - last);
        let input = [
            wire::client(BINARY & MORE, begin),
            wire::client(CONTINUATION, end),
            wire::client(BINARY, &[9; 100]).repeat(1000),
            wire::client(CLOSE, b""),
        ];
        let output = [
            wire::server(BINARY, &large),
            wire::server(BINARY, &[9; 100]).repeat(1000),
            wire::server(CLOSE, b""),
        ];
        let mut socket = Socket { input: &input.concat(), output: vec![] };
        let served = serve(&mut socket, &Config::default());
        assert!(served.is_ok(), "a last fragment of {last}: {served:?}");
        assert!(socket.output == output.concat());
    }
}

// RE-10: as a buffer that is told too much
#[test]
fn more_than_is_pending_may_be_said_to_be_sent() {
    let mut connection = Connection::server(Config::default());
    for message in ["", "hello"] {
        connection.send(message).unwrap();
        connection.sent(1);
        connection.sent(usize::MAX);
        assert_eq!(connection.pending(), []);
        connection.sent(usize::MAX);
    }
    connection.send("again").unwrap();
    assert_eq!(connection.pending(), b"\x81\x05again");
}
