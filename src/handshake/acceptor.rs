//! The server's side of the opening handshake, without a socket or a clock: a request in, a response out.

use std::borrow::Borrow;
use std::io::{self, IoSlice};
use std::time::Instant;

use super::exchange::{Exchange, Stage};
use super::request::no_upgrade;
use super::{HandshakeError, Head, Incoming, Response, ResponseError};
use crate::buffer::Buffer;
use crate::config::{Config, Role};
use crate::connection::Connection;
use crate::encoder::Written;
use crate::error::{Disconnected, TimedOut};

/// One request, from its first byte to an open [`Connection`], or to the end of a response that
/// opens none.
///
/// The verbs are those of a connection:
///
/// 1. call [`tick`](Self::tick) before each wait for the socket;
/// 2. read into a [`Buffer`], and call [`next`](Self::next); at the end of the stream call
///    [`eof`](Self::eof);
/// 3. as soon as it has the request, [`accept`](Self::accept) or [`respond`](Self::respond);
/// 4. write [`pending`](Self::pending), and say how much was [`sent`](Self::sent);
/// 5. when it [wants](Self::wants_shutdown) that, end your side of the stream; when it is
///    [finished](Self::is_finished), close the socket.
///
/// ```
/// use sansocket::Buffer;
/// use sansocket::handshake::{Acceptor, Incoming, Response};
///
/// let mut acceptor = Acceptor::new(sansocket::Config::default());
/// let mut input = Buffer::new();
/// input.extend(b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n"); // a read
/// assert!(acceptor.next(&mut input)?.is_none());
/// input.extend(b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
/// input.extend(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
/// match acceptor.next(&mut input)? {
///     Some(Incoming::Upgrade(request)) if request.path() == "/chat" => {
///         let mut connection = acceptor.accept(request.accept())?;
///         connection.send("welcome")?; // goes out with the acceptance
///         assert!(connection.pending().starts_with(b"HTTP/1.1 101 "));
///     }
///     Some(_) => acceptor.respond(Response::new(404)?)?,
///     None => {} // more bytes, please
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Acceptor {
    config: Config,
    exchange: Exchange,
    refused: Option<HandshakeError>,
    asked: Asked,
    /// RFC 9110 §9.3.2: an answer to HEAD has no body.
    is_head: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Upgrade,
    Http,
}

impl Acceptor {
    /// Awaits a request.
    #[must_use]
    pub fn new(config: impl Borrow<Config>) -> Self {
        let config = config.borrow();
        Self {
            config: config.clone(),
            exchange: Exchange::new(Role::Server, Vec::new(), config),
            refused: None,
            asked: Asked::Nothing,
            is_head: false,
        }
    }

