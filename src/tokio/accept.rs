//! The server's opening handshake over a stream.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use super::connections::OnOpen;
use super::handshake::{linger, step, write_at_once};
use super::link::Link;
use super::receiver::Receiver;
use super::sender::Sender;
use super::spare::Input;
use super::timer::Timer;
use super::transport::{Transport, tcp};
use crate::buffer::Buffer;
use crate::config::Config;
use crate::connection::Connection;
use crate::error::Error;
use crate::handshake::{self, Acceptor, Head, Request, Response, ResponseError, Unanswered};

/// The two halves of a connection.
pub(crate) type Halves<S> = (Sender<S>, Receiver<S>);

/// Accepts every request of the right form: reads it, checks it, and answers it. No
/// subprotocol is agreed to; see [`Upgrade`] for more say. The future is a pointer, and its memory is gone when it
/// is ready.
///
/// # Cancel safety
///
/// If the future is dropped, so is the stream: the handshake fails.
///
/// # Errors
///
/// [`Error::Handshake`] if the request was refused, plain HTTP among it;
/// [`Error::TimedOut`] if it took too long; [`Error::Disconnected`] if the peer went away; [`Error::Io`]
/// if the stream failed. What could be answered has been.
pub fn accept<S: Transport>(
    stream: S,
    config: impl Borrow<Config>,
) -> impl Future<Output = Result<Halves<S>, Error>> {
    let config = config.borrow().clone();
    Box::pin(async move {
        let upgrade = Incoming::read_with(stream, config).await?.upgrade().await?;
        let response = upgrade.request().accept();
        upgrade.accept(response).await
    })
}

/// Takes over a connection whose handshake somebody else did, after the 101 was written. `input`
/// holds what was read beyond the request's head.
///
/// ```no_run
/// use sansocket::{Buffer, Config, handshake::Request};
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::TcpStream;
///
/// # type Parsed = (TcpStream, Vec<(String, Vec<u8>)>, Vec<u8>);
/// # async fn example(parsed_elsewhere: Parsed) -> Result<(), Box<dyn std::error::Error>> {
/// let (mut stream, headers, rest) = parsed_elsewhere;
/// let config = Config::default();
/// let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
/// let request = Request::new("GET", "/chat", (1, 1), headers, &config)?.upgrade()?;
/// stream.write_all(&request.accept().to_bytes()).await?;
/// let mut input = Buffer::new();
/// input.extend(&rest);
/// let (sender, receiver) = sansocket::tokio::open(stream, input, &config);
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
///
/// Compression is not known of here: go on [from the response](open_connection) if it may be agreed on.
pub fn open<S: Transport>(stream: S, input: Buffer, config: impl Borrow<Config>) -> Halves<S> {
    let config = config.borrow();
    open_as(stream, Connection::server(config), input, None, config)
}

/// The same with a connection that was opened elsewhere, such as by
/// [`Response::open`](crate::handshake::Response::open), which knows of compression what [`open`] does not. The rest of
/// the configuration is that of the stream.
pub fn open_connection<S: Transport>(
    stream: S,
    connection: Connection,
    input: Buffer,
    config: impl Borrow<Config>,
) -> Halves<S> {
    open_as(stream, connection, input, None, config.borrow())
}

/// The halves of an open connection; nothing is written yet.
pub(crate) fn open_as<S: Transport>(
    stream: S,
    connection: Connection,
    input: Buffer,
    request: Option<Request>,
    config: &Config,
) -> Halves<S> {
    if let Some(tcp) = tcp(&stream) {
        // A socket that has failed says so when it is used.
        let _ = tcp.set_nodelay(config.nodelay);
    }
    let (read, write) = connection.split();
    let link = Arc::new(Link::new(stream, write));
    let receiver = Receiver::new(Arc::clone(&link), read, input, request);
    (Sender::new(link), receiver)
}

/// A client's request, on a port that serves both WebSockets and plain HTTP.
pub enum Incoming<S: Transport> {
    /// To open a WebSocket.
    Upgrade(Upgrade<S>),
    /// Something else.
    Http(HttpRequest<S>),
}

