//! Tunnels through a proxy.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use sansocket::dial::{Dial, Proxy};
use sansocket::handshake::client;
use sansocket::{Config, Error, Message, net};

use crate::host::{Echo, answer, read_head};

/// A proxy that leads everybody to one server, and tells what it was asked.
pub(crate) fn start(target: SocketAddr) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            tell.send(read_head(&mut client)).unwrap();
            let server = TcpStream::connect(target).unwrap();
            io::Write::write_all(&mut client, b"HTTP/1.1 200 Connection established\r\n\r\n")
                .unwrap();
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
            {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    (address, told)
}

// DI-05, R-061
#[test]
fn a_tunnel_leads_to_the_server() {
    for secure in [false, true] {
        let echo = Echo::start("127.0.0.1:0", secure);
        let (address, asked) = start(echo.address);
        let scheme = if secure { "wss" } else { "ws" };
        for (credentials, line) in
            [("", ""), ("me:pass@", "\r\nProxy-Authorization: Basic bWU6cGFzcw==")]
        {
            let proxy = Proxy::new(&format!("http://{credentials}{address}")).unwrap();
            // The proxy resolves the name.
            let dial = Dial::new(&format!("{scheme}://localhost:81/")).unwrap().proxy(proxy);
            let dial = dial.tls(crate::authority::client());
            let (sender, mut receiver, _) = net::dial(&dial, Config::default()).unwrap();
            assert_eq!(
                asked.recv().unwrap(),
                format!("CONNECT localhost:81 HTTP/1.1\r\nHost: localhost:81{line}\r\n\r\n")
            );
            assert_eq!(receiver.recv().unwrap(), Some(Message::Text("localhost:81")));
            sender.send("hello").unwrap();
            assert_eq!(receiver.recv().unwrap(), Some(Message::Text("hello")));
            receiver.close(1000.try_into().unwrap(), "").unwrap();
        }
        echo.stop();
    }
}

// DI-05
#[test]
fn a_proxy_that_refuses_is_seen_to() {
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
    let (address, proxy) = answer(refusal, true);
    let dial = Dial::new("wss://localhost/").unwrap().tls(crate::authority::client());
    let dial = dial.proxy(Proxy::new(&address.to_string()).unwrap());
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Connect(client::Error::ProxyRefused { status: 407, head })) => {
            assert_eq!(head.header("Proxy-Authenticate"), Some(&b"Basic"[..]));
        }
        other => panic!("{other:?}"),
    }
    let heard = proxy.join().unwrap();
    assert!(heard.ends_with("\r\n\r\n") && heard.starts_with("CONNECT localhost:443 "), "{heard}");
}

// DI-05: nor one that does not speak HTTP
#[test]
fn a_proxy_that_answers_nonsense_leads_nowhere() {
    let (address, proxy) = answer("HTTP/1.1 200 OK\nServer: none\n\n", false);
    let dial = Dial::new("ws://localhost/").unwrap();
    let dial = dial.proxy(Proxy::new(&address.to_string()).unwrap());
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Connect(client::Error::Malformed)) => {}
        other => panic!("{other:?}"),
    }
    proxy.join().unwrap();
}

// DI-05, DI-11: a TLS server speaks second, so that this is none
#[tokio::test]
async fn nothing_comes_through_a_tunnel_before_the_client_has_spoken() {
    let (address, proxy) = answer("HTTP/1.1 200 OK\r\n\r\nearly", false);
    let dial = Dial::new("wss://localhost/").unwrap().tls(crate::authority::client());
    let dial = dial.proxy(Proxy::new(&address.to_string()).unwrap());
    match sansocket::tokio::dial(&dial, Config::default()).await.map(|_| ()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::InvalidData),
        other => panic!("{other:?}"),
    }
    proxy.join().unwrap();
}

// DI-06: in a process of its own, since the environment is that of all its threads
#[test]
fn the_environment_names_a_proxy() {
    const NAME: &str = "proxies::the_environment_names_a_proxy";
    let dial = |url| Dial::new(url).unwrap();
    let find = |url| Proxy::from_env(dial(url).request());
    if std::env::var_os("http_proxy").is_some_and(|url| url == "http://me:pass@proxy.invalid:81") {
        let proxy = find("ws://example.com/").unwrap().unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.invalid", 81));
        assert!(!format!("{proxy:?}").contains("pass"), "{proxy:?}");
        assert!(find("ws://excepted.com/").unwrap().is_none());
        assert!(matches!(find("wss://example.com/"), Err(client::BuildError::Proxy)));
        return;
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env("http_proxy", "http://me:pass@proxy.invalid:81")
        .env("https_proxy", "socks5://proxy.invalid")
        .env("no_proxy", "excepted.com")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
