//! WebSockets (RFC 6455) for servers: a core without sockets, and full duplex on threads and on tokio.
//!
//! Start with [threads](#on-threads), with [tokio](#on-tokio), or for thousands of connections on one thread with an
//! [event loop](#on-an-event-loop). If you have an event loop of your own or another
//! runtime, drive the [core](#without-a-socket) with it. If you have an HTTP server, let it parse the
//! request and [take over](#behind-an-http-server) from there.
//!
//! # On threads
//!
//! [`net::accept`] does the opening handshake and returns two halves. One thread receives; any
//! number of threads send, also while it receives.
//!
//! ```no_run
//! use std::net::TcpListener;
//! use std::thread;
//! use sansocket::{Config, net};
//!
//! for stream in TcpListener::bind("127.0.0.1:9001")?.incoming() {
//!     thread::spawn(move || -> Result<(), sansocket::Error> {
//!         let (sender, mut receiver) = net::accept(stream?, Config::default())?;
//!         while let Some(message) = receiver.recv()? {
//!             sender.send(message)?; // `message` borrows the receiver alone: no copy
//!         }
//!         Ok(()) // a good close is not an error
//!     });
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`net::Server`] adds a limit and a graceful stop; [`net::Upgrade`] shows the request first, so that
//! you can look at its path, cookies and subprotocols and refuse it, too. Pings, closes, deadlines
//! and dead peers are taken care of while [`recv`](net::Receiver::recv) is being called.
//!
//! # On tokio
//!
//! With the feature `tokio` there is the same for tasks, in the module `tokio`: `accept`, `Sender`, `Receiver`, `Server`. Each
//! method says what becomes of it when its future is dropped.
//!
#![cfg_attr(feature = "tokio", doc = "```no_run")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! use sansocket::{Config, tokio::Server};
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let server = Server::bind("127.0.0.1:9001", Config::default()).await?;
//! server.run(|sender, mut receiver| async move {
//!     while let Some(message) = receiver.recv().await? {
//!         sender.send(message).await?;
//!     }
//!     Ok(())
//! }).await;
//! # Ok(())
//! # }
//! ```
//!
//! # On an event loop
//!
//! With the feature `mio` there is one in the module `mio`, which is called back rather than waited in. It has topics to
//! publish to, reaches other threads and other processor cores, and takes less than 300 bytes for an idle connection.
//!
#![cfg_attr(feature = "mio", doc = "```no_run")]
#![cfg_attr(not(feature = "mio"), doc = "```ignore")]
//! use sansocket::{Config, mio::Server};
//!
//! Server::bind("127.0.0.1:9001", Config::default())?.run_fn(|peer, message| {
//!     let _ = peer.send(message); // refused only if the peer does not read
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Messages
//!
//! A [`Message`] is borrowed: from the bytes that the socket wrote when it was received, from you when
//! it is sent. Text and bytes convert into it.
//!
//! ```
//! use sansocket::Message;
//!
//! fn shout(message: Message<'_>) -> Option<String> {
//!     match message {
//!         Message::Text(text) => Some(text.to_uppercase()),
//!         Message::Binary(_) => None,
//!     }
//! }
//! assert_eq!(shout("hi".into()), Some("HI".to_owned()));
//! ```
//!
//! A [`Prepared`] message is encoded once and sent to many.
//!
//! # Without a socket
//!
//! [`Connection`] is the whole protocol as a value: bytes in, events out, bytes out, and the time as an
//! argument. It reads from a [`Buffer`] that is yours.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::time::Instant;
//! use sansocket::{Buffer, Config, Connection, Event};
//!
//! # fn serve(mut socket: impl Read + Write) -> Result<(), Box<dyn std::error::Error>> {
//! let mut connection = Connection::server(Config::default());
//! let mut input = Buffer::new();
//! let mut end = Ok(()); // the first error is how it ended; the loop goes on to write the answer to it
//! while !connection.is_finished() {
//!     connection.write_with(|slices| socket.write_vectored(slices))?;
//!     if connection.wants_shutdown() {
//!         // socket.shutdown(Shutdown::Write)?;
//!         connection.shut_down();
//!     }
//!     let _when_to_tick_again = connection.tick(Instant::now())?;
//!     if !connection.is_congested() && input.read_from(&mut socket)? == 0 {
//!         end = end.and(connection.eof().map_err(Into::into));
//!     }
//!     loop {
//!         match connection.next_event(&mut input) {
//!             Ok(Some(Event::Message(message))) => connection.send(message)?, // while it is held
//!             Ok(Some(_)) => {} // pings and Closes are answered by themselves
//!             Ok(None) => break,
//!             Err(error) => break end = end.and(Err(error.into())),
//!         }
//!     }
//! }
//! end
//! # }
//! # let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x88\x80\0\0\0\0";
//! # let mut output = Vec::new();
//! # struct Socket<'a>(&'a [u8], &'a mut Vec<u8>);
//! # impl Read for Socket<'_> {
//! #     fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> { self.0.read(space) }
//! # }
//! # impl Write for Socket<'_> {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # serve(Socket(hello, &mut output)).unwrap();
//! # assert_eq!(output, b"\x81\x05Hello\x88\x00");
//! # let mut output = Vec::new();
//! # assert!(serve(Socket(b"\x81\x02hi", &mut output)).is_err());
//! # assert_eq!(output, b"\x88\x02\x03\xea", "a fault has its answer");
//! ```
//!
//! A peer that sends and does not read is not read from either: that is what `is_congested` is for.
//!
//! The example `by_hand` does this for many sockets at once.
//!
//! # An adapter of your own
//!
//! An event borrows the buffer, so a loop that waits for one cannot return it. [`Connection::advance`] finds the
//! event first, and [`Connection::event`] borrows once, at the end:
//!
//! ```
//! use std::io::{Read, Write};
//! use sansocket::{Buffer, Config, Connection, Event, Message};
//!
//! # type Error = Box<dyn std::error::Error>;
//! struct WebSocket<S> {
//!     socket: S,
//!     connection: Connection,
//!     input: Buffer,
//! }
//!
//! impl<S: Read + Write> WebSocket<S> {
//!     // Could be an `async fn`, with `.await` at the read and at the writes.
//!     fn recv(&mut self) -> Result<Option<Message<'_>>, Error> {
//!         let Self { socket, connection, input } = self;
//!         let ready = loop {
//!             let found = connection.advance(input);
//!             match found {
//!                 Ok(Some(ready)) if ready.is_message() => break ready,
//!                 Ok(Some(_)) => continue, // a ping or a Close, which is answered below
//!                 Ok(None) | Err(_) => {}
//!             }
//!             write(socket, connection)?;
//!             found?;
//!             if connection.is_closed() {
//!                 return Ok(None);
//!             }
//!             if input.read_from(socket)? == 0 {
//!                 connection.eof()?;
//!             }
//!         };
//!         match connection.event(ready, input) {
//!             Ok(Event::Message(message)) => Ok(Some(message)),
//!             Ok(_) => Ok(None),
//!             // Text that is none, for which there is a Close to be written.
//!             Err(error) => write(socket, connection).and(Err(error.into())),
//!         }
//!     }
//! }
//!
//! fn write(socket: &mut impl Write, connection: &mut Connection) -> Result<(), Error> {
//!     connection.write_with(|slices| socket.write_vectored(slices))?;
//!     Ok(())
//! }
//! # struct Socket<'a>(&'a [u8], Vec<u8>);
//! # impl Read for Socket<'_> {
//! #     fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> { self.0.read(space) }
//! # }
//! # impl Write for Socket<'_> {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.1.write(bytes) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let open = |bytes| WebSocket {
//! #     socket: Socket(bytes, vec![]),
//! #     connection: Connection::server(Config::default()),
//! #     input: Buffer::new(),
//! # };
//! # let mut ping = open(b"\x89\x80\0\0\0\0\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
//! # assert_eq!(ping.recv()?, Some(Message::Text("Hello")));
//! # assert!(ping.recv().is_err());
//! # assert_eq!(ping.socket.1, b"\x8a\0");
//! # let mut close = open(b"\x88\x82\0\0\0\0\x03\xe8");
//! # assert_eq!(close.recv()?, None);
//! # assert_eq!(close.socket.1, b"\x88\x02\x03\xe8");
//! # for (bytes, code) in [(&b"\x81\x00"[..], 0xea), (b"\x81\x81\0\0\0\0\xff", 0xef)] {
//! #     let mut fault = open(bytes);
//! #     assert!(fault.recv().is_err());
//! #     assert_eq!(fault.socket.1, [0x88, 2, 0x03, code]);
//! # }
//! # Ok::<(), Error>(())
//! ```
//!
//! It then ticks, ends its side, and reads on until the peer ends its own, as the loop above does.
//!
//! [`Connection::split`] parts the two directions, for threads.
//!
//! # Behind an HTTP server
//!
//! [`handshake::Acceptor`] is the opening handshake in the same form as [`Connection`]: bytes in, a request
//! out, a response in, bytes out. Or [`handshake::Request::new`] takes what another server has parsed, [`handshake::Response`] is what it
//! is to write, and [`net::open`] or a [`Connection`] goes on from there. The example `embed` is such a
//! server.
//!
//! In HTTP/2 and HTTP/3 a WebSocket is opened by [`handshake::Request::extended_connect`] (RFC 8441). For servers that speak in
//! the types of the crate `http` there are `handshake::Request::from_http` and `handshake::Response::into_http`;
//! for hyper, and so for axum, the module `hyper` does it all, in HTTP/1.1 and HTTP/2.
//!
//! # Time and limits
//!
//! [`Config`] holds every limit and deadline; the defaults suit a server on the open internet. Nothing a
//! peer does makes memory grow beyond them. Every fault has its answer on the wire: an HTTP status
//! before the connection is open ([`handshake::HandshakeError`]), a Close frame after
//! ([`ProtocolError`]).
//!
//! | what | default | answer |
//! | --- | --- | --- |
//! | request head | 16 KiB, 100 header lines, target 8 KiB | 431, 414 |
//! | opening handshake | 10 s in all | 408 |
//! | message | 1 MiB | Close 1009 |
//! | empty fragments of one message | 64 | Close 1008 |
//! | output queue | 1 MiB and the limit on messages | [`SendError::QueueFull`], nothing sent |
//! | unanswered pings | the latest | |
//! | silence | a ping after 30 s, 30 s more | [`TimedOut::Silence`] |
//! | answer to a Close | 10 s | [`TimedOut::Close`] |
//! | a peer that takes nothing | 30 s | [`TimedOut::Write`] |
//! | the peer's end of the stream, after the last frame | 2 s | the socket is closed |
//! | final blocks of one compressed message | 64 | Close 1008 |
//! | web pages that may connect | those of the same host | 403 |
//!
//! # Features
//!
//! * `simd`, on by default: text is checked, and masks are applied, with the widest vector instructions of the
//!   processor at hand.
//! * `log`, on by default: [`net::Server`] reports errors with the crate `log` unless told otherwise.
//! * `client`: the client role, [`Connection`]`::client`, `net::connect` and `tokio::connect`; the module `dial`, from a URL to an
//!   open connection.
//! * `rustls`: TLS on threads, [`net::Server`]`::tls` and `wss` for `net::connect_to`, with whatever crypto provider the
//!   application has. The module [`tls`] is always there, for other TLS libraries.
//! * `tokio-rustls`: `wss` for `tokio::connect_to`.
//! * `rustls-platform-verifier`, `webpki-roots`: the certificates that a client trusts unless told otherwise: those of the
//!   operating system, or else Mozilla's.
//! * `ring`, `aws-lc-rs`: a crypto provider for a client whose application has none installed.
//! * `tokio`: tasks on tokio, the module `tokio`.
//! * `mio`: event loops, the module `mio`.
//! * `futures`: a `Stream` and a `Sink` for the tasks.
//! * `deflate`: compressed messages, [`ConfigBuilder`]`::compression`.
//! * `http`: requests and responses of the crate `http`.
//! * `hyper`: the module `hyper`, for requests of hyper and of the servers built on it; it brings `http` and `tokio`.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authority;
mod buffer;
mod close;
mod config;
mod connection;
mod control;
mod decoder;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "client")]
pub mod dial;
mod encoder;
mod end;
mod error;
pub mod frame;
mod graceful;
pub mod handshake;
#[cfg(feature = "hyper")]
pub mod hyper;
mod log;
mod mask;
mod message;
#[cfg(feature = "mio")]
pub mod mio;
pub mod net;
mod prepared;
mod timers;
pub mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
mod utf8;

pub use buffer::Buffer;
pub use close::{CloseCode, CloseCodeError};
pub use config::{Config, ConfigBuilder, ConfigError, Origins};
pub use connection::{Connection, Progress, ReadHalf, Ready, WriteHalf};
pub use control::Replies;
#[cfg(feature = "deflate")]
pub use deflate::Compression;
pub use encoder::{Unsent, Written};
pub use error::{Disconnected, Error, ProtocolError, SendError, TimedOut};
pub use message::{Close, Event, Message, OwnedMessage};
pub use prepared::Prepared;

/// The examples in the README are tests too. Some of them show adapters that are features.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
