//! Connections in tasks of tokio.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use sansocket::tokio::{Receiver, Sender, accept, open};
use sansocket::{Buffer, Config, Message};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::KIB;
#[cfg(feature = "deflate")]
use crate::MIB;
use crate::common::wire::{self, BINARY, TEXT};
use crate::heap::{heap, measure};

/// A stream that brings what the test puts there, and takes everything.
#[derive(Clone, Default)]
struct Stream(Arc<Mutex<Vec<u8>>>);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut bytes = self.0.lock().unwrap();
        if bytes.is_empty() {
            return Poll::Pending;
        }
        let n = bytes.len().min(space.remaining());
        space.put_slice(&bytes[..n]);
        bytes.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Echoes all there is, until it would wait.
fn echo(sender: &Sender<Stream>, receiver: &mut Receiver<Stream>) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut messages = 0;
    while let Poll::Ready(message) = receiver.poll_recv(&mut cx) {
        let message: Message<'_> = message.unwrap().unwrap();
        let sending = match messages % 2 {
            0 => sender.send(message),
            _ => sender.feed(message),
        };
        assert!(pin!(sending).poll(&mut cx).is_ready());
        messages += 1;
    }
    messages
}

// L-09, TA-10: a client that says nothing costs its future, and one that stops in the middle what it has said
#[test]
fn a_handshake_that_waits_holds_no_buffer() {
    let runtime = runtime();
    let _context = runtime.enter();
    let config = Config::default();
    let begun = |said: &[u8]| {
        let stream = Stream::default();
        stream.0.lock().unwrap().extend(said);
        let mut accepting = Box::pin(accept(stream, &config));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(accepting.as_mut().poll(&mut cx).is_pending());
        accepting
    };
    let _warm = begun(b"");
    for said in [&b""[..], b"GET / HTTP/1.1\r\nHost: example.com\r\n"] {
        let (futures, used) = measure(|| (0..100).map(|_| begun(said)).collect::<Vec<_>>());
        let each = used.live / futures.len();
        assert!(each <= 2 * KIB, "{each}");
    }
}

