//! What is measured over loopback.

use super::client::{Exchange, Traffic};
use super::compressed::Compressed;
use super::server::{Role, Server};
use super::stream::{Agreed, Opening, PLAIN};
use crate::report::size;
use crate::samples::Sample;
use crate::tls;

/// Connections of a crowd.
pub const CROWD: usize = 5_000;

/// Connections where each has much memory: of a compressor, or of TLS.
pub const MANY: usize = 1_000;

/// Topics of a crowd; in each round one subscriber of each publishes.
pub const TOPICS: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
pub enum Work {
    Echo {
        len: usize,
        in_flight: usize,
        connections: usize,
    },
    Handshakes {
        at_once: usize,
    },
    Broadcast,
    Topics,
    Threads {
        in_flight: usize,
    },
    Two {
        in_flight: usize,
    },
    Idle,
    /// Echoes compressed.
    Deflate {
        sample: Sample,
        in_flight: usize,
        connections: usize,
    },
    DeflateIdle,
    /// Echoes with TLS.
    Tls {
        len: usize,
        in_flight: usize,
    },
    TlsHandshakes {
        resumed: bool,
    },
    TlsIdle,
}

/// What `tcp` measures.
pub fn plain() -> Vec<Work> {
    let mut cases = vec![];
    for in_flight in [1, 16] {
        for len in [64, 1024, 16 * 1024, 64 * 1024] {
            cases.push(Work::Echo { len, in_flight, connections: 20 });
        }
    }
    cases.push(Work::Echo { len: 64, in_flight: 1, connections: CROWD });
    cases.extend([Work::Handshakes { at_once: 20 }, Work::Handshakes { at_once: 500 }]);
    cases.extend([Work::Broadcast, Work::Topics, Work::Idle]);
    cases.extend([1, 16].map(|in_flight| Work::Threads { in_flight }));
    cases.extend([1, 16].map(|in_flight| Work::Two { in_flight }));
    cases
}

/// What `deflate` measures.
pub fn compressed() -> Vec<Work> {
    let mut cases = vec![];
    for sample in Sample::ALL {
        cases.extend([1, MANY].map(|connections| Work::Deflate {
            sample,
            in_flight: 1,
            connections,
        }));
    }
    cases.push(Work::Deflate { sample: Sample::Tick, in_flight: 16, connections: 1 });
    cases.push(Work::DeflateIdle);
    cases
}

/// What `tls` measures.
pub fn secure() -> Vec<Work> {
    vec![
        Work::Tls { len: 64, in_flight: 1 },
        Work::Tls { len: 64, in_flight: 16 },
        Work::Tls { len: 16 * 1024, in_flight: 1 },
        Work::TlsHandshakes { resumed: false },
        Work::TlsHandshakes { resumed: true },
        Work::TlsIdle,
    ]
}

impl Work {
    pub fn name(self) -> String {
        match self {
            Self::Echo { len, in_flight, connections } => {
                format!("echo {}, {in_flight} in flight, {connections} connections", size(len))
            }
            Self::Handshakes { at_once } => format!("handshakes, {at_once} at once"),
            Self::Topics => format!("publish 64 B to {TOPICS} topics of {}", CROWD / TOPICS),
            Self::Threads { in_flight } => {
                format!("echo 64 B by another thread, {in_flight} in flight, 20 connections")
            }
            Self::Two { in_flight } => {
                format!("echo 64 B on two loops, {in_flight} in flight, 100 connections")
            }
            Self::Broadcast => format!("broadcast 1 KiB to {CROWD}"),
            Self::Idle => format!("memory of each of {CROWD} connections"),
            Self::Deflate { sample, in_flight, connections } => {
                let plural = if connections == 1 { "" } else { "s" };
                let name = sample.name();
                format!(
                    "echo {name} compressed, {in_flight} in flight, {connections} connection{plural}"
                )
            }
            Self::DeflateIdle => format!("memory of each of {MANY} compressing connections"),
            Self::Tls { len, in_flight } => {
                format!("echo {} over TLS, {in_flight} in flight, 20 connections", size(len))
            }
            Self::TlsHandshakes { resumed: false } => "handshakes over TLS, full".to_owned(),
            Self::TlsHandshakes { resumed: true } => "handshakes over TLS, resumed".to_owned(),
            Self::TlsIdle => format!("memory of each of {MANY} connections with TLS"),
        }
    }

