//! A server's answers to offers, all of them, held against RFC 7692 by a reading of its own.

use sansocket::Compression;

use crate::checker::{check, is_valid, parse};
use crate::common::session::request_for_compression;
use crate::peer::{accept, configured, server_with};

// D-01, D-03, D-09, D-11 to D-14, D-17, D-24, D-25, D-29 to D-32, D-35, D-48, CO-10, CO-11, V47
#[test]
fn every_offer_has_the_answer_that_the_rfc_allows() {
    let flags = ["", "; NAME", "; NAME=1", "; NAME=true"];
    let sizes = [
        "",
        "; NAME",
        "; NAME=7",
        "; NAME=8",
        "; NAME=9",
        "; NAME=10",
        "; NAME=14",
        "; NAME=15",
        "; NAME=16",
        "; NAME=08",
        "; NAME=\"12\"",
        "; NAME=1e1",
        "; NAME=x",
        "; NAME=10; NAME=10",
        "; NAME=999999999999",
        "; NAME=-9",
        "; NAME=0",
    ];
    let mut answered = 0;
    for (sent, received) in
        [(0, 0), (4096, 0), (4096, 512), (512, 4096), (32_768, 32_768), (0, 32_768)]
    {
        let config = configured(Compression::new().remember_sent(sent).remember_received(received));
        for (a, b) in flags.iter().flat_map(|a| flags.iter().map(move |b| (a, b))) {
            for (c, d) in sizes.iter().flat_map(|c| sizes.iter().map(move |d| (c, d))) {
                let offer = format!(
                    "permessage-deflate{}{}{}{}",
                    a.replace("NAME", "server_no_context_takeover"),
                    b.replace("NAME", "client_no_context_takeover"),
                    c.replace("NAME", "server_max_window_bits"),
                    d.replace("NAME", "client_max_window_bits"),
                );
                let (session, answer) = accept(&offer, &config);
                let parsed = parse(&offer).unwrap();
                assert_eq!(answer.len(), usize::from(is_valid(&parsed)), "{offer}: {answer:?}");
                assert_eq!(session.connection.is_compressed(), !answer.is_empty());
                if let [answer] = answer.as_slice() {
                    check(&parsed, &parse(answer).unwrap(), sent, received);
                    answered += 1;
                }
            }
        }
    }
    assert!(answered > 1000, "{answered}");
}

// D-03, D-20, D-48, D-14, D-18, D-26
#[test]
fn the_answer_is_as_short_as_can_be() {
    let new = Compression::new;
    let rows = [
        (new(), "", "; client_no_context_takeover"),
        (new(), "; client_max_window_bits", "; client_no_context_takeover"),
        (new(), "; client_max_window_bits=10", "; client_no_context_takeover"),
        (
            new(),
            "; server_max_window_bits=8",
            "; client_no_context_takeover; server_max_window_bits=8",
        ),
        (
            new(),
            "; server_no_context_takeover; client_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover",
        ),
        (new().remember_sent(0), "", "; client_no_context_takeover"),
        (new().remember_received(32_768), "", ""),
        (new().remember_received(32_768), "; client_max_window_bits", ""),
        (new().remember_received(32_768), "; client_max_window_bits=15", ""),
        (
            new().remember_received(32_768),
            "; client_max_window_bits=\"1\\2\"",
            "; client_max_window_bits=12",
        ),
        (new().remember_received(1024), "; client_max_window_bits", "; client_max_window_bits=10"),
        (new().remember_received(1024), "; client_max_window_bits=8", "; client_max_window_bits=8"),
        (new().remember_received(1024), "", "; client_no_context_takeover"),
        (
            new().remember_received(32_768),
            "; client_no_context_takeover",
            "; client_no_context_takeover",
        ),
    ];
    for (compression, offer, wanted) in rows {
        let (_, answer) = accept(&format!("permessage-deflate{offer}"), &configured(compression));
        assert_eq!(answer, [format!("permessage-deflate{wanted}")], "{offer}");
    }
}

