//! From a URL to an open connection.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Instant;

use sansocket::dial::Dial;
use sansocket::handshake::client;
use sansocket::{Config, Error, Message, TimedOut, net};

use crate::authority;
use crate::host::{Echo, SECOND};

// DI-01, R-062, R-066
#[test]
fn ws_and_wss_are_dialed() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        for secure in [false, true] {
            let echo = Echo::start(address, secure);
            let connected = net::dial(&echo.dial(secure), Config::default()).unwrap();
            let (sender, mut receiver, response) = connected;
            assert_eq!(response.header("Set-Cookie"), Some(&b"seen=1"[..]));
            assert_eq!(sender.stream().secure::<sansocket::tls::Rustls>().is_some(), secure);
            assert_eq!(sender.stream().peer_addr().unwrap(), echo.address);
            let host = format!("localhost:{}", echo.address.port());
            assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&host)));
            sender.send("hello").unwrap();
            assert_eq!(receiver.recv().unwrap(), Some(Message::Text("hello")));
            receiver.close(1000.try_into().unwrap(), "").unwrap();
            echo.stop();
        }
    }
}

// DI-01: by name, and by an address in brackets
#[test]
fn names_and_addresses_are_looked_up() {
    for (address, host) in
        [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]"), ("127.0.0.1:0", "localhost")]
    {
        let echo = Echo::start(address, false);
        let url = format!("http://{host}:{}/", echo.address.port());
        let (_sender, mut receiver, _) = net::connect_to(&url).unwrap();
        let wanted = format!("{host}:{}", echo.address.port());
        assert_eq!(receiver.recv().unwrap(), Some(Message::Text(&wanted)));
        drop(receiver);
        echo.stop();
    }
    assert!(matches!(net::connect_to("h"), Err(Error::Build(client::BuildError::Url))));
    let unknown = net::connect_to("ws://name.invalid/").map(|_| ());
    assert!(matches!(unknown, Err(Error::Io(_))), "{unknown:?}");
}

// DI-04, R-062: a certificate that is not trusted, or for another name, ends it before anything is sent
#[test]
fn a_server_that_cannot_be_trusted_gets_nothing() {
    let echo = Echo::start("127.0.0.1:0", true);
    let other = format!("wss://example.com:{}/", echo.address.port());
    let dial = Dial::new(&other).unwrap().address(echo.address).tls(authority::client());
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.to_string().contains("certificate"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    echo.stop();
}

// DI-04: nor does a server that speaks no TLS
#[test]
fn a_server_without_tls_gets_no_request() {
    let (address, server) = crate::host::answer("HTTP/1.1 400 Bad Request\r\n\r\n", false);
    let url = format!("wss://localhost:{}/secret", address.port());
    let dial = Dial::new(&url).unwrap().address(address).tls(authority::client());
    let stream =
        std::thread::spawn(move || net::dial(&dial.timeout(SECOND), Config::default()).map(|_| ()));
    let result = stream.join().unwrap();
    assert!(result.is_err());
    drop(result);
    // It waits for the end of a head that never comes, and then for the end of the stream.
    let heard = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.join().unwrap()));
    assert!(heard.is_err() || !heard.unwrap().contains("secret"));
}

// DI-11, TL-11: h2 would be spoken by nobody
#[test]
fn a_configuration_that_would_not_work_is_refused() {
    let mut config = authority::client_with(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let dial = Dial::new("wss://localhost:1/").unwrap().tls(config.into());
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::InvalidInput),
        other => panic!("{other:?}"),
    }
}

// DI-10: without a feature that brings certificates, or a provider, it says so, and nothing panics
#[cfg(not(any(feature = "webpki-roots", feature = "rustls-platform-verifier")))]
#[test]
fn missing_certificates_are_an_error() {
    let dial = Dial::new("wss://localhost:1/").unwrap();
    match net::dial(&dial, Config::default()).map(|_| ()) {
        Err(Error::Io(error)) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("enable the feature"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

// DI-10
#[cfg(all(feature = "ring", any(feature = "webpki-roots", feature = "rustls-platform-verifier")))]
#[test]
fn the_defaults_do_not_trust_just_anybody() {
    // The provider is that of the process, if it has one.
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let installed = rustls::crypto::CryptoProvider::get_default().unwrap();
    let config = sansocket::tls::default_client_config().unwrap();
    assert!(std::sync::Arc::ptr_eq(config.crypto_provider(), installed));
    assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    let again = sansocket::tls::default_client_config().unwrap();
    assert!(std::sync::Arc::ptr_eq(&config, &again), "sessions are resumed");
    let echo = Echo::start("127.0.0.1:0", true);
    let url = format!("wss://localhost:{}/", echo.address.port());
    let dial = Dial::new(&url).unwrap().address(echo.address);
    assert!(matches!(net::dial(&dial, Config::default()), Err(Error::Io(_))));
    echo.stop();
}

// DI-02: wherever it stops
#[test]
fn there_is_one_deadline_for_all_of_it() {
    // The kernel connects, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = sansocket::dial::Proxy::new(&address.to_string()).unwrap();
    for (url, proxy) in
        [("ws://localhost/", None), ("wss://localhost/", None), ("wss://localhost/", Some(proxy))]
    {
        let dial = Dial::new(url).unwrap().address(address).tls(authority::client()).proxy(proxy);
        let start = Instant::now();
        let result = net::dial(&dial.timeout(SECOND / 5), Config::default()).map(|_| ());
        assert!(matches!(result, Err(Error::TimedOut(TimedOut::Handshake))), "{url}: {result:?}");
        assert!(start.elapsed() >= SECOND / 6 && start.elapsed() < 5 * SECOND);
    }
}
