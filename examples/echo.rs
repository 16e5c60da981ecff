//! Sends back whatever it gets, in whatever subprotocol the client likes best.
//!
//! `cargo run --release --example echo -- [ADDRESS] [--max-message BYTES] [--deflate]`
//!
//! `/close?code=4001&reason=bye` closes with that code and reason instead, to see what a client makes
//! of it. Ctrl-C closes every connection with 1001.

use std::net::TcpStream;
use std::process::ExitCode;

use sansocket::Config;
use sansocket::net::{HandlerResult, Server, Upgrade};
use shared::{Args, about, announce, stop_on_signal, wanted_close};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[])?;
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = Server::bind(&args.address, config).map_err(cannot)?;
        stop_on_signal(server.handle())?;
        announce(server.local_addr());
        server.on_error(|peer, error| eprintln!("{peer}: {error}")).run_upgrades(serve);
        Ok(())
    })
}

fn serve(upgrade: Upgrade<TcpStream>) -> HandlerResult {
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
