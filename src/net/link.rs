//! What the two halves of a connection share: the socket, the write side, and a slot.
//!
//! Whoever holds the write side writes. The receiver never waits for it: it leaves its replies in
//! the slot, whose lock nobody holds for long, and reads on. Whoever gives the write side back looks
//! into the slot afterwards, so no reply is forgotten.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::error::Error;
use super::transport::Transport;
use crate::close::CloseCode;
use crate::config::{Config, Role};
use crate::encoder::Encoder;
use crate::error::{SendError, TimedOut};

/// How long one write waits for the peer to read: the longest that the receiver is held up when it
/// writes itself. A sender tries again until the write timeout.
pub(super) const WRITE_SLICE: Duration = Duration::from_millis(20);

pub(super) struct Link<S> {
    stream: S,
    role: Role,
    writer: Mutex<Writer>,
    slot: Mutex<Slot>,
    write_timeout: Duration,
}

/// The write side.
pub(super) struct Writer {
    pub(super) encoder: Encoder,
    /// A write failed, perhaps in the middle of a frame: nothing may follow.
    broken: bool,
    /// Nothing comes after what is queued: then shut down writing.
    parting: bool,
}

/// What the receiver, or a server that stops, wants to be sent.
#[derive(Default)]
struct Slot {
    pong: Option<Vec<u8>>,
    ping: bool,
    close: Option<(CloseCode, String)>,
    /// The last Close of all, an echo or the answer to a fault. Behind it the stream ends.
    last: Option<(Option<CloseCode>, String)>,
    ended: bool,
    /// Since when we wait for the peer's Close. The one field that stays.
    closing: Option<Instant>,
}

/// What became of an attempt to write without waiting for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All is written, or nothing can be any more.
    Done,
    /// The peer does not read at the moment.
    Stalled,
    /// Somebody else holds the write side, and will see to it.
    Elsewhere,
}

