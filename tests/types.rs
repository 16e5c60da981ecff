//! What holds for the types, whatever is done with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;
use std::io::{IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use common::session::Session;
use common::wire::{self, BINARY, MORE, TEXT};
use sansocket::net::Stream;
use sansocket::{Buffer, CloseCode, Config, ConfigError, Connection, Event, Message, OwnedMessage};
use sansocket::{Prepared, ProtocolError, SendError};

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
    check::<OwnedMessage>();
    check::<sansocket::Error>();
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
    let never = SendError::MessageTooLarge { len: 11, max: 10 };
    check(never, "the message of 11 bytes is larger than the output queue of 10");
    check(SendError::TooLong, "a ping carries at most 125 bytes");
    check(SendError::ClientOnlyCode, "a server does not close with 1010");
    check(sansocket::TimedOut::Silence, "the peer fell silent");
    check(sansocket::TimedOut::Close, "the closing handshake took too long");
    let disconnected = Connection::server(Config::default()).eof().unwrap_err();
    check(disconnected, "the connection ended without a Close frame");
    check(ConfigError::Zero("max_message"), "max_message must not be zero");
    check(ConfigError::Time("close_timeout"), "close_timeout must be between 1 ms and 49 days");
}

// RE-09: a limit is not the protocol, and a handler's error is its own
#[test]
fn errors_of_a_socket_name_the_fault() {
    let too_big = ProtocolError::MessageTooBig { len: 11, max: 10 };
    let rows: [(sansocket::Error, &str); 5] = [
        (
            ProtocolError::Unmasked.into(),
            "the peer broke the protocol: a frame from the client is not masked",
        ),
        (
            too_big.into(),
            "the peer exceeded a limit: the message of 11 bytes, or more, is larger than the limit of 10",
        ),
        (
            ProtocolError::TooManyEmptyFragments.into(),
            "the peer exceeded a limit: too many empty fragments",
        ),
        (sansocket::Error::Handler("seven".into()), "seven"),
        (SendError::Closed.into(), "the connection is closing or closed"),
    ];
    for (error, text) in rows {
        assert_eq!(error.to_string(), text);
    }
    let handler = sansocket::Error::Handler(Box::new(sansocket::Error::from(SendError::Closed)));
    assert!(handler.source().is_none(), "the error is shown itself, not as a cause");
}

// RE-09: a log that is read has no line for each peer that leaves
#[test]
fn peers_that_merely_leave_are_disconnects() {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, InvalidData};
    use std::io::ErrorKind::{NotConnected, OutOfMemory, PermissionDenied, UnexpectedEof};
    let io = |kind| sansocket::Error::from(std::io::Error::from(kind));
    let eof = |bytes: &[u8]| {
        let mut session = Session::new();
        session.events(bytes);
        sansocket::Error::from(session.connection.eof().unwrap_err())
    };
    let ordinary = [
        eof(b""),
        eof(&[TEXT]),
        sansocket::TimedOut::Silence.into(),
        sansocket::TimedOut::Close.into(),
        sansocket::TimedOut::Handshake.into(),
        SendError::Closed.into(),
        io(ConnectionReset),
        io(ConnectionAborted),
        io(BrokenPipe),
        io(NotConnected),
        io(UnexpectedEof),
        io(std::io::ErrorKind::TimedOut),
    ];
    let worth_a_line = [
        sansocket::TimedOut::Write.into(),
        SendError::QueueFull.into(),
        SendError::MessageTooLarge { len: 2, max: 1 }.into(),
        ProtocolError::InvalidText.into(),
        sansocket::handshake::HandshakeError::Malformed.into(),
        sansocket::Error::Handler("broken pipe".into()),
        io(PermissionDenied),
        io(OutOfMemory),
        io(InvalidData),
    ];
    for error in ordinary {
        assert!(error.is_disconnect(), "{error:?}");
    }
    for error in worth_a_line {
        assert!(!error.is_disconnect(), "{error:?}");
    }
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

// RE-08: neither do connections and handshakes: not as text, nor as the numbers of its bytes
#[test]
fn connections_do_not_show_what_they_send() {
    let number = "104, 117, 110, 116"; // hunt
    assert!(format!("{:?}", b"hunter2").contains(number));
    let mut connection = Connection::server(Config::default());
    connection.send("hunter2").unwrap();
    let mut shown = format!("{connection:?}");
    let (read, mut write) = connection.split();
    let secret = "hunter2".repeat(5000);
    let unsent = write.begin(&secret).unwrap();
    shown += &format!("{read:?} {write:?} {unsent:?}");
    #[cfg(feature = "client")]
    {
        use sansocket::handshake::{Connector, client};
        let request = client::Request::new("ws://example.com/").unwrap();
        let request = request.header("Authorization", "hunter2").unwrap();
        shown += &format!("{:?}", Connector::new(request, Config::default()));
    }
    assert!(!shown.contains(number) && !shown.contains("hunter2"), "{shown}");
}

