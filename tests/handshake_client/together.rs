//! Our client and our server.

use sansocket::handshake::{Acceptor, client};
use sansocket::{Config, Connection, Event, Message};

use crate::{buffer, offer, verify};

// our client and our server
#[test]
fn our_client_and_our_server_shake_hands() {
    let plain = offer("ws://example.com:9001/chat?x=1");
    let more = plain.clone().subprotocol("chat").unwrap().subprotocol("superchat").unwrap();
    let more = more.header("Origin", "http://example.com:9001").unwrap();
    for (offer, chosen) in
        [(&plain, None), (&more, None), (&more, Some("chat")), (&more, Some("superchat"))]
    {
        let mut input = buffer(&offer.to_bytes());
        let request =
            Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap();
        assert!(input.is_empty());
        assert_eq!((request.path(), request.query()), ("/chat", Some("x=1")));
        let mut response = request.accept().header("X-Foo", "bar").unwrap();
        if let Some(name) = chosen {
            response = response.subprotocol(name).unwrap();
        }

        let (verified, rest) = verify(offer, &response.to_bytes(), &Config::default());
        let accepted = verified.unwrap().unwrap();
        assert_eq!(accepted.subprotocol(), chosen);
        assert_eq!(accepted.header("x-foo"), Some(&b"bar"[..]));
        assert_eq!(accepted.header("X-Bar"), None);
        assert_eq!(rest, b"");
    }
}

// HS-33: and then they speak, the server first
#[test]
fn the_first_frames_can_come_with_the_answer() {
    let offer = offer("ws://example.com/");
    let mut input = buffer(&offer.to_bytes());
    let request =
        Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    let mut server = Connection::server(Config::default());
    server.send("welcome").unwrap();
    let image = [&request.accept().to_bytes(), server.pending()].concat();

    let (verified, rest) = verify(&offer, &image, &Config::default());
    assert!(matches!(verified, Ok(Some(_))));
    assert_eq!(rest, b"\x81\x07welcome");
    let (mut client, mut received) = (Connection::client(Config::default()), buffer(&rest));
    match client.next_event(&mut received) {
        Ok(Some(Event::Message(Message::Text("welcome")))) => {}
        other => panic!("{other:?}"),
    }
    client.send("thanks").unwrap();
    input.extend(client.pending());
    match server.next_event(&mut input) {
        Ok(Some(Event::Message(Message::Text("thanks")))) => {}
        other => panic!("{other:?}"),
    }
}

// our server's refusals
#[test]
fn our_client_understands_our_refusals() {
    let offer = offer("ws://h/");
    let mut input = buffer(&offer.to_bytes());
    let request =
        Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap().upgrade().unwrap();
    let response = request.reject(503).unwrap().header("Retry-After", "9").unwrap();
    let image = response.body("text/plain", "later").unwrap().to_bytes();
    match verify(&offer, &image, &Config::default()) {
        (Err(client::Error::Refused { status: 503, head, body: rest }), _) => {
            assert_eq!(head.header("Retry-After"), Some(&b"9"[..]));
            assert_eq!(*rest, *b"later");
        }
        other => panic!("{other:?}"),
    }
}
