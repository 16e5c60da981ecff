//! An accept loop over [`accept`](super::accept): a thread per connection, a limit, a graceful stop.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::accept::{Incoming, Upgrade, refuse};
use super::connections::{Connections, Permit};
use super::listener::Listener;
use super::receiver::Receiver;
use super::sender::Sender;
use super::stream::Stream;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::config::Config;
use crate::error::{Error, HandlerResult, is_timeout};
use crate::graceful::turns;
use crate::handshake::Response;
use crate::log;
use crate::timers::earlier;

type OnError<A> = dyn Fn(&A, &Error) + Send + Sync;

/// Puts TLS over a stream.
type Wrap<S> = dyn Fn(S) -> io::Result<S> + Send + Sync;

/// How soon a handshake notices that a stop gives it up.
const CUT_OFF_WITHIN: Duration = Duration::from_millis(100);

/// How long to wait after a failed accept for want of resources, or one that does not wait.
const PAUSE: Duration = Duration::from_millis(20);

/// Accepts connections, each handled on a thread of its own.
///
/// ```no_run
/// use sansocket::{Config, net::Server};
///
/// let server = Server::bind("127.0.0.1:9001", Config::default())?.max_connections(500);
/// server.run(|sender, mut receiver| {
///     while let Some(message) = receiver.recv()? {
///         sender.send(message)?;
///     }
///     Ok(())
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// When a handler returns, its connection is closed, after all that was fed is written: with 1000, or 1011 if
/// it returned an error. A handler that panics takes down its own connection, with 1011, and no
/// other. (A program built with `panic = "abort"` ends, of course.)
///
/// Errors and refusals go to the crate `log`: install a logger to see them, or set
/// [`on_error`](Self::on_error).
///
/// To stop on Ctrl-C, with the crate `ctrlc`:
///
/// ```no_run
/// # use std::time::Duration;
/// # mod ctrlc { pub fn set_handler(_: impl FnMut() + Send + 'static) -> std::io::Result<()> { Ok(()) } }
/// # let server = sansocket::net::Server::bind("127.0.0.1:0", Default::default())?;
/// let handle = server.handle();
/// ctrlc::set_handler(move || {
///     handle.stop(Duration::from_secs(1), Duration::from_secs(10));
/// })?;
/// let cut_off = server.run(|_, mut receiver| Ok(receiver.drain()?)); // returns when the stop is done
/// println!("stopped; {cut_off} connections had to be cut off");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Server<L: Listener = TcpListener> {
    listener: L,
    waker: Arc<dyn Fn() + Send + Sync>,
    config: Config,
    max_connections: usize,
    on_error: Arc<OnError<L::Address>>,
    connections: Arc<Connections<L::Stream>>,
    wrap: Option<Arc<Wrap<L::Stream>>>,
}

impl Server {
    /// Listens at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// The address is not to be had: in use, not ours, or not permitted.
    pub fn bind(address: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        Self::from_listener(TcpListener::bind(address)?, config)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        // A socket that listens has one.
        self.listener.local_addr().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into())
    }

    /// Speaks TLS on this port, with certificates, crypto provider and versions of this configuration; see
    /// [`tls`](crate::tls), also for certificates that are renewed. The TLS handshake is done on the thread of its connection,
    /// and is part of the opening handshake with its deadline. A client that speaks plain HTTP gets a 400.
    ///
    /// As the protocol of ALPN only `http/1.1` is agreed to, or none, if the client offers none.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the configuration offers another protocol of ALPN, such as `h2`, or takes early data.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: Arc<crate::tls::rustls::ServerConfig>) -> io::Result<Self> {
        use crate::tls::{Rustls, Secure, check_server};

        let config = check_server(config)?;
        self.wrap = Some(Arc::new(move |stream: Stream| {
            stream.wrap(|stream| Ok(Secure::server(stream, Rustls::server(Arc::clone(&config))?)))
        }));
        Ok(self)
    }
}

impl<L: Listener> Server<L> {
    /// Serves connections from a socket that listens already, such as one that was inherited, or from
    /// any other [`Listener`].
    ///
    /// # Errors
    ///
    /// The listener cannot be woken to stop, see [`Listener::waker`].
    pub fn from_listener(listener: L, config: Config) -> io::Result<Self> {
        Ok(Self {
            waker: listener.waker()?.into(),
            listener,
            config,
            max_connections: 1000,
            on_error: Arc::new(|peer, error| log::connection_error(peer, error)),
            connections: Arc::default(),
            wrap: None,
        })
    }

