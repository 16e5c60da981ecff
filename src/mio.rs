//! Thousands of connections on one thread: event loops over the crate `mio`, whose work is left to an [`App`].
//!
//! ```no_run
//! use sansocket::{Config, mio::Server};
//!
//! Server::bind("127.0.0.1:9001", Config::default())?.run_fn(|peer, message| {
//!     let _ = peer.send(message); // refused only if the peer does not read
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! * A [`Server`] has one event loop, or several: shards. Each has an [`App`] of its own, which is called when something
//!   has happened, and does not wait.
//! * A [`Peer`] is a connection while a method of the `App` runs: it sends, subscribes, publishes, closes.
//! * An [`Id`] is its name beyond that; [`Shard::peer`] finds it again.
//! * A [`Handle`] reaches the server from other threads.
//!
//! An idle connection takes less than 300 bytes and your `State`; all share one input buffer and one output queue. What is
//! sent in reply to one batch of input goes out in one write. What a connection does at a time is bounded, in
//! bytes and in messages: behind a peer that floods the others wait for one such turn.
//!
//! With the feature `rustls`, `Server::tls` makes it speak TLS: nothing else is different for your `App`. Such a connection
//! holds in addition what rustls keeps, some KiB, and no buffer: all share the one into which records are read. Records that a
//! peer does not take wait in its connection, of 64 KiB of plaintext at most, and count as [queued](Peer::queued). Four TLS
//! handshakes go on in a round of a shard, the others wait behind them.
//!
//! | | default | |
//! | --- | --- | --- |
//! | connections | 1000 | 503, sixteen at a time |
//! | topics of a connection | 64 | [`SubscribeError`] |
//! | the name of a topic | 255 bytes | [`SubscribeError`] |
//! | mail from other threads | 65,536 pieces per shard | [`PostError::Full`] |
//! | a receiver that is too slow for what is published | `max_queue` of [`Config`](crate::Config) | Close 1013 |
//! | a request that is decided later | the handshake timeout | 503 |

mod app;
mod client;
mod common;
mod deadlines;
mod handle;
mod handshake;
mod listening;
mod mailbox;
mod peer;
mod server;
mod shard;
mod shared;
mod socket;
mod table;
mod tell;
mod topics;
mod turn;
mod worker;

pub use app::{Answer, App, HttpRequest, Verdict};
pub use common::Full;
pub use handle::Handle;
pub use mailbox::PostError;
pub use peer::Peer;
pub use server::Server;
pub use shard::Shard;
pub use table::Id;
pub use topics::SubscribeError;
