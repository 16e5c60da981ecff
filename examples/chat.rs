//! A chat room with its page: names, history, who is here.
//!
//! `cargo run --release --example chat -- [ADDRESS] [--max-message BYTES] [--deflate]`, then open
//! `http://ADDRESS/` in several tabs. Ctrl-C closes every connection with 1001.
//!
//! Each message is a text: a verb, a space, and fields with tabs between them. Clients send
//! `join NAME` and `say TEXT`. The room answers `welcome NAME` (which may have got a number, to be
//! unique), the last messages, and who is here; then it tells everybody `said NAME TEXT` and
//! `here NAME NAME..` as it happens. `sorry REASON` answers what makes no sense.
//!
//! A member has two threads. One reads and tells the room; the other writes what the room has put
//! into the member's mailbox. So the room itself never waits for a socket: a member that reads too
//! slowly finds its mailbox full, and is out.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sansocket::handshake::Response;
use sansocket::net::{HandlerResult, HttpRequest, Incoming, Receiver, Sender, Server, Upgrade};
use sansocket::{CloseCode, Config, Message, Prepared};
use shared::{Args, Deflate, about, announce, stop_on_signal};

mod shared;

const PAGE: &str = include_str!("chat.html");

/// Characters; the page and the answers to what is too long have the same limits.
const MAX_NAME: usize = 24;
const MAX_TEXT: usize = 500;
/// How many messages newcomers get to see.
const HISTORY: usize = 50;
/// How many messages may wait for one member, the history among them.
const MAILBOX: usize = 4 * HISTORY;
/// How long a member is not listened to after each message. A flood waits in its own socket.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[])?;
        let config = Config::builder().max_message(8 * 1024).write_timeout(Duration::from_secs(10));
        let config = args.deflate.apply(args.limit(config)).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = Server::bind(&args.address, config).map_err(cannot)?;
        stop_on_signal(server.handle())?;
        announce(server.local_addr());
        let room = Mutex::new(Room { deflate: args.deflate, ..Room::default() });
        let server =
            server.max_connections(256).on_error(|peer, error| eprintln!("{peer}: {error}"));
        server.run_http(move |incoming| match incoming {
            Incoming::Upgrade(upgrade) => admit(upgrade, &room),
            Incoming::Http(http) => answer(http),
        });
        Ok(())
    })
}

fn admit(upgrade: Upgrade, room: &Mutex<Room>) -> HandlerResult {
    let request = upgrade.request();
    if request.path() != "/ws" {
        let response = request.reject(404)?;
        return Ok(upgrade.reject(response)?);
    }
    let mut response = request.accept();
    if request.subprotocols().any(|offered| offered == "chat") {
        response = response.subprotocol("chat")?;
    }
    let (sender, receiver) = upgrade.accept(response)?;
    let (mailbox, letters) = mpsc::sync_channel(MAILBOX);
    let writer = sender.clone();
    thread::Builder::new().spawn(move || deliver(&writer, &letters))?;
    let id = lock(room).enter(mailbox);
    let result = listen(receiver, &sender, id, room);
    lock(room).leave(id);
    result
}

