//! Threads over blocking sockets, full duplex: one thread receives while others send.
//!
//! [`accept`] does the handshake and returns a [`Sender`] and a [`Receiver`]. The receiver belongs to
//! one thread, which must keep calling [`recv`](Receiver::recv): that is where pings are answered
//! and deadlines are watched. The sender is cloned to wherever messages come from.
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
//!             sender.send(message)?; // `message` borrows the receiver alone
//!         }
//!         Ok(()) // a good close is not an error
//!     });
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`Server`] wraps this in an accept loop with a limit and a graceful stop. [`Upgrade`] and
//! [`Incoming`] show the request before it is answered. [`open`] takes over a socket whose handshake
//! another HTTP server did.
//!
//! Everything works over any [`Transport`]: TCP, Unix sockets, or your own.

mod accept;
#[cfg(feature = "client")]
mod connect;
mod connections;
#[cfg(feature = "client")]
mod dial;
mod handshake;
mod link;
mod listener;
mod outbox;
mod receiver;
mod sender;
mod server;
mod stream;
mod transport;

pub use crate::error::{Error, HandlerResult};
pub use accept::{HttpRequest, Incoming, Upgrade, accept, open, open_connection};
#[cfg(feature = "client")]
pub use connect::{Connected, connect};
#[cfg(feature = "client")]
pub use dial::{connect_to, dial};
pub use listener::Listener;
pub use receiver::Receiver;
pub use sender::Sender;
pub use server::{Handle, Server};
pub use stream::Stream;
pub use transport::Transport;
