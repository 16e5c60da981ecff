//! Messages that are fed while another thread writes.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sansocket::{Config, Prepared};

use crate::pipe::{Pipe, Way};
use crate::raw::{PATIENCE, TEXT, config, frame};
use crate::waiting::{frame_of, send_in_a_thread};

const SOON: Duration = Duration::from_secs(5);

// IO-13: to feed is to queue, though another thread waits for the peer: a receive loop that answers so goes on
#[test]
fn feeding_does_not_wait_for_a_thread_that_sends() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(config(|config| config.write_timeout(2 * SOON)));
    let sending = send_in_a_thread(&pipe, &sender, 10_000);
    pipe.push(&frame(TEXT, b"one"));
    let (tell, fed) = mpsc::channel();
    thread::spawn(move || {
        let message = receiver.recv().unwrap().unwrap();
        sender.feed(message).unwrap();
        sender.feed_prepared(&Prepared::new("two")).unwrap();
        tell.send(sender.queued()).unwrap();
        sender.send("three").unwrap();
        receiver.drain()
    });
    let queued = fed.recv_timeout(SOON).expect("it waits for the peer");
    assert!(!sending.is_finished());
    assert_eq!(queued, b"\x81\x03one\x81\x03two".len());
    pipe.set(Way::Open);
    sending.join().unwrap().unwrap();
    let wanted = [&frame_of(&[1; 10_000]), &b"\x81\x03one\x81\x03two\x81\x05three"[..]].concat();
    pipe.wait_until(PATIENCE, |output, _| output == wanted).expect("it is written otherwise");
}

// IO-13, IO-16: nor for the one that waits in place of others; and what is fed goes out with what that writes
#[test]
fn fed_messages_keep_their_order_beside_those_that_are_tried() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(Config::default());
    sender.try_send(&[0; 100]).unwrap();
    let mut wanted = frame_of(&[0; 100]);
    for byte in 1..100 {
        match byte % 2 {
            0 => sender.try_send(&[byte; 100]).unwrap(),
            _ => sender.feed(&[byte; 100]).unwrap(),
        }
        wanted.extend(frame_of(&[byte; 100]));
    }
    sender.try_send("done").unwrap();
    wanted.extend(b"\x81\x04done");
    pipe.set(Way::Open);
    pipe.wait_until(PATIENCE, |output, _| output == wanted).expect("it is written otherwise");
}

// IO-13, IO-16: there is as much room as in the queue, and who needs more waits for the peer
#[test]
fn feeding_waits_where_there_is_no_room() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(config(|config| config.max_queue(1000)));
    let sending = send_in_a_thread(&pipe, &sender, 10_000);
    let mut wanted = frame_of(&[1; 10_000]);
    for byte in 0..9 {
        sender.feed(&[byte; 100]).unwrap();
        wanted.extend(frame_of(&[byte; 100]));
    }
    let feeding = thread::spawn(move || {
        for len in [100, 2000] {
            sender.feed(&vec![9; len]).unwrap();
        }
        sender.flush()
    });
    thread::sleep(Duration::from_millis(20));
    assert!(!feeding.is_finished());
    pipe.set(Way::Open);
    sending.join().unwrap().unwrap();
    feeding.join().unwrap().unwrap();
    wanted.extend([frame_of(&[9; 100]), frame_of(&[9; 2000])].concat());
    pipe.wait_until(PATIENCE, |output, _| output == wanted).expect("it is written otherwise");
}
