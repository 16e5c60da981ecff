//! How connections end over real sockets.

use std::io::Write;
use std::thread;
use std::time::Duration;

use sansocket::{CloseCode, Config, Error, Message, ProtocolError, SendError, TimedOut};

use crate::raw::{self, BINARY, CLOSE, PING, TEXT, config, frame};

// CL-07, CL-19, CL-24: echo, then the end of the stream
#[test]
fn the_peers_close_is_answered_and_the_stream_ended() {
    for (body, code) in [(&b""[..], None), (b"\x03\xe8", Some(1000)), (b"\x0f\xa1bye", Some(4001))]
    {
        let (mut client, sender, mut receiver) = raw::open(Config::default());
        client.send(TEXT, b"last words");
        client.send(CLOSE, body);
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text("last words")));
        let ending = thread::spawn(move || {
            assert_eq!(receiver.recv().unwrap(), None);
            assert_eq!(receiver.recv().unwrap(), None);
            receiver
        });
        assert_eq!(client.read(), (CLOSE, body.to_vec()));
        client.expect_end();
        drop(client);
        let receiver = ending.join().unwrap();
        let close = receiver.close_frame().unwrap();
        assert_eq!(close.code.map(u16::from), code);
        assert_eq!(close.reason, if body.len() > 2 { "bye" } else { "" });
        assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
    }
}

// CL-18, R-130: data after our Close, before the peer's, is still delivered
#[test]
fn our_close_waits_for_the_peers() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    sender.close(CloseCode::GOING_AWAY, "restart").unwrap();
    sender.close(CloseCode::NORMAL, "a second one is not sent").unwrap();
    assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
    client.send(TEXT, b"crossing");
    client.send(PING, b"still there?");
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("crossing")));
    client.send_close(1001, "");
    let ending = thread::spawn(move || receiver.recv().map(|message| message.is_none()));
    assert_eq!(client.read(), (CLOSE, b"\x03\xe9restart".to_vec()));
    assert_eq!(client.read(), (0x8a, b"still there?".to_vec()));
    client.expect_end();
    drop(client);
    assert!(ending.join().unwrap().unwrap());
}

// CL-24: the Close frame is not lost to a reset, though input is unread
#[test]
fn a_protocol_error_is_answered_before_the_socket_is_closed() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send(TEXT, b"complete");
    client.send(0x83, b"reserved");
    client.0.write_all(&frame(BINARY, &vec![0; 100_000])).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("complete")));
    let ending = thread::spawn(move || {
        for _ in 0..2 {
            let error = receiver.recv().unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::ReservedOpcode(3))));
        }
    });
    client.expect_close(1002);
    drop(client);
    ending.join().unwrap();
}

// The same when text turns out to be none only as a whole.
#[test]
fn text_that_is_none_is_answered_with_1007() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send(TEXT, b"caf\xe9");
    let ending = thread::spawn(move || {
        for _ in 0..2 {
            let error = receiver.recv().unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::InvalidText)));
        }
    });
    client.expect_close(1007);
    drop(client);
    ending.join().unwrap();
}

// CL-16, V83, T4: the peer never answers our Close
#[test]
fn a_close_that_is_not_answered_times_out() {
    let short = config(|config| config.close_timeout(Duration::from_millis(50)));
    let (mut client, sender, mut receiver) = raw::open(short);
    sender.close(CloseCode::NORMAL, "").unwrap();
    for _ in 0..2 {
        assert!(matches!(receiver.recv(), Err(Error::TimedOut(TimedOut::Close))));
    }
    client.expect_close(1000);
}

// CL-15: the peer goes on for ever after our Close
#[test]
fn a_peer_that_sends_for_ever_after_our_close_is_cut_off() {
    let short = config(|config| config.close_timeout(Duration::from_millis(50)));
    let (mut client, sender, mut receiver) = raw::open(short);
    sender.close(CloseCode::NORMAL, "").unwrap();
    let endless = thread::spawn(move || while client.0.write_all(&frame(TEXT, b"and")).is_ok() {});
    let end = loop {
        match receiver.recv() {
            Ok(Some(_)) => {}
            end => break end.map(|_| ()),
        }
    };
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
    drop((sender, receiver));
    endless.join().unwrap();
}

// R-128, CL-17
#[test]
fn closes_that_cross_are_one_each() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    client.send_close(4001, "mine");
    sender.close(CloseCode::NORMAL, "ours").unwrap();
    let ending = thread::spawn(move || {
        assert_eq!(receiver.recv().unwrap(), None);
        receiver.close_frame().unwrap().code.map(u16::from)
    });
    assert_eq!(client.read(), (CLOSE, b"\x03\xe8ours".to_vec()));
    client.expect_end();
    drop(client);
    assert_eq!(ending.join().unwrap(), Some(4001));
}

// CL-19, CL-20: the peer ends its side alone
#[test]
fn a_half_closed_stream_without_a_close_is_an_abort() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send(TEXT, b"one");
    client.half_close();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("one")));
    assert!(matches!(receiver.recv(), Err(Error::Disconnected(_))));
    drop(receiver);
    client.expect_end();
}

// CL-21
#[test]
fn a_reset_ends_the_connection() {
    let (mut client, sender, mut receiver) = raw::open(Config::default());
    client.send(TEXT, b"one");
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("one")));
    client.0.write_all(&frame(BINARY, b"cut off")[..9]).unwrap();
    client.reset(&sender);
    match receiver.recv() {
        Err(Error::Io(_)) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
}

// CL-26: no close, no wait, no panic
#[test]
fn dropping_the_receiver_closes_the_socket() {
    let (mut client, sender, receiver) = raw::open(Config::default());
    sender.send("before").unwrap();
    drop(receiver);
    assert!(matches!(sender.send("late"), Err(Error::Send(SendError::Closed))));
    assert_eq!(client.read(), (TEXT, b"before".to_vec()));
    client.expect_end();
}

// R-108, CL-14: a Close between fragments is clean, and says that a message was lost
#[test]
fn a_close_between_fragments_is_clean() {
    let (mut client, _sender, mut receiver) = raw::open(Config::default());
    client.send(0x01, b"never ended");
    client.send_close(1000, "");
    let ending = thread::spawn(move || {
        assert_eq!(receiver.recv().unwrap(), None);
        receiver.close_frame().unwrap().mid_message
    });
    client.expect_close(1000);
    drop(client);
    assert!(ending.join().unwrap());
}

// as soon as both have said it, whoever was first
#[test]
fn when_both_have_closed_the_stream_ends_at_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    for ours_first in [true, false] {
        let (mut client, sender, mut receiver) = raw::open(config(|c| c.close_timeout(HOUR)));
        if ours_first {
            sender.close(CloseCode::NORMAL, "").unwrap();
            assert_eq!(client.read().0, CLOSE);
        }
        let ending = thread::spawn(move || receiver.recv().map(|message| message.is_none()));
        client.send_close(1000, "");
        if !ours_first {
            assert_eq!(client.read().0, CLOSE);
        }
        client.expect_end();
        drop(client);
        assert!(ending.join().unwrap().unwrap());
    }
}

// also when nobody asks again
#[test]
fn bad_text_is_answered_at_once() {
    let (mut client, _sender, mut receiver) =
        raw::open(config(|config| config.close_timeout(Duration::from_millis(60))));
    client.send(TEXT, b"\xff");
    assert!(matches!(receiver.recv(), Err(Error::Protocol(ProtocolError::InvalidText))));
    client.expect_close(1007);
}
