//! Peers that do not read, and applications that do not want to.

use std::io::Write;

use sansocket::Config;
use sansocket::mio::Full;

use crate::common::wire::{self, BINARY, TEXT};
use crate::running::{Call, Mail, Running};

const KIB: usize = 1024;

fn small_queue() -> Config {
    Config::builder().max_queue(64 * KIB).build().unwrap()
}

/// How many messages the server could send before its queue was full.
fn filled(server: &Running) -> usize {
    let said = server.mail();
    said.strip_prefix("filled ").unwrap_or_else(|| panic!("{said}")).parse().unwrap()
}

// ML-11: nothing of a message that does not fit is sent, and there is a call when there is room
#[test]
fn a_queue_that_is_full_refuses_and_tells_when_it_has_drained() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut client, id) = server.client();
    client.say("set echo drained");
    client.say("fill 100000 1000");
    let sent = filled(&server);
    assert!(sent < 100_000, "the peer reads nothing");
    for _ in 0..sent {
        assert_eq!(client.frame(), (BINARY, vec![b'x'; 1000]));
    }
    assert_eq!(client.text(), "drained");
    server.wait_for(|call| (*call == Call::Drained(id)).then_some(()));
}

// ML-11: again and again
#[test]
fn a_drained_queue_may_be_filled_again() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut client, _) = server.client();
    client.say("set fill 100000 1000");
    client.say("fill 100000 1000");
    let mut read = 0;
    for _ in 0..5 {
        read += filled(&server);
        for _ in 0..std::mem::take(&mut read) {
            assert_eq!(client.frame().1.len(), 1000);
        }
    }
}

// ML-11: whatever is done then is done at once
#[test]
fn one_that_has_drained_may_be_cut_off() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut client, id) = server.client();
    client.say("set abort");
    client.say("fill 100000 1000");
    filled(&server);
    client.rest();
    let (closed, _, _) = server.closed();
    assert_eq!(closed, id);
}

// ML-11: not while nothing is read, though less than half may wait when a long message does not fit
#[test]
fn a_peer_that_reads_nothing_causes_no_calls() {
    for len in [45_000, 50_000, 55_000, 60_000, 64_000] {
        let server = Running::start_with(small_queue(), |server| server);
        let (mut client, id) = server.client();
        client.say(&format!("set fill 1000 {len}"));
        client.say(&format!("fill 1000 {len}"));
        filled(&server);
        let mut drained = 0;
        for n in 0..300 {
            server.handle.mail(0, Mail::Say(n.to_string())).unwrap();
            loop {
                match server.call() {
                    Call::Mail(text) if text == n.to_string() => break,
                    Call::Drained(_) => drained += 1,
                    _ => {}
                }
            }
        }
        assert!(drained < 200, "{id:?}, {len}: {drained} calls");
    }
}

// ML-12: a slow receiver is closed, so that it misses nothing without notice
#[test]
fn a_receiver_that_is_too_slow_is_closed_with_1013() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut slow, id) = server.client();
    let (mut other, _) = server.client();
    assert_eq!(slow.ask("join room"), "Ok(true)");
    assert_eq!(other.ask("join room"), "Ok(true)");
    let news = "n".repeat(10 * KIB);
    let mut published = 0;
    let end = loop {
        server.handle.publish("room", &news).unwrap();
        assert_eq!(other.text(), news);
        published += 1;
        let ends = server.calls().into_iter().find_map(|call| match call {
            Call::Closed(closed, _, end) => Some((closed, end)),
            _ => None,
        });
        if let Some(end) = ends {
            break end;
        }
    };
    assert_eq!(end, (id, "the output queue is full".to_owned()));
    // All that was accepted for it arrives, and then the reason.
    let mut received = 0;
    loop {
        match slow.frame() {
            (TEXT, payload) => {
                assert_eq!(payload, news.as_bytes());
                received += 1;
            }
            (first, payload) => {
                assert_eq!((first, payload), (wire::CLOSE, wire::body(1013, "")));
                break;
            }
        }
    }
    assert_eq!(received, published - 1);
    assert_eq!(slow.rest(), b"");
}

