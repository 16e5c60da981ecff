//! Peers that do not read, or slowly: who waits for them, and who does not.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::net::{self, Sender, Server, Transport};
use sansocket::{Buffer, CloseCode, Config, Error, Prepared, SendError};

use crate::pipe::{Pipe, Way, over_pipe};
use crate::raw::{self, BINARY, CLOSE, PATIENCE, PING, PONG, Raw, TEXT, config, frame};

const SECOND: Duration = Duration::from_secs(1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A thread that sends, and waits for the peer.
pub(crate) fn send_in_a_thread(
    pipe: &Pipe,
    sender: &Sender<Pipe>,
    len: usize,
) -> thread::JoinHandle<Result<(), Error>> {
    let sender = sender.clone();
    let stalls =
        |calls: &[_]| calls.iter().filter(|call| **call == crate::pipe::Call::Stall).count();
    let before = stalls(&pipe.calls());
    let thread = thread::spawn(move || sender.send(&vec![1; len]));
    pipe.wait_until(PATIENCE, |_, calls| stalls(calls) > before).unwrap();
    thread
}

// IO-13, V38: to try is not to wait, whoever else does
#[test]
fn try_send_does_not_wait_for_a_peer_that_does_not_read() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(Config::default());
    sender.try_send("the first notices").unwrap();
    let start = Instant::now();
    for _ in 0..1000 {
        sender.try_send("more").unwrap();
    }
    // The queue holds 2 MiB, and as much again may be posted while another thread takes it.
    let taken = (0..1000).filter(|_| sender.try_send(&vec![0; 100_000]).is_ok()).count();
    assert!((20..=41).contains(&taken), "{taken}");
    assert_eq!(sender.try_send(&vec![0; 100_000]), Err(SendError::QueueFull));
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
}

// IO-13: it goes out when the peer reads on, though nobody sends or receives anything more
#[test]
fn messages_of_try_send_are_written_as_soon_as_the_peer_reads() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(Config::default());
    sender.try_send("one").unwrap();
    thread::sleep(millis(100));
    sender.try_send("two").unwrap();
    pipe.set(Way::Open);
    let two = |output: &[u8], _: &[_]| output == b"\x81\x03one\x81\x03two";
    pipe.wait_until(SECOND, two).expect("nobody waits for the peer");
}

// CL-04, CL-16: the same for a Close
#[test]
fn closing_does_not_wait_for_a_peer_that_does_not_read() {
    for fed in [false, true] {
        let pipe = Pipe::new(Way::Stalled);
        let (sender, _receiver) = pipe.open(config(|config| config.max_queue(1000)));
        match fed {
            true => sender.feed("before").unwrap(),
            false => sender.try_send("before").unwrap(),
        }
        let start = Instant::now();
        sender.close(CloseCode::NORMAL, "").unwrap();
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
        for len in [0, 1000] {
            let late = sender.try_send(&vec![0; len]);
            assert_eq!(late, Err(SendError::Closed), "whether there is room or not");
        }
        pipe.set(Way::Open);
        let closed = |output: &[u8], _: &[_]| output == b"\x81\x06before\x88\x02\x03\xe8";
        pipe.wait_until(SECOND, closed).expect("the Close is not written");
    }
}

// V38: and whoever waits in place of all gives the peer up in time
#[test]
fn messages_of_try_send_wait_until_the_write_timeout() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(config(|config| config.write_timeout(millis(300))));
    sender.try_send("never read").unwrap();
    let end = receiver.recv().map(|_| ()).unwrap_err();
    assert!(matches!(end, Error::TimedOut(sansocket::TimedOut::Write)), "{end:?}");
    assert_eq!(sender.try_send("after it"), Err(SendError::Closed));
    assert_eq!(sender.queued(), 0);
}

/// Threads that post a message every millisecond, until told to stop; the longest that took.
fn post_for_ever<S: Transport>(
    sender: &Sender<S>,
    threads: usize,
    stop: &Arc<AtomicBool>,
) -> Vec<thread::JoinHandle<Duration>> {
    let post = |sender: Sender<S>, stop: Arc<AtomicBool>| {
        let news = Prepared::new("news");
        let mut longest = Duration::ZERO;
        while !stop.load(Ordering::Relaxed) {
            let start = Instant::now();
            let _ = sender.try_send_prepared(&news);
            longest = longest.max(start.elapsed());
            thread::sleep(millis(1));
        }
        longest
    };
    let spawn = |_| {
        let (sender, stop) = (sender.clone(), Arc::clone(stop));
        thread::spawn(move || post(sender, stop))
    };
    (0..threads).map(spawn).collect()
}

