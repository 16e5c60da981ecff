//! The client's half of the handshake, and both halves together (RFC 6455 §4.1).

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod answer;
mod connector;
#[cfg(feature = "http")]
mod http;
mod request;
mod together;

use std::mem::discriminant;

use sansocket::handshake::client::{Error, Request, Response};
use sansocket::handshake::{Connector, accept_key};
use sansocket::{Buffer, Config};

pub(crate) fn offer(url: &str) -> Request {
    Request::new(url).unwrap()
}

pub(crate) fn text(offer: &Request) -> String {
    String::from_utf8(offer.to_bytes()).unwrap()
}

/// The value of a header that is there once.
pub(crate) fn value(offer: &Request, name: &str) -> String {
    let text = text(offer);
    let mut values = text.lines().filter_map(|line| line.strip_prefix(&format!("{name}: ")));
    let value = values.next().unwrap();
    assert_eq!(values.next(), None);
    value.to_owned()
}

pub(crate) fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend(bytes);
    buffer
}

/// What the client makes of `image` whole, byte by byte and cut at every position, or nearly every
/// one of a long one; all must agree.
pub(crate) fn verify(
    offer: &Request,
    image: &[u8],
    config: &Config,
) -> (Result<Option<Response>, Error>, Vec<u8>) {
    let run = |pieces: &[&[u8]]| {
        let mut input = Buffer::new();
        let mut verified = Ok(None);
        let mut connector = Connector::new(offer.clone(), config);
        for piece in pieces {
            input.extend(piece);
            if matches!(verified, Ok(None)) {
                verified = connector.next(&mut input);
            }
        }
        if matches!(verified, Ok(None)) && connector.eof().is_ok() {
            verified = connector.next(&mut input); // a refusal without a length
        }
        (verified, input.unread().to_vec())
    };
    let whole = run(&[image]);
    let shown = |run: &(Result<Option<Response>, Error>, Vec<u8>)| match &run.0 {
        // After an error the buffer is of no use, but for the body of a refusal.
        Ok(_) | Err(Error::Refused { .. }) => format!("{run:?}"),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(shown(&run(&image.chunks(1).collect::<Vec<_>>())), shown(&whole));
    for cut in (0..image.len()).step_by(image.len().div_ceil(1024).max(1)) {
        assert_eq!(shown(&run(&[&image[..cut], &image[cut..]])), shown(&whole), "cut at {cut}");
    }
    whole
}

/// A correct answer to the offer, these lines in place of those with the same names.
pub(crate) fn answer(offer: &Request, lines: &[&str]) -> String {
    let accept =
        format!("Sec-WebSocket-Accept: {}", accept_key(&value(offer, "Sec-WebSocket-Key")));
    let name = |line: &str| line.split(':').next().unwrap().to_ascii_lowercase();
    let required = ["Upgrade: websocket", "Connection: Upgrade", &accept];
    let kept = required.iter().filter(|line| !lines.iter().any(|other| name(other) == name(line)));
    let lines: Vec<_> = kept.chain(lines).copied().filter(|line| line.contains(':')).collect();
    format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n\r\n", lines.join("\r\n"))
}

#[track_caller]
pub(crate) fn assert_fails(offer: &Request, image: &str, why: &Error) {
    let image: Vec<_> = image.chars().map(|char| u8::try_from(char).unwrap()).collect();
    let (verified, _) = verify(offer, &image, &Config::default());
    let error = verified.map(|_| ()).unwrap_err();
    assert_eq!(discriminant(&error), discriminant(why), "{}: {error:?}", image.escape_ascii());
}
