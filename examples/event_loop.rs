//! Thousands of connections on one thread, or on a few.
//!
//! `cargo run --release --features mio --example event_loop -- [ADDRESS] [--max-message BYTES] [--deflate] [--broadcast]
//! [--shards N] [--tls CERT KEY]`
//!
//! Echoes, or with `--broadcast` sends every message to everybody. With `--tls`, and the feature `rustls`, it speaks TLS,
//! with the certificate and the key in these PEM files.

use std::net::SocketAddr;
use std::process::ExitCode;

use sansocket::handshake::Request;
use sansocket::mio::{App, Id, Peer, Server, Verdict};
use sansocket::{Config, Message};
use shared::{Args, about, announce_with};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&["--broadcast", "--shards N", shared::TLS])?;
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = Server::bind(&args.address, config).map_err(cannot)?;
        let server =
            server.max_connections(1_000_000).shards(args.number("--shards")?.unwrap_or(1));
        let server = with_tls(server, &args)?;
        announce_with(&args, server.local_addr()?);
        let broadcast = args.has("--broadcast");
        server.run(|_shard| Echo { broadcast })?;
        Ok(())
    })
}

#[cfg(feature = "rustls")]
fn with_tls(server: Server, args: &Args) -> shared::Result<Server> {
    match shared::server_config(args)? {
        Some(config) => Ok(server.tls(config)?),
        None => Ok(server),
    }
}

#[cfg(not(feature = "rustls"))]
fn with_tls(server: Server, args: &Args) -> shared::Result<Server> {
    match args.tls {
        Some(_) => Err("--tls needs the feature rustls".into()),
        None => Ok(server),
    }
}

struct Echo {
    broadcast: bool,
}

impl App for Echo {
    type State = ();
    type Mail = ();

    /// We speak whatever the client likes best.
    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        let first = request.subprotocols().next();
        let agreed = first.and_then(|name| request.accept().subprotocol(name).ok());
        Verdict::Accept(agreed.unwrap_or_else(|| request.accept()), ())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        if self.broadcast {
            let _ = peer.subscribe("everybody"); // the first topic of many that it may have
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        if self.broadcast {
            let _ = peer.publish("everybody", message); // another shard may have too much to do
        } else {
            let _ = peer.send(message); // refused only after a Close, or if the peer does not read
        }
    }
}
