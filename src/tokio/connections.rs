//! The connections of a server, whichever that is: a permit for each, and how they are closed when it stops.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use ::tokio::sync::Notify;
use ::tokio::time::timeout_at;

use super::receiver::Receiver;
use super::sender::Sender;
use super::server::task::poll_unwinding;
use super::timer::now;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::end::Failure;
use crate::error::{Error, HandlerResult, TimedOut};
use crate::graceful::{Opened, Table, turns};
use crate::timers::earlier;

/// The connections of a server: how many there may be, and a graceful stop. [`Server`](super::Server) has one; this
/// is for WebSockets under other servers, such as axum and hyper, which forget about a connection once
/// it is upgraded. A clone has the same connections, and a limit of its own.
///
/// ```
/// use std::time::Duration;
/// use sansocket::tokio::Connections;
/// # use sansocket::{Config, tokio::Upgrade};
/// # use tokio::net::TcpStream;
///
/// let connections: Connections<TcpStream> = Connections::new().max_connections(500);
///
/// # async fn handler(connections: Connections<TcpStream>, upgrade: Upgrade<TcpStream>)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// // For each request:
/// let Some(permit) = connections.permit() else {
///     let full = upgrade.request().reject(503)?;
///     return Ok(upgrade.reject(full).await?);
/// };
/// let response = upgrade.request().accept();
/// let (sender, receiver) = upgrade.accept(response).await?;
/// let echo = permit.run(sender, receiver, |sender, mut receiver| async move {
///     while let Some(message) = receiver.recv().await? {
///         sender.send(message).await?;
///     }
///     Ok(())
/// });
/// tokio::spawn(echo);
/// # Ok(())
/// # }
/// # async fn stop(connections: Connections<TcpStream>) {
///
/// // When the server stops:
/// let cut_off = connections.stop(Duration::from_secs(1), Duration::from_secs(10)).await;
/// # let _ = cut_off;
/// # }
/// ```
pub struct Connections<S: Transport> {
    shared: Arc<Shared<S>>,
    max: usize,
}

struct Shared<S: Transport> {
    table: Mutex<Table<Sender<S>>>,
    /// A connection has ended.
    changed: Notify,
    /// A stop has begun or ended.
    stops: Notify,
}

/// The right to one connection, given back when dropped: from the first byte of the handshake to the last of the
/// closing one, if it is asked for in time.
pub struct Permit<S: Transport> {
    shared: Arc<Shared<S>>,
    /// `None` is for clients that are only told that there is no room.
    id: Option<u64>,
}

pub(crate) type OnOpen<S> = Box<dyn FnOnce(&Sender<S>) + Send>;

impl<S: Transport> Connections<S> {
    /// No connections, and room for as many as there may come.
    #[must_use]
    pub fn new() -> Self {
        let shared =
            Shared { table: Mutex::default(), changed: Notify::new(), stops: Notify::new() };
        Self { shared: Arc::new(shared), max: usize::MAX }
    }

