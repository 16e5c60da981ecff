//! The same with compressed messages: one connection, or many in turn, since compressors of many do not fit into the
//! caches.

use std::rc::Rc;

use super::subject::{Outgoing, Subject};
use super::tape::{Log, Tape};
use super::{Measured, Run, check_count};
use crate::adapters::compressed::IN_MEMORY;
use crate::deflate::{Decoder, Shrinkage, record};
use crate::samples::Sample;
use crate::wire::Recording;

/// What all servers agree to let clients use.
const CLIENT_BITS: u8 = 15;

pub struct Case {
    is_sent: bool,
    sample: Sample,
    connections: usize,
    recording: Rc<Recording>,
}

pub fn all() -> Vec<Case> {
    let mut cases = vec![];
    for sample in Sample::ALL {
        let recording = Rc::new(record(sample, CLIENT_BITS));
        for is_sent in [true, false] {
            for connections in [1, 1000] {
                cases.push(Case { is_sent, sample, connections, recording: recording.clone() });
            }
        }
    }
    cases
}

impl Case {
    /// Each connection is at another message.
    fn subjects(&self, library: usize, n: usize, log: &Rc<Log>) -> Vec<Box<dyn Subject>> {
        let tape = |n| Tape::from(self.recording.clone(), n * APART, log.clone());
        (IN_MEMORY[library].subjects)((0..n).map(tape).collect())
    }

    fn outgoing(&self) -> Vec<Outgoing> {
        self.recording.messages.iter().map(|message| Outgoing::new(true, message.clone())).collect()
    }
}

/// How many messages the next connection is ahead of the one before.
const APART: usize = 7;

impl Measured for Case {
    fn name(&self) -> String {
        let work = if self.is_sent { "send" } else { "receive" };
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            n => format!("{n} connections in turn"),
        };
        format!("{work} {} compressed, {connections}", self.sample.name())
    }

    fn libraries(&self) -> Vec<&'static str> {
        IN_MEMORY.iter().map(|library| library.name).collect()
    }

    fn batch(&self) -> usize {
        match self.sample {
            Sample::Tick => 2000,
            Sample::Chat => 500,
            Sample::Prose => 16,
        }
    }

    fn placements(&self) -> usize {
        3
    }

    fn rounds(&self) -> usize {
        15
    }

    /// Until everybody remembers as much as it ever does, but for what takes too long.
    fn warm_up(&self) -> usize {
        let messages = match self.sample {
            Sample::Tick => 24,
            Sample::Chat => 4,
            Sample::Prose => 1,
        };
        (messages * self.connections).min(24_000).div_ceil(self.batch()).min(12)
    }

    fn prove(&self, library: usize) -> Result<Vec<f64>, String> {
        let log = Rc::new(Log::default());
        *log.kept.borrow_mut() = Some(vec![]);
        // Two take turns where many are measured, so that nobody still has what it has sent last.
        let n = self.connections.min(2);
        let mut subjects = self.subjects(library, n, &log);
        let messages = self.recording.ends.len();
        if !self.is_sent {
            // All of them are received, in another order by the second.
            for subject in &mut subjects {
                check_count(&subject.receive(messages), &self.recording, messages)?;
            }
            return Ok(vec![self.recording.percent()]);
        }
        let outgoing = self.outgoing();
        let mut decoders = [Decoder::default(), Decoder::default()];
        let (mut out, mut shrinkage) = (vec![], Shrinkage::default());
        for number in 0..2 * messages {
            let message = &outgoing[number / n % messages];
            subjects[number % n].send(message, 1, 1);
            let written = log.kept.borrow_mut().replace(vec![]).unwrap_or_default();
            let decoder = &mut decoders[number % n];
            let taken = decoder.take(&written, &message.bytes, &mut out, &mut shrinkage);
            if taken.map_err(|error| format!("message {number}: {error}"))? != Some(written.len()) {
                return Err(format!("message {number}: not one frame"));
            }
        }
        Ok(vec![shrinkage.percent()?])
    }

    fn prepare(&self, library: usize) -> Run {
        let log = Rc::new(Log::default());
        let connections = self.connections;
        let mut subjects = self.subjects(library, connections, &log);
        let outgoing = self.outgoing();
        let is_sent = self.is_sent;
        let mut turn = 0;
        let work = Box::new(move |messages| {
            for _ in 0..messages {
                let (connection, number) = (turn % connections, turn / connections);
                let subject = &mut subjects[connection];
                if is_sent {
                    let message = (connection * APART + number) % outgoing.len();
                    subject.send(&outgoing[message], 1, 1);
                } else {
                    _ = std::hint::black_box(subject.receive(1));
                }
                turn += 1;
            }
        });
        Run { work, log }
    }
}
