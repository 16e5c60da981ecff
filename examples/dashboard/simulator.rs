//! Devices that are none: each a thread with a socket, whose readings wander about.
//!
//! They obey `interval MS`, `reset`, and `set NUMBER`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

const NAMES: [&str; 8] =
    ["boiler", "cellar", "garage", "greenhouse", "kitchen", "meter", "pump", "roof"];

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Socket {
    fn open(address: SocketAddr, is_tcp: bool) -> io::Result<Self> {
        if is_tcp {
            return TcpStream::connect(address).map(Self::Tcp);
        }
        let socket = UdpSocket::bind((address.ip(), 0))?;
        socket.connect(address)?;
        Ok(Self::Udp(socket))
    }

    fn send(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(format!("{line}\n").as_bytes()),
            Self::Udp(socket) => socket.send(line.as_bytes()).map(drop),
        }
    }

    /// What has come until then, if anything.
    fn receive(&mut self, time: Duration) -> io::Result<String> {
        let mut space = [0; 256];
        let time = Some(time.max(Duration::from_millis(1)));
        let received = match self {
            Self::Tcp(stream) => {
                stream.set_read_timeout(time)?;
                match stream.read(&mut space) {
                    Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                    result => result,
                }
            }
            Self::Udp(socket) => {
                socket.set_read_timeout(time)?;
                socket.recv(&mut space)
            }
        };
        match received {
            Ok(n) => Ok(String::from_utf8_lossy(space.get(..n).unwrap_or_default()).into_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(String::new())
            }
            Err(error) => Err(error),
        }
    }
}

/// Starts so many devices.
pub(crate) fn start(address: SocketAddr, n: usize) -> io::Result<()> {
    for (index, name) in (0..n).zip(NAMES.iter().cycle()) {
        let name = match index / NAMES.len() {
            0 => (*name).to_owned(),
            floor => format!("{name}-{floor}"),
        };
        let device = move || {
            loop {
                let _ = run(address, &name, index);
                thread::sleep(Duration::from_secs(1)); // and again
            }
        };
        thread::Builder::new().name("simulated".into()).spawn(device)?;
    }
    Ok(())
}

fn run(address: SocketAddr, name: &str, index: usize) -> io::Result<()> {
    let mut socket = Socket::open(address, index % 2 == 0)?;
    let mut random = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let base = 18.0 + (index % 7) as f64;
    let (mut value, mut interval) = (base, Duration::from_millis(500));
    loop {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let step = (random % 1000) as f64 / 1000.0 - 0.5;
        value += step + (base - value) * 0.02;
        socket.send(&format!("{name} {value:.2}"))?;
        let next = Instant::now() + interval;
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            for line in socket.receive(left)?.lines() {
                match line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), "")) {
                    ("reset", _) => value = base,
                    ("set", number) => value = number.parse().unwrap_or(value),
                    ("interval", millis) => {
                        let millis = millis.parse().unwrap_or(500).clamp(50, 60_000);
                        interval = Duration::from_millis(millis);
                    }
                    _ => {}
                }
            }
        }
    }
}