    /// How many connections may be open at once, handshakes included: 1000 by default, which leaves some
    /// of the usual 1024 file descriptors of a process for other things. A [`Sender`] that is kept beyond its handler
    /// keeps the descriptor, and is not counted. Clients above
    /// that get a 503, sixteen at a time; the others of a rush are cut off.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// Sets a function for the errors that end connections, and for refusals; by default they are logged with the
    /// crate `log` (feature `log`): disconnects at debug level, others at warn, as failures to accept always
    /// are. They have been answered, and the connection has been given back, when this is called.
    #[must_use]
    pub fn on_error(mut self, log: impl Fn(&L::Address, &Error) + Send + Sync + 'static) -> Self {
        self.on_error = Arc::new(log);
        self
    }

    /// To stop it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle<L::Stream> {
        Handle { waker: Arc::clone(&self.waker), connections: Arc::clone(&self.connections) }
    }

    /// Accepts every correct request, and runs `handler` for each connection until the server is
    /// [stopped](Handle::stop). Returns when the stop is done: how many connections had to be cut off.
    ///
    /// Failures to accept, such as for want of file descriptors, are waited out.
    pub fn run<H>(self, handler: H) -> usize
    where
        H: Fn(Sender<L::Stream>, Receiver<L::Stream>) -> HandlerResult + Send + Sync + 'static,
    {
        self.run_upgrades(move |upgrade| {
            let response = upgrade.request().accept();
            let (sender, receiver) = upgrade.accept(response)?;
            handler(sender, receiver)
        })
    }

    /// Runs `handler` for each request to open a WebSocket: it decides who is accepted. Returns as
    /// [`run`](Self::run) does.
    pub fn run_upgrades<H>(self, handler: H) -> usize
    where
        H: Fn(Upgrade<L::Stream>) -> HandlerResult + Send + Sync + 'static,
    {
        self.run_http(move |incoming| handler(incoming.upgrade()?))
    }

    /// Runs `handler` for each request, plain HTTP ones too. Returns as [`run`](Self::run) does.
    pub fn run_http<H>(self, handler: H) -> usize
    where
        H: Fn(Incoming<L::Stream>) -> HandlerResult + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        while let Some((stream, peer)) = self.next() {
            let Some(permit) = self.connections.permit(self.max_connections) else {
                if self.connections.is_stopping() {
                    break;
                }
                self.turn_away(stream, peer);
                continue;
            };
            // Taken back if there is no thread to be had.
            let accepted = Arc::new(Mutex::new(Some((permit, stream, peer))));
            let theirs = Arc::clone(&accepted);
            let (handler, config) = (Arc::clone(&handler), self.config.clone());
            let on_error = Arc::clone(&self.on_error);
            let wrap = self.wrap.clone();
            let serve = move || {
                if let Some((permit, stream, peer)) = take(&theirs) {
                    if let Some(error) = serve(permit, stream, wrap.as_deref(), &config, &*handler)
                    {
                        report(&*on_error, &peer, &error);
                    }
                }
            };
            let spawned = thread::Builder::new().name("sansocket".into()).spawn(serve);
            if let Err(error) = spawned {
                if let Some((permit, stream, peer)) = take(&accepted) {
                    drop((permit, stream));
                    report(&*self.on_error, &peer, &error.into());
                }
                thread::sleep(PAUSE);
            }
        }
        drop(self.listener); // from here on connections are refused, not queued
        self.connections.wait_for_the_stop()
    }

    /// The next connection, until the server is stopped.
    fn next(&self) -> Option<(L::Stream, L::Address)> {
        loop {
            let start = Instant::now();
            let accepted = self.listener.accept();
            if self.connections.is_stopping() {
                return None;
            }
            match accepted {
                Ok(accepted) => return Some(accepted),
                // The client has gone again, for which Windows has a name of its own: the next one has not.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It only looks up; at once if it does not block.
                Err(error) if is_timeout(&error) => {
                    thread::sleep(PAUSE.saturating_sub(start.elapsed()));
                }
                // Out of file descriptors, perhaps: some will be closed.
                Err(error) => {
                    log::accept_error(&error);
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Tells a client that there is no room, unless too many are being told.
    fn turn_away(&self, stream: L::Stream, peer: L::Address) {
        let told = self.connections.refusal_permit().map(|permit| {
            let (config, wrap) = (self.config.clone(), self.wrap.clone());
            thread::Builder::new().spawn(move || {
                if let Ok(stream) = wrapped(stream, wrap.as_deref()) {
                    refuse(&stream, Response::full(), &config);
                }
                drop(permit);
            })
        });
        drop(told);
        report(&*self.on_error, &peer, &Error::ServerFull { limit: self.max_connections });
    }
}

/// A panic in there is no reason to accept nobody any more.
fn report<A>(on_error: &OnError<A>, peer: &A, error: &Error) {
    let _ = catch_unwind(AssertUnwindSafe(|| on_error(peer, error)));
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<L: Listener + fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}

/// Stops a [`Server`], from any thread.
#[doc(alias = "shutdown")]
#[doc(alias = "graceful")]
pub struct Handle<S: Transport = Stream> {
    waker: Arc<dyn Fn() + Send + Sync>,
    connections: Arc<Connections<S>>,
}

impl<S: Transport> Clone for Handle<S> {
    fn clone(&self) -> Self {
        Self { waker: Arc::clone(&self.waker), connections: Arc::clone(&self.connections) }
    }
}

impl<S: Transport> Handle<S> {
    /// How many connections there are, handshakes included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.count()
    }

    /// Stops accepting, closes every connection with 1001, and waits for them to end; after
    /// `deadline` the rest is cut off, which handlers see as
    /// [`TimedOut::Close`](crate::TimedOut::Close). Returns how many that were.
    ///
    /// The Close frames are spread evenly over `spread`, so that the clients do not all come
    /// back at once to whatever takes over. Those whose turn comes after the deadline are cut off without
    /// one: leave some time between the two. Not to be called by a handler, which would wait for itself.
    pub fn stop(&self, spread: Duration, deadline: Duration) -> usize {
        let start = Instant::now();
        // Too late to be told is never.
        let deadline = start.checked_add(deadline);
        let ids = self.connections.begin_stop();
        self.wake();
        for (turn, id) in turns(start, spread, ids.len()).zip(ids) {
            let is_empty = self.connections.wait_until_empty(earlier(turn, deadline));
            if is_empty || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            self.connections.close_one(id);
        }
        self.connections.wait_until_empty(deadline);
        // There may have been no file descriptor left to wake it with before.
        self.wake();
        self.connections.end_stop()
    }

    /// Wakes the accept loop. Once that has ended, the address may be somebody else's.
    fn wake(&self) {
        if !self.connections.has_stopped_accepting() {
            (self.waker)();
        }
    }
}

impl<S: Transport> fmt::Debug for Handle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish()
    }
}

