//! What is fed, closed and left unwritten goes out, whoever does nothing more.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use sansocket::tokio::open_connection;
use sansocket::{Buffer, CloseCode, Connection, Prepared, SendError};
use tokio::io::AsyncReadExt;

use crate::common::wire::{self, BINARY, TEXT};
use crate::peer::{Peer, config, poll_once};

// TA-03: nothing fed is forgotten
#[tokio::test(start_paused = true)]
async fn messages_of_another_task_are_written_while_the_receiver_waits() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    tokio::spawn(async move { receiver.drain().await });
    tokio::task::yield_now().await;
    for _ in 0..3 {
        sender.feed("a").await.unwrap();
        sender.feed("b").await.unwrap();
    }
    assert_eq!(peer.output(), b"", "in one write, when the receiver has its turn");
    peer.expect(&b"\x81\x01a\x81\x01b".repeat(3)).await;
}

// TA-03: in one write for what came at once
#[tokio::test]
async fn answers_that_are_fed_are_written_before_the_receiver_waits() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&wire::client(TEXT, b"one"));
    peer.send(&wire::client(TEXT, b"two"));
    for _ in 0..2 {
        let message = receiver.recv().await.unwrap().unwrap();
        sender.feed(message).await.unwrap();
        assert_eq!(peer.output(), b"");
    }
    assert!(poll_once(pin!(receiver.recv())).await.is_none());
    assert_eq!(peer.output(), b"\x81\x03one\x81\x03two");
}

// TA-03, CL-16: the receiver starts its clock, though nothing wakes it but the Close
#[tokio::test(start_paused = true)]
async fn a_close_wakes_the_receiver() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    tokio::time::sleep(Duration::from_secs(25)).await;
    sender.close(CloseCode::GOING_AWAY, "restart").unwrap();
    assert_eq!(peer.output(), b"\x88\x09\x03\xe9restart");
    let start = tokio::time::Instant::now();
    let end = receiving.await.unwrap();
    assert!(matches!(end, Err(sansocket::Error::TimedOut(sansocket::TimedOut::Close))), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

// TA-03: what the peer does not take at once is the connection's
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_send_is_written_by_the_receiver() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    tokio::spawn(async move { receiver.drain().await });
    tokio::task::yield_now().await;
    peer.take_more(3);
    let long = vec![7; 20_000];
    sender.send("short").await.unwrap();
    sender.send(&long).await.unwrap();
    sender.try_send("last").unwrap();
    assert_eq!(peer.output(), b"\x81\x05s");
    let wanted =
        [wire::server(TEXT, b"short"), wire::server(BINARY, &long), wire::server(TEXT, b"last")]
            .concat();
    for _ in 0..30 {
        peer.take_more(700);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    peer.expect(&wanted).await;
    assert_eq!(sender.queued(), 0);
}

// TA-05: whoever is not polled any more holds up nobody
#[tokio::test(start_paused = true)]
async fn a_future_that_is_parked_stops_nobody() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    sender.send(&[1; 110]).await.unwrap();
    let mut parked: Vec<_> = (0..3).map(|_| Box::pin(sender.send(&[2; 110]))).collect();
    for future in &mut parked {
        assert!(poll_once(future.as_mut()).await.is_none());
    }
    let other = sender.clone();
    let sending = tokio::spawn(async move { other.send(&[3; 110]).await });
    let flushing = sender.clone();
    let flushing = tokio::spawn(async move { flushing.flush().await });
    tokio::task::yield_now().await;
    peer.take_more(usize::MAX);
    sending.await.unwrap().unwrap();
    flushing.await.unwrap().unwrap();
    let wanted = [wire::server(BINARY, &[1; 110]), wire::server(BINARY, &[3; 110])].concat();
    peer.expect(&wanted).await;
    peer.send(&wire::client(TEXT, b"hello"));
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "hello");
}

