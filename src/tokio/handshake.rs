//! Drives an opening handshake over a stream: writes what it has to say, and reads.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ::tokio::task::coop;

use super::spare::Input;
use super::timer::{Timer, now};
use super::transport::{self, Transport};
use crate::buffer::Buffer;
use crate::encoder::Written;
use crate::error::Error;
use crate::handshake::Exchange;

/// Does what is to be done next, until something has arrived, or the exchange is finished.
///
/// # Errors
///
/// A deadline has passed, or the stream has ended or failed.
pub(super) async fn step<S: Transport>(
    stream: &mut S,
    exchange: &mut Exchange,
    input: &mut Input,
    timer: &mut Timer,
) -> Result<(), Error> {
    let step = poll_fn(|cx| {
        let polled = poll_step(stream, exchange, input.buffer(), timer, cx);
        if polled.is_pending() {
            input.park();
        }
        polled
    });
    let result = step.await;
    match result {
        Err(Error::Io(_)) if exchange.fail() => Ok(()),
        result => result,
    }
}

fn poll_step<S: Transport>(
    stream: &mut S,
    exchange: &mut Exchange,
    input: &mut Buffer,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    loop {
        exchange.tick(now())?;
        if exchange.is_finished() {
            return Poll::Ready(Ok(()));
        }
        // A response has the write timeout until all of it is passed on.
        if is_written(stream, exchange, cx)? {
            if exchange.is_finished() {
                return Poll::Ready(Ok(()));
            }
            if exchange.wants_shutdown() && Pin::new(&mut *stream).poll_shutdown(cx).is_ready() {
                exchange.shut_down(); // it may have ended by itself
            }
            match transport::read(stream, input, cx) {
                Ok((0, _)) => return Poll::Ready(exchange.eof().map_err(Error::from)),
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        match exchange.tick(now())? {
            Some(due) if timer.has_come(due, cx) => {}
            _ => return Poll::Pending,
        }
    }
}

/// Writes what is pending. Whether that was all, and the stream has passed it on.
fn is_written<S: Transport>(
    stream: &mut S,
    exchange: &mut Exchange,
    cx: &mut Context<'_>,
) -> io::Result<bool> {
    if exchange.pending().is_empty() && exchange.is_flushed() {
        return Ok(true);
    }
    exchange.set_unflushed();
    if exchange.write_with(|slices| transport::write(stream, slices, cx))? == Written::Blocked {
        return Ok(false);
    }
    Ok(exchange.flush_with(|| transport::flush(stream, cx))? == Written::All)
}

/// After the last word: writes it, and gives the client time to read it and to end its side. Closing the
/// socket with unread input would reset the connection, and the client might never see it.
///
/// In a box: few handshakes end so, and all would have to have room for it.
pub(super) fn linger<S: Transport>(
    mut stream: S,
    exchange: &mut Exchange,
) -> impl Future<Output = ()> {
    Box::pin(async move {
        let (mut discarded, mut timer) = (Input::new(None), Timer::default());
        while !exchange.is_finished() {
            if step(&mut stream, exchange, &mut discarded, &mut timer).await.is_err() {
                return;
            }
            discarded.buffer().consume(usize::MAX);
        }
    })
}

/// Writes the last word as far as the stream takes it at once, even if the task that drops the request has no budget left.
pub(super) fn write_at_once<S: Transport>(mut stream: S, exchange: &mut Exchange) {
    let writing = poll_fn(|cx| {
        if let Ok(true) = is_written(&mut stream, exchange, cx) {
            let _ = Pin::new(&mut stream).poll_shutdown(cx);
        }
        Poll::Ready(())
    });
    let _ = pin!(coop::unconstrained(writing)).poll(&mut Context::from_waker(Waker::noop()));
}
