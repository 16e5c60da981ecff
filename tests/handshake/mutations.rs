//! Correct requests, damaged at random: whatever is accepted must be correct for a slow and simple
//! reader too.

use sansocket::handshake::{Acceptor, HandshakeError, Incoming, Request};
use sansocket::{Buffer, Config};

use crate::common::rng::Rng;
use crate::heads::with;
use crate::replay::buffer;

/// Asserts all that RFC 6455 §4.2.1 asks for, and that the request was read as it says.
fn assert_correct(image: &[u8], request: &Request) {
    let image = image.strip_prefix(b"\r\n").unwrap_or(image);
    let end = image.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let text: String = image[..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap();
    let target = first.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    assert_eq!(target, Some(request.target()));
    assert!(request.target().chars().all(|char| char.is_ascii_graphic() && char != '#'));

    let mut headers = Vec::new();
    for line in lines {
        assert!(line.chars().all(|char| char == '\t' || !char.is_ascii_control()), "{line:?}");
        let (name, value) = line.split_once(':').unwrap();
        let token = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
        assert!(!name.is_empty() && name.chars().all(token), "{line:?}");
        headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let seen = request.headers().map(|(name, value)| {
        (name.to_ascii_lowercase(), value.iter().map(|byte| char::from(*byte)).collect::<String>())
    });
    assert!(seen.eq(headers.iter().cloned()));

    let all = |name: &str| -> Vec<&str> {
        headers.iter().filter(|header| header.0 == name).map(|header| &*header.1).collect()
    };
    let lists = |name: &str, token: &str| {
        all(name)
            .join(",")
            .split(',')
            .any(|member| member.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    };
    assert!(lists("upgrade", "websocket") && lists("connection", "upgrade"));
    assert_eq!(all("sec-websocket-version"), ["13"]);
    let [key] = all("sec-websocket-key")[..] else {
        panic!("not one key");
    };
    let base64 = |char: char| char.is_ascii_alphanumeric() || "+/".contains(char);
    assert!(key.len() == 24 && key.ends_with("==") && key[..22].chars().all(base64), "{key}");
    let [host] = all("host")[..] else {
        panic!("not one host");
    };
    assert!(!host.is_empty() && host.chars().all(|char| char.is_ascii_graphic()));
    assert_eq!(all("transfer-encoding"), [""; 0]);
    assert!(all("content-length").is_empty() || all("content-length") == ["0"]);
    match all("origin")[..] {
        [] => {}
        [origin] => {
            let authority = origin.split_once("://").unwrap().1.to_ascii_lowercase();
            let bare = |host: &str| host.split(':').next().unwrap().to_ascii_lowercase();
            assert_eq!(bare(&authority), bare(host));
        }
        _ => panic!("several origins"),
    }
    let mut offered: Vec<_> = all("sec-websocket-protocol")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    assert!(request.subprotocols().eq(offered.iter().copied()));
    offered.sort_unstable();
    assert!(offered.is_sorted_by(|a, b| a < b));
}

fn damage(image: &mut Vec<u8>, rng: &mut Rng) {
    const BYTES: &[u8] = b"\0\t\n\r \x7f\x80\xff\"#,/:;=?@\\%1A";
    const PIECES: [&[u8]; 5] = [b"\r\n", b", ", b"\r\n ", b"  ", b"\t"];
    let at = rng.below(image.len());
    match rng.below(8) {
        0 => image[at] = *rng.pick(BYTES),
        1 => image[at] = rng.next() as u8,
        2 => drop(image.remove(at)),
        3 => image.insert(at, *rng.pick(BYTES)),
        4 => image[at] ^= 0x20,
        5 => image.truncate(at),
        6 => drop(image.splice(at..at, rng.pick(&PIECES).iter().copied())),
        _ => {
            // Moves a line, repeats it, or takes it out.
            let mut lines: Vec<_> = image.split_inclusive(|byte| *byte == b'\n').collect();
            let from = rng.below(lines.len());
            let line = if rng.one_in(2) { lines[from] } else { lines.remove(from) };
            if rng.one_in(2) {
                lines.insert(rng.below(lines.len() + 1), line);
            }
            *image = lines.concat();
        }
    }
}

fn told(parsed: &Result<Option<Incoming>, HandshakeError>) -> String {
    match parsed {
        Ok(Some(Incoming::Upgrade(request))) => format!("{} {request:?}", request.target()),
        other => format!("{other:?}"),
    }
}

// HS-29, HS-30, HS-42, V53, V63, V67
#[test]
fn damaged_requests_are_accepted_only_if_correct() {
    let mut rng = Rng::new(0x5eed);
    let correct = with(&[
        "Origin: http://example.com",
        "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Content-Length: 0",
        "Cookie: a=\"b\"",
    ]);
    let mut accepted = 0;
    for _ in 0..50_000 {
        let mut image = correct.clone();
        for _ in 0..=rng.below(3) {
            if !image.is_empty() {
                damage(&mut image, &mut rng);
            }
        }
        let mut input = buffer(&image);
        let whole = Acceptor::new(Config::default()).next(&mut input);
        if let Ok(Some(Incoming::Upgrade(request))) = &whole {
            assert_correct(&image, request);
            accepted += 1;
        }
        let (mut input, mut pieces) = (Buffer::new(), Ok(None));
        let mut rest = &image[..];
        while matches!(pieces, Ok(None)) && !rest.is_empty() {
            let (piece, back) = rest.split_at(1 + rng.below(rest.len().min(64)));
            input.extend(piece);
            pieces = Acceptor::new(Config::default()).next(&mut input);
            rest = back;
        }
        assert_eq!(told(&pieces), told(&whole), "{}", image.escape_ascii());
    }
    assert!((2500..25_000).contains(&accepted), "{accepted} were accepted");
}
