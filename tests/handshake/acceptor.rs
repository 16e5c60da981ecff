//! The server's side as a value: one request, one response, the deadlines, and the end.

use std::time::{Duration, Instant};

use sansocket::handshake::{Acceptor, HandshakeError as E, Incoming, Request, Response};
use sansocket::handshake::{ResponseError, accept_key};
use sansocket::{Buffer, Config, Event, TimedOut};

use crate::common::session::config;
use crate::common::wire::{self, PING, TEXT};
use crate::heads::{KEY, head, with};
use crate::replay::buffer;

const SECOND: Duration = Duration::from_secs(1);

fn acceptor() -> Acceptor {
    Acceptor::new(Config::default())
}

/// An acceptor that has taken a request.
fn asked() -> (Acceptor, Request) {
    let mut acceptor = acceptor();
    let request = acceptor.next(&mut buffer(&with(&[]))).unwrap().unwrap().upgrade().unwrap();
    (acceptor, request)
}

/// An acceptor that has taken plain HTTP.
fn asked_plainly() -> Acceptor {
    let mut acceptor = acceptor();
    let image = head("GET / HTTP/1.1", ["Host: h"]);
    assert!(matches!(acceptor.next(&mut buffer(&image)), Ok(Some(Incoming::Http(_)))));
    acceptor
}

fn not_found() -> Response {
    Response::new(404).unwrap()
}

// the response is the first that the connection writes
#[test]
fn the_acceptance_goes_out_in_front_of_the_frames() {
    for step in [1, 7, usize::MAX] {
        let (mut acceptor, request) = asked();
        let response = request.accept();
        let mut connection = acceptor.accept(response.clone()).unwrap();
        connection.send("welcome").unwrap();
        let mut output = vec![];
        while !connection.pending().is_empty() {
            let n = step.min(connection.pending().len());
            output.extend_from_slice(&connection.pending()[..n]);
            connection.sent(n);
        }
        assert_eq!(output, [&response.to_bytes()[..], b"\x81\x07welcome"].concat());
    }
}

// a pong overtakes messages, but never the response, of which a part is written
#[test]
fn a_pong_does_not_overtake_the_acceptance() {
    for written in 0..=130 {
        let (mut acceptor, request) = asked();
        let response = request.accept().to_bytes();
        let mut connection = acceptor.accept(request.accept()).unwrap();
        connection.send(&[7; 2000]).unwrap();
        let mut output = connection.pending()[..written.min(response.len())].to_vec();
        connection.sent(output.len());
        let mut input = buffer(&wire::client(PING, b"?"));
        assert!(matches!(connection.next_event(&mut input), Ok(Some(Event::Ping(b"?")))));
        while !connection.pending().is_empty() {
            output.extend_from_slice(connection.pending());
            connection.sent(connection.pending().len());
        }
        assert!(output.starts_with(&response), "{written} bytes were written");
        let frames = [&b"\x82\x7e\x07\xd0"[..], &[7; 2000]].concat();
        let first = [&response, &b"\x8a\x01?"[..], &frames].concat();
        let second = [&response, &frames[..], b"\x8a\x01?"].concat();
        assert!(output == first || output == second, "{written} bytes were written");
    }
}

// the buffer goes on with the connection
#[test]
fn a_request_is_taken_once() {
    let mut input = buffer(&[with(&[]), wire::client(TEXT, b"early")].concat());
    let mut acceptor = acceptor();
    let request = acceptor.next(&mut input).unwrap().unwrap().upgrade().unwrap();
    assert!(acceptor.next(&mut input).unwrap().is_none());
    assert_eq!(input.unread(), wire::client(TEXT, b"early"));
    let mut connection = acceptor.accept(request.accept()).unwrap();
    assert!(matches!(connection.next_event(&mut input), Ok(Some(Event::Message(_)))));
}