// IO-13, CL-01: neither the receiver nor those who post are held up by what others post
#[test]
fn posts_hold_up_nobody() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) = pipe.open(Config::default());
    let stop = Arc::new(AtomicBool::new(false));
    let posting = post_for_ever(&sender, 2, &stop);
    let (tell, told) = mpsc::channel();
    let receiving = thread::spawn(move || {
        while let Ok(Some(_)) = receiver.recv() {
            tell.send(()).unwrap();
        }
    });
    for _ in 0..20 {
        pipe.push(&frame(TEXT, b"to us"));
        told.recv_timeout(SECOND).expect("the receiver waits for the peer to read");
        thread::sleep(millis(20));
    }
    stop.store(true, Ordering::Relaxed);
    for posting in posting {
        let longest = posting.join().unwrap();
        assert!(longest < SECOND, "{longest:?}");
    }
    sender.abort();
    receiving.join().unwrap();
}

/// A transport on which each write takes a moment.
struct Slow(Pipe, Duration);

over_pipe! {
    Slow {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            thread::sleep(self.1);
            self.0.write(slices)
        }
    }
}

// IO-16: a send returns, however much others post meanwhile
#[test]
fn a_send_does_not_write_for_others_without_end() {
    let slow = Slow(Pipe::new(Way::Open), millis(2));
    let (sender, _receiver) = net::open(slow, Buffer::new(), Config::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let posting = post_for_ever(&sender, 3, &stop);
    for _ in 0..20 {
        let start = Instant::now();
        sender.send("mine").unwrap();
        assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    for posting in posting {
        posting.join().unwrap();
    }
}

// IO-16: what is posted behind a message that is being written keeps its order, is counted, and has an end
#[test]
fn posts_are_written_in_their_order_and_counted() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, _receiver) = pipe.open(config(|config| config.max_queue(1000)));
    let sending = send_in_a_thread(&pipe, &sender, 10_000);
    for byte in 0..9 {
        sender.try_send(&[byte; 100]).unwrap();
    }
    assert_eq!(sender.queued(), 9 * 102);
    assert_eq!(sender.try_send(&[9; 100]), Err(SendError::QueueFull));
    assert_eq!(
        sender.try_send(&[9; 2000]),
        Err(SendError::MessageTooLarge { len: 2000, max: 1000 })
    );
    sender.try_send(&[9; 60]).unwrap();
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(sender.try_send("behind the Close"), Err(SendError::Closed));
    pipe.set(Way::Open);
    sending.join().unwrap().unwrap();
    let mut wanted = frame_of(&[1; 10_000]);
    for byte in 0..9 {
        wanted.extend(frame_of(&[byte; 100]));
    }
    wanted.extend(frame_of(&[9; 60]));
    wanted.extend(b"\x88\x02\x03\xe8");
    pipe.wait_until(SECOND, |output, _| output == wanted).expect("it is written otherwise");
}

pub(crate) fn frame_of(payload: &[u8]) -> Vec<u8> {
    Prepared::new(payload).frame().to_vec()
}

// IO-16, R-143: accepted is accepted: before the Close that a handler's return sends, and before that which
// answers the peer's
#[test]
fn messages_of_try_send_stand_before_the_close_of_a_server() {
    const LEN: usize = 1_000_000;
    let (tell, told) = mpsc::channel();
    let large = config(|config| config.max_queue(16 * LEN));
    let server = Server::bind("127.0.0.1:0", large).unwrap();
    let (address, handle) = (server.local_addr(), server.handle());
    let running = thread::spawn(move || {
        server.run(move |sender, _receiver| {
            // More than the system takes, beside a thread that sends.
            let sending = {
                let sender = sender.clone();
                thread::spawn(move || sender.send(&vec![1; 8 * LEN]))
            };
            let mut tried = 0;
            while sender.try_send(&vec![2; LEN]).is_ok() {
                tried += 1;
            }
            tell.send(tried).unwrap();
            sending.join().unwrap()?;
            Ok(())
        })
    });
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut client = Raw::shake_hands(stream);
    let tried: usize = told.recv_timeout(PATIENCE).unwrap();
    let mut seen = vec![];
    loop {
        match client.read() {
            (BINARY, payload) => seen.push(payload[0]),
            (first, payload) => {
                assert_eq!((first, payload), (CLOSE, b"\x03\xe8".to_vec()));
                break;
            }
        }
    }
    assert_eq!(seen.iter().filter(|byte| **byte == 2).count(), tried);
    assert_eq!(seen.iter().filter(|byte| **byte == 1).count(), 1);
    drop(client);
    handle.stop(Duration::ZERO, PATIENCE);
    running.join().unwrap();
}

// L-10: a peer that reads all the time, and slowly, is not silent, though no ping reaches it before the end
#[test]
fn a_slow_reader_is_not_silent() {
    let hasty = config(|config| config.keepalive(millis(300), millis(300)));
    let (client, sender, mut receiver) = raw::open(hasty);
    let receiving = thread::spawn(move || receiver.drain());
    let reading = thread::spawn(move || {
        let mut read = Vec::<u8>::new();
        let mut space = vec![0; 50_000];
        // 5 MB a second, of more than the system holds for it.
        while read.len() < 10_000_000 {
            thread::sleep(millis(10));
            let n = client.0.read(&mut space).unwrap();
            assert!(n > 0, "it was cut off after {} bytes", read.len());
            read.extend(&space[..n]);
        }
        client.0.shutdown(Shutdown::Both).unwrap();
    });
    let sent = sender.send(&vec![7; 20_000_000]);
    reading.join().unwrap();
    drop(sent);
    assert!(!matches!(receiving.join().unwrap(), Err(Error::TimedOut(_))));
}

