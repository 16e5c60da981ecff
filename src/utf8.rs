//! Text that arrives in pieces.
//!
//! A piece may end inside a character. Since a message lies in one place, no state is kept
//! between pieces but the place up to which all is well: the check goes on from there.

/// Below this, calling the vector code costs more than it saves.
#[cfg(feature = "simd")]
const SHORT: usize = 64;

/// The bytes as text, if that is what they are.
#[inline]
pub(crate) fn whole(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "simd")]
    if bytes.len() >= SHORT {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    std::str::from_utf8(bytes).ok()
}

/// How much of the front of `bytes` is text, if the rest, of up to three bytes, may be the
/// beginning of a character. `None` as soon as no continuation can make it text.
pub(crate) fn prefix(bytes: &[u8]) -> Option<usize> {
    match checked(bytes) {
        Ok(()) => Some(bytes.len()),
        Err((valid_up_to, None)) => Some(valid_up_to),
        Err((_, Some(_))) => None,
    }
}

/// In case of an error: where, and the length of the faulty sequence unless it is only cut off.
type Checked = Result<(), (usize, Option<usize>)>;

fn checked(bytes: &[u8]) -> Checked {
    #[cfg(feature = "simd")]
    if bytes.len() >= SHORT {
        let text = simdutf8::compat::from_utf8(bytes);
        return text.map(|_| ()).map_err(|error| (error.valid_up_to(), error.error_len()));
    }
    let text = std::str::from_utf8(bytes);
    text.map(|_| ()).map_err(|error| (error.valid_up_to(), error.error_len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `pieces` as the decoder does.
    fn in_pieces(pieces: &[&[u8]]) -> Option<String> {
        let (mut message, mut valid) = (Vec::new(), 0);
        for piece in pieces {
            message.extend_from_slice(piece);
            valid += prefix(&message[valid..])?;
        }
        whole(&message).map(str::to_owned)
    }

    // FR-23, FR-24
    #[test]
    fn every_cut_gives_what_the_whole_gives() {
        let long = "x".repeat(80);
        let rows: [&[u8]; 16] = [
            "Hello-µ@ßöäüàá-UTF-8!!".as_bytes(),
            "κόσμε 日本語 🎉".as_bytes(),
            "\u{0}\u{feff}\u{fffe}\u{10ffff}".as_bytes(),
            b"",
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf5",
            b"\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\xe2\x82",
            b"ok\xff",
            b"\xf0\x9f\x8e",
            &[long.as_bytes(), b"\xe2\x82\xac", long.as_bytes()].concat(),
            &[long.as_bytes(), b"\xe2\x28\xac", long.as_bytes()].concat(),
        ];
        for row in rows {
            let wanted = std::str::from_utf8(row).ok().map(str::to_owned);
            for cut in 0..=row.len() {
                assert_eq!(in_pieces(&[&row[..cut], &row[cut..]]), wanted, "{row:x?}");
            }
            let singles: Vec<&[u8]> = row.chunks(1).collect();
            assert_eq!(in_pieces(&singles), wanted, "{row:x?}");
        }
    }

    // the first byte that no continuation can mend
    #[test]
    fn the_first_impossible_byte_is_noticed() {
        for (possible, impossible) in [
            (&b""[..], &b"\x80"[..]),
            (b"", b"\xc1"),
            (b"", b"\xf5"),
            (b"\xe0", b"\xe0\x9f"),
            (b"\xed", b"\xed\xa0"),
            (b"\xf0", b"\xf0\x8f"),
            (b"\xf4", b"\xf4\x90"),
            (b"\xf4\x8f\xbf", b"\xf4\x8f\xbf\x20"),
        ] {
            assert_eq!(prefix(possible), Some(0), "{possible:x?}");
            assert_eq!(prefix(impossible), None, "{impossible:x?}");
        }
    }
}
