//! What holds for the types, whatever is done with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::error::Error;
use std::fmt::Debug;

use common::session::Session;
use common::wire::{self, BINARY, MORE, TEXT};
use sansocket::{Buffer, CloseCode, Config, ConfigError, Connection, Disconnected, Event, Message};
use sansocket::{Prepared, ProtocolError, SendError, TimedOut};

// RE-09: what the compiler sees is so at once
#[test]
fn types_may_go_to_other_threads() {
    fn check<T: Send + Sync + Unpin + Debug + 'static>() {}
    check::<Connection>();
    check::<Buffer>();
    check::<Prepared>();
    check::<Config>();
    check::<CloseCode>();
    check::<Event<'static>>();
}

// RE-09
#[test]
fn errors_are_errors_that_may_go_anywhere() {
    fn check<E: Error + Send + Sync + 'static>(error: E, text: &str) {
        let error: Box<dyn Error + Send + Sync> = error.into();
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    }
    check(ProtocolError::ReservedBit, "a reserved bit is set");
    check(SendError::Closed, "the connection is closing or closed");
    check(SendError::QueueFull, "the output queue is full");
    check(SendError::TooLong, "a control frame cannot carry that much");
    check(SendError::ClientOnlyCode, "a server does not close with 1010");
    check(TimedOut::Silence, "the peer fell silent");
    check(TimedOut::Close, "the closing handshake took too long");
    check(Disconnected { mid_message: true }, "the connection ended without a Close frame");
    check(ConfigError::Zero("max_message"), "max_message must not be zero");
    check(ConfigError::Time("close_timeout"), "close_timeout must be between 1 ms and 49 days");
}

// RE-08: lengths are no secret, bytes are
#[test]
fn buffers_and_prepared_messages_do_not_show_what_they_hold() {
    let mut input = Buffer::new();
    input.extend(b"secret");
    assert_eq!(format!("{input:?}"), "Buffer { message: 0, unread: 6, capacity: 4096 }");
    let mut session = Session::new();
    let begun = [wire::client(TEXT, b"secret"), wire::client(TEXT & MORE, b"sec"), vec![0x80]];
    session.events(&begun.concat());
    assert_eq!(format!("{:?}", session.input), "Buffer { message: 3, unread: 1, capacity: 4096 }");
    let prepared = Prepared::new("secret");
    assert_eq!(format!("{prepared:?}"), "Prepared { opcode: Text, payload: 6 }");
}

// and so a message cannot change on its way
#[test]
fn a_prepared_message_is_encoded_once() {
    let bytes: Vec<u8> = (0..=255).collect();
    let prepared = Prepared::new(&bytes);
    assert_eq!(prepared.frame(), wire::server(BINARY, &bytes));
    assert_eq!(Prepared::new("é").frame(), wire::server(TEXT, "é".as_bytes()));
    let clone = prepared.clone();
    assert!(std::ptr::eq(clone.frame(), prepared.frame()));
}

// a message is of the type of what it is made from
#[test]
fn messages_are_made_from_what_is_at_hand() {
    let (string, vector) = (String::from("é"), vec![1, 2]);
    assert_eq!(Message::from("é"), Message::Text("é"));
    assert_eq!(Message::from(&string), Message::Text("é"));
    assert_eq!(Message::from(&vector), Message::Binary(&[1, 2]));
    assert_eq!(Message::from(&vector[..]), Message::Binary(&[1, 2]));
    assert_eq!(Message::from(&[1, 2]), Message::Binary(&[1, 2]));
    assert_eq!(Message::Text("é").as_bytes(), "é".as_bytes());
    assert_eq!(Message::Binary(&[1, 2]).as_bytes(), [1, 2]);
}

// codes compare and print as their numbers
#[test]
fn close_codes_are_their_numbers() {
    let rows = [
        (CloseCode::NORMAL, 1000),
        (CloseCode::GOING_AWAY, 1001),
        (CloseCode::PROTOCOL_ERROR, 1002),
        (CloseCode::UNSUPPORTED_DATA, 1003),
        (CloseCode::INVALID_PAYLOAD, 1007),
        (CloseCode::POLICY_VIOLATION, 1008),
        (CloseCode::MESSAGE_TOO_BIG, 1009),
        (CloseCode::MANDATORY_EXTENSION, 1010),
        (CloseCode::INTERNAL_ERROR, 1011),
        (CloseCode::SERVICE_RESTART, 1012),
        (CloseCode::TRY_AGAIN_LATER, 1013),
        (CloseCode::BAD_GATEWAY, 1014),
    ];
    for (code, number) in rows {
        assert_eq!(CloseCode::new(number), Some(code));
        assert_eq!(u16::from(code), number);
        assert_eq!(code.to_string(), number.to_string());
        assert_eq!(format!("{code:?}"), format!("CloseCode({number})"));
    }
    assert!(rows.is_sorted());
}
