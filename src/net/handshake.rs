//! Drives an opening handshake over a socket: writes what it has to say, waits, and reads.

use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::Config;
use crate::encoder::Written;
use crate::error::{Error, TimedOut, is_timeout};
use crate::handshake::Exchange;

/// How long one write waits for the peer before the deadlines are looked at.
const WRITE_SLICE: Duration = Duration::from_millis(100);

/// As long as the deadlines allow.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// Prepares the socket.
///
/// # Errors
///
/// It has no timeouts.
pub(super) fn prepare<S: Transport>(stream: &S, config: &Config) -> io::Result<()> {
    let slice = match stream.resumes_writes() {
        true => WRITE_SLICE,
        false => config.write_timeout.into(),
    };
    stream.set_write_timeout(Some(slice))
}

/// Does what is to be done next, and waits for it once, for at most `longest`: writes, or reads.
///
/// # Errors
///
/// A deadline has passed, or the socket has ended or failed.
pub(super) fn step<S: Transport>(
    stream: &S,
    exchange: &mut Exchange,
    input: &mut Buffer,
    longest: Duration,
) -> Result<(), Error> {
    let result = try_step(stream, exchange, input, longest);
    match result {
        Err(Error::Io(_)) if exchange.fail() => Ok(()),
        result => result,
    }
}

fn try_step<S: Transport>(
    stream: &S,
    exchange: &mut Exchange,
    input: &mut Buffer,
    longest: Duration,
) -> Result<(), Error> {
    let due = exchange.tick(Instant::now())?;
    if exchange.is_finished() {
        return Ok(());
    }
    // What the transport holds goes first: that some of it has gone is seen before it takes more.
    if !exchange.is_flushed() {
        return flush(stream, exchange);
    }
    if !exchange.pending().is_empty() {
        exchange.set_unflushed();
        return match exchange.write_with(|slices| stream.write(slices))? {
            Written::Blocked if !stream.resumes_writes() => Err(TimedOut::Write.into()),
            Written::Blocked | Written::All => flush(stream, exchange),
        };
    }
    if exchange.wants_shutdown() {
        let _ = stream.shutdown(Shutdown::Write);
        exchange.shut_down();
    }
    let wait = due.map_or(longest, |due| due.saturating_duration_since(Instant::now()));
    // A timeout of less than a millisecond might be taken for none.
    stream.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), longest)))?;
    match input.read_with(|space| stream.read(space)) {
        Ok(0) => Ok(exchange.eof()?),
        Ok(_) => Ok(()),
        Err(error) if is_timeout(&error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn flush<S: Transport>(stream: &S, exchange: &mut Exchange) -> Result<(), Error> {
    match exchange.flush_with(|| stream.flush())? {
        Written::Blocked if !stream.resumes_writes() => Err(TimedOut::Write.into()),
        Written::Blocked | Written::All => Ok(()),
    }
}

/// After the last word: writes it, and gives the client time to read it and to end its side. Closing the
/// socket with unread input would reset the connection, and the client might never see it.
pub(super) fn linger<S: Transport>(stream: &S, exchange: &mut Exchange) {
    let mut discarded = Buffer::new();
    while !exchange.is_finished() && step(stream, exchange, &mut discarded, LONG).is_ok() {
        discarded.consume(usize::MAX);
    }
    let _ = stream.shutdown(Shutdown::Both);
}
