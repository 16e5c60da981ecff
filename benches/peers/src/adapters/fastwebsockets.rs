//! fastwebsockets, with whole messages (`FragmentCollector`), masks applied and text checked, which
//! are its defaults. It writes each frame as it is told to.

use std::io;
use std::net::TcpListener;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::serve_tokio;
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

fn open(tape: Tape) -> FragmentCollector<Tape> {
    FragmentCollector::new(WebSocket::after_handshake(tape, Role::Server))
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

fn frame(outgoing: &Outgoing) -> Frame<'_> {
    let payload = Payload::Borrowed(&outgoing.bytes);
    if outgoing.is_text { Frame::text(payload) } else { Frame::binary(payload) }
}

#[inline]
fn add(count: &mut Count, frame: &Frame<'_>) {
    assert!(matches!(frame.opcode, OpCode::Text | OpCode::Binary));
    count.add(frame.opcode == OpCode::Text, &frame.payload);
}

impl Subject for FragmentCollector<Tape> {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                add(&mut count, &self.read_frame().await.unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, _: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                let frame = self.read_frame().await.unwrap();
                add(&mut count, &frame);
                self.write_frame(frame).await.unwrap();
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, _: usize) {
        now(async {
            for _ in 0..messages {
                self.write_frame(frame(outgoing)).await.unwrap();
            }
        });
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(socket.write_frame(frame(outgoing))).unwrap();
    }))
}

/// As its example `echo_server` does it.
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
    let (response, socket) = upgrade(&mut request)?;
    tokio::spawn(tokio::task::unconstrained(echo(socket)));
    Ok(response)
}

async fn echo(socket: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
