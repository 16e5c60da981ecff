//! soketto, between a `BufReader` and a `BufWriter` as in its examples. It leaves checking text to its
//! user; here simdutf8 does it.

use std::io;
use std::net::TcpListener;

use futures::io::{BufReader, BufWriter};
use soketto::connection::Builder;
use soketto::extension::Extension;
use soketto::extension::deflate::Deflate;
use soketto::handshake::Server;
use soketto::handshake::server::Response;
use soketto::{Data, Mode, Receiver, Sender};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::serve_tokio;
use crate::memory::broadcast::{Audience, Each};
use crate::memory::subject::{Count, Outgoing, Subject, now};
use crate::memory::tape::Tape;

type Stream<S> = BufReader<BufWriter<Compat<S>>>;

struct Soketto {
    sender: Sender<Stream<Tape>>,
    receiver: Receiver<Stream<Tape>>,
    message: Vec<u8>,
}

fn open(tape: Tape) -> Soketto {
    open_with(tape, None)
}

fn open_with(tape: Tape, extension: Option<Box<dyn Extension + Send>>) -> Soketto {
    let writer = BufWriter::with_capacity(64 * 1024, tape.compat());
    let stream = BufReader::with_capacity(64 * 1024, writer);
    let mut builder = Builder::new(stream, Mode::Server);
    builder.add_extensions(extension);
    let (sender, receiver) = builder.finish();
    Soketto { sender, receiver, message: Vec::new() }
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(open(tape))
}

/// It makes a compressor anew for each message.
pub fn compressed(tapes: Vec<Tape>) -> Vec<Box<dyn Subject>> {
    let open = |tape| {
        let mut deflate = Deflate::new(Mode::Server);
        deflate.configure(&[]).expect("an offer without parameters");
        Box::new(open_with(tape, Some(Box::new(deflate)))) as Box<dyn Subject>
    };
    tapes.into_iter().map(open).collect()
}

impl Soketto {
    #[inline]
    async fn receive(&mut self) -> bool {
        self.message.clear();
        let is_text =
            matches!(self.receiver.receive_data(&mut self.message).await, Ok(Data::Text(_)));
        if is_text {
            simdutf8::basic::from_utf8(&self.message).unwrap();
        }
        is_text
    }
}

fn as_text(bytes: &[u8]) -> &str {
    // SAFETY: it was checked when it was received, or is text by construction.
    unsafe { std::str::from_utf8_unchecked(bytes) }
}

impl Subject for Soketto {
    fn receive(&mut self, messages: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for _ in 0..messages {
                let is_text = Soketto::receive(self).await;
                count.add(is_text, &self.message);
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, burst: usize) -> Count {
        now(async {
            let mut count = Count::default();
            for number in 1..=messages {
                let is_text = Soketto::receive(self).await;
                count.add(is_text, &self.message);
                match is_text {
                    true => self.sender.send_text(as_text(&self.message)).await.unwrap(),
                    false => self.sender.send_binary(&self.message).await.unwrap(),
                }
                if number % burst == 0 || number == messages {
                    self.sender.flush().await.unwrap();
                }
            }
            count
        })
    }

    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize) {
        now(async {
            for number in 1..=messages {
                send(&mut self.sender, outgoing).await;
                if number % burst == 0 || number == messages {
                    self.sender.flush().await.unwrap();
                }
            }
        });
    }
}

async fn send(sender: &mut Sender<Stream<Tape>>, outgoing: &Outgoing) {
    match outgoing.is_text {
        true => sender.send_text(as_text(&outgoing.bytes)).await.unwrap(),
        false => sender.send_binary(&outgoing.bytes).await.unwrap(),
    }
}

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Each(tapes.into_iter().map(open).collect(), |socket, outgoing| {
        now(async {
            send(&mut socket.sender, outgoing).await;
            socket.sender.flush().await.unwrap();
        });
    }))
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream: TcpStream| async move {
        let _ = echo(stream, None).await;
    })
}

pub fn serve_compressed(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream: TcpStream| async move {
        let _ = echo(stream, Some(Box::new(Deflate::new(Mode::Server)))).await;
    })
}

async fn echo(
    stream: TcpStream,
    extension: Option<Box<dyn Extension + Send>>,
) -> Result<(), soketto::BoxedError> {
    let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
    if let Some(extension) = extension {
        server.add_extension(extension);
    }
    let key = server.receive_request().await?.key();
    server.send_response(&Response::Accept { key, protocol: None }).await?;
    let (mut sender, mut receiver) = server.into_builder().finish();
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Text(_) => sender.send_text(simdutf8::basic::from_utf8(&message)?).await?,
            Data::Binary(_) => sender.send_binary(&message).await?,
        }
        sender.flush().await?;
    }
}
