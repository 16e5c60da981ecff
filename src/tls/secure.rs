//! TLS over a transport: whose turn it is to read, to seal and to write.
//!
//! Three locks: the inbox is held by the thread that reads, also while it waits for the peer; the outbox by the one that
//! seals and writes, so that records go out in the order of their sealing; the engine, under either, for the time of
//! some records in memory. Records of the engine itself are sent by the thread that finds them, or, if that one
//! does not get the outbox, by the one that has it: it looks when it has given the outbox back.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::Engine;
#[cfg(all(feature = "mio", feature = "rustls"))]
use super::channel::Channel;
use super::inbox::{End, Inbox, Received, http_refusal, spoke_http};
use super::lock::{lock, try_lock};
use super::outbox::Outbox;
use super::timeout::Timeout;
use crate::buffer::Buffer;
use crate::error::is_timeout;
use crate::net::Transport;

/// How often a full socket is tried again with what the engine itself has to say.
const AGAIN: Duration = Duration::from_millis(20);

/// How long a client that speaks plain HTTP has time to read that this is the wrong port.
const LINGER: Duration = Duration::from_secs(2);

/// A transport with TLS over it.
///
/// It does not add a thread, and full duplex stays full duplex: a thread that waits for the peer, to read or to
/// write, keeps no other from the opposite. The TLS handshake is done by the first read or write, within its timeout, or
/// goes on in the next; [`handshake`](Self::handshake) does it in advance. A read timeout bounds the whole read, however
/// slowly the bytes of a record arrive.
///
/// A connection that is idle holds the state of its [`Engine`], and no buffer after its first read timeout. A peer can
/// make it hold one read of at most 64 KiB, in plaintext, and what the engine keeps of an unfinished record. Of what is
/// written at most 64 KiB are sealed in advance.
pub struct Secure<S, E> {
    stream: S,
    is_server: bool,
    engine: Mutex<E>,
    inbox: Mutex<Inbox>,
    outbox: Mutex<Outbox>,
    /// The engine has something to say, or the socket did not take all of it.
    speaks: AtomicBool,
    /// The handshake is done.
    open: AtomicBool,
    read_timeout: Timeout,
    /// As the transport has it at present.
    set_timeout: Timeout,
    write_timeout: Timeout,
}

impl<S: Transport, E: Engine> Secure<S, E> {
    /// The server's side. A client that speaks plain HTTP is answered with a 400 that says so, in the clear.
    pub fn server(stream: S, engine: E) -> Self {
        Self::new(true, stream, engine, Buffer::new())
    }

    /// The client's side.
    pub fn client(stream: S, engine: E) -> Self {
        Self::new(false, stream, engine, Buffer::new())
    }

    /// With bytes that were read before.
    pub(crate) fn new(is_server: bool, stream: S, engine: E, input: Buffer) -> Self {
        Self {
            stream,
            is_server,
            speaks: AtomicBool::new(engine.wants_write()),
            open: AtomicBool::new(!engine.is_handshaking()),
            engine: Mutex::new(engine),
            inbox: Mutex::new(Inbox::new(input, Received::default())),
            outbox: Mutex::default(),
            read_timeout: Timeout::none(),
            set_timeout: Timeout::none(),
            write_timeout: Timeout::none(),
        }
    }

    /// The server's side, from where a channel has come to.
    #[cfg(all(feature = "mio", feature = "rustls"))]
    pub(crate) fn resume(stream: S, channel: Channel<E>) -> Self {
        let Channel { engine, received, outbox } = channel;
        let speaks = engine.wants_write() || !outbox.is_empty();
        Self {
            speaks: AtomicBool::new(speaks),
            inbox: Mutex::new(Inbox::new(Buffer::new(), received)),
            outbox: Mutex::new(outbox),
            ..Self::server(stream, engine)
        }
    }

