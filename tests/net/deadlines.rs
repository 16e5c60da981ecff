//! Deadlines over real sockets. They are short here; nothing asserts that they are exact.

use std::io::{Read as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sansocket::{CloseCode, Config, Error, Message, SendError, TimedOut, net};

use crate::fake::{Fake, Read};
use crate::raw::{
    self, CLOSE, PATIENCE, PING, PONG, REQUEST, TEXT, config, frame, read_head, sockets, talk,
};

const SHORT: Duration = Duration::from_millis(60);

// HS-02, L-09: the deadline is absolute, however the bytes dribble in
#[test]
fn a_dribbling_handshake_is_answered_408() {
    let (mut client, server) = sockets();
    let impatient = config(|config| config.handshake_timeout(SHORT));
    let accepting = thread::spawn(move || net::accept(server, impatient).unwrap_err());
    for byte in REQUEST.as_bytes().iter().cycle() {
        if client.write_all(&[*byte & 0x7f]).is_err() || accepting.is_finished() {
            break;
        }
        client.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut answer = [0; 12];
        if client.read(&mut answer).is_ok_and(|n| n > 0) {
            assert_eq!(&answer, b"HTTP/1.1 408");
            break;
        }
    }
    drop(client);
    assert!(matches!(accepting.join().unwrap(), Error::TimedOut(TimedOut::Handshake)));
}

// HS-08
#[test]
fn a_silent_client_is_dropped_without_a_word() {
    let (mut client, server) = sockets();
    let impatient = config(|config| config.handshake_timeout(SHORT));
    let result = net::accept(server, impatient);
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Handshake))));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

// L-10: dead peers are noticed
#[test]
fn a_silent_peer_is_pinged_and_then_given_up() {
    let watchful = config(|config| config.keepalive(SHORT, SHORT));
    let (mut client, sender, mut receiver) = raw::open(watchful);
    for _ in 0..2 {
        assert!(matches!(receiver.recv(), Err(Error::TimedOut(TimedOut::Silence))));
    }
    assert_eq!(client.read(), (PING, vec![]));
    client.expect_end();
    assert!(matches!(sender.send("anybody?"), Err(Error::Send(SendError::Closed))));
}

#[test]
fn a_peer_that_answers_pings_stays() {
    let watchful = config(|config| config.keepalive(SHORT, Duration::from_secs(30)));
    let (mut client, _sender, mut receiver) = raw::open(watchful);
    let receiving = thread::spawn(move || {
        receiver.recv().unwrap().map(|message| message == Message::Text("bye"))
    });
    for _ in 0..5 {
        assert_eq!(client.read(), (PING, vec![]));
        client.send(PONG, b"");
    }
    client.send(TEXT, b"bye");
    assert_eq!(receiving.join().unwrap(), Some(true));
}

// V38, T6: the peer stops reading
#[test]
fn a_write_that_makes_no_progress_times_out() {
    let impatient = config(|config| config.write_timeout(SHORT));
    let (client, sender, _receiver) = raw::open(impatient);
    let result = sender.send(&vec![0; 64 * 1024 * 1024]);
    assert!(matches!(result, Err(Error::TimedOut(TimedOut::Write))));
    assert!(matches!(sender.send("more"), Err(Error::Send(SendError::Closed))));
    drop(client);
}

// A peer that is gone is noticed though output waits for it.
#[test]
fn silence_is_noticed_while_output_stalls() {
    let fake = Fake::stuck();
    let instant = Duration::from_millis(1);
    let (sender, mut receiver) =
        fake.open_with(config(|config| config.keepalive(instant, instant)));
    sender.feed("into the void").unwrap();
    assert!(matches!(receiver.recv(), Err(Error::TimedOut(TimedOut::Silence))));
}

// A peer that is given up must not leave senders waiting.
#[test]
fn giving_up_a_peer_releases_blocked_senders() {
    let watchful = config(|config| config.keepalive(SHORT, SHORT));
    let (client, sender, mut receiver) = raw::open(watchful);
    let blocked = thread::spawn(move || sender.send(&vec![0; 64 * 1024 * 1024]));
    assert!(matches!(receiver.recv(), Err(Error::TimedOut(TimedOut::Silence))));
    assert!(blocked.join().unwrap().is_err());
    drop(client);
}

// A refusal lingers for a bounded time, even if the client never ends its side.
#[test]
fn a_refused_client_that_stays_is_cut_off() {
    for talks in [false, true] {
        let (mut client, server) = sockets();
        client.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
        let talking = talks.then(|| talk(&client, b"and so on"));
        let result = net::accept(server, Config::default());
        assert!(matches!(result, Err(Error::Handshake(_))));
        assert!(read_head(&mut client).starts_with("HTTP/1.1 426 "));
        if let Some(talking) = talking {
            talking.join().unwrap();
        }
    }
}

