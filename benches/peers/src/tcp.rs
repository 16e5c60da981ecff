//! Over loopback: each server in a process of its own on one core, the clients on another.
//!
//! What counts is what a message costs the server, as the operating system counts it: wall-clock numbers
//! depend on the clients as much. In each round each server takes its turn, and the median of its rounds
//! counts.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use client::{Clients, Exchange, Outcome};
use server::{Role, Running, Server};

use crate::Options;
use crate::report::{Table, median, size};
use crate::results::{Results, Row};

pub mod client;
pub mod fairness;
mod handshakes;
mod server;
pub mod system;

/// Connections of a crowd.
const CROWD: usize = 5_000;

/// Topics of a crowd; in each round one subscriber of each publishes.
pub const TOPICS: usize = 1_000;

#[derive(Clone, Copy, PartialEq)]
enum Work {
    Echo { len: usize, in_flight: usize, connections: usize },
    Handshakes { at_once: usize },
    Broadcast,
    Topics,
    Threads { in_flight: usize },
    Two { in_flight: usize },
    Idle,
}

fn cases() -> Vec<Work> {
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

impl Work {
    fn name(self) -> String {
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
        }
    }

    /// What the numbers are, and of how many of them lower is better.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Idle => &["bytes open", "bytes idle"],
            _ => &["CPU us", "per second", "p50 us", "p99 us"],
        }
    }

    fn file(self) -> &'static str {
        if self == Self::Idle { "idle" } else { "tcp" }
    }

    /// The column that decides.
    fn key(self) -> usize {
        usize::from(self == Self::Idle)
    }

    /// Rounds unless told otherwise: what starts a server anew takes long.
    fn rounds(self) -> usize {
        match self {
            Self::Idle | Self::Broadcast | Self::Topics => 3,
            Self::Echo { connections: CROWD, .. } => 5,
            _ => 9,
        }
    }

    /// Whether each round needs a fresh server.
    fn is_crowded(self) -> bool {
        matches!(
            self,
            Self::Idle | Self::Broadcast | Self::Topics | Self::Echo { connections: CROWD, .. }
        )
    }

    fn role(self) -> Role {
        match self {
            Self::Broadcast => Role::Broadcast,
            Self::Topics => Role::Topics,
            Self::Threads { .. } => Role::Threads,
            Self::Two { .. } => Role::Two,
            _ => Role::Echo,
        }
    }

    /// An echo: the length of a message, how many are in flight, and on how many connections.
    fn echo(self) -> Option<(usize, usize, usize)> {
        match self {
            Self::Echo { len, in_flight, connections } => Some((len, in_flight, connections)),
            Self::Threads { in_flight } => Some((64, in_flight, 20)),
            Self::Two { in_flight } => Some((64, in_flight, 100)),
            _ => None,
        }
    }

    /// Who is left out, since a crowd is not what it is for.
    fn suits(self, server: &Server) -> bool {
        server.role == self.role()
            && (self == Self::Idle || !server.name.contains("4 KiB"))
            && !(self == Self::Idle && server.name.contains("send"))
    }
}

pub fn run(options: &Options) -> Result<(), String> {
    let open_files = system::raise_open_files();
    if open_files < CROWD as u64 + 100 {
        return Err(format!("only {open_files} files may be open at once"));
    }
    let servers = server::all()?;
    if system::cores() < 2 {
        eprintln!("there is one core only: clients and server will be in each other's way");
    }
    system::pin(1).map_err(|error| error.to_string())?;
    for work in cases().into_iter().filter(|work| options.wants(&work.name())) {
        let suits = |server: &&Server| work.suits(server) && options.wants_peer(&server.name);
        let servers: Vec<&Server> = servers.iter().filter(suits).collect();
        let rows = measure(work, &servers, options.rounds.unwrap_or(work.rounds()));
        print(work, &rows);
        if options.is_complete() {
            let mut results = Results::new(work.file(), work.columns());
            rows.into_iter().for_each(|row| results.add(row));
            results.save()?;
        }
    }
    Ok(())
}

