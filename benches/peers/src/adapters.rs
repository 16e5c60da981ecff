//! The libraries under test, one file each: how it is set up, in memory and as an echo server.
//!
//! This file knows the list, and what several of them share.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use bytes::BytesMut;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::memory::broadcast::Audience;
use crate::memory::subject::Subject;
use crate::memory::tape::Tape;

pub mod compressed;
pub mod fastwebsockets;
pub mod sansocket;
pub mod secure;
pub mod sockudo;
pub mod soketto;
pub mod tasks;
pub mod tokio_tungstenite;
pub mod tokio_websockets;
pub mod tungstenite;
pub mod web_socket;
pub mod yawc;

/// A library in memory.
pub struct InMemory {
    pub name: &'static str,
    pub subject: fn(Tape) -> Box<dyn Subject>,
    pub audience: fn(Vec<Tape>) -> Box<dyn Audience>,
}

macro_rules! in_memory {
    ($($name:literal: $module:ident),* $(,)?) => {
        &[$(InMemory { name: $name, subject: $module::subject, audience: $module::audience }),*]
    };
}

/// Ours first.
pub const IN_MEMORY: &[InMemory] = in_memory![
    "sansocket": sansocket,
    "sansocket tokio": tasks,
    "tungstenite": tungstenite,
    "tokio-tungstenite": tokio_tungstenite,
    "fastwebsockets": fastwebsockets,
    "tokio-websockets": tokio_websockets,
    "web-socket": web_socket,
    "yawc": yawc,
    "sockudo-ws": sockudo,
    "soketto": soketto,
];

/// An echo server that runs until its process is killed.
pub type Serve = fn(TcpListener) -> io::Result<()>;

/// Servers that this program can be, by the name of the library and of the way it is used.
pub const SERVERS: &[(&str, Serve)] = &[
    ("sansocket threads, send", sansocket::serve_send),
    ("sansocket threads, feed", sansocket::serve_feed),
    ("sansocket tokio", tasks::serve),
    ("tungstenite threads", tungstenite::serve),
    ("tokio-tungstenite", tokio_tungstenite::serve),
    ("tokio-tungstenite, 4 KiB buffers", tokio_tungstenite::serve_small),
    ("fastwebsockets", fastwebsockets::serve),
    ("tokio-websockets", tokio_websockets::serve),
    ("yawc", yawc::serve),
    ("sockudo-ws", sockudo::serve),
    ("web-socket", web_socket::serve),
    ("soketto", soketto::serve),
];

/// Those of [`SERVERS`] that serve in tasks, and are set up as they come.
pub fn in_tasks() -> Vec<(&'static str, Serve)> {
    let is_one = |name: &str| !name.contains(" threads") && !name.contains("4 KiB");
    SERVERS.iter().copied().filter(|(name, _)| is_one(name)).collect()
}

/// Servers that send each message to everybody. Those without a way of their own do what their users
/// do: a channel of tokio's, from which each connection takes what it is to send.
pub const BROADCASTERS: &[(&str, Serve)] = &[
    ("tokio-tungstenite", tokio_tungstenite::serve_everybody),
    ("tokio-websockets", tokio_websockets::serve_everybody),
    ("sockudo-ws", sockudo::serve_everybody),
];

/// Servers that publish each message to the topic of its connection.
pub const TOPICS: &[(&str, Serve)] = &[("sansocket event loop", sansocket::serve_topics)];

/// Servers that echo by way of another thread.
pub const THREADS: &[(&str, Serve)] = &[("sansocket event loop", sansocket::serve_threads)];

/// Largest message that is sent to anybody, with some to spare.
pub const MAX_MESSAGE: usize = 2 * 1024 * 1024;

/// So many threads a runtime has, if that is said; otherwise all is done by the one that there is.
pub const WORKERS: &str = "PEERS_WORKERS";

/// Runs `connection` for each that comes: all on this one thread, as suits one core, unless [`WORKERS`] says how many.
pub fn serve_tokio<F>(listener: TcpListener, connection: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output: Send> + Send + 'static,
{
    listener.set_nonblocking(true)?;
    let workers = std::env::var(WORKERS).ok().and_then(|text| text.parse().ok());
    let mut builder = match workers {
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
        None => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.worker_threads(workers.unwrap_or(1)).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(connection(stream)));
        }
    })
}

/// Echoes what `is_data`: all that is there already is answered before anything is written, so that
/// a batch of input costs one write.
pub async fn echo_batches<S, M, E>(mut socket: S, is_data: fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    /// So many answers are written at once at most.
    const BATCH: usize = 64;
    while let Some(Ok(message)) = socket.next().await {
        let mut next = Some(message);
        for _ in 0..BATCH {
            let Some(message) = next.take() else { break };
            if is_data(&message) && socket.feed(message).await.is_err() {
                return;
            }
            next = match socket.next().now_or_never() {
                Some(Some(Ok(message))) => Some(message),
                Some(_) => return,
                None => None,
            };
        }
        if let Some(message) = next
            && is_data(&message)
            && socket.feed(message).await.is_err()
        {
            return;
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Messages that are answered at once by [`echo_gathered`].
pub const GATHERED: usize = 32;

/// [`echo_batches`] for a library that writes what it holds back whenever it is asked for the next
/// message: asks for all that are there before it answers the first.
pub async fn echo_gathered<S, M, E>(mut socket: S, is_data: fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
{
    let mut batch = Vec::with_capacity(GATHERED);
    while let Some(Ok(message)) = socket.next().await {
        batch.push(message);
        while batch.len() < GATHERED {
            match socket.next().now_or_never() {
                Some(Some(Ok(message))) => batch.push(message),
                Some(_) => return,
                None => break,
            }
        }
        for message in batch.drain(..).filter(is_data) {
            if socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Where the messages for everybody go.
pub type Everybody<M> = tokio::sync::broadcast::Sender<M>;

/// Sends what `is_data` to everybody, and what everybody is sent to this one.
pub async fn join<S, M, E>(mut socket: S, everybody: Everybody<M>, is_data: fn(&M) -> bool)
where
    S: Stream<Item = Result<M, E>> + Sink<M> + Unpin,
    M: Clone,
{
    let mut news = everybody.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(message)) if is_data(&message) => _ = everybody.send(message),
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok(message) = news.recv() => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The opening handshake for libraries that have none, or none that knows of extensions; those that are offered are
/// answered by `agree`. Clients here send nothing until it is done.
pub async fn handshake(
    stream: &mut TcpStream,
    agree: impl FnOnce(&str) -> Option<String>,
) -> io::Result<()> {
    let mut head = BytesMut::with_capacity(1024);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.trim())
    };
    let key = field("Sec-WebSocket-Key").ok_or(io::ErrorKind::InvalidData)?;
    let accept = ::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let extensions = field("Sec-WebSocket-Extensions").and_then(agree);
    let extensions = extensions.map(|agreed| format!("Sec-WebSocket-Extensions: {agreed}\r\n"));
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{}\r\n",
        extensions.unwrap_or_default()
    );
    stream.write_all(response.as_bytes()).await
}
