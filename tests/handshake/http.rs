//! Requests and responses of the crate `http`.

use http::{HeaderMap, Version};
use sansocket::Config;
use sansocket::handshake::{HandshakeError as E, Incoming, Request, Response, ResponseError};

use crate::heads::{ACCEPT, KEY};

fn request(method: &str, uri: &str) -> http::request::Builder {
    http::Request::builder().method(method).uri(uri)
}

fn upgrade(uri: &str) -> http::request::Builder {
    request("GET", uri)
        .header("Host", "example.com")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
}

fn check(request: http::request::Builder) -> Result<Incoming, E> {
    Request::from_http(&request.body(()).unwrap(), Config::default())
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    headers.keys().map(|name| name.as_str()).collect()
}

// As if its bytes had been read.
#[test]
fn a_request_of_the_crate_http_is_checked() {
    let offered = upgrade("/chat?room=1").header("Sec-WebSocket-Protocol", "chat");
    let request = check(offered).unwrap().upgrade().unwrap();
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!(request.host(), Some("example.com"));
    assert!(request.subprotocols().eq(["chat"]));

    let absolute = check(upgrade("http://example.org:81/chat")).unwrap().upgrade().unwrap();
    assert_eq!((absolute.path(), absolute.host()), ("/chat", Some("example.org:81")));

    let foreign = check(upgrade("/").header("Origin", "http://evil.example")).unwrap_err();
    assert_eq!(foreign.into_http::<Vec<u8>>().status(), 403);
    for version in [Version::HTTP_09, Version::HTTP_10] {
        assert!(matches!(check(upgrade("/").version(version)), Err(E::HttpVersion)), "{version:?}");
    }
    assert!(matches!(check(upgrade("/").method("POST")), Err(E::Method)));
}

#[test]
fn a_plain_request_of_the_crate_http_is_no_error() {
    let Incoming::Http(head) = check(request("GET", "/page").header("Host", "h")).unwrap() else {
        panic!("it asks for no upgrade");
    };
    assert_eq!((head.method(), head.path(), head.version()), ("GET", "/page", (1, 1)));
}

// E-18: plain HTTP/3, too
#[test]
fn plain_http_2_is_refused_with_400() {
    for (version, numbers) in [(Version::HTTP_2, (2, 0)), (Version::HTTP_3, (3, 0))] {
        for (uri, host) in [("https://example.com/page", None), ("/page", Some("example.com"))] {
            let mut request = request("GET", uri).version(version);
            if let Some(host) = host {
                request = request.header("Host", host);
            }
            let incoming = check(request).unwrap();
            let Incoming::Http(head) = &incoming else { panic!("HTTP/2 knows no upgrade") };
            assert_eq!(
                (head.path(), head.host(), head.version()),
                ("/page", Some("example.com"), numbers)
            );
            let error = incoming.upgrade().unwrap_err();
            assert!(matches!(error, E::NoExtendedConnect));
            assert_eq!(http::Response::<Vec<u8>>::from(error).status(), 400);
        }
    }
}

#[test]
fn an_acceptance_keeps_its_upgrade() {
    let offered = upgrade("/").header("Sec-WebSocket-Protocol", "chat");
    let request = check(offered).unwrap().upgrade().unwrap();
    let response = request.accept().subprotocol("chat").unwrap();
    let response =
        response.header("Set-Cookie", "a=1").unwrap().header("Set-Cookie", "b=2").unwrap();
    let response = response.into_http::<Vec<u8>>();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (101, &b""[..]));
    let headers = response.headers();
    assert_eq!(headers["connection"], "Upgrade");
    assert_eq!(headers["upgrade"], "websocket");
    assert_eq!(headers["sec-websocket-accept"], ACCEPT);
    assert_eq!(headers["sec-websocket-protocol"], "chat");
    assert!(headers.get_all("set-cookie").iter().eq(["a=1", "b=2"]));
}

#[test]
fn whether_the_connection_goes_on_is_left_to_the_server() {
    let response = Response::new(404).unwrap().body("text/plain", "no").unwrap();
    let response = response.into_http::<Vec<u8>>();
    assert_eq!(names(response.headers()), ["content-type"]);
    assert_eq!(response.body(), b"no");

    // RFC 9110 §15.5.22: a 426 says to what.
    let response = http::Response::<Vec<u8>>::from(E::Upgrade);
    assert_eq!(response.headers()["connection"], "Upgrade");
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(response.headers()["sec-websocket-version"], "13");

    let response = http::Response::<Vec<u8>>::from(ResponseError::WrongKind);
    assert_eq!(response.status(), 500);
}

// What a page is answered with goes out under any server.
#[test]
fn a_response_becomes_one_of_the_crate_http() {
    let page = Response::new(404).unwrap().header("X-Why", "that").unwrap();
    let page: http::Response<Vec<u8>> = page.body("text/plain", "nothing here").unwrap().into();
    assert_eq!((page.status().as_u16(), &page.headers()["x-why"]), (404, &"that".parse().unwrap()));
    assert_eq!(page.body(), b"nothing here");
}
