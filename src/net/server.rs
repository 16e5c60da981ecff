//! An accept loop over [`accept`](super::accept): a thread per connection, a limit, a graceful stop.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::accept::{Incoming, Upgrade, answer};
use super::club::{Club, Seat};
use super::error::Error;
use super::receiver::Receiver;
use super::sender::Sender;
use crate::close::CloseCode;
use crate::config::Config;
use crate::handshake::Response;

type OnError = dyn Fn(SocketAddr, &Error) + Send + Sync;

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
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// When a handler returns, its connection is closed: with 1000, or 1011 if it returned an error. A
/// handler that panics takes down its own connection, with 1011, and no other. (A program
/// built with `panic = "abort"` ends, of course.)
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    max_connections: usize,
    on_error: Arc<OnError>,
    club: Arc<Club>,
}

impl Server {
    /// Listens at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// The address is not to be had: in use, not ours, or not permitted.
    pub fn bind(address: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            config,
            max_connections: 1024,
            on_error: Arc::new(|_, _| {}),
            club: Arc::default(),
        })
    }

    /// How many connections may be open at once, handshakes included: 1024 by default. Clients above
    /// that get a 503.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit;
        self
    }

    /// What to do with the errors that end connections, such as to log them with the peer's address.
    /// Nothing by default: they have been answered.
    #[must_use]
    pub fn on_error(mut self, log: impl Fn(SocketAddr, &Error) + Send + Sync + 'static) -> Self {
        self.on_error = Arc::new(log);
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// To stop it from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { address: self.address, club: Arc::clone(&self.club) }
    }

    /// Accepts every correct request, and runs `handler` for each connection until the server is
    /// [stopped](Handle::stop).
    ///
    /// # Errors
    ///
    /// None at present: failures to accept, such as for want of file descriptors, are waited out.
    pub fn run<H>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Sender<TcpStream>, Receiver<TcpStream>) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.run_upgrades(move |pending| {
            let response = pending.request().accept();
            let (sender, receiver) = pending.accept(response)?;
            handler(sender, receiver)
        })
    }

    /// Runs `handler` for each request to open a WebSocket: it decides who is accepted.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub fn run_upgrades<H>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Upgrade<TcpStream>) -> Result<(), Error> + Send + Sync + 'static,
    {
        self.run_http(move |incoming| match incoming {
            Incoming::Upgrade(pending) => handler(pending),
            Incoming::Http(plain) => Err(plain.reject()),
        })
    }

    /// Runs `handler` for each request, plain HTTP ones too.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub fn run_http<H>(self, handler: H) -> io::Result<()>
    where
        H: Fn(Incoming<TcpStream>) -> Result<(), Error> + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        while let Some((stream, peer)) = self.next() {
            let Some(seat) = self.club.seat(self.max_connections) else {
                self.turn_away(stream);
                continue;
            };
            let (handler, config) = (Arc::clone(&handler), self.config.clone());
            let on_error = Arc::clone(&self.on_error);
            let on_error = move |error: &Error| on_error(peer, error);
            let serve = move || serve(&seat, stream, &config, &*handler, &on_error);
            // Without a thread to be had, the connection is dropped with the closure.
            let _ = thread::Builder::new().name("sansocket".into()).spawn(serve);
        }
        drop(self.listener); // from here on connections are refused, not queued
        self.club.wait_until_empty(None);
        Ok(())
    }

    /// The next connection, until the server is stopped.
    fn next(&self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let accepted = self.listener.accept();
            if self.club.is_closing() {
                return None;
            }
            match accepted {
                Ok(accepted) => return Some(accepted),
                // Out of file descriptors, perhaps: some will be closed.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn turn_away(&self, stream: TcpStream) {
        let Some(seat) = self.club.doorstep() else {
            return;
        };
        let _ = thread::Builder::new().spawn(move || {
            let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
            let mut response = Response::refusal(503, "the server is full\n");
            response.push("Retry-After", "10");
            answer(&stream, &response, Duration::from_secs(1));
            drop(seat);
        });
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Stops a [`Server`], from any thread.
#[derive(Clone)]
pub struct Handle {
    address: SocketAddr,
    club: Arc<Club>,
}

impl Handle {
    /// How many connections there are, handshakes included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.club.seats()
    }

    /// Stops accepting, closes every connection with 1001, and waits for them to end; after
    /// `deadline` the rest is cut off. Returns how many that were.
    ///
    /// The Close frames are spread evenly over `spread`, so that the clients do not all come
    /// back at once to whatever takes over.
    pub fn stop(&self, spread: Duration, deadline: Duration) -> usize {
        let deadline = Instant::now() + deadline;
        let ids = self.club.close();
        self.wake();
        let pause = spread / u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1);
        for id in ids {
            self.club.say_goodbye(id);
            thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
        }
        let left = self.club.wait_until_empty(Some(deadline));
        if left > 0 {
            self.club.cut_off();
        }
        left
    }

    /// Makes the accept loop look up, by connecting to it.
    fn wake(&self) {
        let mut address = self.address;
        match address.ip() {
            ip if !ip.is_unspecified() => {}
            ip if ip.is_ipv4() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            _ => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        }
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish()
    }
}

/// One connection, from its first byte to its last.
fn serve(
    seat: &Seat,
    stream: TcpStream,
    config: &Config,
    handler: &(dyn Fn(Incoming<TcpStream>) -> Result<(), Error> + Send + Sync),
    on_error: &dyn Fn(&Error),
) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut incoming = Incoming::read(stream, config)?;
        if let Incoming::Upgrade(pending) = &mut incoming {
            pending.opened = Some(Box::new(seat.enter()));
        }
        handler(incoming)
    }));
    seat.part(match result {
        Ok(Ok(())) => CloseCode::NORMAL,
        Ok(Err(error)) => {
            on_error(&error);
            CloseCode::INTERNAL_ERROR
        }
        Err(_panic) => CloseCode::INTERNAL_ERROR,
    });
}
