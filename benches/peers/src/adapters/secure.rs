//! Servers with TLS: all of the crypto of ring, by rustls.

use std::io;
use std::net::TcpListener;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Serve, sansocket, serve_tokio, tasks, tokio_tungstenite, tokio_websockets};
use crate::tls;

pub const SERVERS: &[(&str, Serve)] = &[
    ("sansocket event loop", sansocket::serve_secure_event_loop),
    ("sansocket threads", sansocket::serve_secure),
    ("sansocket tokio", tasks::serve_secure),
    ("tokio-tungstenite", tokio_tungstenite::serve_secure),
    ("tokio-tungstenite, 4 KiB buffers", tokio_tungstenite::serve_secure_small),
    ("tokio-websockets", tokio_websockets::serve_secure),
];

/// [`serve_tokio`] with TLS by tokio-rustls, whose handshake leaves nothing behind in the task.
pub fn serve_tls<F>(
    listener: TcpListener,
    connection: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    F: Future + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls::server_config());
    serve_tokio(listener, move |stream| {
        let accept = Box::pin(acceptor.accept(stream));
        let connection = connection.clone();
        async move {
            if let Ok(stream) = accept.await {
                _ = connection(stream).await;
            }
        }
    })
}
