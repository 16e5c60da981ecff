//! From a URL to an open connection, on threads: names, sockets, proxy, TLS.

use std::borrow::Borrow;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::connect::{Connected, connect_with};
use super::handshake::{LONG, prepare, step};
use super::stream::Stream;
use super::transport::Transport;
use crate::buffer::Buffer;
use crate::config::Config;
use crate::dial::{Deadline, Dial, Next, Race};
#[cfg(feature = "rustls")]
use crate::error::is_timeout;
use crate::error::{Error, TimedOut};

/// Opens a WebSocket to a `ws` or `wss` URL, with the defaults: the short form of [`dial`].
///
/// ```no_run
/// let (sender, mut receiver, _) = sansocket::net::connect_to("ws://localhost:9001/chat")?;
/// sender.send("Hello")?;
/// println!("{:?}", receiver.recv()?);
/// # Ok::<(), sansocket::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`dial`], and [`Error::Build`] if the URL is malformed.
pub fn connect_to(url: &str) -> Result<Connected<Stream>, Error> {
    dial(&Dial::new(url)?, Config::default())
}

/// Opens a WebSocket as a [`Dial`] says, see [there](crate::dial).
///
/// Names are looked up on a thread of their own, and each address is tried on one: so that all can be given up when the time is
/// over. They end then or soon after.
///
/// # Errors
///
/// [`Error::Connect`] if the server or the proxy refuses or answers wrongly; [`Error::TimedOut`] if all of it takes longer
/// than it may; [`Error::Io`] if the name has no address, no address can be connected to, or TLS fails:
/// with `Unsupported`, if there is no TLS to be had for a `wss` URL, and nothing was sent;
/// [`Error::Disconnected`] if the server goes away.
pub fn dial(dial: &Dial, config: impl Borrow<Config>) -> Result<Connected<Stream>, Error> {
    let config = config.borrow();
    let deadline = dial.deadline(config, Instant::now());
    #[cfg(feature = "rustls")]
    let secure = dial.secure()?;
    #[cfg(not(feature = "rustls"))]
    if dial.request().is_secure() {
        let reason = "a wss URL needs TLS: enable the feature rustls of sansocket";
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason).into());
    }
    let addresses = match dial.addresses() {
        [] => resolve(dial.first_hop(), deadline)?,
        addresses => addresses.to_vec(),
    };
    let connect = |address: SocketAddr, timeout| TcpStream::connect_timeout(&address, timeout);
    let stream = race(addresses, deadline, connect)?;
    let input = tunnel(&stream, dial, deadline, config)?;
    #[cfg(feature = "rustls")]
    let (stream, input) = match secure {
        Some((tls, name)) => {
            use crate::tls::{Rustls, Secure};

            let engine = Rustls::client(tls, name)?;
            let secure = Secure::new(false, stream, engine, input);
            prepare(&secure, config)?;
            secure.handshake(deadline.left(Instant::now())?).map_err(timed_out)?;
            (Stream::from(secure), Buffer::new())
        }
        None => (stream.into(), input),
    };
    #[cfg(not(feature = "rustls"))]
    let stream = Stream::from(stream);
    let config = deadline.configure(config, Instant::now())?;
    connect_with(stream, input, dial.request(), &config)
}

/// The addresses of a name. The standard library cannot give up by itself.
fn resolve(name: (String, u16), deadline: Deadline) -> Result<Vec<SocketAddr>, Error> {
    let (tell, told) = mpsc::channel();
    let resolve = move || {
        let (host, port) = name;
        // Nobody may be waiting any more.
        let _ = tell.send((host.as_str(), port).to_socket_addrs().map(Iterator::collect));
    };
    thread::Builder::new().name("sansocket-resolve".into()).spawn(resolve)?;
    match told.recv_timeout(deadline.left(Instant::now())?) {
        Ok(addresses) => Ok(addresses?),
        Err(RecvTimeoutError::Timeout) => Err(TimedOut::Handshake.into()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the resolver panicked").into())
        }
    }
}

