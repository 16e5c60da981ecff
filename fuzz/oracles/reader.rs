//! Choices out of fuzz bytes: each call takes some from the front, and zeros once there are none.

pub struct Reader<'d> {
    rest: &'d [u8],
}

impl<'d> Reader<'d> {
    pub fn new(data: &'d [u8]) -> Self {
        Self { rest: data }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        *first
    }

    /// Below `n`, which must not be zero.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Up to `n` bytes: fewer if there are no more.
    pub fn bytes(&mut self, n: usize) -> &'d [u8] {
        let (front, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        front
    }

    pub fn rest(&mut self) -> &'d [u8] {
        self.bytes(usize::MAX)
    }

    /// Up to seven sizes of pieces, of 1 to 3,648 bytes.
    pub fn sizes(&mut self) -> Vec<usize> {
        let n = self.below(8);
        let size = |byte: &u8| match usize::from(*byte) {
            small @ 0..200 => small.max(1),
            large => (large - 198) * 64,
        };
        self.bytes(n).iter().map(size).collect()
    }
}

/// `bytes` in pieces of these sizes, over and over; in one if there are none.
pub fn pieces<'b>(mut bytes: &'b [u8], sizes: &[usize]) -> impl Iterator<Item = &'b [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = sizes.next().copied().unwrap_or(usize::MAX);
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
