//! A client's offers, and the answers that it takes.

use sansocket::handshake::{Connector, accept_key, client};
use sansocket::{Buffer, Compression, Connection};

use crate::common::rng::Rng;
use crate::common::session::Session;
use crate::peer::{configured, json};

fn answered(compression: Compression, answer: &[&str]) -> Result<Connection, client::Error> {
    let request = client::Request::new("ws://example.com/").unwrap();
    let mut connector = Connector::new(request, configured(compression));
    let sent = String::from_utf8(connector.pending().to_vec()).unwrap();
    let key = sent.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let mut lines = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: {}\r\n",
        accept_key(key)
    );
    for line in answer {
        lines += &format!("Sec-WebSocket-Extensions: {line}\r\n");
    }
    connector.sent(connector.pending().len());
    let mut input = Buffer::new();
    input.extend((lines + "\r\n").as_bytes());
    connector.next(&mut input)?;
    connector.connect()
}

fn offer(compression: Compression) -> String {
    let request = client::Request::new("ws://example.com/").unwrap();
    let request = request.compression(&compression).unwrap();
    let text = String::from_utf8(request.to_bytes()).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    lines.collect::<Vec<_>>().join("|")
}

// D-01, D-21
#[test]
fn a_client_offers_all_that_it_can_do() {
    let new = Compression::new;
    let plain = "permessage-deflate; client_max_window_bits";
    assert_eq!(offer(new()), plain);
    assert_eq!(offer(new().remember_received(32_768)), plain);
    assert_eq!(
        offer(new().remember_received(0)),
        "permessage-deflate; server_no_context_takeover; client_max_window_bits"
    );
    assert_eq!(
        offer(new().remember_received(1024)),
        format!("permessage-deflate; server_max_window_bits=10; client_max_window_bits, {plain}")
    );
    let request = client::Request::new("ws://example.com/").unwrap();
    assert!(request.compression(&new().level(0)).is_err());
}

// D-06, D-08, D-10, D-16, D-21, D-22, D-31
#[test]
fn a_client_takes_answers_that_fit_its_offer_and_no_others() {
    let new = Compression::new;
    let small = || new().remember_received(1024);
    let none = || new().remember_received(0);
    let taken = [
        (new(), ""),
        (new(), "; server_no_context_takeover"),
        (new(), "; client_no_context_takeover"),
        (new(), "; server_max_window_bits=8"),
        (new(), "; server_max_window_bits=15; client_max_window_bits=\"9\""),
        (
            new(),
            "; client_max_window_bits=15; server_no_context_takeover; client_no_context_takeover",
        ),
        (small(), "; server_max_window_bits=10"),
        (small(), ""),
        (none(), "; server_no_context_takeover"),
    ];
    for (compression, answer) in taken {
        let connection = answered(compression, &[&format!("permessage-deflate{answer}")]).unwrap();
        assert!(connection.is_compressed(), "{answer}");
    }
    assert!(!answered(new(), &[]).unwrap().is_compressed());
    assert!(!answered(new(), &[""]).unwrap().is_compressed());
    let refused: [&[&str]; 15] = [
        &["foo"],
        &["permessage-deflate, permessage-deflate"],
        &["permessage-deflate", "permessage-deflate"],
        &["permessage-deflate, foo"],
        &["permessage-deflate; foo"],
        &["permessage-deflate; client_max_window_bits"],
        &["permessage-deflate; client_max_window_bits=7"],
        &["permessage-deflate; client_max_window_bits=16"],
        &["permessage-deflate; server_max_window_bits"],
        &["permessage-deflate; server_max_window_bits=08"],
        &["permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"],
        &["permessage-deflate; server_no_context_takeover=1"],
        &["permessage-deflate; client_no_context_takeover; client_no_context_takeover"],
        &["permessage-deflate;"],
        &["x-webkit-deflate-frame"],
    ];
    for answer in refused {
        let error = answered(new(), answer).unwrap_err();
        assert!(matches!(error, client::Error::Extension), "{answer:?}");
    }
    let error = answered(none(), &["permessage-deflate"]).unwrap_err();
    assert!(matches!(error, client::Error::Extension), "it would have to remember");
}

// D-08: what was not offered is refused, as ever
#[test]
fn a_client_that_offers_nothing_takes_no_extension() {
    let request = client::Request::new("ws://example.com/").unwrap();
    assert!(!String::from_utf8(request.to_bytes()).unwrap().contains("Extensions"));
}

// D-22, D-33, D-36, D-39: the client's side, masked, as the server told it
#[test]
fn a_client_compresses_as_it_was_told() {
    use crate::peer::Reader;

    let mut rng = Rng::new(1);
    for (answer, bits, takeover) in [
        ("permessage-deflate", 15, true),
        ("permessage-deflate; client_no_context_takeover", 15, false),
        ("permessage-deflate; client_max_window_bits=9", 9, true),
        ("permessage-deflate; client_max_window_bits=8", 8, true),
        ("permessage-deflate; client_max_window_bits=8; client_no_context_takeover", 8, false),
    ] {
        let mut session = Session::of(answered(Compression::new(), &[answer]).unwrap());
        let mut reader = Reader::new(bits, takeover);
        for i in 0..50 {
            let text = json(&mut rng, 100 + 37 * i);
            session.connection.send(text.as_str()).unwrap();
            for frame in session.frames() {
                assert!(frame.key.is_some());
                assert_eq!(frame.first & 0x8f, 0x81);
                assert_eq!(reader.read(&frame), Ok(text.clone().into_bytes()), "{answer}");
            }
        }
    }
}
