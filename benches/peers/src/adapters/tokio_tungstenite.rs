//! tokio-tungstenite: a `Stream` and a `Sink`, with tungstenite's defaults for high load.

use std::io;
use std::net::TcpListener;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::secure::serve_tls;
use super::tungstenite::{add, message};
use super::{Everybody, echo_batches, join, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn open(tape: Tape) -> WebSocketStream<Tape> {
    now(WebSocketStream::from_raw_socket(tape, Role::Server, Some(WebSocketConfig::default())))
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

impl Subject for WebSocketStream<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &self.next().await.unwrap().unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for number in 1..=messages {
                let message = self.next().await.unwrap().unwrap();
                add(&mut count, &message);
                self.feed(message).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.flush().await.unwrap();
                }
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize) {
        now(async {
            for number in 1..=messages {
                self.feed(message(outgoing)).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.flush().await.unwrap();
                }
            }
        });
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(SinkExt::send(socket, message(outgoing))).unwrap();
    }))
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream| connection(stream, WebSocketConfig::default()))
}

/// With the read buffer that its documentation recommends for many connections.
pub fn serve_small(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream| connection(stream, small()))
}

pub fn serve_secure(listener: TcpListener) -> io::Result<()> {
    serve_tls(listener, |stream| connection(stream, WebSocketConfig::default()))
}

/// The same with TLS over it.
pub fn serve_secure_small(listener: TcpListener) -> io::Result<()> {
    serve_tls(listener, |stream| connection(stream, small()))
}

fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096)
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S, config: WebSocketConfig) {
    if let Ok(socket) = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await {
        echo_batches(socket, is_data).await;
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

pub fn serve_everybody(listener: TcpListener) -> io::Result<()> {
    let everybody = Everybody::new(16);
    serve_tokio(listener, |stream| {
        let everybody = everybody.clone();
        async move {
            if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                join(socket, everybody, is_data).await;
            }
        }
    })
}
