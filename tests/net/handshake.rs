//! The opening handshake over real sockets.

use std::io::{ErrorKind, Read as _, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;

use sansocket::handshake::{Acceptor, HandshakeError, Response, ResponseError};
use sansocket::net::{self, Incoming, Upgrade};
use sansocket::{Buffer, Config, Error, Message};

use crate::fake::{Fake, Read};
use crate::raw::{REQUEST, Raw, TEXT, config, frame, read_head, sockets};

/// What the client sends, and all that comes back.
fn exchange(request: &[u8], serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let (mut client, server) = sockets();
    let serving = thread::spawn(move || serve(server));
    client.write_all(request).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    drop(client);
    serving.join().unwrap();
    answer
}

// R-035, HS-33: frames in the same segment as the head
#[test]
fn frames_right_behind_the_head_are_not_lost() {
    let (mut client, server) = sockets();
    let eager = [REQUEST.as_bytes(), &frame(TEXT, b"early"), &frame(TEXT, b"bird")[..3]].concat();
    client.write_all(&eager).unwrap();
    let (_sender, mut receiver) = net::accept(server, Config::default()).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("early")));
    client.write_all(&frame(TEXT, b"bird")[3..]).unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("bird")));
}

// HS-01
#[test]
fn one_byte_at_a_time_is_accepted() {
    let (mut client, server) = sockets();
    client.set_nodelay(true).unwrap();
    let accepting = thread::spawn(move || net::accept(server, Config::default()).map(|_| ()));
    for byte in REQUEST.as_bytes() {
        client.write_all(&[*byte]).unwrap();
    }
    assert!(read_head(&mut client).starts_with("HTTP/1.1 101 "));
    accepting.join().unwrap().unwrap();
}

