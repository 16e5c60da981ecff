//! What a handler has said before it returns.

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansocket::net::{Handle, HandlerResult, Receiver, Sender, Server};
use sansocket::{Config, SendError};

use crate::raw::{BINARY, CLOSE, PATIENCE, Raw};

/// More than the system takes for a peer that does not read.
const LEN: usize = 900_000;
const COUNT: usize = 12;

fn serve<H>(handler: H) -> (SocketAddr, Handle, JoinHandle<usize>)
where
    H: Fn(Sender, Receiver) -> HandlerResult + Send + Sync + 'static,
{
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    (address, handle, thread::spawn(move || server.run(handler)))
}

fn connect(address: SocketAddr) -> Raw {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Raw::shake_hands(stream)
}

/// Reads `count` messages with a pause before each, then the Close frame and the end.
fn read_slowly(client: &mut Raw, count: usize, len: usize, code: u16) {
    for i in 0..count {
        thread::sleep(Duration::from_millis(100));
        let frame = client.try_read();
        let (first, payload) = frame.unwrap_or_else(|error| panic!("message {i}: {error}"));
        assert_eq!((first, payload.len()), (BINARY, len), "message {i}");
    }
    let last = client.try_read().expect("the Close frame is missing");
    assert_eq!(last, (CLOSE, code.to_be_bytes().to_vec()));
    client.expect_end();
}

// R-142, CL-24, IO-10: nothing of it is cut off, and the Close comes behind it
#[test]
fn fed_messages_are_written_before_the_close_of_a_handler() {
    for (code, fails) in [(1000, false), (1011, true)] {
        let (address, handle, running) = serve(move |sender, _receiver| {
            for _ in 0..COUNT {
                sender.feed(&vec![7; LEN])?;
            }
            if fails { Err(SendError::QueueFull.into()) } else { Ok(()) }
        });
        let mut client = connect(address);
        read_slowly(&mut client, COUNT, LEN, code);
        drop(client);
        assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
        running.join().unwrap();
    }
}

// CL-24, IO-16: nor is what another thread is in the middle of
#[test]
fn a_message_under_way_is_finished_before_the_close() {
    const LARGE: usize = 32 << 20;
    let (tell, sent) = mpsc::channel();
    let (address, handle, running) = serve(move |sender, mut receiver| {
        let tell = tell.clone();
        thread::spawn(move || tell.send(sender.send(&vec![7; LARGE]).is_ok()));
        receiver.recv()?;
        Ok(())
    });
    let mut client = connect(address);
    // Something of the message is here, so the rest is under way; now the handler returns.
    client.0.peek(&mut [0]).unwrap();
    client.send(BINARY, b"return");
    read_slowly(&mut client, 1, LARGE, 1000);
    assert_eq!(sent.recv_timeout(PATIENCE), Ok(true));
    drop(client);
    assert_eq!(handle.stop(Duration::ZERO, PATIENCE), 0);
    running.join().unwrap();
}
