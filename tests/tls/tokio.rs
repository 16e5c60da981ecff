//! The streams of tokio-rustls, through the bounds of `sansocket::tokio`.

use std::sync::Arc;

use sansocket::Config;
use sansocket::handshake::client::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::authority::{client, server};

// TL-14: large messages both ways at once, and the end
#[tokio::test(flavor = "multi_thread")]
async fn tokio_rustls_goes_both_ways_at_once() {
    const MESSAGES: usize = 64;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let stream = TlsAcceptor::from(server()).accept(listener.accept().await.unwrap().0).await;
        let accepted = sansocket::tokio::accept(stream.unwrap(), Config::default()).await;
        let (sender, mut receiver) = accepted.unwrap();
        while let Some(message) = receiver.recv().await.unwrap() {
            sender.send(message).await.unwrap();
        }
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(Arc::clone(&client()));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let request = Request::new("wss://localhost/").unwrap();
    let connecting = sansocket::tokio::connect(stream, &request, Config::default());
    let (sender, mut receiver, _) = connecting.await.unwrap();
    let sending = tokio::spawn(async move {
        for i in 0..MESSAGES {
            sender.send(&vec![i as u8; 1 << 20]).await.unwrap();
        }
    });
    for i in 0..MESSAGES {
        let message = receiver.recv().await.unwrap().unwrap();
        assert_eq!(message.as_bytes(), vec![i as u8; 1 << 20]);
    }
    sending.await.unwrap();
    receiver.close(1000.try_into().unwrap(), "").await.unwrap();
    serving.await.unwrap();
}