// CL-16, R-145: what has arrived in time counts, however long a handler takes
#[test]
fn an_answer_that_has_arrived_is_no_timeout() {
    let (mut client, sender, mut receiver) =
        raw::open(config(|config| config.close_timeout(millis(200))));
    client.send(TEXT, b"one");
    assert_eq!(receiver.recv().unwrap().unwrap(), "one");
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(client.read(), (CLOSE, b"\x03\xe8".to_vec()));
    client.send(TEXT, b"two");
    client.send(CLOSE, b"\x03\xe8");
    thread::sleep(millis(500)); // the handler is busy
    assert_eq!(receiver.recv().unwrap().unwrap(), "two");
    assert_eq!(receiver.recv().unwrap(), None);
}

// CL-16: once, and not for ever: a peer that sends on and on is cut off
#[test]
fn a_peer_that_does_not_answer_the_close_is_cut_off_whatever_it_sends() {
    let pipe = Pipe::new(Way::Open);
    let (sender, mut receiver) = pipe.open(config(|config| config.close_timeout(millis(200))));
    sender.close(CloseCode::NORMAL, "").unwrap();
    pipe.push_for_ever(frame(TEXT, b"on and on"), millis(1));
    let start = Instant::now();
    let end = loop {
        match receiver.recv() {
            Ok(message) => assert!(message.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::TimedOut(sansocket::TimedOut::Close)), "{end:?}");
    assert!(start.elapsed() < 10 * SECOND, "{:?}", start.elapsed());
}

/// A transport that holds what it was given, and passes it on when flushed; the first flush meets a timeout.
struct Records(Pipe, AtomicBool);

over_pipe! {
    Records {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn flush(&self) -> io::Result<usize> {
            match self.1.swap(false, Ordering::Relaxed) {
                true => Err(io::ErrorKind::TimedOut.into()),
                false => Ok(0),
            }
        }
    }
}

// V38: a flush that once took its time is forgotten when it is done
#[test]
fn the_write_timeout_counts_from_the_last_progress() {
    let pipe = Pipe::new(Way::Open);
    let records = Records(pipe.clone(), AtomicBool::new(true));
    let hasty = config(|config| config.write_timeout(millis(500)));
    let (sender, _receiver) = net::open(records, Buffer::new(), hasty).unwrap();
    sender.send("one").unwrap();
    thread::sleep(millis(700));
    pipe.set(Way::Stalled);
    let reading = thread::spawn(move || {
        thread::sleep(millis(100));
        pipe.set(Way::Open);
    });
    sender.send("two").unwrap();
    reading.join().unwrap();
}

/// A transport of which no write may be repeated after a timeout.
struct Final(Pipe);

over_pipe! {
    Final {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn resumes_writes(&self) -> bool {
            false
        }
    }
}

// IO-10: where a write cannot be given up, somebody else waits: not the receiver, nor who tries
#[test]
fn a_write_that_cannot_be_repeated_holds_up_neither_receiver_nor_try_send() {
    let pipe = Pipe::new(Way::Stalled);
    let (sender, mut receiver) =
        net::open(Final(pipe.clone()), Buffer::new(), Config::default()).unwrap();
    let start = Instant::now();
    pipe.push(&frame(PING, b"?"));
    pipe.push(&frame(TEXT, b"to us"));
    assert_eq!(receiver.recv().unwrap().unwrap(), "to us");
    sender.try_send("to them").unwrap();
    pipe.push(&frame(TEXT, b"more"));
    assert_eq!(receiver.recv().unwrap().unwrap(), "more");
    assert!(start.elapsed() < SECOND, "{:?}", start.elapsed());
    let receiving = thread::spawn(move || receiver.recv().map(|_| ()));
    pipe.set(Way::Open);
    let all = |output: &[u8], _: &[_]| {
        output.starts_with(&[PONG, 1, b'?']) && output.ends_with(b"to them")
    };
    pipe.wait_until(SECOND, all).expect("it is not written");
    sender.abort();
    assert!(receiving.join().unwrap().is_err());
}

// IO-10: and one that timed out is the end
#[test]
fn a_write_that_cannot_be_repeated_is_final_after_a_timeout() {
    let pipe = Pipe::new(Way::Stalled);
    let hasty = config(|config| config.write_timeout(millis(200)));
    let (sender, mut receiver) = net::open(Final(pipe.clone()), Buffer::new(), hasty).unwrap();
    let end = sender.send("never read").unwrap_err();
    assert!(matches!(end, Error::TimedOut(sansocket::TimedOut::Write)), "{end:?}");
    pipe.set(Way::Open);
    assert!(matches!(sender.send("more"), Err(Error::Send(SendError::Closed))));
    assert!(receiver.recv().is_err());
    assert!(pipe.wait_until(Duration::ZERO, |output, _| output.is_empty()).is_some());
}
