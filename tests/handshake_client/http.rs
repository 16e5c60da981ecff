//! The client's half in values of the crate `http`.

use http::{Response, StatusCode, Version};
use sansocket::Config;
use sansocket::handshake::client::{BuildError, Error};
use sansocket::handshake::{Request, accept_key};

use crate::{offer, text};

#[test]
fn a_request_of_the_crate_http_has_the_same_headers() {
    let offer = offer("ws://example.com:81/chat?room=1");
    let offer = offer.subprotocol("chat").unwrap().header("Cookie", "a=1").unwrap();
    let request = offer.to_http().unwrap();
    assert_eq!((request.method().as_str(), request.version()), ("GET", Version::HTTP_11));
    assert_eq!(request.uri(), "http://example.com:81/chat?room=1");
    let mut head = "GET /chat?room=1 HTTP/1.1\r\n".to_owned();
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    assert_eq!(head.to_lowercase() + "\r\n", text(&offer).to_lowercase());
}

#[test]
fn secure_requests_are_https() {
    assert_eq!(offer("wss://[::1]").to_http().unwrap().uri(), "https://[::1]/");
    assert!(matches!(offer("ws://a/<>^").to_http(), Err(BuildError::Url)));
    let endless = offer("ws://a").header(&"x".repeat(70_000), "").unwrap();
    assert!(matches!(endless.to_http(), Err(BuildError::Header)), "no name is that long there");
}

#[test]
fn an_answer_of_the_crate_http_is_verified() {
    let offer = offer("ws://example.com/chat").subprotocol("chat").unwrap();
    let request = offer.to_http().unwrap();
    let accepted = Request::from_http(&request, Config::default()).unwrap().upgrade().unwrap();
    let accepted = accepted.accept().subprotocol("chat").unwrap();
    let answer = accepted.into_http::<Vec<u8>>();
    assert_eq!(offer.verify_http(&answer).unwrap().subprotocol(), Some("chat"));

    let change = |change: fn(&mut Response<Vec<u8>>)| {
        let mut answer = answer.clone();
        change(&mut answer);
        offer.verify_http(&answer).unwrap_err()
    };
    let error = change(|answer| _ = answer.headers_mut().remove("upgrade"));
    assert!(matches!(error, Error::Upgrade));
    let error = change(|answer| _ = answer.headers_mut().remove("connection"));
    assert!(matches!(error, Error::Connection));
    let error = change(|answer| {
        let other = accept_key("AQIDBAUGBwgJCgsMDQ4PEA==").parse().unwrap();
        answer.headers_mut().insert("sec-websocket-accept", other);
    });
    assert!(matches!(error, Error::AcceptKey));
    let error = change(|answer| *answer.status_mut() = StatusCode::FORBIDDEN);
    assert!(matches!(error, Error::Refused { status: 403, .. }));
    let error = change(|answer| *answer.version_mut() = Version::HTTP_2);
    assert!(matches!(error, Error::Malformed));
}
