//! An inflater for one message at a time, written down from RFC 1951: slow, and with a window that is enforced.

/// Why a stream is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ends in the middle.
    CutOff,
    Invalid,
    /// Something lies further back than the window, or than there is anything.
    TooFar,
}

type Result<T> = std::result::Result<T, Fault>;

/// The payload of a compressed message, as it is on the wire (RFC 7692 §7.2.2). `window` is in bytes.
pub(crate) fn inflate(compressed: &[u8], history: &[u8], window: usize) -> Result<Vec<u8>> {
    let stream = [compressed, &[0, 0, 0xff, 0xff]].concat();
    let mut bits = Bits { stream: &stream, at: 0 };
    let mut out = history.to_vec();
    while bits.at < stream.len() * 8 {
        let last = bits.take(1)?;
        match bits.take(2)? {
            0 => {
                bits.align();
                let (len, check) = (bits.take(16)?, bits.take(16)?);
                if len != !check & 0xffff {
                    return Err(Fault::Invalid);
                }
                for _ in 0..len {
                    out.push(bits.take(8)? as u8);
                }
            }
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                block(&mut bits, &Code::new(&lengths), &Code::new(&[5; 30]), &mut out, window)?;
            }
            2 => {
                let (literals, distances) = codes(&mut bits)?;
                block(&mut bits, &literals, &distances, &mut out, window)?;
            }
            _ => return Err(Fault::Invalid),
        }
        if last == 1 {
            bits.align();
        }
    }
    Ok(out.split_off(history.len()))
}

struct Bits<'s> {
    stream: &'s [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Result<usize> {
        let mut value = 0;
        for i in 0..n {
            let byte = self.stream.get(self.at / 8).ok_or(Fault::CutOff)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.div_ceil(8) * 8;
    }
}

/// A canonical Huffman code: how many codes there are of each length, and their symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        for len in lengths {
            counts[*len] += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|i| lengths[*i] > 0).collect();
        symbols.sort_by_key(|i| (lengths[*i], *i));
        Self { counts, symbols }
    }

    /// How many codes of 15 bits are not used; `None` if there are too many.
    fn unused(&self) -> Option<usize> {
        self.counts[1..].iter().try_fold(1_usize, |left, count| (left * 2).checked_sub(*count))
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Fault::Invalid)
    }
}

/// The codes of a dynamic block (RFC 1951 §3.2.7).
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances) = (bits.take(5)? + 257, bits.take(5)? + 1);
    if literals > 286 || distances > 30 {
        return Err(Fault::Invalid);
    }
    let codes = bits.take(4)? + 4;
    let mut lengths = [0; 19];
    for i in &ORDER[..codes] {
        lengths[*i] = bits.take(3)?;
    }
    let code = Code::new(&lengths);
    if code.unused() != Some(0) {
        return Err(Fault::Invalid);
    }
    let mut lengths = vec![];
    while lengths.len() < literals + distances {
        match code.decode(bits)? {
            16 => {
                let last = *lengths.last().ok_or(Fault::Invalid)?;
                lengths.extend(vec![last; bits.take(2)? + 3]);
            }
            17 => lengths.extend(vec![0; bits.take(3)? + 3]),
            18 => lengths.extend(vec![0; bits.take(7)? + 11]),
            len => lengths.push(len),
        }
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(Fault::Invalid);
    }
    let (distances, literals) = (Code::new(&lengths.split_off(literals)), Code::new(&lengths));
    for code in [&literals, &distances] {
        // One code alone may be of one bit, and of distances there may be none.
        let is_lone = code.symbols.len() == code.counts[1] && code.counts[1] <= 1;
        if code.unused() != Some(0) && !is_lone {
            return Err(Fault::Invalid);
        }
    }
    Ok((literals, distances))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    out: &mut Vec<u8>,
    window: usize,
) -> Result<()> {
    loop {
        match literals.decode(bits)? {
            literal @ 0..=255 => out.push(literal as u8),
            256 => return Ok(()),
            symbol @ 257..=285 => {
                let len = match symbol - 257 {
                    n @ 0..=7 => 3 + n,
                    28 => 258,
                    n => ((4 + n % 4) << (n / 4 - 1)) + 3 + bits.take(n / 4 - 1)?,
                };
                let distance = match distances.decode(bits)? {
                    n @ 0..=3 => 1 + n,
                    n @ 4..=29 => ((2 + n % 2) << (n / 2 - 1)) + 1 + bits.take(n / 2 - 1)?,
                    _ => return Err(Fault::Invalid),
                };
                let start = out.len().checked_sub(distance).ok_or(Fault::TooFar)?;
                if distance > window {
                    return Err(Fault::TooFar);
                }
                for i in 0..len {
                    out.push(out[start + i]);
                }
            }
            _ => return Err(Fault::Invalid),
        }
    }
}

#[test]
fn the_examples_of_rfc_7692_are_read() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0];
    assert_eq!(inflate(&hello, b"", 256), Ok(b"Hello".to_vec()));
    assert_eq!(inflate(&[0xf2, 0, 0x11, 0, 0], b"Hello", 256), Ok(b"Hello".to_vec()));
    assert_eq!(inflate(&[0xf2, 0, 0x11, 0, 0], b"Hello", 4), Err(Fault::TooFar));
    assert_eq!(
        inflate(&[0, 5, 0, 0xfa, 0xff, 72, 101, 108, 108, 111, 0], b"", 1),
        Ok(b"Hello".to_vec())
    );
    assert_eq!(inflate(&hello[..3], b"", 256), Err(Fault::CutOff));
}
