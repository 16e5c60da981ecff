//! A client on the command line: sends the lines of its standard input, and prints the messages that come.
//!
//! `cargo run --features client,rustls --example client -- [OPTION..] URL`
//!
//! * `--header 'NAME: VALUE'`, `--subprotocol NAME`, `--origin ORIGIN`: for the request, each as often as you like
//! * `--proxy URL`: goes through that proxy; by default the one that the environment names, if any
//! * `--ca FILE`: trusts the certificates in this PEM file, instead of those of the system
//! * `--insecure`: does not check the server's certificate, so that anybody on the way can read and change all of it
//!
//! At the end of the input it closes with 1000. Exit code 0 after a close with 1000, or without a code; 1 if something is
//! wrong, 2 after a close with another code.

use std::env;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::thread;

use sansocket::dial::{Dial, Proxy};
use sansocket::handshake::client;
use sansocket::{CloseCode, Config, Error, Message, net};
use shared::Result;

mod shared;

const USAGE: &str = "usage: [--header 'NAME: VALUE'] [--subprotocol NAME] [--origin ORIGIN] [--proxy URL] \
    [--ca FILE] [--insecure] URL";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let dial = parse(env::args().skip(1))?;
    let (sender, mut receiver, response) = match net::dial(&dial, Config::default()) {
        Err(Error::Connect(client::Error::Refused { status, head, body })) => {
            let location = head.header_str("Location").map(|to| format!(", see {to}"));
            let body = String::from_utf8_lossy(&body);
            let location = location.unwrap_or_default();
            return Err(
                format!("refused with status {status}{location}\n{}", body.trim_end()).into()
            );
        }
        connected => connected?,
    };
    let subprotocol = response.subprotocol().map(|name| format!(", with {name}"));
    eprintln!("connected{}", subprotocol.unwrap_or_default());
    // Not waited for: it may hang in a read for ever.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(io::Result::ok) {
            if sender.send(&*line).is_err() {
                return;
            }
        }
        let _ = sender.close(CloseCode::NORMAL, "");
    });
    while let Some(message) = receiver.recv()? {
        match message {
            Message::Text(text) => println!("{text}"),
            Message::Binary(bytes) => println!("[{} bytes]", bytes.len()),
        }
    }
    let Some(close) = receiver.close_frame() else {
        return Ok(ExitCode::SUCCESS);
    };
    match close.code {
        None | Some(CloseCode::NORMAL) => Ok(ExitCode::SUCCESS),
        Some(code) => {
            eprintln!("closed with {} {:?}", u16::from(code), close.reason);
            Ok(ExitCode::from(2))
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Dial> {
    let (mut url, mut options) = (None, vec![]);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--insecure" => options.push((word, String::new())),
            "--header" | "--subprotocol" | "--origin" | "--proxy" | "--ca" => {
                let value = words.next().ok_or(USAGE)?;
                options.push((word, value));
            }
            _ if word.starts_with('-') || url.is_some() => return Err(USAGE.into()),
            _ => url = Some(word),
        }
    }
    let mut dial = Dial::new(&url.ok_or(USAGE)?)?;
    dial = match options.iter().find(|(option, _)| option == "--proxy") {
        Some((_, url)) => dial.proxy(Proxy::new(url)?),
        None => {
            let proxy = Proxy::from_env(dial.request())?;
            dial.proxy(proxy)
        }
    };
    for (option, value) in options {
        dial = match option.as_str() {
            "--header" => {
                let (name, value) = value.split_once(':').ok_or("a header is 'NAME: VALUE'")?;
                dial.header(name, value.trim())?
            }
            "--subprotocol" => dial.subprotocol(&value)?,
            "--origin" => dial.origin(&value)?,
            "--ca" => shared::trusting(dial, Some(&value))?,
            "--insecure" => tls::trust_anybody(dial)?,
            _ => dial,
        };
    }
    Ok(dial)
}

#[cfg(not(feature = "rustls"))]
mod tls {
    use super::{Dial, Result};

    pub(crate) fn trust_anybody(_: Dial) -> Result<Dial> {
        Err("--insecure needs the feature rustls".into())
    }
}

#[cfg(feature = "rustls")]
mod tls {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

    use super::{Dial, Result};

    pub(crate) fn trust_anybody(dial: Dial) -> Result<Dial> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        Ok(dial.tls(Arc::new(config)))
    }

    /// Takes everybody for the server.
    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> std::result::Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