// R-030, V71: and the answer is queued already
#[test]
fn a_refused_acceptor_discards_and_repeats() {
    let mut acceptor = acceptor();
    let mut input = buffer(&with(&["Host: ["]));
    for _ in 0..3 {
        assert!(matches!(acceptor.next(&mut input), Err(E::Host)));
        assert!(input.is_empty());
        assert_eq!(acceptor.pending(), E::Host.response().to_bytes());
        input.extend(&with(&[]));
    }
    assert_eq!(acceptor.respond(not_found()), Err(ResponseError::Answered));
    assert_eq!(acceptor.pending(), E::Host.response().to_bytes());
    acceptor.sent(usize::MAX);
    assert!(acceptor.wants_shutdown() && !acceptor.is_finished());
    acceptor.shut_down();
    assert!(!acceptor.wants_shutdown() && !acceptor.is_finished());
    assert!(matches!(acceptor.next(&mut input), Err(E::Host)));
    assert!(input.is_empty());
    assert_eq!(acceptor.eof(), Ok(()));
    assert!(acceptor.is_finished());
}

//
#[test]
fn a_response_is_of_the_kind_that_was_asked_for() {
    let (mut acceptor, request) = asked();
    let refusal = request.reject(404).unwrap();
    let (mut accepted, _) = asked();
    accepted.accept(request.accept()).unwrap();
    assert!(accepted.is_finished() && accepted.pending().is_empty());
    assert_eq!(accepted.respond(refusal.clone()), Err(ResponseError::Answered));
    assert_eq!(accepted.accept(request.accept()).unwrap_err(), ResponseError::Answered);
    assert_eq!(acceptor.accept(refusal.clone()).unwrap_err(), ResponseError::WrongKind);
    assert_eq!(acceptor.respond(request.accept()), Err(ResponseError::WrongKind));
    assert_eq!(acceptor.pending(), b"");
    assert!(acceptor.reject().is_none());
    assert_eq!(acceptor.respond(refusal.clone()), Ok(()));
    assert_eq!(acceptor.pending(), refusal.to_bytes());
    assert_eq!(acceptor.accept(request.accept()).unwrap_err(), ResponseError::Answered);
    // Nobody has asked for a WebSocket.
    for mut nobody in [self::acceptor(), asked_plainly()] {
        assert_eq!(nobody.accept(request.accept()).unwrap_err(), ResponseError::WrongKind);
    }
}

// R-009, HS-14: a full server need not wait for the request
#[test]
fn a_response_may_come_before_the_request() {
    let mut acceptor = acceptor();
    let full = Response::new(503).unwrap();
    acceptor.respond(full.clone()).unwrap();
    let mut input = buffer(&with(&[]));
    assert!(acceptor.next(&mut input).unwrap().is_none());
    assert!(input.is_empty());
    assert_eq!(acceptor.pending(), full.to_bytes());
    assert!(acceptor.reject().is_none());
}

// R-009, HS-14: what follows plain HTTP is discarded once it is answered
#[test]
fn plain_http_is_answered_and_lingers() {
    let mut acceptor = asked_plainly();
    acceptor.respond(not_found()).unwrap();
    let mut body = buffer(b"a body");
    assert!(acceptor.next(&mut body).unwrap().is_none());
    assert!(body.is_empty());
    acceptor.sent(acceptor.pending().len());
    assert!(acceptor.wants_shutdown());
    assert_eq!(acceptor.respond(not_found()), Err(ResponseError::Answered));
}

// V53, HS-41: from the first tick, however the bytes dribble in
#[test]
fn a_late_request_is_answered_408() {
    let start = Instant::now();
    let (mut acceptor, mut input) = (acceptor(), Buffer::new());
    for (second, byte) in (0..10).zip(with(&[])) {
        assert_eq!(acceptor.tick(start + second * SECOND), Ok(Some(start + 10 * SECOND)));
        input.extend(&[byte]);
        assert!(acceptor.next(&mut input).unwrap().is_none());
    }
    assert_eq!(acceptor.tick(start + 10 * SECOND), Err(TimedOut::Handshake));
    let answer = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(acceptor.pending(), answer);
    assert!(!acceptor.is_finished());
    // Once, and then the deadlines of the answer.
    assert_eq!(acceptor.tick(start + 10 * SECOND), Ok(Some(start + 40 * SECOND)));
    input.extend(&with(&[]));
    assert!(acceptor.next(&mut input).unwrap().is_none());
    assert!(input.is_empty());
    acceptor.sent(answer.len());
    assert!(acceptor.wants_shutdown());
    assert_eq!(acceptor.tick(start + 11 * SECOND), Ok(Some(start + 13 * SECOND)));
    assert_eq!(acceptor.tick(start + 13 * SECOND), Ok(None));
    assert!(acceptor.is_finished());
}

