//! The last bytes of one direction, to which what comes next may refer (RFC 7692 §7.2).

use std::fmt;

#[derive(Default)]
pub(crate) struct Window(Vec<u8>);

impl Window {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a message, and forgets all but the last `max` bytes.
    pub(crate) fn push(&mut self, message: &[u8], max: usize) {
        let message = tail(message, max);
        let kept = self.0.len().min(max - message.len());
        self.0.drain(..self.0.len() - kept);
        let needed = kept + message.len();
        if self.0.capacity() < needed {
            // Two sizes, and no more: those between would leave holes in the heap, of as many bytes.
            let capacity = if needed <= max / 8 { max / 8 } else { max };
            self.0.reserve_exact(capacity - kept);
        }
        self.0.extend_from_slice(message);
    }
}

/// Says how much is remembered, never what.
impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({} bytes)", self.0.len())
    }
}

/// The last `n` bytes, or all if there are fewer.
pub(super) fn tail(bytes: &[u8], n: usize) -> &[u8] {
    bytes.get(bytes.len().saturating_sub(n)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    // CO-15
    #[test]
    fn a_window_is_the_end_of_all_that_was_pushed_and_holds_no_more() {
        for max in [256, 512, 4096] {
            let (mut window, mut all) = (Window::default(), vec![]);
            for i in 0..200_usize {
                let message: Vec<u8> =
                    (0..(i * 37) % (2 * max)).map(|n| (n * i).to_le_bytes()[0]).collect();
                window.push(&message, max);
                all.extend_from_slice(&message);
                assert_eq!(window.bytes(), tail(&all, max));
                assert!(window.0.capacity() <= max, "{} of {max}", window.0.capacity());
            }
        }
    }
}
