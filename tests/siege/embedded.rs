//! The small HTTP server of the example `embed`, which stands for anybody's.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::server::Server;

/// What comes until the end of the stream.
fn answer(client: &mut Client) -> String {
    let mut answer = Vec::new();
    client.0.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

// HS-39
#[test]
fn a_malformed_request_has_an_answer() {
    let server = Server::start("embed");
    for request in ["bad\r\n\r\n", "GET /ws HTTP/1.1\nHost: example.com\n\r\n\r\n"] {
        let mut client = Client::connect(server.address);
        client.write(request.as_bytes());
        let answer = answer(&mut client);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer:?}");
    }
}

// L-09: in all, not for each byte
#[test]
fn a_request_that_comes_byte_by_byte_has_a_deadline() {
    let server = Server::start("embed");
    let mut client = Client::connect(server.address);
    let start = Instant::now();
    let mut writer = client.0.try_clone().unwrap();
    let trickle = thread::spawn(move || {
        while start.elapsed() < Duration::from_secs(18) {
            if std::io::Write::write_all(&mut writer, b"x").is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
    });
    // An end or a reset, as may be.
    let _ = client.0.read(&mut [0]);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(15), "it was waited for {took:?}");
    trickle.join().unwrap();
}
