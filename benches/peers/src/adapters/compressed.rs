//! The libraries that compress, each as it is meant to be used for that, and with no state per connection where it
//! knows such a way.

use super::{Serve, sansocket, sockudo, soketto, tasks, yawc};
use crate::memory::subject::Subject;
use crate::memory::tape::Tape;

/// A library in memory, with all its connections, as they may share something.
pub struct InMemory {
    pub name: &'static str,
    pub subjects: fn(Vec<Tape>) -> Vec<Box<dyn Subject>>,
}

/// Ours first.
pub const IN_MEMORY: &[InMemory] = &[
    InMemory { name: "sansocket", subjects: sansocket::compressed },
    InMemory { name: "sansocket, forgetful", subjects: sansocket::forgetful },
    InMemory { name: "sockudo-ws, dedicated", subjects: sockudo::dedicated },
    InMemory { name: "sockudo-ws, shared", subjects: sockudo::shared },
    InMemory { name: "yawc", subjects: yawc::compressed },
    InMemory { name: "yawc, pool", subjects: yawc::pooled },
    InMemory { name: "soketto", subjects: soketto::compressed },
];

pub const SERVERS: &[(&str, Serve)] = &[
    ("sansocket event loop", sansocket::serve_compressed),
    ("sansocket event loop, forgetful", sansocket::serve_forgetful),
    ("sansocket tokio", tasks::serve_compressed),
    ("sansocket threads", sansocket::serve_compressed_threads),
    ("sockudo-ws, dedicated", sockudo::serve_dedicated),
    ("sockudo-ws, shared", sockudo::serve_shared),
    ("yawc", yawc::serve_compressed),
    ("yawc, pool", yawc::serve_pooled),
    ("soketto", soketto::serve_compressed),
];
