//! The user's side: what a shard calls, and what it is answered.

use std::fmt;
use std::net::SocketAddr;

use super::peer::Peer;
use super::shard::Shard;
use super::table::Id;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::handshake::{Head, Request, Response};
use crate::log;
use crate::message::{Close, Message};
use crate::net::Stream;

/// Your program, as a shard sees it: one value per shard, made on the shard's thread, which calls it and nobody else does. So
/// it needs no lock, and may hold what is not `Send`.
///
/// ```no_run
/// use std::net::SocketAddr;
/// use sansocket::handshake::Request;
/// use sansocket::mio::{App, Id, Peer, Server, Verdict};
/// use sansocket::{Config, Message};
///
/// /// A chat with rooms: the path is the room.
/// struct Chat;
///
/// impl App for Chat {
///     type State = String;
///     type Mail = ();
///
///     fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<String> {
///         Verdict::Accept(request.accept(), request.path().to_owned())
///     }
///
///     fn open(&mut self, peer: &mut Peer<'_, String>) {
///         let room = peer.state().clone();
///         let _ = peer.subscribe(&room);
///     }
///
///     fn message(&mut self, peer: &mut Peer<'_, String>, message: Message<'_>) {
///         let room = peer.state().clone();
///         let _ = peer.publish(&room, message);
///     }
/// }
///
/// Server::bind("127.0.0.1:9001", Config::default())?.run(|_shard| Chat)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// While a method runs, nobody else of its shard is served: do not wait in there, let [other threads](super::Handle) do
/// so, and [come back](Self::mail) with what they found. A method that panics takes down the connection that it was
/// called for, with 1011; the shard lives, and so does this value, perhaps with half of a change. (A program built with
/// `panic = "abort"` ends, of course.)
pub trait App: Sized {
    /// What you keep of each connection. It lies beside the connection.
    type State;
    /// What other threads may tell a shard, see [`Handle::mail`](super::Handle::mail).
    type Mail: Send + 'static;

    /// A client wants to open a WebSocket. If this panics, it gets a 500.
    fn request(&mut self, id: Id, from: SocketAddr, request: &Request) -> Verdict<Self::State>;

    /// Plain HTTP came to the same port: by default the client gets 426, or 405 or 505.
    fn http(&mut self, from: SocketAddr, head: &Head) -> Answer {
        let _ = (from, head);
        Answer::Reject
    }

    /// A connection is open. What is sent to it here is the first that the client receives.
    fn open(&mut self, peer: &mut Peer<'_, Self::State>) {
        let _ = peer;
    }

    /// A message has arrived. It is borrowed from the bytes that the socket wrote.
    fn message(&mut self, peer: &mut Peer<'_, Self::State>, message: Message<'_>);

    /// A pong has arrived, see [`Peer::ping`]; those that answer the pings of keepalive are empty.
    fn pong(&mut self, peer: &mut Peer<'_, Self::State>, payload: &[u8]) {
        let _ = (peer, payload);
    }

    /// A peer to which something could not be [sent](Peer::send), since too much was waiting, has read on: less
    /// than half of [`max_queue`](crate::ConfigBuilder::max_queue) waits.
    fn drained(&mut self, peer: &mut Peer<'_, Self::State>) {
        let _ = peer;
    }

    /// A connection has ended, which was [open](Self::open): once for each. Nothing more arrives, and nothing can be sent
    /// to it. `end` is the peer's Close frame, whether it was the first or the answer to ours, or the reason why
    /// there was none; [`SendError::QueueFull`](crate::SendError::QueueFull) means that it was too slow for
    /// what was published. By default errors are logged with the crate `log` (feature `log`).
    fn closed(
        &mut self,
        shard: &mut Shard<'_, Self::State>,
        id: Id,
        state: Self::State,
        end: Result<Close<'_>, Error>,
    ) {
        let _ = (shard, state);
        if let Err(error) = end {
            log::connection_error(&id, &error);
        }
    }

    /// Another thread has [something to say](super::Handle::mail).
    fn mail(&mut self, shard: &mut Shard<'_, Self::State>, mail: Self::Mail) {
        let _ = (shard, mail);
    }

    /// A client was refused, or went away, before its connection was open. It was answered if it could be. Told once, and
    /// not of those about which this `App` has decided, nor of those that the server has no time for as it stops. By default this is
    /// logged with the crate `log` (feature `log`).
    fn refused(&mut self, from: SocketAddr, error: &Error) {
        log::connection_error(&from, error);
    }
}

/// The answer to a [request](App::request).
#[derive(Debug)]
pub enum Verdict<S> {
    /// The connection is opened, with a response from [`Request::accept`]. With any other the client gets a 500.
    Accept(Response, S),
    /// It is not. With an acceptance the client gets a 500.
    Refuse(Response),
    /// That takes time: [`Shard::decide`] will say it. Nothing is read from the client meanwhile. If nobody has
    /// decided within the [handshake timeout](crate::ConfigBuilder::handshake_timeout), it gets a 503.
    Later,
}

/// The answer to [plain HTTP](App::http).
pub enum Answer {
    /// This, and the socket is closed. With an acceptance the client gets a 500.
    Respond(Response),
    /// There are only WebSockets here: 426, or 405 or 505.
    Reject,
    /// The socket is given to this function, on a thread of its own, which counts as a connection until the
    /// function returns. If there is no thread to be had, the socket is closed. Over TLS end your side with
    /// [`Transport::shutdown`](crate::net::Transport::shutdown): it sends a `close_notify` ahead.
    Take(Box<dyn FnOnce(HttpRequest) + Send>),
}

impl Answer {
    /// [`Take`](Self::Take), without the box.
    ///
    /// ```
    /// use std::io::Write;
    /// use sansocket::mio::Answer;
    ///
    /// let answer = Answer::take(|mut http| {
    ///     let body = format!("{} takes a while\n", http.head.path());
    ///     let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    ///     let _ = http.stream.write_all((head + &body).as_bytes());
    /// });
    /// # let _ = answer;
    /// ```
    pub fn take(serve: impl FnOnce(HttpRequest) + Send + 'static) -> Self {
        Self::Take(Box::new(serve))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Respond(response) => f.debug_tuple("Respond").field(response).finish(),
            Self::Reject => f.write_str("Reject"),
            Self::Take(_) => f.write_str("Take"),
        }
    }
}

/// A plain HTTP request that was [taken over](Answer::Take), of which only the head was read.
#[derive(Debug)]
pub struct HttpRequest {
    /// The socket, with TLS over it if the server speaks that. It blocks, and has no timeouts.
    pub stream: Stream,
    /// Method, target and headers.
    pub head: Head,
    /// What was read beyond the head.
    pub input: Buffer,
}
