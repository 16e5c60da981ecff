//! Very many connections on one machine: several server processes share a port, several client processes have a
//! source address each, since a process may not have so many open files, nor an address so many ports.
//!
//! This process starts them all, and speaks to each in lines over its standard input and output.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Lines, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::FromRawFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use sansocket::handshake::Request;
use sansocket::mio::{App, Id, Peer, Server, Verdict};
use sansocket::{Config, Message};

use crate::tcp::stream::PLAIN;
use crate::tcp::system;

/// Connections of a process at most, below the limit on its open files.
const MAX_PER_PROCESS: usize = 17_000;

/// Runs `n` connections, with pings after so many seconds of silence.
pub fn run(n: usize, ping_after: u64) -> Result<(), String> {
    drive(n, ping_after).map_err(|error| error.to_string())
}

fn drive(n: usize, ping_after: u64) -> io::Result<()> {
    system::raise_open_files();
    let processes = n.div_ceil(MAX_PER_PROCESS).max(2);
    let n = n / processes * processes;
    // Keeps the port; it does not listen.
    let (_reserved, address) = shared_port(None)?;
    let words = [address.to_string(), ping_after.to_string()];
    let mut servers = start(processes, |_| [&["big-server".to_owned()], &words[..]].concat())?;
    for server in &mut servers {
        server.expect("listening")?;
    }
    let (empty, slab) = (resident(&servers), slab());
    let opening = Instant::now();
    let each = (n / processes).to_string();
    let client = |i: usize| {
        let source = Ipv4Addr::new(127, 0, 0, 2 + i as u8).to_string();
        vec!["big-client".to_owned(), address.to_string(), source, each.clone()]
    };
    let mut clients = start(processes, client)?;
    for client in &mut clients {
        client.expect("open")?;
    }
    println!("{n} connections, {processes} server processes on one port");
    let seconds = opening.elapsed().as_secs_f64();
    println!("opened in {seconds:.1} s, {:.0} a second", n as f64 / seconds);
    thread::sleep(Duration::from_secs(2));
    let per_connection = |bytes: u64| bytes as f64 / n as f64;
    let bytes = resident(&servers).saturating_sub(empty);
    println!("resident in the servers: {:.0} bytes a connection", per_connection(bytes));
    let kernel = self::slab().saturating_sub(slab);
    println!("kernel slab, both ends: {:.0} bytes a connection", per_connection(kernel));

    let (before, start) = (cpu(&servers), Instant::now());
    thread::sleep(Duration::from_secs(2 * ping_after));
    let used = (cpu(&servers) - before) as f64 / 1e9 / start.elapsed().as_secs_f64();
    println!("at rest, a ping each {ping_after} s: {:.1} % of a core", used * 100.0);

    for round in 0..3 {
        let start = Instant::now();
        servers.iter_mut().try_for_each(|server| server.say(&format!("publish {round}")))?;
        for client in &mut clients {
            client.expect(&format!("all got {round}"))?;
        }
        println!("told all of them in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
    }

    let start = Instant::now();
    servers.iter_mut().try_for_each(|server| server.say("stop"))?;
    let mut cut_off = 0;
    for server in &mut servers {
        cut_off += server.number("stopped")?;
    }
    println!("stopped in {:.0} ms, {cut_off} cut off", start.elapsed().as_secs_f64() * 1e3);
    for client in &mut clients {
        client.expect("all closed")?;
    }
    match cut_off {
        0 => Ok(()),
        _ => Err(io::Error::other("connections were cut off")),
    }
}

/// A process of this program.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn start(n: usize, words: impl Fn(usize) -> Vec<String>) -> io::Result<Vec<Process>> {
    let start = |i| {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words(i)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let out = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        Ok(Process { child, lines: BufReader::new(out).lines() })
    };
    (0..n).map(start).collect()
}

impl Process {
    fn say(&mut self, line: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut().ok_or(ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}")
    }

    fn line(&mut self) -> io::Result<String> {
        self.lines.next().unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    }

    fn expect(&mut self, line: &str) -> io::Result<()> {
        match self.line()? {
            said if said == line => Ok(()),
            said => Err(io::Error::other(format!("{said:?} is not {line:?}"))),
        }
    }

