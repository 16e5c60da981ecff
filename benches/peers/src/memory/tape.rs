//! The stream that everybody reads from and writes to in memory: recorded frames, again and again.
//!
//! A read hands out as much as there is room for, as a busy socket would; or, in step, no more than
//! the rest of one frame, as a socket does whose peer waits for each answer. Nothing is ever pending.
//! What is written is counted and copied once, over what was written before, as a socket copies it into
//! its buffer; or it is kept to be checked. So nobody gets away with not looking at what it writes, and
//! who copies it once more pays for one copy.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Recording;

pub struct Tape {
    recording: Rc<Recording>,
    at: usize,
    /// Hand out one frame at a time.
    in_step: bool,
    /// The end of the frame under way, if in step.
    step_end: usize,
    frame: usize,
    log: Rc<Log>,
}

/// What the buffer of a socket holds, more or less.
const SOCKET: usize = 64 * 1024;

/// What was written.
pub struct Log {
    pub writes: Cell<u64>,
    pub bytes: Cell<u64>,
    /// The bytes themselves, if they are wanted.
    pub kept: RefCell<Option<Vec<u8>>>,
    socket: RefCell<Box<[u8]>>,
    /// Where in the socket the next byte goes.
    at: Cell<usize>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            writes: Cell::default(),
            bytes: Cell::default(),
            kept: RefCell::default(),
            socket: RefCell::new(vec![0; SOCKET].into()),
            at: Cell::default(),
        }
    }
}

impl Log {
    fn copy(&self, mut bytes: &[u8]) {
        let socket = &mut **self.socket.borrow_mut();
        while !bytes.is_empty() {
            let room = &mut socket[self.at.get()..];
            let n = room.len().min(bytes.len());
            room[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.at.set((self.at.get() + n) % SOCKET);
        }
    }
}

impl Tape {
    pub fn new(recording: Rc<Recording>, in_step: bool, log: Rc<Log>) -> Self {
        Self { recording, at: 0, in_step, step_end: 0, frame: 0, log }
    }

    /// The same in step, with so many frames left out at first.
    pub fn from(recording: Rc<Recording>, frames: usize, log: Rc<Log>) -> Self {
        let frame = frames % recording.ends.len();
        let at = frame.checked_sub(1).map_or(0, |before| recording.ends[before]);
        Self { recording, at, in_step: true, step_end: at, frame, log }
    }

    fn take(&mut self, room: usize) -> &[u8] {
        let bytes = &self.recording.bytes;
        if self.at == bytes.len() {
            self.at = 0;
        }
        if self.in_step && self.at == self.step_end % bytes.len() {
            self.step_end = self.recording.ends[self.frame];
            self.frame = (self.frame + 1) % self.recording.ends.len();
        }
        let limit = if self.in_step { self.step_end } else { bytes.len() };
        let from = self.at;
        self.at = limit.min(from + room);
        &bytes[from..self.at]
    }

    fn keep(&self, slices: &[IoSlice<'_>]) -> usize {
        let mut n = 0;
        for slice in slices {
            self.log.copy(slice);
            n += slice.len();
        }
        self.log.writes.set(self.log.writes.get() + 1);
        self.log.bytes.set(self.log.bytes.get() + n as u64);
        if let Some(kept) = &mut *self.log.kept.borrow_mut() {
            slices.iter().for_each(|slice| kept.extend_from_slice(slice));
        }
        n
    }
}

impl Read for Tape {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let bytes = self.take(space.len());
        space[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.keep(&[IoSlice::new(bytes)]))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.keep(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Tape {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = self.get_mut().take(space.remaining());
        space.put_slice(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.keep(&[IoSlice::new(bytes)])))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.keep(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
