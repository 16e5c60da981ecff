//! The client's side as a value: what is to be written, interim answers, the deadline, and the end.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sansocket::handshake::client::Error as E;
use sansocket::handshake::{Acceptor, Connector};
use sansocket::{Buffer, Config, Event, Message, TimedOut, Written};

use crate::{answer, buffer, offer};

const SECOND: Duration = Duration::from_secs(1);

fn connector() -> (Connector, String) {
    let offer = offer("ws://h");
    let image = answer(&offer, &[]);
    (Connector::new(offer, Config::default()), image)
}

//
#[test]
fn a_request_goes_out_and_a_connection_comes_back() {
    let offer = offer("ws://h");
    let mut connector = Connector::new(offer.clone(), Config::default());
    let mut request = vec![];
    while !connector.pending().is_empty() {
        request.push(connector.pending()[0]);
        connector.sent(1);
    }
    assert_eq!(request, offer.to_bytes());
    connector.sent(usize::MAX);

    let mut acceptor = Acceptor::new(Config::default());
    let request = acceptor.next(&mut buffer(&request)).unwrap().unwrap().upgrade().unwrap();
    let mut server = acceptor.accept(request.accept()).unwrap();
    server.send("welcome").unwrap();
    let mut input = buffer(server.pending());
    assert!(connector.next(&mut input).unwrap().is_some());
    assert!(connector.next(&mut input).unwrap().is_none());
    assert_eq!(input.unread(), b"\x81\x07welcome");
    let mut client = connector.connect().unwrap();
    assert_eq!(client.pending(), b"");
    let event = client.next_event(&mut input).unwrap();
    assert!(matches!(event, Some(Event::Message(Message::Text("welcome")))));
}

// RFC 9110 §15.2
#[test]
fn interim_responses_are_skipped() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
    let (mut connector, image) = connector();
    let whole = [interim, &image].concat();
    let (mut input, mut found) = (Buffer::new(), None);
    for byte in whole.bytes() {
        assert!(found.is_none());
        input.extend(&[byte]);
        found = connector.next(&mut input).unwrap();
    }
    assert!(found.is_some());
    assert!(input.is_empty());
}

// but not without end
#[test]
fn interim_responses_are_bounded() {
    for (n, opens) in [(16, true), (17, false)] {
        let (mut connector, image) = connector();
        let whole = ["HTTP/1.1 102 Processing\r\n\r\n".repeat(n), image].concat();
        let mut input = buffer(whole.as_bytes());
        match connector.next(&mut input) {
            Ok(Some(_)) => assert!(opens),
            Err(E::Refused { status: 102, .. }) => assert!(!opens && connector.is_finished()),
            other => panic!("{other:?}"),
        }
    }
}

