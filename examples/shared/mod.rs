//! What all examples share: their command line, and what they do when it makes no sense.
//!
//! Each is called with `[ADDRESS] [--max-message BYTES]`, some with a flag of their own.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of every example, of which not each uses all"
)]

use std::env;
use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitCode;

use sansocket::{CloseCode, ConfigBuilder};

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub struct Args {
    pub address: String,
    pub max_message: Option<usize>,
    pub flags: Vec<String>,
    /// Flags that were given a value.
    values: Vec<(String, String)>,
}

impl Args {
    /// The command line, in which only these flags may stand; one like `--shards N` has a value.
    pub fn parse(known_flags: &[&str]) -> Result<Self> {
        let address_default = "127.0.0.1:9001".into();
        let mut args =
            Self { address: address_default, max_message: None, flags: vec![], values: vec![] };
        let mut address = None;
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--max-message" {
                let bytes = words.next().ok_or("--max-message needs a number of bytes")?;
                let bytes =
                    bytes.parse().map_err(|_| format!("{bytes:?} is no number of bytes"))?;
                args.max_message = Some(bytes);
            } else if known_flags.contains(&word.as_str()) {
                args.flags.push(word);
            } else if known_flags
                .iter()
                .any(|flag| flag.split_once(' ').is_some_and(|f| f.0 == word))
            {
                let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
                args.values.push((word, value));
            } else if word.starts_with('-') || address.is_some() {
                let flags: String = known_flags.iter().map(|flag| format!(" [{flag}]")).collect();
                return Err(format!("usage: [ADDRESS] [--max-message BYTES]{flags}").into());
            } else {
                address = Some(word);
            }
        }
        args.address = address.unwrap_or(args.address);
        Ok(args)
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }

    /// The value of a flag.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.values.iter().rfind(|(given, _)| given == flag).map(|(_, value)| &**value)
    }

    /// The value of a flag that has to be a positive number.
    pub fn number(&self, flag: &str) -> Result<Option<usize>> {
        let number = |value: &str| match value.parse() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{flag}: {value:?} is no positive number").into()),
        };
        self.value(flag).map(number).transpose()
    }

    /// Sets the limit that was asked for, if any.
    pub fn limit(&self, config: ConfigBuilder) -> ConfigBuilder {
        match self.max_message {
            Some(bytes) => config.max_message(bytes),
            None => config,
        }
    }
}

/// An error with what it was about: "cannot listen at 127.0.0.1:80: Permission denied".
pub fn about<E: Display>(what: impl Display) -> impl FnOnce(E) -> Box<dyn std::error::Error> {
    move |error| format!("{what}: {error}").into()
}

/// Tells whoever waits for it that clients may come.
pub fn announce(address: SocketAddr) {
    println!("listening on ws://{address}");
}

/// Runs the example; an error is one line and exit code 1.
pub fn run(example: impl FnOnce() -> Result) -> ExitCode {
    match example() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Stops the server when the process is asked to end, by Ctrl-C or SIGTERM.
pub fn stop_on_signal(server: sansocket::net::Handle) -> Result {
    use std::time::Duration;
    ctrlc::set_handler(move || {
        server.stop(Duration::ZERO, Duration::from_secs(5));
    })?;
    Ok(())
}

/// Waits until the process is asked to end, by Ctrl-C or SIGTERM.
#[cfg(feature = "tokio")]
pub async fn tokio_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            signal = tokio::signal::ctrl_c() => signal,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// How `/close?code=4001&reason=bye` wants the connection to be closed.
pub fn wanted_close(path: &str, query: Option<&str>) -> Option<(CloseCode, String)> {
    if path != "/close" {
        return None;
    }
    let value = |name| {
        let mut pairs = query.unwrap_or_default().split('&');
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    };
    let code = value("code").and_then(|code| CloseCode::new(code.parse().ok()?));
    Some((code.unwrap_or(CloseCode::NORMAL), value("reason").unwrap_or_default().into()))
}
