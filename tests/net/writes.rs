//! How messages reach the socket: in how many calls, and in what order.

use std::io::ErrorKind::WouldBlock;

use sansocket::net::Transport;
use sansocket::{CloseCode, Config, Error, Message, Prepared, SendError};

use crate::fake::{Fake, Read, Write};
use crate::raw::{PING, TEXT, frame};

fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut unmasked = frame(first, payload);
    let header = unmasked.len() - payload.len() - 4;
    unmasked.truncate(header);
    unmasked[1] &= 0x7f;
    [&unmasked, payload].concat()
}

const SIZES: [usize; 9] = [0, 1, 125, 126, 8 * 1024, 8 * 1024 + 1, 65_535, 65_536, 1 << 20];

#[test]
fn send_is_one_call_whatever_the_size() {
    for size in SIZES {
        let fake = Fake::default();
        let (sender, _receiver) = fake.open();
        let payload = vec![b'x'; size];
        sender.send(&payload).unwrap();
        sender.send_prepared(&Prepared::new(&payload)).unwrap();
        let wanted = server_frame(0x82, &payload);
        assert_eq!(fake.calls(), [wanted.clone(), wanted], "{size} bytes");
    }
}

#[test]
fn fed_messages_go_out_in_order_with_the_next_send() {
    for size in SIZES {
        let fake = Fake::default();
        let (sender, _receiver) = fake.open();
        let payload = vec![b'x'; size];
        sender.feed("one").unwrap();
        sender.feed("two").unwrap();
        assert!(fake.calls().is_empty());
        sender.send(&payload).unwrap();
        let fed = [server_frame(0x81, b"one"), server_frame(0x81, b"two")].concat();
        assert_eq!(fake.calls(), [[fed, server_frame(0x82, &payload)].concat()], "{size} bytes");
    }
}

#[test]
fn a_loop_that_answers_with_feed_writes_once_per_batch_of_input() {
    let batch: Vec<u8> = (0..10).flat_map(|i| frame(TEXT, &[b'0' + i])).collect();
    let fake = Fake::new(vec![Read::Bytes(batch.clone()), Read::Bytes(batch)], vec![]);
    let (sender, mut receiver) = fake.open();
    while let Ok(Some(message)) = receiver.recv() {
        sender.feed(message).unwrap();
    }
    let answers: Vec<u8> = (0..10).flat_map(|i| server_frame(TEXT, &[b'0' + i])).collect();
    assert_eq!(fake.calls(), [answers.clone(), answers]);
}

fn one_mebibyte() -> Config {
    Config::builder().max_queue(1 << 20).build().unwrap()
}

#[test]
fn more_than_the_queue_holds_is_written_first() {
    let fake = Fake::default();
    let (sender, _receiver) = fake.open_with(one_mebibyte());
    let (half, large) = (vec![1; 600_000], vec![2; 3_000_000]);
    sender.feed(&half).unwrap();
    sender.feed(&half).unwrap(); // does not fit beside the first
    assert!(fake.calls() == [server_frame(0x82, &half)]);
    sender.feed(&large).unwrap(); // does not fit at all
    let wanted = [server_frame(0x82, &half), server_frame(0x82, &half)].concat();
    assert_eq!(fake.written(), [wanted, server_frame(0x82, &large)].concat());
}

// R-159, IO-10: all that was before it, the pong that has overtaken included
#[test]
fn a_large_message_is_written_behind_all_that_waits() {
    let long = vec![b'x'; 2000];
    let large = vec![b'y'; 100_000];
    let batch = [frame(PING, b"ping"), frame(TEXT, b"go on")].concat();
    let fake = Fake::new(vec![Read::Bytes(batch)], vec![Write::Take(1), Write::Fail(WouldBlock)]);
    let (sender, mut receiver) = fake.open();
    sender.feed(&long).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("go on")));
    sender.send(&large).unwrap();
    let wanted =
        [server_frame(0x82, &long), server_frame(0x8a, b"ping"), server_frame(0x82, &large)];
    assert!(fake.written() == wanted.concat());
}

