//! The half that receives, on one thread; it also answers pings and watches the deadlines.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::link::{Attempt, Link};
use super::stream::Stream;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::Config;
use crate::connection::{Progress, ReadHalf, Ready};
use crate::control::Replies;
use crate::end::{End, Failure};
use crate::error::{Error, ProtocolError, is_timeout};
use crate::handshake::Request;
use crate::message::{Close, Event, Message};
use crate::timers::earlier;

/// How long a read may wait. On Windows a socket that is shut down does not wake it: it has to look by itself.
const LONGEST_READ: Duration =
    if cfg!(windows) { Duration::from_millis(250) } else { Duration::MAX };

/// How long a read takes at most while output waits, and a full socket is not tried again.
const WRITE_AGAIN: Duration = Duration::from_millis(20);

/// Receives messages.
///
/// Keep calling [`recv`](Self::recv), even if you expect nothing ([`drain`](Self::drain) does it in one
/// line): that is where pings and Closes are answered, and where a peer that is gone is noticed.
///
/// Dropping it shuts the socket down in both directions, whatever senders there are; its descriptor goes with the last
/// [`Sender`](super::Sender). In a handler of a [`Server`](super::Server) that is done when it
/// has returned. After the peer's Close, or a fault of the peer, the drop
/// first writes what is queued, as long as the peer takes it, and waits for the peer's end of the stream, for at
/// most the [linger](crate::ConfigBuilder::linger) time, so that the peer gets to read the last frame. Without a Close of the peer's, though ours was sent, it sees an abrupt end: see
/// [`close`](Self::close).
pub struct Receiver<S: Transport = Stream> {
    link: Arc<Link<S>>,
    /// `None` once it was dropped.
    inner: Option<Box<Inner<S>>>,
    /// Apart from the rest, since messages borrow it.
    buffer: Buffer,
    /// Where a server finds the connection again when the handler has dropped this.
    home: Option<Home<S>>,
}

/// Where a connection goes when its handler drops the receiver.
pub(super) type Home<S> = Arc<Mutex<Kept<S>>>;

/// Where the receiver is that a server has handed out.
pub(super) enum Kept<S> {
    /// The handler has it.
    Awaited,
    /// The handler has dropped it: the server ends the connection.
    Back(Box<Inner<S>>),
    /// The handler has returned and kept it: it is on its own.
    Gone,
}

pub(super) struct Inner<S> {
    link: Arc<Link<S>>,
    read: ReadHalf,
    replies: Replies,
    /// That of the other half, as last seen.
    progress: Progress,
    /// The longest to wait without a look at the deadlines: none that another thread starts is sooner.
    longest_wait: Duration,
    /// Since when a deadline has passed, perhaps while the user was busy: what came in time is read first.
    late: Option<Instant>,
    /// When to try the socket again that took no more.
    try_at: Option<Instant>,
    /// The read timeout of the socket, which is only set when it changes.
    timeout: Option<Duration>,
    request: Option<Request>,
    /// The peer's Close: its code, its reason, and whether a message was under way.
    close: Option<(Option<CloseCode>, String, bool)>,
    end: Option<End>,
}

impl<S: Transport> Receiver<S> {
    pub(super) fn new(
        link: Arc<Link<S>>,
        read: ReadHalf,
        buffer: Buffer,
        request: Option<Request>,
        config: &Config,
    ) -> Self {
        let longest = Duration::from(config.close_timeout).min(LONGEST_READ);
        let ping_after = config.keepalive.map(|(ping_after, _)| Duration::from(ping_after));
        let inner = Inner {
            link: Arc::clone(&link),
            read,
            replies: Replies::new(),
            progress: Progress::default(),
            longest_wait: ping_after.map_or(longest, |after| after.min(longest)),
            late: None,
            try_at: None,
            timeout: None,
            request,
            close: None,
            end: None,
        };
        Self { link, inner: Some(Box::new(inner)), buffer, home: None }
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
    /// [`Error::Protocol`] when the Close frame that answers it is on its way; [`Error::Disconnected`] if the
    /// peer's side ended without a Close frame; [`Error::TimedOut`] if it fell silent, did not
    /// answer our Close, or takes nothing of what is sent; [`Error::Io`] if the socket failed. A write that
    /// failed in another thread is reported here, too.
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
        let Self { inner, buffer, .. } = self;
        let Some(inner) = inner else {
            return Ok(None);
        };
        let ready = loop {
            match inner.next(buffer)? {
                Some(ready) if ready.is_message() => break ready,
                Some(_) => {}
                None => return Ok(None),
            }
        };
        match inner.read.event(ready, buffer, &mut inner.replies) {
            Ok(Event::Message(message)) => Ok(Some(message)),
            Ok(_) => Ok(None),
            Err(error) => Err(inner.fail(error)),
        }
    }

