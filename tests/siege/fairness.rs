//! One client that floods, beside one that does not.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::common::wire::{BINARY, client as frame};
use crate::server::{BOTH, Server};

/// How long the other one waited in the median, in the first and the last two of `seconds`.
fn waits(server: &Server, seconds: u64) -> (Duration, Duration) {
    let over = AtomicBool::new(false);
    let flooder = Client::open(server.address);
    let (mut output, mut input) = (flooder.0.try_clone().unwrap(), flooder.0);
    let mut bystander = Client::open(server.address);
    let waits = thread::scope(|scope| {
        scope.spawn(|| {
            let flood = frame(BINARY, b"x").repeat(10_000);
            while !over.load(Ordering::Relaxed) {
                if output.write_all(&flood).is_err() {
                    break;
                }
            }
            let _ = output.shutdown(std::net::Shutdown::Both);
        });
        scope.spawn(move || {
            let mut echoes = vec![0; 64 * 1024];
            while input.read(&mut echoes).is_ok_and(|n| n > 0) {}
        });
        let (start, mut waits) = (Instant::now(), vec![]);
        while start.elapsed() < Duration::from_secs(seconds) {
            let asked = Instant::now();
            bystander.assert_echoes();
            waits.push((asked - start, asked.elapsed()));
            thread::sleep(Duration::from_millis(2));
        }
        over.store(true, Ordering::Relaxed);
        waits
    });
    let median = |from: u64| {
        let from = Duration::from_secs(from);
        let times = waits.iter().filter(|(at, _)| *at >= from);
        let times = times.filter(|(at, _)| *at < from + Duration::from_secs(2));
        let mut times: Vec<_> = times.map(|(_, wait)| *wait).collect();
        times.sort();
        times[times.len() / 2]
    };
    (median(0), median(seconds - 2))
}

// L-12, RE-04: others wait no longer the longer it goes on
#[test]
fn a_flood_takes_no_more_of_the_others_time_as_it_goes_on() {
    for example in BOTH {
        let server = Server::start(example);
        let (first, last) = waits(&server, 15);
        let most = (3 * first).clamp(Duration::from_millis(10), Duration::from_millis(50));
        assert!(last < most, "{example}: others wait {first:?} at first, and {last:?} later");
    }
}
