//! Compressed messages, of which every answer is decompressed and compared.

use std::io::{self, ErrorKind};

use super::client::Traffic;
use super::stream::Agreed;
use crate::deflate::{Decoder, Shrinkage, record};
use crate::samples::Sample;
use crate::wire::Recording;

pub struct Compressed {
    recording: Recording,
    in_flight: usize,
    connections: Vec<Connection>,
    out: Vec<u8>,
    shrinkage: Shrinkage,
}

#[derive(Default)]
struct Connection {
    decoder: Decoder,
    input: Vec<u8>,
    /// Answers so far in this turn.
    answers: usize,
}

/// The first byte of a ping.
const PING: u8 = 0x89;

/// How many messages the next connection is ahead of the one before.
const APART: usize = 7;

impl Compressed {
    pub fn new(sample: Sample, agreed: Agreed, in_flight: usize, connections: usize) -> Self {
        let recording = record(sample, agreed.client_bits);
        assert!(recording.ends.len().is_multiple_of(in_flight), "a turn would not fit");
        let connections = (0..connections).map(|_| Connection::default()).collect();
        Self { recording, in_flight, connections, out: vec![], shrinkage: Shrinkage::default() }
    }

    /// The first message of a turn.
    fn first(&self, connection: usize, turn: usize) -> usize {
        (connection * APART + turn) * self.in_flight % self.recording.ends.len()
    }
}

impl Traffic for Compressed {
    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn request(&self, connection: usize, turn: usize) -> &[u8] {
        let first = self.first(connection, turn);
        let start = first.checked_sub(1).map_or(0, |before| self.recording.ends[before]);
        &self.recording.bytes[start..self.recording.ends[first + self.in_flight - 1]]
    }

    fn answer(
        &mut self,
        connection: usize,
        turn: usize,
        _: usize,
        bytes: &[u8],
    ) -> io::Result<bool> {
        let first = self.first(connection, turn);
        let Connection { decoder, input, answers } = &mut self.connections[connection];
        input.extend_from_slice(bytes);
        while *answers < self.in_flight {
            // Some ask whether we are still there, while others have their turns. What follows is an answer.
            if let [PING, len, ..] = input[..]
                && let end = 2 + usize::from(len)
                && input.len() >= end
            {
                input.drain(..end);
            }
            let message = &self.recording.messages[first + *answers];
            let taken = decoder.take(input, message, &mut self.out, &mut self.shrinkage);
            let taken = taken.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            let Some(n) = taken else {
                return Ok(false);
            };
            input.drain(..n);
            *answers += 1;
        }
        *answers = 0;
        match input.len() {
            0 => Ok(true),
            n => Err(io::Error::new(ErrorKind::InvalidData, format!("{n} bytes too many"))),
        }
    }

    fn percent(&mut self) -> Option<Result<f64, String>> {
        Some(std::mem::take(&mut self.shrinkage).percent())
    }
}