// TA-10: also if it was asked for what has arrived
#[test]
fn a_receiver_asked_for_buffered_messages_holds_no_buffer() {
    let runtime = runtime();
    let _context = runtime.enter();
    let open_idle = || {
        let stream = Stream::default();
        let (sender, mut receiver) = open(stream.clone(), Buffer::new(), Config::default());
        stream.0.lock().unwrap().extend(wire::client(BINARY, &[7; 50_000]));
        assert_eq!(echo(&sender, &mut receiver), 1);
        // A frame that has only begun is put aside again.
        *stream.0.lock().unwrap() = wire::client(BINARY, &[7; 50_000])[..10].to_vec();
        assert_eq!(echo(&sender, &mut receiver), 0);
        assert!(receiver.buffered().unwrap().is_none());
        (sender, receiver)
    };
    let _warm = open_idle();
    let (connections, used) = measure(|| (0..100).map(|_| open_idle()).collect::<Vec<_>>());
    let each = used.live / connections.len();
    assert!(each <= 1500, "{each}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

// TA-10, RE-01: no allocation per message
#[test]
fn echoing_in_tasks_allocates_nothing() {
    let runtime = runtime();
    let _context = runtime.enter();
    let stream = Stream::default();
    let (sender, mut receiver) = open(stream.clone(), Buffer::new(), Config::default());
    let input = [wire::client(TEXT, b"short"), wire::client(BINARY, &[7; 10_000])].concat();
    let mut round = || {
        stream.0.lock().unwrap().extend(&input);
        assert_eq!(echo(&sender, &mut receiver), 2);
    };
    (0..10).for_each(|_| round());
    let counted = heap(|| (0..100).for_each(|_| round()));
    assert_eq!((counted.allocations, counted.live), (0, 0));
}

// TA-10, RE-01: a connection that waits holds neither a buffer nor a queue, whatever it did before
#[test]
fn an_idle_connection_in_a_task_holds_no_buffer() {
    let runtime = runtime();
    let _context = runtime.enter();
    // The second is fed: it goes by the queue, the first from where it lies.
    let input = [wire::client(BINARY, &[7; 50_000]), wire::client(BINARY, &[7; 5000])].concat();
    let warm = Stream::default();
    let (sender, mut receiver) = open(warm.clone(), Buffer::new(), Config::default());
    warm.0.lock().unwrap().extend(&input);
    echo(&sender, &mut receiver);
    let streams: Vec<Stream> = (0..100).map(|_| Stream::default()).collect();
    let mut connections = vec![];
    let counted = heap(|| {
        for stream in &streams {
            let (sender, mut receiver) = open(stream.clone(), Buffer::new(), Config::default());
            stream.0.lock().unwrap().extend(&input);
            assert_eq!(echo(&sender, &mut receiver), 2);
            *stream.0.lock().unwrap() = vec![];
            connections.push((sender, receiver));
        }
    });
    let each = counted.live / streams.len();
    assert!(each <= 700, "{each} bytes each");
}

// TA-10, RE-01: of a frame that is not whole, what has arrived
#[test]
fn the_beginning_of_a_frame_takes_what_it_takes() {
    let runtime = runtime();
    let _context = runtime.enter();
    let streams: Vec<Stream> = (0..100).map(|_| Stream::default()).collect();
    let mut connections = vec![];
    let open_all = |connections: &mut Vec<_>| {
        for stream in &streams {
            let (sender, mut receiver) = open(stream.clone(), Buffer::new(), Config::default());
            stream.0.lock().unwrap().extend(b"\x81");
            assert_eq!(echo(&sender, &mut receiver), 0);
            *stream.0.lock().unwrap() = vec![];
            connections.push((sender, receiver));
        }
    };
    let counted = heap(|| open_all(&mut connections));
    let each = counted.live / streams.len();
    assert!(each <= 800, "{each} bytes each");
}

// TA-10: nor does one that has ended keep what its peer did not read, whoever keeps a sender
#[test]
fn a_connection_that_was_cut_off_holds_no_queue() {
    let runtime = runtime();
    let _context = runtime.enter();
    let mut kept = vec![];
    let counted = heap(|| {
        for _ in 0..10 {
            let (ours, theirs) = tokio::io::duplex(64);
            let (sender, receiver) = open(ours, Buffer::new(), Config::default());
            while sender.try_send(&[7; 5000]).is_ok() {}
            sender.abort();
            drop((receiver, theirs));
            kept.push(sender);
        }
    });
    assert!(counted.live < 100_000, "{} bytes", counted.live);
}

// CO-15, TA-10, TA-13: others may need the memory
#[cfg(feature = "deflate")]
#[test]
fn a_compressed_message_is_given_back_before_a_receiver_yields() {
    use sansocket::tokio::open_connection;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let limit = Config::builder().max_message(8 * MIB).compression(sansocket::Compression::new());
    let config = limit.build().unwrap();
    let stream = Stream::default();
    let connection = crate::common::session::compressed_connection(&config);
    let (_sender, mut receiver) =
        open_connection(stream.clone(), connection, Buffer::new(), &config);
    let payload = crate::compressed::four_mib();
    let message = wire::client(0xc2, &payload[..payload.len() - 4]);
    let mut cx = Context::from_waker(Waker::noop());
    // Behind it there is nothing, and then the beginning of another.
    for rest in [0, 1000] {
        let held = heap(|| {
            stream.0.lock().unwrap().extend_from_slice(&message);
            stream.0.lock().unwrap().extend_from_slice(&message[..rest]);
            let Poll::Ready(received) = receiver.poll_recv(&mut cx) else { panic!("not there") };
            assert_eq!(received.unwrap().unwrap().len(), 4 * MIB);
            assert!(receiver.poll_recv(&mut cx).is_pending());
        });
        assert!(held.peak > 4 * MIB && held.live < MIB / 4, "{rest}: {held:?}");
    }
}
