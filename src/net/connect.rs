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
use crate::handshake::client::{Request, Response};

/// Opens a WebSocket over a connected socket: the client's side, after TLS if it is to be secure.
///
/// ```no_run
/// use std::net::TcpStream;
/// use sansocket::{Config, handshake::client, net};
///
/// let request = client::Request::new("ws://localhost:9001/chat")?;
/// let stream = TcpStream::connect((request.host(), request.port()))?;
/// let (sender, mut receiver, _) = net::connect(stream, &request, Config::default())?;
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
/// [`Error::Connect`] if the server refuses or answers wrongly; [`Error::TimedOut`] if it takes longer
/// than [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout); [`Error::Disconnected`] and
/// [`Error::Io`] if the socket ends or fails.
pub fn connect<S: Transport>(
    stream: S,
    request: &Request,
    config: impl Borrow<Config>,
) -> Result<(Sender<S>, Receiver<S>, Response), Error> {
    let config = config.borrow();
    let deadline = Instant::now() + Duration::from(config.handshake_timeout);
    stream.set_write_timeout(Some(WRITE_SLICE))?;
    write_all(&stream, &request.to_bytes(), |_| Instant::now() >= deadline)?;
    let mut input = Buffer::new();
    let response = loop {
        match request.verify(&mut input, config)? {
            Some(response) => break response,
            None => read_until(deadline, &stream, &mut input)?,
        }
    };
    let (sender, receiver) = open_as(Role::Client, stream, input, config)?;
    Ok((sender, receiver, response))
}
