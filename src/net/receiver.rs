//! The half that receives, on one thread; it also answers pings and watches the deadlines.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::link::{Delivery, Link, WRITE_SLICE, is_timeout};
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::Config;
use crate::decoder::{Decoder, Found};
use crate::error::{Disconnected, ProtocolError, TimedOut};
use crate::keepalive::Keepalive;
use crate::message::{Close, Event, Message};

/// Receives messages.
///
/// Keep calling [`recv`](Self::recv), even if you expect nothing: that is where pings and Closes are
/// answered, and where a peer that is gone is noticed.
pub struct Receiver<S> {
    inner: Inner<S>,
    /// Apart from the rest, since messages borrow it.
    buffer: Buffer,
}

struct Inner<S> {
    link: Arc<Link<S>>,
    decoder: Decoder,
    keepalive: Keepalive,
    close_timeout: Duration,
    /// The longest to wait without looking at the clock: no deadline is sooner.
    longest_wait: Duration,
    /// How long to wait for input at present.
    wait: Duration,
    /// The read timeout of the socket, which is only set when it changes.
    timeout: Option<Duration>,
    /// What the peer's Close said.
    close: Option<(Option<CloseCode>, String, bool)>,
    end: Option<End>,
}

/// How it ended, to say the same whenever asked again.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    Protocol(ProtocolError),
    TimedOut(TimedOut),
    Disconnected(Disconnected),
    Io(io::ErrorKind),
}

impl<S: Transport> Receiver<S> {
    pub(super) fn new(
        link: Arc<Link<S>>,
        decoder: Decoder,
        buffer: Buffer,
        config: &Config,
    ) -> Self {
        let close_timeout = Duration::from(config.close_timeout);
        let ping_after = config.keepalive.map(|(ping_after, _)| ping_after.into());
        let longest_wait =
            ping_after.map_or(close_timeout, |after: Duration| close_timeout.min(after));
        let mut keepalive = Keepalive::new(config.keepalive);
        // The handshake was a sign of life.
        keepalive.heard();
        let inner = Inner {
            link,
            decoder,
            keepalive,
            close_timeout,
            longest_wait,
            wait: longest_wait,
            timeout: None,
            close: None,
            end: None,
        };
        Self { inner, buffer }
    }

    /// The next message, as soon as it is complete. `None` after a good close: then
    /// [`close_frame`](Self::close_frame) says why.
    ///
    /// The message borrows the receiver's buffer until the next call. What was fed to a
    /// [`Sender`](super::Sender) is written before this waits.
    ///
    /// # Errors
    ///
    /// All are final, and come again if asked again. Complete messages come before any:
    /// [`Error::Protocol`] after the Close frame that answers it was sent; [`Error::Disconnected`] if the
    /// peer's side ended without a Close frame; [`Error::TimedOut`] if it fell silent or did not
    /// answer our Close; [`Error::Io`] if the socket failed.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        let Self { inner, buffer } = self;
        let found = loop {
            match inner.next(buffer)? {
                Some(found) if found.is_message() => break found,
                Some(found) => inner.control(&found, buffer)?,
                None => return Ok(None),
            }
        };
        match inner.decoder.event(&found, buffer) {
            Ok(Event::Message(message)) => Ok(Some(message)),
            Ok(_) => Ok(None),
            Err(error) => Err(inner.fail(error)),
        }
    }

    /// The peer's Close frame, once it has come.
    #[must_use]
    pub fn close_frame(&self) -> Option<Close<'_>> {
        let (code, reason, mid_message) = self.inner.close.as_ref()?;
        Some(Close { code: *code, reason, mid_message: *mid_message })
    }
}

