//! The client's side: its handshake over sockets that are slow, wrong or gone, and its frames.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use sansocket::handshake::{Acceptor, client};
use sansocket::net::{self, Receiver, Sender};
use sansocket::{Buffer, CloseCode, Config, Disconnected, Error, Message, Prepared, TimedOut};

use crate::fake::{Fake, Read, Write};
use crate::raw::{config, read_head, sockets};

fn offer() -> client::Request {
    client::Request::new("ws://example.com/chat").unwrap()
}

/// Reads a request, and says how to accept it.
fn acceptance(server: &mut TcpStream) -> Vec<u8> {
    let mut input = Buffer::new();
    input.extend(read_head(server).as_bytes());
    let incoming = Acceptor::new(Config::default()).next(&mut input).unwrap().unwrap();
    let request = incoming.upgrade().unwrap();
    request.accept().to_bytes()
}

/// What a client makes of what this server does.
fn connect(
    config: Config,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> Result<(Sender<TcpStream>, Receiver<TcpStream>), Error> {
    let (client, server) = sockets();
    let serving = thread::spawn(move || serve(server));
    let connected = net::connect(client, &offer(), config);
    serving.join().unwrap();
    connected.map(|(sender, receiver, _)| (sender, receiver))
}

/// All ways to send, each with a message that only it sends.
fn send_in_all_ways(sender: &Sender<TcpStream>) -> Vec<Vec<u8>> {
    let messages: Vec<Vec<u8>> = [10, 60_000, 20, 3_000_000, 30, 70_000, 40, 2_500_000]
        .map(|len| vec![len as u8; len])
        .into();
    sender.send(&messages[0]).unwrap();
    sender.send(&messages[1]).unwrap();
    sender.feed(&messages[2]).unwrap();
    sender.feed(&messages[3]).unwrap();
    sender.send_prepared(&Prepared::new(&messages[4])).unwrap();
    sender.send_prepared(&Prepared::new(&messages[5])).unwrap();
    sender.feed_prepared(&Prepared::new(&messages[6])).unwrap();
    sender.feed_prepared(&Prepared::new(&messages[7])).unwrap();
    sender.flush().unwrap();
    messages
}

fn receive_all(receiver: &mut Receiver<TcpStream>, messages: &[Vec<u8>]) {
    for message in messages {
        assert!(receiver.recv().unwrap() == Some(Message::Binary(message)), "{}", message.len());
    }
}

// each side refuses what is masked as it must not be
#[test]
fn both_sides_send_in_all_ways() {
    let (client, server) = sockets();
    let large = || config(|config| config.max_message(4 << 20));
    let serving = thread::spawn(move || {
        let (sender, mut receiver) = net::accept(server, large()).unwrap();
        let sending = thread::spawn(move || send_in_all_ways(&sender));
        while let Some(message) = receiver.recv().unwrap() {
            assert!(message.as_bytes().len() >= 10);
        }
        sending.join().unwrap()
    });
    let (sender, mut receiver, accepted) = net::connect(client, &offer(), large()).unwrap();
    assert_eq!(accepted.subprotocol(), None);
    let messages = send_in_all_ways(&sender);
    receive_all(&mut receiver, &messages);
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(receiver.recv().unwrap(), None);
    assert_eq!(serving.join().unwrap(), messages);
}

//
#[test]
fn frames_right_behind_the_acceptance_are_not_lost() {
    let (sender, mut receiver) = connect(Config::default(), |mut server| {
        let answer = [acceptance(&mut server), b"\x81\x05early\x81\x04bi".to_vec()].concat();
        server.write_all(&answer).unwrap();
        server.write_all(b"rd").unwrap();
        server.shutdown(Shutdown::Write).unwrap();
    })
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("early")));
    assert_eq!(receiver.recv().unwrap(), Some(Message::Text("bird")));
    assert!(matches!(
        receiver.recv(),
        Err(Error::Disconnected(Disconnected { mid_message: false, .. }))
    ));
    drop(sender);
}

#[test]
fn an_acceptance_may_come_a_byte_at_a_time() {
    let connected = connect(Config::default(), |mut server| {
        server.set_nodelay(true).unwrap();
        for byte in acceptance(&mut server) {
            server.write_all(&[byte]).unwrap();
        }
    });
    connected.unwrap();
}

//
#[test]
fn a_refusal_and_a_wrong_answer_open_nothing() {
    let refused = connect(Config::default(), |mut server| {
        read_head(&mut server);
        server.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    assert!(matches!(refused, Err(Error::Connect(client::Error::Refused { .. }))), "{refused:?}");
    let wrong = connect(Config::default(), |mut server| {
        let mut answer = acceptance(&mut server);
        let key = answer.windows(8).position(|bytes| bytes == b"-Accept:").unwrap() + 9;
        answer[key] = if answer[key] == b'A' { b'B' } else { b'A' };
        server.write_all(&answer).unwrap();
    });
    assert!(matches!(wrong, Err(Error::Connect(_))), "{wrong:?}");
}

// the end in the middle of the answer
#[test]
fn an_end_within_the_answer_is_an_abort() {
    for len in [0, 1, 20, 80] {
        let ended = connect(Config::default(), move |mut server| {
            let answer = acceptance(&mut server);
            server.write_all(&answer[..len]).unwrap();
        });
        match ended {
            Err(Error::Disconnected(aborted)) => {
                assert_eq!(aborted.mid_message, len > 0)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let impatient = || {
        config(|config| {
            let timeout = Duration::from_millis(50);
            config.handshake_timeout(timeout).write_timeout(timeout)
        })
    };
    let silent = connect(impatient(), |mut server| {
        server.write_all(&acceptance(&mut server.try_clone().unwrap())[..30]).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    });
    assert!(matches!(silent, Err(Error::TimedOut(TimedOut::Handshake))), "{silent:?}");
    let stuck = net::connect(Fake::stuck(), &offer(), impatient());
    assert!(matches!(stuck, Err(Error::TimedOut(TimedOut::Handshake))), "{stuck:?}");
}

// IO-02, IO-04, IO-05, IO-07: and when it cannot be written
#[test]
fn the_request_may_be_written_in_pieces() {
    let write = |plan: Vec<Write>| {
        let fake = Fake::new(vec![Read::Fail(ErrorKind::ConnectionReset)], plan);
        match net::connect(fake.clone(), &offer(), Config::default()) {
            Err(Error::Io(error)) => (error.kind(), fake.written()),
            other => panic!("{other:?}"),
        }
    };
    let pieces = vec![
        Write::Take(1),
        Write::Fail(ErrorKind::WouldBlock),
        Write::Take(20),
        Write::Fail(ErrorKind::Interrupted),
    ];
    let (kind, written) = write(pieces);
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert!(written.starts_with(b"GET /chat HTTP/1.1\r\n") && written.ends_with(b"\r\n\r\n"));
    assert_eq!(write(vec![Write::Take(0)]), (ErrorKind::WriteZero, vec![]));
    assert_eq!(write(vec![Write::TooMuch]), (ErrorKind::InvalidData, vec![]));
    let broken = write(vec![Write::Take(3), Write::Fail(ErrorKind::BrokenPipe)]);
    assert_eq!(broken, (ErrorKind::BrokenPipe, b"GET".to_vec()));
}
