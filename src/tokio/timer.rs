//! The timer of a future, made when it first waits for a deadline.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use ::tokio::time::{self, Sleep};

/// The time as tokio tells it: it stands still in tests that pause it.
pub(super) fn now() -> Instant {
    time::Instant::now().into_std()
}

#[derive(Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Whether it wakes the task that it knows at this time, or earlier.
    pub(super) fn wakes_by(&self, due: Instant) -> bool {
        let sleep = self.sleep.as_ref();
        sleep.is_some_and(|sleep| sleep.deadline() <= due.into() && !sleep.is_elapsed())
    }

    /// Whether this time has come. If not, the task is woken then, or earlier, to look again: a timer that
    /// is set to an earlier time is left as it is, and costs nothing.
    pub(super) fn has_come(&mut self, due: Instant, cx: &mut Context<'_>) -> bool {
        let due = due.into();
        let Some(sleep) = &mut self.sleep else {
            let sleep = self.sleep.insert(Box::pin(time::sleep_until(due)));
            return sleep.as_mut().poll(cx).is_ready();
        };
        if due < sleep.deadline() || sleep.is_elapsed() {
            sleep.as_mut().reset(due);
        }
        match sleep.as_mut().poll(cx) {
            // It was set to an earlier time.
            Poll::Ready(()) if time::Instant::now() < due => {
                sleep.as_mut().reset(due);
                sleep.as_mut().poll(cx).is_ready()
            }
            polled => polled.is_ready(),
        }
    }
}