impl<S: Transport> Inner<S> {
    /// The next thing the peer says; waits for it.
    fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Found>, Error> {
        loop {
            if let Some(end) = self.end {
                return end.into_result().map(|()| None);
            }
            match self.decoder.find(buffer) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => self.read(buffer)?,
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    fn control(&mut self, found: &Found, buffer: &Buffer) -> Result<(), Error> {
        match self.decoder.event(found, buffer) {
            Ok(Event::Ping(payload)) => {
                self.link.leave_pong(payload);
                self.link.deliver();
            }
            Ok(Event::Close(Close { code, reason, mid_message })) => {
                self.close = Some((code, reason.to_owned(), mid_message));
                self.part(code, reason, End::Closed);
            }
            Ok(Event::Pong(_) | Event::Message(_)) => {}
            Err(error) => return Err(self.fail(error)),
        }
        Ok(())
    }

    /// Reads something, or finds out that there will be nothing.
    fn read(&mut self, buffer: &mut Buffer) -> Result<(), Error> {
        loop {
            let stalled = self.link.deliver() == Delivery::Stalled;
            let wait = self.wait_at_most(stalled)?;
            match self.read_within(wait, buffer) {
                Ok(0) => {
                    let mid_message = self.decoder.is_mid_message() || !buffer.is_empty();
                    return Err(self.end(End::Disconnected(Disconnected { mid_message })));
                }
                Ok(_) => {
                    self.keepalive.heard();
                    return Ok(());
                }
                Err(error) if !is_timeout(&error) => return Err(self.end_io(error)),
                Err(_) => {
                    if buffer.is_empty() {
                        *buffer = Buffer::new();
                    }
                    self.tick(wait)?;
                }
            }
        }
    }

    /// How long the next read may wait, in view of what else there is to do.
    fn wait_at_most(&mut self, stalled: bool) -> Result<Duration, Error> {
        let wait = if stalled { WRITE_SLICE } else { self.wait };
        let Some(closing) = self.link.closing() else {
            return Ok(wait);
        };
        let left = self.close_timeout.saturating_sub(closing.elapsed());
        match left.is_zero() {
            true => Err(self.end(End::TimedOut(TimedOut::Close))),
            false => Ok(wait.min(left)),
        }
    }

    fn read_within(&mut self, wait: Duration, buffer: &mut Buffer) -> io::Result<usize> {
        // A timeout of less than a millisecond might be taken for none.
        let wait = wait.max(Duration::from_millis(1));
        if self.timeout != Some(wait) {
            self.link.stream().set_read_timeout(Some(wait))?;
            self.timeout = Some(wait);
        }
        buffer.read_with(|space| self.link.stream().read(space))
    }

    /// After `waited` without a byte.
    fn tick(&mut self, waited: Duration) -> Result<(), Error> {
        if self.link.closing().is_some() {
            return Ok(());
        }
        let now = Instant::now();
        self.keepalive.silent_since(now.checked_sub(waited).unwrap_or(now));
        match self.keepalive.tick(now) {
            Ok(tick) => {
                if tick.ping {
                    self.link.leave_ping();
                }
                let until = tick.next.map(|next| next.saturating_duration_since(now));
                self.wait = until.map_or(self.longest_wait, |until| until.min(self.longest_wait));
                Ok(())
            }
            Err(timed_out) => Err(self.end(End::TimedOut(timed_out))),
        }
    }

    /// The peer broke the protocol: says so, and parts.
    fn fail(&mut self, error: ProtocolError) -> Error {
        self.part(Some(error.close_code()), "", End::Protocol(error));
        error.into()
    }

    /// Sends the last Close frame, shuts down writing, and discards what still comes, for a bounded
    /// time: unread input at a close makes the kernel reset the connection, and the peer may lose
    /// the frame (RFC 6455 §7.1.1).
    fn part(&mut self, code: Option<CloseCode>, reason: &str, end: End) {
        self.end = Some(end);
        self.link.leave_parting(code, reason);
        let deadline = Instant::now() + self.close_timeout;
        let mut discarded = Buffer::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = match self.link.deliver() {
                _ if left.is_zero() => break,
                Delivery::Done => left,
                Delivery::Stalled | Delivery::Elsewhere => left.min(WRITE_SLICE),
            };
            match self.read_within(wait, &mut discarded) {
                Ok(0) => break,
                Ok(_) => discarded.clear(),
                Err(error) if is_timeout(&error) => {}
                Err(_) => break,
            }
        }
        self.link.cut();
    }

    fn end(&mut self, end: End) -> Error {
        self.end = Some(end);
        self.link.leave_end();
        self.link.deliver();
        self.link.cut();
        match end.into_result() {
            Err(error) => error,
            Ok(()) => io::Error::from(io::ErrorKind::NotConnected).into(),
        }
    }

    fn end_io(&mut self, error: io::Error) -> Error {
        self.end(End::Io(error.kind()));
        error.into()
    }
}

impl End {
    fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Closed => Ok(()),
            Self::Protocol(error) => Err(error.into()),
            Self::TimedOut(error) => Err(error.into()),
            Self::Disconnected(error) => Err(error.into()),
            Self::Io(kind) => Err(io::Error::from(kind).into()),
        }
    }
}

impl<S> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("buffer", &self.buffer).finish_non_exhaustive()
    }
}
