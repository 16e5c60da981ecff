//! The Autobahn test suite's other side: an echo client for its fuzzing server.
//!
//! `cargo run --release --features client --example autobahn_client -- URL AGENT [--deflate]`

use std::env;
use std::net::TcpStream;
use std::process::ExitCode;

use sansocket::handshake::client;
use sansocket::net::{self, Receiver, Sender};
use sansocket::{Config, Message};
use shared::{Deflate, Result, about};

mod shared;

fn main() -> ExitCode {
    shared::run(|| {
        let words: Vec<String> = env::args().skip(1).collect();
        let (url, agent, deflate) = match words.as_slice() {
            [url, agent] => (url, agent, Deflate::default()),
            [url, agent, word] if word.starts_with("--deflate") => {
                (url, agent, Deflate::parse(&word["--deflate".len()..])?)
            }
            _ => return Err("usage: URL AGENT [--deflate]".into()),
        };
        let cases = case_count(url)?;
        for case in 1..=cases {
            println!("case {case} of {cases}");
            let url = format!("{url}/runCase?case={case}&agent={agent}");
            if let Err(error) = echo(&url, &deflate) {
                println!("  {error}"); // many cases are meant to end with one
            }
        }
        Ok(())
    })
}

fn case_count(url: &str) -> Result<usize> {
    let (_, mut receiver) = connect(&format!("{url}/getCaseCount"), &Deflate::default())?;
    match receiver.recv()? {
        Some(Message::Text(count)) => Ok(count.parse()?),
        other => Err(format!("expected the number of cases, got {other:?}").into()),
    }
}

fn echo(url: &str, deflate: &Deflate) -> Result {
    let (sender, mut receiver) = connect(url, deflate)?;
    while let Some(message) = receiver.recv()? {
        sender.send(message)?;
    }
    Ok(())
}

fn connect(url: &str, deflate: &Deflate) -> Result<(Sender<TcpStream>, Receiver<TcpStream>)> {
    let config = deflate.apply(Config::builder().max_message(32 * 1024 * 1024)).build()?;
    let request = client::Request::new(url)?;
    let stream = TcpStream::connect((request.host(), request.port()))
        .map_err(about(format!("cannot connect to {url}")))?;
    let (sender, receiver, _) = net::connect(stream, &request, config)?;
    Ok((sender, receiver))
}
