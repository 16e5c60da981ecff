//! The client's side of the opening handshake, without a socket or a clock: a request out, a response in.

use std::borrow::Borrow;
use std::io::{self, IoSlice};
use std::time::Instant;

use super::client::{Error, Request, Response};
use super::exchange::{Exchange, Stage};
use super::refusal::Refusal;
use crate::buffer::Buffer;
use crate::config::{Agreement, Config, Role};
use crate::connection::Connection;
use crate::encoder::Written;
use crate::error::{Disconnected, TimedOut};

/// Interim responses that a server may send before its answer.
const MAX_INTERIM: u8 = 16;

/// One request, from its first byte to an open [`Connection`].
///
/// ```
/// use sansocket::handshake::{Connector, client};
/// use sansocket::{Buffer, Config};
///
/// # fn exchange(connector: &mut Connector, input: &mut Buffer) {}
/// let request = client::Request::new("ws://example.com/chat")?.subprotocol("chat")?;
/// let mut connector = Connector::new(request, Config::default());
/// assert!(connector.pending().starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let mut input = Buffer::new();
/// exchange(&mut connector, &mut input); // writes what is pending, and reads
/// if let Some(response) = connector.next(&mut input)? {
///     println!("we speak {:?}", response.subprotocol());
///     let mut connection = connector.connect()?;
///     connection.send("hello")?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connector {
    request: Request,
    config: Config,
    exchange: Exchange,
    interim: u8,
    /// The agreement on compression that the answer holds.
    agreement: Option<Agreement>,
    refusal: Option<Refusal>,
    failed: Option<Error>,
}

impl Connector {
    /// The request is pending.
    #[must_use]
    pub fn new(request: Request, config: impl Borrow<Config>) -> Self {
        let config = config.borrow();
        #[cfg(feature = "deflate")]
        let request = request.offering(config.compression.as_ref());
        let exchange = Exchange::new(Role::Client, request.to_bytes(), config);
        Self {
            request,
            config: config.clone(),
            exchange,
            interim: 0,
            agreement: None,
            refusal: None,
            failed: None,
        }
    }

    /// Takes the answer from the front of `input`, and leaves what is behind it there: the first
    /// frames. `None` if more bytes are needed, or if the answer was taken before. Interim responses
    /// are skipped (RFC 9110 §15.2).
    ///
    /// # Errors
    ///
    /// The server refuses, or does not answer as RFC 6455 §4.1 asks. Close the socket. From then on the
    /// same error again. A refusal is complete with its body, of which 16 KiB are kept, or at the end of the stream, or
    /// when the time is over: until then more bytes are needed.
    pub fn next(&mut self, input: &mut Buffer) -> Result<Option<Response>, Error> {
        if let Some(refusal) = self.refusal.as_mut() {
            if !refusal.take(input) && !self.exchange.is_finished() {
                return Ok(None);
            }
            self.end_refusal();
        }
        if self.exchange.stage() != Stage::Head {
            return self.failed.clone().map_or(Ok(None), Err);
        }
        self.exchange.hear(!input.unread().is_empty());
        loop {
            match self.request.verify(input, &self.config) {
                Ok(None) => return Ok(None),
                Ok(Some(response)) => {
                    self.exchange.enter(Stage::Deciding);
                    self.agreement = response.agreement().cloned();
                    return Ok(Some(response));
                }
                Err(Error::Refused { status: 100..=199, .. }) if self.interim < MAX_INTERIM => {
                    self.interim += 1;
                }
                Err(Error::Refused { status, head, .. }) => {
                    self.refusal = Some(Refusal::new(status, *head));
                    self.exchange.await_body();
                    return self.next(input);
                }
                Err(error) => {
                    self.exchange.enter(Stage::Finished);
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// The refusal has arrived, as much of it as there will be.
    fn end_refusal(&mut self) {
        if let Some(Refusal { status, head, body, .. }) = self.refusal.take() {
            self.exchange.enter(Stage::Finished);
            self.failed = Some(Error::Refused { status, head: Box::new(head), body });
        }
    }

    /// Opens the connection. Go on with the same buffer.
    ///
    /// # Errors
    ///
    /// [`Unanswered`](Error::Unanswered) if the server's answer was not taken yet, or the error that
    /// [`next`](Self::next) had.
    pub fn connect(self) -> Result<Connection, Error> {
        match self.exchange.stage() {
            Stage::Deciding => {
                let agreement = self.agreement.as_ref();
                let output = self.exchange.pending();
                Ok(Connection::opened(Role::Client, &self.config, output, agreement))
            }
            _ => Err(self.failed.unwrap_or(Error::Unanswered)),
        }
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

    /// Says when to be called again, if at all. Call it before each wait for the socket.
    ///
    /// # Errors
    ///
    /// Once: the [handshake timeout](crate::ConfigBuilder::handshake_timeout) passed between the first call and
    /// the last byte of the answer. Close the socket.
    pub fn tick(&mut self, now: Instant) -> Result<Option<Instant>, TimedOut> {
        self.exchange.tick(now)
    }

    /// Says that the peer's side of the stream has ended: a read returned 0 bytes, or failed.
    ///
    /// # Errors
    ///
    /// There was no whole answer.
    pub fn eof(&mut self) -> Result<(), Disconnected> {
        self.exchange.eof()
    }

    /// Whether to close the socket: the handshake has failed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.exchange.is_finished()
    }

    /// For adapters that drive both sides alike.
    pub(crate) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }
}