impl<S: Transport> Link<S> {
    pub(super) fn new(stream: S, encoder: Encoder, config: &Config) -> Self {
        let role = encoder.role();
        let writer = Writer { encoder, broken: false, parting: false };
        Self {
            stream,
            role,
            writer: Mutex::new(writer),
            slot: Mutex::new(Slot::default()),
            write_timeout: config.write_timeout.into(),
        }
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Waits for the write side, lets `work` put something into it, and gives it back.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Self, &mut Writer) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut writer = self.lock();
        self.collect(&mut writer);
        let result = work(self, &mut writer);
        drop(writer);
        while self.has_mail() {
            let Some(mut writer) = self.try_lock() else {
                break;
            };
            self.collect(&mut writer);
            // The message before it is on its way; what fails here fails the next one.
            let _ = self.flush(&mut writer);
        }
        result
    }

    /// Writes what can be written soon, without waiting for other senders.
    pub(super) fn deliver(&self) -> Delivery {
        loop {
            let Some(mut writer) = self.try_lock() else {
                return Delivery::Elsewhere;
            };
            self.collect(&mut writer);
            let delivery = self.flush_soon(&mut writer);
            drop(writer);
            if !self.has_mail() {
                return delivery;
            }
        }
    }

    /// Writes all that is queued.
    pub(super) fn flush(&self, writer: &mut Writer) -> Result<(), Error> {
        if writer.broken {
            // What was queued is lost.
            return Err(SendError::Closed.into());
        }
        let mut patience = Patience::new(self.write_timeout);
        while !writer.encoder.pending().is_empty() {
            let pending = writer.encoder.pending();
            match self.write_some(&[IoSlice::new(pending)]) {
                Ok(n) => {
                    writer.encoder.sent(n);
                    patience.renew();
                }
                Err(error) => {
                    patience.bear(error).map_err(|error| self.break_off(writer, error))?
                }
            }
        }
        self.part(writer);
        Ok(())
    }

    /// Writes all that is queued, and then a frame that is not, from where it lies.
    pub(super) fn write_frame(
        &self,
        writer: &mut Writer,
        header: &[u8],
        payload: &[u8],
    ) -> Result<(), Error> {
        if writer.encoder.is_urgent() {
            self.flush(writer)?;
        }
        let mut patience = Patience::new(self.write_timeout);
        let mut done = 0;
        while done < header.len() + payload.len() {
            let queued = writer.encoder.pending();
            let header_rest = header.get(done..).unwrap_or_default();
            let payload_done = done.saturating_sub(header.len());
            let payload_rest = payload.get(payload_done..).unwrap_or_default();
            let slices = [queued, header_rest, payload_rest].map(IoSlice::new);
            let empty = slices.iter().take_while(|slice| slice.is_empty()).count();
            match self.write_some(slices.get(empty..).unwrap_or_default()) {
                Ok(n) => {
                    let of_queue = n.min(queued.len());
                    writer.encoder.sent(of_queue);
                    done += n - of_queue;
                    patience.renew();
                }
                Err(error) => {
                    patience.bear(error).map_err(|error| self.break_off(writer, error))?
                }
            }
        }
        Ok(())
    }

    /// Ends both directions, also for threads that wait in them.
    pub(super) fn cut(&self) {
        // It may have ended by itself.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Writes until the peer stops reading.
    fn flush_soon(&self, writer: &mut Writer) -> Delivery {
        while !writer.broken && !writer.encoder.pending().is_empty() {
            let pending = writer.encoder.pending();
            match self.write_some(&[IoSlice::new(pending)]) {
                Ok(n) => {
                    let stalled = n < pending.len();
                    writer.encoder.sent(n);
                    if stalled {
                        return Delivery::Stalled;
                    }
                }
                Err(error) if is_timeout(&error) => return Delivery::Stalled,
                Err(error) => {
                    self.break_off(writer, error.into());
                }
            }
        }
        self.part(writer);
        Delivery::Done
    }

    fn write_some(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let most: usize = slices.iter().map(|slice| slice.len()).sum();
        loop {
            return match self.stream.write(slices) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(n) if n > most => {
                    let reason = "the transport claims to have written more than it was given";
                    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result,
            };
        }
    }

    /// After a failed write: half a frame may be out.
    fn break_off(&self, writer: &mut Writer, error: Error) -> Error {
        writer.broken = true;
        writer.encoder.end();
        self.note_closing();
        let _ = self.stream.shutdown(Shutdown::Write);
        error
    }

    /// After the last frame of all.
    fn part(&self, writer: &mut Writer) {
        if std::mem::take(&mut writer.parting) {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| distrust(poisoned.into_inner()))
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(distrust(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The slot.
impl<S> Link<S> {
    /// Leaves a pong; only the latest counts (RFC 6455 §5.5.3).
    pub(super) fn leave_pong(&self, payload: &[u8]) {
        self.slot().pong = Some(payload.to_owned());
    }

    pub(super) fn leave_ping(&self) {
        self.slot().ping = true;
    }

    /// Leaves a Close that starts the closing handshake.
    pub(super) fn leave_close(&self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        Encoder::check_close(self.role, code, reason)?;
        let mut slot = self.slot();
        slot.close.get_or_insert_with(|| (code, reason.to_owned()));
        slot.closing.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Leaves the last Close of all.
    pub(super) fn leave_parting(&self, code: Option<CloseCode>, reason: &str) {
        self.slot().last = Some((code, reason.to_owned()));
    }

    /// Leaves word that the connection has ended.
    pub(super) fn leave_end(&self) {
        self.slot().ended = true;
    }

    /// Notes that nothing more will be sent: from now on the peer's Close is waited for.
    pub(super) fn note_closing(&self) {
        self.slot().closing.get_or_insert_with(Instant::now);
    }

    pub(super) fn closing(&self) -> Option<Instant> {
        self.slot().closing
    }

    fn has_mail(&self) -> bool {
        let slot = self.slot();
        let close = slot.close.is_some() || slot.last.is_some() || slot.ended;
        slot.pong.is_some() || slot.ping || close
    }

    /// Moves what was left in the slot to the encoder.
    fn collect(&self, writer: &mut Writer) {
        let mut slot = self.slot();
        if let Some(payload) = slot.pong.take() {
            writer.encoder.pong(&payload);
        }
        if std::mem::take(&mut slot.ping) {
            writer.encoder.keepalive_ping();
        }
        if let Some((code, reason)) = slot.close.take() {
            // It was checked by whoever left it.
            let _ = writer.encoder.close(code, &reason);
        }
        if let Some((code, reason)) = slot.last.take() {
            writer.encoder.echo(code, &reason);
            writer.parting = true;
        }
        if std::mem::take(&mut slot.ended) {
            writer.encoder.end();
        }
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport panicked while it was written to.
fn distrust(mut writer: MutexGuard<'_, Writer>) -> MutexGuard<'_, Writer> {
    writer.broken = true;
    writer.encoder.end();
    writer
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How long to go on writing to a peer that does not read.
struct Patience {
    timeout: Duration,
    stalled: Option<Instant>,
}

impl Patience {
    fn new(timeout: Duration) -> Self {
        Self { timeout, stalled: None }
    }

    fn renew(&mut self) {
        self.stalled = None;
    }

    fn bear(&mut self, error: io::Error) -> Result<(), Error> {
        if !is_timeout(&error) {
            return Err(error.into());
        }
        let now = Instant::now();
        // The write that timed out has waited for a slice already.
        let since =
            *self.stalled.get_or_insert_with(|| now.checked_sub(WRITE_SLICE).unwrap_or(now));
        match now.duration_since(since) >= self.timeout {
            true => Err(TimedOut::Write.into()),
            false => Ok(()),
        }
    }
}