fn wrapped<S>(stream: S, wrap: Option<&Wrap<S>>) -> io::Result<S> {
    match wrap {
        Some(wrap) => wrap(stream),
        None => Ok(stream),
    }
}

/// One connection, from its first byte to its last; the error that ended it, if any.
fn serve<S: Transport + 'static>(
    permit: Permit<S>,
    stream: S,
    wrap: Option<&Wrap<S>>,
    config: &Config,
    handler: &(dyn Fn(Incoming<S>) -> HandlerResult + Send + Sync),
) -> Option<Error> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let stream = wrapped(stream, wrap)?;
        let cut_off = || permit.is_abandoned();
        let mut incoming = Incoming::read_unless(stream, config, CUT_OFF_WITHIN, cut_off)?;
        if let Incoming::Upgrade(upgrade) = &mut incoming {
            upgrade.opened = Some(Box::new(permit.opened()));
        }
        handler(incoming)
    }));
    let (code, error) = match result {
        Ok(Ok(())) => (CloseCode::NORMAL, None),
        Ok(Err(error)) => (CloseCode::INTERNAL_ERROR, Some(Error::from_handler(error))),
        Err(_panic) => (CloseCode::INTERNAL_ERROR, None),
    };
    permit.finish(code);
    drop(permit);
    error
}
