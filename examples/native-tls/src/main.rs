//! An echo over TLS with the library of the operating system, which is made an `Engine`.
//!
//! `cargo run -- ADDRESS PKCS12 PASSWORD`, in this folder

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::{env, fs, mem, thread};

use native_tls::{HandshakeError, Identity, MidHandshakeTlsStream, TlsAcceptor, TlsStream};
use sansocket::tls::{Engine, Secure};
use sansocket::{Config, net};

/// The records on their way, in memory.
#[derive(Debug, Default)]
struct Records {
    arrived: Vec<u8>,
    to_send: Vec<u8>,
}

impl Read for Records {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if self.arrived.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.arrived.as_slice().read(space)?;
        self.arrived.drain(..n);
        Ok(n)
    }
}

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_send.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum NativeTls {
    Handshake(MidHandshakeTlsStream<Records>),
    Open(TlsStream<Records>, bool),
    Failed,
}

impl NativeTls {
    fn accept(acceptor: &TlsAcceptor) -> io::Result<Self> {
        Self::after(acceptor.accept(Records::default()))
    }

    fn after(handshake: Result<TlsStream<Records>, HandshakeError<Records>>) -> io::Result<Self> {
        match handshake {
            Ok(stream) => Ok(Self::Open(stream, false)),
            Err(HandshakeError::WouldBlock(handshake)) => Ok(Self::Handshake(handshake)),
            Err(HandshakeError::Failure(error)) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    fn records(&mut self) -> io::Result<&mut Records> {
        match self {
            Self::Handshake(handshake) => Ok(handshake.get_mut()),
            Self::Open(stream, _) => Ok(stream.get_mut()),
            Self::Failed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Engine for NativeTls {
    fn open(&mut self, records: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.records()?.arrived.extend_from_slice(records);
        *self = match mem::replace(self, Self::Failed) {
            Self::Handshake(handshake) => Self::after(handshake.handshake())?,
            open => open,
        };
        let Self::Open(stream, is_closed) = self else {
            return Ok(());
        };
        let mut space = [0; 16 * 1024];
        loop {
            match stream.read(&mut space) {
                Ok(0) => {
                    *is_closed = true;
                    return Ok(());
                }
                Ok(n) => plain(space.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }

    fn seal(&mut self, plain: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Open(stream, _) => stream.write_all(plain)?,
            _ if plain.is_empty() => {}
            _ => return Err(io::ErrorKind::NotConnected.into()),
        }
        records.append(&mut self.records()?.to_send);
        Ok(())
    }

    fn close(&mut self, records: &mut Vec<u8>) -> io::Result<()> {
        if let Self::Open(stream, _) = self {
            let _ = stream.shutdown(); // the peer's close_notify is not waited for
        }
        self.seal(&[], records)
    }

    fn wants_write(&self) -> bool {
        match self {
            Self::Handshake(handshake) => !handshake.get_ref().to_send.is_empty(),
            Self::Open(stream, _) => !stream.get_ref().to_send.is_empty(),
            Self::Failed => false,
        }
    }

    fn is_handshaking(&self) -> bool {
        !matches!(self, Self::Open(..))
    }

    fn is_closed(&self) -> bool {
        matches!(self, Self::Open(_, true))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [address, file, password] = words.as_slice() else {
        return Err("usage: ADDRESS PKCS12 PASSWORD".into());
    };
    let identity = Identity::from_pkcs12(&fs::read(file)?, password)?;
    let acceptor = Arc::new(TlsAcceptor::new(identity)?);
    let listener = TcpListener::bind(address)?;
    println!("listening on wss://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, acceptor) = (stream?, Arc::clone(&acceptor));
        thread::spawn(move || -> Result<(), sansocket::Error> {
            let secure = Secure::server(stream, NativeTls::accept(&acceptor)?);
            let (sender, mut receiver) = net::accept(secure, Config::default())?;
            while let Some(message) = receiver.recv()? {
                sender.feed(message)?;
            }
            Ok(())
        });
    }
    Ok(())
}