impl<S: Transport> Incoming<S> {
    /// Reads the head of the request, for as long as
    /// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout) allows. If the future is dropped, so is the
    /// stream.
    ///
    /// # Errors
    ///
    /// Those of [`accept`]. Plain HTTP is none.
    pub fn read(
        stream: S,
        config: impl Borrow<Config>,
    ) -> impl Future<Output = Result<Self, Error>> {
        Box::pin(Self::read_with(stream, config.borrow().clone()))
    }

    pub(super) async fn read_with(mut stream: S, config: Config) -> Result<Self, Error> {
        let (mut acceptor, mut input) = (Acceptor::new(&config), Input::new(None));
        let mut timer = Timer::default();
        loop {
            let error = match acceptor.next(input.buffer()) {
                Ok(Some(handshake::Incoming::Upgrade(request))) => {
                    let exchange = Unanswered::new(stream, acceptor, write_at_once);
                    let input = input.into_rest();
                    let accepted = Accepted { exchange, input, request, config, on_open: None };
                    return Ok(Self::Upgrade(Upgrade(Box::new(accepted))));
                }
                Ok(Some(handshake::Incoming::Http(head))) => {
                    let exchange = Unanswered::new(stream, acceptor, write_at_once);
                    let input = input.into_rest();
                    return Ok(Self::Http(HttpRequest(Box::new(Plain { exchange, input, head }))));
                }
                Ok(None) => {
                    match step(&mut stream, acceptor.exchange(), &mut input, &mut timer).await {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(refused) => refused.into(),
            };
            drop(input);
            linger(stream, acceptor.exchange()).await;
            return Err(error);
        }
    }

    /// The request to open a WebSocket; plain HTTP is refused with 426, or 405 or 505 where that is the
    /// reason.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for plain HTTP.
    pub async fn upgrade(self) -> Result<Upgrade<S>, Error> {
        match self {
            Self::Upgrade(upgrade) => Ok(upgrade),
            Self::Http(http) => Err(http.refuse().await),
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
/// If it is dropped without an answer, as when a handler returns an error first, the client gets a 500, as far as it
/// can be written at once.
///
/// ```no_run
/// use sansocket::{Config, tokio::Upgrade};
/// use tokio::net::TcpStream;
///
/// # async fn example(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let upgrade = Upgrade::read(stream, Config::default()).await?;
/// let request = upgrade.request();
/// if request.path() != "/chat" {
///     let response = request.reject(404)?;
///     return Ok(upgrade.reject(response).await?);
/// }
/// let response = request.accept().subprotocol("chat")?.header("Set-Cookie", "seen=1")?;
/// let (sender, receiver) = upgrade.accept(response).await?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "WebSocketUpgrade")]
#[doc(alias = "subprotocol")]
pub struct Upgrade<S: Transport>(Box<Accepted<S>>);

struct Accepted<S: Transport> {
    exchange: Unanswered<S>,
    input: Buffer,
    request: Request,
    config: Config,
    /// Told of the connection once it is open.
    on_open: Option<OnOpen<S>>,
}

impl<S: Transport> Upgrade<S> {
    /// Reads a request; plain HTTP is answered with 426.
    ///
    /// # Errors
    ///
    /// Those of [`accept`].
    pub fn read(
        stream: S,
        config: impl Borrow<Config>,
    ) -> impl Future<Output = Result<Self, Error>> {
        let config = config.borrow().clone();
        Box::pin(async move { Incoming::read_with(stream, config).await?.upgrade().await })
    }

    /// The request, to decide by and to make the response from.
    pub fn request(&self) -> &Request {
        &self.0.request
    }

    /// Writes the acceptance, and opens the connection.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is a refusal, which is a bug here: the client gets a 500;
    /// [`Error::TimedOut`] or [`Error::Io`] if it cannot be written.
    pub fn accept(self, response: Response) -> impl Future<Output = Result<Halves<S>, Error>> {
        Box::pin(async move {
            let (sender, receiver) = self.open(response)?;
            sender.flush().await?;
            Ok((sender, receiver))
        })
    }

    /// Opens the connection; the acceptance is the first that it has to write.
    fn open(self, response: Response) -> Result<Halves<S>, Error> {
        let Accepted { exchange, input, request, config, on_open } = *self.0;
        let (stream, connection) = exchange.accept(response)?;
        let (sender, receiver) = open_as(stream, connection, input, Some(request), &config);
        if let Some(on_open) = on_open {
            on_open(&sender);
        }
        Ok((sender, receiver))
    }

    pub(super) fn set_on_open(&mut self, on_open: OnOpen<S>) {
        self.0.on_open = Some(on_open);
    }

    /// Writes the refusal, and closes the socket when the client has had time to read it.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is an acceptance: the client gets a 500.
    pub async fn reject(self, response: Response) -> Result<(), ResponseError> {
        respond(self.0.exchange, response).await
    }

    /// The stream, such as for the peer's address.
    pub fn stream(&self) -> &S {
        self.0.exchange.stream()
    }
}

impl<S: Transport> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("request", &self.0.request).finish_non_exhaustive()
    }
}

/// A plain HTTP request, of which only the head was read. If it is dropped without an answer, the client gets a
/// 500, as far as it can be written at once.
pub struct HttpRequest<S: Transport>(Box<Plain<S>>);

struct Plain<S: Transport> {
    exchange: Unanswered<S>,
    input: Buffer,
    head: Head,
}

impl<S: Transport> HttpRequest<S> {
    /// Method, target and headers.
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// The stream, such as for the peer's address.
    pub fn stream(&self) -> &S {
        self.0.exchange.stream()
    }

    /// The stream; the head; and what was read beyond it, to answer as you like.
    pub fn into_parts(self) -> (S, Head, Buffer) {
        let Plain { exchange, input, head } = *self.0;
        (exchange.take().0, head, input)
    }

    /// Writes an answer, and closes the socket. To a HEAD request it goes without its body.
    ///
    /// ```no_run
    /// use sansocket::handshake::Response;
    /// use sansocket::tokio::HttpRequest;
    /// use tokio::net::TcpStream;
    ///
    /// async fn serve(http: HttpRequest<TcpStream>) -> Result<(), sansocket::Error> {
    ///     let response = match http.head().path() {
    ///         "/" => Response::new(200)?.body("text/html", "<p>Hello")?,
    ///         _ => Response::new(404)?,
    ///     };
    ///     Ok(http.respond(response).await?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if it is an acceptance: the client gets a 500.
    pub async fn respond(self, response: Response) -> Result<(), ResponseError> {
        respond(self.0.exchange, response).await
    }

    /// Answers that only WebSockets are served here: 426, or 405 or 505 where that is the reason. Closes
    /// the socket.
    pub async fn reject(self) {
        self.refuse().await;
    }

    async fn refuse(self) -> Error {
        let (stream, mut acceptor) = self.0.exchange.take();
        let refused = acceptor.reject();
        linger(stream, acceptor.exchange()).await;
        // There is always a reason, as it was not answered before.
        refused.map_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into(), Error::from)
    }
}

impl<S: Transport> fmt::Debug for HttpRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("head", &self.0.head).finish_non_exhaustive()
    }
}

/// Writes an answer that opens nothing, and closes the socket.
async fn respond<S: Transport>(
    exchange: Unanswered<S>,
    response: Response,
) -> Result<(), ResponseError> {
    let (stream, mut acceptor) = exchange.respond(response)?;
    linger(stream, acceptor.exchange()).await;
    Ok(())
}

/// Refuses a client whose request was not read.
pub(super) async fn refuse<S: Transport>(stream: S, response: Response, config: &Config) {
    let mut acceptor = Acceptor::new(config);
    if acceptor.respond(response).is_ok() {
        linger(stream, acceptor.exchange()).await;
    }
}
