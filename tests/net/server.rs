//! The accept loop: its limit, its panics, its end.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansocket::net::{Handle, HandlerResult, Listener, Receiver, Sender, Server, Stream};
use sansocket::{Config, Message};

use crate::raw::{CLOSE, PATIENCE, REQUEST, Raw, TEXT, config, read_head};

struct Running {
    address: SocketAddr,
    handle: Handle,
    thread: JoinHandle<usize>,
}

fn echo(sender: Sender, mut receiver: Receiver) -> HandlerResult {
    while let Some(message) = receiver.recv()? {
        assert_ne!(message, Message::Text("panic"), "as asked");
        sender.send(message)?;
    }
    Ok(())
}

fn start(build: impl FnOnce(Server) -> Server) -> Running {
    start_with(Config::default(), build)
}

fn start_with(config: Config, build: impl FnOnce(Server) -> Server) -> Running {
    serve(build(Server::bind("127.0.0.1:0", config).unwrap()), echo)
}

fn serve<H>(server: Server, handler: H) -> Running
where
    H: Fn(Sender, Receiver) -> HandlerResult + Send + Sync + 'static,
{
    let (address, handle) = (server.local_addr(), server.handle());
    Running { address, handle, thread: thread::spawn(move || server.run(handler)) }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn open(&self) -> Raw {
        Raw::shake_hands(self.connect())
    }

    /// Stops it as every test must be able to.
    fn stop(self) {
        assert_eq!(self.handle.stop(Duration::ZERO, PATIENCE), 0);
        self.thread.join().unwrap();
        assert_eq!(self.handle.connections(), 0);
    }
}

fn assert_echoes(client: &mut Raw) {
    client.send(TEXT, b"hello");
    assert_eq!(client.read(), (TEXT, b"hello".to_vec()));
}

// V86
#[test]
fn above_the_limit_clients_get_503_until_there_is_room() {
    let server = start(|server| server.max_connections(2));
    let (mut one, mut two) = (server.open(), server.open());
    for _ in 0..3 {
        let mut third = server.connect();
        third.write_all(REQUEST.as_bytes()).unwrap();
        let mut answer = String::new();
        third.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    }
    assert_echoes(&mut one);
    assert_echoes(&mut two);
    two.send_close(1000, "");
    two.expect_close(1000);
    drop(two);
    while server.handle.connections() > 1 {
        thread::yield_now();
    }
    assert_echoes(&mut server.open());
    drop(one);
    server.stop();
}

// RE-11, V63: one connection cannot take down another
#[test]
fn a_panicking_handler_ends_its_own_connection_with_1011() {
    let server = start(|server| server);
    let mut bystander = server.open();
    let mut victim = server.open();
    victim.send(TEXT, b"panic");
    victim.expect_close(1011);
    assert_echoes(&mut bystander);
    assert_echoes(&mut server.open());
    drop((bystander, victim));
    server.stop();
}

// V86: who is not even told costs nothing
#[test]
fn only_so_many_clients_are_told_at_a_time_that_there_is_no_room() {
    let server = start(|server| server.max_connections(0));
    // Each holds its place until it closes, or for a second.
    let answers = |count| {
        let mut clients: Vec<_> = (0..count).map(|_| server.connect()).collect();
        let mut told = vec![];
        for client in &mut clients {
            client.write_all(REQUEST.as_bytes()).unwrap();
            let mut first = [0];
            // An end or a reset: nobody has read the request.
            told.push(client.read(&mut first).is_ok_and(|n| n == 1 && first == *b"H"));
        }
        told
    };
    assert_eq!(answers(20), [[true; 16].as_slice(), &[false; 4]].concat());
    while answers(1) != [true] {
        thread::yield_now();
    }
    server.stop();
}

//
#[test]
fn a_stop_closes_who_is_about_to_enter() {
    let server = start(|server| server);
    let (mut client, mut late) = (server.open(), server.connect());
    late.write_all(&REQUEST.as_bytes()[..20]).unwrap();
    while server.handle.connections() < 2 {
        thread::yield_now();
    }
    let handle = server.handle.clone();
    let stopping = thread::spawn(move || handle.stop(Duration::ZERO, PATIENCE));
    assert_eq!(client.read(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    client.send_close(1001, "");
    late.write_all(&REQUEST.as_bytes()[20..]).unwrap();
    assert!(read_head(&mut late).starts_with("HTTP/1.1 101 "));
    let mut late = Raw(late);
    assert_eq!(late.read(), (CLOSE, 1001u16.to_be_bytes().to_vec()));
    late.send_close(1001, "");
    late.expect_end();
    drop((client, late));
    assert_eq!(stopping.join().unwrap(), 0);
    server.thread.join().unwrap();
}

#[test]
fn a_server_on_all_addresses_can_be_stopped() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        serve(Server::bind(address, Config::default()).unwrap(), echo).stop();
    }
}

#[test]
fn a_server_says_in_debug_output_what_it_is() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let address = server.local_addr();
    let shown = format!("{server:?}");
    assert!(shown.starts_with("Server { listener: ") && shown.contains(&address.to_string()));
    assert_eq!(format!("{:?}", server.handle()), "Handle { connections: 0 }");
}

