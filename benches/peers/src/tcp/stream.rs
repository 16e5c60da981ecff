//! A client's connection: TCP, or TLS over it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use crate::deflate::OFFER;
use crate::tls::HOST;

/// How connections are opened.
#[derive(Clone)]
pub struct Opening {
    pub tls: Option<Arc<ClientConfig>>,
    /// Offers compression, and does not go on without.
    pub deflate: bool,
}

/// TCP without compression.
pub const PLAIN: Opening = Opening { tls: None, deflate: false };

pub struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Opening {
    /// The opening handshake of a client that is no browser.
    pub fn request(&self) -> String {
        let extension = match self.deflate {
            true => format!("Sec-WebSocket-Extensions: {OFFER}\r\n"),
            false => String::new(),
        };
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
        )
    }

    /// What was agreed on, if the response is complete; an error if it is not a yes.
    pub fn check(&self, response: &[u8]) -> io::Result<Option<Agreed>> {
        if !response.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        let refused = |why| Err(io::Error::new(ErrorKind::InvalidData, why));
        let text = String::from_utf8_lossy(response);
        if !text.starts_with("HTTP/1.1 101 ") || !text.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
            return refused("the handshake was refused");
        }
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        let is_extension = |name: &str| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions");
        let mut extensions = fields.filter(|field| is_extension(field.0)).map(|field| field.1);
        let agreed = extensions.next();
        if agreed.is_some() != self.deflate {
            return refused("compression was agreed on, or was not, unlike what was offered");
        }
        let bits = agreed.into_iter().flat_map(|agreed| agreed.split(';')).find_map(|parameter| {
            parameter.trim().strip_prefix("client_max_window_bits=")?.parse().ok()
        });
        Ok(Some(Agreed { client_bits: bits.unwrap_or(15) }))
    }

    pub fn stream(&self, socket: TcpStream) -> io::Result<Stream> {
        socket.set_nodelay(true)?;
        reset_when_closed(&socket)?;
        let connect = |config: &Arc<ClientConfig>| {
            let host = HOST.try_into().expect("it is a name");
            ClientConnection::new(config.clone(), host).map(Box::new).map_err(io::Error::other)
        };
        Ok(Stream { socket, tls: self.tls.as_ref().map(connect).transpose()? })
    }

    /// A connection that is open, and does not wait any more.
    pub fn open(&self, address: SocketAddr) -> io::Result<(Stream, Agreed)> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = self.stream(socket)?;
        stream.write_all(self.request().as_bytes())?;
        stream.flush()?;
        let (mut response, mut filled) = ([0; 1024], 0);
        loop {
            if let Some(agreed) = self.check(&response[..filled])? {
                stream.socket.set_nonblocking(true)?;
                return Ok((stream, agreed));
            }
            match stream.read(&mut response[filled..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
    }
}

/// What a server has answered.
#[derive(Clone, Copy, Debug)]
pub struct Agreed {
    /// The window in which clients compress, as an exponent of two.
    pub client_bits: u8,
}

impl Stream {
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut SourceFd(&self.socket.as_raw_fd()), token, interest)
    }

    /// Whether a read that does not fill its space has read all there is.
    pub fn tells_when_empty(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether the TLS handshake was that of an earlier connection, resumed.
    pub fn is_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }
}

impl Read for Stream {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.read(space),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).read(space),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.socket).flush(),
        }
    }
}

/// Closes by a reset, so that thousands of connections leave no ports behind that wait.
pub fn reset_when_closed(stream: &impl AsRawFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the structure is plain data of that size.
    let result = unsafe {
        let value = (&raw const linger).cast();
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
