//! Floods, for as long as one wishes:
//!
//! `SOAK_SECONDS=600 cargo test --release --all-features --test siege soak -- --nocapture`
//!
//! Without it each takes a second, and the figures mean nothing.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, REQUEST};
use crate::common::wire::{BINARY, PING, TEXT, client as frame};
use crate::server::{BOTH, Server};

/// What floods, and what one turn of it sends on a connection of its own until that is closed.
fn floods() -> Vec<(&'static str, Vec<u8>, usize)> {
    let open = |frames: &[u8]| [REQUEST.as_bytes(), frames].concat();
    let fragment = |first, len: usize| frame(first, &vec![b'x'; len]);
    let fragments = |len| [fragment(TEXT & 0x7f, len), fragment(0, len).repeat(999)].concat();
    vec![
        ("connections", vec![], 1),
        ("requests that are none", b"GET / HTTP/1.0\r\n\r\n".to_vec(), 1),
        ("handshakes", open(b""), 1),
        ("empty messages", open(&frame(BINARY, b"").repeat(1000)), 1000),
        ("messages of 64 KiB", open(&frame(BINARY, &[7; 65_536]).repeat(4)), 4),
        ("pings", open(&frame(PING, &[b'x'; 125]).repeat(1000)), 1000),
        ("fragments of one byte", open(&fragments(1)), 1000),
        ("empty fragments", open(&fragments(0)), 1000),
        (
            "headers that declare 2^63 - 1 bytes",
            open(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"),
            1,
        ),
        ("text that is none", open(&frame(TEXT, &[0xff; 100])), 1),
    ]
}

/// Sends `bytes` on one connection, reads what comes, and goes away.
fn turn(server: &Server, bytes: &[u8]) {
    let mut client = Client::connect(server.address);
    // It may be closed before all is sent, which is an answer as well.
    if client.0.write_all(bytes).is_ok() {
        client.half_close();
    }
}

// RE-04: a bystander is served throughout, and afterwards all is as it was
#[test]
fn soak() {
    let seconds: u64 = std::env::var("SOAK_SECONDS").map_or(1, |text| text.parse().unwrap());
    for example in BOTH {
        let server = Server::start(example);
        let idle = server.idle();
        println!("{example}: {} KiB", server.memory());
        for (name, bytes, events) in floods() {
            let start = Instant::now();
            let end = start + Duration::from_secs(seconds);
            let over = AtomicBool::new(false);
            let (turns, worst, most) = thread::scope(|scope| {
                let flooding = [(); 2].map(|()| {
                    scope.spawn(|| {
                        let mut turns = 0;
                        while !over.load(Ordering::Relaxed) {
                            turn(&server, &bytes);
                            turns += 1;
                        }
                        turns
                    })
                });
                let mut bystander = Client::open(server.address);
                let (mut worst, mut most) = (Duration::ZERO, 0);
                while Instant::now() < end {
                    let asked = Instant::now();
                    bystander.assert_echoes();
                    worst = worst.max(asked.elapsed());
                    most = most.max(server.memory());
                    thread::sleep(Duration::from_millis(10));
                }
                over.store(true, Ordering::Relaxed);
                bystander.close();
                let turns: usize = flooding.map(|thread| thread.join().unwrap()).iter().sum();
                (turns, worst, most)
            });
            let rate = (turns * events) as f64 / start.elapsed().as_secs_f64();
            println!(
                "  {name}: {rate:.0} a second, at most {most} KiB; a bystander waited {worst:?} at most"
            );
            assert!(turns > 0);
            server.wait_for_files(idle);
        }
        assert!(server.memory() < 64 * 1024, "{} KiB", server.memory());
        server.assert_serves();
    }
}
