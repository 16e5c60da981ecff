//! A server that speaks TLS, and clients that do or do not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, RwLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ServerConfig, StreamOwned};
use sansocket::Config;
use sansocket::net::{Handle, Server};
use sansocket::tls::Rustls;

use crate::authority::{
    certified_key, client, client_with, known_client, server, server_for_known_clients, server_with,
};
use crate::peer::{REQUEST, frame};

type Client = StreamOwned<ClientConnection, TcpStream>;

struct Running {
    address: SocketAddr,
    handle: Handle,
    errors: mpsc::Receiver<String>,
    thread: JoinHandle<usize>,
}

/// An echo.
fn start(tls: impl Into<Arc<ServerConfig>>, limit: usize) -> Running {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.tls(tls.into()).unwrap().max_connections(limit);
    let (address, handle) = (server.local_addr(), server.handle());
    let (sender, errors) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = server.on_error(move |_, error| {
        let _ = sender.lock().unwrap().send(error.to_string());
    });
    let thread = thread::spawn(move || {
        server.run(|sender, mut receiver| {
            while let Some(message) = receiver.recv()? {
                sender.send(message)?;
            }
            Ok(())
        })
    });
    Running { address, handle, errors, thread }
}

impl Running {
    fn connect(&self, config: impl Into<Arc<ClientConfig>>) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(crate::peer::PATIENCE)).unwrap();
        let client = ClientConnection::new(config.into(), "localhost".try_into().unwrap());
        StreamOwned::new(client.unwrap(), stream)
    }

    fn open(&self, config: impl Into<Arc<ClientConfig>>) -> Client {
        let mut client = self.connect(config);
        client.write_all(REQUEST).unwrap();
        let head = read_head(&mut client);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    fn stop(self) {
        assert_eq!(self.handle.stop(Duration::ZERO, Duration::from_secs(10)), 0);
        assert_eq!(self.thread.join().unwrap(), 0);
    }
}

fn read_head(client: &mut impl Read) -> String {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

fn echo(client: &mut Client, text: &[u8]) {
    client.write_all(&frame(0x81, text)).unwrap();
    let mut echoed = vec![0; 2 + text.len()];
    client.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed[2..], text);
}

// TL-09, R-055, R-170
#[test]
fn a_server_speaks_tls_and_stops_gracefully() {
    let server = start(server(), 10);
    let mut clients: Vec<_> = (0..3).map(|_| server.open(client())).collect();
    clients.iter_mut().for_each(|client| echo(client, b"hello"));
    let stopping = thread::spawn(move || server.stop());
    for client in &mut clients {
        let mut close = [0; 4];
        client.read_exact(&mut close).unwrap();
        assert_eq!(close, [0x88, 2, 0x03, 0xe9]);
        client.write_all(&frame(0x88, &[0x03, 0xe9])).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "a close_notify, or this would be an error");
        client.conn.send_close_notify();
        client.flush().unwrap();
    }
    drop(clients);
    stopping.join().unwrap();
}

// TL-10
#[test]
fn plain_http_on_the_port_is_answered_with_400() {
    let server = start(server(), 10);
    for request in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], REQUEST, b"G"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap(); // a reset would be an error
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("this port speaks TLS"), "{answer}");
        drop(stream);
        assert!(server.errors.recv().unwrap().contains("plain HTTP"));
    }
    server.stop();
}

// TL-10: junk is answered with an alert
#[test]
fn junk_on_the_port_ends_the_connection() {
    let server = start(server(), 10);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(&[0; 40]).unwrap();
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&0x15));
    assert!(!server.errors.recv().unwrap().is_empty());
    server.stop();
}

// TL-09: a client for which there is no room is told so within TLS
#[test]
fn a_full_server_says_so_within_tls() {
    let server = start(server(), 1);
    let mut first = server.open(client());
    let mut second = server.connect(client());
    second.write_all(REQUEST).unwrap();
    let head = read_head(&mut second);
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    echo(&mut first, b"still here");
    drop((first, second));
    server.stop();
}

// TL-11
#[test]
fn only_http_1_1_is_agreed_to() {
    let offer = |protocols: &[&str]| {
        let mut config = client_with(rustls::ALL_VERSIONS);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    };
    for ours in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut config = server_with(rustls::ALL_VERSIONS);
        config.alpn_protocols = ours;
        let server = start(config, 10);
        let client = server.open(offer(&["h2", "http/1.1"]));
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        drop(client);
        let client = server.open(offer(&[]));
        assert_eq!(client.conn.alpn_protocol(), None);
        drop(client);
        let mut client = server.connect(offer(&["h2"]));
        let error = client.write_all(REQUEST).and_then(|()| client.read(&mut [0])).unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
        drop(client);
        server.stop();
    }
}

// TL-11
#[test]
fn a_configuration_that_would_not_work_is_refused() {
    let refused = |change: fn(&mut ServerConfig)| {
        let mut config = server_with(rustls::ALL_VERSIONS);
        change(&mut config);
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let error = server.tls(Arc::new(config)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    let h2 = |config: &mut ServerConfig| {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    };
    assert!(refused(h2).contains("http/1.1 alone"));
    assert!(refused(|config| config.max_early_data_size = 1024).contains("early data"));
}

#[derive(Debug)]
struct Renewable(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap()))
    }
}

// TL-12
#[test]
fn certificates_are_renewed_while_the_server_runs() {
    let key = Arc::new(certified_key("localhost"));
    let renewable = Arc::new(Renewable(RwLock::new(key)));
    let mut config = server_with(rustls::ALL_VERSIONS);
    config.cert_resolver = renewable.clone();
    let server = start(config, 10);
    let shown = |client: &Client| client.conn.peer_certificates().unwrap()[0].clone();
    let mut first = server.open(client());
    *renewable.0.write().unwrap() = Arc::new(certified_key("localhost"));
    let mut second = server.open(client_with(rustls::ALL_VERSIONS));
    assert_ne!(shown(&first), shown(&second));
    echo(&mut first, b"connections that are open go on");
    echo(&mut second, b"and new ones are as good");
    drop((first, second));
    server.stop();
}

// TL-13, R-169
#[test]
fn a_handler_sees_the_certificate_of_the_client() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.tls(Arc::new(server_for_known_clients())).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let (sender, certificates) = mpsc::channel();
    let sender = Mutex::new(sender);
    let thread = thread::spawn(move || {
        server.run_upgrades(move |upgrade| {
            let engine = upgrade.stream().secure::<Rustls>().unwrap().engine()?;
            let certificates = engine.state().peer_certificates().unwrap().len();
            drop(engine);
            assert_eq!(upgrade.stream().local_addr()?.port(), address.port());
            sender.lock().unwrap().send(certificates).unwrap();
            let response = upgrade.request().reject(403)?;
            Ok(upgrade.reject(response)?)
        })
    });
    let connect = |config: ClientConfig| {
        let client = ClientConnection::new(config.into(), "localhost".try_into().unwrap());
        let mut client = StreamOwned::new(client.unwrap(), TcpStream::connect(address).unwrap());
        client.write_all(REQUEST).and_then(|()| client.read(&mut [0]))
    };
    assert_eq!(connect(known_client()).unwrap(), 1);
    assert_eq!(certificates.recv().unwrap(), 1);
    assert!(connect(client_with(rustls::ALL_VERSIONS)).is_err(), "no certificate, no connection");
    handle.stop(Duration::ZERO, Duration::from_secs(10));
    thread.join().unwrap();
}
