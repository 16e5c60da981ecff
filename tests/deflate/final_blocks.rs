//! Blocks that say they are the last, and are not (RFC 7692 §7.2.3.4).

use sansocket::{Compression, ProtocolError};

use crate::common::session::Seen;
use crate::common::wire::{self, BINARY, TEXT};
use crate::peer::{HELLO, accept, configured, message, server};

const FINAL_HELLO: [u8; 7] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];

// CO-05, D-44, V48: the window is kept, within the message and for the next
#[test]
fn a_final_block_ends_neither_the_message_nor_the_window() {
    let again = [0xf2, 0, 0x11, 0, 0];
    let final_again = [0xf3, 0, 0x11, 0, 0];
    let config = configured(Compression::new().remember_received(32_768));
    let (mut session, _) = accept("permessage-deflate", &config);
    let bytes = [
        message(TEXT, &[&FINAL_HELLO[..], &[0]].concat()),
        message(TEXT, &again),
        message(TEXT, &[&FINAL_HELLO[..], &again].concat()),
        message(TEXT, &[&final_again[..4], &final_again[..4], &HELLO].concat()),
        message(TEXT, &final_again),
    ]
    .concat();
    let wanted = ["Hello", "Hello", "HelloHello", "HelloHelloHello", "Hello"].map(Seen::text);
    assert_eq!(session.events(&bytes), wanted);
}

// CO-05, CO-06, V48
#[test]
fn more_than_64_final_blocks_close_with_1008() {
    for (count, fits) in [(64, true), (65, false)] {
        // The last one is followed by an empty block that is not final.
        let payload = [[3, 0].repeat(count), vec![0]].concat();
        let mut session = server();
        let (seen, error) = session.feed(&message(BINARY, &payload));
        match fits {
            true => assert_eq!((seen, error), (vec![Seen::binary("")], None)),
            false => {
                assert_eq!((seen, error), (vec![], Some(ProtocolError::TooManyFinalBlocks)));
                assert_eq!(session.output(), wire::failure(1008));
                assert!(ProtocolError::TooManyFinalBlocks.is_limit(), "RFC 7692 allows them");
            }
        }
    }
}

// CO-06: many empty blocks are read once each
#[test]
fn empty_blocks_are_no_end() {
    let payload = [&[0, 0, 0, 0xff, 0xff].repeat(100_000)[..], &HELLO].concat();
    let mut session = server();
    assert_eq!(session.events(&message(TEXT, &payload)), [Seen::text("Hello")]);
}
