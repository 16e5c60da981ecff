//! Compressed messages (RFC 7692): what is agreed on, and what all connections share. Feature `deflate`.
//!
//! No connection has the state of a compressor: it keeps the end of what it has sent, and a compressor that is shared
//! by all is primed with that for each message. This knows messages alone, not frames.

mod deflater;
mod inflater;
mod pool;
#[cfg(test)]
mod tests;
mod window;
mod zlib;

use std::sync::Arc;

pub(crate) use deflater::{Stamp, Task as DeflateTask};
pub(crate) use inflater::Fault;
use inflater::Task as InflateTask;
pub(crate) use pool::{Lent, Pool};
pub(crate) use window::Window;

/// The bits of the largest window there is (RFC 7692 §7.1.2).
pub(crate) const MAX_BITS: u8 = 15;

/// The largest window, in bytes.
const LARGEST_WINDOW: usize = 1 << MAX_BITS;

/// A compressor or inflater that rests keeps no output memory that is larger than this.
const LARGE: usize = 256 * 1024;

#[doc = include_str!("deflate/guide.md")]
#[derive(Clone, Debug)]
pub struct Compression {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    settings: Settings,
    /// The settings that make no sense, in the order in which they were made.
    faults: Vec<&'static str>,
    pool: Arc<Pool>,
    /// For all connections that remember nothing of what they receive.
    forgetful: Arc<Inflation>,
}

/// The settings, all of which make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) level: u8,
    pub(crate) threshold: usize,
    /// How much is remembered, as the exponent of a power of two: nothing, or 9 to 15.
    pub(crate) sent: Option<u8>,
    /// The same of what is received, if it was set.
    pub(crate) received: Option<Option<u8>>,
}

impl Compression {
    /// The defaults, with a pool of its own.
    #[must_use]
    pub fn new() -> Self {
        let pool = Arc::new(Pool::default());
        let forgetful = Arc::new(Inflation::new(Arc::clone(&pool), None));
        let settings = Settings { level: 3, threshold: 64, sent: Some(12), received: None };
        Self { inner: Arc::new(Inner { settings, faults: Vec::new(), pool, forgetful }) }
    }

    /// How much time to take for less space: a level from 1 to 9, as zlib has them; 3 by default. Messages below 512
    /// bytes are compressed at level 1.
    #[must_use]
    pub fn level(self, level: u8) -> Self {
        let level = Some(level).filter(|level| (1..=9).contains(level));
        self.set("level", level, |settings, level| settings.level = level)
    }

    /// Messages of fewer bytes go as they are: 64 by default.
    #[must_use]
    pub fn threshold(self, bytes: usize) -> Self {
        self.set("threshold", Some(bytes), |settings, bytes| settings.threshold = bytes)
    }

    /// How many bytes of what it has sent each connection keeps, for the next message to refer to: 0, or a power of
    /// two from 512 to 32,768; 4,096 by default. They are given back in silence, with the
    /// first ping that asks for a sign of life (so not with `no_keepalive`), and when the connection closes.
    ///
    /// The peer need not know: it keeps whatever the next message may refer to.
    #[must_use]
    pub fn remember_sent(self, bytes: usize) -> Self {
        self.set("remember_sent", bits(bytes), |settings, bits| settings.sent = bits)
    }

    /// How many bytes of what it has received each connection keeps, since the peer may refer to them: 0, or a
    /// power of two from 512 to 32,768; by default 0 on servers, 32,768 on clients.
    ///
    /// The peer is told: of `client_no_context_takeover` by a server that keeps nothing, of `client_max_window_bits`
    /// by one that keeps less than 32,768; a client says the same of the server. What was promised is kept for as long
    /// as the connection is open, silent or not.
    #[must_use]
    pub fn remember_received(self, bytes: usize) -> Self {
        self.set("remember_received", bits(bytes).map(Some), |settings, bits| {
            settings.received = bits;
        })
    }

    fn set<T>(
        mut self,
        name: &'static str,
        value: Option<T>,
        set: impl FnOnce(&mut Settings, T),
    ) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.faults.retain(|fault| *fault != name);
        match value {
            Some(value) => set(&mut inner.settings, value),
            None => inner.faults.push(name),
        }
        self
    }

    pub(crate) fn settings(&self) -> Settings {
        self.inner.settings
    }

    /// The first setting that makes no sense.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.inner.faults.first().copied()
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.inner.pool
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

/// The exponent of a size to remember.
fn bits(bytes: usize) -> Option<Option<u8>> {
    let is_size = bytes.is_power_of_two() && (512..=LARGEST_WINDOW).contains(&bytes);
    match u8::try_from(bytes.trailing_zeros()) {
        _ if bytes == 0 => Some(None),
        Ok(bits) if is_size => Some(Some(bits)),
        _ => None,
    }
}

/// The parameters that were agreed on, as seen from our side (RFC 7692 §7.1). Windows are exponents of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// How far back what we send may refer: 8 to 15.
    pub(crate) window: u8,
    /// How much of what we have sent is remembered, if messages may refer to those before them.
    pub(crate) sent: Option<u8>,
    /// How much of what we have received must be.
    pub(crate) received: Option<u8>,
}

/// The result of an opening handshake that agreed on compression.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) compression: Compression,
    pub(crate) agreed: Agreed,
}

impl Agreement {
    pub(crate) fn inflation(&self) -> Arc<Inflation> {
        let inner = &self.compression.inner;
        match self.agreed.received {
            None => Arc::clone(&inner.forgetful),
            received => Arc::new(Inflation::new(Arc::clone(&inner.pool), received)),
        }
    }
}

/// The receiving side of an agreement: one for all connections that remember nothing of what they receive, one of its own
/// for each of the others. So those cost a pointer, and these little beside their window.
#[derive(Debug)]
pub(crate) struct Inflation {
    pool: Arc<Pool>,
    received: Option<u8>,
    window: Window,
}

impl Inflation {
    fn new(pool: Arc<Pool>, received: Option<u8>) -> Self {
        Self { pool, received, window: Window::default() }
    }

    /// Decompresses a message, which may refer to those before it.
    pub(crate) fn inflate(
        self: &mut Arc<Self>,
        compressed: &[u8],
        max: usize,
        is_text: bool,
    ) -> Result<Lent, Fault> {
        let mut lent = self.pool.lend_inflater();
        let Some(inflater) = lent.inflater() else {
            return Err(Fault::Corrupt); // it was just lent
        };
        let window = self.window.bytes();
        inflater.inflate(&InflateTask { compressed, window, max, is_text })?;
        if let (Some(bits), Some(own)) = (self.received, Arc::get_mut(self)) {
            own.window.push(inflater.message(), 1 << bits);
        }
        Ok(lent)
    }
}