// ML-12: so is one that is too slow for what other threads send to it alone
#[test]
fn a_recipient_that_is_too_slow_is_closed_with_1013() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut slow, id) = server.client();
    let ended = |call| matches!(call, Call::Closed(..)).then_some(call);
    let end = loop {
        server.handle.send(id, &[7; 10 * KIB]).unwrap();
        if let Some(end) = server.calls().into_iter().find_map(ended) {
            break end;
        }
    };
    assert_eq!(end, Call::Closed(id, String::new(), "the output queue is full".to_owned()));
    let close = loop {
        match slow.frame() {
            (BINARY, payload) => assert_eq!(payload, [7; 10 * KIB]),
            other => break other,
        }
    };
    assert_eq!(close, (wire::CLOSE, wire::body(1013, "")));
}

// ML-12: much at once makes nobody slow
#[test]
fn a_receiver_that_reads_gets_more_than_its_queue_holds() {
    let server = Running::start_with(small_queue(), |server| server);
    let (mut client, id) = server.client();
    assert_eq!(client.ask("join room"), "Ok(true)");
    let news = "n".repeat(20 * KIB);
    for is_sent in [false, true] {
        let go_on = server.hold(0);
        for _ in 0..10 {
            match is_sent {
                true => server.handle.send(id, &news).unwrap(),
                false => server.handle.publish("room", &news).unwrap(),
            }
        }
        go_on.send(()).unwrap();
        for _ in 0..10 {
            assert_eq!(client.text(), news);
        }
    }
}

// ML-12: dropped only on request, and counted
#[test]
fn a_receiver_that_is_too_slow_may_miss_messages() {
    let server = Running::start_with(small_queue(), |server| server.when_full(Full::Drop));
    let (mut slow, id) = server.client();
    assert_eq!(slow.ask("join room"), "Ok(true)");
    let news = "n".repeat(10 * KIB);
    let mut published = 0;
    let mut publish = || {
        server.handle.publish("room", &news).unwrap();
        published += 1;
        // When it says this, what was posted before has been done, and counted.
        for _ in 0..2 {
            server.handle.mail(0, Mail::Say("done".to_owned())).unwrap();
            server.mail();
        }
        server.handle.dropped() as usize
    };
    while publish() == 0 {}
    assert_eq!(publish(), 2);
    server.handle.send(id, &news).unwrap();
    let dropped = publish() - 1;
    assert_eq!(dropped, 3);
    let mut received = 0;
    while received < published - dropped {
        if slow.text() == news {
            received += 1;
        }
    }
    assert_eq!(slow.ask("echo open"), "open");
    server.handle.publish("room", "news").unwrap();
    assert_eq!(slow.text(), "news");
}

// ML-11: nor is it read from
#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let server = Running::start();
    let (client, _) = server.client();
    let mut output = client.0.try_clone().unwrap();
    output.set_write_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let frame = wire::client(BINARY, &[7; 60_000]);
    let mut sent = 0;
    while output.write_all(&frame).is_ok() {
        sent += frame.len();
        assert!(sent < 100 << 20, "it is read without end");
    }
}

// ML-13
#[test]
fn a_connection_that_is_paused_delivers_nothing_until_it_is_resumed() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(&[wire::client(TEXT, b"pause"), wire::client(TEXT, b"echo one")].concat());
    client.say("echo two");
    assert_eq!(server.call(), Call::Message(id, "pause".to_owned()));
    for n in 0..3 {
        server.handle.mail(0, Mail::Say(n.to_string())).unwrap();
        assert_eq!(server.call(), Call::Mail(n.to_string()), "nothing else has happened");
    }
    server.handle.mail(0, Mail::Do(id, "resume".to_owned())).unwrap();
    assert_eq!(client.text(), "one");
    assert_eq!(client.text(), "two");
}

// ML-13: the answer to our Close is read
#[test]
fn a_close_ends_a_pause() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.write(&[wire::client(TEXT, b"pause"), wire::client(TEXT, b"close 4000")].concat());
    server.handle.close(id, sansocket::CloseCode::new(4000).unwrap(), "").unwrap();
    client.assert_closed_with(4000);
    client.write(&wire::client(wire::CLOSE, &wire::body(4000, "")));
    assert_eq!(server.closed(), (id, String::new(), "4000".to_owned()));
}