// V53: a connection that was opened in advance and not used
#[test]
fn silence_is_not_answered() {
    let start = Instant::now();
    let mut acceptor = acceptor();
    assert!(acceptor.next(&mut Buffer::new()).unwrap().is_none());
    assert!(acceptor.tick(start).is_ok());
    assert_eq!(acceptor.tick(start + 10 * SECOND), Err(TimedOut::Handshake));
    assert_eq!(acceptor.pending(), b"");
    assert!(acceptor.is_finished() && !acceptor.wants_shutdown());
    assert_eq!(acceptor.tick(start + 11 * SECOND), Ok(None));
}

#[test]
fn a_decision_has_no_deadline() {
    let start = Instant::now();
    let (mut acceptor, request) = asked();
    for hour in 0..3 {
        assert_eq!(acceptor.tick(start + hour * 3600 * SECOND), Ok(None));
    }
    assert!(acceptor.accept(request.accept()).is_ok());
}

// A peer that takes a byte now and then is slow; one that takes nothing is gone.
#[test]
fn a_response_that_nobody_takes_has_a_deadline() {
    let start = Instant::now();
    let mut acceptor = Acceptor::new(config(|config| config.write_timeout(5 * SECOND)));
    assert!(acceptor.next(&mut buffer(b"\0")).is_err());
    for turn in 0..10 {
        let now = start + turn * 4 * SECOND;
        assert_eq!(acceptor.tick(now), Ok(Some(now + 5 * SECOND)));
        acceptor.sent(1);
    }
    let last = start + 36 * SECOND;
    assert_eq!(acceptor.tick(last), Ok(Some(last + 5 * SECOND)));
    acceptor.sent(0);
    assert_eq!(acceptor.tick(last + 5 * SECOND), Err(TimedOut::Write));
    assert!(acceptor.is_finished());
    assert_eq!(acceptor.pending(), b"");
    assert_eq!(acceptor.tick(last + 6 * SECOND), Ok(None));
}

// HS-39, HS-41, V69
#[test]
fn the_end_of_the_stream_before_a_request_is_an_error() {
    for (image, mid_message) in [(&b""[..], false), (b"G", true)] {
        let mut acceptor = acceptor();
        assert!(acceptor.next(&mut buffer(image)).unwrap().is_none());
        assert_eq!(acceptor.eof().unwrap_err().mid_message, mid_message);
        assert!(acceptor.is_finished());
    }
}

// HS-39: a client may end its side behind its request, and wait for the answer
#[test]
fn a_response_is_written_after_the_end_of_the_stream() {
    let mut acceptor = asked_plainly();
    assert_eq!(acceptor.eof(), Ok(()));
    acceptor.respond(not_found()).unwrap();
    assert_eq!(acceptor.eof(), Ok(()));
    assert!(!acceptor.is_finished());
    assert_eq!(acceptor.pending(), not_found().to_bytes());
    acceptor.sent(acceptor.pending().len());
    assert!(acceptor.is_finished() && !acceptor.wants_shutdown());
}

// HS-32: an `https` client on this port
#[test]
fn a_tls_client_is_told_apart() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_eq!(crate::replay::refused(hello, &Config::default(), &E::Tls), 2);
    for other in [&b"\x16\x02"[..], b"\r\n\x16\x03", b"\x15\x03\x03"] {
        crate::replay::refused(other, &Config::default(), &E::Malformed);
    }
    crate::replay::incomplete(b"\x16", &Config::default());
}

//
#[test]
fn the_accept_key_is_that_of_the_request() {
    let (_, request) = asked();
    let response = request.accept();
    let accept = response.headers().find(|(name, _)| *name == "Sec-WebSocket-Accept");
    assert_eq!(accept, Some(("Sec-WebSocket-Accept", &*accept_key(KEY))));
}
