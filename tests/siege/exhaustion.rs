//! Servers that run out of what the system gives.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::client::REQUEST;
use crate::server::Server;

const ALL: [&str; 3] = ["echo", "event_loop", "embed"];

/// Connects `count` times, with a request that never ends.
fn hold(server: &Server, count: usize) -> Vec<TcpStream> {
    let connect = || {
        let mut stream =
            TcpStream::connect_timeout(&server.address, Duration::from_secs(3)).ok()?;
        std::io::Write::write_all(&mut stream, &REQUEST.as_bytes()[..20]).ok()?;
        Some(stream)
    };
    (0..count).map_while(|_| connect()).collect()
}

// RE-06, V86: who waits for files to be closed does so at rest
#[test]
fn without_files_a_server_does_not_spin() {
    for example in ALL {
        let server = Server::start_with_files(example, 48);
        let held = hold(&server, 60);
        thread::sleep(Duration::from_millis(300));
        let before = server.processor_time();
        thread::sleep(Duration::from_secs(1));
        let used = server.processor_time() - before;
        assert!(used < 30, "{example} uses {used} % of a processor");
        drop(held);
        server.assert_serves();
    }
}

// RE-11, V86: a thread that is not to be had costs one connection
#[test]
fn without_threads_a_server_goes_on() {
    for example in ["echo", "embed"] {
        let mut server = Server::start_limited(example, "-v 300000");
        // One by one: a thread that finds no memory when it begins, for its signal stack, ends the process (std).
        let mut held = vec![];
        for _ in 0..150 {
            held.extend(hold(&server, 1));
            thread::sleep(Duration::from_millis(5));
        }
        assert!(server.is_running(), "{example} has ended after {} connections", held.len());
        drop(held);
        thread::sleep(Duration::from_millis(500));
        server.assert_serves();
    }
}
