//! What a library has to do in memory, and what it says about it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// A server's side of a connection over a [`Tape`](super::tape::Tape), made by one of the adapters.
pub trait Subject {
    /// Receives so many messages, as the application's own: whole, unmasked, text checked.
    fn receive(&mut self, messages: usize) -> Count;

    /// Receives so many messages and sends each back. What the library can hold back to write at
    /// once goes out after each `burst` of them, at the latest.
    fn echo(&mut self, messages: usize, burst: usize) -> Count;

    /// Sends the same message so many times; as for `burst`, see [`echo`](Self::echo).
    fn send(&mut self, outgoing: &Outgoing, messages: usize, burst: usize);
}

/// A message to send. Libraries that want to own what they send get a reference to shared bytes,
/// which is the cheapest they can have.
pub struct Outgoing {
    pub is_text: bool,
    pub bytes: Bytes,
    /// The same as a `str`, for who takes one: made before the clock runs. Empty if it is no text.
    pub text: String,
}

impl Outgoing {
    pub fn new(is_text: bool, bytes: Vec<u8>) -> Self {
        let text = match is_text {
            true => String::from_utf8(bytes.clone()).expect("only text is marked as text"),
            false => String::new(),
        };
        Self { is_text, bytes: bytes.into(), text }
    }
}

/// What was received. Touching the first and the last byte proves that there is something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub messages: usize,
    pub texts: usize,
    pub bytes: usize,
    pub ends: u64,
}

impl Count {
    #[inline]
    pub fn add(&mut self, is_text: bool, payload: &[u8]) {
        self.messages += 1;
        self.texts += usize::from(is_text);
        self.bytes += payload.len();
        if let ([first, ..], [.., last]) = (payload, payload) {
            self.ends += u64::from(*first) + u64::from(*last);
        }
    }
}

/// Runs what waits for nothing, but now and then leaves others their turn, of whom there are none.
pub fn in_turns<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Runs what never has to wait.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for a stream that is always ready"),
    }
}