    /// How many there may be at once: any number by default.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max = limit;
        self
    }

    /// A permit for one connection; `None` if there are as many as there may be, or they are being
    /// [stopped](Self::stop).
    #[must_use]
    pub fn permit(&self) -> Option<Permit<S>> {
        let id = self.table().admit(self.max)?;
        Some(Permit::new(&self.shared, Some(id)))
    }

    /// A permit to be refused.
    pub(super) fn refusal_permit(&self) -> Option<Permit<S>> {
        let is_admitted = self.table().admit_refusal();
        is_admitted.then(|| Permit::new(&self.shared, None))
    }

    pub(super) fn limit(&self) -> usize {
        self.max
    }

    /// How many permits there are out.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table().count()
    }

    /// Whether they are being stopped, or are.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.table().is_stopping()
    }

    /// Lets nobody in any more, closes every connection with 1001, and waits for them to end, their handlers
    /// included; after `deadline` the rest is cut off, which handlers see as [`TimedOut::Close`]. Returns how many
    /// that were.
    ///
    /// The Close frames are spread evenly over `spread`, so that the clients do not all come
    /// back at once to whatever takes over. Those whose turn comes after the deadline are cut off without
    /// one: leave some time between the two. Not to be called by a handler, which would wait for itself.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, those are told that were told, and nobody is cut off; nobody is let in either.
    pub async fn stop(&self, spread: Duration, deadline: Duration) -> usize {
        let start = now();
        // Too late to be told is never.
        let deadline = start.checked_add(deadline);
        let stop = Stop::begin(&self.shared);
        for (turn, id) in turns(start, spread, stop.open.len()).zip(stop.open.iter()) {
            let is_empty = self.wait_until_empty(earlier(turn, deadline)).await;
            if is_empty || deadline.is_some_and(|deadline| now() >= deadline) {
                break;
            }
            self.shared.close_one(*id);
        }
        self.wait_until_empty(deadline).await;
        let (left, open) = stop.end();
        for sender in open {
            cut_off(&sender);
        }
        left
    }

    /// Waits until there are no connections, or until then, and returns whether there are none.
    async fn wait_until_empty(&self, deadline: Option<Instant>) -> bool {
        loop {
            let changed = self.shared.changed.notified();
            if self.count() == 0 {
                return true;
            }
            match deadline {
                None => changed.await,
                Some(deadline) if now() >= deadline => return false,
                Some(deadline) => _ = timeout_at(deadline.into(), changed).await,
            }
        }
    }

    /// Waits until this is [stopping](Self::is_stopping).
    pub(super) async fn stopping(&self) {
        loop {
            let changed = self.shared.stops.notified();
            if self.is_stopping() {
                return;
            }
            changed.await;
        }
    }

    /// The accept loop has ended.
    pub(super) fn end_accepting(&self) {
        self.table().end_accepting();
    }

    /// After the accept loop, waits until all connections have ended or were given up, and every stop has
    /// returned; how many were cut off.
    pub(super) async fn stopped(&self) -> usize {
        loop {
            let changed = self.shared.changed.notified();
            if let Some(cut_off) = self.table().stopped() {
                return cut_off;
            }
            changed.await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table<Sender<S>>> {
        self.shared.table()
    }
}

impl<S: Transport> Shared<S> {
    fn table(&self) -> MutexGuard<'_, Table<Sender<S>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection that has opened into the table, unless its handler has returned before: then nobody
    /// counts it.
    fn enter(&self, id: Option<u64>, sender: &Sender<S>) {
        let Some(id) = id else {
            return;
        };
        // First: from the moment that it is in the table its handler may return.
        sender.link().turn(|turn| turn.awaited = true);
        let opened = self.table().open(id, sender.clone());
        match opened {
            Opened::Stays => {}
            Opened::IsGone => let_go(sender),
            Opened::Closes => self.close_one(id),
            Opened::IsCutOff => cut_off(sender),
        }
    }

    /// Starts closing a connection, without waiting.
    fn close_one(&self, id: u64) {
        let sender = self.table().get(id);
        if let Some(sender) = sender {
            let _ = sender.close(CloseCode::GOING_AWAY, "");
        }
    }
}

/// A stop under way.
struct Stop<'s, S: Transport> {
    shared: &'s Shared<S>,
    open: Vec<u64>,
    ended: bool,
}

impl<'s, S: Transport> Stop<'s, S> {
    fn begin(shared: &'s Shared<S>) -> Self {
        let open = shared.table().begin_stop();
        shared.stops.notify_waiters();
        Self { shared, open, ended: false }
    }

    fn end(mut self) -> (usize, Vec<Sender<S>>) {
        self.ended = true;
        let ended = self.shared.table().end_stop();
        self.shared.stops.notify_waiters();
        self.shared.changed.notify_waiters();
        ended
    }
}