/// Who fails says so and is left out from then on.
fn measure(work: Work, servers: &[&Server], rounds: usize) -> Vec<Row> {
    let mut running: HashMap<&str, (Running, Clients)> = HashMap::new();
    let mut samples: Vec<Vec<Vec<f64>>> = vec![vec![]; servers.len()];
    let mut failed = vec![false; servers.len()];
    for round in 0..rounds {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let server = servers[index];
            if failed[index] {
                continue;
            }
            let result = match work {
                _ if work.is_crowded() => crowd(work, server),
                _ => turn_of(work, server, &mut running),
            };
            match result {
                Ok(sample) => samples[index].push(sample),
                Err(error) => {
                    eprintln!("{}, {}: {error}", server.name, work.name());
                    failed[index] = true;
                    running.remove(server.name.as_str());
                }
            }
        }
    }
    let row = |(server, samples): (&&Server, Vec<Vec<f64>>)| {
        let value = |column: usize| {
            median(&mut samples.iter().map(|sample| sample[column]).collect::<Vec<f64>>())
        };
        let values = (0..work.columns().len()).map(value).collect();
        Row { case: work.name(), peer: server.name.clone(), values }
    };
    let measured = servers.iter().zip(samples).filter(|(_, samples)| !samples.is_empty());
    measured.map(row).collect()
}

/// A turn on a server that goes on running.
fn turn_of<'a>(
    work: Work,
    server: &'a Server,
    running: &mut HashMap<&'a str, (Running, Clients)>,
) -> Result<Vec<f64>, String> {
    let is_new = !running.contains_key(server.name.as_str());
    if is_new {
        let started = server.start()?;
        let n = work.echo().map_or(0, |(_, _, connections)| connections);
        let clients = Clients::open(started.address, n).map_err(|error| error.to_string())?;
        running.insert(&server.name, (started, clients));
    }
    let (server, clients) = running.get_mut(server.name.as_str()).expect("it was started");
    match work.echo() {
        Some((len, in_flight, _)) => {
            let exchange = Exchange::echo(len, in_flight);
            let warm_up = if is_new { 300 } else { 50 };
            clients.run(&exchange, Duration::from_millis(warm_up)).map_err(|e| e.to_string())?;
            let before = server.cpu_time();
            let outcome = clients.run(&exchange, Duration::from_millis(500));
            sample(outcome, server.cpu_time() - before)
        }
        None => {
            let at_once = if let Work::Handshakes { at_once } = work { at_once } else { 1 };
            // Threads that served a connection are gone when it is over.
            let before = server.coarse_cpu_time();
            let outcome = handshakes::run(server.address, at_once, Duration::from_millis(1000));
            thread::sleep(Duration::from_millis(50));
            sample(outcome, server.coarse_cpu_time() - before)
        }
    }
}

/// A turn with a crowd, on a fresh server.
fn crowd(work: Work, server: &Server) -> Result<Vec<f64>, String> {
    let text = |error: std::io::Error| error.to_string();
    let server = server.start()?;
    let hello = Exchange::echo(64, 1);
    if work == Work::Idle {
        // Loads the code, so that only connections are counted.
        let mut first = Clients::open(server.address, 10).map_err(text)?;
        first.run(&hello, Duration::from_millis(1)).map_err(text)?;
        drop(first);
        thread::sleep(Duration::from_millis(300));
    }
    let empty = server.resident();
    let mut clients = Clients::open(server.address, CROWD).map_err(text)?;
    match work {
        Work::Idle => {
            thread::sleep(Duration::from_millis(500));
            let open = server.resident();
            clients.run(&hello, Duration::ZERO).map_err(text)?;
            thread::sleep(Duration::from_secs(3));
            let idle = server.resident();
            let each = |bytes: u64| bytes.saturating_sub(empty) as f64 / CROWD as f64;
            Ok(vec![each(open), each(idle)])
        }
        Work::Broadcast | Work::Topics => {
            let (len, speakers) = if work == Work::Topics { (64, TOPICS) } else { (1024, 1) };
            let message = Exchange::echo(len, 1);
            clients.broadcast(&message, speakers, Duration::from_millis(200)).map_err(text)?;
            let before = server.cpu_time();
            let outcome = clients.broadcast(&message, speakers, Duration::from_millis(1000));
            sample(outcome, server.cpu_time() - before)
        }
        _ => {
            clients.run(&hello, Duration::from_millis(300)).map_err(text)?;
            let before = server.cpu_time();
            let outcome = clients.run(&hello, Duration::from_millis(1000));
            sample(outcome, server.cpu_time() - before)
        }
    }
}

