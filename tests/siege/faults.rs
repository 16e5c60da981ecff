//! Peers that go away, or nearly do.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, REQUEST};
use crate::common::wire::{BINARY, CLOSE, PING, TEXT, client as frame};
use crate::server::{BOTH, Server};

/// What a client may have sent when it goes away, and whether it was enough for a handshake.
fn states() -> Vec<(bool, Vec<u8>)> {
    let opened = |frames: &[u8]| (true, [REQUEST.as_bytes(), frames].concat());
    let (text, long) = (frame(TEXT, b"hello"), frame(BINARY, &[7; 100_000]));
    vec![
        (false, vec![]),
        (false, REQUEST.as_bytes()[..1].to_vec()),
        (false, REQUEST.as_bytes()[..REQUEST.len() - 1].to_vec()),
        opened(b""),
        opened(&text[..1]),
        opened(&text[..5]),
        opened(&text[..8]),
        opened(&long[..9]),
        opened(&long[..50_000]),
        opened(&frame(TEXT & 0x7f, b"begun")),
        opened(&[&frame(TEXT & 0x7f, b"begun"), &text[..1]].concat()),
        opened(&text),
        opened(&frame(PING, b"and gone")),
        opened(&frame(CLOSE, &[3, 0xe8])),
        opened(&frame(CLOSE, &[3])),
    ]
}

/// Lets clients go away in every state, beside one that stays; afterwards nothing is left of them.
fn go_away(leave: impl Fn(Client, bool)) {
    for example in BOTH {
        let server = Server::start(example);
        let idle = server.idle();
        let mut bystander = Client::open(server.address);
        for (opens, bytes) in states() {
            let mut client = Client::connect(server.address);
            client.write(&bytes);
            leave(client, opens);
        }
        bystander.assert_echoes();
        bystander.close();
        server.wait_for_files(idle);
    }
}

// R-147, CL-21: a stream that ends, in every state, ends the connection, and only that
#[test]
fn a_half_closed_stream_is_closed_in_every_state() {
    go_away(|mut client, opens| {
        if opens {
            client.read_head();
        }
        client.half_close();
    });
}

// CL-21: and so does one that is reset, or closed without a word
#[test]
fn a_reset_ends_the_connection_in_every_state() {
    go_away(|client, opens| match opens {
        true => client.reset(),
        false => drop(client),
    });
}

/// Sends `frames` and ends its side while the answers are read slowly: how many bytes of them.
fn read_slowly(example: &str, args: &[&str], frames: &[u8]) -> usize {
    let server = Server::start_with(example, args);
    let mut client = Client::open(server.address);
    let mut sender = client.0.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            sender.write_all(frames).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        thread::sleep(Duration::from_millis(300));
        let (mut answers, mut piece) = (0, vec![0; 256 * 1024]);
        loop {
            match client.0.read(&mut piece).unwrap() {
                0 => return answers,
                n => answers += n,
            }
            thread::sleep(Duration::from_millis(2));
        }
    })
}

// what was received before the end is answered, however slowly the answers are read
#[test]
fn a_peer_that_has_ended_its_side_gets_all_answers() {
    let frames = frame(BINARY, &[7; 60_000]).repeat(500);
    for example in BOTH {
        assert_eq!(read_slowly(example, &[], &frames), 500 * 60_004, "{example}");
    }
}

// R-159, RE-06: pings between messages overtake answers, and none of those is lost
#[test]
fn pings_between_messages_displace_no_answer() {
    let frames = [frame(BINARY, &[7; 1000]), frame(PING, b"?")].concat().repeat(20_000);
    for example in BOTH {
        let answers = read_slowly(example, &["--max-message", "1000"], &frames);
        // Of the pongs some are replaced by later ones.
        let messages = 20_000 * 1004;
        assert!((messages..=messages + 20_000 * 3).contains(&answers), "{example}: {answers}");
    }
}

