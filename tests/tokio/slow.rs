//! A peer that takes nothing is noticed within the write timeout, by whoever waits.

use std::time::Duration;

use sansocket::{Error, TimedOut};
use tokio::time::Instant;

use crate::peer::{Peer, config};

fn is_write_timeout(result: &Result<(), Error>) -> bool {
    matches!(result, Err(Error::TimedOut(TimedOut::Write)))
}

// TA-06: nobody receives
#[tokio::test(start_paused = true)]
async fn a_sender_alone_notices_a_peer_that_does_not_read() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    let start = Instant::now();
    sender.send(&[1; 110]).await.unwrap();
    let end = sender.send(&[2; 110]).await;
    assert!(is_write_timeout(&end), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(peer.is_closed());
    let end = receiver.recv().await.map(|_| ());
    assert!(is_write_timeout(&end), "{end:?}");
    let end = sender.send("more").await;
    assert!(matches!(end, Err(Error::Send(sansocket::SendError::Closed))), "{end:?}");
}

// TA-06: the rest of a send that was ready
#[tokio::test(start_paused = true)]
async fn the_receiver_notices_a_peer_that_does_not_read() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let start = Instant::now();
    sender.send("hello").await.unwrap();
    let end = receiving.await.unwrap();
    assert!(is_write_timeout(&end), "{end:?}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

// TA-06: a flush, and all others who wait
#[tokio::test(start_paused = true)]
async fn everybody_who_waits_is_told() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    sender.send(&[1; 110]).await.unwrap();
    let start = Instant::now();
    let (flushed, sent, ready, received) =
        tokio::join!(sender.flush(), sender.send(&[2; 110]), sender.ready(), async {
            receiver.recv().await.map(|_| ())
        });
    let ends = [flushed, sent, ready, received];
    // One of them sees the deadline; the others are told, or see what is left.
    assert!(ends.iter().any(is_write_timeout) && ends.iter().all(Result::is_err), "{ends:?}");
    assert!(is_write_timeout(&ends[3]), "{ends:?}");
    assert_eq!(start.elapsed().as_secs(), 30);
}

// TA-06, L-10: one that reads slowly is neither stalled nor silent
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_waited_for() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    sender.send(&vec![7; 500_000]).await.unwrap();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_secs(29)).await;
        peer.take_more(10_000);
    }
    assert!(!receiving.is_finished());
    tokio::time::sleep(Duration::from_secs(29)).await;
    peer.take_more(usize::MAX);
    sender.flush().await.unwrap();
    assert_eq!(peer.output().len(), 10 + 500_000);
}

// IO-08: a failed write ends the connection for everybody
#[tokio::test(start_paused = true)]
async fn a_failed_write_is_everybodys() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    let other = sender.clone();
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    tokio::task::yield_now().await;
    peer.fail(std::io::ErrorKind::BrokenPipe);
    let end = sender.send("lost").await;
    assert!(
        matches!(&end, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe)
    );
    assert!(matches!(other.send("more").await, Err(Error::Send(_))));
    assert!(matches!(other.flush().await, Err(Error::Send(_))));
    let end = receiving.await.unwrap();
    assert!(matches!(&end, Err(Error::Io(_))), "{end:?}");
    assert!(peer.is_closed());
}

// IO-09: what had arrived before the write failed is received
#[tokio::test(start_paused = true)]
async fn messages_that_had_arrived_are_received_after_a_failed_write() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.send(&crate::common::wire::client(0x81, b"last words"));
    peer.fail(std::io::ErrorKind::ConnectionReset);
    assert!(sender.send("lost").await.is_err());
    assert_eq!(receiver.recv().await.unwrap().unwrap(), "last words");
    assert!(matches!(receiver.recv().await, Err(Error::Io(_))));
    assert!(matches!(receiver.recv().await, Err(Error::Io(_))), "and again");
}

// RE-11: a stream that panics takes down nobody else
#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_is_a_failure() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    peer.panics();
    let panicking = sender.clone();
    assert!(tokio::spawn(async move { panicking.send("boo").await }).await.is_err());
    assert!(matches!(sender.send("more").await, Err(Error::Send(_))));
    let end = receiver.recv().await;
    assert!(matches!(&end, Err(Error::Io(_))), "{end:?}");
}

// IO-08: an error is one, whatever it is called
#[tokio::test(start_paused = true)]
async fn a_write_that_failed_with_a_timeout_is_not_waited_for() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    tokio::task::yield_now().await;
    peer.fail(std::io::ErrorKind::TimedOut);
    let start = Instant::now();
    assert!(matches!(sender.send("lost").await, Err(Error::Io(_))));
    assert!(matches!(receiving.await.unwrap(), Err(Error::Io(_))));
    assert!(start.elapsed().as_secs() < 3);
}

// RE-11: nothing follows a write that has panicked, whatever was dropped since
#[tokio::test(start_paused = true)]
async fn a_panic_is_not_forgotten_when_the_future_is_dropped() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, mut receiver) = peer.open(config(|config| config.max_queue(400)));
    sender.send(&[1; 110]).await.unwrap();
    let waiting = sender.clone();
    let waiting = tokio::spawn(async move { waiting.send(&[2; 110]).await });
    tokio::task::yield_now().await;
    peer.panics();
    assert!(waiting.await.unwrap_err().is_panic());
    peer.take_more(usize::MAX);
    let end = sender.send("more").await;
    assert!(matches!(end, Err(Error::Send(_))), "{end:?}");
    let end = receiver.recv().await;
    assert!(matches!(&end, Err(Error::Io(_))), "{end:?}");
    assert_eq!(peer.output(), b"");
}

