//! Both ends over sockets, on threads: what was agreed on gets there without a line about it.

use std::net::{TcpListener, TcpStream};
use std::thread;

use sansocket::handshake::{Acceptor, Incoming, client};
use sansocket::net::{self, Receiver, Sender};
use sansocket::{Buffer, Compression, Config, OwnedMessage, Prepared};

use crate::common::rng::Rng;
use crate::peer::{configured, json};

type Halves = (Sender<TcpStream>, Receiver<TcpStream>);

fn opened(server: &Config, client: &Config) -> (Halves, Halves) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = server.clone();
    let accepted =
        thread::spawn(move || net::accept(listener.accept().unwrap().0, server).unwrap());
    let request = client::Request::new(&format!("ws://{address}/")).unwrap();
    let (sender, receiver, response) =
        net::connect(TcpStream::connect(address).unwrap(), &request, client).unwrap();
    let answer = response.header("Sec-WebSocket-Extensions");
    assert_eq!(answer, Some(&b"permessage-deflate; client_no_context_takeover"[..]));
    (accepted.join().unwrap(), (sender, receiver))
}

// D-09: all ways to send, from several threads, whose messages the other end reads in one order
#[test]
fn messages_of_all_ways_to_send_arrive_in_one_piece() {
    let compression = Compression::new();
    let config = configured(compression.clone());
    let ((server, mut server_in), (client, mut client_in)) = opened(&config, &config);
    let echo = thread::spawn(move || {
        while let Some(message) = server_in.recv().unwrap() {
            server.send(message).unwrap();
        }
    });
    let threads = 4;
    let each = 150;
    let senders: Vec<_> = (0..threads)
        .map(|thread| {
            let (client, compression) = (client.clone(), compression.clone());
            thread::spawn(move || {
                let mut rng = Rng::new(thread);
                for i in 0..each {
                    let text = format!("{thread} {i} {}", json(&mut rng, 100 + 20 * i));
                    match rng.below(7) {
                        0 => client.feed(&text).unwrap(),
                        1 => client.feed_plain(&text).unwrap(),
                        2 => client.send_plain(&text).unwrap(),
                        3 => client
                            .send_prepared(&Prepared::compressed(&text, &compression))
                            .unwrap(),
                        4 => client
                            .feed_prepared(&Prepared::compressed(&text, &compression))
                            .unwrap(),
                        5 => loop {
                            match client.try_send(&text) {
                                Ok(()) => break,
                                Err(sansocket::SendError::QueueFull) => thread::yield_now(),
                                Err(error) => panic!("{error}"),
                            }
                        },
                        _ => client.send(&text).unwrap(),
                    }
                }
                client.flush().unwrap();
            })
        })
        .collect();
    let mut next = vec![0; threads as usize];
    for _ in 0..threads as usize * each {
        let message = client_in.recv().unwrap().unwrap().into_owned();
        let OwnedMessage::Text(text) = message else { panic!("no text") };
        let mut words = text.split(' ');
        let thread: usize = words.next().unwrap().parse().unwrap();
        let i: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(i, next[thread], "in the order of its thread");
        next[thread] += 1;
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    client.close(sansocket::CloseCode::NORMAL, "").unwrap();
    client_in.drain().unwrap();
    echo.join().unwrap();
}

// A message that is tried refers to those before it, too.
#[test]
fn messages_that_are_tried_share_the_history() {
    let config = configured(Compression::new());
    let ((server, _server_in), (_client, mut client_in)) = opened(&config, &config);
    let text = json(&mut Rng::new(1), 1000);
    for _ in 0..50 {
        server.try_send(&text).unwrap();
        assert_eq!(client_in.recv().unwrap().unwrap().as_text(), Some(&*text));
    }
    assert_eq!(server.queued(), 0);
}

// D-09: and none of it is in the history
#[test]
fn a_message_that_is_tried_and_does_not_fit_is_refused_whole() {
    let builder = Config::builder().compression(Compression::new()).max_queue(64 * 1024);
    let config = builder.build().unwrap();
    let ((server, _server_in), (_client, mut client_in)) = opened(&config, &config);
    let (mut rng, mut sent) = (Rng::new(2), vec![]);
    let refused = loop {
        let text = json(&mut rng, 3000);
        match server.try_send(&text) {
            Ok(()) => sent.push(text),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, sansocket::SendError::QueueFull);
    for text in &sent {
        assert_eq!(client_in.recv().unwrap().unwrap().as_text(), Some(&**text));
    }
    server.send(&sent[0]).unwrap();
    assert_eq!(client_in.recv().unwrap().unwrap().as_text(), Some(&*sent[0]));
}

// An HTTP server of somebody else's: the connection is opened from the response
#[test]
fn a_connection_that_was_opened_elsewhere_knows_the_agreement() {
    use std::io::Write;

    let config = configured(Compression::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = {
        let config = config.clone();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut acceptor = Acceptor::new(&config);
            let mut input = Buffer::new();
            let request = loop {
                input.read_from(&mut stream).unwrap();
                if let Some(Incoming::Upgrade(request)) = acceptor.next(&mut input).unwrap() {
                    break request;
                }
            };
            let response = request.accept();
            stream.write_all(&response.to_bytes()).unwrap();
            let connection = response.open(&config).unwrap();
            let (sender, mut receiver) =
                net::open_connection(stream, connection, input, &config).unwrap();
            while let Some(message) = receiver.recv().unwrap() {
                sender.send(message).unwrap();
            }
        })
    };
    let request = client::Request::new(&format!("ws://{address}/")).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let (sender, mut receiver, _) = net::connect(stream, &request, &config).unwrap();
    let text = "Hello, ".repeat(100);
    for _ in 0..10 {
        sender.send(&text).unwrap();
        assert_eq!(receiver.recv().unwrap().unwrap().as_text(), Some(&*text));
    }
    sender.close(sansocket::CloseCode::NORMAL, "").unwrap();
    receiver.drain().unwrap();
    server.join().unwrap();
}