// TA-05: somebody else makes the room
#[tokio::test(start_paused = true)]
async fn a_send_goes_on_when_the_receiver_has_written() {
    for drips in [false, true] {
        let peer = Peer::new();
        if drips {
            peer.drip();
        }
        peer.take_more(0);
        let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
        let sending = tokio::spawn({
            let sender = sender.clone();
            async move {
                for i in 0..50u8 {
                    sender.send(&[i; 60]).await?;
                }
                Ok::<_, sansocket::Error>(())
            }
        });
        tokio::spawn(async move { receiver.drain().await });
        while !sending.is_finished() {
            peer.take_more(100);
            tokio::task::yield_now().await;
        }
        sending.await.unwrap().unwrap();
        peer.take_more(usize::MAX);
        sender.flush().await.unwrap();
        let wanted: Vec<u8> = (0..50u8).flat_map(|i| wire::server(BINARY, &[i; 60])).collect();
        assert_eq!(peer.output(), wanted);
    }
}

// TA-05, RE-06: who does not wait is refused, and told when to come again
#[tokio::test(start_paused = true)]
async fn try_send_is_refused_when_the_queue_is_full() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    tokio::spawn(async move { receiver.drain().await });
    let mut sent = 0;
    while sender.try_send(&[7; 60]).is_ok() {
        sent += 1;
    }
    assert_eq!(sender.try_send(&[7; 60]), Err(SendError::QueueFull));
    let too_large = SendError::MessageTooLarge { len: 401, max: 400 };
    assert_eq!(sender.try_send(&[7; 401]), Err(too_large));
    assert_eq!(sent, 6);
    assert!(poll_once(pin!(sender.ready())).await.is_none());
    peer.take_more(usize::MAX);
    sender.ready().await.unwrap();
    sender.try_send(&[8; 60]).unwrap();
    sender.flush().await.unwrap();
    assert_eq!(wire::parse(&peer.output()).len(), 7);
}

// IO-10: a stream that holds what it takes is flushed behind the last byte
#[tokio::test(start_paused = true)]
async fn a_stream_that_buffers_is_flushed() {
    let peer = Peer::new();
    peer.buffers(1);
    let (sender, mut receiver) = peer.open(config(|config| config));
    tokio::spawn(async move { receiver.drain().await });
    sender.send("hi").await.unwrap();
    assert_eq!(peer.output(), b"\x81\x02hi");
    assert!(poll_once(pin!(sender.flush())).await.is_none());
    peer.buffers(0);
    sender.flush().await.unwrap();
}

// IO-10: also when it was written from where it lay
#[tokio::test(start_paused = true)]
async fn a_message_that_need_not_wait_is_flushed() {
    let (stream, mut peer) = tokio::io::duplex(100_000);
    let stream = tokio::io::BufStream::with_capacity(64, 100_000, stream);
    let (sender, mut receiver) =
        sansocket::tokio::open(stream, sansocket::Buffer::new(), config(|config| config));
    tokio::spawn(async move { receiver.drain().await });
    tokio::task::yield_now().await;
    let start = tokio::time::Instant::now();
    let long = [7; 10_000];
    for wanted in [wire::server(TEXT, b"hi"), wire::server(BINARY, &long)] {
        match wanted.len() {
            4 => sender.try_send_prepared(&Prepared::new("hi")).unwrap(),
            _ => sender.try_send(&long).unwrap(),
        }
        let mut read = vec![0; wanted.len()];
        peer.read_exact(&mut read).await.unwrap();
        assert_eq!(read, wanted);
    }
    assert_eq!(start.elapsed().as_secs(), 0);
}

// TA-03: a read that fills its room is not the last, and yet may be
#[tokio::test(start_paused = true)]
async fn answers_to_a_read_that_filled_its_room_are_written() {
    let ping = wire::client(wire::PING, b"");
    let long = wire::client(BINARY, &vec![7; 4096 - 8 - ping.len()]);
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
    tokio::spawn(async move {
        while receiver.recv().await?.is_some() {
            sender.feed("heard").await?;
        }
        Ok::<_, sansocket::Error>(())
    });
    tokio::task::yield_now().await;
    let bytes = [long, ping].concat();
    assert_eq!(bytes.len(), 4096, "the room of the first read");
    peer.send(&bytes);
    peer.expect(b"\x81\x05heard\x8a\x00").await;
}

// TA-03: prepared or not, what is fed goes out with the rest
#[tokio::test]
async fn short_messages_are_fed_and_not_written() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    sender.feed("a").await.unwrap();
    sender.feed_prepared(&Prepared::new("b")).await.unwrap();
    assert_eq!(peer.output(), b"");
    assert!(poll_once(pin!(receiver.recv())).await.is_none());
    assert_eq!(peer.output(), b"\x81\x01a\x81\x01b");
}

