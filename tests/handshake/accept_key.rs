//! The answer to a key, computed once more from the standards (FIPS 180-4, RFC 4648 §4).

use sansocket::handshake::{Acceptor, accept_key};

use crate::common::rng::Rng;
use crate::heads::with;
use crate::replay::buffer;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).div_ceil(64) * 64 - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());

    let mut hash: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
    for block in padded.chunks_exact(64) {
        let mut words = [0; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().unwrap());
        }
        for t in 16..80 {
            words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (t, word) in words.into_iter().enumerate() {
            let (f, k): (u32, u32) = match t {
                0..20 => (b & c | !b & d, 0x5a827999),
                20..40 => (b ^ c ^ d, 0x6ed9eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1bbcdc),
                _ => (b ^ c ^ d, 0xca62c1d6),
            };
            let sum = a.rotate_left(5).wrapping_add(f).wrapping_add(e);
            (a, b, c, d, e) = (sum.wrapping_add(k).wrapping_add(word), a, b.rotate_left(30), c, d);
        }
        for (sum, part) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(hash) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| bits << 8 | usize::from(*group.get(i).unwrap_or(&0)));
        for i in 0..4 {
            let sextet = bits >> (18 - 6 * i) & 0x3f;
            text.push(if i <= group.len() { ALPHABET[sextet].into() } else { '=' });
        }
    }
    text
}

#[test]
fn the_standards_are_written_down_correctly() {
    let hex = |digest: [u8; 20]| digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_eq!(hex(sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(
        hex(sha1(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
    );
    assert_eq!(["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())).concat(), {
        "Zg==Zm8=Zm9vZm9vYg=="
    });
}

// HS-43
#[test]
fn ten_thousand_keys_are_answered_as_the_standards_say() {
    let mut rng = Rng::new(0x6455);
    for _ in 0..10_000 {
        let key = base64(&rng.bytes(16));
        let accept = accept_key(&key);
        assert_eq!(accept, base64(&sha1((key.clone() + GUID).as_bytes())), "{key}");
        assert_eq!(accept.len(), 28);
    }
}

// HS-43: so the whole way through a request
#[test]
fn the_response_answers_the_key_of_the_request() {
    let mut rng = Rng::new(0x1d);
    for _ in 0..200 {
        let mut key = base64(&rng.bytes(16)).into_bytes();
        // Any last character: its lower bits are no part of the sixteen bytes.
        key[21] = *rng.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        let key = String::from_utf8(key).unwrap();
        let mut input = buffer(&with(&[&format!("Sec-WebSocket-Key: {key}")]));
        let parsed = Acceptor::new(sansocket::Config::default()).next(&mut input);
        let accept = base64(&sha1((key.clone() + GUID).as_bytes()));
        let response = parsed.unwrap().unwrap().upgrade().unwrap().accept();
        let seen = response.headers().find(|(name, _)| *name == "Sec-WebSocket-Accept");
        assert_eq!(seen, Some(("Sec-WebSocket-Accept", &*accept)), "{key}");
    }
}
