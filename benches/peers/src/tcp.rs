//! Over loopback: each server in a process of its own on one core, the clients on another.
//!
//! What counts is what a message costs the server, as the operating system counts it: wall-clock numbers
//! depend on the clients as much. In each round each server takes its turn, and the median of its rounds
//! counts.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use client::{Clients, Outcome, Traffic};
use handshakes::Handshakes;
use server::{Role, Running, Server};
use stream::Opening;
pub use work::TOPICS;
use work::{CROWD, Work};

use crate::report::{Table, median};
use crate::results::{Results, Row};
use crate::{Options, tls};

pub mod client;
mod compressed;
pub mod fairness;
mod handshakes;
mod server;
pub mod stream;
pub mod system;
mod work;

pub fn run(options: &Options) -> Result<(), String> {
    run_cases(options, work::plain())
}

pub fn run_compressed(options: &Options) -> Result<(), String> {
    run_cases(options, work::compressed())
}

pub fn run_secure(options: &Options) -> Result<(), String> {
    tls::make_certificate()?;
    run_cases(options, work::secure())
}

fn run_cases(options: &Options, mut cases: Vec<Work>) -> Result<(), String> {
    let open_files = system::raise_open_files();
    if open_files < CROWD as u64 + 100 {
        return Err(format!("only {open_files} files may be open at once"));
    }
    cases.retain(|work| options.wants(&work.name()));
    let roles: Vec<Role> = cases.iter().map(|work| work.role()).collect();
    let servers = server::all(&roles)?;
    if system::cores() < 2 {
        eprintln!("there is one core only: clients and server will be in each other's way");
    }
    system::pin(1).map_err(|error| error.to_string())?;
    for work in cases {
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
    let mut running: HashMap<&str, Turn> = HashMap::new();
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

/// A server that goes on running, and its clients.
struct Turn {
    server: Running,
    opening: Opening,
    clients: Clients,
    traffic: Box<dyn Traffic>,
}

/// A turn on a server that goes on running.
fn turn_of<'a>(
    work: Work,
    server: &'a Server,
    running: &mut HashMap<&'a str, Turn>,
) -> Result<Vec<f64>, String> {
    let is_new = !running.contains_key(server.name.as_str());
    if is_new {
        let (server_process, opening) = (server.start()?, work.opening()?);
        let n = work.connections();
        let clients = Clients::open(server_process.address, n, &opening);
        let (clients, agreed) = clients.map_err(|error| error.to_string())?;
        let traffic = work.traffic(agreed, n);
        let turn = Turn { server: server_process, opening, clients, traffic };
        running.insert(&server.name, turn);
    }
    let Turn { server, opening, clients, traffic } =
        running.get_mut(server.name.as_str()).expect("it was started");
    if let Some(at_once) = work.handshakes() {
        let run = |millis| {
            let time = Duration::from_millis(millis);
            handshakes::run(server.address, opening, at_once, time).map_err(|e| e.to_string())
        };
        if let Work::TlsHandshakes { resumed: true } = work {
            run(100)?; // for the first tickets
        }
        // Threads that served a connection are gone when it is over.
        let before = server.coarse_cpu_time();
        let handshakes = run(1000)?;
        thread::sleep(Duration::from_millis(50));
        let cpu = server.coarse_cpu_time() - before;
        if let Work::TlsHandshakes { resumed } = work {
            check_resumption(resumed, at_once, &handshakes)?;
        }
        return sample(Ok(handshakes.outcome), cpu);
    }
    let warm_up = if is_new { 300 } else { 50 };
    let traffic = traffic.as_mut();
    if !work.is_long() {
        let warmed = clients.run(traffic, Duration::from_millis(warm_up));
        warmed.map_err(|error| error.to_string())?;
        traffic.percent();
    }
    let before = server.cpu_time();
    let outcome = clients.run(traffic, Duration::from_millis(500));
    let mut sample = sample(outcome, server.cpu_time() - before)?;
    sample.extend(traffic.percent().transpose()?);
    Ok(sample)
}

/// All handshakes but the first are resumed, and one in ten, or none is.
fn check_resumption(wanted: bool, at_once: usize, handshakes: &Handshakes) -> Result<(), String> {
    let Handshakes { outcome, resumed } = handshakes;
    let all = outcome.messages;
    let is_right = match wanted {
        true => all - resumed <= 2 * at_once + all / 10,
        false => *resumed == 0,
    };
    if is_right { Ok(()) } else { Err(format!("{resumed} of {all} handshakes were resumed")) }
}

/// A turn with a crowd, on a fresh server.
fn crowd(work: Work, server: &Server) -> Result<Vec<f64>, String> {
    let text = |error: std::io::Error| error.to_string();
    let opening = work.opening()?;
    let server = match work {
        Work::DeflateIdle => server.start_impatient()?,
        _ => server.start()?,
    };
    if work.is_idle() {
        // Loads the code, so that only connections are counted.
        let (mut first, agreed) = Clients::open(server.address, 10, &opening).map_err(text)?;
        first.run(work.traffic(agreed, 10).as_mut(), Duration::from_millis(1)).map_err(text)?;
        drop(first);
        thread::sleep(Duration::from_millis(300));
    }
    let empty = server.resident();
    let n = work.crowd();
    let (mut clients, agreed) = Clients::open(server.address, n, &opening).map_err(text)?;
    let mut traffic = work.traffic(agreed, n);
    let traffic = traffic.as_mut();
    if work.is_idle() {
        // Turns before each look, and the time that passes between.
        let looks: &[(usize, u64)] = match work {
            Work::DeflateIdle => &[(0, 300), (1, 300), (31, 300), (0, 4000)],
            _ => &[(0, 500), (1, 3000)],
        };
        let mut sample = vec![];
        for &(turns, millis) in looks {
            for _ in 0..turns {
                clients.run(traffic, Duration::ZERO).map_err(text)?;
            }
            thread::sleep(Duration::from_millis(millis));
            sample.push(server.resident().saturating_sub(empty) as f64 / n as f64);
        }
        traffic.percent().transpose()?;
        return Ok(sample);
    }
    let mut load = |millis| {
        let time = Duration::from_millis(millis);
        match work {
            Work::Broadcast => clients.broadcast(traffic, 1, time),
            Work::Topics => clients.broadcast(traffic, TOPICS, time),
            _ => clients.run(traffic, time),
        }
    };
    load(if matches!(work, Work::Echo { .. }) { 300 } else { 200 }).map_err(text)?;
    let before = server.cpu_time();
    let outcome = load(1000);
    sample(outcome, server.cpu_time() - before)
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
            let digits = match *column {
                column if column.ends_with(" us") => 2,
                "% of raw" => 1,
                _ => 0,
            };
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
        Work::Deflate { .. } | Work::DeflateIdle => {
            table.verdict("the best peer (event loop)", event_loop / peer, 1.0);
        }
        Work::Tls { .. } | Work::TlsHandshakes { .. } | Work::TlsIdle => {
            table.verdict("the best Rust peer", ours / rust, 1.0);
            table.verdict("uWebSockets", ours / uws, 1.0);
        }
        Work::Two { .. } => {
            let tokio = best(|row| row.peer == "sansocket tokio");
            table.verdict("the best Rust peer (tokio)", tokio / rust, 1.0);
            table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0);
        }
        Work::Topics | Work::Threads { .. } => {
            table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0);
        }
        Work::Handshakes { .. } => table.verdict("uWebSockets (event loop)", event_loop / uws, 1.0),
        Work::Broadcast => table.verdict("uWebSockets (event loop)", event_loop / uws, 0.9),
    }
    table.print();
}
