//! Every kind of runtime, and what crosses threads.

use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use sansocket::handshake::client::Request;
use sansocket::tokio::{Receiver, Sender, accept, connect};
use sansocket::{Config, Error};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// A stream that stays on its thread.
struct Local(DuplexStream, PhantomData<Rc<()>>);

impl AsyncRead for Local {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, space)
    }
}

impl AsyncWrite for Local {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

// TA-11
#[tokio::test]
async fn streams_that_are_not_send_work_in_a_local_set() {
    let local = LocalSet::new();
    let (ours, theirs) = tokio::io::duplex(100);
    local.spawn_local(async move {
        let stream = Local(ours, PhantomData);
        let (sender, mut receiver) = accept(stream, Config::default()).await?;
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
        }
        Ok::<_, Error>(())
    });
    let client = async move {
        let request = Request::new("ws://example.com/").unwrap();
        let (sender, mut receiver, _) = connect(theirs, &request, Config::default()).await.unwrap();
        sender.send("local").await.unwrap();
        assert_eq!(receiver.recv().await.unwrap().unwrap(), "local");
    };
    local.run_until(client).await;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

// TA-11: the halves, and the futures of every method, go to other threads
#[test]
fn futures_are_send_if_the_stream_is() {
    fn is_sync<T: Sync>() {}
    is_sync::<Sender<TcpStream>>();
    assert_eq!(size_of::<Sender<TcpStream>>(), 8);
    assert_eq!(size_of::<Receiver<TcpStream>>(), 8);
    let _ = |stream: TcpStream| is_send(accept(stream, Config::default()));
    let _ = |sender: Sender<TcpStream>, mut receiver: Receiver<TcpStream>| {
        is_send(async move {
            while let Some(message) = receiver.recv().await? {
                sender.send(message).await?;
                sender.feed(message).await?;
            }
            sender.flush().await?;
            sender.ready().await?;
            receiver.event().await?;
            receiver.close(sansocket::CloseCode::NORMAL, "").await
        })
    };
}

// TA-10: an idle handler is small, whatever it does when it is not idle
#[test]
fn futures_are_thin() {
    let sender_and_receiver = |sender: Sender<TcpStream>, mut receiver: Receiver<TcpStream>| async move {
        while let Some(message) = receiver.recv().await? {
            sender.send(message).await?;
        }
        Ok::<_, Error>(())
    };
    fn size<F: std::future::Future>(
        _: impl Fn(Sender<TcpStream>, Receiver<TcpStream>) -> F,
    ) -> usize {
        size_of::<F>()
    }
    assert!(size(sender_and_receiver) <= 160, "{}", size(sender_and_receiver));
    fn accepting<F: std::future::Future>(_: impl Fn(TcpStream) -> F) -> usize {
        size_of::<F>()
    }
    assert_eq!(accepting(|stream| accept(stream, Config::default())), 8);
}
