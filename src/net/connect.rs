//! The client's opening handshake over a socket.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use super::accept::{open_as, read_until, write_all};
use super::error::Error;
use super::link::WRITE_SLICE;
use super::receiver::Receiver;
use super::sender::Sender;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::{Config, Role};
use crate::handshake::{Accepted, Offer};

/// Opens a WebSocket over a connected socket: the client's side, after TLS if it is to be secure.
///
/// ```no_run
/// use std::net::TcpStream;
/// use sansocket::{Config, handshake::Offer, net};
///
/// let offer = Offer::new("ws://localhost:9001/chat")?;
/// let stream = TcpStream::connect((offer.host(), offer.port()))?;
/// let (sender, mut receiver, _) = net::connect(stream, &offer, Config::default())?;
/// sender.send("Hello")?;
/// println!("{:?}", receiver.recv()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Only one connection to a host should be in this state at a time (RFC 6455 §4.1): who opens many
/// at once takes turns. This call knows of no others.
///
/// # Errors
///
/// [`Error::Verify`] if the server refuses or answers wrongly; [`Error::TimedOut`] if it takes longer
/// than [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout); [`Error::Aborted`] and
/// [`Error::Io`] if the socket ends or fails.
pub fn connect<S: Transport>(
    stream: S,
    offer: &Offer,
    config: impl Borrow<Config>,
) -> Result<(Sender<S>, Receiver<S>, Accepted), Error> {
    let config = config.borrow();
    let deadline = Instant::now() + Duration::from(config.handshake_timeout);
    stream.set_write_timeout(Some(WRITE_SLICE))?;
    write_all(&stream, &offer.to_bytes(), |_| Instant::now() >= deadline)?;
    let mut input = Buffer::new();
    let accepted = loop {
        match offer.verify(&mut input, config)? {
            Some(accepted) => break accepted,
            None => read_until(deadline, &stream, &mut input)?,
        }
    };
    let (sender, receiver) = open_as(Role::Client, stream, input, config)?;
    Ok((sender, receiver, accepted))
}
