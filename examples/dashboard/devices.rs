//! The sockets of devices: a thread for each that speaks TCP, and one for all that speak UDP.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::mio::{Handle, PostError};

/// Devices that may be connected at once.
const MAX_CONNECTIONS: usize = 200;
/// The longest line, and the longest name.
const MAX_LINE: usize = 128;
const MAX_NAME: usize = 32;
/// Commands that may wait for a device.
const MAX_COMMANDS: usize = 8;
/// How long a device may say nothing.
const SILENCE: Duration = Duration::from_secs(60);
/// How soon a command goes out to a device that says nothing.
const LOOK_UP: Duration = Duration::from_millis(100);

/// A reading.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) reply: Reply,
}

/// The way back to a device.
#[derive(Clone)]
pub(crate) enum Reply {
    Tcp(SyncSender<String>),
    Udp(Arc<UdpSocket>, SocketAddr),
}

impl Reply {
    pub(crate) fn via(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Udp(..) => "UDP",
        }
    }

    /// Sends a command, without waiting.
    pub(crate) fn send(&self, command: &str) -> Result<(), &'static str> {
        match self {
            Self::Tcp(commands) => {
                commands.try_send(format!("{command}\n")).map_err(|error| match error {
                    std::sync::mpsc::TrySendError::Full(_) => "the device does not read",
                    std::sync::mpsc::TrySendError::Disconnected(_) => "the device has gone",
                })
            }
            // A datagram to a full socket is lost, as any may be.
            Self::Udp(socket, address) => match socket.send_to(command.as_bytes(), address) {
                Ok(_) => Ok(()),
                Err(_) => Err("the datagram cannot be sent"),
            },
        }
    }
}

/// Reads a line: a name, a space, a number.
fn parse(line: &[u8], reply: impl FnOnce() -> Reply) -> Option<Line> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let (name, value) = line.split_once(' ')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let value: f64 = value.trim().parse().ok()?;
    let is_name = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_plain);
    (is_name && value.is_finite()).then(|| Line { name: name.to_owned(), value, reply: reply() })
}

/// Starts the threads that listen: where they do.
pub(crate) fn listen(address: &str, handle: Handle<Line>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let socket = Arc::new(UdpSocket::bind(address)?);
    // Commands are sent by the event loop, which must not wait.
    socket.set_nonblocking(true)?;
    let datagrams = handle.clone();
    spawn("datagrams", move || receive(&socket, &datagrams))?;
    spawn("devices", move || accept(&listener, &handle))?;
    Ok(address)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

fn receive(socket: &Arc<UdpSocket>, handle: &Handle<Line>) {
    let mut datagram = [0; MAX_LINE];
    loop {
        match socket.recv_from(&mut datagram) {
            Ok((n, from)) => {
                let reply = || Reply::Udp(Arc::clone(socket), from);
                let line = parse(datagram.get(..n).unwrap_or_default(), reply);
                // One that does not fit into the mailbox is lost, as any datagram may be.
                if line.map(|line| handle.mail(0, line)) == Some(Err(PostError::Stopped)) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            // An answer from a device that has gone.
            Err(_) => {}
        }
    }
}

fn accept(listener: &TcpListener, handle: &Handle<Line>) {
    let connections = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(LOOK_UP); // out of file descriptors, perhaps
            continue;
        };
        if connections.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue; // it is cut off
        }
        connections.fetch_add(1, Ordering::Relaxed);
        let (handle, count) = (handle.clone(), Arc::clone(&connections));
        let serve = move || {
            let _ = serve(stream, &handle); // a device may go as it likes
            count.fetch_sub(1, Ordering::Relaxed);
        };
        if spawn("device", serve).is_err() {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One device: readings in, commands out.
fn serve(stream: TcpStream, handle: &Handle<Line>) -> io::Result<()> {
    let (sender, commands): (_, Receiver<String>) = sync_channel(MAX_COMMANDS);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK_UP))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut input = BufReader::new(&stream);
    let (mut line, mut heard) = (Vec::new(), Instant::now());
    while heard.elapsed() < SILENCE {
        for command in commands.try_iter() {
            (&stream).write_all(command.as_bytes())?;
        }
        let room = MAX_LINE.saturating_sub(line.len()) as u64;
        match input.by_ref().take(room).read_until(b'\n', &mut line) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
            Ok(0) => return Ok(()), // its end, or a line without one
            Ok(_) if line.last() == Some(&b'\n') => {
                heard = Instant::now();
                if let Some(reading) = parse(&line, || Reply::Tcp(sender.clone())) {
                    post(handle, &reading)?;
                }
                line.clear();
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The device waits if the event loop has too much to do.
fn post(handle: &Handle<Line>, reading: &Line) -> io::Result<()> {
    loop {
        let Line { name, value, reply } = reading;
        let copy = Line { name: name.clone(), value: *value, reply: reply.clone() };
        match handle.mail(0, copy) {
            Ok(()) => return Ok(()),
            Err(PostError::Full) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
