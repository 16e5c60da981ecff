//! Extended CONNECT: a WebSocket in HTTP/2 (RFC 8441), as another HTTP server has parsed it.

use sansocket::handshake::{Acceptor, HandshakeError as E, Request, Response, ResponseError};
use sansocket::{Config, Origins};

use crate::heads::with;
use crate::replay::buffer;

type Headers<'h> = Vec<(&'h str, &'h [u8])>;

const VERSION: (&str, &[u8]) = ("sec-websocket-version", b"13");

fn connect(headers: Headers<'_>) -> Result<Request, E> {
    Request::extended_connect("websocket", "/chat", "example.com", headers, Config::default())
}

/// The refusal of a request with these headers beside the version.
fn refusal(headers: &[(&str, &[u8])]) -> String {
    let headers = [&[VERSION], headers].concat();
    format!("{:?}", connect(headers).unwrap_err())
}

// E-05: CONNECT is what it is called for
#[test]
fn the_protocol_is_websocket() {
    let with = |protocol| {
        Request::extended_connect(protocol, "/", "example.com", [VERSION], Config::default())
    };
    for protocol in ["websocket", "WebSocket"] {
        assert!(with(protocol).unwrap().is_extended_connect());
    }
    for protocol in ["", "connect-udp", "websocket, websocket", "websocket/13", " websocket"] {
        let error = with(protocol).unwrap_err();
        assert!(matches!(error, E::UnsupportedProtocol), "{protocol:?}");
        assert_eq!(error.status(), 501);
    }
}

// E-06
#[test]
fn there_is_a_path() {
    let with = |path| {
        Request::extended_connect("websocket", path, "example.com", [VERSION], Config::default())
    };
    for path in ["", "*", "chat", "http://example.com/", "example.com:443", "/#", "/a b", "/\u{e9}"]
    {
        let error = with(path).unwrap_err();
        assert!(matches!(error, E::Target), "{path:?}");
        assert_eq!(error.status(), 400);
    }
    let request = with("/chat?room=1").unwrap();
    assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
    assert_eq!((request.method(), request.version()), ("CONNECT", (2, 0)));
}

// E-07
#[test]
fn the_authority_is_the_host() {
    let with = |authority, headers: Headers<'static>| {
        Request::extended_connect("websocket", "/", authority, headers, Config::default())
    };
    let request = with("example.com:8443", vec![VERSION]).unwrap();
    assert_eq!(request.host(), Some("example.com:8443"));
    assert!(with("Example.com", vec![VERSION, ("host", b"example.COM")]).is_ok());
    for authority in ["", "user@example.com", "a,b", "example.com:x", "/", "example.com/"] {
        assert!(matches!(with(authority, vec![VERSION]).unwrap_err(), E::Host), "{authority:?}");
    }
    for host in ["", "example.org", "example.com:443"] {
        let headers = vec![VERSION, ("host", host.as_bytes())];
        assert!(matches!(with("example.com", headers).unwrap_err(), E::Host), "{host:?}");
    }
}

// E-09
#[test]
fn headers_of_the_upgrade_are_refused() {
    for (name, value) in
        [("connection", &b"Upgrade"[..]), ("connection", b""), ("upgrade", b"websocket")]
    {
        assert_eq!(refusal(&[(name, value)]), "UpgradeHeaders", "{name}");
    }
}

// E-10, E-12
#[test]
fn the_acceptance_is_a_200_without_a_key() {
    // Proxies between the two versions leave one in, which nobody looks at.
    for key in [None, Some(("sec-websocket-key", &b"dGhlIHNhbXBsZSBub25jZQ=="[..]))] {
        let request = connect([VERSION].into_iter().chain(key).collect()).unwrap();
        let response = request.accept();
        assert_eq!((response.status(), response.is_acceptance()), (200, true));
        assert_eq!(response.headers().count(), 0);
        assert_eq!(response.body_bytes(), b"");
    }
    let response = connect(vec![VERSION]).unwrap().accept();
    let response = response.header("Set-Cookie", "seen=1").unwrap();
    assert!(response.headers().eq([("Set-Cookie", "seen=1")]));
    assert_eq!(response.body("text/plain", "").unwrap_err(), ResponseError::NoBody);
}

