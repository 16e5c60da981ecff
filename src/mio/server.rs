//! A server on event loops: where it listens, how many loops it has, what it allows.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::app::{App, Verdict};
use super::common::{Common, Full};
use super::handle::Handle;
use super::listening::{Listening, distribute, prepare};
use super::peer::Peer;
use super::shared::{Others, Shared};
use super::table::Id;
use super::topics::Topics;
use super::worker::Worker;
use crate::config::Config;
use crate::handshake::Request;
use crate::message::Message;
#[cfg(feature = "rustls")]
use crate::tls::rustls::ServerConfig;

/// The most shards, since an [`Id`] has 8 bits for them.
const MAX_SHARDS: usize = 256;

/// Serves many connections on few threads. An event loop, a *shard*, serves thousands; more than one is for more than one
/// processor core.
///
/// ```no_run
/// use sansocket::{Config, mio::Server};
///
/// let server = Server::bind("127.0.0.1:9001", Config::default())?.max_connections(100_000);
/// server.run_fn(|peer, message| {
///     let _ = peer.send(message); // refused only if the peer does not read
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// With more than that to decide, implement [`App`].
///
/// Deadlines are looked at once a second: those of [`Config`] are kept to within a second and a sixteenth of
/// their length, by which they are spread so that connections which were opened together are not pinged together.
pub struct Server<M = ()> {
    listeners: Vec<TcpListener>,
    config: Config,
    when_full: Full,
    max_topics: usize,
    shared: Arc<Shared<M>>,
    #[cfg(feature = "rustls")]
    tls: Option<Arc<ServerConfig>>,
}

impl<M: Send + 'static> Server<M> {
    /// Listens at `address`; port 0 takes any that is free. One shard, unless [told otherwise](Self::shards).
    ///
    /// # Errors
    ///
    /// The address is not to be had: in use, not ours, or not permitted.
    pub fn bind(address: impl ToSocketAddrs, config: Config) -> io::Result<Self> {
        Ok(Self::from_listeners(vec![TcpListener::bind(address)?], config))
    }

    /// Serves connections from sockets that listen already: a shard for each, which accepts for itself. So several
    /// sockets may share one port (`SO_REUSEPORT`, as the crate `socket2` sets it), among the shards of a process or
    /// several processes: the system spreads the connections then, by chance, and those that wait for a shard that
    /// is busy wait for it.
    #[must_use]
    pub fn from_listeners(listeners: Vec<TcpListener>, config: Config) -> Self {
        let shards = listeners.len().clamp(1, MAX_SHARDS);
        Self {
            listeners,
            config,
            when_full: Full::default(),
            max_topics: 64,
            shared: Arc::new(Shared::new(shards)),
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// Speaks TLS on this port, with certificates, crypto provider and versions of this configuration; see
    /// [`tls`](crate::tls), also for certificates that are renewed. The TLS handshake is part of the opening handshake with
    /// its deadline; four of them go on in a round of a shard, so that many at once hold up nobody else. A client that
    /// speaks plain HTTP gets a 400.
    ///
    /// As the protocol of ALPN only `http/1.1` is agreed to, or none, if the client offers none.
    ///
    /// # Errors
    ///
    /// `InvalidInput`: the configuration offers another protocol of ALPN, such as `h2`, or takes early data.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: Arc<ServerConfig>) -> io::Result<Self> {
        self.tls = Some(crate::tls::check_server(config)?);
        Ok(self)
    }

    /// Where it listens: the first of its sockets.
    ///
    /// # Errors
    ///
    /// It has none, or that of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let first = self.listeners.first().map(TcpListener::local_addr);
        first.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))
    }

    /// How many event loops it has, each on a thread of its own: from 1 to 256. Unless there are as many sockets that
    /// listen, the thread that calls [`run`](Self::run) accepts, each connection for the shard which has the
    /// fewest. A [handle](Self::handle) is to be had after this is set.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        let new = Shared::new(shards.clamp(1, MAX_SHARDS));
        let old = &self.shared;
        for (new, old) in
            [(&new.max_connections, &old.max_connections), (&new.max_mail, &old.max_mail)]
        {
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.shared = Arc::new(new);
        self
    }

    /// How many connections may be open at once in all shards, handshakes included: 1000 by default, which leaves some of
    /// the usual 1024 file descriptors of a process for other things. Clients above that get a 503, sixteen at a
    /// time; the others of a rush are cut off.
    #[must_use]
    pub fn max_connections(self, limit: usize) -> Self {
        self.shared.max_connections.store(limit, Ordering::Relaxed);
        self
    }

    /// What becomes of a receiver that is too slow for what is published or sent from other threads: by default it is
    /// closed with 1013.
    #[must_use]
    pub fn when_full(mut self, full: Full) -> Self {
        self.when_full = full;
        self
    }

    /// How many topics a connection may be subscribed to: 64 by default.
    #[must_use]
    pub fn max_topics(mut self, limit: usize) -> Self {
        self.max_topics = limit;
        self
    }

    /// How much may wait in the mailbox of a shard before [`Handle`] is refused: 65,536 pieces by default. A shard that
    /// works on what it took from there may hold as many again.
    #[must_use]
    pub fn max_mail(self, limit: usize) -> Self {
        self.shared.max_mail.store(limit, Ordering::Relaxed);
        self
    }

    /// To reach it from other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<M> {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Serves until the server is [stopped](Handle::stop). `make` is called once on the thread of each shard, with the
    /// number of the shard. Returns when the stop is done: how many connections had to be cut off.
    ///
    /// Failures to accept, such as for want of file descriptors, are waited out.
    ///
    /// # Errors
    ///
    /// There are no file descriptors or threads for the shards, or the system cannot wait for events. All shards
    /// have ended then.
    pub fn run<A, F>(self, make: F) -> io::Result<usize>
    where
        A: App<Mail = M>,
        F: Fn(usize) -> A + Send + Sync,
    {
        let Self {
            listeners,
            config,
            when_full,
            max_topics,
            shared,
            #[cfg(feature = "rustls")]
            tls,
        } = self;
        let listening: Vec<Listening> =
            listeners.into_iter().map(Listening::new).collect::<io::Result<_>>()?;
        let shards = shared.shards();
        let work = |shard: usize, listening: Option<Listening>| -> io::Result<()> {
            let _end = ShardEnd { shared: &shared, shard };
            let result = (|| {
                let mut common = Common::new(config.clone(), shard, Instant::now());
                common.when_full = when_full;
                common.topics = Topics::new(max_topics);
                #[cfg(feature = "rustls")]
                {
                    common.tls = tls.clone();
                }
                if shards > 1 {
                    common.others = Some(Arc::clone(&shared) as Arc<dyn Others>);
                }
                Worker::new(make(shard), common, Arc::clone(&shared), listening)?.run()
            })();
            if result.is_err() {
                shared.begin_stop(Duration::ZERO);
            }
            result
        };
        let work = &work;
        let result = match listening.len() == shards {
            true => thread::scope(|scope| {
                let mut own = None;
                let mut threads = Vec::new();
                for (shard, listening) in listening.into_iter().enumerate() {
                    match shard {
                        0 => own = Some(listening),
                        _ => threads.push(spawn(
                            scope,
                            move || work(shard, Some(listening)),
                            &shared,
                        )?),
                    }
                }
                let first = work(0, own);
                join_all(first, threads)
            }),
            false => {
                let mut poll = prepare(&shared)?;
                thread::scope(|scope| {
                    let mut threads = Vec::new();
                    for shard in 0..shards {
                        threads.push(spawn(scope, move || work(shard, None), &shared)?);
                    }
                    let accepted = distribute(listening, &mut poll, &shared);
                    if accepted.is_err() {
                        shared.begin_stop(Duration::ZERO);
                    }
                    join_all(accepted, threads)
                })
            }
        };
        result.map(|()| shared.wait_for_the_stop())
    }
}