    /// Takes the request from the front of `input`, and leaves what is behind its head there: a
    /// body, or the first frames of a client in a hurry. `None` if more bytes are needed, or if the
    /// request was taken before. Once it is answered, `input` is discarded.
    ///
    /// Each byte is looked at a bounded number of times, however they dribble in.
    ///
    /// # Errors
    ///
    /// The request is refused, and the [response](HandshakeError::response) that says so is pending.
    /// From then on the same error again.
    #[inline] // bytes of a head may dribble in
    pub fn next(&mut self, input: &mut Buffer) -> Result<Option<Incoming>, HandshakeError> {
        match self.exchange.stage() {
            Stage::Head => {}
            Stage::Deciding => return Ok(None),
            _ => {
                input.clear();
                return self.refused.clone().map_or(Ok(None), Err);
            }
        }
        self.exchange.hear(!input.unread().is_empty());
        let incoming = match Head::parse(input, &self.config) {
            Ok(None) => return Ok(None),
            Ok(Some(head)) => {
                self.is_head = head.method() == "HEAD";
                Incoming::check(head, &self.config)
            }
            Err(error) => {
                // Of a head that cannot be parsed, the method may still be known.
                let first = input.unread();
                self.is_head = first.strip_prefix(b"\r\n").unwrap_or(first).starts_with(b"HEAD ");
                Err(error)
            }
        };
        match incoming {
            Ok(incoming) => {
                self.exchange.enter(Stage::Deciding);
                self.asked = match &incoming {
                    Incoming::Upgrade(_) => Asked::Upgrade,
                    Incoming::Http(head) => {
                        self.refused = Some(no_upgrade(head));
                        Asked::Http
                    }
                };
                Ok(Some(incoming))
            }
            Err(error) => {
                input.clear();
                self.answer(&error.response());
                self.refused = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Opens the connection with a response from [`Request::accept`](super::Request::accept). Its
    /// bytes are the first that the connection has [pending](Connection::pending). Go on with the same
    /// buffer; this is finished. After an error another response may be given.
    ///
    /// # Errors
    ///
    /// [`WrongKind`](ResponseError::WrongKind) if the response is a refusal, or no request to open
    /// a WebSocket was taken; [`Answered`](ResponseError::Answered) after another response.
    #[doc(alias = "101")]
    pub fn accept(&mut self, response: Response) -> Result<Connection, ResponseError> {
        match self.exchange.stage() {
            Stage::Head | Stage::Deciding => {}
            _ => return Err(ResponseError::Answered),
        }
        // There is no extended CONNECT in HTTP/1.1, and so no 200 that accepts one.
        let is_upgrade = response.is_acceptance() && response.status() == 101;
        if !is_upgrade || self.asked != Asked::Upgrade {
            return Err(ResponseError::WrongKind);
        }
        let connection = response.open_with(&self.config, &response.to_bytes())?;
        self.exchange.enter(Stage::Finished);
        Ok(connection)
    }

    /// Answers without opening a connection: a refusal, or the answer to plain HTTP. It need not wait for
    /// the request, if you have no use for any. A `HEAD` request gets no body.
    ///
    /// # Errors
    ///
    /// [`WrongKind`](ResponseError::WrongKind) if the response is an acceptance;
    /// [`Answered`](ResponseError::Answered) after another response. Nothing is queued then.
    pub fn respond(&mut self, response: Response) -> Result<(), ResponseError> {
        match self.exchange.stage() {
            Stage::Head | Stage::Deciding => {}
            _ => return Err(ResponseError::Answered),
        }
        if response.is_acceptance() {
            return Err(ResponseError::WrongKind);
        }
        self.refused = None;
        self.answer(&response);
        Ok(())
    }

    /// Refuses plain HTTP, where there are only WebSockets: 426, or 405 or 505. Returns the reason,
    /// for your log. `None`, and nothing is done, unless plain HTTP awaits its answer.
    pub fn reject(&mut self) -> Option<HandshakeError> {
        if self.exchange.stage() != Stage::Deciding {
            return None;
        }
        let error = self.refused.take()?;
        self.answer(&error.response());
        Some(error)
    }

    /// Bytes to write to the socket next.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.exchange.pending()
    }

    /// Writes what is pending until all is written or the socket takes no more, see
    /// [`Connection::write_with`].
    ///
    /// # Errors
    ///
    /// Those of `write` but `WouldBlock`, `TimedOut` and `Interrupted`; `WriteZero` and `InvalidData` if it
    /// takes nothing or claims too much. Close the socket.
    pub fn write_with(
        &mut self,
        write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        self.exchange.write_with(write)
    }

    /// Says that the first `n` bytes of [`pending`](Self::pending) were written.
    pub fn sent(&mut self, n: usize) {
        self.exchange.sent(n);
    }

    /// Does what is due at `now`, and says when to be called again, if at all. Call it before each wait
    /// for the socket.
    ///
    /// The [handshake timeout](crate::ConfigBuilder::handshake_timeout) counts from the first call to the last
    /// byte of the head, however they dribble in. Your decision has no deadline.
    ///
    /// # Errors
    ///
    /// Each once: [`Handshake`](TimedOut::Handshake), and a 408 is pending if the client had begun its
    /// request; [`Write`](TimedOut::Write) if it takes nothing of the response.
    pub fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        self.exchange.tick(now)
    }

    /// Says that the peer's side of the stream has ended: a read returned 0 bytes, or failed. A
    /// request that has arrived may still be answered.
    ///
    /// # Errors
    ///
    /// There was no whole request, nor an answer to it.
    pub fn eof(&mut self) -> Result<(), Disconnected> {
        self.exchange.eof()
    }

    /// Whether the response is written: end your side of the stream, and say so with
    /// [`shut_down`](Self::shut_down). Go on reading, so that the client can read it before the socket is
    /// closed.
    #[must_use]
    pub fn wants_shutdown(&self) -> bool {
        self.exchange.wants_shutdown()
    }

    /// Says that your side of the stream was ended.
    pub fn shut_down(&mut self) {
        self.exchange.shut_down();
    }

    /// Whether to close the socket.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.exchange.is_finished()
    }

    /// For adapters that drive both sides alike.
    pub(crate) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn answer(&mut self, response: &Response) {
        self.exchange.answer(match self.is_head {
            true => response.head_bytes(),
            false => response.to_bytes(),
        });
    }
}
