//! The opening handshake over a socket.

use std::borrow::Borrow;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::link::{Link, WRITE_SLICE, is_timeout};
use super::receiver::Receiver;
use super::sender::Sender;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::{Config, Role};
use crate::decoder::Decoder;
use crate::encoder::Encoder;
use crate::error::{Disconnected, TimedOut};
use crate::handshake::{HandshakeError, Head, Request, Response, ResponseError};

/// How long a refused client has to read the refusal and end its side.
const LINGER: Duration = Duration::from_secs(1);

pub(super) type Opened<S> = Box<dyn FnOnce(&Sender<S>) + Send>;

/// The two halves of a connection.
type Halves<S> = (Sender<S>, Receiver<S>);

/// Accepts whoever asks in the right form: reads the request, checks it, and answers it. No
/// subprotocol is agreed to; see [`Upgrade`] for more say.
///
/// # Errors
///
/// [`Error::Handshake`] if the request was refused, plain HTTP among it;
/// [`Error::TimedOut`] if it took too long; [`Error::Disconnected`] if the peer went away; [`Error::Io`]
/// if the socket failed. What could be answered has been.
pub fn accept<S: Transport>(stream: S, config: impl Borrow<Config>) -> Result<Halves<S>, Error> {
    let pending = Upgrade::read(stream, config)?;
    let response = pending.request().accept();
    pending.accept(response)
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
/// let request = Request::new("GET", "/chat", (1, 1), headers, &config)?;
/// stream.write_all(&request.accept().to_bytes())?;
/// let mut input = Buffer::new();
/// input.extend(&rest);
/// let (sender, receiver) = net::open(stream, input, &config)?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The transport has no timeouts, without which the deadlines would not hold.
pub fn open<S: Transport>(
    stream: S,
    input: Buffer,
    config: impl Borrow<Config>,
) -> io::Result<Halves<S>> {
    open_as(Role::Server, stream, input, config.borrow())
}

pub(super) fn open_as<S: Transport>(
    role: Role,
    stream: S,
    input: Buffer,
    config: &Config,
) -> io::Result<Halves<S>> {
    stream.set_write_timeout(Some(WRITE_SLICE))?;
    stream.set_read_timeout(Some(config.close_timeout.into()))?;
    stream.set_nodelay(config.nodelay)?;
    let link = Arc::new(Link::new(stream, Encoder::new(role, config), config));
    let decoder = Decoder::new(role, config);
    let receiver = Receiver::new(Arc::clone(&link), decoder, input, config);
    Ok((Sender::new(link), receiver))
}

/// What a client asks for, on a port that serves both WebSockets and plain HTTP.
pub enum Incoming<S> {
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
    /// Those of [`accept`]. HttpRequest HTTP is none.
    pub fn read(stream: S, config: impl Borrow<Config>) -> Result<Self, Error> {
        let config = config.borrow();
        stream.set_write_timeout(Some(WRITE_SLICE))?;
        let mut input = Buffer::new();
        let deadline = Instant::now() + Duration::from(config.handshake_timeout);
        loop {
            match Request::parse(&mut input, config) {
                Ok(Some(request)) => {
                    let config = config.clone();
                    return Ok(Self::Upgrade(Upgrade {
                        stream,
                        input,
                        request,
                        config,
                        opened: None,
                    }));
                }
                Ok(None) => {}
                Err(HandshakeError::NotWebSocket(head)) => {
                    let write_timeout = config.write_timeout.into();
                    return Ok(Self::Http(HttpRequest { stream, input, head, write_timeout }));
                }
                Err(error) => {
                    answer(&stream, &error.response(), LINGER);
                    return Err(error.into());
                }
            }
            if let Err(error) = read_until(deadline, &stream, &mut input) {
                if matches!(error, Error::TimedOut(_)) && !input.is_empty() {
                    answer(&stream, &Response::refusal(408, ""), LINGER);
                }
                return Err(error);
            }
        }
    }
}

impl<S> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upgrade(pending) => f.debug_tuple("Upgrade").field(pending).finish(),
            Self::Http(plain) => f.debug_tuple("Http").field(plain).finish(),
        }
    }
}