// RE-06: a peer that never reads is not read from any more, and costs a bounded amount
#[test]
fn a_peer_that_never_reads_costs_little() {
    const MOST: usize = 256 * 1024 * 1024;
    for example in BOTH {
        let server = Server::start(example);
        let idle = server.idle();
        server.assert_serves();
        let before = server.memory();
        for (first, len) in [(PING, 125), (TEXT, 100), (BINARY, 60_000), (BINARY, 1024 * 1024)] {
            let mut deaf = Client::open(server.address);
            deaf.0.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            let frames = frame(first, &vec![b'x'; len]).repeat(1 + 1_000_000 / len);
            let mut sent = 0;
            while sent < MOST {
                match deaf.0.write(&frames) {
                    Ok(n) => sent += n,
                    Err(error) => {
                        assert!(matches!(
                            error.kind(),
                            ErrorKind::WouldBlock | ErrorKind::TimedOut
                        ));
                        break;
                    }
                }
            }
            // Pings may be read for ever, since old pongs make room for new ones; messages may not.
            assert!(first == PING || sent < MOST, "{example}: took {sent} bytes");
            server.assert_serves();
            let more = server.memory().saturating_sub(before);
            assert!(more < 16 * 1024, "{example}: {more} KiB more, at {len}");
        }
        server.wait_for_files(idle);
        server.assert_serves();
    }
}

// IO-01: a byte a second is slow, but no fault
#[test]
fn a_peer_that_sends_a_byte_a_second_is_waited_for() {
    for example in BOTH {
        let server = Server::start(example);
        let mut slow = Client::open(server.address);
        for byte in frame(TEXT, b"") {
            server.assert_serves();
            thread::sleep(Duration::from_secs(1));
            slow.write(&[byte]);
        }
        let mut echo = [0; 2];
        slow.0.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [TEXT, 0]);
        slow.close();
    }
}

// HS-02, L-09: but a handshake has to be done in ten seconds
#[test]
fn a_handshake_of_a_byte_a_second_is_broken_off() {
    for example in BOTH {
        let server = Server::start(example);
        let idle = server.idle();
        let mut slow = Client::connect(server.address);
        let start = Instant::now();
        for byte in REQUEST.bytes() {
            if slow.0.write_all(&[byte]).is_err() || start.elapsed() > Duration::from_secs(14) {
                break;
            }
            thread::sleep(Duration::from_secs(1));
        }
        let head = slow.try_read_head().unwrap_or_default();
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 408 "), "{head}");
        assert!(start.elapsed() > Duration::from_secs(8));
        drop(slow);
        server.wait_for_files(idle);
        server.assert_serves();
    }
}

// V86: when there is no room for another, those that there are go on
#[test]
fn when_files_run_out_the_others_are_served() {
    for example in BOTH {
        let server = Server::start_with_files(example, 40);
        let idle = server.idle();
        let mut bystander = Client::open(server.address);
        let crowd: Vec<_> = (0..100).map(|_| Client::connect(server.address)).collect();
        for _ in 0..10 {
            bystander.assert_echoes();
        }
        drop(crowd);
        bystander.assert_echoes();
        bystander.close();
        server.wait_for_files(idle);
        server.assert_serves();
    }
}

// RE-03: however they end, ten thousand connections leave nothing behind
#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    for example in BOTH {
        let server = Server::start(example);
        let idle = server.idle();
        let states = states();
        let mut warm = 0;
        for round in 0..50 {
            let clients = (0..200).map(|i| {
                let (opens, bytes) = &states[i % states.len()];
                let mut client = Client::connect(server.address);
                client.write(bytes);
                (i, *opens, client)
            });
            for (i, opens, mut client) in clients.collect::<Vec<_>>() {
                match (opens, i / states.len() % 3) {
                    (true, 0) => client.reset(),
                    (true, 1) => {
                        client.read_head();
                        drop(client);
                    }
                    (_, 2) => drop(client.half_close()),
                    _ => drop(client),
                }
            }
            server.wait_for_files(idle);
            if round == 9 {
                warm = server.memory();
            }
        }
        let more = server.memory().saturating_sub(warm);
        assert!(more < 4 * 1024, "{example}: {more} KiB more after 10,000 connections");
        server.assert_serves();
    }
}