// TA-05: room that is taken again in the same poll
#[tokio::test(start_paused = true)]
async fn a_send_that_waits_is_told_of_room_that_another_has_found() {
    let peer = Peer::new();
    peer.take_more(0);
    let (sender, _receiver) = peer.open(config(|config| config.max_queue(400)));
    while sender.try_send(&[1; 60]).is_ok() {}
    let other = sender.clone();
    let waiting = tokio::spawn(async move { other.send(&[2; 60]).await });
    tokio::task::yield_now().await;
    peer.take_more_quietly(usize::MAX);
    sender.try_send(&[3; 60]).unwrap();
    let start = Instant::now();
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

// RE-11: the receiver is told of a panic in another task
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_stream_wakes_the_receiver() {
    let peer = Peer::new();
    let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    tokio::task::yield_now().await;
    peer.panics();
    let panicking = sender.clone();
    assert!(tokio::spawn(async move { panicking.send("boo").await }).await.is_err());
    assert!(sender.send("more").await.is_err());
    assert!(matches!(receiving.await.unwrap(), Err(Error::Io(_))));
}

// L-10: a task that has used up its turn says nothing about the peer
#[tokio::test]
async fn a_task_without_budget_is_no_sign_of_life() {
    let (_peer, stream) = connected().await;
    assert_falls_silent(stream).await;
}

// L-10: nor if the stream holds what it took
#[tokio::test]
async fn a_task_without_budget_is_no_sign_of_life_over_a_stream_with_a_buffer() {
    let (_peer, stream) = connected().await;
    assert_falls_silent(tokio::io::BufWriter::new(stream)).await;
}

async fn connected() -> (tokio::net::TcpStream, tokio::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (peer, listener.accept().await.unwrap().0)
}

/// A task without budget sends to a peer that says nothing.
async fn assert_falls_silent<S>(stream: S)
where
    S: sansocket::tokio::Transport + Send + 'static,
{
    let half = Duration::from_millis(300);
    let hasty = config(|config| config.keepalive(half, half));
    let (sender, mut receiver) = sansocket::tokio::open(stream, sansocket::Buffer::new(), hasty);
    let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
    let start = Instant::now();
    while !receiving.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(20), "it lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
        // As in a broadcast to many.
        std::future::poll_fn(|cx| {
            while let std::task::Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) {
                turn.made_progress();
            }
            std::task::Poll::Ready(())
        })
        .await;
        let _ = sender.try_send("news");
    }
    let end = receiving.await.unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Silence))), "{end:?}");
}

// L-10, V38: what a stream takes and does not pass on says nothing about the peer, however long it is
#[tokio::test(start_paused = true)]
async fn messages_into_a_stream_that_passes_on_nothing_are_no_sign_of_life() {
    for len in [5, 9000] {
        let peer = Peer::new();
        peer.buffers(usize::MAX);
        let (sender, mut receiver) = peer.open(config(|config| config));
        let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
        let (start, message) = (tokio::time::Instant::now(), vec![7; len]);
        while !receiving.is_finished() {
            assert!(start.elapsed() < Duration::from_secs(100), "{len} bytes");
            tokio::time::sleep(Duration::from_secs(25)).await;
            let _ = sender.try_send(&message[..]);
        }
        assert!(matches!(receiving.await.unwrap(), Err(Error::TimedOut(_))));
    }
}

// RE-11: the receiver is told at once, also if it was about to be told something else
#[tokio::test(start_paused = true)]
async fn a_panic_of_the_stream_is_seen_when_nobody_sends_any_more() {
    for closes in [false, true] {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
        let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
        tokio::task::yield_now().await;
        peer.panics();
        let panicking = sender.clone();
        let panicking = tokio::spawn(async move {
            match closes {
                true => drop(panicking.close(sansocket::CloseCode::NORMAL, "")),
                false => drop(panicking.send("boo").await),
            }
        });
        assert!(panicking.await.unwrap_err().is_panic());
        let end = tokio::time::timeout(Duration::from_secs(60), receiving).await;
        assert!(matches!(end, Ok(Ok(Err(Error::Io(_))))), "{end:?}");
    }
}

// TA-06: that a stream has room for more says nothing of the peer, which takes nothing of what it holds
#[tokio::test(start_paused = true)]
async fn a_stream_that_buffers_and_never_flushes_meets_the_write_timeout() {
    for len in [10, 9000] {
        let peer = Peer::new();
        let (sender, mut receiver) = peer.open(config(|config| config.no_keepalive()));
        peer.buffers(usize::MAX);
        let receiving = tokio::spawn(async move { receiver.recv().await.map(|_| ()) });
        let start = Instant::now();
        while start.elapsed().as_secs() < 100 && sender.try_send(&vec![1; len]).is_ok() {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
        assert!(receiving.is_finished(), "{len}");
        let end = receiving.await.unwrap();
        assert!(is_write_timeout(&end), "{end:?}");
        assert!((30..40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}
