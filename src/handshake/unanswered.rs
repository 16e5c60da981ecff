//! A client that waits for its answer, with its socket: for every adapter.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Acceptor, Exchange, Response, ResponseError};
use crate::connection::Connection;

/// A request whose answer is still to be given. If it is dropped without one, as when a handler fails first, the answer
/// is a 500.
pub(crate) struct Unanswered<S> {
    /// `None` once it is answered.
    asked: Option<(S, Acceptor)>,
    /// Writes the last word of an exchange, as far as a drop can.
    write: fn(S, &mut Exchange),
}

impl<S> Unanswered<S> {
    pub(crate) fn new(stream: S, acceptor: Acceptor, write: fn(S, &mut Exchange)) -> Self {
        Self { asked: Some((stream, acceptor)), write }
    }

    pub(crate) fn stream(&self) -> &S {
        match &self.asked {
            Some((stream, _)) => stream,
            None => unreachable!("whoever takes it takes all of this"),
        }
    }

    /// For an answer that is given elsewhere.
    pub(crate) fn take(mut self) -> (S, Acceptor) {
        match self.asked.take() {
            Some(asked) => asked,
            None => unreachable!("whoever takes it takes all of this"),
        }
    }

    /// The connection that the response opens, whose first bytes it is; they are not written here.
    pub(crate) fn accept(mut self, response: Response) -> Result<(S, Connection), ResponseError> {
        let connection = match &mut self.asked {
            Some((_, acceptor)) => acceptor.accept(response)?,
            None => return Err(ResponseError::Answered),
        };
        Ok((self.take().0, connection))
    }

    /// The exchange with an answer that opens nothing, which is to be written.
    pub(crate) fn respond(mut self, response: Response) -> Result<(S, Acceptor), ResponseError> {
        if let Some((_, acceptor)) = &mut self.asked {
            acceptor.respond(response)?;
        }
        Ok(self.take())
    }
}

impl<S> Drop for Unanswered<S> {
    fn drop(&mut self) {
        let Some((stream, mut acceptor)) = self.asked.take() else {
            return;
        };
        if acceptor.respond(Response::no_answer()).is_ok() {
            // The handler may be panicking: a socket that does so, too, must not end the process.
            let answer = || (self.write)(stream, acceptor.exchange());
            let _ = catch_unwind(AssertUnwindSafe(answer));
        }
    }
}
