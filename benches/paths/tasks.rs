//! Echoes in tasks, over a stream in memory.

use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sansocket::tokio::open;
use sansocket::{Buffer, Config};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Path, Tape};

pub const PATHS: [(&str, Path); 3] = [
    ("echo 16 B binary in a task", |n| echo(n, Tape::of(&[7; 16]))),
    ("echo 64 B binary in a task, one by one", |n| echo(n, Tape::in_step(&[7; 64]))),
    ("echo 1 KiB text in a task, one by one", |n| echo(n, Tape::in_step(&"a".repeat(1024)))),
];

/// Brings something each other time it is asked, and takes everything.
struct Stream<R> {
    reader: R,
    is_ready: bool,
}

fn echo(n: u64, tape: Tape) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();
    // It lives as long as the process.
    let tape: &'static Tape = Box::leak(Box::new(tape));
    let stream = Stream { reader: tape.reader(), is_ready: false };
    let (sender, mut receiver) = open(stream, Buffer::new(), Config::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut received = 0;
    while received < n {
        if let Poll::Ready(message) = pin!(receiver.recv()).poll(&mut cx) {
            assert!(pin!(sender.feed(message.unwrap().unwrap())).poll(&mut cx).is_ready());
            received += 1;
        }
    }
}

impl<R: Read + Unpin> AsyncRead for Stream<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_ready = !self.is_ready;
        if !self.is_ready {
            return Poll::Pending;
        }
        let n = self.reader.read(space.initialize_unfilled())?;
        space.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<R: Unpin> AsyncWrite for Stream<R> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
