//! How a connection over a socket ended, to say the same whenever asked again: values for every adapter.

use std::io;
use std::sync::Arc;

use crate::error::{Disconnected, Error, ProtocolError, TimedOut};

/// Why the socket is of no use any more, to be said by both halves.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// By one of our own, who wanted it to end.
    Aborted,
    TimedOut(TimedOut),
    Io(Arc<io::Error>),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Aborted => Disconnected { mid_message: false }.into(),
            Failure::TimedOut(timed_out) => timed_out.into(),
            // Several are told: who looks for the system's number finds it in the source.
            Failure::Io(error) => io::Error::new(error.kind(), error).into(),
        }
    }
}

/// The end, as the receiving half says it.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Closed,
    Protocol(ProtocolError),
    TimedOut(TimedOut),
    Disconnected(Disconnected),
    Failed(Failure),
}

impl End {
    /// The end of a stream without a Close, for a reason that may be known.
    pub(crate) fn disconnected(disconnected: Disconnected, reason: Option<Failure>) -> Self {
        match reason {
            None | Some(Failure::Aborted) => Self::Disconnected(disconnected),
            Some(failure) => Self::Failed(failure),
        }
    }

    /// Whether the socket is of no use any more.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Failed(_))
    }

    pub(crate) fn into_result(self) -> Result<(), Error> {
        match self {
            Self::Closed => Ok(()),
            Self::Protocol(error) => Err(error.into()),
            Self::TimedOut(error) => Err(error.into()),
            Self::Disconnected(error) => Err(error.into()),
            Self::Failed(failure) => Err(failure.into()),
        }
    }
}
