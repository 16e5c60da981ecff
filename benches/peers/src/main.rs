//! sansocket measured against other WebSocket libraries. See README.md.

use std::net::TcpListener;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

mod adapters;
mod alloc;
mod big;
mod chart;
mod deflate;
mod memory;
mod report;
mod results;
mod samples;
mod tcp;
mod tls;
mod wire;

const USAGE: &str = "\
usage: peers memory [FILTER...] [--rounds N] [--peers NAME,NAME...]
       peers memory-deflate [FILTER...] [--rounds N] [--peers NAME,NAME...]
       peers tcp [FILTER...] [--rounds N] [--peers NAME,NAME...]
       peers deflate [FILTER...] [--rounds N] [--peers NAME,NAME...]
       peers tls [FILTER...] [--rounds N] [--peers NAME,NAME...]
       peers fairness [FILTER...] [--rounds SECONDS] [--peers NAME,NAME...]
       peers big CONNECTIONS [SECONDS]
       peers chart
       peers serve NAME ADDRESS
       peers broadcast NAME ADDRESS
       peers topics NAME ADDRESS
       peers threads NAME ADDRESS
       peers serve-deflate NAME ADDRESS
       peers serve-tls NAME ADDRESS

A case is measured if its name contains every FILTER. With --peers nothing is saved, since only numbers of
one run can be compared.";

/// What to measure, and how often.
#[derive(Default)]
pub struct Options {
    filters: Vec<String>,
    peers: Option<String>,
    pub rounds: Option<usize>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => {
                    let rounds = words.next().and_then(|word| word.parse().ok());
                    options.rounds = Some(rounds.ok_or("--rounds needs a number")?);
                }
                "--peers" => options.peers = Some(words.next().ok_or("--peers needs names")?),
                flag if flag.starts_with('-') => return Err(USAGE.to_owned()),
                _ => options.filters.push(word),
            }
        }
        Ok(options)
    }

    pub fn wants(&self, case: &str) -> bool {
        self.filters.iter().all(|filter| case.contains(filter))
    }

    /// Whether nobody is left out.
    pub fn is_complete(&self) -> bool {
        self.peers.is_none()
    }

    pub fn wants_peer(&self, name: &str) -> bool {
        let wanted = |names: &String| names.split(',').any(|wanted| name.starts_with(wanted));
        self.peers.as_ref().is_none_or(wanted)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("memory") => memory::run(&Options::parse(words)?),
        Some("memory-deflate") => memory::run_compressed(&Options::parse(words)?),
        Some("tcp") => tcp::run(&Options::parse(words)?),
        Some("deflate") => tcp::run_compressed(&Options::parse(words)?),
        Some("tls") => tcp::run_secure(&Options::parse(words)?),
        Some("fairness") => tcp::fairness::run(&Options::parse(words)?),
        Some("big") => {
            let numbers: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
            match numbers[..] {
                [n] => big::run(n as usize, 30),
                [n, seconds] if seconds > 0 => big::run(n as usize, seconds),
                _ => Err(USAGE.to_owned()),
            }
        }
        Some("big-server") => big::serve(word(&mut words)?, Duration::from_secs(word(&mut words)?))
            .map_err(|error| error.to_string()),
        Some("big-client") => {
            let (address, source, n) = (word(&mut words)?, word(&mut words)?, word(&mut words)?);
            big::connect_all(address, source, n).map_err(|error| error.to_string())
        }
        Some("chart") => chart::draw(),
        Some("serve") => serve(adapters::SERVERS, words),
        Some("broadcast") => serve(adapters::BROADCASTERS, words),
        Some("topics") => serve(adapters::TOPICS, words),
        Some("threads") => serve(adapters::THREADS, words),
        Some("serve-deflate") => serve(adapters::compressed::SERVERS, words),
        Some("serve-tls") => serve(adapters::secure::SERVERS, words),
        _ => Err(USAGE.to_owned()),
    }
}

/// The next word, which is of some form.
fn word<T: FromStr>(words: &mut impl Iterator<Item = String>) -> Result<T, String> {
    words.next().and_then(|word| word.parse().ok()).ok_or_else(|| USAGE.to_owned())
}

fn serve(
    servers: &[(&str, adapters::Serve)],
    mut words: impl Iterator<Item = String>,
) -> Result<(), String> {
    let (Some(name), Some(address)) = (words.next(), words.next()) else {
        return Err(USAGE.to_owned());
    };
    let Some((_, serve)) = servers.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = servers.iter().map(|(name, _)| *name).collect();
        return Err(format!("no server is called {name:?}, but {}", names.join("; ")));
    };
    let listener = TcpListener::bind(address).map_err(|error| error.to_string())?;
    serve(listener).map_err(|error| error.to_string())
}
