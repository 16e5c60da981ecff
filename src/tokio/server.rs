//! An accept loop over [`accept`](super::accept): a task per connection, a limit, a graceful stop.

pub(super) mod task;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ::tokio::net::{TcpListener, ToSocketAddrs};

use self::task::{Finish, OnError, Task, poll_unwinding, report};
use super::accept::{Incoming, Upgrade, refuse};
use super::connections::{Connections, Permit};
use super::listener::Listener;
use super::receiver::Receiver;
use super::sender::Sender;
use super::transport::Transport;
use crate::config::Config;
use crate::error::{Error, HandlerResult};
use crate::handshake::Response;
use crate::log;

/// How long to wait after a failed accept for want of resources.
const PAUSE: Duration = Duration::from_millis(20);

/// Accepts connections, each handled by a task of its own.
///
/// ```no_run
/// use sansocket::{Config, tokio::Server};
///
/// # #[tokio::main]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::bind("127.0.0.1:9001", Config::default()).await?.max_connections(10_000);
/// server.run(|sender, mut receiver| async move {
///     while let Some(message) = receiver.recv().await? {
///         sender.send(message).await?;
///     }
///     Ok(())
/// }).await;
/// # Ok(())
/// # }
/// ```
///
/// When a handler returns, its connection is closed, after all that was fed is written: with 1000, or 1011 if
/// it returned an error. A handler that panics takes down its own connection, with 1011, and no
/// other. (A program built with `panic = "abort"` ends, of course.)
///
/// Errors and refusals go to the crate `log`: install a logger to see them, or set
/// [`on_error`](Self::on_error).
///
/// To stop on Ctrl-C:
///
/// ```no_run
/// # use std::time::Duration;
/// # #[tokio::main]
/// # async fn main() -> std::io::Result<()> {
/// # let server = sansocket::tokio::Server::bind("127.0.0.1:0", Default::default()).await?;
/// let handle = server.handle();
/// tokio::spawn(async move {
///     tokio::signal::ctrl_c().await?;
///     handle.stop(Duration::from_secs(1), Duration::from_secs(10)).await;
///     Ok::<(), std::io::Error>(())
/// });
/// // Returns when the stop is done:
/// let cut_off = server.run(|_, mut receiver| async move { Ok(receiver.drain().await?) }).await;
/// println!("stopped; {cut_off} connections had to be cut off");
/// # Ok(())
/// # }
/// ```
pub struct Server<L: Listener = TcpListener> {
    listener: L,
    config: Arc<Config>,
    on_error: Arc<OnError<L::Address>>,
    connections: Connections<L::Stream>,
}

/// Stops a [`Server`], from any task.
pub type Handle<S = ::tokio::net::TcpStream> = Connections<S>;

