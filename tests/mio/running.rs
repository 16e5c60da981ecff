//! A server on a thread, whose application does what messages tell it to, and says what it was called for.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sansocket::handshake::{Head, Request, Response};
use sansocket::mio::{Answer, App, Handle, Id, Peer, Server, Shard, Verdict};
use sansocket::net::Transport;
use sansocket::{Close, CloseCode, Config, Error, Message};

use crate::client::{Client, PATIENCE};
use crate::common::wire::{self, TEXT};

/// What the application was called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Request(Id, String),
    Open(Id, usize),
    Message(Id, String),
    Pong(Id, Vec<u8>),
    Drained(Id),
    Closed(Id, String, String),
    Mail(String),
    Refused(String),
}

/// Mail to a shard.
pub(crate) enum Mail {
    Say(String),
    /// A command, as if that connection had sent it.
    Do(Id, String),
    Decide(Id, Decision),
    /// The shard says that it waits, and goes on when it may.
    Wait(Receiver<()>),
}

pub(crate) enum Decision {
    Accept,
    Refuse(u16),
}

pub(crate) struct Obedient {
    calls: Sender<Call>,
    undecided: Vec<(Id, Request)>,
    shard: usize,
}

impl Obedient {
    fn call(&self, call: Call) {
        let _ = self.calls.send(call); // the test may be over
    }

    fn obey(&self, peer: &mut Peer<'_, String>, command: &str) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "echo" => _ = peer.send(rest),
            "id" => _ = peer.send(&format!("{:?}", peer.id())),
            "set" => *peer.state() = rest.to_owned(),
            "address" => _ = peer.send(&peer.peer_addr().unwrap().to_string()),
            "ping" => peer.ping(rest.as_bytes()).unwrap(),
            "join" => {
                let joined = peer.subscribe(rest);
                let _ = peer.send(&format!("{joined:?}"));
            }
            "leave" => {
                let left = peer.unsubscribe(rest);
                let _ = peer.send(&left.to_string());
            }
            "topics" => {
                let mut topics: Vec<String> = peer.topics().map(str::to_owned).collect();
                topics.sort();
                let _ = peer.send(&topics.join(","));
            }
            "tell" => {
                let (topic, message) = rest.split_once(' ').unwrap();
                peer.publish(topic, message).unwrap();
            }
            "others" => {
                let (topic, message) = rest.split_once(' ').unwrap();
                peer.publish_to_others(topic, message).unwrap();
            }
            // So many messages of so many bytes, or until one does not fit: how many did.
            "fill" => {
                let (n, len) = rest.split_once(' ').unwrap();
                let (n, len): (usize, usize) = (n.parse().unwrap(), len.parse().unwrap());
                let message = vec![b'x'; len];
                let sent = (0..n).take_while(|_| peer.send(&message).is_ok()).count();
                self.call(Call::Mail(format!("filled {sent}")));
            }
            "queued" => self.call(Call::Mail(format!("queued {}", peer.queued()))),
            "pause" => peer.pause(),
            "resume" => peer.resume(),
            "close" => {
                let code: u16 = rest.parse().unwrap();
                let closed = peer.close(CloseCode::new(code).unwrap(), "as told");
                self.call(Call::Mail(format!("{closed:?}")));
            }
            "abort" => peer.abort(),
            "panic" => panic!("as told"),
            _ => {}
        }
    }
}

impl App for Obedient {
    type State = String;
    type Mail = Mail;

    fn request(&mut self, id: Id, from: SocketAddr, request: &Request) -> Verdict<String> {
        assert!(from.ip().is_loopback());
        self.call(Call::Request(id, request.path().to_owned()));
        match request.path() {
            "/later" => {
                self.undecided.push((id, request.clone()));
                Verdict::Later
            }
            "/panic" => panic!("as told"),
            "/refuse" => Verdict::Refuse(request.reject(403).unwrap()),
            "/wrong" => Verdict::Accept(request.reject(403).unwrap(), String::new()),
            "/wrong-too" => Verdict::Refuse(request.accept()),
            _ => Verdict::Accept(request.accept(), String::new()),
        }
    }