fn sample(outcome: std::io::Result<Outcome>, cpu: u64) -> Result<Vec<f64>, String> {
    let Outcome { messages, elapsed, mut latencies } =
        outcome.map_err(|error| error.to_string())?;
    if messages == 0 {
        return Err("no messages".to_owned());
    }
    latencies.sort_by(f64::total_cmp);
    let percentile = |part: f64| latencies[(latencies.len() as f64 * part) as usize];
    let messages = messages as f64;
    let per_second = messages / elapsed.as_secs_f64();
    Ok(vec![cpu as f64 / 1e3 / messages, per_second, percentile(0.50), percentile(0.99)])
}

/// Peers that write each message as they are told to, or as their examples do.
const UNBATCHED: [&str; 4] = ["tungstenite threads", "fastwebsockets", "web-socket", "soketto"];

fn is_rust(row: &Row) -> bool {
    !row.peer.contains("C++")
}

fn print(work: Work, rows: &[Row]) {
    let key = work.key();
    let mut head = vec![""];
    head.extend(work.columns());
    head.push("x best peer");
    let mut table = Table::new(&work.name(), &head);
    let best = |wanted: fn(&Row) -> bool| {
        let wanted = rows.iter().filter(|row| wanted(row));
        wanted.map(|row| row.values[key]).fold(f64::INFINITY, f64::min)
    };
    let peer = best(|row| !row.is_ours());
    for row in rows {
        let mut cells = vec![row.peer.clone()];
        for (value, column) in row.values.iter().zip(work.columns()) {
            let digits = if column.contains("us") { 2 } else { 0 };
            cells.push(format!("{value:.digits$}"));
        }
        cells.push(if peer.is_finite() {
            format!("{:.2}", row.values[key] / peer)
        } else {
            String::new()
        });
        table.row(cells);
    }
    let ours = best(Row::is_ours);
    let event_loop = best(|row| row.peer == "sansocket event loop");
    let rust = best(|row| !row.is_ours() && is_rust(row));
    let uws = best(|row| !is_rust(row));
    match work {
        Work::Echo { in_flight: 1, connections: 20, .. } => {
            table.verdict("the best Rust peer", ours / rust, 1.0);
        }
        Work::Echo { in_flight: 16, len, .. } => {
            if len <= 1024 {
                table.verdict("the best Rust peer", ours / rust, 1.0);
                let unbatched = best(|row| UNBATCHED.contains(&row.peer.as_str()));
                table.verdict("the best peer that writes each", ours / unbatched, 0.2);
            }
            table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0);
        }
        Work::Echo { .. } => table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0),
        Work::Idle => table.verdict("400 bytes (event loop)", event_loop / 400.0, 1.0),
        Work::Topics | Work::Threads { .. } | Work::Two { .. } => {
            table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0);
        }
        Work::Handshakes { .. } => table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0),
        Work::Broadcast => table.verdict("uWebSockets (event loop)", event_loop / uws, 0.9),
    }
    table.print();
}