// TA-02: ready is ready
#[tokio::test]
async fn a_send_that_was_ready_sends_nothing_again() {
    let peer = Peer::new();
    let (sender, _receiver) = peer.open(config(|config| config));
    let mut sending = pin!(sender.send("once"));
    let mut feeding = pin!(sender.feed("more"));
    for _ in 0..2 {
        assert!(poll_once(sending.as_mut()).await.is_some());
    }
    for _ in 0..2 {
        assert!(poll_once(feeding.as_mut()).await.is_some());
    }
    sender.flush().await.unwrap();
    assert_eq!(peer.output(), b"\x81\x04once\x81\x04more");
}

// TA-03: what is short on the wire waits, whatever it was
#[cfg(feature = "deflate")]
#[tokio::test]
async fn a_long_message_that_is_fed_compressed_waits() {
    let long = [7; 100_000];
    let prepared = Prepared::compressed(&long, &sansocket::Compression::new());
    for is_prepared in [false, true] {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open_compressed();
        match is_prepared {
            true => sender.feed_prepared(&prepared).await.unwrap(),
            false => sender.feed(&long).await.unwrap(),
        }
        assert!((1..1000).contains(&sender.queued()), "{is_prepared}: {}", sender.queued());
        assert_eq!(peer.output(), b"");
        assert!(poll_once(pin!(receiver.recv())).await.is_none());
        assert!(!peer.output().is_empty() && sender.queued() == 0);
    }
}

// TA-05: room that the receiver makes is told to those who wait for it, also if it is not all
#[tokio::test(start_paused = true)]
async fn a_send_goes_on_when_the_receiver_has_written_a_part() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    tokio::spawn(async move { receiver.drain().await });
    sender.send(&[1; 110]).await.unwrap();
    let other = sender.clone();
    let waiting = tokio::spawn(async move { other.send(&[2; 10]).await });
    tokio::task::yield_now().await;
    peer.take_more_quietly(50);
    let start = tokio::time::Instant::now();
    peer.send(&wire::client(wire::PONG, b"")); // wakes the receiver alone
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

// TA-05: the task that has polled last is woken, and no other
#[tokio::test]
async fn a_future_may_go_to_another_task_while_it_waits() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, _receiver) = peer.open(config(|config| config.max_queue(400)));
    while poll_once(pin!(sender.send(&[7; 60]))).await.is_some() {}
    let counts = [(); 3].map(|()| Arc::new(Count::default()));
    let mut waiting = pin!(sender.ready());
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    peer.take_more(usize::MAX);
    sender.flush().await.unwrap();
    let woken = counts.map(|count| count.0.load(Ordering::SeqCst) > 0);
    assert_eq!(woken, [false, false, true]);
    waiting.await.unwrap();
}

// TA-05: one that is dropped is forgotten
#[tokio::test]
async fn a_future_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, _receiver) = peer.open(config(|config| config.max_queue(400)));
    while poll_once(pin!(sender.send(&[7; 60]))).await.is_some() {}
    let count = Arc::new(Count::default());
    for _ in 0..3 {
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(sender.send(&[7; 60])).poll(&mut cx).is_pending());
        assert!(pin!(sender.ready()).poll(&mut cx).is_pending());
        assert!(pin!(sender.flush()).poll(&mut cx).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 1);
}

// TA-03: long messages that are fed go at once, from where they lie, but those that have to be copied anyway wait
#[tokio::test]
async fn a_long_message_that_is_fed_is_written_at_once_unless_it_is_masked() {
    let long = vec![7; 33 * 1024];
    let config = config(|config| config);
    for (is_server, written) in [(true, 3 * (4 + long.len())), (false, 0)] {
        let peer = Peer::new();
        let connection = match is_server {
            true => Connection::server(config.clone()),
            false => Connection::client(config.clone()),
        };
        let (sender, mut receiver) =
            open_connection(peer.stream(), connection, Buffer::new(), &config);
        tokio::spawn(async move { receiver.drain().await });
        tokio::task::yield_now().await;
        for _ in 0..3 {
            sender.feed(&long).await.unwrap();
        }
        assert_eq!(peer.output().len(), written);
        // The receiver, which waits, has been told.
        tokio::task::yield_now().await;
        let header = if is_server { 4 } else { 8 };
        assert_eq!(peer.output().len(), 3 * (header + long.len()));
    }
}