    /// The number behind a word.
    fn number(&mut self, word: &str) -> io::Result<usize> {
        let line = self.line()?;
        let number = line.strip_prefix(word).and_then(|rest| rest.trim().parse().ok());
        number.ok_or_else(|| io::Error::other(line))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resident(processes: &[Process]) -> u64 {
    processes.iter().map(|process| system::resident(process.child.id())).sum()
}

fn cpu(processes: &[Process]) -> u64 {
    processes.iter().map(|process| system::cpu_time(process.child.id())).sum()
}

/// The memory that the kernel has for its own structures.
fn slab() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("Slab:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// A socket with a port that others may share.
fn shared_port(address: Option<SocketAddrV4>) -> io::Result<(TcpListener, SocketAddr)> {
    let address = address.unwrap_or(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    let socket = socket(*address.ip(), address.port(), true)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

/// A TCP socket that is bound, and neither listens nor is connected.
fn socket(ip: Ipv4Addr, port: u16, shares: bool) -> io::Result<TcpListener> {
    let check = |result: libc::c_int| match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    };
    let name = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(ip).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the structures are plain data of the sizes that are given; the descriptor is fresh, and owned from here on.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let socket = TcpListener::from_raw_fd(fd);
        let one: libc::c_int = 1;
        let size = |n: usize| n as libc::socklen_t;
        let (level, option) = match shares {
            true => (libc::SOL_SOCKET, libc::SO_REUSEPORT),
            // The port is chosen when it connects: to search for one that nobody has takes milliseconds.
            false => (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT),
        };
        let value = (&raw const one).cast();
        check(libc::setsockopt(fd, level, option, value, size(size_of_val(&one))))?;
        check(libc::bind(fd, (&raw const name).cast(), size(size_of_val(&name))))?;
        Ok(socket)
    }
}

fn listen(socket: &TcpListener) -> io::Result<()> {
    // SAFETY: the descriptor is open.
    match unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(socket), 4096) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Connects from a source address.
fn connect(source: Ipv4Addr, to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = socket(source, 0, false)?;
    let name = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the structure is plain data of that size.
    let connected = unsafe {
        let size = size_of_val(&name) as libc::socklen_t;
        libc::connect(std::os::fd::AsRawFd::as_raw_fd(&socket), (&raw const name).cast(), size)
    };
    match connected {
        0 => Ok(TcpStream::from(std::os::fd::OwnedFd::from(socket))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A server of many: what it is told comes from its standard input.
pub fn serve(address: SocketAddrV4, ping_after: Duration) -> io::Result<()> {
    system::raise_open_files();
    let (listener, _) = shared_port(Some(address))?;
    listen(&listener)?;
    let config = Config::builder().keepalive(ping_after, Duration::from_secs(60));
    let config = config.build().map_err(io::Error::other)?;
    let server = Server::from_listeners(vec![listener], config).max_connections(100_000);
    let handle = server.handle();
    println!("listening");
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some((_, text)) => _ = handle.publish("all", text),
                None => {
                    let cut_off = handle.stop(Duration::ZERO, Duration::from_secs(60));
                    println!("stopped {cut_off}");
                }
            }
        }
    });
    server.run(|_| Everybody).map(drop)
}

struct Everybody;

impl App for Everybody {
    type State = ();
    type Mail = ();

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        Verdict::Accept(request.accept(), ())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("all").expect("it is the first");
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}
}

/// Many clients: they answer pings and Closes, and count what they get.
pub fn connect_all(address: SocketAddrV4, source: Ipv4Addr, n: usize) -> io::Result<()> {
    system::raise_open_files();
    let mut clients =
        Clients { poll: Poll::new()?, streams: Vec::with_capacity(n), received: 0, closed: 0 };
    for opened in 0..n {
        clients.open(address, source)?;
        // The first are pinged while the last still come.
        if opened % 100 == 0 {
            clients.serve(Some(Duration::ZERO))?;
        }
    }
    println!("open");
    while clients.closed < n {
        clients.serve(None)?;
    }
    println!("all closed");
    Ok(())
}

struct Clients {
    poll: Poll,
    streams: Vec<Option<mio::net::TcpStream>>,
    received: usize,
    closed: usize,
}

impl Clients {
    fn open(&mut self, address: SocketAddrV4, source: Ipv4Addr) -> io::Result<()> {
        let mut stream = connect(source, address)?;
        stream.write_all(PLAIN.request().as_bytes())?;
        let (mut response, mut space) = (Vec::new(), [0; 512]);
        while PLAIN.check(&response)?.is_none() {
            match stream.read(&mut space)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => response.extend_from_slice(&space[..n]),
            }
        }
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        let token = Token(self.streams.len());
        self.poll.registry().register(&mut stream, token, Interest::READABLE)?;
        self.streams.push(Some(stream));
        Ok(())
    }

    fn serve(&mut self, time: Option<Duration>) -> io::Result<()> {
        let (mut events, mut space) = (Events::with_capacity(1024), [0; 4096]);
        match self.poll.poll(&mut events, time) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let all = self.streams.len();
        for event in &events {
            let place = &mut self.streams[event.token().0];
            while let Some(stream) = place {
                let n = match stream.read(&mut space) {
                    Ok(0) => {
                        *place = None;
                        self.closed += 1;
                        break;
                    }
                    Ok(n) => n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                let mut rest = &space[..n];
                // All of them are short, and come whole.
                while let [first, len, after @ ..] = rest {
                    let (payload, next) = after.split_at(usize::from(*len));
                    rest = next;
                    match first {
                        0x89 => stream.write_all(b"\x8a\x80\0\0\0\0")?,
                        0x88 => stream.write_all(&[b"\x88\x82\0\0\0\0", payload].concat())?,
                        _ => self.received += 1,
                    }
                    if *first == 0x81 && self.received == all {
                        println!("all got {}", String::from_utf8_lossy(payload));
                        self.received = 0;
                    }
                }
            }
        }
        Ok(())
    }
}