// E-11
#[test]
fn the_version_is_13() {
    let with = |values: &[&'static str]| {
        connect(values.iter().map(|value| (VERSION.0, value.as_bytes())).collect()).unwrap_err()
    };
    for values in [&["12"][..], &["14"], &["013"], &["x"]] {
        assert!(matches!(with(values), E::UnsupportedConnectVersion), "{values:?}");
    }
    for values in [&[][..], &["13, 13"], &["13", "13"], &["13", "12"]] {
        assert!(matches!(with(values), E::MissingVersion), "{values:?}");
    }
}

// E-11
#[test]
fn subprotocols_and_extensions_are_those_of_http_1_1() {
    let headers = vec![
        VERSION,
        ("sec-websocket-protocol", &b"chat"[..]),
        ("sec-websocket-protocol", b"superchat"),
        ("sec-websocket-extensions", b"permessage-deflate; client_max_window_bits"),
    ];
    let request = connect(headers).unwrap();
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    let response = request.accept().subprotocol("superchat").unwrap();
    assert!(response.headers().eq([("Sec-WebSocket-Protocol", "superchat")]));
    assert_eq!(request.accept().subprotocol("Chat").unwrap_err(), ResponseError::NotOffered);

    assert_eq!(refusal(&[("sec-websocket-protocol", b"chat, chat")]), "Subprotocols");
    assert_eq!(refusal(&[("sec-websocket-extensions", b"a;;")]), "Extensions");
    assert_eq!(refusal(&[("content-length", b"5")]), "Body");
}

// E-11: held against :authority
#[test]
fn the_origin_is_checked() {
    assert!(connect(vec![VERSION, ("origin", b"https://example.com")]).is_ok());
    let error = connect(vec![VERSION, ("origin", b"https://evil.example")]).unwrap_err();
    assert_eq!(error.status(), 403);
    assert!(error.to_string().contains("to host \"example.com\""), "{error}");
    let two = [("origin", &b"https://example.com"[..]), ("origin", b"https://example.com")];
    assert_eq!(refusal(&two), "RepeatedOrigin");

    let listed =
        Config::builder().origins(Origins::list(["https://evil.example"])).build().unwrap();
    let headers = [VERSION, ("origin", b"https://evil.example")];
    assert!(Request::extended_connect("websocket", "/", "example.com", headers, listed).is_ok());
}

// E-18: there is no 426 in HTTP/2
#[test]
fn refusals_are_ordinary_statuses() {
    let request = connect(vec![VERSION]).unwrap();
    assert_eq!(request.reject(404).unwrap().status(), 404);
    for (error, status) in [
        (E::UnsupportedConnectVersion, 400),
        (E::NoExtendedConnect, 400),
        (E::UpgradeHeaders, 400),
        (E::UnsupportedProtocol, 501),
    ] {
        let response = error.response();
        assert_eq!((error.status(), response.status()), (status, status));
        assert!(!response.is_acceptance());
        assert_eq!(response.body_bytes(), format!("{error}\n").as_bytes());
        let version = response.headers().any(|header| header == ("Sec-WebSocket-Version", "13"));
        assert_eq!(version, matches!(error, E::UnsupportedConnectVersion));
    }
}

// E-12: nor does HTTP/1.1 know a 200 that opens anything
#[test]
fn http_1_1_takes_no_acceptance_of_an_extended_connect() {
    let response = connect(vec![VERSION]).unwrap().accept();
    let mut acceptor = Acceptor::new(Config::default());
    assert!(acceptor.next(&mut buffer(&with(&[]))).unwrap().is_some());
    assert_eq!(acceptor.accept(response.clone()).unwrap_err(), ResponseError::WrongKind);
    assert_eq!(acceptor.respond(response).unwrap_err(), ResponseError::WrongKind);
    acceptor.respond(Response::new(200).unwrap()).unwrap();
}