/// The reading thread of a member.
fn listen(mut receiver: Receiver, sender: &Sender, id: u64, room: &Mutex<Room>) -> HandlerResult {
    while let Some(message) = receiver.recv()? {
        let Message::Text(text) = message else {
            sender.close(CloseCode::UNSUPPORTED_DATA, "text only")?;
            lock(room).leave(id);
            continue;
        };
        let is_member = lock(room).hear(id, text);
        // A client that is out is not held up on the way to the Close frame that ends it.
        if is_member {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// The writing thread of a member, until the room lets go of the other end.
fn deliver(sender: &Sender, letters: &mpsc::Receiver<Prepared>) {
    let _ = letters.iter().try_for_each(|letter| sender.send_prepared(&letter));
    // It lets go of who is too slow; and of who has left, to whom this does nothing any more.
    let _ = sender.close(CloseCode::TRY_AGAIN_LATER, "too slow");
}

#[derive(Default)]
struct Room {
    members: BTreeMap<u64, Member>,
    last_id: u64,
    history: VecDeque<Prepared>,
    /// All that is said is for everybody, so that compression gives no secret away.
    deflate: Deflate,
}

struct Member {
    /// None before it has joined.
    name: Option<String>,
    mailbox: SyncSender<Prepared>,
}

/// Nobody waits for a socket while holding this.
fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Room {
    fn enter(&mut self, mailbox: SyncSender<Prepared>) -> u64 {
        self.last_id += 1;
        self.members.insert(self.last_id, Member { name: None, mailbox });
        self.last_id
    }

    fn leave(&mut self, id: u64) {
        if self.members.remove(&id).is_some_and(|member| member.name.is_some()) {
            self.tell_all(self.here());
        }
    }

    /// Does what a member wants; false if it is none any more.
    fn hear(&mut self, id: u64, message: &str) -> bool {
        let done = match message.split_once(' ') {
            Some(("join", name)) => self.join(id, name),
            Some(("say", text)) => self.say(id, text),
            _ => Err("I understand \"join NAME\" and \"say TEXT\"."),
        };
        if let Err(reason) = done {
            self.tell(id, self.deflate.prepare(&format!("sorry {reason}")));
        }
        self.members.contains_key(&id)
    }

    fn join(&mut self, id: u64, wish: &str) -> Result<(), &'static str> {
        let wish = clean(wish, MAX_NAME).filter(|name| name.contains(char::is_alphanumeric));
        let wish = wish.ok_or("A name has up to 24 characters, a letter or digit among them.")?;
        let (mut name, mut number) = (wish.clone(), 1);
        while self.names().any(|taken| taken.to_lowercase() == name.to_lowercase()) {
            number += 1;
            name = format!("{wish} {number}");
        }
        let member = self.members.get_mut(&id).filter(|member| member.name.is_none());
        let member = member.ok_or("You have joined already.")?;
        let welcome = self.deflate.prepare(&format!("welcome {name}"));
        member.name = Some(name);
        self.tell(id, welcome);
        for said in self.history.clone() {
            self.tell(id, said);
        }
        self.tell_all(self.here());
        Ok(())
    }

    fn say(&mut self, id: u64, text: &str) -> Result<(), &'static str> {
        let name =
            self.members.get(&id).and_then(|member| member.name.as_ref()).ok_or("Join first.")?;
        let text = clean(text, MAX_TEXT).ok_or("A message has 1 to 500 characters.")?;
        let said = self.deflate.prepare(&format!("said {name}\t{text}"));
        self.history.push_back(said.clone());
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        self.tell_all(said);
        Ok(())
    }

    fn tell(&mut self, id: u64, news: Prepared) {
        if self.members.get(&id).is_some_and(|member| member.mailbox.try_send(news).is_err()) {
            self.leave(id);
        }
    }

    /// Tells all who have joined. Those whose mailbox is full are out, which is news again.
    fn tell_all(&mut self, mut news: Prepared) {
        loop {
            let before = self.members.len();
            self.members.retain(|_, member| {
                member.name.is_none() || member.mailbox.try_send(news.clone()).is_ok()
            });
            if self.members.len() == before {
                return;
            }
            news = self.here();
        }
    }

    fn here(&self) -> Prepared {
        self.deflate.prepare(&format!("here {}", self.names().collect::<Vec<_>>().join("\t")))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.members.values().filter_map(|member| member.name.as_deref())
    }
}

/// The text in one line and without tabs, unless it is empty or too long.
fn clean(text: &str, limit: usize) -> Option<String> {
    let line = text.replace(char::is_control, " ");
    let line = line.trim();
    (1..=limit).contains(&line.chars().count()).then(|| line.to_owned())
}

/// Answers plain HTTP.
fn answer(http: HttpRequest) -> HandlerResult {
    let (status, body) = match (http.head().method(), http.head().path()) {
        ("GET", "/") => (200, PAGE),
        ("GET", path) if path != "/ws" => (404, "<!doctype html><p>No such page."),
        _ => {
            http.reject(); // 405, or 426 at /ws
            return Ok(());
        }
    };
    // Script and style without this number do not run, should somebody smuggle them into the page.
    let nonce = RandomState::new().build_hasher().finish().to_string();
    let body = body.replace("NONCE", &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let response = Response::new(status)?
        .header("Cache-Control", "no-store")?
        .header("X-Content-Type-Options", "nosniff")?
        .header("Content-Security-Policy", &policy)?
        .body("text/html; charset=utf-8", body)?;
    Ok(http.respond(response)?)
}
