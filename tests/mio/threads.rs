//! Other threads.

use std::thread;
use std::time::Duration;

use sansocket::mio::{Id, PostError};
use sansocket::{CloseCode, Config, Prepared};

use crate::client::Client;
use crate::running::{Mail, Running};

// ML-08
#[test]
fn other_threads_send_publish_mail_and_close() {
    let server = Running::start();
    let (mut client, id) = server.client();
    client.ask("join a");
    server.handle.send(id, "one").unwrap();
    server.handle.send_prepared(id, &Prepared::new("two")).unwrap();
    server.handle.publish("a", "three").unwrap();
    server.handle.publish("nobody", "is there").unwrap();
    server.handle.mail(0, Mail::Do(id, "echo four".to_owned())).unwrap();
    assert_eq!(client.text(), "one");
    assert_eq!(client.text(), "two");
    let mut rest = [client.text(), client.text()];
    rest.sort(); // what is published goes out when the round ends
    assert_eq!(rest, ["four", "three"]);
    server.handle.close(id, CloseCode::new(4000).unwrap(), "by a thread").unwrap();
    let (_, payload) = client.frame();
    assert_eq!(&payload[2..], b"by a thread");
}

// ML-06: a name that is not current any more
#[test]
fn messages_to_a_connection_that_has_gone_reach_nobody() {
    let server = Running::start();
    let (client, old) = server.client();
    client.close();
    server.closed();
    while server.handle.connections() > 0 {
        thread::yield_now();
    }
    let (mut client, new) = server.client();
    assert_ne!(old, new);
    server.handle.send(old, "stale").unwrap();
    server.handle.close(old, CloseCode::NORMAL, "").unwrap();
    server.handle.mail(0, Mail::Do(old, "echo stale".to_owned())).unwrap();
    assert_eq!(server.mail(), "nobody");
    assert_eq!(client.ask("echo fresh"), "fresh");
}

// ML-08: bounded, and refused without a part of it done
#[test]
fn a_shard_that_does_not_keep_up_refuses_mail() {
    let server = Running::start_with(Config::default(), |server| server.max_mail(10));
    let (mut client, id) = server.client();
    client.ask("join a");
    let go_on = server.hold(0);
    let mut accepted = 0;
    let refused = loop {
        match server.handle.send(id, &format!("n {accepted}")) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted <= 10);
    };
    assert_eq!(refused, PostError::Full);
    assert_eq!(server.handle.publish("a", "refused, too"), Err(PostError::Full));
    thread::sleep(Duration::from_millis(60));
    go_on.send(()).unwrap();
    for n in 0..accepted {
        assert_eq!(client.text(), format!("n {n}"));
    }
    assert_eq!(client.ask("echo next"), "next");
    assert!(server.handle.long_rounds() > 0, "it waited for 60 ms");
}

// ML-08: each thread's messages in order, none lost and none twice, while connections come and go
#[test]
fn many_threads_send_at_once() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 3000;
    let server = Running::start_with(Config::default(), |server| server.shards(2));
    let clients: Vec<(Client, Id)> = (0..4).map(|_| server.client()).collect();
    let ids: Vec<Id> = clients.iter().map(|(_, id)| *id).collect();
    thread::scope(|scope| {
        for sender in 0..THREADS {
            let (handle, ids) = (server.handle.clone(), &ids);
            scope.spawn(move || {
                for n in 0..MESSAGES {
                    for id in ids {
                        while handle.send(*id, &format!("{sender} {n}")).is_err() {
                            thread::yield_now();
                        }
                    }
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..10 {
                drop(Client::open(server.address));
            }
        });
        for (mut client, _) in clients {
            scope.spawn(move || {
                let mut next = [0; THREADS];
                for _ in 0..THREADS * MESSAGES {
                    let text = client.text();
                    let (sender, n) = text.split_once(' ').unwrap();
                    let next = &mut next[sender.parse::<usize>().unwrap()];
                    assert_eq!(n.parse(), Ok(*next));
                    *next += 1;
                }
            });
        }
    });
}

// ML-08, ML-14: whatever is posted while the server stops is done or refused
#[test]
fn threads_that_post_while_the_server_stops_are_refused() {
    for _ in 0..10 {
        let server =
            Running::start_with(Config::default(), |server| server.shards(2).max_mail(100));
        let handle = server.handle.clone();
        let poster = thread::spawn(move || {
            loop {
                for shard in 0..2 {
                    if handle.mail(shard, Mail::Say(String::new())) == Err(PostError::Stopped) {
                        return;
                    }
                }
            }
        });
        let address = server.address;
        let comer = thread::spawn(move || while std::net::TcpStream::connect(address).is_ok() {});
        assert_eq!(server.stop(Duration::from_secs(10)).0, 0);
        poster.join().unwrap();
        comer.join().unwrap();
    }
}
