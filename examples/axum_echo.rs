//! Sends back whatever it gets at `/ws`, and has a page at `/`, with axum.
//!
//! `cargo run --release --features hyper --example axum_echo -- [ADDRESS] [--max-message BYTES] [--deflate]`
//!
//! Ctrl-C closes every WebSocket with 1001, which axum by itself knows nothing of, and lets requests end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{Html, Response};
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use sansocket::Config;
use sansocket::hyper::{Stream, upgrade};
use sansocket::tokio::Connections;
use shared::{Args, about, announce};
use tokio::net::TcpListener;

mod shared;

const PAGE: &str = include_str!("echo.html");

#[derive(Clone)]
struct App {
    config: Arc<Config>,
    connections: Connections<Stream>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = serve().await;
    shared::run(|| result)
}

async fn serve() -> shared::Result {
    let args = Args::parse(&[])?;
    let config = args.deflate.apply(args.limit(Config::builder())).build()?;
    let cannot = about(format!("cannot listen at {}", args.address));
    let listener = TcpListener::bind(&args.address).await.map_err(cannot)?;
    announce(listener.local_addr()?);
    let connections = Connections::new().max_connections(10_000);
    let app = App { config: Arc::new(config), connections: connections.clone() };
    let router = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/ws", any(echo)) // in HTTP/2 it is no GET
        .with_state(app);
    let stop = async move {
        if shared::tokio_signal().await.is_ok() {
            connections.stop(Duration::ZERO, Duration::from_secs(5)).await;
        }
    };
    // In HTTP/2 nobody else does: there the socket stays axum's.
    let listener = listener.tap_io(|tcp| _ = tcp.set_nodelay(true));
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}

async fn echo(State(app): State<App>, mut request: Request) -> Result<Response, Response> {
    let upgrade = upgrade(&mut request, &*app.config)?;
    let mut response = upgrade.request().accept();
    if let Some(first) = upgrade.request().subprotocols().next() {
        response = response.subprotocol(first)?;
    }
    Ok(upgrade.on_upgrade_in(&app.connections, response, |sender, mut receiver| async move {
        while let Some(message) = receiver.recv().await? {
            sender.feed(message).await?; // on the wire before `recv` waits
        }
        Ok(())
    })?)
}
