//! Shards and peers, asked by functions that other threads send to their shard.

use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansocket::handshake::{Request, Response};
use sansocket::mio::{Answer, App, Full, Handle, Id, Peer, Server, Shard, Verdict};
use sansocket::{Config, Message, Prepared, SendError};

use crate::client::{Client, PATIENCE};
use crate::common::wire::{BINARY, TEXT};

const KIB: usize = 1024;

type Task = Box<dyn FnOnce(&mut Shard<'_, Name>) + Send>;

struct Tasks(Sender<Id>);

/// The state is the user's, and shown as the user likes.
struct Name(Id);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number {}", self.0)
    }
}

impl App for Tasks {
    type State = Name;
    type Mail = Task;

    fn request(&mut self, id: Id, _: SocketAddr, request: &Request) -> Verdict<Name> {
        Verdict::Accept(request.accept(), Name(id))
    }

    fn open(&mut self, peer: &mut Peer<'_, Name>) {
        self.0.send(peer.id()).unwrap();
    }

    /// A message is a topic to subscribe to.
    fn message(&mut self, peer: &mut Peer<'_, Name>, message: Message<'_>) {
        let Message::Text(topic) = message else { return };
        peer.subscribe(topic).unwrap();
        peer.send(topic).unwrap();
    }

    fn mail(&mut self, shard: &mut Shard<'_, Name>, task: Task) {
        task(shard);
    }
}

struct Served {
    address: SocketAddr,
    handle: Handle<Task>,
    opened: Receiver<Id>,
    thread: Option<JoinHandle<usize>>,
}

impl Served {
    fn start(set: impl FnOnce(Server<Task>) -> Server<Task>) -> Self {
        let config = Config::builder().nodelay(false).max_queue(256 * KIB).build().unwrap();
        let server = set(Server::bind("127.0.0.1:0", config).unwrap());
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let (sender, opened) = channel();
        let thread = thread::spawn(move || server.run(|_| Tasks(sender.clone())).unwrap());
        Self { address, handle, opened, thread: Some(thread) }
    }

    fn client(&self) -> (Client, Id) {
        let client = Client::open(self.address);
        (client, self.opened.recv_timeout(PATIENCE).unwrap())
    }

    /// Asks a shard.
    fn ask<T: Send + 'static>(
        &self,
        shard: usize,
        task: impl FnOnce(&mut Shard<'_, Name>) -> T + Send + 'static,
    ) -> T {
        let (sender, answer) = channel();
        let task = move |shard: &mut Shard<'_, Name>| sender.send(task(shard)).unwrap();
        self.handle.mail(shard, Box::new(task)).unwrap();
        answer.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.handle.stop(Duration::ZERO, Duration::ZERO);
        let ended = self.thread.take().unwrap().join();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}

// ML-15
#[test]
fn a_shard_counts_its_connections_and_subscribers() {
    let server = Served::start(|server| server.shards(2));
    let mut clients = [(); 4].map(|()| server.client());
    for (client, id) in &mut clients {
        let topic = if id.shard() == 0 { "here" } else { "there" };
        assert_eq!(client.ask(topic), topic);
    }
    let (one, _) = &mut clients[0];
    assert_eq!(one.ask("everywhere"), "everywhere");
    let count = |shard: &mut Shard<'_, Name>| {
        let subscribers = ["here", "there", "everywhere", "nowhere"].map(|t| shard.subscribers(t));
        (shard.number(), shard.connections(), subscribers)
    };
    assert_eq!(server.ask(0, count), (0, 2, [2, 0, 1, 0]));
    assert_eq!(server.ask(1, count), (1, 2, [0, 2, 0, 0]));
}

