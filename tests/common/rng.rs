//! Numbers without a pattern, the same in each run.

/// Marsaglia's xorshift64.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `n`, which must not be zero.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn key(&mut self) -> [u8; 4] {
        (self.next() as u32).to_ne_bytes()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Text of about `len` bytes, of characters of every length.
    pub(crate) fn text(&mut self, len: usize) -> String {
        let mut text = String::new();
        while text.len() < len {
            text.push(*self.pick(&[
                'a',
                'Z',
                '\0',
                'ß',
                'Я',
                '日',
                '\u{ffff}',
                '🎉',
                '\u{10ffff}',
            ]));
        }
        text
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
