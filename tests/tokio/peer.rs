//! A stream in memory whose other end is in the hands of the test: how much it takes and brings at a time, when it
//! stalls, and who is woken.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use sansocket::tokio::{Receiver, Sender};
use sansocket::{Buffer, Config};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "deflate")]
use crate::common::session::compressed_connection;
pub(crate) use crate::common::session::config;

/// The test's end.
#[derive(Clone, Default)]
pub(crate) struct Peer(Arc<Mutex<State>>);

/// The end that belongs to the connection.
pub(crate) struct Stream(Peer);

struct State {
    input: VecDeque<u8>,
    ended: bool,
    /// This comes again and again.
    flood: Vec<u8>,
    output: Vec<u8>,
    /// How many bytes the peer is going to take.
    room: usize,
    /// How many bytes a call moves at most.
    step: usize,
    /// Every other call is not ready, and wakes at once.
    hesitates: bool,
    hesitated: [bool; 2],
    /// Written bytes are passed on by a flush only, of which so many are not ready.
    flushes: Option<usize>,
    shut: bool,
    closed: bool,
    /// The next write does.
    panics: bool,
    failure: Option<io::ErrorKind>,
    /// Reads do, once the input is read.
    read_failure: Option<io::ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            input: VecDeque::new(),
            ended: false,
            flood: vec![],
            output: vec![],
            room: usize::MAX,
            step: usize::MAX,
            hesitates: false,
            hesitated: [false; 2],
            flushes: None,
            shut: false,
            closed: false,
            panics: false,
            failure: None,
            read_failure: None,
            reader: None,
            writer: None,
        }
    }
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One byte at a time, and every other call is not ready.
    pub(crate) fn drip(&self) {
        let mut state = self.state();
        (state.step, state.hesitates) = (1, true);
    }

    pub(crate) fn open(&self, config: Config) -> (Sender<Stream>, Receiver<Stream>) {
        sansocket::tokio::open(Stream(self.clone()), Buffer::new(), config)
    }

    /// The same with a connection that has agreed on compression.
    #[cfg(feature = "deflate")]
    pub(crate) fn open_compressed(&self) -> (Sender<Stream>, Receiver<Stream>) {
        let config = config(|config| config.compression(sansocket::Compression::new()));
        let connection = compressed_connection(&config);
        sansocket::tokio::open_connection(self.stream(), connection, Buffer::new(), config)
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream(self.clone())
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.input.extend(bytes);
        wake(&mut state.reader);
    }

    /// Sends this without end.
    pub(crate) fn flood(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.flood = bytes.to_vec();
        wake(&mut state.reader);
    }

    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(&mut state.reader);
    }

    /// From now on it takes so many bytes.
    pub(crate) fn take_more(&self, bytes: usize) {
        let mut state = self.state();
        state.room = bytes;
        wake(&mut state.writer);
    }

    /// The same, while the driver has not yet told anybody.
    pub(crate) fn take_more_quietly(&self, bytes: usize) {
        self.state().room = bytes;
    }

    /// Written bytes are passed on by the flush after so many that are not ready.
    pub(crate) fn buffers(&self, flushes: usize) {
        let mut state = self.state();
        state.flushes = Some(flushes);
        wake(&mut state.writer);
    }

    pub(crate) fn fail(&self, kind: io::ErrorKind) {
        let mut state = self.state();
        state.failure = Some(kind);
        wake(&mut state.writer);
    }

    /// The same for reads, when all that was sent is read.
    pub(crate) fn fail_reads(&self, kind: io::ErrorKind) {
        let mut state = self.state();
        state.read_failure = Some(kind);
        wake(&mut state.reader);
    }

    /// The next write panics.
    pub(crate) fn panics(&self) {
        let mut state = self.state();
        state.panics = true;
        wake(&mut state.writer);
    }

    pub(crate) fn output(&self) -> Vec<u8> {
        self.state().output.clone()
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.state().shut
    }

    /// Whether the connection has let go of the stream.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until the output is this.
    pub(crate) async fn expect(&self, output: &[u8]) {
        for _ in 0..100_000 {
            if self.output() == output {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{:?} instead of {output:?}", self.output());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn wake(place: &mut Option<Waker>) {
    if let Some(waker) = place.take() {
        waker.wake();
    }
}

impl State {
    /// Whether this call is not ready, for no reason but that it may be.
    fn hesitate(&mut self, way: usize, cx: &Context<'_>) -> bool {
        self.hesitated[way] = self.hesitates && !self.hesitated[way];
        if self.hesitated[way] {
            cx.waker().wake_by_ref();
        }
        self.hesitated[way]
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.hesitate(0, cx) {
            return Poll::Pending;
        }
        if state.input.is_empty() {
            let State { input, flood, .. } = &mut *state;
            input.extend(flood.iter());
        }
        if let (true, Some(kind)) = (state.input.is_empty(), state.read_failure) {
            return Poll::Ready(Err(kind.into()));
        }
        if state.input.is_empty() && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = state.input.len().min(state.step).min(space.remaining());
        let bytes: Vec<u8> = state.input.drain(..n).collect();
        space.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        assert!(!std::mem::take(&mut state.panics), "as it was told");
        if let Some(kind) = state.failure {
            return Poll::Ready(Err(kind.into()));
        }
        if state.hesitate(1, cx) {
            // Like a socket it remembers the last.
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.room == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = bytes.len().min(state.step).min(state.room);
        state.room -= if state.room == usize::MAX { 0 } else { n };
        state.output.extend(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        match state.flushes {
            None | Some(0) => Poll::Ready(Ok(())),
            Some(_) => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.state().shut = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.state().closed = true;
    }
}

/// The default, with a change.
/// Polls once.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
