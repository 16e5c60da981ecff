//! The client's opening handshake over a stream.

use std::borrow::Borrow;
use std::future::Future;

use super::accept::{Halves, open_as};
use super::handshake::step;
use super::receiver::Receiver;
use super::sender::Sender;
use super::spare::Input;
use super::timer::Timer;
use super::transport::{Transport, is_plain};
use crate::config::Config;
use crate::error::Error;
use crate::handshake::Connector;
use crate::handshake::client::{self, Request, Response};

/// The two halves of a connection, and the server's answer, such as for its cookies.
pub type Connected<S> = (Sender<S>, Receiver<S>, Response);

/// Opens a WebSocket over a connected stream: the client's side, after TLS if it is to be secure.
///
/// ```no_run
/// use sansocket::{Config, handshake::client};
/// use tokio::net::TcpStream;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = client::Request::new("ws://localhost:9001/chat")?;
/// let stream = TcpStream::connect((request.host(), request.port())).await?;
/// let connecting = sansocket::tokio::connect(stream, &request, Config::default());
/// let (sender, mut receiver, _) = connecting.await?;
/// sender.send("Hello").await?;
/// println!("{:?}", receiver.recv().await?);
/// # Ok(())
/// # }
/// ```
///
/// Only one connection to a host should be in this state at a time (RFC 6455 §4.1): a program that opens many
/// at once takes turns. This call knows of no others. If the future is dropped, so is the stream.
///
/// # Errors
///
/// [`Error::Connect`] if the server refuses or answers wrongly, and, before a byte is sent, if the URL is a
/// `wss` one and the stream a plain `TcpStream` or `UnixStream`; of other streams it is taken for granted that nobody
/// reads along. [`Error::TimedOut`] if it takes longer than
/// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout); [`Error::Disconnected`] and [`Error::Io`] if
/// the stream ends or fails.
pub fn connect<S: Transport>(
    stream: S,
    request: &Request,
    config: impl Borrow<Config>,
) -> impl Future<Output = Result<Connected<S>, Error>> {
    Box::pin(connect_with(stream, Input::new(None), request.clone(), config.borrow().clone()))
}

/// The same over a stream from which bytes were read before.
pub(super) async fn connect_with<S: Transport>(
    mut stream: S,
    mut input: Input,
    request: Request,
    config: Config,
) -> Result<Connected<S>, Error> {
    if request.is_secure() && is_plain(&stream) {
        return Err(client::Error::Insecure.into());
    }
    let mut connector = Connector::new(request, &config);
    let mut timer = Timer::default();
    let response = loop {
        match connector.next(input.buffer())? {
            Some(response) => break response,
            None => step(&mut stream, connector.exchange(), &mut input, &mut timer).await?,
        }
    };
    let connection = connector.connect()?;
    let (sender, receiver): Halves<S> =
        open_as(stream, connection, input.into_rest(), None, &config);
    Ok((sender, receiver, response))
}
