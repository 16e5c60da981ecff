//! RSV1, where it may stand and where not.

use sansocket::{Compression, Config, ProtocolError};

use crate::common::session::Session;
use crate::common::wire::{self, MORE};
use crate::peer::{accept, configured};

// CO-08, V49, V51, D-36, D-37: every first byte, after each kind of beginning
#[test]
fn rsv1_stands_on_the_first_frame_of_a_data_message_alone() {
    for agreed in [false, true] {
        let config = if agreed { configured(Compression::new()) } else { Config::default() };
        for begun in [None, Some(0x01), Some(0x41)] {
            if !agreed && begun == Some(0x41) {
                continue;
            }
            for first in 0..=255_u8 {
                let mut session: Session = accept("permessage-deflate", &config).0;
                if let Some(first) = begun {
                    session.events(&wire::client(first & MORE, b"ab"));
                }
                let bytes = wire::client(first, b"");
                let (_, error) = session.feed(&bytes);
                let is_reserved = error == Some(ProtocolError::ReservedBit);
                let is_wrong = match first & 0x70 {
                    0 => false,
                    0x40 => !agreed || !matches!(first & 0x0f, 1 | 2),
                    _ => true,
                };
                assert_eq!(is_reserved, is_wrong, "{first:x} after {begun:x?}: {error:?}");
                if is_wrong {
                    assert_eq!(session.output(), wire::failure(1002));
                }
            }
        }
    }
}
