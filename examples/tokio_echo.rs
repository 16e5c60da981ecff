//! Sends back whatever it gets, as the example `echo` does, in a task for each connection.
//!
//! `cargo run --release --features tokio --example tokio_echo -- [ADDRESS] [--max-message BYTES] [--deflate] [--threads]
//! [--broadcast] [--tls CERT KEY]`
//!
//! All on one thread, or with `--threads` on one per core. With `--broadcast` everybody gets what anybody sends.
//! With `--tls`, and the feature `rustls`, it speaks TLS, with the certificate and the key in these PEM files.
//! `/close?code=4001&reason=bye` closes with that code and reason instead. Ctrl-C closes every connection with 1001.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sansocket::tokio::{HandlerResult, Receiver, Sender, Server, Upgrade};
use sansocket::{Config, Prepared, SendError};
use shared::tls_listener::{Socket, TlsListener};
use shared::{Args, about, announce_with, wanted_close};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&["--threads", "--broadcast", shared::TLS])?;
        let mut builder = match args.flags.contains(&"--threads".to_owned()) {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        builder.enable_all().build()?.block_on(run(&args))
    })
}

async fn run(args: &Args) -> shared::Result {
    let config = args.deflate.apply(args.limit(Config::builder())).build()?;
    let cannot = about(format!("cannot listen at {}", args.address));
    let tcp = TcpListener::bind(&args.address).await.map_err(cannot)?;
    let address = tcp.local_addr()?;
    let server = Server::from_listener(TlsListener { tcp, acceptor: acceptor(args)? }, config);
    let server =
        server.max_connections(10_000).on_error(|peer, error| eprintln!("{peer}: {error}"));
    let handle = server.handle();
    let stop = tokio::spawn(async move {
        if shared::tokio_signal().await.is_ok() {
            handle.stop(Duration::ZERO, Duration::from_secs(5)).await;
        }
    });
    announce_with(args, address);
    match args.flags.contains(&"--broadcast".to_owned()) {
        true => {
            let room = Arc::new(Room::default());
            server.run(move |sender, receiver| Arc::clone(&room).serve(sender, receiver)).await
        }
        false => server.run_upgrades(echo).await,
    };
    stop.await?;
    Ok(())
}

#[cfg(feature = "rustls")]
fn acceptor(args: &Args) -> shared::Result<Option<TlsAcceptor>> {
    let mut config = shared::server_config(args)?;
    // There is no HTTP/2 here (RFC 7301 §3.2).
    if let Some(config) = config.as_mut().and_then(Arc::get_mut) {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(config.map(TlsAcceptor::from))
}

#[cfg(not(feature = "rustls"))]
fn acceptor(args: &Args) -> shared::Result<Option<TlsAcceptor>> {
    match args.tls {
        Some(_) => Err("--tls needs the feature rustls".into()),
        None => Ok(None),
    }
}

async fn echo(upgrade: Upgrade<Socket>) -> HandlerResult {
    let (sender, mut receiver) = open(upgrade).await?;
    while let Some(message) = receiver.recv().await? {
        sender.feed(message).await?; // on the wire before `recv` waits
    }
    Ok(())
}

/// Apart from the rest, so that an idle connection keeps nothing of it.
async fn open(upgrade: Upgrade<Socket>) -> HandlerResult<(Sender<Socket>, Receiver<Socket>)> {
    let close = wanted_close(upgrade.request().path(), upgrade.request().query());
    let mut response = upgrade.request().accept();
    if let Some(first) = upgrade.request().subprotocols().next() {
        response = response.subprotocol(first)?;
    }
    let (sender, receiver) = upgrade.accept(response).await?;
    if let Some((code, reason)) = close {
        sender.close(code, &reason)?;
    }
    Ok((sender, receiver))
}

/// Those who hear each other.
#[derive(Default)]
struct Room {
    senders: Mutex<Vec<Sender<Socket>>>,
}

impl Room {
    async fn serve(
        self: Arc<Self>,
        sender: Sender<Socket>,
        mut receiver: Receiver<Socket>,
    ) -> HandlerResult {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        while let Some(message) = receiver.recv().await? {
            let message = Prepared::new(message);
            let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
            senders.retain(|sender| match sender.try_send_prepared(&message) {
                Err(SendError::QueueFull) => {
                    sender.abort(); // too slow
                    false
                }
                sent => sent.is_ok(), // who is gone is not told again
            });
        }
        Ok(())
    }
}
