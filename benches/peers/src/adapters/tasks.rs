//! Ours in tasks of tokio: over the same polled stream as the others in memory, and as an echo server.

use std::io;
use std::net::TcpListener;

use sansocket::tokio::{Receiver, Sender, Transport, accept, open};
use sansocket::{Buffer, Compression, Config, Message, Prepared};

use super::sansocket::{compressing, config, outgoing};
use super::secure::serve_tls;
use super::serve_tokio;
use crate::memory::broadcast::Audience;
use crate::memory::subject::{Count, Outgoing, Subject, in_turns};
use crate::memory::tape::Tape;

struct Task {
    sender: Sender<Tape>,
    receiver: Receiver<Tape>,
}

impl Task {
    fn new(tape: Tape) -> Self {
        let (sender, receiver) = open(tape, Buffer::new(), config());
        Self { sender, receiver }
    }
}

pub fn subject(tape: Tape) -> Box<dyn Subject> {
    Box::new(Task::new(tape))
}

#[inline]
fn add(count: &mut Count, message: Message<'_>) {
    count.add(matches!(message, Message::Text(_)), message.as_bytes());
}

impl Subject for Task {
    fn receive(&mut self, messages: usize) -> Count {
        in_turns(async {
            let mut count = Count::default();
            while count.messages < messages {
                add(&mut count, self.receiver.recv().await.unwrap().unwrap());
            }
            count
        })
    }

    fn echo(&mut self, messages: usize, _: usize) -> Count {
        in_turns(async {
            let mut count = Count::default();
            while count.messages < messages {
                let message = self.receiver.recv().await.unwrap().unwrap();
                add(&mut count, message);
                self.sender.feed(message).await.unwrap();
            }
            self.sender.flush().await.unwrap();
            count
        })
    }

    fn send(&mut self, message: &Outgoing, messages: usize, burst: usize) {
        in_turns(async {
            for number in 1..=messages {
                self.sender.feed(outgoing(message)).await.unwrap();
                if number % burst == 0 || number == messages {
                    self.sender.flush().await.unwrap();
                }
            }
        });
    }
}

struct Everybody(Vec<Task>);

pub fn audience(tapes: Vec<Tape>) -> Box<dyn Audience> {
    Box::new(Everybody(tapes.into_iter().map(Task::new).collect()))
}

impl Audience for Everybody {
    fn tell(&mut self, message: &Outgoing) {
        let prepared = Prepared::new(outgoing(message));
        for task in &self.0 {
            in_turns(task.sender.send_prepared(&prepared)).unwrap();
        }
    }
}

/// Echoes in a task, as the docs do it; what was received at once is answered at once.
fn echo<S>(stream: S, config: Config) -> impl Future<Output = Result<(), sansocket::Error>> + Send
where
    S: Transport + Send,
{
    // Out here, so that the task holds neither while it is idle.
    let accepted = accept(stream, config);
    async move {
        let (sender, mut receiver) = accepted.await?;
        while let Some(message) = receiver.recv().await? {
            sender.feed(message).await?;
        }
        Ok(())
    }
}

pub fn serve(listener: TcpListener) -> io::Result<()> {
    serve_tokio(listener, |stream| echo(stream, config()))
}

pub fn serve_compressed(listener: TcpListener) -> io::Result<()> {
    let config = compressing(Compression::new());
    serve_tokio(listener, move |stream| echo(stream, config.clone()))
}

pub fn serve_secure(listener: TcpListener) -> io::Result<()> {
    serve_tls(listener, |stream| echo(stream, config()))
}
