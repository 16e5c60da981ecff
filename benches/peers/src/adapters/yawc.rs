//! yawc, with text checked, and with the buffers of its own benchmarks: 128 KiB to
//! read, writing at 64 KiB. Over sockets the buffers are its defaults, as those are per connection. Without
//! compression, or with its default of it, or with the pool that it has for many connections.

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
use yawc::{
    DeflateOptions, DeflatePool, Frame, OpCode, Options, Role, UpgradeFut, WebSocket,
    WebSocketError,
};

use super::{MAX_MESSAGE, echo_batches, serve_tokio};
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn options(compression: Option<DeflateOptions>) -> Options {
    let options = Options::default().with_utf8().with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE);
    Options { compression, ..options }
}

/// No message refers to those before it, so that compressors need not be kept.
fn pool() -> DeflateOptions {
    DeflateOptions {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        pool: Some(DeflatePool::new(4)),
        ..DeflateOptions::default()
    }
}

fn open(tape: Tape) -> WebSocket<Tape> {
    let options =
        options(None).with_read_buffer_capacity(128 * 1024).with_backpressure_boundary(64 * 1024);
    WebSocket::from_stream(tape, Role::Server, options).expect("nothing to negotiate")
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

pub fn compressed(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    subjects(tapes, DeflateOptions::default(), "permessage-deflate")
}

pub fn pooled(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    subjects(tapes, pool(), agreed)
}

/// With its default buffers, as there may be a thousand.
fn subjects(tapes: Vec<Tape>, compression: DeflateOptions, agreed: &str) -> Vec<Box<dyn Subject>> {
    let open = |tape| {
        let options = options(Some(compression.clone()));
        let agreed = Some(agreed);
        let socket = WebSocket::from_stream_with_extensions(tape, Role::Server, agreed, options);
        Box::new(socket.expect("what was agreed on makes sense")) as Box<dyn Subject>
    };
    tapes.into_iter().map(open).collect()
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
    serve_with(listener, options(None))
}

pub fn serve_compressed(listener: TcpListener) -> io::Result<()> {
    serve_with(listener, options(Some(DeflateOptions::default())))
}

pub fn serve_pooled(listener: TcpListener) -> io::Result<()> {
    serve_with(listener, options(Some(pool())))
}

fn serve_with(listener: TcpListener, options: Options) -> io::Result<()> {
    serve_tokio(listener, move |stream: TcpStream| {
        let options = options.clone();
        async move {
            let open = service_fn(move |request| open_handshake(request, options.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), open);
            let _ = connection.with_upgrades().await;
        }
    })
}

async fn open_handshake(
    mut request: Request<Incoming>,
    options: Options,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = WebSocket::upgrade_with_options(&mut request, options)?;
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