    fn http(&mut self, _: SocketAddr, head: &Head) -> Answer {
        match head.path() {
            "/page" => {
                Answer::Respond(Response::new(200).unwrap().body("text/plain", "the page").unwrap())
            }
            "/panic" => panic!("as told"),
            "/take" => Answer::take(|mut http| {
                let mut body = http.input.unread().to_vec();
                while body.len() < 10 {
                    let mut byte = [0];
                    http.stream.read_exact(&mut byte).unwrap();
                    body.push(byte[0]);
                }
                let text = String::from_utf8_lossy(&body).into_owned();
                let answer = format!("{} {text}", http.head.method());
                http.stream.write_all(answer.as_bytes()).unwrap();
                http.stream.flush().unwrap();
                http.stream.shutdown(Shutdown::Write).unwrap();
            }),
            "/keep" => Answer::take(|http| _ = http.stream.read(&mut [0])),
            _ => Answer::Reject,
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, String>) {
        self.call(Call::Open(peer.id(), self.shard));
    }

    fn message(&mut self, peer: &mut Peer<'_, String>, message: Message<'_>) {
        let command = match message {
            Message::Text(text) => text,
            Message::Binary(bytes) => {
                let _ = peer.send(bytes);
                return;
            }
        };
        self.call(Call::Message(peer.id(), command.to_owned()));
        self.obey(peer, command);
    }

    fn pong(&mut self, peer: &mut Peer<'_, String>, payload: &[u8]) {
        self.call(Call::Pong(peer.id(), payload.to_vec()));
    }

    fn drained(&mut self, peer: &mut Peer<'_, String>) {
        self.call(Call::Drained(peer.id()));
        let state = peer.state().clone();
        self.obey(peer, &state);
    }

    fn closed(
        &mut self,
        shard: &mut Shard<'_, String>,
        id: Id,
        state: String,
        end: Result<Close<'_>, Error>,
    ) {
        let end = match end {
            Ok(close) => {
                let code = close.code.map_or(1005, u16::from);
                format!("{code} {}", close.reason).trim().to_owned()
            }
            Err(Error::Disconnected(end)) if end.mid_message => format!("{end}, in the middle"),
            Err(error) => error.to_string(),
        };
        assert!(shard.peer(id).is_none());
        if state == "panic" {
            panic!("as told");
        }
        if let Some(topic) = state.strip_prefix("will ") {
            shard.publish(topic, "gone").unwrap();
        }
        self.call(Call::Closed(id, state, end));
    }

    fn mail(&mut self, shard: &mut Shard<'_, String>, mail: Mail) {
        assert_eq!(shard.number(), self.shard);
        match mail {
            Mail::Say(text) if text == "panic" => panic!("as told"),
            Mail::Say(text) => self.call(Call::Mail(text)),
            Mail::Do(id, command) => match shard.peer(id) {
                Some(mut peer) => self.obey(&mut peer, &command),
                None => self.call(Call::Mail("nobody".to_owned())),
            },
            Mail::Decide(id, decision) => {
                let index = self.undecided.iter().position(|(undecided, _)| *undecided == id);
                let (_, request) = self.undecided.swap_remove(index.unwrap());
                let verdict = match decision {
                    Decision::Accept => Verdict::Accept(request.accept(), "later".to_owned()),
                    Decision::Refuse(status) => Verdict::Refuse(request.reject(status).unwrap()),
                };
                let decided = shard.decide(id, verdict);
                self.call(Call::Mail(format!("decided {decided}")));
                assert!(!shard.decide(id, Verdict::Later));
            }
            Mail::Wait(until) => (0..2).for_each(|_| _ = until.recv()),
        }
    }

    fn refused(&mut self, _: SocketAddr, error: &Error) {
        self.call(Call::Refused(error.to_string()));
    }
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle<Mail>,
    calls: Receiver<Call>,
    thread: Option<JoinHandle<usize>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::start_with(Config::default(), |server| server)
    }