//
#[test]
fn a_stop_closes_everybody_with_1001() {
    let server = start(|server| server);
    let clients: Vec<_> = (0..10).map(|_| server.open()).collect();
    let handle = server.handle.clone();
    let stopping = thread::spawn(move || handle.stop(Duration::from_millis(500), PATIENCE));
    for mut client in clients {
        let (_, payload) = client.read();
        assert_eq!(payload, 1001u16.to_be_bytes());
        client.send_close(1001, "");
        client.expect_end();
    }
    assert_eq!(stopping.join().unwrap(), 0);
    server.thread.join().unwrap();
    assert!(TcpStream::connect(server.address).is_err());
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    const HOUR: Duration = Duration::from_secs(3600);
    let patient = config(|config| config.close_timeout(HOUR).handshake_timeout(HOUR));
    let server = start_with(patient, |server| server);
    let mut deaf = server.open();
    let mute = server.connect();
    while server.handle.connections() < 2 {
        thread::yield_now();
    }
    assert_eq!(server.handle.stop(Duration::ZERO, Duration::from_millis(100)), 2);
    let stopped = Instant::now();
    while !server.thread.is_finished() {
        assert!(stopped.elapsed() < PATIENCE, "it waits for timeouts");
        thread::yield_now();
    }
    assert_eq!(deaf.read().1, 1001u16.to_be_bytes());
    deaf.expect_end();
    drop(mute);
}

// errors reach whoever wants to log them
#[test]
fn errors_are_reported_once_they_are_answered() {
    let (tell, errors) = mpsc::channel();
    let server =
        start(|server| server.on_error(move |_, error| tell.send(error.to_string()).unwrap()));
    let mut plain = server.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
    assert!(read_head(&mut plain).starts_with("HTTP/1.1 426 "));
    drop(plain);
    assert!(errors.recv_timeout(PATIENCE).unwrap().contains("handshake refused"));
    let mut client = server.open();
    client.send(0x87, b"");
    client.expect_close(1002);
    drop(client);
    assert!(errors.recv_timeout(PATIENCE).unwrap().contains("opcode 0x7 is reserved"));
    server.stop();
}

#[test]
fn when_a_handler_returns_its_connection_is_closed() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = serve(server, |sender, _receiver| Ok(sender.send("bye")?));
    let mut client = server.open();
    assert_eq!(client.read(), (TEXT, b"bye".to_vec()));
    client.expect_close(1000);
    drop(client);
    server.stop();
}

// nor for a handler that does not return
#[test]
fn a_stop_leaves_handlers_behind() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        let parked = |_, _| loop {
            thread::park();
        };
        server.run(parked);
        tell.send(()).unwrap();
    });
    let client = Raw::shake_hands(TcpStream::connect(address).unwrap());
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_millis(50)), 1);
    ended.recv_timeout(PATIENCE).unwrap();
    drop(client);
}

// however long the Close frames were to be spread
#[test]
fn a_stop_keeps_its_deadline() {
    let server = start(|server| server);
    let clients = [server.open(), server.open()];
    let (tell, ended) = mpsc::channel();
    let handle = server.handle;
    thread::spawn(move || {
        let left = handle.stop(Duration::from_secs(3600), Duration::from_millis(50));
        tell.send(left).unwrap();
    });
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(2));
    drop(clients);
}

// the connection that a stop wakes the server with is nobody's
#[test]
fn a_stop_is_no_error() {
    let (tell, errors) = mpsc::channel();
    let server =
        start(|server| server.on_error(move |_, error| tell.send(error.to_string()).unwrap()));
    // So that it waits for the next.
    let mut client = server.open();
    assert_echoes(&mut client);
    client.send_close(1000, "");
    client.expect_close(1000);
    drop(client);
    while server.handle.connections() > 0 {
        thread::yield_now();
    }
    server.stop();
    assert_eq!(errors.try_iter().next(), None);
}

// R-142, CL-24: what a client says after the last Close is discarded, and resets nothing
#[test]
fn a_client_may_answer_the_last_close() {
    let server = serve(Server::bind("127.0.0.1:0", Config::default()).unwrap(), |_, _| Ok(()));
    let mut client = server.open();
    client.expect_close(1000);
    for _ in 0..4 {
        client.send_close(1000, "");
        thread::sleep(Duration::from_millis(20));
    }
    drop(client);
    server.stop();
}

/// Fails for a while, and then listens.
struct Failing(TcpListener, Mutex<VecDeque<ErrorKind>>);

impl Listener for Failing {
    type Stream = Stream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let failure = self.1.lock().unwrap().pop_front();
        failure.map_or_else(|| Listener::accept(&self.0), |failure| Err(failure.into()))
    }

    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        self.0.waker()
    }
}

// Clients that are gone before they are accepted, under the names of Unix and of Windows, hold up nobody.
#[test]
fn clients_that_are_gone_are_passed_over_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gone = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset].repeat(500);
    let server =
        Server::from_listener(Failing(listener, Mutex::new(gone.into())), Config::default());
    let server = server.unwrap();
    let handle = server.handle();
    let start = Instant::now();
    let thread = thread::spawn(move || server.run(echo));
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_echoes(&mut Raw::shake_hands(stream));
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    Running { address, handle, thread }.stop();
}

// RE-12: some file descriptors will be closed
#[test]
fn a_failure_for_want_of_resources_is_waited_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let failures = Mutex::new([ErrorKind::OutOfMemory; 2].into());
    let server = Server::from_listener(Failing(listener, failures), Config::default()).unwrap();
    let handle = server.handle();
    let thread = thread::spawn(move || server.run(echo));
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_echoes(&mut Raw::shake_hands(stream));
    Running { address, handle, thread }.stop();
}
