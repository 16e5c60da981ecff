//! The accept loop, and the connections of servers.

use std::sync::mpsc;
use std::time::Duration;

use sansocket::tokio::{Connections, Incoming, Server};
use sansocket::{Config, Error, handshake::Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::common::wire::{self, CLOSE, TEXT};

pub(crate) const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client whose frames are written by hand.
struct Client(TcpStream);

impl Client {
    async fn connect(address: std::net::SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn open(address: std::net::SocketAddr) -> Self {
        let mut client = Self::connect(address).await;
        client.0.write_all(REQUEST).await.unwrap();
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    async fn head(&mut self) -> String {
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, self.0.read_u8()).await.unwrap().unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        self.0.write_all(&wire::client(first, payload)).await.unwrap();
    }

    async fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        timeout(PATIENCE, self.0.read_exact(&mut read)).await.unwrap().unwrap();
        assert_eq!(read, bytes);
    }

    /// Answers a Close with this code, and waits for the end.
    async fn expect_close(&mut self, code: u16) {
        self.expect(&wire::server(CLOSE, &code.to_be_bytes())).await;
        self.send(CLOSE, &code.to_be_bytes()).await;
        self.expect_end().await;
    }

    async fn expect_end(&mut self) {
        let mut rest = vec![];
        timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, b"");
    }
}

async fn server(config: Config) -> (Server, std::net::SocketAddr) {
    let server = Server::bind("127.0.0.1:0", config).await.unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

fn echo(server: Server) -> JoinHandle<usize> {
    tokio::spawn(server.run(|sender, mut receiver| async move {
        while let Some(message) = receiver.recv().await? {
            match message.as_text() {
                Some("error") => return Err("as it was told".into()),
                Some("panic") => panic!("as it was told"),
                Some("return") => {
                    sender.feed("last words").await?;
                    return Ok(());
                }
                _ => sender.send(message).await?,
            }
        }
        Ok(())
    }))
}

// TA-08: 1000, 1011 for errors and panics, behind what was fed
#[tokio::test]
async fn a_connection_is_closed_as_its_handler_returns() {
    let (server, address) = server(Config::default()).await;
    let (tell, told) = mpsc::channel();
    let server = server.on_error(move |_, error| tell.send(error.to_string()).unwrap());
    let handle = server.handle();
    let running = echo(server);
    for (word, code) in [("return", 1000), ("error", 1011), ("panic", 1011)] {
        let mut client = Client::open(address).await;
        client.send(TEXT, b"hi").await;
        client.expect(b"\x81\x02hi").await;
        client.send(TEXT, word.as_bytes()).await;
        if word == "return" {
            client.expect(b"\x81\x0alast words").await;
        }
        client.expect_close(code).await;
    }
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE).await, 0);
    assert_eq!(running.await.unwrap(), 0);
    assert_eq!(told.try_iter().collect::<Vec<_>>(), ["as it was told"]);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

// TA-08: a limit, and room again
#[tokio::test]
async fn there_is_a_limit_on_connections() {
    let (server, address) = server(Config::default()).await;
    let (tell, told) = mpsc::channel();
    let server = server.max_connections(1).on_error(move |_, error| {
        tell.send(matches!(error, Error::ServerFull { limit: 1 })).unwrap();
    });
    let handle = server.handle();
    echo(server);
    let mut first = Client::open(address).await;
    let mut second = Client::connect(address).await;
    second.0.write_all(REQUEST).await.unwrap();
    let head = second.head().await;
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 10"), "{head}");
    assert!(told.recv().unwrap());
    assert_eq!(handle.count(), 1);
    first.send(CLOSE, b"\x03\xe8").await;
    first.expect(&wire::failure(1000)).await;
    first.expect_end().await;
    drop(first);
    while handle.count() > 0 {
        tokio::task::yield_now().await;
    }
    Client::open(address).await;
}

// TA-09: everybody is told, and who does not go is cut off
#[tokio::test]
async fn a_stop_closes_every_connection_and_cuts_off_the_rest() {
    let (server, address) = server(Config::default()).await;
    let (tell, told) = mpsc::channel();
    let server = server.on_error(move |_, error| tell.send(error.to_string()).unwrap());
    let handle = server.handle();
    let running = echo(server);
    let mut polite = Client::open(address).await;
    let mut rude = Client::open(address).await;
    let mut slow = Client::connect(address).await;
    slow.0.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    while handle.count() < 3 {
        tokio::task::yield_now().await;
    }
    let stopping = tokio::spawn(async move {
        handle.stop(Duration::from_millis(10), Duration::from_millis(500)).await
    });
    polite.expect_close(1001).await;
    drop(polite);
    rude.expect(&wire::failure(1001)).await;
    assert_eq!(stopping.await.unwrap(), 2);
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), 2);
    rude.expect_end().await;
    let mut said: Vec<_> = vec![told.recv_timeout(PATIENCE).unwrap()];
    said.push(told.recv_timeout(PATIENCE).unwrap());
    said.sort();
    assert_eq!(
        said,
        ["the closing handshake took too long", "the opening handshake took too long"]
    );
}

// TA-09: a stop that is given up stops nobody who is there
#[tokio::test]
async fn a_stop_that_is_dropped_lets_nobody_in() {
    let (server, address) = server(Config::default()).await;
    let handle = server.handle();
    let running = echo(server);
    let mut client = Client::open(address).await;
    let stop = timeout(Duration::from_millis(100), handle.stop(Duration::ZERO, PATIENCE));
    assert!(stop.await.is_err());
    assert!(handle.is_stopping() && !running.is_finished());
    client.expect_close(1001).await;
    assert_eq!(running.await.unwrap(), 0);
}

