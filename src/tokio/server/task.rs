//! The task of one connection: three boxes, one after the other, so that each stage leaves nothing behind.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::error::{Error, HandlerResult};
use crate::tokio::connections::Permit;
use crate::tokio::transport::Transport;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(crate) type OnError<A> = dyn Fn(&A, &Error) + Send + Sync;

/// The handler at work, and the rest.
type Opened<F, S, A> = (Pin<Box<F>>, Box<Finish<S, A>>);

pub(crate) enum Task<F, S: Transport, A> {
    /// The opening handshake. Nothing comes of one that has failed.
    Opens(Boxed<Option<Opened<F, S, A>>>),
    Handles(Pin<Box<F>>, Option<Box<Finish<S, A>>>),
    /// The closing handshake.
    Finishes(Boxed<()>),
}

/// The rest, when the handler has returned.
pub(crate) struct Finish<S: Transport, A> {
    pub(crate) permit: Permit<S>,
    pub(crate) peer: A,
    pub(crate) on_error: Arc<OnError<A>>,
}

impl<S: Transport, A> Finish<S, A> {
    /// After the opening handshake, with what that came to: the handler at work, or the end.
    pub(crate) async fn after<F>(
        self,
        opened: Option<Result<F, Error>>,
    ) -> Option<Opened<F, S, A>> {
        match opened {
            Some(Ok(handling)) => return Some((Box::pin(handling), Box::new(self))),
            Some(Err(error)) => self.run(Some(Err(error.into()))).await,
            None => self.run(None).await,
        }
        None
    }

    async fn run(self, result: Option<HandlerResult>) {
        if let Err(error) = self.permit.finish(result).await {
            report(&*self.on_error, &self.peer, &error);
        }
    }
}

impl<F, S, A> Future for Task<F, S, A>
where
    F: Future<Output = HandlerResult> + Send,
    S: Transport + Send,
    A: Send + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let next = match &mut *self {
                Self::Opens(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Some((handling, finish)) => Self::Handles(handling, Some(finish)),
                    None => return Poll::Ready(()),
                },
                Self::Handles(handling, finish) => {
                    let result = ready!(poll_unwinding(handling.as_mut(), cx));
                    let Some(finish) = finish.take() else {
                        return Poll::Ready(());
                    };
                    Self::Finishes(Box::pin(finish.run(result)))
                }
                Self::Finishes(finishing) => return finishing.as_mut().poll(cx),
            };
            *self = next;
        }
    }
}

/// The output of a future; `None` if it panics.
pub(crate) fn poll_unwinding<F: Future + ?Sized>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
    polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
}

/// A panic in there is no reason to accept nobody any more.
pub(super) fn report<A>(on_error: &OnError<A>, peer: &A, error: &Error) {
    let _ = catch_unwind(AssertUnwindSafe(|| on_error(peer, error)));
}
