//! How long a stop takes, and when it is over.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansocket::net::{Handle, HandlerResult, Listener, Receiver, Sender, Server, Stream};
use sansocket::{Config, Error, TimedOut};

use crate::raw::{CLOSE, PATIENCE, REQUEST, Raw, config};

fn serve<H>(config: Config, handler: H) -> (SocketAddr, Handle, JoinHandle<usize>)
where
    H: Fn(Sender, Receiver) -> HandlerResult + Send + Sync + 'static,
{
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    (address, handle, thread::spawn(move || server.run(handler)))
}

fn receive(_sender: Sender, mut receiver: Receiver) -> HandlerResult {
    while receiver.recv()?.is_some() {}
    Ok(())
}

fn connect(address: SocketAddr) -> Raw {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Raw::shake_hands(stream)
}

// RE-10: no deadline, and no hurry
#[test]
fn a_stop_may_wait_for_ever() {
    let (_, handle, running) = serve(Config::default(), receive);
    assert_eq!(handle.stop(Duration::ZERO, Duration::MAX), 0);
    running.join().unwrap();
}

// RE-10: nor one while somebody is there
#[test]
fn a_stop_without_a_deadline_waits_for_the_last() {
    let (address, handle, running) = serve(Config::default(), receive);
    let mut client = connect(address);
    let stopping = thread::spawn(move || handle.stop(Duration::ZERO, Duration::MAX));
    let (first, code) = client.read();
    assert_eq!((first, &code[..2]), (CLOSE, &1001_u16.to_be_bytes()[..]));
    assert!(!stopping.is_finished());
    client.send_close(1001, "");
    drop(client);
    assert_eq!(stopping.join().unwrap(), 0);
    running.join().unwrap();
}

// RE-10
#[test]
fn a_stop_may_be_spread_over_all_time() {
    let (address, handle, running) = serve(Config::default(), receive);
    let client = connect(address);
    assert_eq!(handle.stop(Duration::MAX, Duration::from_millis(50)), 1);
    running.join().unwrap();
    drop(client);
}

// however many clients do not read
#[test]
fn a_stop_does_not_wait_for_each_client_that_does_not_read() {
    const CLIENTS: usize = 30;
    // More than the system takes, and less than the queue does.
    const FED: usize = 4 << 20;
    let large = config(|config| config.max_queue(2 * FED));
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (tell, fed) = mpsc::channel();
    let (address, handle, running) = serve(large, move |sender, _receiver| {
        sender.feed(&vec![7; FED])?;
        tell.send(()).unwrap();
        // Until the test is over.
        let _ = held.lock().unwrap().recv();
        Ok(())
    });
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(address)).collect();
    for _ in &clients {
        fed.recv_timeout(PATIENCE).unwrap();
    }
    let start = Instant::now();
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_millis(100)), CLIENTS);
    let took = start.elapsed();
    assert!(took < Duration::from_millis(400), "a stop within 100 ms took {took:?}");
    drop((clients, release));
    running.join().unwrap();
}

// the program may end when `run` returns
#[test]
fn a_server_runs_until_its_stop_is_done() {
    let (address, handle, running) = serve(Config::default(), receive);
    let mut client = connect(address);
    let (tell, stopped) = mpsc::channel();
    thread::spawn(move || {
        let left = handle.stop(Duration::from_secs(2), PATIENCE);
        tell.send(left).unwrap();
    });
    assert_eq!(client.read(), (CLOSE, b"\x03\xe9".to_vec()));
    client.send_close(1001, "");
    client.expect_end();
    drop(client);
    running.join().unwrap();
    let left = stopped.recv_timeout(Duration::from_millis(200));
    assert_eq!(left, Ok(0), "the server returns while the stop is under way");
}

// not even until the turn of those who have left by themselves
#[test]
fn a_stop_is_over_when_everybody_has_left() {
    let (address, handle, running) = serve(Config::default(), receive);
    let clients = [(); 3].map(|()| connect(address));
    let start = Instant::now();
    let leaving = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        drop(clients);
    });
    assert_eq!(handle.stop(Duration::from_secs(600), Duration::from_secs(1000)), 0);
    assert!(start.elapsed() < PATIENCE);
    running.join().unwrap();
    leaving.join().unwrap();
}

// a handler that takes its time to accept does not open a connection that nobody ends
#[test]
fn a_connection_that_opens_after_the_deadline_is_cut_off() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let (ask, asked) = mpsc::channel();
    let (go, going) = mpsc::channel::<()>();
    let going = Mutex::new(going);
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        server.run_upgrades(move |upgrade| {
            ask.send(()).unwrap();
            going.lock().unwrap().recv().unwrap();
            let response = upgrade.request().accept();
            let (_sender, mut receiver) = upgrade.accept(response)?;
            tell.send(receiver.drain()).unwrap();
            Ok(())
        })
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(REQUEST.as_bytes()).unwrap();
    asked.recv_timeout(PATIENCE).unwrap();
    assert_eq!(handle.stop(Duration::ZERO, Duration::from_millis(50)), 1);
    assert_eq!(running.join().unwrap(), 1);
    go.send(()).unwrap();
    let end = told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Close))), "{end:?}");
}

