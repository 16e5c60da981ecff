//! From a URL to an open connection, in a task: names, sockets, proxy, TLS.

use std::borrow::Borrow;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use ::tokio::net::{TcpStream, lookup_host};
use ::tokio::time::timeout;

use super::connect::{Connected, connect_with};
use super::handshake::step;
use super::spare::Input;
use super::stream::Stream;
use super::timer::{Timer, now};
use crate::buffer::Buffer;
use crate::config::Config;
use crate::dial::{Deadline, Dial, Next, Race};
use crate::error::{Error, TimedOut};

/// Opens a WebSocket to a `ws` or `wss` URL, with the defaults: the short form of [`dial`].
///
/// ```no_run
/// # #[tokio::main]
/// # async fn main() -> Result<(), sansocket::Error> {
/// let (sender, mut receiver, _) = sansocket::tokio::connect_to("ws://localhost:9001/chat").await?;
/// sender.send("Hello").await?;
/// println!("{:?}", receiver.recv().await?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of [`dial`], and [`Error::Build`] if the URL is malformed.
pub async fn connect_to(url: &str) -> Result<Connected<Stream>, Error> {
    dial(&Dial::new(url)?, Config::default()).await
}

/// Opens a WebSocket as a [`Dial`] says, see [there](crate::dial). A `wss` URL needs the feature `tokio-rustls`.
///
/// If the future is dropped, so are all sockets.
///
/// # Errors
///
/// [`Error::Connect`] if the server or the proxy refuses or answers wrongly; [`Error::TimedOut`] if all of it takes longer
/// than it may; [`Error::Io`] if the name has no address, no address can be connected to, or TLS fails:
/// with `Unsupported`, if there is no TLS to be had for a `wss` URL, and nothing was sent;
/// [`Error::Disconnected`] if the server goes away.
pub fn dial(
    dial: &Dial,
    config: impl Borrow<Config>,
) -> impl Future<Output = Result<Connected<Stream>, Error>> {
    let deadline = dial.deadline(config.borrow(), now());
    Box::pin(dial_with(dial.clone(), config.borrow().clone(), deadline))
}

/// `deadline` has begun.
async fn dial_with(
    dial: Dial,
    config: Config,
    deadline: Deadline,
) -> Result<Connected<Stream>, Error> {
    let prepared = timeout(deadline.left(now())?, prepare(&dial, &config, deadline)).await;
    let (stream, input) = prepared.map_err(|_| TimedOut::Handshake)??;
    let config = deadline.configure(&config, now())?;
    connect_with(stream, Input::new(input), dial.request().clone(), config).await
}

/// A stream to the server, with TLS over it if that has to be, and the bytes that were read from it.
async fn prepare(
    dial: &Dial,
    config: &Config,
    deadline: Deadline,
) -> Result<(Stream, Option<Buffer>), Error> {
    #[cfg(feature = "tokio-rustls")]
    let secure = dial.secure()?;
    #[cfg(not(feature = "tokio-rustls"))]
    if dial.request().is_secure() {
        let reason = "a wss URL needs TLS: enable the feature tokio-rustls of sansocket";
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason).into());
    }
    let stream = match dial.addresses() {
        [] => race(lookup_host(dial.first_hop()).await?, TcpStream::connect).await?,
        addresses => race(addresses.iter().copied(), TcpStream::connect).await?,
    };
    let (stream, input) = tunnel(stream, dial, config, deadline).await?;
    #[cfg(feature = "tokio-rustls")]
    if let Some((tls, name)) = secure {
        if input.is_some_and(|input| !input.is_empty()) {
            // A TLS server speaks second: this is not one.
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
        stream.set_nodelay(true)?;
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await?;
        return Ok((stream.into(), None));
    }
    Ok((stream.into(), input))
}

/// The first connection to one of the addresses.
async fn race<S, F>(
    addresses: impl IntoIterator<Item = SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    let (mut race, mut timer) = (Race::new(addresses), Timer::default());
    let mut attempts: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let won = poll_fn(|cx| {
        loop {
            let ended = attempts.iter_mut().enumerate().find_map(|(i, (_, attempt))| match attempt
                .as_mut()
                .poll(cx)
            {
                Poll::Ready(ended) => Some((i, ended)),
                Poll::Pending => None,
            });
            match ended {
                Some((_, Ok(stream))) => return Poll::Ready(Some(stream)),
                Some((i, Err(error))) => {
                    let (address, _) = attempts.swap_remove(i);
                    race.failed(address, error);
                    continue;
                }
                None => {}
            }
            match race.next(now()) {
                Next::Lost => return Poll::Ready(None),
                Next::Start(address) => attempts.push((address, Box::pin(connect(address)))),
                Next::Wait(Some(at)) if timer.has_come(at, cx) => {}
                Next::Wait(_) => return Poll::Pending,
            }
        }
    });
    match won.await {
        Some(stream) => Ok(stream),
        None => Err(race.into_error()),
    }
}

/// Has the proxy open a tunnel, if there is one. The stream, and the bytes that were read behind its answer.
async fn tunnel(
    mut stream: TcpStream,
    dial: &Dial,
    config: &Config,
    deadline: Deadline,
) -> Result<(TcpStream, Option<Buffer>), Error> {
    let Some(mut tunnel) = dial.tunnel(&deadline.configure(config, now())?) else {
        return Ok((stream, None));
    };
    stream.set_nodelay(true)?;
    let (mut input, mut timer) = (Input::new(None), Timer::default());
    while !tunnel.next(input.buffer())? {
        step(&mut stream, tunnel.exchange(), &mut input, &mut timer).await?;
    }
    Ok((stream, Some(input.into_rest())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn addresses() -> Vec<SocketAddr> {
        vec![([0xfe80, 0, 0, 0, 0, 0, 0, 1], 1).into(), ([192, 0, 2, 1], 1).into()]
    }

    // DI-03, DI-11: an address from which nothing comes back costs 250 ms
    #[tokio::test(start_paused = true)]
    async fn a_black_hole_is_gone_around() {
        let start = now();
        let raced = race(addresses(), |address| async move {
            if address.is_ipv6() {
                std::future::pending::<()>().await;
            }
            Ok(address)
        });
        assert_eq!(raced.await.ok(), addresses().pop());
        let took = now() - start;
        assert!(
            took >= Duration::from_millis(250) && took < Duration::from_millis(300),
            "{took:?}"
        );
    }

    // DI-03, DI-11
    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let start = now();
        let raced = race(addresses(), |address| async move {
            match address.is_ipv6() {
                true => Err(io::ErrorKind::ConnectionRefused.into()),
                false => Ok(address),
            }
        });
        assert_eq!(raced.await.ok(), addresses().pop());
        assert_eq!(now(), start);
        let refuse = |_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) };
        let lost = race(addresses(), refuse).await;
        assert!(lost.is_err_and(|error| error.to_string().contains("192.0.2.1:1: ")));
    }
}
