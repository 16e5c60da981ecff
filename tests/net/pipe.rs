//! A transport in memory that waits as a socket does, while the test plays the peer.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net::{self, Receiver, Sender, Transport};
use sansocket::{Buffer, Config};

/// What a write does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// The peer does not read: waits for the write timeout.
    Stalled,
    Fail(io::ErrorKind),
    Panic,
}

/// What was asked of the transport, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Stall,
}

#[derive(Clone)]
pub(crate) struct Pipe(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    way: Way,
    input: VecDeque<u8>,
    input_ended: bool,
    output: Vec<u8>,
    output_ended: bool,
    calls: Vec<Call>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl Pipe {
    pub(crate) fn new(way: Way) -> Self {
        let state = State {
            way,
            input: VecDeque::new(),
            input_ended: false,
            output: vec![],
            output_ended: false,
            calls: vec![],
            read_timeout: None,
            write_timeout: None,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }

    pub(crate) fn open(&self, config: Config) -> (Sender<Self>, Receiver<Self>) {
        net::open(self.clone(), Buffer::new(), config).unwrap()
    }

    pub(crate) fn set(&self, way: Way) {
        self.state().way = way;
        self.0.changed.notify_all();
    }

    /// The peer sends something.
    pub(crate) fn push(&self, bytes: &[u8]) {
        self.state().input.extend(bytes);
        self.0.changed.notify_all();
    }

    /// The peer ends its side.
    pub(crate) fn end(&self) {
        self.state().input_ended = true;
        self.0.changed.notify_all();
    }

    /// The peer sends this every `pause` until the transport is shut down.
    pub(crate) fn push_for_ever(&self, bytes: Vec<u8>, pause: Duration) {
        let pipe = self.clone();
        thread::spawn(move || {
            while !pipe.state().input_ended {
                if pipe.state().input.len() < 64 * 1024 {
                    pipe.push(&bytes);
                }
                thread::sleep(pause);
            }
        });
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Waits until `done` says so of the output and the calls; how long that took, if it did not take
    /// longer than `limit`.
    pub(crate) fn wait_until(
        &self,
        limit: Duration,
        done: impl Fn(&[u8], &[Call]) -> bool,
    ) -> Option<Duration> {
        let start = Instant::now();
        let mut state = self.state();
        while !done(&state.output, &state.calls) {
            let left = limit.checked_sub(start.elapsed())?;
            state = self.0.changed.wait_timeout(state, left).unwrap().0;
        }
        Some(start.elapsed())
    }

    /// Looks at all that was written.
    #[allow(dead_code, reason = "for those who play a peer of TLS")]
    pub(crate) fn look(&self, look: impl FnOnce(&[u8])) {
        look(&self.state().output);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn note(&self, call: Call) {
        self.state().calls.push(call);
        self.0.changed.notify_all();
    }
}

impl Transport for Pipe {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        self.note(Call::Read);
        let mut state = self.state();
        let deadline = state.read_timeout.map(|timeout| Instant::now() + timeout);
        while state.input.is_empty() && !state.input_ended {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => return Err(io::ErrorKind::WouldBlock.into()),
                Some(left) => state = self.0.changed.wait_timeout(state, left).unwrap().0,
                None => state = self.0.changed.wait(state).unwrap(),
            }
        }
        let n = state.input.len().min(space.len());
        for (byte, read) in space.iter_mut().zip(state.input.drain(..n)) {
            *byte = read;
        }
        Ok(n)
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.state();
        let deadline = state.write_timeout.map(|timeout| Instant::now() + timeout);
        loop {
            match state.way {
                _ if state.output_ended => return Err(io::ErrorKind::BrokenPipe.into()),
                Way::Open => break,
                Way::Fail(kind) => return Err(kind.into()),
                Way::Panic => {
                    drop(state);
                    panic!("as the test wants it");
                }
                Way::Stalled => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => {
                    drop(state);
                    self.note(Call::Stall);
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Some(left) => state = self.0.changed.wait_timeout(state, left).unwrap().0,
                None => state = self.0.changed.wait(state).unwrap(),
            }
        }
        let before = state.output.len();
        for slice in slices {
            state.output.extend_from_slice(slice);
        }
        let written = state.output.len() - before;
        drop(state);
        self.note(Call::Write);
        Ok(written)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.state().read_timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.state().write_timeout = timeout;
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let mut state = self.state();
        state.input_ended |= how != Shutdown::Write;
        state.output_ended |= how != Shutdown::Read;
        drop(state);
        self.0.changed.notify_all();
        Ok(())
    }
}

/// A transport over a pipe, its first field, of which only what is said differs.
#[allow(unused_macros, reason = "not all who have a pipe need it")]
macro_rules! over_pipe {
    ($transport:ident { $($methods:tt)* }) => {
        impl sansocket::net::Transport for $transport {
            fn read(&self, space: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(space)
            }

            fn set_read_timeout(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                self.0.set_read_timeout(timeout)
            }

            fn set_write_timeout(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                self.0.set_write_timeout(timeout)
            }

            fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
                self.0.shutdown(how)
            }

            $($methods)*
        }
    };
}
#[allow(unused_imports, reason = "not all who have a pipe need it")]
pub(crate) use over_pipe;