#[test]
fn prepared_messages_that_are_fed_wait_unless_they_are_larger_than_the_queue() {
    for size in SIZES.into_iter().chain([3_000_000]) {
        let fake = Fake::default();
        let (sender, _receiver) = fake.open_with(one_mebibyte());
        let payload = vec![b'x'; size];
        sender.feed("one").unwrap();
        sender.feed_prepared(&Prepared::new(&payload)).unwrap();
        // A mebibyte does not fit beside the other message, and three megabytes do not at all.
        assert_eq!(fake.calls().len(), usize::from(size >= 1 << 20));
        sender.send("two").unwrap();
        let wanted =
            [server_frame(0x81, b"one"), server_frame(0x82, &payload), server_frame(0x81, b"two")];
        assert!(fake.written() == wanted.concat(), "{size} bytes");
        sender.close(CloseCode::NORMAL, "").unwrap();
        let late = sender.feed_prepared(&Prepared::new(&payload));
        assert!(matches!(late, Err(Error::Send(SendError::Closed))));
    }
}

// IO-02, IO-04, IO-05, IO-11: whatever part of it each call takes
#[test]
fn partial_writes_resume_at_the_exact_byte() {
    let payload: Vec<u8> = (0..10_000u16).map(|i| i.to_le_bytes()[0]).collect();
    let wanted = [server_frame(0x81, b"fed"), server_frame(0x82, &payload)].concat();
    for first in 0..20 {
        let plan = (0..200).flat_map(|i| {
            let take = if i == 0 { Write::Take(first + 1) } else { Write::Take(i * 7 % 97 + 1) };
            let interrupted = Write::Fail(std::io::ErrorKind::Interrupted);
            [take, Write::Fail(WouldBlock), interrupted]
        });
        let fake = Fake::new(vec![], plan.collect());
        let (sender, _receiver) = fake.open();
        sender.feed("fed").unwrap();
        sender.send(&payload).unwrap();
        assert_eq!(fake.written(), wanted);
    }
}

// A peer that does not read stops neither the receiver nor, for good, what was fed.
#[test]
fn output_that_stalls_does_not_stop_the_receiver() {
    let reads = (0..100).map(|i| Read::Bytes(frame(TEXT, i.to_string().as_bytes())));
    let fake = Fake::new(reads.collect(), vec![Write::Fail(WouldBlock)]);
    let (sender, mut receiver) = fake.open();
    let mut wanted = Vec::new();
    for i in 0..100 {
        let text = i.to_string();
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&text)));
        sender.feed(&text).unwrap();
        wanted.extend(server_frame(TEXT, text.as_bytes()));
    }
    assert!(receiver.recv().is_err());
    assert_eq!(fake.written(), wanted);
}

// While output stalls the receiver tries it again even if nothing comes in.
#[test]
fn stalled_output_is_tried_again_in_silence() {
    let mut reads = vec![Read::Bytes(frame(PING, b"a"))];
    reads.extend(vec![Read::Moment; 5]);
    let fake = Fake::new(reads, vec![Write::Fail(WouldBlock); 4]);
    let (_sender, mut receiver) = fake.open();
    assert!(receiver.recv().is_err());
    assert_eq!(fake.written(), server_frame(0x8a, b"a"));
}

// like a message, a ping is written now, whatever the limit of the queue
#[test]
fn a_ping_may_be_larger_than_the_queue() {
    let fake = Fake::default();
    let small = sansocket::Config::builder().max_queue(20).build().unwrap();
    let (sender, _receiver) = fake.open_with(small);
    sender.ping(&[7; 100]).unwrap();
    assert_eq!(fake.written(), server_frame(0x89, &[7; 100]));
}

// CL-25
#[test]
fn long_pings_are_refused_and_long_reasons_cut() {
    let fake = Fake::default();
    let (sender, _receiver) = fake.open();
    let pinged = sender.ping(&[0; 126]);
    assert!(matches!(pinged, Err(sansocket::Error::Send(SendError::TooLong))));
    let normal = sansocket::CloseCode::NORMAL;
    let for_clients = sansocket::CloseCode::MANDATORY_EXTENSION;
    assert_eq!(sender.close(for_clients, ""), Err(SendError::ClientOnlyCode));
    assert_eq!(fake.written(), []);
    sender.ping(&[0; 125]).unwrap();
    sender.close(normal, &"x".repeat(124)).unwrap();
    assert_eq!(fake.written().len(), 2 * 127);
}

#[test]
fn any_transport_will_do_behind_a_box() {
    let fake = Fake::new(vec![Read::Bytes(frame(TEXT, b"hi"))], vec![]);
    let boxed: Box<dyn Transport> = Box::new(fake.clone());
    let config = Config::default();
    let (sender, mut receiver) =
        sansocket::net::open(boxed, sansocket::Buffer::new(), config).unwrap();
    sender.send(receiver.recv().unwrap().unwrap()).unwrap();
    assert_eq!(fake.written(), server_frame(TEXT, b"hi"));
}
