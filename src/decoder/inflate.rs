//! Messages that are compressed (RFC 7692 §7.2.2).
//!
//! What arrives of one is kept as it is, and decompressed when it is whole: so a message that never ends holds no
//! inflater, and the result does not depend on how it was cut.

use super::{Decoder, Found};
use crate::buffer::Buffer;
use crate::deflate::Fault;
use crate::error::ProtocolError;
use crate::frame::Opcode;

impl Decoder {
    /// The most that a compressed message may be long on the wire: as much as an honest compressor makes of one that does
    /// not shrink. With fixed codes that is one bit more for each byte; Python's makes one byte more of 400.
    pub(super) fn max_compressed(&self) -> usize {
        self.max_message.saturating_add(self.max_message / 8).saturating_add(64)
    }

    /// Decompresses a message that was found.
    // Inline, it would cost all the others something.
    #[inline(never)]
    pub(super) fn inflate(
        &mut self,
        mut found: Found,
        input: &mut Buffer,
    ) -> Result<Found, ProtocolError> {
        let is_text = found.kind == Opcode::Text;
        let Some(inflation) = &mut self.inflation else {
            return Err(self.fail(ProtocolError::ReservedBit));
        };
        let compressed = input.get(found.payload.clone());
        match inflation.inflate(compressed, self.max_message, is_text) {
            Ok(lent) => {
                input.lend(lent);
                found.inflated = true;
                Ok(found)
            }
            Err(fault) => Err(self.fail(match fault {
                Fault::Corrupt => ProtocolError::CorruptMessage,
                Fault::Text => ProtocolError::InvalidText,
                Fault::TooManyFinalBlocks => ProtocolError::TooManyFinalBlocks,
                Fault::TooBig(len) => ProtocolError::MessageTooBig {
                    len: u64::try_from(len).unwrap_or(u64::MAX),
                    max: self.max_message,
                },
            })),
        }
    }
}
