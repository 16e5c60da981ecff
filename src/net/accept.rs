//! The server's opening handshake over a socket.

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::handshake::{LONG, linger, prepare, step};
use super::link::Link;
use super::receiver::Receiver;
use super::sender::Sender;
use super::stream::Stream;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::{Error, TimedOut};
use crate::handshake::{
    self, Acceptor, Exchange, Head, Request, Response, ResponseError, Unanswered,
};

pub(super) type Opened<S> = Box<dyn FnOnce(&Sender<S>, &mut Receiver<S>) + Send>;

/// The two halves of a connection.
type Halves<S> = (Sender<S>, Receiver<S>);

/// Accepts every request of the right form: reads it, checks it, and answers it. No
/// subprotocol is agreed to; see [`Upgrade`] for more say.
///
/// # Errors
///
/// [`Error::Handshake`] if the request was refused, plain HTTP among it;
/// [`Error::TimedOut`] if it took too long; [`Error::Disconnected`] if the peer went away; [`Error::Io`]
/// if the socket failed. What could be answered has been.
pub fn accept<S: Transport>(stream: S, config: impl Borrow<Config>) -> Result<Halves<S>, Error> {
    let upgrade = Upgrade::read(stream, config)?;
    let response = upgrade.request().accept();
    upgrade.accept(response)
}

/// Takes over a connection whose handshake somebody else did, after the 101 was written. `input`
/// holds what was read beyond the request's head.
///
/// ```no_run
/// use std::io::Write;
/// use std::net::TcpStream;
/// use sansocket::{Buffer, Config, handshake::Request, net};
///
/// # type Parsed = (TcpStream, Vec<(String, Vec<u8>)>, Vec<u8>);
/// # fn example(parsed_elsewhere: Parsed) -> Result<(), Box<dyn std::error::Error>> {
/// let (mut stream, headers, rest) = parsed_elsewhere;
/// let config = Config::default();
/// let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
/// let request = Request::new("GET", "/chat", (1, 1), headers, &config)?.upgrade()?;
/// stream.write_all(&request.accept().to_bytes())?;
/// let mut input = Buffer::new();
/// input.extend(&rest);
/// let (sender, receiver) = net::open(stream, input, &config)?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
///
/// Compression is not known of here: go on [from the response](open_connection) if it may be agreed on.
///
/// # Errors
///
/// The transport has no timeouts, without which the deadlines would not hold.
pub fn open<S: Transport>(
    stream: S,
    input: Buffer,
    config: impl Borrow<Config>,
) -> io::Result<Halves<S>> {
    let config = config.borrow();
    open_as(stream, Connection::server(config), input, None, config)
}

/// The same with a connection that was opened elsewhere, such as by
/// [`Response::open`](crate::handshake::Response::open), which knows of compression what [`open`] does not. The rest of
/// the configuration is that of the socket.
///
/// ```no_run
/// use std::io::Write;
/// use std::net::TcpStream;
/// use sansocket::{Buffer, Config, handshake::Request, net};
///
/// # fn example(mut stream: TcpStream, request: Request, input: Buffer) -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::default();
/// let response = request.accept();
/// stream.write_all(&response.to_bytes())?;
/// let connection = response.open(&config)?;
/// let (sender, receiver) = net::open_connection(stream, connection, input, &config)?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of [`open`].
pub fn open_connection<S: Transport>(
    stream: S,
    connection: Connection,
    input: Buffer,
    config: impl Borrow<Config>,
) -> io::Result<Halves<S>> {
    open_as(stream, connection, input, None, config.borrow())
}

/// The halves of an open connection; nothing is written yet.
pub(super) fn open_as<S: Transport>(
    stream: S,
    connection: Connection,
    input: Buffer,
    request: Option<Request>,
    config: &Config,
) -> io::Result<Halves<S>> {
    let role = connection.role();
    let (read, write) = connection.split();
    stream.set_read_timeout(Some(config.close_timeout.into()))?;
    let link = Arc::new(Link::new(stream, role, write, config)?);
    let receiver = Receiver::new(Arc::clone(&link), read, input, request, config);
    Ok((Sender::new(link), receiver))
}

