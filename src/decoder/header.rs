//! The header of the next frame, held against the state of the message and the limits.

use super::Decoder;
use crate::error::ProtocolError;
use crate::frame::{self, Opcode};

/// Empty fragments that one message may have, the last one not counted.
const MAX_EMPTY_FRAGMENTS: u8 = 64;

/// A frame header that may stand here, with a payload that the limits allow.
pub(super) struct Header {
    pub(super) fin: bool,
    #[cfg(feature = "deflate")]
    pub(super) rsv1: bool,
    pub(super) opcode: Opcode,
    pub(super) payload: usize,
    pub(super) key: [u8; 4],
    /// Of the header itself.
    pub(super) len: usize,
}

impl Decoder {
    /// The header in front of `bytes`. Checks run in the order of the bytes, so that the same
    /// fault is found however they are cut.
    pub(super) fn header(
        &self,
        bytes: &[u8],
        so_far: usize,
    ) -> Result<Option<Header>, ProtocolError> {
        let &[first, ref bytes @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, rsv1, opcode) = frame::first_byte(first)?;
        // Nothing gave it a meaning (§5.2), or it is not the first frame's (RFC 7692 §6.1).
        if rsv1 && !(self.may_be_compressed() && opcode != Opcode::Continuation) {
            return Err(ProtocolError::ReservedBit);
        }
        match opcode {
            Opcode::Continuation if self.message.is_none() => {
                return Err(ProtocolError::UnexpectedContinuation);
            }
            Opcode::Text | Opcode::Binary if self.message.is_some() => {
                return Err(ProtocolError::InterleavedMessage);
            }
            _ => {}
        }
        let &[second, ref bytes @ ..] = bytes else {
            return Ok(None);
        };
        let (masked, short) = frame::second_byte(second, opcode)?;
        match (masked, self.masked) {
            (false, true) => return Err(ProtocolError::Unmasked),
            (true, false) => return Err(ProtocolError::Masked),
            _ => {}
        }
        let Some((len, extended)) = frame::length(short, bytes)? else {
            return Ok(None);
        };
        let max = self.max_payload(rsv1);
        let payload = self.admit(fin, opcode, len, so_far, max)?;
        let Some((key, key_len)) =
            frame::masking_key(masked, bytes.get(extended..).unwrap_or_default())
        else {
            return Ok(None);
        };
        Ok(Some(Header {
            fin,
            #[cfg(feature = "deflate")]
            rsv1,
            opcode,
            payload,
            key: key.unwrap_or_default(),
            len: 2 + extended + key_len,
        }))
    }

    /// Holds the declared length against the limits, before anything is kept of it (§10.4).
    fn admit(
        &self,
        fin: bool,
        opcode: Opcode,
        len: u64,
        so_far: usize,
        max: usize,
    ) -> Result<usize, ProtocolError> {
        let Ok(payload) = usize::try_from(len) else {
            return Err(self.too_big(len, so_far));
        };
        if opcode.is_control() {
            return Ok(payload);
        }
        if payload > max.saturating_sub(so_far) {
            return Err(self.too_big(len, so_far));
        }
        if len == 0 && !fin && self.empty_fragments == MAX_EMPTY_FRAGMENTS {
            return Err(ProtocolError::TooManyEmptyFragments);
        }
        Ok(payload)
    }

    #[cold]
    fn too_big(&self, len: u64, so_far: usize) -> ProtocolError {
        let so_far = u64::try_from(so_far).unwrap_or(u64::MAX);
        ProtocolError::MessageTooBig { len: len.saturating_add(so_far), max: self.max_message }
    }
}
