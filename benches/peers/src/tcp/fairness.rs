//! How long a quiet peer waits beside others that flood, or come and go, or never finish their request.
//!
//! One thread floods on all connections, another asks: so that they are not in each other's way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::server::{self, Role, Server};
use super::stream::{PLAIN, reset_when_closed};
use super::system;
use crate::Options;
use crate::report::Table;
use crate::wire::{Kind, client_frame, server_frame};

/// How long each case takes, unless told otherwise by `--rounds`, in seconds.
const SECONDS: usize = 4;
/// What a quiet peer may wait, in the median and at the 99th percentile, in milliseconds.
const TARGETS: (f64, f64) = (10.0, 40.0);

#[derive(Clone, Copy)]
enum Crowd {
    Nobody,
    /// So many send this without end.
    Floods(usize, &'static str),
    /// Connections are opened, and closed at once.
    Storm,
    /// So many have sent half of their request.
    HalfOpen(usize),
}

const CROWDS: [Crowd; 9] = [
    Crowd::Nobody,
    Crowd::Floods(2, "messages of 1 byte"),
    Crowd::Floods(20, "messages of 1 byte"),
    Crowd::Floods(2, "pings"),
    Crowd::Floods(20, "pings"),
    Crowd::Floods(2, "messages of 1 MiB"),
    Crowd::Floods(20, "messages of 1 MiB"),
    Crowd::Storm,
    Crowd::HalfOpen(15_000),
];

impl Crowd {
    fn name(self) -> String {
        match self {
            Self::Nobody => "beside nobody".to_owned(),
            Self::Floods(n, flood) => format!("beside {n} floods of {flood}"),
            Self::Storm => "beside a storm of connections".to_owned(),
            Self::HalfOpen(n) => format!("beside {n} unfinished requests"),
        }
    }

    /// Keeps it up until it is over.
    fn run(self, address: SocketAddr, over: &AtomicBool) -> io::Result<()> {
        match self {
            Self::Nobody => {}
            Self::Floods(n, flood) => return floods(address, n, &frames(flood), over),
            Self::Storm => {
                while !over.load(Ordering::Relaxed) {
                    let stream = TcpStream::connect(address)?;
                    reset_when_closed(&stream)?;
                }
            }
            Self::HalfOpen(n) => {
                let half = &PLAIN.request().into_bytes()[..20];
                let mut held = Vec::new();
                while held.len() < n && !over.load(Ordering::Relaxed) {
                    let mut stream = TcpStream::connect(address)?;
                    reset_when_closed(&stream)?;
                    stream.write_all(half)?;
                    held.push(stream);
                }
                while !over.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        Ok(())
    }
}

fn frames(flood: &str) -> Vec<u8> {
    let kind = Kind::Binary;
    let message = |len| client_frame(kind, &kind.payload(len, 0), [1, 2, 3, 4]);
    match flood {
        "pings" => b"\x89\x80\x01\x02\x03\x04".repeat(10_000),
        "messages of 1 byte" => message(1).repeat(10_000),
        _ => message(1024 * 1024),
    }
}

fn floods(address: SocketAddr, n: usize, frames: &[u8], over: &AtomicBool) -> io::Result<()> {
    let mut all = Vec::new();
    for _ in 0..n {
        let stream = open(address)?;
        stream.set_nonblocking(true)?;
        all.push((stream, 0));
    }
    let mut space = vec![0; 256 * 1024];
    let would_block = |result: io::Result<usize>| match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    };
    while !over.load(Ordering::Relaxed) {
        let mut moved = 0;
        for (stream, sent) in &mut all {
            let n = would_block(stream.write(&frames[*sent..]))?;
            *sent = (*sent + n) % frames.len();
            moved += n + would_block(stream.read(&mut space))?;
        }
        if moved == 0 {
            thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(())
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(PLAIN.request().as_bytes())?;
    let mut response = Vec::new();
    while PLAIN.check(&response)?.is_none() {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        response.push(byte[0]);
    }
    reset_when_closed(&stream)?;
    Ok(stream)
}

/// The waits of a quiet peer, in milliseconds, in order.
fn waits(address: SocketAddr, crowd: Crowd, time: Duration) -> io::Result<Vec<f64>> {
    let over = AtomicBool::new(false);
    let mut quiet = open(address)?;
    let payload = Kind::Binary.payload(5, 0);
    let (question, answer) =
        (client_frame(Kind::Binary, &payload, [4, 3, 2, 1]), server_frame(Kind::Binary, &payload));
    let mut waits = thread::scope(|scope| {
        let crowd = scope.spawn(|| crowd.run(address, &over));
        let asking = (|| {
            let mut waits = Vec::new();
            thread::sleep(Duration::from_millis(300));
            let start = Instant::now();
            let mut space = vec![0; answer.len()];
            while start.elapsed() < time {
                let asked = Instant::now();
                quiet.write_all(&question)?;
                quiet.read_exact(&mut space)?;
                waits.push(asked.elapsed().as_secs_f64() * 1e3);
                thread::sleep(Duration::from_millis(2));
            }
            Ok(waits)
        })();
        over.store(true, Ordering::Relaxed);
        let ended = crowd.join().unwrap_or_else(|_| Err(ErrorKind::Other.into()));
        ended.and(asking)
    })?;
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

pub fn run(options: &Options) -> Result<(), String> {
    system::raise_open_files();
    let servers = server::all(&[Role::Echo])?;
    let ours = |server: &&Server| server.role == Role::Echo && options.wants_peer(&server.name);
    system::pin(1).map_err(|error| error.to_string())?;
    let time = Duration::from_secs(options.rounds.unwrap_or(SECONDS) as u64);
    for crowd in CROWDS.into_iter().filter(|crowd| options.wants(&crowd.name())) {
        let columns = ["", "p50 ms", "p99 ms", "longest ms", "answers"];
        let mut table = Table::new(&format!("a quiet peer {}", crowd.name()), &columns);
        for server in servers.iter().filter(ours) {
            let started = server.start()?;
            let waits = match waits(started.address, crowd, time) {
                Ok(waits) if !waits.is_empty() => waits,
                Ok(_) => Vec::from([f64::INFINITY]),
                Err(error) => {
                    table.note_if(true, format!("{}: {error}", server.name));
                    continue;
                }
            };
            let percentile = |part: f64| waits[(waits.len() as f64 * part) as usize];
            let (median, most) = (percentile(0.5), percentile(0.99));
            let shown = [median, most, waits[waits.len() - 1]].map(|wait| format!("{wait:.2}"));
            let mut row = vec![server.name.clone()];
            row.extend(shown);
            row.push(waits.len().to_string());
            table.row(row);
            if server.name.starts_with("sansocket event loop") {
                let kept = median <= TARGETS.0 && most <= TARGETS.1;
                let verdict = if kept { "ok" } else { "MISSED" };
                let (p50, p99) = TARGETS;
                table.note_if(true, format!("{verdict}: to reach {p50} and {p99} ms"));
            }
        }
        table.print();
    }
    Ok(())
}
