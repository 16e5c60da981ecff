//! Messages that are compressed (RFC 7692 §7.2.1), behind what was sent before.
//!
//! A message that does not get shorter goes out as it is. Neither that nor a control frame enters the peer's window
//! (§6), so nor do they enter ours.

use super::Encoder;
use crate::config::Agreement;
use crate::deflate::{Compression, DeflateTask, MAX_BITS, Stamp, Window};
use crate::frame::{Opcode, RSV1};
use crate::prepared::Image;

/// Messages below this length are compressed at level 1, whose codes are fixed: the trees of others cost more time
/// than they save space.
const SHORT: usize = 512;

/// So many messages in a row that do not shrink are bad luck; more are of a kind that does not.
const BAD_LUCK: u8 = 7;

/// Of a kind that does not shrink, one of 2ⁿ messages is tried at least.
const MAX_SKIP_BITS: u8 = 6;

/// The sending side of an agreement.
#[derive(Debug)]
pub(super) struct Deflation {
    compression: Compression,
    /// What was sent before, if anything is remembered of it now.
    sent: Option<Box<Sent>>,
    /// How far back messages may refer, as an exponent of two.
    window: u8,
    /// How much is remembered, if they may refer to those before them.
    remember: Option<u8>,
    /// How many messages in a row did not get shorter.
    refused: u8,
    /// How many are not to be tried.
    skip: u8,
}

#[derive(Debug, Default)]
struct Sent {
    window: Window,
    /// The compressor that has just this behind it, if it has seen nothing else since.
    stamp: Option<Stamp>,
}

impl Deflation {
    pub(super) fn new(agreement: &Agreement) -> Box<Self> {
        Box::new(Self {
            compression: agreement.compression.clone(),
            sent: None,
            window: agreement.agreed.window,
            remember: agreement.agreed.sent,
            refused: 0,
            skip: 0,
        })
    }

    /// For an encoder whose frames another one will take.
    pub(super) fn anew(&self) -> Box<Self> {
        Box::new(Self {
            compression: self.compression.clone(),
            sent: None,
            refused: 0,
            skip: 0,
            ..*self
        })
    }

    /// Whether this message is one to try.
    fn tries(&mut self, len: usize) -> bool {
        if len == 0 || len < self.compression.settings().threshold {
            return false;
        }
        let skips = self.skip > 0;
        self.skip = self.skip.saturating_sub(1);
        !skips
    }

    fn note_refusal(&mut self) {
        self.refused = self.refused.saturating_add(1);
        if let Some(bits @ 1..) = self.refused.checked_sub(BAD_LUCK) {
            self.skip = 1 << bits.min(MAX_SKIP_BITS);
        }
    }

    /// The peer has this in its window now.
    fn note_sent(&mut self, message: &[u8], stamp: Option<Stamp>) {
        if let Some(bits) = self.remember {
            let sent = self.sent.get_or_insert_default();
            sent.window.push(message, 1 << bits);
            sent.stamp = stamp;
        }
    }
}

impl Encoder {
    /// Whether messages are compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.deflation.is_some()
    }

    /// Queues a message compressed, whatever the limit, if that makes it shorter. Whether it did.
    #[inline(never)]
    pub(super) fn compress(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        // If the compressor panics, the connection goes on without.
        let Some(mut deflation) = self.deflation.take() else {
            return false;
        };
        let compressed = self.compress_with(&mut deflation, opcode, payload);
        self.deflation = Some(deflation);
        compressed
    }

    fn compress_with(&mut self, deflation: &mut Deflation, opcode: Opcode, payload: &[u8]) -> bool {
        if !deflation.tries(payload.len()) {
            return false;
        }
        let Deflation { compression, sent, window, remember, .. } = &*deflation;
        let (history, stamp) = match sent {
            Some(sent) => (sent.window.bytes(), sent.stamp),
            None => (&[][..], None),
        };
        let is_first = remember.is_some() && history.is_empty();
        let max = self.max_compressed(payload.len(), is_first);
        let level = if payload.len() < SHORT { 1 } else { compression.settings().level };
        let task = DeflateTask { payload, history, level, stamp, max };
        let compressed = compression.pool().with_deflater(*window, stamp, |deflater| {
            self.push_compressed(opcode, deflater.compress(&task)?);
            let stamp = compression.pool().new_stamp();
            deflater.sent(stamp);
            Some(stamp)
        });
        match compressed {
            Some(stamp) => {
                deflation.refused = 0;
                deflation.note_sent(payload, stamp);
                true
            }
            None => {
                deflation.note_refusal();
                false
            }
        }
    }

    /// The most that a message may be long when it is compressed: shorter than it was. The first may be longer, if there
    /// is room: the next can refer to it.
    fn max_compressed(&self, len: usize, is_first: bool) -> usize {
        let longer = len.saturating_add(len / 8).saturating_add(16);
        if is_first && self.fits_behind(0, longer) { longer } else { len.saturating_sub(1) }
    }

    fn push_compressed(&mut self, opcode: Opcode, compressed: &[u8]) {
        // Room for the largest header, so that nothing is moved afterwards.
        self.make_room(14 + compressed.len());
        let start = self.queue.len();
        self.push(opcode, compressed);
        if let Some(first) = self.queue.get_mut(start) {
            *first |= RSV1;
        }
    }

    /// Whether the peer can take this image of a message, which then is in its window; so it is in ours.
    pub(super) fn takes_image(&mut self, image: &Image, message: &[u8]) -> bool {
        match &mut self.deflation {
            Some(deflation) if image.reach <= 1 << deflation.window.min(MAX_BITS) => {
                deflation.note_sent(message, None);
                true
            }
            _ => false,
        }
    }

    /// Queues the image of a message that was compressed before.
    pub(super) fn push_image(&mut self, opcode: Opcode, image: &Image) {
        self.push_compressed(opcode, image.payload());
    }

    /// Forgets what was sent before: the next message refers to nothing before it.
    pub(crate) fn forget_sent(&mut self) {
        if let Some(deflation) = &mut self.deflation {
            deflation.sent = None;
        }
    }

    /// Remembers what `other` has sent, whose frames have just been taken.
    pub(super) fn take_sent_from(&mut self, other: &mut Self) {
        let Some(ours) = &mut self.deflation else {
            return;
        };
        match &mut other.deflation {
            Some(theirs) if theirs.sent.is_some() => ours.sent = theirs.sent.take(),
            Some(_) => {}
            // A compressor has panicked there, and with it went the knowledge of messages that are in the queue.
            None => ours.sent = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Role};
    use crate::deflate::Agreed;

    // V52: what the peer remembers is not known then, so nothing refers to it
    #[test]
    fn nothing_is_referred_to_after_a_panic_among_posted_messages() {
        let agreed = Agreed { window: 15, sent: Some(12), received: None };
        let agreement = Agreement { compression: Compression::new(), agreed };
        let mut encoder = Encoder::new(Role::Server, &Config::default(), &[], Some(&agreement));
        let message = [b'm'; 200];
        assert!(encoder.compress(Opcode::Binary, &message));
        let first = encoder.pending().to_vec();
        let mut posted = encoder.anew();
        assert!(posted.compress(Opcode::Binary, &[b'p'; 200]));
        posted.deflation = None; // as a panic leaves it
        encoder.take_from(&mut posted);
        let before = encoder.pending().len();
        assert!(encoder.compress(Opcode::Binary, &message));
        assert_eq!(encoder.pending().get(before..), Some(&first[..]));
    }
}
