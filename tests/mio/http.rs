//! Plain HTTP on the same port.

use std::io::Write;
use std::time::Duration;

use sansocket::Config;

use crate::client::Client;
use crate::running::Running;

fn get(server: &Running, method: &str, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.write(format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n\r\n").as_bytes());
    client
}

// ML-04
#[test]
fn plain_http_is_answered_or_rejected() {
    let server = Running::start();
    for (method, path, status, body) in [
        ("GET", "/page", 200, "the page"),
        ("HEAD", "/page", 200, ""),
        ("GET", "/other", 426, "this resource is a WebSocket"),
        ("POST", "/other", 405, ""),
        ("GET", "/panic", 500, "the server has no answer\n"),
    ] {
        let mut client = get(&server, method, path);
        assert_eq!(client.status(), status, "{method} {path}");
        let rest = String::from_utf8(client.rest()).unwrap();
        match status {
            426 | 405 => {}
            _ => assert_eq!(rest, body, "{method} {path}"),
        }
    }
}

// ML-04
#[test]
fn a_thread_may_take_the_socket() {
    let server = Running::start();
    let mut client = Client::connect(server.address);
    client.write(b"POST /take HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n01234");
    std::thread::sleep(Duration::from_millis(20)); // so that it comes in a read of the thread
    client.0.write_all(b"56789").unwrap();
    assert_eq!(client.rest(), b"POST 0123456789");
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
}

// ML-04, ML-03: it counts as a connection until it is done
#[test]
fn a_socket_that_was_taken_counts_as_a_connection() {
    let server = Running::start_with(Config::default(), |server| server.max_connections(1));
    let client = get(&server, "GET", "/keep");
    let mut other = Client::connect(server.address);
    assert_eq!(other.status(), 503);
    drop(other);
    assert_eq!(server.handle.connections(), 1);
    drop(client);
    while server.handle.connections() > 0 {
        std::thread::yield_now();
    }
    server.client();
}