// HS-41, V84: the end in the middle of the head, at every offset
#[test]
fn an_end_within_the_head_is_an_abort() {
    for end in 0..REQUEST.len() {
        let (mut client, server) = sockets();
        client.write_all(&REQUEST.as_bytes()[..end]).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        match net::accept(server, Config::default()) {
            Err(Error::Disconnected(aborted)) => {
                assert_eq!(aborted.mid_message, end > 0);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "no answer to half a request");
    }
}

// HS-34, V71, V73: one response, and nothing else is interpreted
#[test]
fn a_refused_request_gets_one_response_and_the_end() {
    for (request, status) in [
        (REQUEST.replace("13\r\n", "8\r\n"), "426"),
        (REQUEST.replace("GET", "POST"), "405"),
        (REQUEST.replace("HTTP/1.1", "HTTP/1.0"), "505"),
        (
            REQUEST.replace("Host: example.com", "Host: example.com\r\nOrigin: http://evil.com"),
            "403",
        ),
        ("\x16\x03\x01\x02\x00".into(), "400"),
        ("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".into(), "426"),
    ] {
        let again = [request.as_bytes(), &frame(TEXT, b"frame"), REQUEST.as_bytes()].concat();
        let answer = exchange(&again, |server| {
            assert!(matches!(net::accept(server, Config::default()), Err(Error::Handshake(_))));
        });
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(answer.contains("\r\nConnection: close"), "{answer}");
    }
}

//
#[test]
fn the_application_decides() {
    let answer = exchange(REQUEST.as_bytes(), |server| {
        let pending = Upgrade::read(server, Config::default()).unwrap();
        assert_eq!(pending.request().path(), "/chat");
        let refusal = pending.request().reject(404).unwrap().body("text/plain", "none").unwrap();
        pending.reject(refusal).unwrap();
    });
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\nConnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nnone"), "{answer}");
}

#[test]
fn acceptance_and_refusal_cannot_be_mixed_up() {
    let answer = exchange(REQUEST.as_bytes(), |server| {
        let pending = Upgrade::read(server, Config::default()).unwrap();
        let refusal = pending.request().reject(404).unwrap();
        let mixed_up = pending.accept(refusal);
        assert!(matches!(mixed_up, Err(Error::Response(ResponseError::WrongKind))));
    });
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let answer = exchange(REQUEST.as_bytes(), |server| {
        let pending = Upgrade::read(server, Config::default()).unwrap();
        let acceptance = pending.request().accept();
        assert_eq!(pending.reject(acceptance), Err(ResponseError::WrongKind));
    });
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[test]
fn a_subprotocol_is_agreed_to() {
    let (mut client, server) = sockets();
    let offer = REQUEST.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, chat\r\n\r\n");
    client.write_all(offer.as_bytes()).unwrap();
    let pending = Upgrade::read(server, Config::default()).unwrap();
    let response = pending.request().accept().subprotocol("chat").unwrap();
    let (sender, _receiver) = pending.accept(response).unwrap();
    sender.send("welcome").unwrap();
    let head = read_head(&mut client);
    assert!(head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{head}");
    assert_eq!(Raw(client).read(), (TEXT, b"welcome".to_vec()));
}

// HS-14: plain HTTP is handed over whole, body and all
#[test]
fn plain_http_on_the_same_port_is_handed_over() {
    let post = "POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody";
    let answer = exchange(post.as_bytes(), |server| {
        let Incoming::Http(plain) = Incoming::read(server, Config::default()).unwrap() else {
            panic!("this is no WebSocket");
        };
        let (mut stream, head, mut rest) = plain.into_parts().unwrap();
        assert_eq!((head.method(), head.path()), ("POST", "/form"));
        while rest.unread().len() < 4 {
            rest.read_from(&mut stream).unwrap();
        }
        assert_eq!(rest.unread(), b"body");
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn plain_http_that_nobody_serves_is_refused() {
    let get = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let answer = exchange(get.as_bytes(), |server| {
        let refused = Upgrade::read(server, Config::default());
        assert!(matches!(refused, Err(Error::Handshake(HandshakeError::Upgrade))), "{refused:?}");
    });
    assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{answer}");
}

// HS-39, V69: the client goes away while the application decides
#[test]
fn a_client_that_leaves_before_the_answer_is_no_connection() {
    let (mut client, server) = sockets();
    client.write_all(REQUEST.as_bytes()).unwrap();
    let pending = Upgrade::read(server, Config::default()).unwrap();
    drop(client);
    let response = pending.request().accept();
    // The first write may still succeed; then the end is noticed by reading.
    if let Ok((_sender, mut receiver)) = pending.accept(response) {
        assert!(receiver.recv().is_err());
    }
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_transports_too() {
    use std::os::unix::net::UnixStream;
    let (mut client, server) = UnixStream::pair().unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    client.write_all(&frame(TEXT, b"hi")).unwrap();
    let (sender, mut receiver) = net::accept(server, Config::default()).unwrap();
    sender.send(receiver.recv().unwrap().unwrap()).unwrap();
    drop((sender, receiver));
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"\r\n\r\n\x81\x02hi"));
}

//
#[cfg(unix)]
#[test]
fn unix_sockets_are_closed_like_any() {
    use std::os::unix::net::UnixStream;
    let (mut client, server) = UnixStream::pair().unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    client.write_all(&frame(0x83, b"")).unwrap();
    let (_sender, mut receiver) = net::accept(server, Config::default()).unwrap();
    let reading = thread::spawn(move || {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    });
    assert!(matches!(receiver.recv(), Err(Error::Protocol(_))));
    assert!(reading.join().unwrap().ends_with(b"\r\n\r\n\x88\x02\x03\xea"));
}

// Nothing more is read from it, nor written to it.
#[test]
fn a_socket_that_fails_is_closed_at_once() {
    let fake = Fake::new(vec![Read::Fail(ErrorKind::ConnectionReset)], vec![]);
    let failed = Upgrade::read(fake.clone(), Config::default());
    assert!(matches!(failed, Err(Error::Io(_))), "{failed:?}");
    assert_eq!((fake.waits().len(), fake.shutdowns()), (1, vec![Shutdown::Both]));
}

#[test]
fn small_packets_are_sent_at_once_unless_told_otherwise() {
    for (config, nodelay) in [
        (Config::default(), true),
        (config(|config| config.nodelay(true)), true),
        (config(|config| config.nodelay(false)), false),
    ] {
        let (mut client, server) = sockets();
        let socket = server.try_clone().unwrap();
        socket.set_nodelay(!nodelay).unwrap();
        client.write_all(REQUEST.as_bytes()).unwrap();
        let _halves = net::accept(Arc::new(Box::new(server)), config).unwrap();
        assert_eq!(socket.nodelay().unwrap(), nodelay);
    }
}

// Payloads and keys stay out of logs.
#[test]
fn debug_output_shows_the_head_and_no_payload() {
    let secret = [REQUEST.as_bytes(), &frame(TEXT, b"secret")].concat();
    let fake = || Fake::new(vec![Read::Bytes(secret.clone())], vec![]);
    let pending = Upgrade::read(fake(), Config::default()).unwrap();
    let shown = format!("{pending:?}");
    assert!(shown.starts_with("Upgrade { request: ") && shown.contains("/chat"), "{shown}");
    assert_eq!(format!("{:?}", Incoming::Upgrade(pending)), format!("Upgrade({shown})"));
    let pending = Upgrade::read(fake(), Config::default()).unwrap();
    assert_eq!(pending.stream().written(), b"");
    let response = pending.request().accept();
    let (sender, receiver) = pending.accept(response).unwrap();
    assert_eq!(format!("{sender:?}"), "Sender { .. }");
    let shown = format!("{receiver:?}");
    assert!(shown.starts_with("Receiver { buffer: ") && !shown.contains("secret"), "{shown}");

    let plain = b"GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let fake = Fake::new(vec![Read::Bytes(plain.into())], vec![]);
    let shown = format!("{:?}", Incoming::read(fake, Config::default()).unwrap());
    assert!(shown.starts_with("Http(HttpRequest { head: ") && shown.contains("/plain"), "{shown}");
}

// HS-14: whoever takes over the socket finds it as if nobody had read from it
#[test]
fn plain_http_is_handed_over_without_timeouts() {
    let (mut client, server) = sockets();
    client.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
    let Incoming::Http(plain) = Incoming::read(server, Config::default()).unwrap() else {
        panic!("this is no WebSocket");
    };
    let (stream, _, _) = plain.into_parts().unwrap();
    assert_eq!(stream.read_timeout().unwrap(), None);
    assert_eq!(stream.write_timeout().unwrap(), None);
}

// a WebSocket cannot be promised to who has asked for none
#[test]
fn plain_http_is_not_answered_with_an_acceptance() {
    let mut input = Buffer::new();
    input.extend(REQUEST.as_bytes());
    let incoming = Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap();
    let request = incoming.upgrade().unwrap();
    let acceptance = request.accept();
    let plain = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let answer = exchange(plain, move |server| {
        let Incoming::Http(plain) = Incoming::read(server, Config::default()).unwrap() else {
            panic!("this is no WebSocket");
        };
        assert_eq!(plain.respond(acceptance), Err(ResponseError::WrongKind));
    });
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}

#[test]
fn plain_http_can_be_answered() {
    let get = "GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let answer = exchange(get.as_bytes(), |server| {
        let Incoming::Http(plain) = Incoming::read(server, Config::default()).unwrap() else {
            panic!("this is no WebSocket");
        };
        assert_eq!(plain.head().path(), "/page");
        let page = Response::new(200).unwrap().body("text/html", "<p>Hello").unwrap();
        plain.respond(page).unwrap();
    });
    let wanted = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\n\
        Content-Length: 8\r\n\r\n<p>Hello";
    assert_eq!(answer, wanted);
}
