//! The box of a link: messages and replies of threads that do not wait for the writer.

use crate::connection::WriteHalf;
use crate::control::Replies;
use crate::net::outbox::{Kind, Posts, Writer};

/// Posts of other threads, for the one that writes.
pub(super) struct Posted {
    pub(super) replies: Replies,
    /// Messages of those who do not wait, encoded, in their order. It has ended when a Close stands behind them.
    pub(super) messages: WriteHalf,
}

impl Posted {
    pub(super) fn merge(&mut self, replies: &mut Replies) {
        self.replies.merge(replies);
        if self.replies.has_close() || self.replies.end {
            self.messages.end();
        }
    }
}

impl Posts for Posted {
    fn kind(&self) -> Kind {
        match (self.messages.pending().is_empty(), self.replies.is_empty()) {
            (true, true) => Kind::Nothing,
            (true, false) if !self.replies.has_close() => Kind::Replies,
            _ => Kind::Others,
        }
    }
}

impl Writer<Posted> for WriteHalf {
    fn take(&mut self, posted: &mut Posted) {
        // Messages first: a Close was posted behind them.
        self.take_from(&mut posted.messages);
        self.reply(&mut posted.replies);
    }

    fn poison(&mut self) {
        self.write_failed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::CloseCode;
    use crate::config::Config;
    use crate::connection::Connection;

    // CL-04: the receiver tries again soon: a thread waits for the peer only in place of others
    #[test]
    fn replies_alone_are_nobody_elses() {
        let (_, messages) = Connection::server(Config::default()).split();
        let mut posted = Posted { replies: Replies::new(), messages };
        let mut replies = Replies::new();
        assert_eq!(posted.kind(), Kind::Nothing);
        replies.ping = true;
        posted.merge(&mut replies);
        assert_eq!(posted.kind(), Kind::Replies);
        replies.close(CloseCode::NORMAL, "");
        posted.merge(&mut replies);
        assert_eq!(posted.kind(), Kind::Others);
    }
}
