//! Threads that overlap: sends under way when the other side closes, halves that outlive their handlers, posts that
//! wait for room.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::panic,
    missing_docs,
    reason = "a test that cannot go on fails"
)]

use sansocket::{Config, Connection, net, net::Server};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const REQ: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
fn pair() -> (TcpStream, TcpStream) {
    let l = TcpListener::bind("127.0.0.1:0").unwrap();
    let c = TcpStream::connect(l.local_addr().unwrap()).unwrap();
    (l.accept().unwrap().0, c)
}
fn head(c: &mut TcpStream) {
    let mut all = vec![];
    let mut b = [0; 1];
    while !all.ends_with(b"\r\n\r\n") {
        c.read_exact(&mut b).unwrap();
        all.push(b[0]);
    }
}

// 1a: receiver moved out of the handler, dropped later, while a Sender lives on
#[test]
fn a_receiver_that_outlives_its_handler_closes_the_socket() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let addr = server.local_addr();
    let kept = Arc::new(Mutex::new(vec![]));
    let k = kept;
    thread::spawn(move || {
        server.run(move |s, r| {
            k.lock().unwrap().push(s);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                drop(r);
            });
            Ok(())
        })
    });
    let mut c = TcpStream::connect(addr).unwrap();
    c.write_all(REQ).unwrap();
    head(&mut c);
    let mut f = [0; 4];
    c.read_exact(&mut f).unwrap();
    assert_eq!(f[0], 0x88);
    c.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    let r = c.read(&mut f);
    println!("after receiver dropped, client reads: {r:?}");
    assert!(
        matches!(r, Ok(0))
            || r.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset),
        "{r:?}"
    );
}
// 1b: upgrade moved to another thread; everything dropped; no Sender kept by the application
#[test]
fn an_upgrade_that_outlives_its_handler_leaks_nothing() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let addr = server.local_addr();
    thread::spawn(move || {
        server.run_upgrades(move |u| {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                let resp = u.request().accept();
                let (s, mut r) = u.accept(resp).unwrap();
                println!("server recv {:?}", r.drain());
                drop((s, r));
            });
            Ok(())
        })
    });
    let mut c = TcpStream::connect(addr).unwrap();
    c.write_all(REQ).unwrap();
    head(&mut c);
    c.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // a protocol fault: drain fails, the receiver is dropped, the socket must close after the linger at the latest
    c.write_all(b"\x81\x00").unwrap();
    let mut b = vec![0; 100];
    let n = c.read(&mut b).unwrap();
    println!("close {:?}", &b[..n]);
    assert_eq!(c.read(&mut b).unwrap(), 0); // FIN of our side
    // client doesn't close: server must close the socket after linger; then writes meet a reset
    thread::sleep(Duration::from_secs(4));
    let mut failed = false;
    for _ in 0..5 {
        failed |= c.write_all(b"x").is_err();
        thread::sleep(Duration::from_millis(50));
    }
    assert!(failed, "socket still open 4 s after everything was dropped");
}
// 2: Close of the peer, then a half close, while another thread is in a send
fn during_send(half_close: bool) {
    let (s, mut c) = pair();
    let (sender, mut receiver) = net::open(s, sansocket::Buffer::new(), Config::default()).unwrap();
    const N: usize = 40_000_000;
    let recv = thread::spawn(move || {
        let r = receiver.drain();
        println!("drain {r:?}");
        let t = Instant::now();
        drop(receiver);
        println!("drop took {:?}", t.elapsed());
    });
    thread::sleep(Duration::from_millis(200));
    let send = thread::spawn(move || sender.send(&vec![7u8; N][..]));
    thread::sleep(Duration::from_millis(300));
    c.write_all(b"\x88\x82\0\0\0\0\x03\xe8").unwrap();
    if half_close {
        c.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let mut total = 0;
    let mut b = vec![0; 200_000];
    let mut tail = vec![];
    let e = loop {
        match c.read(&mut b) {
            Ok(0) => break None,
            Ok(n) => {
                total += n;
                tail.extend_from_slice(&b[..n]);
                let l = tail.len();
                if l > 4 {
                    tail.drain(..l - 4);
                }
            }
            Err(e) => break Some(e),
        }
        thread::sleep(Duration::from_millis(20));
    };
    let r = send.join().unwrap();
    recv.join().unwrap();
    println!("total {total} error {e:?} tail {tail:?} send {r:?}");
    assert!(r.is_ok() && tail == [0x88, 2, 3, 0xe8]);
}
#[test]
fn a_message_under_way_is_finished_after_the_peers_close_and_end() {
    during_send(true)
}
#[test]
fn a_message_under_way_is_finished_after_the_peers_close() {
    during_send(false)
}
// 3
#[test]
fn a_queue_that_blocked_and_was_written_since_does_not_stall() {
    let mut c = Connection::server(Config::default());
    let t = Instant::now();
    c.send("hello").unwrap();
    let _ = c.write_with(|_| Err(std::io::ErrorKind::WouldBlock.into())).unwrap();
    let n = c.pending().len();
    c.sent(n);
    assert!(c.pending().is_empty());
    println!("tick {:?}", c.tick(t).map(|d| d.map(|d| d - t)));
    println!("tick {:?}", c.tick(t + Duration::from_secs(1)).map(|d| d.map(|d| d - t)));
    let r = c.tick(t + Duration::from_secs(40));
    println!("{r:?}");
    assert!(r.is_ok());
}
#[test]
fn a_queue_that_blocked_and_was_sent_past_does_not_stall() {
    let mut c = Connection::server(Config::builder().no_keepalive().build().unwrap());
    let t = Instant::now();
    c.send("hello").unwrap();
    let _ = c.write_with(|_| Err(std::io::ErrorKind::WouldBlock.into())).unwrap();
    c.send_to(&mut Vec::new(), "all goes").unwrap();
    assert!(c.pending().is_empty());
    let _ = c.tick(t);
    let _ = c.tick(t + Duration::from_secs(1));
    assert!(c.tick(t + Duration::from_secs(40)).is_ok());
}
// 4: the peer has read all, and yet QueueFull
#[test]
fn try_send_sees_that_the_peer_has_read_on() {
    let (s, mut c) = pair();
    let cfg = Config::builder().max_queue(4_000_000).build().unwrap();
    let (sender, mut receiver) = net::open(s, sansocket::Buffer::new(), cfg).unwrap();
    thread::spawn(move || {
        let _ = receiver.drain();
    });
    thread::sleep(Duration::from_millis(200));
    while sender.queued() < 2_500_000 {
        sender.try_send(&[1u8; 500_000][..]).unwrap();
    }
    println!("queued {}", sender.queued());
    c.set_read_timeout(Some(Duration::from_millis(1000))).unwrap();
    let mut b = vec![0; 1_000_000];
    let mut total = 0;
    while let Ok(n) = c.read(&mut b) {
        total += n;
    }
    println!("peer has read {total} and waits; queued {}", sender.queued());
    let r = sender.try_send(&vec![1u8; 2_000_000][..]);
    assert!(r.is_ok(), "{r:?}");
}
fn stuck() -> (net::Sender<TcpStream>, TcpStream) {
    let (s, c) = pair();
    let cfg = Config::builder().max_queue(4_000_000).build().unwrap();
    let (sender, mut receiver) = net::open(s, sansocket::Buffer::new(), cfg).unwrap();
    thread::spawn(move || {
        let _ = receiver.drain();
    });
    thread::sleep(Duration::from_millis(200));
    while sender.queued() < 3_200_000 {
        sender.try_send(&[1u8; 500_000][..]).unwrap();
    }
    let a = sender.clone();
    let t = thread::spawn(move || a.try_send("A"));
    thread::sleep(Duration::from_millis(6));
    println!("m1 {:?}", sender.try_send(&vec![2u8; 1_000_000][..]));
    t.join().unwrap().unwrap();
    (sender, c)
}
fn read_all(c: &mut TcpStream, wait: u64) -> Vec<(u8, usize, u8, u128)> {
    c.set_read_timeout(Some(Duration::from_millis(wait))).unwrap();
    let t = Instant::now();
    let mut v = vec![];
    let one = |c: &mut TcpStream| -> std::io::Result<(u8, usize, u8)> {
        let mut h = [0; 2];
        c.read_exact(&mut h)?;
        let len = match h[1] {
            126 => {
                let mut x = [0; 2];
                c.read_exact(&mut x)?;
                u16::from_be_bytes(x) as usize
            }
            127 => {
                let mut x = [0; 8];
                c.read_exact(&mut x)?;
                u64::from_be_bytes(x) as usize
            }
            n => n as usize,
        };
        let mut p = vec![0; len];
        c.read_exact(&mut p)?;
        Ok((h[0], len, p[0]))
    };
    while let Ok((o, l, p)) = one(c) {
        v.push((o, l, p, t.elapsed().as_millis()));
    }
    v
}
#[test]
fn posted_messages_keep_their_order() {
    let (sender, mut c) = stuck();
    println!("m2 {:?}", sender.try_send(&[3u8; 10][..]));
    println!("m3 sent {:?}", {
        let s = sender;
        thread::spawn(move || println!("{:?}", s.send(&[4u8; 10][..])))
    });
    let v = read_all(&mut c, 12000);
    println!("order {:?}", &v[v.len() - 6..]);
    let at = |p| v.iter().position(|x| x.2 == p).unwrap();
    assert!(at(2) < at(3) && at(2) < at(4));
}
#[test]
fn a_close_behind_a_posted_message_is_written() {
    let (sender, mut c) = stuck();
    let t = Instant::now();
    println!("close {:?} took {:?}", sender.close(sansocket::CloseCode::NORMAL, ""), t.elapsed());
    let v = read_all(&mut c, 12000);
    println!("close order {:?}", &v[v.len() - 6..]);
    assert!(v.last().unwrap().3 < 1000);
}
struct Tls {
    s: TcpStream,
    buf: Mutex<Vec<u8>>,
    flushes: Mutex<u32>,
}
impl net::Transport for Tls {
    fn read(&self, b: &mut [u8]) -> std::io::Result<usize> {
        self.s.read(b)
    }
    fn write(&self, s: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
        let mut n = 0;
        for s in s {
            self.buf.lock().unwrap().extend_from_slice(s);
            n += s.len();
        }
        Ok(n)
    }
    fn flush(&self) -> std::io::Result<()> {
        let mut f = self.flushes.lock().unwrap();
        *f += 1;
        if *f == 1 {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let b = std::mem::take(&mut *self.buf.lock().unwrap());
        (&self.s).write_all(&b)
    }
    fn set_read_timeout(&self, t: Option<Duration>) -> std::io::Result<()> {
        self.s.set_read_timeout(t)
    }
    fn set_write_timeout(&self, t: Option<Duration>) -> std::io::Result<()> {
        self.s.set_write_timeout(t)
    }
    fn shutdown(&self, h: std::net::Shutdown) -> std::io::Result<()> {
        self.s.shutdown(h)
    }
}
#[test]
fn a_flush_that_timed_out_is_tried_again_in_the_handshake() {
    let (s, mut c) = pair();
    c.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let t = thread::spawn(move || {
        println!(
            "{:?}",
            net::accept(
                Tls { s, buf: Default::default(), flushes: Default::default() },
                Config::default()
            )
            .map(drop)
        )
    });
    let mut v = vec![];
    c.read_to_end(&mut v).unwrap();
    drop(c);
    t.join().unwrap();
    assert!(!v.is_empty(), "the refusal was never passed on");
}
#[test]
fn a_ping_waits_for_room_in_the_queue() {
    let (s, _c) = pair();
    let cfg = Config::builder().max_queue(100_000).build().unwrap();
    let (sender, _r) = net::open(s, sansocket::Buffer::new(), cfg).unwrap();
    sender.feed(&[1u8; 99_990][..]).unwrap();
    let r = sender.ping(b"ping");
    assert!(r.is_ok(), "{r:?}");
}
#[test]
fn a_message_under_way_is_finished_after_its_handler_returned() {
    let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
    let addr = server.local_addr();
    thread::spawn(move || {
        server.run(move |s, mut r| {
            let _ = r.recv();
            thread::spawn(move || println!("send {:?}", s.send(&vec![7u8; 40_000_000][..])));
            thread::sleep(Duration::from_millis(300));
            Ok(())
        })
    });
    let mut c = TcpStream::connect(addr).unwrap();
    c.write_all(REQ).unwrap();
    head(&mut c);
    thread::sleep(Duration::from_millis(200));
    c.write_all(b"\x81\x80\0\0\0\0").unwrap();
    let mut total = 0;
    let mut b = vec![0; 200_000];
    let t = Instant::now();
    loop {
        match c.read(&mut b) {
            Ok(0) | Err(_) => break,
            Ok(n) => total += n,
        };
        thread::sleep(Duration::from_millis(20));
    }
    println!("l total {total} after {:?}", t.elapsed());
    assert!(total >= 40_000_000);
}
