//! Compressed messages, whatever is in them: what a connection makes of them is what miniz_oxide does, behind what was
//! received before; or both fail. Never is there more than the limit.

use std::sync::LazyLock;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use sansocket::handshake::Request;
use sansocket::{Buffer, Compression, Config, Connection, Event, Message, ProtocolError};

use super::reader::Reader;
use super::wire;

const LIMITS: [usize; 4] = [1 << 20, 70_000, 4096, 10];

static CONFIGS: LazyLock<[Config; 4]> = LazyLock::new(|| {
    LIMITS.map(|limit| {
        let compression = Compression::new().remember_received(32_768);
        Config::builder().compression(compression).max_message(limit).build().unwrap()
    })
});

pub fn check(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mode = reader.byte();
    let limit = LIMITS[usize::from(mode % 4)];
    let takeover = mode & 4 == 0;
    let mut connection = open(takeover, &CONFIGS[usize::from(mode % 4)]);
    let (mut input, mut history) = (Buffer::new(), vec![]);
    let cut = reader.byte();
    while !reader.is_empty() {
        let len = usize::from(reader.byte()) * if mode & 8 == 0 { 1 } else { 32 };
        let payload = reader.bytes(len).to_vec();
        let at = usize::from(cut).min(payload.len());
        let frames = match cut {
            0 => wire::frame(0xc2, Some([1, 2, 3, 4]), &payload),
            _ => [
                wire::frame(0x42, Some([1, 2, 3, 4]), &payload[..at]),
                wire::frame(0x80, Some([5, 6, 7, 8]), &payload[at..]),
            ]
            .concat(),
        };
        input.extend(&frames);
        let seen = match connection.next_event(&mut input) {
            Ok(Some(Event::Message(Message::Binary(bytes)))) => Ok(bytes.to_vec()),
            Err(error) => Err(error),
            other => panic!("{other:?}"),
        };
        let window = if takeover { &history[..] } else { &[] };
        match (seen, inflate(&payload, window, limit)) {
            (Ok(seen), Ok(wanted)) => {
                assert!(seen == wanted && seen.len() <= limit);
                history.extend_from_slice(&seen);
                history.drain(..history.len().saturating_sub(32_768));
            }
            (Err(error), Err(_)) => {
                // Of two faults either may be found first.
                assert!(matches!(
                    error,
                    ProtocolError::CorruptMessage
                        | ProtocolError::TooManyFinalBlocks
                        | ProtocolError::MessageTooBig { max: _, len: _ }
                ));
                return;
            }
            (seen, wanted) => panic!("{seen:?}, {wanted:?} of {payload:x?}"),
        }
    }
}

fn open(takeover: bool, config: &Config) -> Connection {
    let offer: &[u8] = match takeover {
        true => b"permessage-deflate",
        false => b"permessage-deflate; client_no_context_takeover",
    };
    let headers = [
        ("Host", &b"example.com"[..]),
        ("Connection", b"Upgrade"),
        ("Upgrade", b"websocket"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", offer),
    ];
    let request = Request::new("GET", "/", (1, 1), headers, config).unwrap().upgrade().unwrap();
    request.accept().open(config).unwrap()
}

#[derive(Debug)]
enum Fault {
    Corrupt,
    TooBig,
    TooMany,
}

fn inflate(payload: &[u8], history: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    if payload.len() > limit + limit / 8 + 64 {
        return Err(Fault::TooBig);
    }
    if payload.is_empty() {
        return Ok(vec![]);
    }
    let stream = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut out = history.to_vec();
    out.resize(history.len() + limit + 1, 0);
    let (mut at, mut end, mut finals) = (0, history.len(), 0);
    let mut state = DecompressorOxide::new();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
        | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
    loop {
        let (status, read, written) = decompress(&mut state, &stream[at..], &mut out, end, flags);
        (at, end) = (at + read, end + written);
        if end - history.len() > limit {
            return Err(Fault::TooBig);
        }
        match status {
            // The message may end with a final block, or with the block that is cut off.
            TINFLStatus::Done if at == payload.len() || at == stream.len() => break,
            TINFLStatus::Done if at > payload.len() => return Err(Fault::Corrupt),
            TINFLStatus::Done => {
                finals += 1;
                if finals > 64 {
                    return Err(Fault::TooMany);
                }
                state = DecompressorOxide::new();
            }
            // Whether it stands at the end of a block: an empty one, the last, goes on from there.
            TINFLStatus::NeedsMoreInput => {
                let last = [1, 0, 0, 0xff, 0xff];
                let (status, read, written) = decompress(&mut state, &last, &mut out, end, flags);
                if end + written - history.len() > limit {
                    return Err(Fault::TooBig);
                }
                match status {
                    TINFLStatus::Done if read == last.len() => {
                        end += written;
                        break;
                    }
                    _ => return Err(Fault::Corrupt),
                }
            }
            _ => return Err(Fault::Corrupt),
        }
    }
    out.truncate(end);
    Ok(out.split_off(history.len()))
}
