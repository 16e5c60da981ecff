//! What others have to say to a connection: publications, and messages from other threads.

use super::app::App;
use super::client::{Client, Stage};
use super::common::{Common, End, Full, Note};
use super::table::Id;
use super::turn::Next;
use crate::close::CloseCode;
use crate::error::SendError;
use crate::prepared::Prepared;

impl<S> Client<S> {
    /// Sends what was published: all of it in one write, if it fits into the queue.
    pub(super) fn tell<'n, A: App<State = S>>(
        &mut self,
        id: Id,
        notes: impl Iterator<Item = &'n Note>,
        app: &mut A,
        common: &mut Common,
    ) -> Next {
        self.lend_queue(&mut common.queue);
        let mut notes = notes.peekable();
        while let Some(note) = notes.next() {
            self.deliver(&note.message, notes.peek().is_none(), common);
        }
        let next = self.settle(id, app, common);
        self.reclaim_queue(&mut common.queue);
        next
    }

    /// Sends one message; of the last, what can be is written at once.
    pub(super) fn deliver(&mut self, message: &Prepared, is_last: bool, common: &mut Common) {
        let mut sent = self.send(message, is_last);
        // Much may come at once: a peer is slow if the rest does not fit when what waits was written.
        if sent == Err(SendError::QueueFull) {
            if let Err(error) = self.write() {
                self.flags.aborted = true;
                return common.end(|| End::Failed(error.into()));
            }
            sent = self.send(message, is_last);
        }
        match (sent, common.when_full) {
            // It needs to know no more.
            (Ok(()) | Err(SendError::Closed), _) => {}
            (Err(_), Full::Drop) => common.dropped += 1,
            (Err(error), Full::Close) => {
                self.finish(CloseCode::TRY_AGAIN_LATER);
                common.end(|| End::Failed(error.into()));
            }
        }
    }

    fn send(&mut self, message: &Prepared, is_last: bool) -> Result<(), SendError> {
        let Self { stage: Stage::Open { connection, .. }, socket, .. } = self else {
            return Err(SendError::Closed);
        };
        socket.admit(connection, message.len())?;
        match is_last {
            true => connection.send_prepared_to(socket, message),
            false => connection.send_prepared(message),
        }
    }
}
