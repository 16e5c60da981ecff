//! How long a stop takes, and when it is over.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansocket::Config;
use sansocket::net::{Handle, HandlerResult, Receiver, Sender, Server};

use crate::raw::{CLOSE, PATIENCE, Raw, config};

fn serve<H>(config: Config, handler: H) -> (SocketAddr, Handle, JoinHandle<usize>)
where
    H: Fn(Sender<TcpStream>, Receiver<TcpStream>) -> HandlerResult + Send + Sync + 'static,
{
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    (address, handle, thread::spawn(move || server.run(handler)))
}

fn receive(_sender: Sender<TcpStream>, mut receiver: Receiver<TcpStream>) -> HandlerResult {
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