// ML-01: of all lengths, in the order in which they were sent
#[test]
fn prepared_messages_arrive_between_others() {
    let server = Served::start(|server| server);
    let (mut client, id) = server.client();
    server.ask(0, move |shard| {
        let mut peer = shard.peer(id).unwrap();
        for len in [1, 100 * KIB, 2] {
            peer.send_prepared(&Prepared::new(vec![7; len].as_slice())).unwrap();
            peer.send("between").unwrap();
        }
    });
    for len in [1, 100 * KIB, 2] {
        assert_eq!(client.frame(), (BINARY, vec![7; len]));
        assert_eq!(client.frame(), (TEXT, b"between".to_vec()));
    }
}

// ML-11: so does one that was encoded before
#[test]
fn a_prepared_message_that_does_not_fit_is_refused_whole() {
    let server = Served::start(|server| server);
    let (mut client, id) = server.client();
    let (sent, queued) = server.ask(0, move |shard| {
        let mut peer = shard.peer(id).unwrap();
        assert_eq!(peer.queued(), 0);
        let message = Prepared::new([7; KIB].as_slice());
        let mut sent = 0;
        while peer.send_prepared(&message) != Err(SendError::QueueFull) {
            sent += 1;
            assert_eq!(peer.queued(), sent * (KIB + 4), "nothing is written before the round ends");
        }
        (sent, peer.queued())
    });
    assert_eq!(queued, sent * (KIB + 4));
    for _ in 0..sent {
        assert_eq!(client.frame(), (BINARY, vec![7; KIB]));
    }
    assert_eq!(client.ask("topic"), "topic");
}

// ML-05: from a shard, to all of them
#[test]
fn a_prepared_message_may_be_published() {
    let server = Served::start(|server| server.shards(2));
    let mut clients = [(); 2].map(|()| server.client().0);
    for client in &mut clients {
        assert_eq!(client.ask("topic"), "topic");
    }
    let publish =
        |shard: &mut Shard<'_, Name>| shard.publish_prepared("topic", &Prepared::new("news"));
    assert_eq!(server.ask(1, publish), Ok(()));
    assert!(clients.iter_mut().all(|client| client.text() == "news"));
}

// ML-12
#[test]
fn a_shard_counts_messages_that_were_dropped() {
    let server = Served::start(|server| server.when_full(Full::Drop));
    let (_slow, id) = server.client();
    assert_eq!(server.ask(0, |shard| shard.dropped()), 0);
    let message = Prepared::new([7; 255 * KIB].as_slice());
    while server.ask(0, |shard| shard.dropped()) == 0 {
        server.handle.send_prepared(id, &message).unwrap();
    }
}

// RE-08: names, counts and the user's own state; nothing of messages
#[test]
fn event_loops_do_not_show_what_they_send() {
    let server = Served::start(|server| server);
    let (_client, id) = server.client();
    assert_eq!((id.to_string(), format!("{id:?}")), ("0.0.0".into(), "Id(0.0.0)".into()));
    let shown = server.ask(0, move |shard| {
        let mut peer = shard.peer(id).unwrap();
        assert_eq!(peer.state().0, id);
        peer.send("hunter2").unwrap();
        let peer = format!("{peer:?}");
        format!("{peer} in {shard:?}")
    });
    let peer = "Peer { id: Id(0.0.0), state: number 0.0.0, .. }";
    assert_eq!(shown, format!("{peer} in Shard {{ number: 0, connections: 1, .. }}"));
    assert_eq!(format!("{:?}", server.handle), "Handle { connections: 1, .. }");
    let unused = Server::<()>::bind("127.0.0.1:0", Config::default()).unwrap().shards(3);
    let shown = format!("{unused:?}");
    assert!(shown.starts_with("Server { listeners: [TcpListener { addr: 127.0.0.1:"), "{shown}");
    assert!(shown.ends_with("], shards: 3, .. }"), "{shown}");
    let answer =
        Answer::Respond(Response::new(200).unwrap().body("text/plain", "hunter2").unwrap());
    assert!(format!("{answer:?}").starts_with("Respond("));
    assert!(!format!("{answer:?}").contains("hunter2"));
    assert_eq!(format!("{:?}", Answer::Reject), "Reject");
    assert_eq!(format!("{:?}", Answer::take(drop)), "Take");
}
