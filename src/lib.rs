//! WebSocket.

mod buffer;
mod close;
mod config;
mod connection;
mod decoder;
mod encoder;
mod error;
pub mod frame;
pub mod handshake;
mod keepalive;
mod mask;
mod message;
pub mod net;
mod prepared;
mod utf8;

pub use buffer::Buffer;
pub use close::CloseCode;
pub use config::{Config, ConfigBuilder, ConfigError, Origins};
pub use connection::Connection;
pub use error::{Aborted, ProtocolError, SendError, TimedOut};
pub use message::{Close, Event, Message};
pub use net::Error;
pub use prepared::Prepared;
