//! yawc without compression, with text checked, and with the buffers of its own benchmarks: 128 KiB to
//! read, writing at 64 KiB. Over sockets the buffers are its defaults, as those are per connection.

use std::io;
use std::net::TcpListener;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use yawc::{Frame, OpCode, Options, Role, UpgradeFut, WebSocket, WebSocketError};

use super::{MAX_MESSAGE, echo_batches, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn options() -> Options {
    Options::default().without_compression().with_utf8().with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
}

fn open(tape: Tape) -> WebSocket<Tape> {
    let options =
        options().with_read_buffer_capacity(128 * 1024).with_backpressure_boundary(64 * 1024);
    WebSocket::from_stream(tape, Role::Server, options).expect("nothing to negotiate")
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

fn frame(outgoing: &Outgoing) -> Frame {
    let bytes = outgoing.bytes.clone();
    if outgoing.is_text { Frame::text(bytes) } else { Frame::binary(bytes) }
}

#[inline]
fn add(count: &mut Count, frame: &Frame) {
    assert!(matches!(frame.opcode(), OpCode::Text | OpCode::Binary));
    count.add(frame.opcode() == OpCode::Text, frame.payload());
}

impl Subject for WebSocket<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &self.next_frame().await.unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for number in 1..=messages {
                let frame = self.next_frame().await.unwrap();
                add(&mut count, &frame);
                self.feed(frame).await.unwrap();
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
                self.feed(frame(outgoing)).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.flush().await.unwrap();
                }
            }
        });
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(SinkExt::send(socket, frame(outgoing))).unwrap();
    }))
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream: TcpStream| async move {
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(open_handshake));
        let _ = connection.with_upgrades().await;
    })
}

async fn open_handshake(
    mut request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = WebSocket::upgrade_with_options(&mut request, options())?;
    tokio::spawn(tokio::task::unconstrained(echo(socket)));
    Ok(response)
}

async fn echo(socket: UpgradeFut) {
    if let Ok(socket) = socket.await {
        let socket = socket.map(Ok::<_, WebSocketError>);
        echo_batches(socket, |frame: &Frame| {
            matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
        })
        .await;
    }
}
