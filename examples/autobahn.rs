//! An echo server for the Autobahn test suite, on threads.
//!
//! `cargo run --release --example autobahn -- [ADDRESS] [--max-message BYTES] [--deflate] [--tls CERT KEY]`, 32 MiB by default:
//! the suite sends messages of 16 MiB.

use std::process::ExitCode;

use sansocket::Config;
use sansocket::net::Server;
use shared::{Args, about, announce_with};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[shared::TLS])?;
        let config = args
            .deflate
            .apply(args.limit(Config::builder().max_message(32 * 1024 * 1024)))
            .build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = shared::with_tls(Server::bind(&args.address, config).map_err(cannot)?, &args)?;
        announce_with(&args, server.local_addr());
        server.run(|sender, mut receiver| {
            while let Some(message) = receiver.recv()? {
                sender.send(message)?;
            }
            Ok(())
        });
        Ok(())
    })
}
