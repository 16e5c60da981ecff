//! Where messages end, and what is left of one when the next begins.

use sansocket::{Compression, ProtocolError};

use crate::common::rng::Rng;
use crate::common::session::Seen;
use crate::common::wire::{BINARY, TEXT};
use crate::peer::{HELLO, accept, compressed, configured, json, message};
use crate::reference::inflate;

// V50, CO-05: random bytes, and right messages with wrong bytes: the same as by the reference, or both fail
#[test]
fn a_message_ends_where_the_reference_says() {
    let mut rng = Rng::new(50);
    let config = configured(Compression::new());
    let (mut read, mut failed) = (0, 0);
    for _ in 0..20_000 {
        let len = rng.below(60);
        let mut payload = match rng.below(3) {
            0 => rng.bytes(len + 1),
            _ => compressed(json(&mut rng, 3 * len).as_bytes()),
        };
        for _ in 0..rng.below(3) {
            let at = rng.below(payload.len());
            payload[at] ^= 1 << rng.below(8);
        }
        let (mut session, _) = accept("permessage-deflate", &config);
        let bytes = [message(BINARY, &payload), message(TEXT, &HELLO)].concat();
        let (seen, error) = session.feed(&bytes);
        match inflate(&payload, b"", 1 << 15) {
            Ok(wanted) => {
                assert_eq!(seen, [Seen::binary(wanted), Seen::text("Hello")], "{payload:x?}");
                read += 1;
            }
            // It may end with a final block, or have too many of them.
            Err(_) if !seen.is_empty() => {
                assert_eq!(seen[1..], [Seen::text("Hello")], "{payload:x?}");
            }
            Err(_) => {
                assert!(
                    matches!(
                        error,
                        Some(
                            ProtocolError::CorruptMessage
                                | ProtocolError::TooManyFinalBlocks
                                | ProtocolError::MessageTooBig { .. }
                        )
                    ),
                    "{error:?}"
                );
                failed += 1;
            }
        }
    }
    assert!(read > 1000 && failed > 1000, "{read} read, {failed} failed");
}

// V50: a message that has failed leaves nothing in the inflater that the next connection gets
#[test]
fn a_failed_message_leaves_nothing_for_another_connection() {
    let config = configured(Compression::new());
    let secret = compressed("a secret of somebody else ".repeat(50).as_bytes());
    for cut in [secret.len() / 2, secret.len() - 1, secret.len()] {
        let (mut first, _) = accept("permessage-deflate", &config);
        first.feed(&message(BINARY, &secret[..cut]));
        drop(first);
        let (mut second, _) = accept("permessage-deflate", &config);
        let back = [0xf2, 0, 0x11, 0, 0]; // refers five bytes back
        let answer = second.feed(&message(BINARY, &back));
        assert_eq!(answer, (vec![], Some(ProtocolError::CorruptMessage)));
    }
}
