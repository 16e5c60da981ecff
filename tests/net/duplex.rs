//! One thread receives while others send, whatever the peer does.

use std::io::Write;
use std::thread;
use std::time::Instant;

use sansocket::{CloseCode, Config, Error, Message, Prepared, SendError};

use crate::pipe::{Call, Pipe, Way};
use crate::raw::{self, BINARY, CLOSE, PING, PONG, TEXT, frame};

const MEBI: usize = 1024 * 1024;

// IO-13
// The promise: two peers that both write 64 MiB to each other at once finish.
#[test]
fn both_sides_write_64_mib_at_once() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    let payload = vec![7; MEBI];

    let server_writes = thread::spawn({
        let (sender, payload) = (sender, payload.clone());
        move || (0..64).for_each(|_| sender.send(&payload).unwrap())
    });
    let server_reads = thread::spawn(move || {
        let mut received = 0;
        while let Some(message) = receiver.recv().unwrap() {
            assert_eq!(message.as_bytes().len(), MEBI);
            received += 1;
        }
        received
    });
    // The client reads only when its own writing is over: the worst order.
    let wire = frame(BINARY, &payload);
    (0..64).for_each(|_| client.0.write_all(&wire).unwrap());
    for _ in 0..64 {
        assert!(client.read() == (BINARY, payload.clone()));
    }
    server_writes.join().unwrap();
    client.send_close(1000, "");
    client.expect_close(1000);
    drop(client);
    assert_eq!(server_reads.join().unwrap(), 64);
}

// IO-13: the receiver goes on while a sender is blocked by a peer that does not read
#[test]
fn a_blocked_sender_does_not_stop_the_receiver() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    let blocked = thread::spawn(move || sender.send(&vec![0; 64 * MEBI]));
    wait_until_blocked(&client);

    for i in 0..1000 {
        client.send(PING, &[]);
        client.send(TEXT, i.to_string().as_bytes());
    }
    for i in 0..1000 {
        let wanted = i.to_string();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&wanted)));
    }

    // One pong was left for whoever holds the write side, and comes right after the message.
    assert_eq!(client.read().1.len(), 64 * MEBI);
    blocked.join().unwrap().unwrap();
    assert_eq!(client.read(), (PONG, vec![]));
}

// IO-16: messages of several threads follow one another, never mixed
#[test]
fn many_threads_send_whole_messages() {
    let (mut client, sender, _receiver) = raw::open(Config::default());
    let sizes = [0, 1, 125, 126, 5000, 8 * 1024, 8 * 1024 + 1, 70_000];
    let threads: Vec<_> = (0..8u8)
        .map(|id| {
            let sender = sender.clone();
            thread::spawn(move || {
                for size in sizes {
                    sender.send(&vec![id; size]).unwrap();
                    sender.feed(&vec![id; size]).unwrap();
                    sender.send_prepared(&Prepared::new(&vec![id; size])).unwrap();
                }
            })
        })
        .collect();
    let mut seen = vec![Vec::new(); 8];
    for _ in 0..8 * sizes.len() * 3 {
        let (first, payload) = client.read();
        assert_eq!(first, BINARY);
        if let Some(id) = payload.first() {
            assert!(payload.iter().all(|byte| byte == id), "two messages are mixed");
            seen[usize::from(*id)].push(payload.len());
        }
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let wanted: Vec<_> = sizes[1..].iter().flat_map(|size| [*size; 3]).collect();
    assert_eq!(seen, vec![wanted; 8]);
}

// "This one is too slow, close it" must not wait for the one that is too slow.
#[test]
fn close_does_not_wait_for_a_blocked_sender() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    let blocked = thread::spawn({
        let sender = sender.clone();
        move || sender.send(&vec![0; 64 * MEBI])
    });
    wait_until_blocked(&client);
    sender.close(CloseCode::TRY_AGAIN_LATER, "too slow").unwrap();
    assert!(!blocked.is_finished());
    // It goes out behind the message.
    assert_eq!(client.read().1.len(), 64 * MEBI);
    blocked.join().unwrap().unwrap();
    assert_eq!(client.read(), (CLOSE, b"\x03\xf5too slow".to_vec()));
    client.send_close(1013, "");
    client.half_close();
    assert_eq!(receiver.recv().unwrap(), None);
}

#[test]
fn abort_releases_senders_and_the_receiver() {
    let (client, sender, mut receiver) = raw::open(Config::default());
    let blocked = thread::spawn({
        let sender = sender.clone();
        move || sender.send(&vec![0; 64 * MEBI])
    });
    let receiving = thread::spawn(move || receiver.recv().map(|_| ()));
    wait_until_blocked(&client);
    sender.abort();
    assert!(matches!(sender.feed("late"), Err(Error::Send(SendError::Closed))));
    assert!(blocked.join().unwrap().is_err());
    assert!(matches!(receiving.join().unwrap(), Err(Error::Disconnected(_))));
    assert!(matches!(sender.send("more"), Err(Error::Send(SendError::Closed))));
}

/// Until something of a message too large for the sockets has arrived: the rest waits for us.
fn wait_until_blocked(client: &raw::Raw) {
    client.0.peek(&mut [0]).unwrap();
}

// CL-26: an abort in the middle of a message says so, also if the read fails for it
#[test]
fn an_abort_in_a_message_says_what_was_lost() {
    use crate::fake::{Fake, Read};
    for end in [None, Some(std::io::ErrorKind::ConnectionReset)] {
        let cut = crate::raw::frame(crate::raw::TEXT, b"cut off")[..5].to_vec();
        let reads = [Some(Read::Bytes(cut)), end.map(Read::Fail)];
        let fake = Fake::new(reads.into_iter().flatten().collect(), vec![]);
        let (sender, mut receiver) = fake.open();
        sender.abort();
        match receiver.recv() {
            Err(Error::Disconnected(disconnected)) => assert!(disconnected.mid_message),
            other => panic!("{other:?}"),
        }
    }
}

// IO-13: nor does each message that is received cost a try to write to a peer that does not read
#[test]
fn a_full_socket_is_not_tried_for_each_message_received() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(Config::default());
    sender.feed("for later").unwrap();
    let start = Instant::now();
    for _ in 0..100 {
        pipe.push(&frame(TEXT, b"next"));
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("next")));
    }
    let stalls = pipe.calls().iter().filter(|call| **call == Call::Stall).count();
    let most = 2 + start.elapsed().as_millis() as usize / 20;
    assert!(stalls <= most, "{stalls} tries, of {most}");
}