/// A request to open a WebSocket that was read and checked, and not yet answered. Take your time.
///
/// ```no_run
/// use std::net::TcpStream;
/// use sansocket::{Config, net::Upgrade};
///
/// # fn example(stream: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let pending = Upgrade::read(stream, Config::default())?;
/// let request = pending.request();
/// if request.path() != "/chat" {
///     let response = request.reject(404)?;
///     return Ok(pending.reject(response)?);
/// }
/// let response = request.accept().subprotocol("chat")?.header("Set-Cookie", "seen=1")?;
/// let (sender, receiver) = pending.accept(response)?;
/// # let _ = (sender, receiver);
/// # Ok(())
/// # }
/// ```
pub struct Upgrade<S> {
    stream: S,
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
        match Incoming::read(stream, config)? {
            Incoming::Upgrade(pending) => Ok(pending),
            Incoming::Http(plain) => Err(plain.reject()),
        }
    }

    /// The request, to decide by and to make the response from.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Writes the acceptance, and opens the connection.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is a refusal, and nothing is written;
    /// [`Error::TimedOut`] or [`Error::Io`] if it cannot be written.
    pub fn accept(self, response: Response) -> Result<Halves<S>, Error> {
        if !response.is_acceptance() {
            return Err(ResponseError::WrongKind.into());
        }
        let timeout = Duration::from(self.config.write_timeout);
        write_all(&self.stream, &response.to_bytes(), |stalled| stalled.elapsed() >= timeout)?;
        let halves = open_as(Role::Server, self.stream, self.input, &self.config)?;
        if let Some(opened) = self.opened {
            opened(&halves.0);
        }
        Ok(halves)
    }

    /// Writes the refusal, and closes the socket.
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if the response is an acceptance, and nothing is written.
    pub fn reject(self, response: Response) -> Result<(), ResponseError> {
        if response.is_acceptance() {
            return Err(ResponseError::WrongKind);
        }
        answer(&self.stream, &response, self.config.write_timeout.into());
        Ok(())
    }

    /// The socket, such as for the peer's address.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S> fmt::Debug for Upgrade<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("request", &self.request).finish_non_exhaustive()
    }
}

/// A plain HTTP request, of which only the head was read.
pub struct HttpRequest<S> {
    stream: S,
    input: Buffer,
    head: Box<Head>,
    write_timeout: Duration,
}

impl<S: Transport> HttpRequest<S> {
    /// Method, target and headers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The socket, without timeouts; the head; and what was read beyond it, to answer as you like.
    ///
    /// # Errors
    ///
    /// The timeouts cannot be reset.
    pub fn into_parts(self) -> io::Result<(S, Head, Buffer)> {
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)?;
        Ok((self.stream, *self.head, self.input))
    }

    /// Writes an answer, and closes the socket.
    ///
    /// ```no_run
    /// use std::net::TcpStream;
    /// use sansocket::handshake::Response;
    /// use sansocket::net::HttpRequest;
    ///
    /// fn serve(plain: HttpRequest<TcpStream>) -> Result<(), sansocket::Error> {
    ///     let response = match plain.head().path() {
    ///         "/" => Response::new(200)?.body("text/html", "<p>Hello")?,
    ///         _ => Response::new(404)?,
    ///     };
    ///     Ok(plain.respond(response)?)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseError::WrongKind`] if it is an acceptance, and nothing is written.
    pub fn respond(self, response: Response) -> Result<(), ResponseError> {
        if response.is_acceptance() {
            return Err(ResponseError::WrongKind);
        }
        answer(&self.stream, &response, self.write_timeout);
        Ok(())
    }

    /// Answers 426, or 405 or 505 as may be, closes the socket, and says so.
    pub fn reject(self) -> Error {
        let error = HandshakeError::NotWebSocket(self.head);
        answer(&self.stream, &error.response(), LINGER);
        error.into()
    }
}

impl<S> fmt::Debug for HttpRequest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("head", &self.head).finish_non_exhaustive()
    }
}

/// Reads once, by the deadline at the latest.
pub(super) fn read_until<S: Transport>(
    deadline: Instant,
    stream: &S,
    input: &mut Buffer,
) -> Result<(), Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(TimedOut::Handshake.into());
    }
    // A timeout of less than a millisecond might be taken for none.
    stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
    match input.read_with(|space| stream.read(space)) {
        Ok(0) => Err(Disconnected { mid_message: !input.is_empty() }.into()),
        Ok(_) => Ok(()),
        Err(error) if is_timeout(&error) => Err(TimedOut::Handshake.into()),
        Err(error) => Err(error.into()),
    }
}

/// Writes until `give_up` says that it takes too long, told since when nothing was taken.
pub(super) fn write_all<S: Transport>(
    stream: &S,
    mut bytes: &[u8],
    give_up: impl Fn(Instant) -> bool,
) -> Result<(), Error> {
    let mut stalled = Instant::now();
    while !bytes.is_empty() {
        match stream.write(&[IoSlice::new(bytes)]) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(n) => {
                bytes =
                    bytes.get(n..).ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?;
                stalled = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) && !give_up(stalled) => {}
            Err(error) if is_timeout(&error) => return Err(TimedOut::Write.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes a response and sees that it arrives, if the client takes it.
pub(super) fn answer<S: Transport>(stream: &S, response: &Response, timeout: Duration) {
    if write_all(stream, &response.to_bytes(), |stalled| stalled.elapsed() >= timeout).is_ok() {
        linger(stream);
    }
}

/// Ends our side and discards what still comes for a bounded time, so that closing the socket does
/// not reset the connection before the client has read our last words.
pub(super) fn linger<S: Transport>(stream: &S) {
    let _ = stream.shutdown(Shutdown::Write);
    let deadline = Instant::now() + LINGER;
    let mut discarded = Buffer::new();
    while read_until(deadline, stream, &mut discarded).is_ok() {
        discarded.clear();
    }
    let _ = stream.shutdown(Shutdown::Both);
}
