//! Offers of compression, whatever is in them: if the answer agrees to it, it is one that RFC 7692 allows to the
//! first offer that is right, as a reading of its own says.

use std::sync::LazyLock;

use sansocket::handshake::Request;
use sansocket::{Compression, Config};

use super::reader::Reader;

#[path = "../../tests/deflate/checker.rs"]
mod checker;

/// What is remembered of what is sent, and of what is received.
const SIZES: [(usize, usize); 4] = [(4096, 0), (0, 512), (512, 4096), (32_768, 32_768)];

static CONFIGS: LazyLock<[Config; 4]> = LazyLock::new(|| {
    SIZES.map(|(sent, received)| {
        let compression = Compression::new().remember_sent(sent).remember_received(received);
        Config::builder().compression(compression).build().unwrap()
    })
});

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mode = reader.byte();
    let choice = usize::from(mode % 4);
    let offer = match mode & 4 {
        0 => reader.rest().to_vec(),
        _ => words(&mut reader).into_bytes(),
    };
    let Some(answer) = answer(&offer, &CONFIGS[choice]) else {
        return;
    };
    let offer = std::str::from_utf8(&offer).unwrap();
    // An element may have a comma in no other place, since quoted values are tokens.
    let mut offers = offer
        .split(',')
        .map(str::trim)
        .filter(|element| element.split(';').next().map(str::trim) == Some("permessage-deflate"));
    let first = offers.find_map(|element| {
        let element: String = element.chars().filter(|char| *char != '\\').collect();
        let parameters = checker::parse(&tidy(&element))?;
        checker::is_valid(&parameters).then_some(parameters)
    });
    match (first, answer) {
        (Some(first), Some(answer)) => {
            let (sent, received) = SIZES[choice];
            checker::check(&first, &checker::parse(&answer).unwrap(), sent, received);
        }
        (None, None) => {}
        (first, answer) => panic!("{offer}: {first:?}, {answer:?}"),
    }
}

/// Without white space.
fn tidy(element: &str) -> String {
    element.chars().filter(|char| !char.is_whitespace()).collect()
}

/// The answer, if the request is right; then whether there is any.
fn answer(offer: &[u8], config: &Config) -> Option<Option<String>> {
    let headers = [
        ("Host", &b"example.com"[..]),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", offer),
    ];
    let request = Request::new("GET", "/", (1, 1), headers, config).ok()?.upgrade().ok()?;
    let response = request.accept();
    let mut answers = response.headers().filter(|(name, _)| *name == "Sec-WebSocket-Extensions");
    let answer = answers.next().map(|(_, value)| value.to_owned());
    assert_eq!(answers.next(), None);
    assert_eq!(answer.is_some(), request.is_compressed());
    assert_eq!(answer.is_some(), response.open(config).unwrap().is_compressed());
    Some(answer)
}

/// Offers of the words that matter, in any order.
fn words(reader: &mut Reader<'_>) -> String {
    const WORDS: [&str; 32] = [
        "permessage-deflate",
        "permessage-deflate",
        "permessage-deflate",
        "foo",
        ",",
        ",",
        ", ",
        ";",
        ";",
        ";",
        "; ",
        "=",
        "=",
        "=",
        "\"",
        "\\",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits",
        "client_max_window_bits",
        "client_max_window_bits",
        "server_max_window_bits=10",
        "client_max_window_bits=9",
        "8",
        "9",
        "12",
        "15",
        "16",
        "7",
        "08",
        " ",
    ];
    let rest = reader.rest();
    rest.iter().take(64).map(|byte| WORDS[usize::from(byte % 32)]).collect()
}