impl Server {
    /// Listens at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// The address is not to be had: in use, not ours, or not permitted.
    pub async fn bind(address: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        Ok(Self::from_listener(TcpListener::bind(address).await?, config))
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<L: Listener> Server<L> {
    /// Serves connections from a socket that listens already, such as one that was inherited, or from
    /// any other [`Listener`].
    #[must_use]
    pub fn from_listener(listener: L, config: Config) -> Self {
        Self {
            listener,
            config: Arc::new(config),
            on_error: Arc::new(|peer, error| log::connection_error(peer, error)),
            connections: Connections::new().max_connections(1000),
        }
    }

    /// How many connections may be open at once, handshakes included: 1000 by default, which leaves some
    /// of the usual 1024 file descriptors of a process for other things. Clients above
    /// that get a 503, sixteen at a time; the others of a rush are cut off. A [handle](Self::handle) is to be had
    /// after this is set.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.connections = self.connections.max_connections(limit);
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
        self.connections.clone()
    }

    /// Accepts every correct request, and runs `handler` for each connection until the server is
    /// [stopped](Connections::stop). Returns when the stop is done: how many connections had to be cut off.
    ///
    /// Failures to accept, such as for want of file descriptors, are waited out. If the future is dropped, nobody
    /// listens any more, and the connections go on.
    pub async fn run<H, F>(self, handler: H) -> usize
    where
        H: Fn(Sender<L::Stream>, Receiver<L::Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        self.serve(handler, |handler, incoming| async move {
            let upgrade = incoming.upgrade().await?;
            let response = upgrade.request().accept();
            let (sender, receiver) = upgrade.accept(response).await?;
            Ok(handler(sender, receiver))
        })
        .await
    }

    /// Runs `handler` for each request to open a WebSocket: it decides who is accepted, and goes on with
    /// [`Upgrade::accept`]. Returns as [`run`](Self::run) does.
    pub async fn run_upgrades<H, F>(self, handler: H) -> usize
    where
        H: Fn(Upgrade<L::Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        let open = |handler: Arc<H>, incoming: Incoming<_>| async move {
            Ok(handler(incoming.upgrade().await?))
        };
        self.serve(handler, open).await
    }

    /// Runs `handler` for each request, plain HTTP ones too. Returns as [`run`](Self::run) does.
    pub async fn run_http<H, F>(self, handler: H) -> usize
    where
        H: Fn(Incoming<L::Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        self.serve(handler, |handler, incoming| async move { Ok(handler(incoming)) }).await
    }

    /// Accepts connections; `open` comes from a request to the future of the handler.
    async fn serve<H, O, F>(
        self,
        handler: H,
        open: impl Fn(Arc<H>, Incoming<L::Stream>) -> O + Clone + Send + Sync + 'static,
    ) -> usize
    where
        H: Send + Sync + 'static,
        O: Future<Output = Result<F, Error>> + Send,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        let handler = Arc::new(handler);
        while let Some((stream, peer)) = self.next().await {
            let Some(permit) = self.connections.permit() else {
                if self.connections.is_stopping() {
                    break;
                }
                self.turn_away(stream, peer);
                continue;
            };
            let (handler, config) = (Arc::clone(&handler), Arc::clone(&self.config));
            let (open, on_error) = (open.clone(), Arc::clone(&self.on_error));
            let opening = async move {
                let opened = {
                    let mut opening = pin!(async {
                        let incoming = read(&permit, stream, config).await?;
                        open(handler, incoming).await
                    });
                    poll_fn(|cx| poll_unwinding(opening.as_mut(), cx)).await
                };
                Finish { permit, peer, on_error }.after(opened).await
            };
            ::tokio::spawn(Task::Opens(Box::pin(opening)));
        }
        drop(self.listener); // from here on connections are refused, not queued
        self.connections.end_accepting();
        self.connections.stopped().await
    }

    /// The next connection, until the server is stopped.
    async fn next(&self) -> Option<(L::Stream, L::Address)> {
        let mut stopping = pin!(self.connections.stopping());
        loop {
            let accepted = poll_fn(|cx| {
                if stopping.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                self.listener.poll_accept(cx).map(Some)
            });
            match accepted.await? {
                Ok(accepted) => return Some(accepted),
                // The client has gone again, for which Windows has a name of its own: the next one has not.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Out of file descriptors, perhaps: some will be closed.
                Err(error) => {
                    log::accept_error(&error);
                    ::tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Tells a client that there is no room, unless too many are being told.
    fn turn_away(&self, stream: L::Stream, peer: L::Address) {
        if let Some(permit) = self.connections.refusal_permit() {
            let config = Arc::clone(&self.config);
            ::tokio::spawn(async move {
                refuse(stream, Response::full(), &config).await;
                drop(permit);
            });
        }
        report(&*self.on_error, &peer, &Error::ServerFull { limit: self.connections.limit() });
    }
}

/// Reads a request, unless a stop gives it up.
async fn read<S: Transport + Send>(
    permit: &Permit<S>,
    stream: S,
    config: Arc<Config>,
) -> Result<Incoming<S>, Error> {
    let reading = Incoming::read_with(stream, Config::clone(&config));
    let mut incoming = permit.unless_abandoned(reading).await?;
    if let Incoming::Upgrade(upgrade) = &mut incoming {
        upgrade.set_on_open(permit.on_open());
    }
    Ok(incoming)
}

impl<L: Listener + fmt::Debug> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listener", &self.listener).finish_non_exhaustive()
    }
}
