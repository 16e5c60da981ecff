//! Tasks on tokio, full duplex: one task receives while others send. Feature `tokio`.
//!
//! [`accept`] does the handshake over any stream and returns a [`Sender`] and a [`Receiver`]. The receiver belongs
//! to one task, which must keep calling [`recv`](Receiver::recv): that is where pings are answered
//! and deadlines are watched. The sender is cloned to wherever messages come from.
//!
//! ```no_run
//! use sansocket::Config;
//! use tokio::net::TcpListener;
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:9001").await?;
//! loop {
//!     let (stream, _) = listener.accept().await?;
//!     tokio::spawn(async move {
//!         let (sender, mut receiver) = sansocket::tokio::accept(stream, Config::default()).await?;
//!         while let Some(message) = receiver.recv().await? {
//!             sender.send(message).await?; // `message` borrows the receiver alone
//!         }
//!         Ok::<(), sansocket::Error>(()) // a good close is not an error
//!     });
//! }
//! # }
//! ```
//!
//! [`Server`] wraps this in an accept loop with a limit and a graceful stop. [`Upgrade`] and
//! [`Incoming`] show the request before it is answered. [`open`] takes over a stream whose handshake
//! another HTTP server did. [`Connections`] keeps count of the connections of any server, and stops them.
//!
//! There is no channel and no task but yours. A lock is held for the time of one poll around the stream and the
//! output; receiving takes it to read, not to decode. A connection that waits holds no buffer: one is lent by
//! the thread for each poll.
//!
//! Everything works on any runtime of tokio that has its timer enabled (`enable_time`, or `enable_all`), on a
//! `LocalSet` with streams that are not `Send`, and over any [`Transport`].

mod accept;
mod alarm;
#[cfg(feature = "client")]
mod connect;
mod connections;
#[cfg(feature = "client")]
mod dial;
mod handshake;
mod link;
mod listener;
mod receiver;
mod sender;
mod sending;
mod server;
mod spare;
#[cfg(feature = "client")]
mod stream;
#[cfg(feature = "futures")]
mod streams;
mod timer;
mod transport;
mod turn;

#[cfg(feature = "hyper")]
pub(crate) use accept::{Halves, open_as};
pub use accept::{HttpRequest, Incoming, Upgrade, accept, open, open_connection};
#[cfg(feature = "client")]
pub use connect::{Connected, connect};
pub use connections::{Connections, Permit};
#[cfg(feature = "client")]
pub use dial::{connect_to, dial};
pub use listener::Listener;
pub use receiver::{Receiver, Receiving};
pub use sender::Sender;
pub use sending::{Flushing, Room, Sending};
#[cfg(feature = "hyper")]
pub(crate) use server::task::{Finish, Task, poll_unwinding};
pub use server::{Handle, Server};
#[cfg(feature = "client")]
pub use stream::Stream;
#[cfg(feature = "futures")]
pub use streams::{Messages, Outgoing};
pub use transport::Transport;

pub use crate::error::{Error, HandlerResult};
