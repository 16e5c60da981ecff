//! Many connections at once, on the event loop.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::client::{Client, REQUEST};
use crate::common::wire::{BINARY, client as frame};
use crate::server::Server;

const CROWD: usize = 5000;

/// Opens so many connections, as far as the limit on files allows.
fn crowd(server: &Server, n: usize) -> Vec<Client> {
    let connect = |_| {
        let mut client = Client(TcpStream::connect(server.address).ok()?);
        client.0.set_read_timeout(Some(crate::client::PATIENCE)).ok()?;
        client.write(REQUEST.as_bytes());
        client.read_head();
        Some(client)
    };
    (0..n).map_while(connect).collect()
}

// ML-09: with its name, its deadline, and a topic
#[test]
fn an_idle_connection_on_the_event_loop_takes_less_than_300_bytes() {
    for args in [&[][..], &["--broadcast"]] {
        let server = Server::start_with("event_loop", args);
        // Loads the code, and the buffers that all share.
        for mut client in crowd(&server, 10) {
            client.write(&frame(BINARY, &[7; 1000]));
            std::io::Read::read_exact(&mut client.0, &mut [0; 1000]).unwrap();
        }
        let before = server.memory();
        let mut clients = crowd(&server, CROWD);
        assert!(clients.len() > CROWD / 2, "the limit on open files is too low");
        if args.is_empty() {
            for client in &mut clients {
                client.assert_echoes();
            }
        }
        thread::sleep(Duration::from_secs(2));
        let bytes = (server.memory() - before) * 1024 / clients.len();
        assert!(bytes < 300, "{args:?}: {bytes} bytes");
    }
}

// ML-09, L-12: with 2 shards, too, and afterwards it still serves
#[test]
fn a_crowd_that_comes_and_goes_leaves_nothing_behind() {
    let server = Server::start_with("event_loop", &["--shards", "2"]);
    let idle = server.idle();
    crowd(&server, 500);
    server.wait_for_files(idle);
    let before = server.memory();
    for _ in 0..5 {
        crowd(&server, 500);
        server.wait_for_files(idle);
    }
    let more = server.memory().saturating_sub(before);
    assert!(more < 256, "{more} KiB");
    server.assert_serves();
}
