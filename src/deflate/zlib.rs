//! DEFLATE (RFC 1951) as a library does it, behind two types: no other file names that library.
//!
//! Streams are raw: no header, no checksum. Each begins with a dictionary, the bytes that went before it.

use zlib_rs::{DeflateFlush, InflateFlush, Status};

/// A compressor. It never refers further back than its window.
pub(super) struct Deflate {
    zlib: zlib_rs::Deflate,
    bits: u8,
    level: u8,
}

impl Deflate {
    /// With a window of 2ⁿ bytes. One of 256 is kept to with the match distances of one of 512, which end 262 bytes
    /// before the window does.
    pub(super) fn new(bits: u8) -> Self {
        let level = 1;
        let zlib = zlib_rs::Deflate::new(level.into(), false, bits.clamp(9, 15));
        Self { zlib, bits, level }
    }

    pub(super) fn bits(&self) -> u8 {
        self.bits
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// Begins a stream behind `dictionary`. Nothing of the last one is left.
    pub(super) fn begin(&mut self, level: u8, dictionary: &[u8]) -> bool {
        self.zlib.reset();
        self.level = level;
        let is_set = self.zlib.set_level(level.into()).is_ok();
        is_set && (dictionary.is_empty() || self.zlib.set_dictionary(dictionary).is_ok())
    }

    /// Compresses all of `input` up to a byte boundary, which four bytes mark at the end of what is written. How
    /// much that is; `None` if there is not room for all of it, after which the stream is of no use.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        let (read, written) = (self.zlib.total_in(), self.zlib.total_out());
        self.zlib.compress(input, output, DeflateFlush::SyncFlush).ok()?;
        let read = usize::try_from(self.zlib.total_in() - read).ok()?;
        let written = usize::try_from(self.zlib.total_out() - written).ok()?;
        // With the output full, there may be more to come.
        (read == input.len() && written < output.len()).then_some(written)
    }
}

/// A decompressor, with a window of 32 KiB.
pub(super) struct Inflate(zlib_rs::Inflate);

/// How far one call of a decompressor came.
pub(super) struct Step {
    pub(super) read: usize,
    pub(super) written: usize,
    /// The final block has ended.
    pub(super) ended: bool,
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self(zlib_rs::Inflate::new(false, 15))
    }

    /// Begins a stream behind the two parts of `dictionary`. Nothing of the last one is left.
    pub(super) fn begin(&mut self, dictionary: [&[u8]; 2]) -> bool {
        self.0.reset(false);
        dictionary.iter().all(|part| part.is_empty() || self.0.set_dictionary(part).is_ok())
    }

    /// Decompresses until the input is used up, the output is full, or the stream ends; `None` if the stream is
    /// corrupt.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Option<Step> {
        let (read, written) = (self.0.total_in(), self.0.total_out());
        let status = self.0.decompress(input, output, InflateFlush::NoFlush).ok()?;
        Some(Step {
            read: usize::try_from(self.0.total_in() - read).ok()?,
            written: usize::try_from(self.0.total_out() - written).ok()?,
            ended: status == Status::StreamEnd,
        })
    }
}