// HS-14: three ways to look at requests
#[tokio::test]
async fn a_server_serves_pages_too() {
    let (server, address) = server(Config::default()).await;
    tokio::spawn(server.run_http(|incoming| async move {
        match incoming {
            Incoming::Http(http) => {
                http.respond(Response::new(200)?.body("text/plain", "page")?).await?;
            }
            Incoming::Upgrade(upgrade) => {
                let response = upgrade.request().accept();
                let (sender, mut receiver) = upgrade.accept(response).await?;
                sender.send("hello").await?;
                receiver.drain().await?;
            }
        }
        Ok(())
    }));
    let mut page = Client::connect(address).await;
    page.0.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    page.0.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\npage"), "{answer}");
    let mut client = Client::open(address).await;
    client.expect(b"\x81\x05hello").await;
    client.send(CLOSE, b"\x03\xe8").await;
    client.expect(&wire::failure(1000)).await;
}

// TA-08: a handler that returns before it answers
#[tokio::test]
async fn a_request_that_no_handler_answers_gets_500() {
    let (server, address) = server(Config::default()).await;
    tokio::spawn(server.run_upgrades(|upgrade| async move {
        match upgrade.request().path() {
            "/panic" => panic!("as it was told"),
            _ => Err("no answer".into()),
        }
    }));
    for path in ["/", "/panic"] {
        let mut client = Client::connect(address).await;
        let request = String::from_utf8(REQUEST.to_vec()).unwrap();
        client
            .0
            .write_all(request.replace("GET /", &format!("GET {path}")).as_bytes())
            .await
            .unwrap();
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    }
}

// TA-08: a receiver that outlives its handler is on its own
#[tokio::test]
async fn a_handler_may_leave_its_receiver_to_another_task() {
    let (server, address) = server(Config::default()).await;
    let handle = server.handle();
    tokio::spawn(server.run(|sender, mut receiver| async move {
        sender.send("hello").await?;
        tokio::spawn(async move { receiver.drain().await });
        Ok(())
    }));
    let mut client = Client::open(address).await;
    client.expect(b"\x81\x05hello").await;
    client.expect_close(1000).await;
    while handle.count() > 0 {
        tokio::task::yield_now().await;
    }
}

// TA-09: WebSockets of other servers
#[tokio::test]
async fn connections_are_counted_and_stopped_under_any_server() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new().max_connections(1);
    let ours = connections.clone();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let permit = ours.permit().unwrap();
        assert!(ours.permit().is_none());
        let (sender, receiver) = sansocket::tokio::accept(stream, Config::default()).await.unwrap();
        let handler = |_, mut receiver: sansocket::tokio::Receiver<TcpStream>| async move {
            receiver.drain().await?;
            Err("done".into())
        };
        permit.run(sender, receiver, handler).await
    });
    let mut client = Client::open(address).await;
    assert_eq!(connections.count(), 1);
    let stopping = tokio::spawn({
        let connections = connections.clone();
        async move { connections.stop(Duration::ZERO, PATIENCE).await }
    });
    client.expect_close(1001).await;
    assert_eq!(stopping.await.unwrap(), 0);
    let end = serving.await.unwrap();
    assert_eq!(end.unwrap_err().to_string(), "done");
    assert!(connections.permit().is_none(), "it has stopped");
}

// TA-08: a task that is aborted takes its connection along
#[tokio::test]
async fn an_aborted_task_closes_its_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new();
    let ours = connections.clone();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let permit = ours.permit().unwrap();
        let (sender, receiver) = sansocket::tokio::accept(stream, Config::default()).await.unwrap();
        let handler = |_, mut receiver: sansocket::tokio::Receiver<TcpStream>| async move {
            Ok(receiver.drain().await?)
        };
        permit.run(sender, receiver, handler).await
    });
    let mut client = Client::open(address).await;
    serving.abort();
    client.expect_end().await;
    assert_eq!(connections.count(), 0);
}

// TA-11: Unix sockets are served alike
#[cfg(unix)]
#[tokio::test]
async fn unix_sockets_are_served() {
    let path = std::env::temp_dir().join(format!("sansocket-tokio-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = Server::from_listener(listener, Config::default());
    let handle = server.handle();
    let running = tokio::spawn(server.run(|sender, mut receiver| async move {
        sender.send("hello").await?;
        Ok(receiver.drain().await?)
    }));
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n\x81\x05hello") {
        head.push(timeout(PATIENCE, client.read_u8()).await.unwrap().unwrap());
    }
    client.write_all(&wire::client(CLOSE, b"")).await.unwrap();
    drop(client);
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE).await, 0);
    assert_eq!(running.await.unwrap(), 0);
    std::fs::remove_file(&path).unwrap();
}

// TA-09: what opens while the server stops is closed, and the stop has an end
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_under_way_is_closed_by_a_stop() {
    let (server, address) = server(Config::default()).await;
    let handle = server.handle();
    let running = echo(server);
    let mut client = Client::connect(address).await;
    let (head, rest) = REQUEST.split_at(20);
    client.0.write_all(head).await.unwrap();
    while handle.count() == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = {
        let handle = handle.clone();
        tokio::spawn(async move { handle.stop(Duration::ZERO, PATIENCE).await })
    };
    while !handle.is_stopping() {
        tokio::task::yield_now().await;
    }
    client.0.write_all(rest).await.unwrap();
    client.head().await;
    client.expect_close(1001).await;
    drop(client);
    assert_eq!(timeout(PATIENCE, stopping).await.unwrap().unwrap(), 0);
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), 0);
}