// what is not open yet, or never will be, is no connection
#[test]
fn only_an_answer_opens_a_connection() {
    let (connector, _) = connector();
    assert!(matches!(connector.connect(), Err(E::Unanswered)));

    let (mut connector, _) = self::connector();
    let mut input = buffer(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone");
    for _ in 0..2 {
        match connector.next(&mut input) {
            Err(E::Refused { status: 404, body, .. }) => assert_eq!(*body, *b"none"),
            other => panic!("{other:?}"),
        }
    }
    assert!(connector.is_finished());
    assert_eq!(connector.pending(), b"");
    assert!(matches!(connector.connect(), Err(E::Refused { status: 404, .. })));
}

// R-069, DI-07: a body without a length is over with the stream, or when the time is
#[test]
fn a_refusal_is_whole_at_the_end_of_the_stream_or_of_the_time() {
    let start = Instant::now();
    for ends in [false, true] {
        let (mut connector, _) = connector();
        assert!(connector.tick(start).is_ok());
        let mut input = buffer(b"HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\n\r\npart");
        assert!(connector.next(&mut input).unwrap().is_none());
        match ends {
            true => connector.eof().unwrap(),
            false => assert_eq!(connector.tick(start + 10 * SECOND), Ok(None)),
        }
        assert!(connector.is_finished());
        let error = connector.next(&mut input).unwrap_err();
        assert_eq!(error.retry_after(), Some(7 * SECOND));
        assert_eq!(E::Upgrade.retry_after(), None, "only a refusal asks");
        match error {
            E::Refused { status: 429, body, .. } => assert_eq!(*body, *b"part"),
            other => panic!("{other:?}"),
        }
    }
}

// R-075, V53: one deadline for all of it, interim answers and each byte included
#[test]
fn the_answer_has_a_deadline() {
    let start = Instant::now();
    let (mut connector, image) = connector();
    let mut input = Buffer::new();
    assert_eq!(connector.tick(start), Ok(Some(start + 10 * SECOND)));
    connector.sent(connector.pending().len());
    for second in 1..10 {
        input.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(connector.next(&mut input).unwrap().is_none());
        assert_eq!(connector.tick(start + second * SECOND), Ok(Some(start + 10 * SECOND)));
    }
    assert_eq!(connector.tick(start + 10 * SECOND), Err(TimedOut::Handshake));
    assert!(connector.is_finished());
    assert_eq!(connector.tick(start + 11 * SECOND), Ok(None));
    input.extend(image.as_bytes());
    assert!(connector.next(&mut input).unwrap().is_none());
    assert!(matches!(connector.connect(), Err(E::Unanswered)));

    let (mut connector, image) = self::connector();
    assert!(connector.tick(start).is_ok());
    assert!(connector.next(&mut buffer(image.as_bytes())).unwrap().is_some());
    assert_eq!(connector.tick(start + 60 * SECOND), Ok(None));
    assert!(connector.connect().is_ok());
}

//
#[test]
fn the_end_of_the_stream_is_no_answer() {
    for (image, mid_message) in [("", false), ("H", true)] {
        let (mut connector, _) = connector();
        assert!(connector.next(&mut buffer(image.as_bytes())).unwrap().is_none());
        assert_eq!(connector.eof().unwrap_err().mid_message, mid_message);
        assert!(connector.is_finished());
    }
    let (mut connector, image) = connector();
    assert!(connector.next(&mut buffer(image.as_bytes())).unwrap().is_some());
    assert_eq!(connector.eof(), Ok(()));
    assert!(connector.connect().is_ok());
}

//
#[test]
fn a_handshake_under_way_is_not_finished() {
    let (mut connector, image) = connector();
    assert!(!connector.is_finished());
    assert!(connector.next(&mut buffer(image.as_bytes())).unwrap().is_some());
    assert!(!connector.is_finished());
}

// R-065, IO-02: it goes on at the byte where it stopped
#[test]
fn a_request_is_written_as_the_socket_takes_it() {
    let offer = offer("ws://h");
    let mut connector = Connector::new(offer.clone(), Config::default());
    let (mut taken, mut ready) = (vec![], true);
    while !connector.pending().is_empty() {
        let written = connector.write_with(|slices| {
            ready = !ready;
            match ready {
                true => Err(ErrorKind::WouldBlock.into()),
                false => {
                    taken.push(slices[0][0]);
                    Ok(1)
                }
            }
        });
        assert_eq!(written.unwrap() == Written::All, connector.pending().is_empty());
    }
    assert_eq!(taken, offer.to_bytes());
    let mut connector = Connector::new(offer, Config::default());
    let error = connector.write_with(|_| Err(ErrorKind::BrokenPipe.into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert_eq!(connector.write_with(|_| Ok(0)).unwrap_err().kind(), ErrorKind::WriteZero);
}

// for those who have read and written elsewhere
#[test]
fn an_answer_opens_a_connection() {
    let offer = offer("ws://h");
    let mut input = buffer(answer(&offer, &[]).as_bytes());
    let mut connector = Connector::new(offer, Config::default());
    let response = connector.next(&mut input).unwrap().unwrap();
    let mut client = response.open(Config::default());
    client.send("hello").unwrap();
    let frame = client.pending();
    assert_eq!((frame.len(), &frame[..2]), (2 + 4 + 5, &b"\x81\x85"[..]), "it is masked");
    input.extend(b"\x81\x07welcome");
    let event = client.next_event(&mut input).unwrap();
    assert!(matches!(event, Some(Event::Message(Message::Text("welcome")))));
}