    pub(crate) fn start_with(
        config: Config,
        set: impl FnOnce(Server<Mail>) -> Server<Mail>,
    ) -> Self {
        let server = set(Server::bind("127.0.0.1:0", config).unwrap());
        Self::run(server)
    }

    pub(crate) fn run(server: Server<Mail>) -> Self {
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let (sender, calls) = channel();
        let serve = move || {
            let make = |shard| Obedient { calls: sender.clone(), undecided: vec![], shard };
            server.run(make).unwrap()
        };
        Self { address, handle, calls, thread: Some(thread::spawn(serve)) }
    }

    /// The next call.
    pub(crate) fn call(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).unwrap()
    }

    /// The next call of a kind, whatever else there is.
    pub(crate) fn wait_for<T>(&self, wanted: impl Fn(&Call) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.call()) {
                return found;
            }
        }
    }

    pub(crate) fn mail(&self) -> String {
        self.wait_for(|call| if let Call::Mail(text) = call { Some(text.clone()) } else { None })
    }

    /// The state of the next connection that ends, and how it ended.
    pub(crate) fn closed(&self) -> (Id, String, String) {
        self.wait_for(|call| match call {
            Call::Closed(id, state, end) => Some((*id, state.clone(), end.clone())),
            _ => None,
        })
    }

    pub(crate) fn refused(&self) -> String {
        self.wait_for(|call| if let Call::Refused(text) = call { Some(text.clone()) } else { None })
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.try_iter().collect()
    }

    /// Holds a shard up: it does nothing more until it is told to go on.
    pub(crate) fn hold(&self, shard: usize) -> SyncSender<()> {
        let (go_on, until) = sync_channel(0);
        self.handle.mail(shard, Mail::Wait(until)).unwrap();
        go_on.send(()).unwrap();
        go_on
    }

    /// A client whose connection is open, and its name.
    pub(crate) fn client(&self) -> (Client, Id) {
        let client = Client::open(self.address);
        let id = self.wait_for(|call| if let Call::Open(id, _) = call { Some(*id) } else { None });
        (client, id)
    }

    /// Stops it: how many were cut off, as the stop and as the server says.
    pub(crate) fn stop(mut self, deadline: Duration) -> (usize, usize) {
        let stopped = self.handle.stop(Duration::ZERO, deadline);
        (stopped, self.thread.take().unwrap().join().unwrap())
    }

    /// Waits for the end of the server.
    pub(crate) fn join(&mut self) -> usize {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handle.stop(Duration::ZERO, Duration::ZERO);
            let ended = thread.join();
            if !thread::panicking() {
                ended.unwrap();
            }
        }
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn say(&mut self, text: &str) {
        self.write(&wire::client(TEXT, text.as_bytes()));
    }

    /// The next frame: its first byte and its payload.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        self.try_frame().unwrap()
    }

    pub(crate) fn try_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len)?;
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.0.read_exact(&mut len)?;
                u64::from_be_bytes(len) as usize
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.0.read_exact(&mut payload)?;
        Ok((head[0], payload))
    }

    pub(crate) fn text(&mut self) -> String {
        let (first, payload) = self.frame();
        assert_eq!(first, TEXT, "{payload:?}");
        String::from_utf8(payload).unwrap()
    }

    /// Says something, and reads the answer.
    pub(crate) fn ask(&mut self, text: &str) -> String {
        self.say(text);
        self.text()
    }

    /// Reads a Close frame.
    pub(crate) fn assert_closed_with(&mut self, code: u16) {
        let (first, payload) = self.frame();
        assert_eq!(first, wire::CLOSE);
        assert_eq!(payload[..2], code.to_be_bytes());
    }

    /// Reads until the end, or until a reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        rest
    }

    pub(crate) fn status(&mut self) -> u16 {
        let head = self.try_read_head().unwrap();
        head.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Client {
    /// Sends a request to a path, and reads the status of the answer.
    pub(crate) fn request(address: SocketAddr, path: &str) -> (Self, u16) {
        let mut client = Self::connect(address);
        client.write(crate::client::REQUEST.replace("/ws", path).as_bytes());
        let status = client.status();
        (client, status)
    }
}