/// A client's request, on a port that serves both WebSockets and plain HTTP.
pub enum Incoming<S: Transport = Stream> {
    /// To open a WebSocket.
    Upgrade(Upgrade<S>),
    /// Something else.
    Http(HttpRequest<S>),
}

impl<S: Transport> Incoming<S> {
    /// Reads the head of the request, for as long as
    /// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout) allows.
    ///
    /// # Errors
    ///
    /// Those of [`accept`]. Plain HTTP is none.
    pub fn read(stream: S, config: impl Borrow<Config>) -> Result<Self, Error> {
        Self::read_unless(stream, config.borrow(), LONG, || false)
    }

    /// The same, with a look at whether to give up every so often.
    pub(super) fn read_unless(
        stream: S,
        config: &Config,
        often: Duration,
        give_up: impl Fn() -> bool,
    ) -> Result<Self, Error> {
        prepare(&stream, config)?;
        let (mut acceptor, mut input) = (Acceptor::new(config), Buffer::new());
        loop {
            if give_up() {
                return Err(TimedOut::Handshake.into());
            }
            let error = match acceptor.next(&mut input) {
                Ok(Some(handshake::Incoming::Upgrade(request))) => {
                    let config = config.clone();
                    let exchange = Unanswered::new(stream, acceptor, last_word);
                    return Ok(Self::Upgrade(Upgrade {
                        exchange,
                        input,
                        request,
                        config,
                        opened: None,
                    }));
                }
                Ok(Some(handshake::Incoming::Http(head))) => {
                    let exchange = Unanswered::new(stream, acceptor, last_word);
                    return Ok(Self::Http(HttpRequest { exchange, input, head }));
                }
                Ok(None) => match step(&stream, acceptor.exchange(), &mut input, often) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(refused) => refused.into(),
            };
            linger(&stream, acceptor.exchange());
            return Err(error);
        }
    }

    /// The request to open a WebSocket; plain HTTP is refused with 426, or 405 or 505 where that is the
    /// reason.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for plain HTTP.
    pub fn upgrade(self) -> Result<Upgrade<S>, Error> {
        match self {
            Self::Upgrade(upgrade) => Ok(upgrade),
            Self::Http(http) => Err(http.refuse()),
        }
    }
}

impl<S: Transport> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade(upgrade) => f.debug_tuple("Upgrade").field(upgrade).finish(),
            Self::Http(http) => f.debug_tuple("Http").field(http).finish(),
        }
    }
}

/// A request to open a WebSocket that was read and checked, and not yet answered. Take your time.
///
/// If it is dropped without an answer, as when a handler returns an error first, the client gets a 500.
///
/// ```no_run
/// use std::net::TcpStream;
/// use sansocket::{Config, net::Upgrade};
///
/// # fn example(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let upgrade = Upgrade::read(stream, Config::default())?;
/// let request = upgrade.request();
/// if request.path() != "/chat" {
///     let response = request.reject(404)?;
///     return Ok(upgrade.reject(response)?);
/// }
/// let response = request.accept().subprotocol("chat")?.header("Set-Cookie", "seen=1")?;
/// let (sender, receiver) = upgrade.accept(response)?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "WebSocketUpgrade")]
#[doc(alias = "subprotocol")]
pub struct Upgrade<S: Transport = Stream> {
    exchange: Unanswered<S>,
    input: Buffer,
    request: Request,
    config: Config,
    /// Told of the connection once it is open.
    pub(super) opened: Option<Opened<S>>,
}

impl<S: Transport> Upgrade<S> {
    /// Reads a request; plain HTTP is answered with 426.
    ///
    /// # Errors
    ///
    /// Those of [`accept`].
    pub fn read(stream: S, config: impl Borrow<Config>) -> Result<Self, Error> {
        Incoming::read(stream, config)?.upgrade()
    }