impl Server<()> {
    /// Accepts every correct request, and calls `message` for each message until the server is
    /// [stopped](Handle::stop). Returns as [`run`](Self::run) does.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub fn run_fn<F>(self, message: F) -> io::Result<usize>
    where
        F: Fn(&mut Peer<'_, ()>, Message<'_>) + Send + Sync,
    {
        self.run(|_| Function(&message))
    }
}

/// An application of one function.
struct Function<'f, F>(&'f F);

impl<F: Fn(&mut Peer<'_, ()>, Message<'_>)> App for Function<'_, F> {
    type State = ();
    type Mail = ();

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        Verdict::Accept(request.accept(), ())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        (self.0)(peer, message);
    }
}

/// The end of a shard, however it comes.
struct ShardEnd<'s, M> {
    shared: &'s Shared<M>,
    shard: usize,
}

impl<M> Drop for ShardEnd<'_, M> {
    fn drop(&mut self) {
        self.shared.close(self.shard);
        // The function that makes the application has panicked: the others must not go on without this one.
        if thread::panicking() {
            self.shared.begin_stop(Duration::ZERO);
        }
    }
}

type Thread<'scope> = thread::ScopedJoinHandle<'scope, io::Result<()>>;

/// Starts the thread of a shard. If there is none to be had, the others end.
fn spawn<'scope, 'env, M>(
    scope: &'scope thread::Scope<'scope, 'env>,
    work: impl FnOnce() -> io::Result<()> + Send + 'scope,
    shared: &Shared<M>,
) -> io::Result<Thread<'scope>> {
    let spawned = thread::Builder::new().name("sansocket-shard".into()).spawn_scoped(scope, work);
    spawned.inspect_err(|_| shared.begin_stop(Duration::ZERO))
}

/// The first error of all shards. A panic of one goes on in the thread that waits for it.
fn join_all(first: io::Result<()>, threads: Vec<Thread<'_>>) -> io::Result<()> {
    threads.into_iter().fold(first, |result, thread| {
        let end = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result.and(end)
    })
}

impl<M> fmt::Debug for Server<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners)
            .field("shards", &self.shared.shards())
            .finish_non_exhaustive()
    }
}
