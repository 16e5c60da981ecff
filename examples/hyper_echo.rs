//! Sends back whatever it gets, and has a page at `/`, under hyper, which speaks HTTP/1.1 and HTTP/2.
//!
//! `cargo run --release --features hyper --example hyper_echo -- [ADDRESS] [--max-message BYTES] [--deflate] [--tls]`
//!
//! With `--tls` it makes a certificate for `localhost` that nobody has signed. Browsers that accept it get the page in
//! HTTP/2, and open the WebSocket in the same connection (RFC 8441). Ctrl-C closes every WebSocket with 1001.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sansocket::Config;
use sansocket::handshake::{HandshakeError, ResponseError};
use sansocket::hyper::{Stream, Upgrade, upgrade};
use sansocket::tokio::Connections;
use shared::{Args, about};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

mod shared;

const PAGE: &str = include_str!("echo.html");

type Answer = http::Response<Full<Bytes>>;

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
    let args = Args::parse(&["--tls"])?;
    let config = args.deflate.apply(args.limit(Config::builder())).build()?;
    let cannot = about(format!("cannot listen at {}", args.address));
    let listener = TcpListener::bind(&args.address).await.map_err(cannot)?;
    let tls = (!args.flags.is_empty()).then(tls).transpose()?;
    let connections = Connections::new().max_connections(10_000);
    let app = App { config: Arc::new(config), connections: connections.clone() };
    println!(
        "listening on {}://{}",
        if tls.is_some() { "wss" } else { "ws" },
        listener.local_addr()?
    );
    tokio::select! {
        result = accept(&listener, &app, tls.as_ref()) => result?,
        signal = shared::tokio_signal() => signal?,
    }
    drop(listener);
    connections.stop(Duration::ZERO, Duration::from_secs(5)).await;
    Ok(())
}

async fn accept(listener: &TcpListener, app: &App, tls: Option<&TlsAcceptor>) -> shared::Result {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?; // over TLS and in HTTP/2 nobody else does
        let (app, tls) = (app.clone(), tls.cloned());
        tokio::spawn(async move {
            match tls {
                None => converse(stream, app).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, app).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: App) {
    let service = hyper::service::service_fn(move |request| {
        let answer = answer(&app, request);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().enable_connect_protocol();
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await
    {
        eprintln!("{error}");
    }
}

fn answer(app: &App, mut request: http::Request<Incoming>) -> Answer {
    match upgrade(&mut request, &*app.config) {
        Ok(upgrade) => echo(app, upgrade).unwrap_or_else(Answer::from),
        // Neither an upgrade nor an extended CONNECT: plain HTTP.
        Err(HandshakeError::Upgrade | HandshakeError::NoExtendedConnect)
            if request.uri().path() == "/" =>
        {
            Answer::new(PAGE.into())
        }
        Err(refused) => refused.into_http(),
    }
}

fn echo(app: &App, upgrade: Upgrade) -> Result<Answer, ResponseError> {
    let mut response = upgrade.request().accept();
    if let Some(first) = upgrade.request().subprotocols().next() {
        response = response.subprotocol(first)?;
    }
    upgrade.on_upgrade_in(&app.connections, response, |sender, mut receiver| async move {
        while let Some(message) = receiver.recv().await? {
            sender.feed(message).await?; // on the wire before `recv` waits
        }
        Ok(())
    })
}

/// TLS with a certificate of its own, for both versions of HTTP.
fn tls() -> shared::Result<TlsAcceptor> {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let key = made.signing_key.serialize_der().try_into()?;
    let provider = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