    /// Does the TLS handshake, unless it is done, within that time from now.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes longer: it can go on. `InvalidData` if the peer does not speak TLS, or is not the right one;
    /// `UnexpectedEof` if it has gone; and those of the transport.
    pub fn handshake(&self, timeout: Duration) -> io::Result<()> {
        let start = Instant::now();
        while !self.open.load(SeqCst) {
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let Some(mut inbox) = try_lock(&self.inbox)? else {
                // Another thread reads, and does it.
                thread::sleep(left.min(Duration::from_millis(1)));
                continue;
            };
            match &inbox.received.end {
                Some(end) => return Err(end.write()),
                None => {
                    let left = left.max(Duration::from_millis(1));
                    self.receive(&mut inbox, &mut [], Some(left))?;
                }
            }
        }
        Ok(())
    }

    /// The transport below. To read from it or to write to it breaks the connection.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// The engine, such as for the peer's certificates. Others wait for it meanwhile: to be dropped soon.
    ///
    /// # Errors
    ///
    /// It has panicked before.
    pub fn engine(&self) -> io::Result<impl Deref<Target = E>> {
        lock(&self.engine)
    }

    /// Does something with the engine; if it then has something to say, that is said.
    ///
    /// # Errors
    ///
    /// It has panicked before.
    pub fn with_engine<T>(&self, act: impl FnOnce(&mut E) -> T) -> io::Result<T> {
        let mut engine = lock(&self.engine)?;
        let result = act(&mut engine);
        let speaks = engine.wants_write();
        drop(engine);
        if speaks {
            self.say();
        }
        Ok(result)
    }