// and so a message cannot change on its way
#[test]
fn a_prepared_message_is_encoded_once() {
    let bytes: Vec<u8> = (0..=255).collect();
    let prepared = Prepared::new(&bytes);
    assert_eq!(prepared.frame(), wire::server(BINARY, &bytes));
    assert_eq!(Prepared::new("é").frame(), wire::server(TEXT, "é".as_bytes()));
    let message = Message::from("é");
    assert_eq!(Prepared::from(message).message(), message);
    assert_eq!(prepared.message(), Message::Binary(&bytes));
    assert!(prepared.len() == 256 && !prepared.is_empty() && Prepared::new("").is_empty());
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
    let (text, bytes): (Box<str>, Box<[u8]>) = ("é".into(), [1, 2].into());
    let (arc, arc_bytes): (Arc<str>, Arc<[u8]>) = ("é".into(), [1, 2].into());
    let (rc, rc_bytes): (Rc<str>, Rc<[u8]>) = ("é".into(), [1, 2].into());
    let (cow, cow_bytes) = (Cow::from("é"), Cow::from(&[1, 2][..]));
    let texts: [Message<'_>; 4] = [(&text).into(), (&arc).into(), (&rc).into(), (&cow).into()];
    let binaries: [Message<'_>; 4] =
        [(&bytes).into(), (&arc_bytes).into(), (&rc_bytes).into(), (&cow_bytes).into()];
    assert_eq!(texts, [Message::Text("é"); 4]);
    assert_eq!(binaries, [Message::Binary(&[1, 2]); 4]);
    assert_eq!(Message::Text("é").as_bytes(), "é".as_bytes());
    assert_eq!(Message::Binary(&[1, 2]).as_bytes(), [1, 2]);
}

// text and bytes stay apart
#[test]
fn messages_are_looked_at_and_compared() {
    let (text, binary) = (Message::Text("é"), Message::Binary("é".as_bytes()));
    assert!(text == "é" && text == *"é" && text != "e" && binary != "é");
    let bytes = "é".as_bytes();
    assert!(binary == bytes && binary == *bytes && binary == [0xc3, 0xa9] && text != bytes);
    assert!(binary == b"\xc3\xa9" && binary != [0xc3] && text != [0xc3, 0xa9] && text != binary);
    assert!(binary != b"\xc3" && text != b"\xc3\xa9");
    assert_eq!((text.as_text(), binary.as_text()), (Some("é"), None));
    assert!(text.is_text() && !text.is_binary() && binary.is_binary() && !binary.is_text());
    assert!(text.len() == 2 && binary.len() == 2 && !text.is_empty() && !binary.is_empty());
    assert!(Message::Text("").is_empty() && Message::Binary(&[]).is_empty());
    assert_eq!((Vec::from(text), Vec::from(binary)), (bytes.to_vec(), bytes.to_vec()));
    assert_eq!(
        format!("{text}|{text:>3}|{binary}|{}", Message::Binary(b"x")),
        "é|  é|2 bytes|1 byte"
    );
}

// an owned message is the same message
#[test]
fn messages_outlive_their_buffer() {
    for message in [Message::Text("é"), Message::Binary(&[1, 2]), Message::Text("")] {
        let owned = message.into_owned();
        assert_eq!(owned, message);
        assert_eq!(message, owned);
        assert!(owned != Message::Binary("é".as_bytes()) && Message::Text("e") != owned);
        assert_eq!(owned.as_message(), message);
        assert_eq!(Message::from(&owned), message);
        assert_eq!(OwnedMessage::from(message), owned.clone());
        assert_eq!(owned.to_string(), message.to_string());
        assert_eq!(Vec::from(owned), message.as_bytes());
    }
    let text = OwnedMessage::Text("a".to_owned());
    assert_eq!([OwnedMessage::from("a"), OwnedMessage::from("a".to_owned())], [text.clone(), text]);
    let binary = OwnedMessage::Binary(vec![97]);
    assert_eq!(
        [OwnedMessage::from(&b"a"[..]), OwnedMessage::from(vec![97])],
        [binary.clone(), binary]
    );
    let mut connection = Connection::server(Config::default());
    connection.send(&OwnedMessage::from("a")).unwrap();
    assert_eq!(connection.pending(), wire::server(TEXT, b"a"));
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

// RE-08
#[test]
fn only_the_text_of_a_message_is_text() {
    assert_eq!(Message::Text("text").as_text(), Some("text"));
    assert_eq!(Message::Binary(b"text").as_text(), None);
}

// IO-13: an application that takes a socket reads and writes it as any other
#[test]
fn streams_are_read_and_written_like_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut stream = Stream::from(listener.accept().unwrap().0);
    assert_eq!(stream.write(b"").unwrap(), 0);
    stream.write_all(b"a").unwrap();
    assert_eq!(stream.write_vectored(&[IoSlice::new(b"b"), IoSlice::new(b"c")]).unwrap(), 2);
    stream.flush().unwrap();
    let mut bytes = [0; 3];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"abc");
    peer.write_all(b"d").unwrap();
    assert_eq!(stream.read(&mut bytes).unwrap(), 1);
}
