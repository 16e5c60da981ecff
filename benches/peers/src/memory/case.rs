//! What is measured in memory, and what is to be reached.

use super::AUDIENCE;
use crate::report::size;
use crate::wire::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Receive, from reads that bring many messages.
    Receive,
    /// Receive and send back, in bursts.
    Echo,
    /// The same, when each read brings one message and the answer is written before the next.
    EchoInStep,
    /// Send, in bursts.
    Send,
    /// Send one message to many.
    Broadcast,
}

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub work: Work,
    pub kind: Kind,
    pub len: usize,
}

pub const SIZES: [usize; 6] = [16, 125, 1024, 16 * 1024, 64 * 1024, 1024 * 1024];

pub fn all() -> Vec<Case> {
    let mut cases = vec![];
    for (work, kinds) in [
        (Work::Receive, &Kind::ALL[..]),
        (Work::Echo, &Kind::ALL),
        (Work::EchoInStep, &Kind::ALL[..1]),
        (Work::Send, &Kind::ALL[..2]),
    ] {
        for len in SIZES {
            cases.extend(kinds.iter().map(|&kind| Case { work, kind, len }));
        }
    }
    cases.push(Case { work: Work::Broadcast, kind: Kind::Binary, len: 1024 });
    cases
}

impl Case {
    pub fn name(&self) -> String {
        let work = match self.work {
            Work::Receive => "receive",
            Work::Echo => "echo",
            Work::EchoInStep => "echo one by one",
            Work::Send => "send",
            Work::Broadcast => "broadcast",
        };
        format!("{work} {} {}", size(self.len), self.kind.name())
    }

    /// Frames in the recording: enough to be no pattern, few enough to stay in the cache.
    pub fn frames(&self) -> usize {
        (256 * 1024 / self.len).clamp(2, 4096)
    }

    /// Messages per measurement.
    pub fn batch(&self) -> usize {
        match self.work {
            Work::Broadcast => 16,
            _ => (4 * 1024 * 1024 / (self.len + 400)).clamp(8, 8192),
        }
    }

    /// Messages of which the answers may be written at once: as many as one large read brings.
    pub fn burst(&self) -> usize {
        match self.work {
            Work::EchoInStep | Work::Broadcast => 1,
            _ => (64 * 1024 / (self.len + 8)).max(1),
        }
    }

    /// Recipients of each message.
    pub fn recipients(&self) -> usize {
        if self.work == Work::Broadcast { AUDIENCE } else { 1 }
    }

    /// The time we may take, as a part of what the best peer takes.
    pub fn target(&self) -> f64 {
        match (self.work, self.kind, self.len) {
            (Work::Receive, Kind::Binary, 16) => 1.0 / 4.0,
            (Work::Receive, Kind::Ascii, 16) => 1.0 / 3.0,
            (Work::Receive, Kind::Ascii, 125) => 1.0 / 2.0,
            (Work::Receive, Kind::Ascii | Kind::Japanese, 1024) => 2.0 / 3.0,
            (Work::Echo, Kind::Binary, 16) => 1.0 / 4.0,
            // Nobody is faster anywhere.
            _ => 1.0,
        }
    }
}
