//! Compressed messages (RFC 7692), as a client makes and checks them, with zlib-rs.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::samples::Sample;
use crate::wire::{Recording, masked, split_frame};

/// What a browser offers.
pub const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// RSV1, which says that a message is compressed, and the opcode of text.
const COMPRESSED_TEXT: u8 = 0xc1;
const TEXT: u8 = 0x81;

/// The end of every compressed message, which is not sent.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// The messages of a sample, each compressed alone, as any server can read it, within a window of so many bits.
pub fn record(sample: Sample, bits: u8) -> Recording {
    let mut recording = Recording { is_text: true, ..Recording::default() };
    let mut zlib = Compress::new_with_window_bits(Compression::new(6), false, bits);
    for (number, message) in sample.messages().iter().enumerate() {
        let mut out = Vec::with_capacity(message.len() + 64);
        zlib.reset();
        let status = zlib.compress_vec(message.as_bytes(), &mut out, FlushCompress::Sync);
        assert!(matches!(status, Ok(Status::Ok)), "zlib has failed");
        assert!(out.ends_with(TAIL), "zlib has not flushed");
        out.truncate(out.len() - TAIL.len());
        recording.push(&masked(COMPRESSED_TEXT, &out, number), message.clone().into_bytes());
    }
    recording
}

/// The receiving side of one connection.
pub struct Decoder(Decompress);

impl Default for Decoder {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

/// How large messages have become on their way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shrinkage {
    pub messages: u64,
    /// Those with RSV1.
    pub compressed: u64,
    /// Bytes as they were, and with their heads as they came.
    raw: u64,
    wire: u64,
}

impl Shrinkage {
    /// On the wire, in percent of what they were; or why they count as not compressed.
    pub fn percent(&self) -> Result<f64, String> {
        let percent = self.wire as f64 * 100.0 / self.raw as f64;
        if self.compressed * 10 < self.messages * 9 || percent > 97.0 {
            let Self { messages, compressed, .. } = self;
            return Err(format!(
                "{compressed} of {messages} messages were compressed, to {percent:.0}%"
            ));
        }
        Ok(percent)
    }
}

impl Decoder {
    /// Takes a frame off, which has to carry this message: how long it was. None if it is not complete.
    pub fn take(
        &mut self,
        bytes: &[u8],
        message: &[u8],
        out: &mut Vec<u8>,
        shrinkage: &mut Shrinkage,
    ) -> Result<Option<usize>, String> {
        let Some((first, payload, rest)) = split_frame(bytes) else {
            return Ok(None);
        };
        let is_compressed = match first {
            COMPRESSED_TEXT => true,
            TEXT => false,
            other => return Err(format!("a frame that starts with {other:#x}")),
        };
        let payload = match is_compressed {
            true => {
                self.inflate(payload, message.len(), out).map_err(|error| error.to_string())?;
                &out[..]
            }
            false => payload,
        };
        if payload != message {
            return Err(format!("another message, of {} bytes", payload.len()));
        }
        let len = bytes.len() - rest.len();
        shrinkage.messages += 1;
        shrinkage.compressed += u64::from(is_compressed);
        shrinkage.raw += message.len() as u64;
        shrinkage.wire += len as u64;
        Ok(Some(len))
    }

    fn inflate(
        &mut self,
        payload: &[u8],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), flate2::DecompressError> {
        out.clear();
        out.reserve(len + 16);
        for input in [payload, TAIL] {
            let status = self.0.decompress_vec(input, out, FlushDecompress::Sync)?;
            if status == Status::StreamEnd {
                self.0.reset(false);
                break;
            }
        }
        Ok(())
    }
}
