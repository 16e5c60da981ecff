//! What all examples share: their command line, and what they do when it makes no sense.
//!
//! Each is called with `[ADDRESS] [--max-message BYTES] [--deflate]`, some with a flag of their own, some with
//! `--tls CERT KEY`. With `--deflate`, messages are compressed (feature `deflate`); `--deflate=SENT,RECEIVED` says how many
//! bytes are remembered.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "a part of every example, of which not each uses all"
)]

#[cfg(feature = "tokio")]
pub mod tls_listener;

use std::env;
use std::fmt::Display;
use std::net::SocketAddr;
use std::process::ExitCode;

use sansocket::{CloseCode, ConfigBuilder, Message, Prepared};

pub type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

pub struct Args {
    pub address: String,
    pub max_message: Option<usize>,
    pub deflate: Deflate,
    pub flags: Vec<String>,
    /// Files in PEM: the certificate and those that lead to its authority, and the key.
    pub tls: Option<(String, String)>,
    /// Flags that were given a value.
    values: Vec<(String, String)>,
}

/// An example that knows this flag speaks TLS.
pub const TLS: &str = "--tls CERT KEY";

impl Args {
    /// The command line, in which only these flags may stand; one like `--shards N` has a value.
    pub fn parse(known_flags: &[&str]) -> Result<Self> {
        let mut args = Self {
            address: "127.0.0.1:9001".into(),
            max_message: None,
            deflate: Deflate::default(),
            flags: vec![],
            tls: None,
            values: vec![],
        };
        let mut address = None;
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--max-message" {
                let bytes = words.next().ok_or("--max-message needs a number of bytes")?;
                let bytes =
                    bytes.parse().map_err(|_| format!("{bytes:?} is no number of bytes"))?;
                args.max_message = Some(bytes);
            } else if let Some(sizes) = word.strip_prefix("--deflate") {
                args.deflate = Deflate::parse(sizes)?;
            } else if word == "--tls" && known_flags.contains(&TLS) {
                let files = words.next().zip(words.next());
                args.tls = Some(files.ok_or("--tls needs two files: CERT KEY")?);
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
                return Err(
                    format!("usage: [ADDRESS] [--max-message BYTES] [--deflate]{flags}").into()
                );
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

/// Compression, if it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Deflate {
    #[cfg(feature = "deflate")]
    compression: Option<sansocket::Compression>,
}

impl Deflate {
    /// Of what follows `--deflate`.
    #[cfg(feature = "deflate")]
    pub fn parse(sizes: &str) -> Result<Self> {
        let mut compression = sansocket::Compression::new();
        if !sizes.is_empty() {
            let sizes = sizes.strip_prefix('=').and_then(|sizes| sizes.split_once(','));
            let bytes = |size: &str| size.parse::<usize>();
            let (sent, received) = sizes.ok_or("usage: --deflate=SENT,RECEIVED")?;
            compression =
                compression.remember_sent(bytes(sent)?).remember_received(bytes(received)?);
        }
        Ok(Self { compression: Some(compression) })
    }

    #[cfg(not(feature = "deflate"))]
    pub fn parse(_: &str) -> Result<Self> {
        Err("--deflate needs the feature deflate".into())
    }

    /// Agrees to it, or offers it.
    pub fn apply(&self, config: ConfigBuilder) -> ConfigBuilder {
        #[cfg(feature = "deflate")]
        if let Some(compression) = &self.compression {
            return config.compression(compression.clone());
        }
        config
    }

    /// Encodes a message for many.
    pub fn prepare<'m>(&self, message: impl Into<Message<'m>>) -> Prepared {
        #[cfg(feature = "deflate")]
        if let Some(compression) = &self.compression {
            return Prepared::compressed(message, compression);
        }
        Prepared::new(message)
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

/// The same, whether with TLS or without.
pub fn announce_with(args: &Args, address: SocketAddr) {
    let scheme = if args.tls.is_some() { "wss" } else { "ws" };
    println!("listening on {scheme}://{address}");
}

/// Has the server speak TLS, if that was asked for.
pub fn with_tls(server: sansocket::net::Server, args: &Args) -> Result<sansocket::net::Server> {
    #[cfg(feature = "rustls")]
    if let Some(config) = server_config(args)? {
        return Ok(server.tls(config)?);
    }
    match args.tls {
        Some(_) => Err("--tls needs the feature rustls".into()),
        None => Ok(server),
    }
}

/// The configuration for the files of `--tls`, if they were given. With ring, as any provider would do.
#[cfg(feature = "rustls")]
pub fn server_config(args: &Args) -> Result<Option<std::sync::Arc<rustls::ServerConfig>>> {
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let Some((cert, key)) = &args.tls else {
        return Ok(None);
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(about(format!("cannot read {cert}")))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(about(format!("cannot read {key}")))?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(about(format!("{cert} and its key are of no use")))?;
    Ok(Some(config.into()))
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

/// Trusts the certificates in this file, if there is one, and no others.
#[cfg(feature = "client")]
pub fn trusting(dial: sansocket::dial::Dial, file: Option<&str>) -> Result<sansocket::dial::Dial> {
    #[cfg(feature = "rustls")]
    if let Some(file) = file {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        use rustls::{ClientConfig, RootCertStore};

        let mut roots = RootCertStore::empty();
        let cannot = || about(format!("cannot read {file}"));
        for certificate in CertificateDer::pem_file_iter(file).map_err(cannot())? {
            roots.add(certificate.map_err(cannot())?)?;
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        return Ok(dial.tls(config.into()));
    }
    match file {
        Some(_) => Err("to trust a file needs the feature rustls".into()),
        None => Ok(dial),
    }
}