/// Listens, and lacks a file descriptor to wake it for the first time.
struct Crowded(TcpListener, Arc<AtomicUsize>);

impl Listener for Crowded {
    type Stream = Stream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        Listener::accept(&self.0)
    }

    fn waker(&self) -> io::Result<Box<dyn Fn() + Send + Sync>> {
        let (waker, calls) = (self.0.waker()?, Arc::clone(&self.1));
        Ok(Box::new(move || {
            if calls.fetch_add(1, Ordering::Relaxed) > 0 {
                waker();
            }
        }))
    }
}

// where connections hold the last file descriptors, it is woken when they are gone
#[test]
fn a_stop_without_file_descriptors_has_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let crowded = Crowded(listener, Arc::default());
    let server = Server::from_listener(crowded, Config::default()).unwrap();
    let handle = server.handle();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(server.run(receive)));
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
}

// nor again once it has ended: by then another process may listen there
#[test]
fn a_server_that_has_stopped_listening_is_not_woken_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(1));
    let server = Server::from_listener(Crowded(listener, Arc::clone(&calls)), Config::default());
    let server = server.unwrap();
    let handle = server.handle();
    let running = thread::spawn(move || server.run(receive));
    let mut client = connect(address);
    let stopping = thread::spawn(move || handle.stop(Duration::ZERO, PATIENCE));
    assert_eq!(client.read(), (CLOSE, b"\x03\xe9".to_vec()));
    while TcpStream::connect(address).is_ok() {
        thread::sleep(Duration::from_millis(10)); // it listens still
    }
    client.send_close(1001, "");
    drop(client);
    assert_eq!(stopping.join().unwrap(), 0);
    running.join().unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2, "woken more than once");
}

// nor by a stop that comes too late
#[test]
fn a_second_stop_wakes_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let calls = Arc::new(AtomicUsize::new(1));
    let server = Server::from_listener(Crowded(listener, Arc::clone(&calls)), Config::default());
    let server = server.unwrap();
    let handle = server.handle();
    let running = thread::spawn(move || server.run(receive));
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    running.join().unwrap();
    let before = calls.load(Ordering::Relaxed);
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    assert_eq!(calls.load(Ordering::Relaxed), before, "it calls on whoever listens there now");
}

/// Whether a server is stopped by its handle, wherever its address leads to by then.
fn stops<L>(server: Server<L>, meanwhile: impl FnOnce()) -> bool
where
    L: Listener + Send + 'static,
    L::Address: Send + Sync,
{
    let handle = server.handle();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(server.run(|_, mut receiver| Ok(receiver.drain()?))));
    thread::sleep(Duration::from_millis(50)); // it accepts by then
    meanwhile();
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    told.recv_timeout(Duration::from_secs(5)) == Ok(0)
}

// a successor has taken over the path, and is not called on
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_stop_ends_a_server_whose_path_was_replaced() {
    use std::os::unix::net::UnixListener;

    let path = std::env::temp_dir().join(format!("sansocket-stop-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let server = Server::from_listener(listener, Config::default()).unwrap();
    let mut successor = None;
    let stopped = stops(server, || {
        std::fs::remove_file(&path).unwrap();
        successor = Some(UnixListener::bind(&path).unwrap());
    });
    let _ = std::fs::remove_file(&path);
    let successor = successor.unwrap();
    successor.set_nonblocking(true).unwrap();
    assert!(stopped, "it accepts still");
    assert!(successor.accept().is_err(), "the successor was called on");
}

// another server that shares the listener takes the call
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_stop_ends_a_server_that_shares_its_listener() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let share = || Server::from_listener(listener.try_clone().unwrap(), Config::default()).unwrap();
    let others = [(); 3].map(|()| {
        let server = share();
        let handle = server.handle();
        (thread::spawn(move || server.run(receive)), handle)
    });
    assert!(stops(share(), || {}), "it accepts still");
    for (running, handle) in others {
        handle.stop(Duration::ZERO, PATIENCE);
        running.join().unwrap();
    }
}

/// A listener of the user's own that looks up by itself.
struct LooksUp(TcpListener);

impl Listener for LooksUp {
    type Stream = Stream;
    type Address = SocketAddr;

    fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        thread::sleep(Duration::from_millis(1));
        Listener::accept(&self.0)
    }
}

//
#[test]
fn a_listener_that_looks_up_needs_no_waker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let server = Server::from_listener(LooksUp(listener), Config::default()).unwrap();
    let served = || {
        let mut client = connect(address);
        client.send_close(1000, "");
        client.expect_close(1000);
    };
    assert!(stops(server, served));
}

// RE-11: who reports errors may have errors of its own
#[test]
fn a_panic_in_on_error_does_not_end_the_server() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let server = server.max_connections(0).on_error(|_, error| panic!("{error}"));
    let (address, handle) = (server.local_addr(), server.handle());
    let running = thread::spawn(move || server.run(receive));
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    handle.stop(Duration::ZERO, PATIENCE);
    running.join().unwrap();
}