// D-02, D-04, D-05, D-07, D-15: the first that is right, whatever stands beside it
#[test]
fn the_first_offer_that_can_be_accepted_is() {
    let none: [&str; 0] = [];
    let plain = ["permessage-deflate; client_no_context_takeover"];
    let nine = ["permessage-deflate; client_no_context_takeover; server_max_window_bits=9"];
    let rows: [(&str, &[&str]); 8] = [
        ("foo, bar; baz", &none),
        ("x-webkit-deflate-frame", &none),
        ("permessage-deflate; foo", &none),
        ("Permessage-Deflate", &none),
        ("permessage-deflate; foo=1, permessage-deflate", &plain),
        ("permessage-deflate, permessage-deflate; server_max_window_bits=9", &plain),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", &nine),
        (
            "x, permessage-deflate, x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
            &plain,
        ),
    ];
    let config = configured(Compression::new());
    for (offer, wanted) in rows {
        let (mut session, answer) = accept(offer, &config);
        assert_eq!(answer, wanted, "{offer}");
        session.connection.send("x".repeat(200).as_str()).unwrap();
        let first = session.frames()[0].first;
        assert_eq!(first, if wanted.is_empty() { 0x81 } else { 0xc1 }, "it goes on either way");
    }
}

// CO-14: off unless it is asked for, and for one request
#[test]
fn it_is_off_by_default_and_can_be_left_out_of_a_response() {
    use sansocket::Config;
    use sansocket::handshake::Request;

    let (session, answer) = accept("permessage-deflate", &Config::default());
    assert!(answer.is_empty() && !session.connection.is_compressed());
    let config = configured(Compression::new());
    let request = request_for_compression(&config);
    assert!(request.is_compressed());
    let response = request.accept();
    assert!(response.open(&config).unwrap().is_compressed());
    let response = response.without_compression();
    assert!(!response.open(&config).unwrap().is_compressed());
    assert!(!String::from_utf8(response.to_bytes()).unwrap().contains("Extensions"));
    assert!(request.reject(404).unwrap().open(&config).is_err());
    let connect = [
        ("sec-websocket-version", &b"13"[..]),
        ("sec-websocket-extensions", b"permessage-deflate"),
    ];
    let request =
        Request::extended_connect("websocket", "/", "example.com", connect, &config).unwrap();
    let response = request.accept();
    let answer = "permessage-deflate; client_no_context_takeover";
    assert!(response.headers().eq([("Sec-WebSocket-Extensions", answer)]));
    assert!(response.open(&config).unwrap().is_compressed());
}

#[test]
fn settings_out_of_range_are_an_error() {
    use sansocket::{Config, ConfigError};

    let new = Compression::new;
    let build = |compression| Config::builder().compression(compression).build().map(|_| ());
    let wrong = |name| Err(ConfigError::Compression(name));
    assert_eq!(build(new().level(0)), wrong("level"));
    assert_eq!(build(new().level(10)), wrong("level"));
    assert_eq!(build(new().level(10).level(9)), Ok(()));
    assert_eq!(build(new().remember_sent(1).level(0).remember_sent(0)), wrong("level"));
    for bytes in [1, 256, 511, 513, 65_536, usize::MAX] {
        assert_eq!(build(new().remember_sent(bytes)), wrong("remember_sent"));
        assert_eq!(build(new().remember_received(bytes)), wrong("remember_received"));
    }
    for bytes in [0, 512, 1024, 32_768] {
        assert_eq!(build(new().remember_sent(bytes).remember_received(bytes)), Ok(()));
    }
    assert_eq!(build(new().threshold(usize::MAX)), Ok(()));
    let corrected = Config::builder().compression(new().level(0)).compression(new());
    assert!(corrected.build().is_ok());
}

// D-14, D-52
#[test]
fn a_threshold_and_a_level_are_kept_to() {
    let mut session = server_with(Compression::new().threshold(100).level(9));
    for len in [0, 1, 99, 100] {
        session.connection.send("x".repeat(len).as_str()).unwrap();
        assert_eq!(session.frames()[0].first, if len < 100 { 0x81 } else { 0xc1 }, "{len}");
    }
    let mut session = server_with(Compression::new().threshold(0));
    session.connection.send("").unwrap();
    assert_eq!(session.output(), [0x81, 0], "an empty message is never compressed");
}
