//! Where errors go that nobody has asked for: to the crate `log`, if the feature of that name is on.

use std::fmt::Debug;
use std::io;

use crate::error::Error;

/// An error that ended a connection, or refused one: at debug level if it is an ordinary end.
pub(crate) fn connection_error(peer: &dyn Debug, error: &Error) {
    #[cfg(feature = "log")]
    match error.is_disconnect() {
        true => ::log::debug!("{peer:?}: {error}"),
        false => ::log::warn!("{peer:?}: {error}"),
    }
    #[cfg(not(feature = "log"))]
    let _ = (peer, error);
}

/// A failure to accept, such as for want of file descriptors.
pub(crate) fn accept_error(error: &io::Error) {
    #[cfg(feature = "log")]
    ::log::warn!("cannot accept connections: {error}");
    #[cfg(not(feature = "log"))]
    let _ = error;
}