/// The first connection to one of the addresses.
fn race<S: Send + 'static>(
    addresses: Vec<SocketAddr>,
    deadline: Deadline,
    connect: impl Fn(SocketAddr, Duration) -> io::Result<S> + Clone + Send + 'static,
) -> Result<S, Error> {
    let (tell, told) = mpsc::channel();
    let mut race = Race::new(addresses);
    loop {
        let now = Instant::now();
        let left = deadline.left(now)?;
        let wait = match race.next(now) {
            Next::Lost => return Err(race.into_error().into()),
            Next::Start(address) => {
                let (tell, connect) = (tell.clone(), connect.clone());
                let attempt = move || _ = tell.send((address, connect(address, left)));
                thread::Builder::new().name("sansocket-connect".into()).spawn(attempt)?;
                continue;
            }
            Next::Wait(at) => at.map_or(left, |at| left.min(at.saturating_duration_since(now))),
        };
        match told.recv_timeout(wait) {
            Ok((_, Ok(stream))) => return Ok(stream),
            Ok((address, Err(error))) => race.failed(address, error),
            Err(_) => {}
        }
    }
}

/// Has the proxy open a tunnel, if there is one. The bytes that were read behind its answer.
fn tunnel(
    stream: &TcpStream,
    dial: &Dial,
    deadline: Deadline,
    config: &Config,
) -> Result<Buffer, Error> {
    let mut input = Buffer::new();
    let Some(mut tunnel) = dial.tunnel(&deadline.configure(config, Instant::now())?) else {
        return Ok(input);
    };
    Transport::set_nodelay(stream, true)?;
    prepare(stream, config)?;
    while !tunnel.next(&mut input)? {
        step(stream, tunnel.exchange(), &mut input, LONG)?;
    }
    Ok(input)
}

#[cfg(feature = "rustls")]
fn timed_out(error: io::Error) -> Error {
    match is_timeout(&error) {
        true => TimedOut::Handshake.into(),
        false => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn deadline(timeout: Duration) -> Deadline {
        let dial = Dial::new("ws://h").unwrap_or_else(|_| unreachable!()).timeout(timeout);
        dial.deadline(&Config::default(), Instant::now())
    }

    fn addresses() -> Vec<SocketAddr> {
        vec![([0xfe80, 0, 0, 0, 0, 0, 0, 1], 1).into(), ([192, 0, 2, 1], 1).into()]
    }

    // DI-03: an address from which nothing comes back costs 250 ms
    #[test]
    fn a_black_hole_is_gone_around() {
        let start = Instant::now();
        let raced = race(addresses(), deadline(20 * SECOND), |address, _| {
            if address.is_ipv6() {
                thread::sleep(SECOND);
            }
            Ok(address)
        });
        assert_eq!(raced.ok(), addresses().pop());
        assert!((200..900).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    }

    // DI-03
    #[test]
    fn an_address_that_refuses_costs_nothing() {
        let start = Instant::now();
        let raced =
            race(addresses(), deadline(20 * SECOND), |address, _| match address.is_ipv6() {
                true => Err(io::ErrorKind::ConnectionRefused.into()),
                false => Ok(address),
            });
        assert_eq!(raced.ok(), addresses().pop());
        assert!(start.elapsed() < Duration::from_millis(200));
        let refuse = |_, _| Err::<(), _>(io::ErrorKind::ConnectionRefused.into());
        match race(addresses(), deadline(SECOND), refuse) {
            Err(Error::Io(error)) => {
                assert!(error.to_string().contains("192.0.2.1:1: "), "{error}")
            }
            other => assert!(other.is_ok()),
        }
    }

    // DI-02
    #[test]
    fn all_attempts_have_one_deadline() {
        let (start, tenth) = (Instant::now(), SECOND / 10);
        let raced = race(addresses(), deadline(tenth), |_, timeout| {
            assert!(timeout <= Duration::from_millis(100));
            thread::sleep(SECOND);
            Ok(())
        });
        assert!(matches!(raced, Err(Error::TimedOut(TimedOut::Handshake))), "{raced:?}");
        assert!(start.elapsed() < SECOND);
    }
}
