//! A transport that follows a script.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sansocket::net::{self, Receiver, Sender, Transport};
use sansocket::{Buffer, Config};

/// What a read does. When there is no step left, the stream has ended.
#[derive(Clone)]
pub(crate) enum Read {
    Bytes(Vec<u8>),
    Fail(io::ErrorKind),
    /// Waits as long as it may, and brings nothing.
    Silence,
    /// The same, but for at most a little longer than output waits to be tried again.
    Moment,
    /// Claims one byte more than there was room for.
    TooMuch,
}

/// What a write does. When there is no step left, it takes everything.
#[derive(Clone, Copy)]
pub(crate) enum Write {
    Take(usize),
    Fail(io::ErrorKind),
    /// Waits as a socket does whose peer does not read, and takes nothing.
    Stall(Duration),
    /// Claims one byte more than it was given.
    TooMuch,
    Panic,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<State>);

#[derive(Default)]
struct State {
    reads: Mutex<VecDeque<Read>>,
    writes: Mutex<VecDeque<Write>>,
    /// The bytes of each call that wrote some.
    written: Mutex<Vec<Vec<u8>>>,
    /// Operations until everything fails.
    fuse: Mutex<Option<usize>>,
    shutdowns: Mutex<Vec<Shutdown>>,
    /// How long a read may take at present, and how long each of them might.
    read_timeout: Mutex<Option<Duration>>,
    waits: Mutex<Vec<Duration>>,
    without_timeouts: bool,
    stuck: bool,
}

impl Fake {
    pub(crate) fn new(reads: Vec<Read>, writes: Vec<Write>) -> Self {
        let state = State {
            reads: Mutex::new(reads.into()),
            writes: Mutex::new(writes.into()),
            ..State::default()
        };
        Self(Arc::new(state))
    }

    pub(crate) fn without_timeouts() -> Self {
        Self(Arc::new(State { without_timeouts: true, ..State::default() }))
    }

    /// Everything fails after this many operations.
    pub(crate) fn burn_after(&self, operations: usize) {
        *self.0.fuse.lock().unwrap() = Some(operations);
    }

    pub(crate) fn open(&self) -> (Sender<Self>, Receiver<Self>) {
        self.open_with(Config::default())
    }

    pub(crate) fn open_with(&self, config: Config) -> (Sender<Self>, Receiver<Self>) {
        net::open(self.clone(), Buffer::new(), config).unwrap()
    }

    /// Neither reads nor writes anything, for ever.
    pub(crate) fn stuck() -> Self {
        Self(Arc::new(State { stuck: true, ..State::default() }))
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        self.0.written.lock().unwrap().concat()
    }

    pub(crate) fn calls(&self) -> Vec<Vec<u8>> {
        self.0.written.lock().unwrap().clone()
    }

    pub(crate) fn shutdowns(&self) -> Vec<Shutdown> {
        self.0.shutdowns.lock().unwrap().clone()
    }

    /// How long each read might have waited.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.0.waits.lock().unwrap().clone()
    }

    fn burn(&self) -> io::Result<()> {
        if self.0.stuck {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match &mut *self.0.fuse.lock().unwrap() {
            Some(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Transport for Fake {
    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        self.0.waits.lock().unwrap().extend(*self.0.read_timeout.lock().unwrap());
        self.burn()?;
        let mut reads = self.0.reads.lock().unwrap();
        match reads.pop_front() {
            None => Ok(0),
            Some(Read::Fail(kind)) => Err(kind.into()),
            Some(Read::Silence) => {
                let wait = *self.0.read_timeout.lock().unwrap();
                thread::sleep(wait.unwrap_or_default());
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Read::Moment) => {
                let wait = *self.0.read_timeout.lock().unwrap();
                thread::sleep(wait.unwrap_or_default().min(Duration::from_millis(25)));
                Err(io::ErrorKind::WouldBlock.into())
            }
            Some(Read::TooMuch) => Ok(space.len() + 1),
            Some(Read::Bytes(bytes)) => {
                let n = bytes.len().min(space.len());
                space[..n].copy_from_slice(&bytes[..n]);
                if n < bytes.len() {
                    reads.push_front(Read::Bytes(bytes[n..].to_vec()));
                }
                Ok(n)
            }
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.burn()?;
        let step = self.0.writes.lock().unwrap().pop_front();
        let bytes = slices.iter().map(|slice| &slice[..]).collect::<Vec<_>>().concat();
        let n = match step.unwrap_or(Write::Take(usize::MAX)) {
            Write::Take(n) => n.min(bytes.len()),
            Write::Fail(kind) => return Err(kind.into()),
            Write::Stall(time) => {
                thread::sleep(time);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Write::TooMuch => return Ok(bytes.len() + 1),
            Write::Panic => panic!("as the script says"),
        };
        self.0.written.lock().unwrap().push(bytes[..n].to_vec());
        Ok(n)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        *self.0.read_timeout.lock().unwrap() = timeout;
        self.set_write_timeout(timeout)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        match self.0.without_timeouts {
            true => Err(io::ErrorKind::Unsupported.into()),
            false => Ok(()),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdowns.lock().unwrap().push(how);
        Ok(())
    }
}
