//! The Autobahn test suite's other side: an echo client for its fuzzing server.
//!
//! `cargo run --release --features client,rustls --example autobahn_client -- URL AGENT [--deflate] [CA]`, with a file of
//! the certificates that are trusted for `wss`

use std::env;
use std::process::ExitCode;

use sansocket::dial::Dial;
use sansocket::net::{self, Receiver, Sender};
use sansocket::{Config, Message};
use shared::{Deflate, Result, about};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let words: Vec<String> = env::args().skip(1).collect();
        let mut deflate = Deflate::default();
        let mut rest = vec![];
        for word in &words {
            match word.strip_prefix("--deflate") {
                Some(sizes) => deflate = Deflate::parse(sizes)?,
                None => rest.push(word.as_str()),
            }
        }
        let (url, agent, ca) = match rest[..] {
            [url, agent] => (url, agent, None),
            [url, agent, ca] => (url, agent, Some(ca)),
            _ => return Err("usage: URL AGENT [--deflate] [CA]".into()),
        };
        let cases = case_count(url, ca)?;
        for case in 1..=cases {
            println!("case {case} of {cases}");
            let url = format!("{url}/runCase?case={case}&agent={agent}");
            if let Err(error) = echo(&url, &deflate, ca) {
                println!("  {error}"); // many cases are meant to end with one
            }
        }
        Ok(())
    })
}

fn case_count(url: &str, ca: Option<&str>) -> Result<usize> {
    let (_, mut receiver) = connect(&format!("{url}/getCaseCount"), &Deflate::default(), ca)?;
    match receiver.recv()? {
        Some(Message::Text(count)) => Ok(count.parse()?),
        other => Err(format!("expected the number of cases, got {other:?}").into()),
    }
}

fn echo(url: &str, deflate: &Deflate, ca: Option<&str>) -> Result {
    let (sender, mut receiver) = connect(url, deflate, ca)?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}

fn connect(url: &str, deflate: &Deflate, ca: Option<&str>) -> Result<(Sender, Receiver)> {
    let config = deflate.apply(Config::builder().max_message(32 * 1024 * 1024)).build()?;
    let dial = shared::trusting(Dial::new(url)?, ca)?;
    let connected = net::dial(&dial, config).map_err(about(format!("cannot connect to {url}")))?;
    Ok((connected.0, connected.1))
}
