//! How much memory a connection takes.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(all(feature = "mio", feature = "rustls"))]
#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "the tests of TLS use the rest")]
mod authority;
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "deflate")]
mod compressed;
#[cfg(feature = "mio")]
mod event_loop;
mod floods;
mod heap;
mod idle;
mod messages;
#[cfg(all(feature = "mio", feature = "rustls"))]
mod secure;
#[cfg(feature = "tokio")]
mod tasks;
mod threads;
#[cfg(feature = "mio")]
mod topics;

use std::io::Read;

use common::session::Session;
use sansocket::{Buffer, Connection, Event, ProtocolError};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Receives all that `reader` has and echoes the messages; all of it is written at once.
fn echo(connection: &mut Connection, input: &mut Buffer, mut reader: impl Read) -> usize {
    let mut messages = 0;
    while input.read_from(&mut reader).unwrap() > 0 {
        while let Some(event) = connection.next_event(input).unwrap() {
            if let Event::Message(message) = event {
                connection.send(message).unwrap();
                messages += 1;
            }
        }
        while !connection.pending().is_empty() {
            connection.sent(connection.pending().len());
        }
    }
    messages
}

/// Receives without a look at what it is.
fn swallow(session: &mut Session, bytes: &[u8]) -> Result<(), ProtocolError> {
    session.input.extend(bytes);
    while session.connection.next_event(&mut session.input)?.is_some() {}
    Ok(())
}
