//! Sends back whatever it gets, in whatever subprotocol the client likes best.
//!
//! `cargo run --release --features rustls --example echo -- [ADDRESS] [--max-message BYTES] [--deflate] [--tls CERT KEY]`
//!
//! With `--tls` it speaks TLS, with the certificate and the key in these PEM files.
//!
//! `/close?code=4001&reason=bye` closes with that code and reason instead, to see what a client makes
//! of it. Ctrl-C closes every connection with 1001.

use std::process::ExitCode;

use sansocket::Config;
use sansocket::net::{HandlerResult, Server, Upgrade};
use shared::{Args, about, announce_with, stop_on_signal, wanted_close};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[shared::TLS])?;
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = shared::with_tls(Server::bind(&args.address, config).map_err(cannot)?, &args)?;
        stop_on_signal(server.handle())?;
        announce_with(&args, server.local_addr());
        server.on_error(|peer, error| eprintln!("{peer}: {error}")).run_upgrades(serve);
        Ok(())
    })
}

fn serve(upgrade: Upgrade) -> HandlerResult {
    let close = wanted_close(upgrade.request().path(), upgrade.request().query());
    let mut response = upgrade.request().accept();
    if let Some(first) = upgrade.request().subprotocols().next() {
        response = response.subprotocol(first)?;
    }
    let (sender, mut receiver) = upgrade.accept(response)?;
    if let Some((code, reason)) = close {
        sender.close(code, &reason)?;
    }
    while let Some(message) = receiver.recv()? {
        sender.feed(message)?; // on the wire before `recv` waits
    }
    Ok(())
}