    /// Reads from the transport, once, and opens what has arrived: how much of that is in `space`.
    fn receive(
        &self,
        inbox: &mut Inbox,
        space: &mut [u8],
        wait: Option<Duration>,
    ) -> io::Result<usize> {
        if inbox.records.is_empty() {
            let slice = self.speaks_again(inbox).then_some(AGAIN);
            let timeout = slice.into_iter().chain(wait).min();
            if self.set_timeout.get() != timeout {
                self.stream.set_read_timeout(timeout)?;
                self.set_timeout.set(timeout);
            }
            match inbox.records.read_with(|space| self.stream.read(space)) {
                Ok(0) => {
                    inbox.received.end = Some(End::Eof);
                    return Ok(0);
                }
                Ok(_) => {}
                Err(error) if is_timeout(&error) && timeout != wait => return Ok(0),
                Err(error) if is_timeout(&error) => {
                    inbox.release();
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        if self.is_server && inbox.received.is_http(inbox.records.unread()) {
            self.refuse_http(inbox);
            return Ok(0);
        }
        let mut engine = lock(&self.engine)?;
        let filled = inbox.open(space, &mut *engine);
        if !engine.is_handshaking() {
            self.open.store(true, SeqCst);
        }
        let speaks = engine.wants_write();
        drop(engine);
        if speaks {
            self.say();
        }
        Ok(filled)
    }

    /// Has the engine say what it has to, unless another thread writes.
    fn say(&self) {
        self.speaks.store(true, SeqCst);
        self.speak();
    }

    /// The same, if there is anything. Every thread calls it that has given the outbox back.
    fn speak(&self) {
        while self.speaks.load(SeqCst) {
            let Ok(Some(mut outbox)) = try_lock(&self.outbox) else {
                return;
            };
            self.speaks.store(false, SeqCst);
            // A failure, of the engine or of the socket, shows in the next write, if there is one.
            let _ = self.seal(&mut outbox, &[]);
            let pushed = self.push(&mut outbox, self.write_timeout.get());
            if pushed.is_err_and(|error| is_timeout(&error)) && !outbox.has_failed() {
                self.speaks.store(true, SeqCst);
                return;
            }
        }
    }

    /// Speaks again from time to time while the peer does not take it. Whether there is still something left.
    fn speaks_again(&self, inbox: &mut Inbox) -> bool {
        if !self.speaks.load(SeqCst) {
            inbox.try_at = None;
            return false;
        }
        let now = Instant::now();
        if inbox.try_at.is_none_or(|at| now >= at) {
            self.speak();
            inbox.try_at = Instant::now().checked_add(AGAIN);
        }
        self.speaks.load(SeqCst)
    }

    fn seal(&self, outbox: &mut Outbox, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        outbox.seal(&mut *lock(&self.engine)?, slices)
    }

    fn push(&self, outbox: &mut Outbox, timeout: Option<Duration>) -> io::Result<()> {
        let write = |slices: &[IoSlice<'_>]| self.stream.write(slices);
        outbox.push(timeout, self.stream.resumes_writes(), write)
    }

    /// Tells a client that speaks HTTP, in HTTP, which is the wrong language here; it has time to read that.
    fn refuse_http(&self, inbox: &mut Inbox) {
        let response = http_refusal().to_bytes();
        // If it cannot be told at once, it is not told.
        let _ = self.stream.write(&[IoSlice::new(&response)]);
        let _ = self.stream.flush();
        let _ = self.stream.shutdown(Shutdown::Write);
        inbox.refused_until = Instant::now().checked_add(LINGER);
        inbox.records.consume(usize::MAX);
    }

    /// Reads the rest of such a request, of which nothing is looked at, until its end or that time.
    fn discard(&self, inbox: &mut Inbox, until: Instant, wait: Option<Duration>) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let left = left.max(Duration::from_millis(1));
            let timeout = wait.map_or(left, |wait| wait.min(left));
            self.stream.set_read_timeout(Some(timeout))?;
            self.set_timeout.set(Some(timeout));
            match inbox.records.read_with(|space| self.stream.read(space)) {
                Ok(1..) => {
                    inbox.records.consume(usize::MAX);
                    return Ok(());
                }
                Err(error) if is_timeout(&error) && timeout < left => return Err(error),
                _ => {}
            }
        }
        inbox.received.end = Some(End::failed(spoke_http()));
        Ok(())
    }
}

impl<S: Transport, E: Engine> Transport for Secure<S, E> {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        let mut inbox = lock(&self.inbox)?;
        let timeout = self.read_timeout.get();
        let (start, mut wait) = (Instant::now(), timeout);
        loop {
            let taken = inbox.take(space);
            if taken > 0 || space.is_empty() {
                return Ok(taken);
            }
            if let Some(end) = &inbox.received.end {
                return end.read();
            }
            match inbox.refused_until {
                Some(until) => self.discard(&mut inbox, until, wait)?,
                None => match self.receive(&mut inbox, space, wait)? {
                    0 => {}
                    filled => return Ok(filled),
                },
            }
            // Part of a record, or none that is the user's: the rest has the rest of the time.
            wait = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            let is_late = wait.is_some_and(|wait| wait < Duration::from_millis(1));
            if is_late && inbox.received.end.is_none() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.open.load(SeqCst) {
            self.handshake(self.write_timeout.get().unwrap_or(Duration::MAX))?;
        }
        let written = lock(&self.outbox)?.write(
            |outbox| self.seal(outbox, slices),
            |outbox| self.push(outbox, self.write_timeout.get()),
        );
        self.speak();
        written
    }

    fn flush(&self) -> io::Result<usize> {
        let mut outbox = lock(&self.outbox)?;
        let pushed = self.push(&mut outbox, self.write_timeout.get());
        let held = outbox.waiting();
        drop(outbox);
        self.speak();
        match pushed {
            Ok(()) => self.stream.flush(),
            Err(error) if is_timeout(&error) && held > 0 => Ok(held),
            Err(error) => Err(error),
        }
    }

    fn resumes_writes(&self) -> bool {
        self.stream.resumes_writes()
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)?;
        self.read_timeout.set(timeout);
        self.set_timeout.set(timeout);
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)?;
        self.write_timeout.set(timeout);
        Ok(())
    }

    /// Ahead of the end of our side goes a `close_notify` (RFC 8446 §6.1), if no other thread is writing. The end of
    /// both goes without.
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how == Shutdown::Write && self.open.load(SeqCst) {
            if let (Ok(Some(mut outbox)), Ok(mut engine)) =
                (try_lock(&self.outbox), lock(&self.engine))
            {
                outbox.close(&mut *engine);
                drop(engine);
                let _ = self.push(&mut outbox, Some(Duration::ZERO));
                outbox.clear();
            }
            self.speak();
        }
        self.stream.shutdown(how)
    }

    fn is_secure(&self) -> bool {
        true
    }

    fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.set_nodelay(nodelay)
    }
}

impl<S: fmt::Debug, E> fmt::Debug for Secure<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secure").field("stream", &self.stream).finish_non_exhaustive()
    }
}