// L-10, CL-16: from the first Close, however often it is asked for; and no ping comes behind it
#[test]
fn the_close_timeout_does_not_start_anew() {
    let (mut client, sender, mut receiver) =
        raw::open(config(|config| config.close_timeout(5 * SHORT).keepalive(SHORT, SHORT)));
    sender.close(CloseCode::NORMAL, "").unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let closing = {
        let (ended, start) = (Arc::clone(&ended), Instant::now());
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                assert!(start.elapsed() < PATIENCE, "each Close puts it off");
                sender.close(CloseCode::NORMAL, "").unwrap();
                thread::sleep(SHORT / 4);
            }
        })
    };
    assert!(matches!(receiver.recv(), Err(Error::TimedOut(TimedOut::Close))));
    ended.store(true, Ordering::Relaxed);
    closing.join().unwrap();
    client.expect_close(1000);
}

// L-09: the same for a client
#[test]
#[cfg(feature = "client")]
fn a_dribbling_answer_is_given_up() {
    let (client, server) = sockets();
    let offer = sansocket::handshake::client::Request::new("ws://example.com/").unwrap();
    // May become a head yet.
    let talking = talk(&server, b"H");
    let connected = net::connect(client, &offer, config(|c| c.handshake_timeout(SHORT)));
    assert!(matches!(connected, Err(Error::TimedOut(TimedOut::Handshake))), "{connected:?}");
    talking.join().unwrap();
}

// L-10: silence counts from the last byte, and for that the handshake is one
#[test]
fn a_ping_is_due_after_the_last_byte() {
    let silence = || Read::Silence;
    let text = || Read::Bytes(frame(TEXT, b"hello"));
    for reads in [vec![silence(), silence()], vec![text(), silence(), silence()]] {
        let fake = Fake::new(reads, vec![]);
        let times =
            |ping_after| config(|c| c.keepalive(ping_after, 5 * SHORT).close_timeout(SHORT));
        let (_sender, mut receiver) = fake.open_with(times(SHORT * 3 / 2));
        while receiver.recv().is_ok() {}
        let waits = fake.waits();
        // The last but one has waited for the shorter of the two timeouts, the last for what is left.
        let [.., first, second, _] = waits[..] else { panic!("{waits:?}") };
        assert_eq!(first, SHORT);
        assert!(second <= SHORT / 2, "{waits:?}");
    }
}

// R-079, CL-16: what follows a fault is discarded for a bounded time, whether anything follows or not
#[test]
fn a_peer_that_stays_after_a_fault_is_cut_off() {
    for talks in [false, true] {
        let (mut client, _sender, mut receiver) = raw::open(config(|c| c.linger(SHORT)));
        client.send(0x83, b"");
        let talking = talks.then(|| talk(&client.0, b"and so on"));
        assert!(matches!(receiver.recv(), Err(Error::Protocol(_))));
        drop(receiver);
        if let Some(talking) = talking {
            talking.join().unwrap();
        }
        assert_eq!(client.read(), (CLOSE, 1002u16.to_be_bytes().to_vec()));
    }
}

// After a failed write the connection is over, though the peer may go on sending.
#[test]
fn a_failed_write_ends_receiving_too() {
    let short = config(|config| config.write_timeout(SHORT).close_timeout(SHORT));
    let (mut client, sender, mut receiver) = raw::open(short);
    assert!(sender.send(&vec![0; 64 * 1024 * 1024]).is_err());
    let endless = thread::spawn(move || while client.0.write_all(&frame(TEXT, b"and")).is_ok() {});
    let end = loop {
        match receiver.recv() {
            Ok(Some(_)) => {}
            end => break end.map(|_| ()),
        }
    };
    assert!(matches!(end, Err(Error::TimedOut(TimedOut::Write))), "{end:?}");
    drop((sender, receiver));
    endless.join().unwrap();
}

// L-09, V38: on a Unix socket as well
#[cfg(unix)]
#[test]
fn unix_sockets_have_deadlines_too() {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    let hasty = || config(|config| config.handshake_timeout(SHORT).write_timeout(SHORT));
    let (tell, ended) = mpsc::channel();
    let (mut client, server) = UnixStream::pair().unwrap();
    let clients = client.try_clone().unwrap();
    thread::spawn(move || {
        let (mute, served) = UnixStream::pair().unwrap();
        let silent = net::accept(served, hasty());
        assert!(matches!(silent, Err(Error::TimedOut(TimedOut::Handshake))), "{silent:?}");
        drop(mute);
        let (sender, _receiver) = net::accept(server, hasty()).unwrap();
        let unread = sender.send(&vec![0; 16 * 1024 * 1024]);
        assert!(matches!(unread, Err(Error::TimedOut(TimedOut::Write))), "{unread:?}");
        tell.send(()).unwrap();
    });
    client.write_all(REQUEST.as_bytes()).unwrap();
    ended.recv_timeout(PATIENCE).unwrap();
    drop(clients);
}
