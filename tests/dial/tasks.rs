//! The same in tasks.

use std::io::ErrorKind;
use std::time::Instant;

use sansocket::dial::{Dial, Proxy};
use sansocket::handshake::client;
use sansocket::{Config, Error, Message, TimedOut};

use crate::authority;
use crate::host::{Echo, SECOND, answer};

// DI-11
#[tokio::test]
async fn ws_and_wss_are_dialed() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        for secure in [false, true] {
            let echo = Echo::start(address, secure);
            let dialed = sansocket::tokio::dial(&echo.dial(secure), Config::default()).await;
            let (sender, mut receiver, response) = dialed.unwrap();
            assert_eq!(response.header("Set-Cookie"), Some(&b"seen=1"[..]));
            let host = format!("localhost:{}", echo.address.port());
            assert_eq!(receiver.recv().await.unwrap(), Some(Message::Text(&host)));
            sender.send("hello").await.unwrap();
            assert_eq!(receiver.recv().await.unwrap(), Some(Message::Text("hello")));
            receiver.close(1000.try_into().unwrap(), "").await.unwrap();
            echo.stop();
        }
    }
}

// DI-11, DI-05
#[tokio::test]
async fn a_tunnel_leads_to_the_server() {
    for secure in [false, true] {
        let echo = Echo::start("127.0.0.1:0", secure);
        let (address, asked) = crate::proxies::start(echo.address);
        let proxy = Proxy::new(&format!("http://me:pass@{address}")).unwrap();
        let url = if secure { "wss://localhost/" } else { "ws://localhost/" };
        let dial = Dial::new(url).unwrap().proxy(proxy).tls(authority::client());
        let dialed = sansocket::tokio::dial(&dial, Config::default()).await;
        let (_sender, mut receiver, _) = dialed.unwrap();
        assert!(receiver.recv().await.unwrap().is_some());
        assert!(asked.recv().unwrap().contains("Proxy-Authorization: Basic bWU6cGFzcw==\r\n"));
        drop(receiver);
        echo.stop();
    }
}

// DI-11, DI-07
#[tokio::test]
async fn a_refusal_has_a_status_headers_and_a_body() {
    for reads_on in [false, true] {
        let (address, server) = answer("HTTP/1.1 403 Forbidden\r\n\r\nwrong", reads_on);
        let dial = Dial::new("ws://localhost/").unwrap().address(address).timeout(SECOND);
        match sansocket::tokio::dial(&dial, Config::default()).await.map(|_| ()) {
            Err(Error::Connect(client::Error::Refused { status: 403, body, .. })) => {
                assert_eq!(*body, *b"wrong");
            }
            other => panic!("{other:?}"),
        }
        server.join().unwrap();
    }
}

// DI-11, DI-02, DI-04
#[tokio::test]
async fn there_is_one_deadline_for_all_of_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = Proxy::new(&address.to_string()).unwrap();
    for (url, proxy) in
        [("ws://localhost/", None), ("wss://localhost/", None), ("wss://localhost/", Some(proxy))]
    {
        let dial = Dial::new(url).unwrap().address(address).tls(authority::client()).proxy(proxy);
        let start = Instant::now();
        let dial = dial.timeout(SECOND / 5);
        let result = sansocket::tokio::dial(&dial, Config::default()).await.map(|_| ());
        assert!(matches!(result, Err(Error::TimedOut(TimedOut::Handshake))), "{url}: {result:?}");
        assert!(start.elapsed() >= SECOND / 6 && start.elapsed() < 5 * SECOND);
    }
    let refused = sansocket::tokio::connect_to("nonsense").await.map(|_| ());
    assert!(matches!(refused, Err(Error::Build(_))));
    let unknown = sansocket::tokio::connect_to("ws://name.invalid/").await.map(|_| ());
    assert!(matches!(unknown, Err(Error::Io(_))), "{unknown:?}");
    let echo = Echo::start("127.0.0.1:0", true);
    let other = format!("wss://example.com:{}/", echo.address.port());
    let dial = Dial::new(&other).unwrap().address(echo.address).tls(authority::client());
    match sansocket::tokio::dial(&dial, Config::default()).await.map(|_| ()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidData),
        other => panic!("{other:?}"),
    }
    echo.stop();
}
