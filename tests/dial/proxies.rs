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