    /// The request, to decide by and to make the response from.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Writes the acceptance, and opens the connection.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is a refusal, which is a bug here: the client gets a 500;
    /// [`Error::TimedOut`] or [`Error::Io`] if it cannot be written.
    pub fn accept(self, response: Response) -> Result<Halves<S>, Error> {
        let Self { exchange, input, request, config, opened } = self;
        let (stream, connection) = exchange.accept(response)?;
        let request = Some(request);
        let mut halves = open_as(stream, connection, input, request, &config)?;
        halves.0.flush()?;
        if let Some(opened) = opened {
            opened(&halves.0, &mut halves.1);
        }
        Ok(halves)
    }

    /// Writes the refusal, and closes the socket.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is an acceptance: the client gets a 500.
    pub fn reject(self, response: Response) -> Result<(), ResponseError> {
        let (stream, mut acceptor) = self.exchange.respond(response)?;
        linger(&stream, acceptor.exchange());
        Ok(())
    }

    /// The socket, such as for the peer's address.
    pub fn stream(&self) -> &S {
        self.exchange.stream()
    }
}

impl<S: Transport> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A plain HTTP request, of which only the head was read. If it is dropped without an answer, the client gets a
/// 500.
pub struct HttpRequest<S: Transport = Stream> {
    exchange: Unanswered<S>,
    input: Buffer,
    head: Head,
}

impl<S: Transport> HttpRequest<S> {
    /// Method, target and headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The socket, such as for the peer's address.
    pub fn stream(&self) -> &S {
        self.exchange.stream()
    }

    /// The socket, without timeouts; the head; and what was read beyond it, to answer as you like.
    ///
    /// # Errors
    ///
    /// The timeouts cannot be reset.
    pub fn into_parts(self) -> io::Result<(S, Head, Buffer)> {
        let (stream, _) = self.exchange.take();
        stream.set_read_timeout(None)?;
        stream.set_write_timeout(None)?;
        Ok((stream, self.head, self.input))
    }

    /// Writes an answer, and closes the socket. To a HEAD request it goes without its body.
    ///
    /// ```no_run
    /// use std::net::TcpStream;
    /// use sansocket::handshake::Response;
    /// use sansocket::net::HttpRequest;
    ///
    /// fn serve(http: HttpRequest<TcpStream>) -> Result<(), sansocket::Error> {
    ///     let response = match http.head().path() {
    ///         "/" => Response::new(200)?.body("text/html", "<p>Hello")?,
    ///         _ => Response::new(404)?,
    ///     };
    ///     Ok(http.respond(response)?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if it is an acceptance: the client gets a 500.
    pub fn respond(self, response: Response) -> Result<(), ResponseError> {
        let (stream, mut acceptor) = self.exchange.respond(response)?;
        linger(&stream, acceptor.exchange());
        Ok(())
    }

    /// Answers that only WebSockets are served here: 426, or 405 or 505 where that is the reason. Closes
    /// the socket.
    pub fn reject(self) {
        self.refuse();
    }

    fn refuse(self) -> Error {
        let (stream, mut acceptor) = self.exchange.take();
        let refused = acceptor.reject();
        linger(&stream, acceptor.exchange());
        // There is always a reason, as it was not answered before.
        refused.map_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into(), Error::from)
    }
}

impl<S: Transport> fmt::Debug for HttpRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("head", &self.head).finish_non_exhaustive()
    }
}

/// Of a request that was dropped.
fn last_word<S: Transport>(stream: S, exchange: &mut Exchange) {
    linger(&stream, exchange);
}

/// Refuses a client whose request was not read.
pub(super) fn refuse<S: Transport>(stream: &S, response: Response, config: &Config) {
    let mut acceptor = Acceptor::new(config);
    if prepare(stream, config).is_ok() && acceptor.respond(response).is_ok() {
        linger(stream, acceptor.exchange());
    }
}
