//! What is measured in memory, and what is to be reached.

use std::rc::Rc;

use super::broadcast::Audience;
use super::subject::{Outgoing, Subject};
use super::tape::{Log, Tape};
use super::{Measured, Run, check_count};
use crate::adapters::IN_MEMORY;
use crate::report::size;
use crate::wire::{Kind, Recording, check_frames};

/// How many are told by a broadcast.
const AUDIENCE: usize = 200;

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

pub struct Case {
    work: Work,
    kind: Kind,
    len: usize,
    recording: Rc<Recording>,
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
            cases.extend(kinds.iter().map(|&kind| Case::new(work, kind, len)));
        }
    }
    cases.push(Case::new(Work::Broadcast, Kind::Binary, 1024));
    cases
}

impl Case {
    fn new(work: Work, kind: Kind, len: usize) -> Self {
        // Enough to be no pattern, few enough to stay in the cache.
        let frames = (256 * 1024 / len).clamp(2, 4096);
        Self { work, kind, len, recording: Rc::new(Recording::new(kind, len, frames)) }
    }

    /// Messages of which the answers may be written at once: as many as one large read brings.
    fn burst(&self) -> usize {
        match self.work {
            Work::EchoInStep | Work::Broadcast => 1,
            _ => (64 * 1024 / (self.len + 8)).max(1),
        }
    }

    fn outgoing(&self) -> Outgoing {
        Outgoing::new(self.kind.is_text(), self.kind.payload(self.len, 0))
    }

    fn audience(&self, library: usize, log: &Rc<Log>) -> Box<dyn Audience> {
        let tape = |_| Tape::new(self.recording.clone(), false, log.clone());
        (IN_MEMORY[library].audience)((0..AUDIENCE).map(tape).collect())
    }

    fn subject(&self, library: usize, in_step: bool, log: &Rc<Log>) -> Box<dyn Subject> {
        (IN_MEMORY[library].subject)(Tape::new(self.recording.clone(), in_step, log.clone()))
    }
}

impl Measured for Case {
    fn name(&self) -> String {
        let work = match self.work {
            Work::Receive => "receive",
            Work::Echo => "echo",
            Work::EchoInStep => "echo one by one",
            Work::Send => "send",
            Work::Broadcast => "broadcast",
        };
        format!("{work} {} {}", size(self.len), self.kind.name())
    }

    fn libraries(&self) -> Vec<&'static str> {
        IN_MEMORY.iter().map(|library| library.name).collect()
    }

    fn batch(&self) -> usize {
        match self.work {
            Work::Broadcast => 16,
            _ => (4 * 1024 * 1024 / (self.len + 400)).clamp(8, 8192),
        }
    }

    fn recipients(&self) -> usize {
        if self.work == Work::Broadcast { AUDIENCE } else { 1 }
    }

    fn prove(&self, library: usize) -> Result<Vec<f64>, String> {
        let log = Rc::new(Log::default());
        *log.kept.borrow_mut() = Some(vec![]);
        let written = || log.kept.borrow_mut().replace(vec![]).unwrap_or_default();
        let subject = |in_step| self.subject(library, in_step, &log);
        let is_text = self.recording.is_text;
        // A few more than there are, so that it starts over.
        let messages = self.recording.ends.len() + 3;
        let outgoing = self.outgoing();
        let sent = |n| std::iter::repeat_n(&outgoing.bytes[..], n);
        match self.work {
            Work::Receive => {
                let count = subject(false).receive(messages);
                check_count(&count, &self.recording, messages)?;
            }
            Work::Echo | Work::EchoInStep => {
                let count = subject(self.work == Work::EchoInStep).echo(messages, self.burst());
                check_count(&count, &self.recording, messages)?;
                check_frames(&written(), is_text, self.recording.first(messages))?;
            }
            Work::Send => {
                subject(false).send(&outgoing, messages, self.burst());
                check_frames(&written(), is_text, sent(messages))?;
            }
            Work::Broadcast => {
                self.audience(library, &log).tell(&outgoing);
                check_frames(&written(), is_text, sent(AUDIENCE))?;
            }
        }
        Ok(vec![])
    }

    fn prepare(&self, library: usize) -> Run {
        let log = Rc::new(Log::default());
        let outgoing = self.outgoing();
        let work: Box<dyn FnMut(usize)> = if self.work == Work::Broadcast {
            let mut audience = self.audience(library, &log);
            Box::new(move |messages| (0..messages).for_each(|_| audience.tell(&outgoing)))
        } else {
            let (work, burst) = (self.work, self.burst());
            let mut subject = self.subject(library, work == Work::EchoInStep, &log);
            Box::new(move |messages| {
                match work {
                    Work::Receive => _ = std::hint::black_box(subject.receive(messages)),
                    Work::Send => subject.send(&outgoing, messages, burst),
                    _ => _ = std::hint::black_box(subject.echo(messages, burst)),
                };
            })
        };
        Run { work, log }
    }

    fn target(&self) -> f64 {
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

    /// Encoding what is told to many takes memory, once.
    fn is_free_of_allocations(&self) -> bool {
        self.work != Work::Broadcast
    }
}
