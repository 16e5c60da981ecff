//! Masking: XOR with a 4-byte key, in place (RFC 6455 §5.3).
//!
//! Masking and unmasking are the same operation. It can stop after any byte and go on
//! later: the key then starts at another of its bytes, which [`skip`] works out.

/// Bytes per turn of the loops that the compiler turns into vector instructions, and the boundary on
/// which the wide one begins: a cache line.
const TURN: usize = 64;

/// From how many bytes on the widest instructions of the processor are worth looking for.
const WIDE: usize = 512;

/// Masks or unmasks `payload`, whose first byte belongs to `key[0]`.
#[inline(always)]
pub(crate) fn apply(payload: &mut [u8], key: [u8; 4]) {
    match payload.len() {
        0..TURN => apply_words(payload, key),
        _ => apply_long(payload, key),
    }
}

/// The key for what follows after `n` more bytes of payload.
#[inline]
pub(crate) fn skip(mut key: [u8; 4], n: usize) -> [u8; 4] {
    key.rotate_left(n & 3);
    key
}

#[inline(never)]
fn apply_long(payload: &mut [u8], key: [u8; 4]) {
    match payload.len() {
        0..WIDE => apply_turns(payload, key),
        _ => apply_aligned(payload, key),
    }
}

/// By vectors that cross no cache line.
#[inline(never)]
fn apply_aligned(payload: &mut [u8], key: [u8; 4]) {
    let unaligned = payload.as_ptr().align_offset(TURN).min(payload.len());
    let (head, lines) = payload.split_at_mut(unaligned);
    apply_words(head, key);
    apply_lines(lines, skip(key, unaligned));
}

/// [`apply_turns`], compiled for the processors that there are today besides, of which the one at
/// hand is found at run time.
#[cfg_attr(feature = "simd", multiversion::multiversion(targets("x86_64+avx2")))]
fn apply_lines(payload: &mut [u8], key: [u8; 4]) {
    apply_turns(payload, key);
}

#[inline(always)]
fn apply_turns(payload: &mut [u8], key: [u8; 4]) {
    let mut pattern = [0; TURN];
    for four in pattern.chunks_exact_mut(4) {
        four.copy_from_slice(&key);
    }
    let mut turns = payload.chunks_exact_mut(TURN);
    for turn in turns.by_ref() {
        for (byte, mask) in turn.iter_mut().zip(&pattern) {
            *byte ^= mask;
        }
    }
    apply_words(turns.into_remainder(), key);
}

/// Eight bytes a turn, then one: for less than one `TURN`.
#[inline]
fn apply_words(payload: &mut [u8], key: [u8; 4]) {
    let four = u64::from(u32::from_ne_bytes(key));
    let word = four | four << 32;
    let mut rest = payload;
    while rest.len() >= 8 {
        if let Some((eight, tail)) = std::mem::take(&mut rest).split_first_chunk_mut() {
            *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
            rest = tail;
        }
    }
    for (byte, mask) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(payload: &[u8], key: [u8; 4]) -> Vec<u8> {
        let octet = |(i, byte): (usize, &u8)| byte ^ key[i % 4];
        payload.iter().enumerate().map(octet).collect()
    }

    // FR-19
    #[test]
    fn every_offset_and_length_equals_the_naive_loop() {
        let bytes: Vec<u8> = (0..=255).cycle().take(700).collect();
        for key in [[0x37, 0xfa, 0x21, 0x3d], [0; 4], [0xff; 4]] {
            for offset in 0..8 {
                for len in 0..=bytes.len() - offset {
                    let mut masked = bytes[offset..offset + len].to_vec();
                    apply(&mut masked, key);
                    assert_eq!(masked, naive(&bytes[offset..offset + len], key));
                }
            }
        }
    }

    // the key index runs on across buffers
    #[test]
    fn a_cut_anywhere_changes_nothing() {
        let key = [1, 2, 4, 8];
        let bytes: Vec<u8> = (0..150).collect();
        for cut in 0..=bytes.len() {
            let mut masked = bytes.clone();
            let (head, tail) = masked.split_at_mut(cut);
            apply(head, key);
            apply(tail, skip(key, cut));
            assert_eq!(masked, naive(&bytes, key));
        }
    }
}
