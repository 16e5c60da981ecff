//! tokio-websockets: a `Stream` and a `Sink` on top of its codec. Text is always checked. It writes what it
//! holds back whenever it is asked for the next message, so several are received before the first is answered.

use std::io;
use std::net::TcpListener;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{Limits, Message, ServerBuilder, WebSocketStream};

use super::secure::serve_tls;
use super::{Everybody, GATHERED, MAX_MESSAGE, echo_gathered, join, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn builder() -> ServerBuilder {
    ServerBuilder::new().limits(Limits::default().max_payload_len(Some(MAX_MESSAGE)))
}

fn open(tape: Tape) -> WebSocketStream<Tape> {
    builder().serve(tape)
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

fn message(outgoing: &Outgoing) -> Message {
    let bytes = outgoing.bytes.clone();
    if outgoing.is_text { Message::text(bytes) } else { Message::binary(bytes) }
}

#[inline]
fn add(count: &mut Count, message: &Message) {
    assert!(message.is_text() || message.is_binary());
    count.add(message.is_text(), message.as_payload());
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
            let mut batch = Vec::with_capacity(GATHERED);
            // It writes at 8 KiB anyway, which is an eighth of a burst.
            let gathered = burst.div_ceil(8).min(GATHERED);
            while count.messages < messages {
                let size = (messages - count.messages).min(gathered);
                for _ in 0..size {
                    let message = self.next().await.unwrap().unwrap();
                    add(&mut count, &message);
                    batch.push(message);
                }
                for message in batch.drain(..) {
                    self.feed(message).await.unwrap();
                }
                self.flush().await.unwrap();
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
    serve_tokio(listener, connection)
}

pub fn serve_secure(listener: TcpListener) -> io::Result<()> {
    serve_tls(listener, connection)
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(stream: S) {
    if let Ok((_, socket)) = builder().accept(stream).await {
        echo_gathered(socket, is_data).await;
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
            if let Ok((_, socket)) = builder().accept(stream).await {
                join(socket, everybody, is_data).await;
            }
        }
    })
}