    /// Receives and discards messages until the end: for a connection on which you only send. Without it a
    /// peer's pings and Closes stay unanswered.
    ///
    /// ```no_run
    /// # use sansocket::{Config, net};
    /// # fn example(stream: std::net::TcpStream) -> Result<(), sansocket::Error> {
    /// let (sender, mut receiver) = net::accept(stream, Config::default())?;
    /// std::thread::spawn(move || receiver.drain());
    /// while sender.send("tick").is_ok() {
    ///     std::thread::sleep(std::time::Duration::from_secs(1));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    pub fn drain(&mut self) -> Result<(), Error> {
        while self.recv()?.is_some() {}
        Ok(())
    }

    /// Closes the connection and waits for its end: sends a Close frame behind all that was fed, discards
    /// messages until the peer's Close comes, and gives the peer time to end its side.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv), and [`SendError::ClientOnlyCode`](crate::SendError::ClientOnlyCode)
    /// for 1010 from a server.
    pub fn close(mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.link.close(code, reason)?;
        self.drain()
    }

    /// The peer's Close frame, once it has come.
    #[must_use]
    pub fn close_frame(&self) -> Option<Close<'_>> {
        let (code, reason, mid_message) = self.inner.as_ref()?.close.as_ref()?;
        Some(Close { code: *code, reason, mid_message: *mid_message })
    }

    /// The request that opened the connection, until [`recv`](Self::recv) waits for the first time: an
    /// idle connection keeps nothing. `None` also after [`open`](super::open), where somebody else read it.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.inner.as_ref()?.request.as_ref()
    }

    /// Takes the request that opened the connection, to keep it for longer.
    pub fn take_request(&mut self) -> Option<Request> {
        self.inner.as_mut()?.request.take()
    }

    /// The socket, such as for the peer's address. To read from it or to write to it breaks the connection.
    #[must_use]
    pub fn stream(&self) -> &S {
        self.link.stream()
    }

    /// Says where the connection goes when this is dropped.
    pub(super) fn set_home(&mut self, home: Home<S>) {
        self.home = Some(home);
    }
}

impl<S: Transport> Drop for Receiver<S> {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        if let Some(home) = &self.home {
            let mut kept = home.lock().unwrap_or_else(PoisonError::into_inner);
            if matches!(*kept, Kept::Awaited) {
                *kept = Kept::Back(inner);
                return;
            }
        }
        inner.close_socket();
    }
}

