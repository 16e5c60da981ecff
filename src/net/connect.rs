//! The client's opening handshake over a socket.

use std::borrow::Borrow;

use super::accept::open_as;
use super::handshake::{LONG, prepare, step};
use super::receiver::Receiver;
use super::sender::Sender;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::Config;
use crate::error::Error;
use crate::handshake::Connector;
use crate::handshake::client::{self, Request, Response};

/// The two halves of a connection, and the server's answer, such as for its cookies.
pub type Connected<S> = (Sender<S>, Receiver<S>, Response);

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
/// Only one connection to a host should be in this state at a time (RFC 6455 §4.1): a program that opens many
/// at once takes turns. This call knows of no others.
///
/// # Errors
///
/// [`Error::Connect`] if the server refuses or answers wrongly, and, before a byte is sent, if the URL is a
/// `wss` one and the transport is not [secure](Transport::is_secure); [`Error::TimedOut`] if it takes longer
/// than [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout); [`Error::Disconnected`] and
/// [`Error::Io`] if the socket ends or fails.
pub fn connect<S: Transport>(
    stream: S,
    request: &Request,
    config: impl Borrow<Config>,
) -> Result<Connected<S>, Error> {
    connect_with(stream, Buffer::new(), request, config.borrow())
}

/// The same over a socket from which bytes were read before.
pub(super) fn connect_with<S: Transport>(
    stream: S,
    mut input: Buffer,
    request: &Request,
    config: &Config,
) -> Result<Connected<S>, Error> {
    if request.is_secure() && !stream.is_secure() {
        return Err(client::Error::Insecure.into());
    }
    prepare(&stream, config)?;
    let mut connector = Connector::new(request.clone(), config);
    let response = loop {
        match connector.next(&mut input)? {
            Some(response) => break response,
            None => step(&stream, connector.exchange(), &mut input, LONG)?,
        }
    };
    let connection = connector.connect()?;
    let (sender, receiver) = open_as(stream, connection, input, None, config)?;
    Ok((sender, receiver, response))
}
