//! The streams of clients that dial, as tasks see them.

use std::io::IoSlice;
use std::sync::Arc;

use sansocket::tokio::{Stream, accept, dial};
use sansocket::{Config, Message};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::host::Echo;

// DI-11: addresses and certificates, also when the connection is open
#[tokio::test]
async fn socket_and_tls_are_looked_at() {
    for secure in [false, true] {
        let echo = Echo::start("127.0.0.1:0", secure);
        let dialed = dial(&echo.dial(secure), Config::default()).await.unwrap();
        let (_sender, mut receiver, _) = dialed;
        let look = |stream: &Stream| {
            let certificates = stream.secure().map(|tls| tls.get_ref().1.peer_certificates());
            (stream.tcp().peer_addr().unwrap(), certificates.map(|chain| chain.unwrap().len()))
        };
        let (address, certificates) = receiver.with_stream(look).unwrap();
        assert_eq!((address, certificates), (echo.address, secure.then_some(1)));
        assert!(receiver.recv().await.unwrap().is_some());
        let shown = receiver.with_stream(|stream| format!("{stream:?}")).unwrap();
        assert_eq!(shown.contains("TlsStream"), secure, "{shown}");
        receiver.close(1000.try_into().unwrap(), "").await.unwrap();
        echo.stop();
    }
}

// DI-11: long messages are written from where they lie
#[tokio::test]
async fn long_messages_go_both_ways() {
    for secure in [false, true] {
        let echo = Echo::start("127.0.0.1:0", secure);
        let dialed = dial(&echo.dial(secure), Config::default()).await.unwrap();
        let (sender, mut receiver, _) = dialed;
        assert!(receiver.recv().await.unwrap().is_some());
        for len in [8 * 1024, 8 * 1024 + 1, 300_000, 3] {
            let message = vec![7; len];
            sender.send(&message).await.unwrap();
            assert_eq!(receiver.recv().await.unwrap(), Some(Message::Binary(&message)));
        }
        receiver.close(1000.try_into().unwrap(), "").await.unwrap();
        echo.stop();
    }
}

// DI-11: it is a stream like any other, for a server, too
#[tokio::test]
async fn a_server_ends_its_side_of_such_a_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let stream = Stream::from(listener.accept().await.unwrap().0);
        assert!(stream.secure().is_none());
        let (sender, receiver) = accept(stream, Config::default()).await.unwrap();
        sender.send(&[7; 300_000]).await.unwrap();
        receiver.close(4000.try_into().unwrap(), "enough").await
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let request = sansocket::handshake::client::Request::new("ws://localhost/").unwrap();
    let connected = sansocket::tokio::connect(Stream::from(stream), &request, Config::default());
    let (_sender, mut receiver, _) = connected.await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), Some(Message::Binary(&[7; 300_000])));
    // Its end is waited for: were there none, there would be an error.
    assert_eq!(receiver.recv().await.unwrap(), None);
    let close = receiver.close_frame().unwrap();
    assert_eq!((close.code.map(u16::from), close.reason), (Some(4000), "enough"));
    drop(receiver);
    serving.await.unwrap().unwrap();
}

// DI-11: for those who have other uses for it
#[tokio::test]
async fn slices_are_written_in_one_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut theirs, mut stream) = (listener.accept().await.unwrap().0, Stream::from(stream));
    assert!(stream.is_write_vectored());
    let slices = [IoSlice::new(b"to"), IoSlice::new(b"gether")];
    assert_eq!(stream.write_vectored(&slices).await.unwrap(), 8);
    stream.shutdown().await.unwrap();
    let mut heard = vec![];
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"together");
}

// DI-11, TL-11: protocols that were chosen stay as they are
#[tokio::test]
async fn a_configuration_with_http_1_1_is_kept() {
    let echo = Echo::start("127.0.0.1:0", true);
    let mut config = crate::authority::client_with(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let dialed = dial(&echo.dial(true).tls(Arc::new(config)), Config::default()).await.unwrap();
    let (_sender, receiver, _) = dialed;
    let agreed = |stream: &Stream| stream.secure()?.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(receiver.with_stream(agreed).unwrap().unwrap(), b"http/1.1");
    drop(receiver);
    echo.stop();
}