impl<S: Transport> Inner<S> {
    /// The next thing the peer says; waits for it.
    fn next(&mut self, buffer: &mut Buffer) -> Result<Option<Ready>, Error> {
        loop {
            if let Some(end) = &self.end {
                return end.clone().into_result().map(|()| None);
            }
            match self.read.advance(buffer, &mut self.replies) {
                Ok(Some(ready)) if ready.is_close() => self.note_close(ready, buffer)?,
                Ok(Some(ready)) => {
                    self.reply();
                    return Ok(Some(ready));
                }
                Ok(None) => {
                    self.request = None;
                    self.wait(buffer);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    fn note_close(&mut self, ready: Ready, buffer: &Buffer) -> Result<(), Error> {
        match self.read.event(ready, buffer, &mut self.replies) {
            Ok(Event::Close(Close { code, reason, mid_message })) => {
                self.close = Some((code, reason.to_owned(), mid_message));
                self.end(End::Closed);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Writes what there is to write, looks at the deadlines, and reads, once; or notes the end.
    fn wait(&mut self, buffer: &mut Buffer) {
        let (done, due) = self.write();
        let now = Instant::now();
        if self.is_late(now) && self.read_within(Duration::ZERO, buffer) {
            return;
        }
        let read_due = match self.read.tick(now, self.progress, &mut self.replies) {
            Ok(read_due) => read_due,
            Err(timed_out) => return self.end(End::TimedOut(timed_out)),
        };
        if !self.replies.is_empty() {
            return self.reply(); // a ping is due: it is written before this waits
        }
        if self.read.is_finished(self.progress) {
            return self.eof(None);
        }
        let longest = if done { self.longest_wait } else { WRITE_AGAIN };
        let due = earlier(earlier(read_due, due), self.try_at)
            .map(|due| due.saturating_duration_since(now));
        let read = self.read_within(due.map_or(longest, |due| due.min(longest)), buffer);
        if !read && done && buffer.is_empty() {
            *buffer = Buffer::new();
            self.link.release();
        }
    }

    /// Writes what can be written without waiting. Whether that was all, and when to look again.
    fn write(&mut self) -> (bool, Option<Instant>) {
        let tries = self.try_at.is_none_or(|at| Instant::now() >= at);
        let Attempt { done, due, blocked } = self.link.attempt(&mut self.progress, tries);
        if blocked && !tries {
            return (done, earlier(due, self.try_at));
        }
        self.try_at = if blocked { Instant::now().checked_add(WRITE_AGAIN) } else { None };
        (done, due)
    }

    /// Whether a deadline has passed, and not so long ago that a peer which sends without end keeps us.
    fn is_late(&mut self, now: Instant) -> bool {
        if !self.read.is_overdue(now, self.progress) {
            self.late = None;
            return false;
        }
        let since = *self.late.get_or_insert(now);
        now.saturating_duration_since(since) < self.longest_wait
    }

    /// Reads once; whether there was anything.
    fn read_within(&mut self, wait: Duration, buffer: &mut Buffer) -> bool {
        if self.read.has_eof() {
            // Half closed by the peer, which may still read.
            thread::sleep(wait);
            return true;
        }
        match self.read_some(wait, buffer) {
            Ok(0) => self.eof(None),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => return false,
            Err(error) => self.eof(Some(error.into())),
        }
        true
    }

    fn read_some(&mut self, wait: Duration, buffer: &mut Buffer) -> io::Result<usize> {
        // A timeout of less than a millisecond might be taken for none.
        let wait = wait.max(Duration::from_millis(1));
        if self.timeout != Some(wait) {
            self.link.stream().set_read_timeout(Some(wait))?;
            self.timeout = Some(wait);
        }
        buffer.read_with(|space| self.link.stream().read(space))
    }

    /// The stream is over, for a reason that may be known: a write that failed before, or this read.
    fn eof(&mut self, read: Option<Failure>) {
        match self.read.eof(&mut self.replies) {
            Ok(()) => self.reply(),
            Err(disconnected) => {
                self.end(End::disconnected(disconnected, self.link.failure().or(read)));
            }
        }
    }

    fn fail(&mut self, error: ProtocolError) -> Error {
        self.end(End::Protocol(error));
        error.into()
    }

    /// Notes the first end, and writes what it calls for as far as that goes at once.
    fn end(&mut self, end: End) {
        let is_fatal = end.is_fatal();
        self.end.get_or_insert(end);
        self.reply();
        self.link.attempt(&mut self.progress, true);
        if is_fatal {
            self.link.abort();
        }
    }

    fn reply(&mut self) {
        if !self.replies.is_empty() {
            self.link.reply(&mut self.replies);
        }
    }

    /// Ends the connection for good, with a Close frame unless there was one.
    pub(super) fn finish(&mut self, code: CloseCode) {
        if self.end.is_none() {
            self.read.finish(code, "", &mut self.replies);
            self.end(End::Closed);
        }
        self.close_socket();
    }

    /// After the end, writes the rest of the output and waits for the peer's end of the stream; then, or
    /// without an end, closes the socket.
    fn close_socket(&mut self) {
        let mut discarded = Buffer::new();
        while self.end.as_ref().is_some_and(|end| !end.is_fatal())
            && !self.read.is_finished(self.progress)
            && self.link.failure().is_none()
        {
            // Nothing is to be seen in here but the end of it.
            let _ = self.read.advance(&mut discarded, &mut self.replies);
            self.replies = Replies::new();
            self.wait(&mut discarded);
        }
        self.link.abort();
    }
}

impl<S: Transport> fmt::Debug for Receiver<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("buffer", &self.buffer).finish_non_exhaustive()
    }
}
