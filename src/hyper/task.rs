//! The task of an upgraded connection: it waits for the stream, runs the handler, and closes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use super::{Opening, Stream};
use crate::error::{Error, HandlerResult};
use crate::log;
use crate::tokio::{Finish, Permit, Receiver, Sender, Task, poll_unwinding};

pub(super) fn spawn<F>(
    permit: Permit<Stream>,
    opening: Opening,
    handler: impl FnOnce(Sender<Stream>, Receiver<Stream>) -> F + Send + 'static,
) where
    F: Future<Output = HandlerResult> + Send + 'static,
{
    let opening = async move {
        let mut peer = Peer(None);
        let opened = {
            let mut opening = pin!(async {
                let (sender, receiver) = permit.unless_abandoned(opening).await?;
                peer.0 = receiver.with_stream(|stream| stream.tcp()?.peer_addr().ok()).flatten();
                permit.on_open()(&sender);
                Ok::<_, Error>(handler(sender, receiver))
            });
            poll_fn(|cx| poll_unwinding(opening.as_mut(), cx)).await
        };
        let on_error = Arc::new(|peer: &Peer, error: &Error| log::connection_error(peer, error));
        Finish { permit, peer, on_error }.after(opened).await
    };
    ::tokio::spawn(Task::Opens(Box::pin(opening)));
}

/// The client, in a log: its address, if it is known.
struct Peer(Option<SocketAddr>);

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(address) => fmt::Debug::fmt(address, f),
            None => f.write_str("a client behind hyper"),
        }
    }
}
