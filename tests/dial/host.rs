//! The servers that are dialed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansocket::Config;
use sansocket::dial::Dial;
use sansocket::net::{Handle, Server};

use crate::authority;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// An echo.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    handle: Handle,
    thread: JoinHandle<usize>,
}

impl Echo {
    pub(crate) fn start(address: &str, secure: bool) -> Self {
        let mut server = Server::bind(address, Config::default()).unwrap();
        if secure {
            server = server.tls(authority::server()).unwrap();
        }
        let (address, handle) = (server.local_addr(), server.handle());
        let thread = thread::spawn(move || {
            server.run_upgrades(|upgrade| {
                let host = upgrade.request().host().unwrap_or_default().to_owned();
                let response = upgrade.request().accept().header("Set-Cookie", "seen=1")?;
                let (sender, mut receiver) = upgrade.accept(response)?;
                sender.send(&*host)?;
                while let Some(message) = receiver.recv()? {
                    sender.send(message)?;
                }
                Ok(())
            })
        });
        Self { address, handle, thread }
    }

    /// A dial to it, under a name that its certificate has.
    pub(crate) fn dial(&self, secure: bool) -> Dial {
        let scheme = if secure { "wss" } else { "ws" };
        let url = format!("{scheme}://localhost:{}/", self.address.port());
        Dial::new(&url).unwrap().address(self.address).tls(authority::client())
    }

    pub(crate) fn stop(self) {
        self.handle.stop(Duration::ZERO, 10 * SECOND);
        self.thread.join().unwrap();
    }
}

/// Answers one connection with these bytes, once its head has arrived, and then reads to its end, or ends at once. Returns all that it
/// has read.
pub(crate) fn answer(bytes: &str, reads_on: bool) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, bytes) = (listener.local_addr().unwrap(), bytes.to_owned());
    let thread = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = read_head(&mut stream);
        stream.write_all(bytes.as_bytes()).unwrap();
        if reads_on {
            let _ = stream.read_to_string(&mut head);
        }
        head
    });
    (address, thread)
}

pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
