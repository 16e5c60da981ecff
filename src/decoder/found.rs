//! What was found in the buffer.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::frame::Opcode;

/// A whole frame or message, and where in the buffer its payload lies, unmasked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(super) kind: Opcode,
    pub(super) payload: Range<usize>,
    pub(super) mid_message: bool,
    /// It is a message that was compressed, and lies where the buffer keeps such.
    #[cfg(feature = "deflate")]
    pub(super) inflated: bool,
}

impl Found {
    #[inline(always)]
    pub(super) fn new(kind: Opcode, payload: Range<usize>, mid_message: bool) -> Self {
        Self {
            kind,
            payload,
            mid_message,
            #[cfg(feature = "deflate")]
            inflated: false,
        }
    }

    #[inline(always)]
    pub(super) fn payload<'b>(&self, input: &'b Buffer) -> &'b [u8] {
        #[cfg(feature = "deflate")]
        if self.inflated {
            return input.inflated();
        }
        input.get(self.payload.clone())
    }

    /// What it was decompressed to, in bytes, if it was.
    #[cfg(all(feature = "deflate", any(feature = "mio", feature = "tokio")))]
    pub(crate) fn inflated_len(&self, input: &Buffer) -> Option<usize> {
        self.inflated.then(|| input.inflated().len())
    }

    pub(crate) fn is_message(&self) -> bool {
        !self.kind.is_control()
    }

    pub(crate) fn is_close(&self) -> bool {
        self.kind == Opcode::Close
    }
}