impl<S: Transport> Drop for Stop<'_, S> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.table().cancel_stop();
            self.shared.changed.notify_waiters();
        }
    }
}

fn cut_off<S: Transport>(sender: &Sender<S>) {
    sender.link().turn(|turn| turn.cut_off(Failure::TimedOut(TimedOut::Close)));
}

impl<S: Transport> Permit<S> {
    fn new(shared: &Arc<Shared<S>>, id: Option<u64>) -> Self {
        Self { shared: Arc::clone(shared), id }
    }

    /// Runs a handler for a connection, and ends that when the handler has returned, and dropped the receiver or not:
    /// writes all that was fed, then a Close frame unless there was one, with 1000, or 1011 if the handler
    /// returned an error or panicked; then the peer has time to end its side. Meanwhile the connection is one of those
    /// that a [stop](Connections::stop) closes.
    ///
    /// # Errors
    ///
    /// That of the handler: an [`Error`] as it is, others as [`Error::Handler`].
    pub async fn run<F>(
        self,
        sender: Sender<S>,
        receiver: Receiver<S>,
        handler: impl FnOnce(Sender<S>, Receiver<S>) -> F,
    ) -> Result<(), Error>
    where
        F: Future<Output = HandlerResult>,
    {
        self.shared.enter(self.id, &sender);
        let mut handling = pin!(async move { handler(sender, receiver).await });
        let result = poll_fn(|cx| poll_unwinding(handling.as_mut(), cx)).await;
        Box::pin(self.finish(result)).await
    }

    /// Enters a connection when it has opened.
    pub(crate) fn on_open(&self) -> OnOpen<S>
    where
        S: Send,
    {
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        Box::new(move |sender| shared.enter(id, sender))
    }

    /// Ends the connection when its handler has returned, or panicked.
    pub(crate) async fn finish(self, result: Option<HandlerResult>) -> Result<(), Error> {
        let code = match &result {
            Some(Ok(())) => CloseCode::NORMAL,
            _ => CloseCode::INTERNAL_ERROR,
        };
        let sender = self.id.and_then(|id| self.shared.table().get(id));
        if let Some(sender) = sender {
            match sender.link().turn(|turn| turn.let_go()) {
                Some(receiver) => receiver.finish(code).await,
                // The receiver lives on in another task, which sees to the rest.
                None => _ = sender.close(code, ""),
            }
        }
        match result {
            Some(Err(error)) => Err(Error::from_handler(error)),
            _ => Ok(()),
        }
    }

    /// The outcome of an opening handshake, unless a stop gives it up.
    pub(crate) async fn unless_abandoned<T>(
        &self,
        opening: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (mut opening, mut abandoned) = (pin!(opening), pin!(self.abandoned()));
        poll_fn(|cx| match abandoned.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(TimedOut::Handshake.into())),
            Poll::Pending => opening.as_mut().poll(cx),
        })
        .await
    }

    /// Waits until a stop has given up those that are left.
    async fn abandoned(&self) {
        loop {
            let changed = self.shared.stops.notified();
            if self.shared.table().is_abandoned() {
                return;
            }
            changed.await;
        }
    }
}

/// Nobody waits for the receiver any more: if it was dropped, that closes the socket now.
fn let_go<S: Transport>(sender: &Sender<S>) {
    let dropped = sender.link().turn(|turn| turn.let_go().inspect(|_| turn.close()));
    drop(dropped); // not while the state is locked
}

impl<S: Transport> Drop for Permit<S> {
    fn drop(&mut self) {
        let sender = self.shared.table().leave(self.id);
        self.shared.changed.notify_waiters();
        if let Some(sender) = sender {
            let_go(&sender);
        }
    }
}

impl<S: Transport> Clone for Connections<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), max: self.max }
    }
}

impl<S: Transport> Default for Connections<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Transport> fmt::Debug for Connections<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl<S: Transport> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
