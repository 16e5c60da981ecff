//! The servers that parse the requests, all with the same handlers.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::serve::ListenerExt;
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sansocket::handshake::HandshakeError;
use sansocket::hyper::{Stream, upgrade};
use sansocket::tokio::{Connections, HandlerResult, Receiver, Sender};
use sansocket::{CloseCode, Config, Message};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// hyper for HTTP/1.1.
    Http1,
    /// hyper-util, which finds out the version.
    Auto,
    /// `axum::serve`.
    Axum,
    /// hyper for HTTP/1.1, over a stream that is none of TCP.
    Buffered,
    /// hyper for HTTP/1.1, which lets go of nothing.
    WithoutUpgrades,
}

pub(crate) const HTTP_1: [Host; 4] = [Host::Http1, Host::Auto, Host::Axum, Host::Buffered];
pub(crate) const HTTP_2: [Host; 2] = [Host::Auto, Host::Axum];

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Connections<Stream>,
    pub(crate) log: mpsc::UnboundedReceiver<String>,
}

#[derive(Clone)]
struct App {
    config: Config,
    connections: Connections<Stream>,
    log: mpsc::UnboundedSender<String>,
}

pub(crate) async fn start(host: Host) -> Running {
    start_with(host, Config::default(), Connections::new()).await
}

pub(crate) async fn start_with(
    host: Host,
    config: Config,
    connections: Connections<Stream>,
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, log) = mpsc::unbounded_channel();
    let app = App { config, connections: connections.clone(), log: sender };
    match host {
        Host::Axum => {
            let answer = |request| async move { answer::<_, axum::body::Body>(&app, request) };
            let router = axum::Router::new().fallback(axum::routing::any(answer));
            let listener = listener.tap_io(|tcp| tcp.set_nodelay(true).unwrap());
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        _ => {
            tokio::spawn(accept(host, listener, app));
        }
    }
    Running { address, connections, log }
}

async fn accept(host: Host, listener: TcpListener, app: App) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (app, io) = (app.clone(), TokioIo::new(stream));
        let service = hyper::service::service_fn(move |request: http::Request<_>| {
            let is_withheld = request.uri().path().starts_with("/withheld");
            let answer = answer::<_, Full<Bytes>>(&app, request);
            async move {
                if is_withheld {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(answer.unwrap_or_else(|refusal| refusal))
            }
        });
        tokio::spawn(async move {
            let mut auto = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            auto.http2().enable_connect_protocol();
            let http1 = hyper::server::conn::http1::Builder::new();
            let _ = match host {
                Host::Auto => auto.serve_connection_with_upgrades(io, service).await.is_ok(),
                Host::Buffered => {
                    let io = TokioIo::new(tokio::io::BufStream::new(io.into_inner()));
                    http1.serve_connection(io, service).with_upgrades().await.is_ok()
                }
                Host::Http1 => http1.serve_connection(io, service).with_upgrades().await.is_ok(),
                _ => http1.serve_connection(io, service).await.is_ok(),
            };
        });
    }
}

type Answer<B> = http::Response<B>;

fn answer<R, B: From<Vec<u8>>>(
    app: &App,
    mut request: http::Request<R>,
) -> Result<Answer<B>, Answer<B>> {
    let path = request.uri().path().to_owned();
    let log = app.log.clone();
    let upgrade = match upgrade(&mut request, &app.config) {
        Err(HandshakeError::Upgrade | HandshakeError::NoExtendedConnect) if path == "/both" => {
            return Ok(http::Response::new(b"<p>page".to_vec().into()));
        }
        Err(error) => {
            let _ = log.send(format!("{error:?}"));
            return Err(error.into());
        }
        Ok(upgrade) => upgrade,
    };
    let mut response = upgrade.request().accept();
    if let Some(first) = upgrade.request().subprotocols().next() {
        response = response.subprotocol(first)?;
    }
    match &*path {
        "/two" | "/withheld/two" => {
            let (response, opening) = upgrade.accept(response)?;
            tokio::spawn(async move {
                let end = match opening.await {
                    Ok((sender, receiver)) => echo(sender, receiver, &log).await,
                    Err(error) => Err(error.into()),
                };
                let _ = log.send(format!("{end:?}"));
            });
            Ok(response)
        }
        "/twice" => {
            let again = sansocket::hyper::upgrade(&mut request, &app.config).unwrap_err();
            Err(again.into())
        }
        "/wrong" => {
            let refusal = upgrade.request().reject(404)?;
            Ok(upgrade.on_upgrade(refusal, |_, _| async { Ok(()) })?)
        }
        "/shown" => {
            let _ = log.send(format!("{upgrade:?}"));
            let (response, mut opening) = upgrade.accept(response)?;
            let _ = log.send(format!("{opening:?}"));
            tokio::spawn(async move {
                let halves = (&mut opening).await;
                let shown = halves.map(|(_, receiver)| receiver.with_stream(|s| format!("{s:?}")));
                let _ = log.send(format!("{shown:?}"));
                let _ = log.send(format!("{:?}", opening.await.map(|_| ())));
            });
            Ok(response)
        }
        "/open" => Ok(upgrade.reject(response)?),
        "/alone" => Ok(upgrade.on_upgrade(response, |sender, receiver| async move {
            echo(sender, receiver, &log).await
        })?),
        "/gone" => {
            let refusal = upgrade.request().reject(410)?;
            Ok(upgrade.reject(refusal)?)
        }
        _ => Ok(upgrade.on_upgrade_in(
            &app.connections,
            response,
            |sender, receiver| async move { echo(sender, receiver, &log).await },
        )?),
    }
}

async fn echo(
    sender: Sender<Stream>,
    mut receiver: Receiver<Stream>,
    log: &mpsc::UnboundedSender<String>,
) -> HandlerResult {
    let below = receiver.with_stream(|stream| match stream.tcp() {
        Some(tcp) => format!("tcp, nodelay {}", tcp.nodelay().unwrap()),
        None => "other".to_owned(),
    });
    let _ = log.send(below.unwrap());
    assert_eq!(receiver.request().unwrap().header_str("Sec-WebSocket-Version"), Some("13"));
    while let Some(message) = receiver.recv().await? {
        match message {
            Message::Text("fail") => return Err("as asked".into()),
            Message::Text("panic") => panic!("as asked"),
            Message::Text("return") => return Ok(()),
            Message::Text("close") => {
                sender.close(CloseCode::new(4001).unwrap(), "bye")?;
            }
            message => sender.send(message).await?,
        }
    }
    let _ = log.send(format!("closed with {:?}", receiver.close_frame().unwrap().code));
    Ok(())
}