    /// What the numbers are. Of the first few lower is better.
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Idle | Self::TlsIdle => &["bytes open", "bytes idle"],
            Self::DeflateIdle => {
                &["bytes open", "after 1 message", "after 32 messages", "after silence"]
            }
            Self::Deflate { .. } => &["CPU us", "per second", "p50 us", "p99 us", "% of raw"],
            _ => &["CPU us", "per second", "p50 us", "p99 us"],
        }
    }

    pub fn file(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::DeflateIdle => "deflate-idle",
            Self::TlsIdle => "tls-idle",
            Self::Deflate { .. } => "deflate",
            Self::Tls { .. } | Self::TlsHandshakes { .. } => "tls",
            _ => "tcp",
        }
    }

    /// The column that decides.
    pub fn key(self) -> usize {
        match self {
            Self::Idle | Self::TlsIdle => 1,
            Self::DeflateIdle => 2,
            _ => 0,
        }
    }

    /// Whether it is about memory.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::DeflateIdle | Self::TlsIdle)
    }

    /// Rounds unless told otherwise: what starts a server anew takes long.
    pub fn rounds(self) -> usize {
        match self {
            Self::Idle | Self::Broadcast | Self::Topics | Self::DeflateIdle | Self::TlsIdle => 3,
            Self::Deflate { sample: Sample::Prose, .. } => 3,
            Self::Echo { connections: CROWD, .. } | Self::Deflate { .. } => 5,
            _ => 9,
        }
    }

    /// Whether each round needs a fresh server.
    pub fn is_crowded(self) -> bool {
        let is_crowd =
            matches!(self, Self::Broadcast | Self::Topics | Self::Echo { connections: CROWD, .. });
        is_crowd || self.is_idle()
    }

    /// How many connections a fresh server gets.
    pub fn crowd(self) -> usize {
        if matches!(self, Self::DeflateIdle | Self::TlsIdle) { MANY } else { CROWD }
    }

    pub fn role(self) -> Role {
        match self {
            Self::Broadcast => Role::Broadcast,
            Self::Topics => Role::Topics,
            Self::Threads { .. } => Role::Threads,
            Self::Two { .. } => Role::Two,
            Self::Deflate { .. } | Self::DeflateIdle => Role::Deflate,
            Self::Tls { .. } | Self::TlsHandshakes { .. } | Self::TlsIdle => Role::Tls,
            _ => Role::Echo,
        }
    }

    /// Connections of a server that goes on running.
    pub fn connections(self) -> usize {
        match self {
            Self::Echo { connections, .. } | Self::Deflate { connections, .. } => connections,
            Self::Threads { .. } | Self::Tls { .. } => 20,
            Self::Two { .. } => 100,
            _ => 0,
        }
    }

    /// Whether one turn on all connections takes seconds, so that none goes before.
    pub fn is_long(self) -> bool {
        matches!(self, Self::Deflate { sample: Sample::Prose, connections: MANY, .. })
    }

    /// Handshakes at once, where nothing else is measured.
    pub fn handshakes(self) -> Option<usize> {
        match self {
            Self::Handshakes { at_once } => Some(at_once),
            // A client keeps no more tickets of a server.
            Self::TlsHandshakes { .. } => Some(8),
            _ => None,
        }
    }

    /// How a client opens a connection.
    pub fn opening(self) -> Result<Opening, String> {
        let resumes = self == Self::TlsHandshakes { resumed: true };
        match self.role() {
            Role::Tls => Ok(Opening { tls: Some(tls::client_config(resumes)?), ..PLAIN }),
            Role::Deflate => Ok(Opening { deflate: true, ..PLAIN }),
            _ => Ok(PLAIN),
        }
    }

    /// What so many clients send.
    pub fn traffic(self, agreed: Option<Agreed>, connections: usize) -> Box<dyn Traffic> {
        let compressed = |sample, in_flight| {
            let agreed = agreed.expect("there is a connection");
            Box::new(Compressed::new(sample, agreed, in_flight, connections))
        };
        let (len, in_flight) = match self {
            Self::Deflate { sample, in_flight, .. } => return compressed(sample, in_flight),
            Self::DeflateIdle => return compressed(Sample::Tick, 1),
            Self::Echo { len, in_flight, .. } | Self::Tls { len, in_flight } => (len, in_flight),
            Self::Threads { in_flight } | Self::Two { in_flight } => (64, in_flight),
            Self::Broadcast => (1024, 1),
            _ => (64, 1),
        };
        Box::new(Exchange::echo(len, in_flight))
    }

    /// Who is left out, since a crowd is not what it is for, or is all that it is for.
    pub fn suits(self, server: &Server) -> bool {
        server.role == self.role()
            && (self.is_idle() || !server.is_for_crowds())
            && !(self == Self::Idle && server.name.contains("send"))
    }
}
