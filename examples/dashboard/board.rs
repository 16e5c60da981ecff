//! What is known of the devices, and who looks at it. All of it lives in the one event loop.
//!
//! Messages are JSON. The page gets `{"devices": [{"name", "via", "seen", "history"}]}` first, and then
//! `{"readings": [[name, time, value, via]]}` as they come. It sends `NAME COMMAND`, which is answered with
//! `{"sent": [name, command]}` or `{"failed": [name, reason]}`. Times are milliseconds since the server has started,
//! of which the first message tells the present one.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Instant;

use sansocket::handshake::{Head, Request, Response};
use sansocket::mio::{Answer, App, Id, Peer, Shard, Verdict};
use sansocket::{CloseCode, Message};

use crate::devices::{Line, Reply};

const PAGE: &str = include_str!("page.html");
const TOPIC: &str = "readings";

/// Devices that are remembered; others are ignored.
const MAX_DEVICES: usize = 200;
/// Readings that are remembered of each.
const HISTORY: usize = 240;
/// The longest command.
const MAX_COMMAND: usize = 100;

pub(crate) struct Board {
    start: Instant,
    /// The page with the key of its style and script, which are the only ones that it may have.
    page: String,
    policy: String,
    devices: BTreeMap<String, Device>,
}

struct Device {
    reply: Reply,
    seen: u128,
    history: VecDeque<(u128, f64)>,
}

impl Board {
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let nonce = format!("{:016x}", RandomState::new().build_hasher().finish());
        let policy = format!(
            "default-src 'none'; connect-src 'self'; img-src data:; \
             style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"
        );
        let page = PAGE.replace("NONCE", &nonce);
        Self { start: Instant::now(), page, policy, devices: BTreeMap::new() }
    }

    fn now(&self) -> u128 {
        self.start.elapsed().as_millis()
    }

    fn page(&self) -> Option<Response> {
        let response =
            Response::new(200).ok()?.body("text/html; charset=utf-8", &*self.page).ok()?;
        let response = response.header("Content-Security-Policy", &self.policy).ok()?;
        response.header("Cache-Control", "no-store").ok()
    }

    /// All that is known.
    fn snapshot(&self) -> String {
        let mut json = format!("{{\"now\":{},\"devices\":[", self.now());
        for (index, (name, device)) in self.devices.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (via, seen) = (device.reply.via(), device.seen);
            // Names need no quoting: there are but a few characters in them.
            let _ = write!(
                json,
                "{comma}{{\"name\":\"{name}\",\"via\":\"{via}\",\"seen\":{seen},\"history\":["
            );
            for (index, (time, value)) in device.history.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let _ = write!(json, "{comma}[{time},{value}]");
            }
            json.push_str("]}");
        }
        json.push_str("]}");
        json
    }

    /// Notes a reading: how the page is told.
    fn note(&mut self, line: Line) -> Option<String> {
        let now = self.now();
        if self.devices.len() >= MAX_DEVICES && !self.devices.contains_key(&line.name) {
            return None;
        }
        let json = format!(
            "{{\"readings\":[[\"{}\",{now},{},\"{}\"]]}}",
            line.name,
            line.value,
            line.reply.via()
        );
        let new = || Device { reply: line.reply.clone(), seen: now, history: VecDeque::new() };
        let device = self.devices.entry(line.name).or_insert_with(new);
        device.reply = line.reply;
        device.seen = now;
        if device.history.len() >= HISTORY {
            device.history.pop_front();
        }
        device.history.push_back((now, line.value));
        Some(json)
    }

    /// Sends a command to a device: what the page is told.
    fn command(&self, text: &str) -> String {
        let (name, command) = text.split_once(' ').unwrap_or((text, ""));
        let is_line = command.chars().all(|character| matches!(character, ' '..='~'));
        let result = match self.devices.get(name) {
            _ if command.is_empty() || command.len() > MAX_COMMAND || !is_line => {
                Err("a command is a line of up to 100 characters")
            }
            None => Err("there is no such device"),
            Some(device) => device.reply.send(command),
        };
        let name = if self.devices.contains_key(name) { name } else { "?" };
        match result {
            Ok(()) => format!("{{\"sent\":[\"{name}\",{}]}}", quoted(command)),
            Err(reason) => format!("{{\"failed\":[\"{name}\",\"{reason}\"]}}"),
        }
    }
}

/// A line of printable characters, as JSON has it.
fn quoted(line: &str) -> String {
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

impl App for Board {
    type State = ();
    type Mail = Line;

    fn request(&mut self, _: Id, _: SocketAddr, request: &Request) -> Verdict<()> {
        match request.path() {
            "/ws" => Verdict::Accept(request.accept(), ()),
            _ => Response::new(404).map_or(Verdict::Later, Verdict::Refuse),
        }
    }

    fn http(&mut self, _: SocketAddr, head: &Head) -> Answer {
        match (head.method(), head.path()) {
            ("GET" | "HEAD", "/") => self.page().map_or(Answer::Reject, Answer::Respond),
            ("GET" | "HEAD", _) => Response::new(404).map_or(Answer::Reject, Answer::Respond),
            _ => Answer::Reject,
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        let _ = peer.send(&self.snapshot());
        let _ = peer.subscribe(TOPIC); // its only one
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        let Message::Text(text) = message else {
            let _ = peer.close(CloseCode::UNSUPPORTED_DATA, "text only");
            return;
        };
        let _ = peer.send(&self.command(text)); // refused only if the page does not read
    }

    /// A device has sent something.
    fn mail(&mut self, shard: &mut Shard<'_, ()>, line: Line) {
        if let Some(json) = self.note(line) {
            let _ = shard.publish(TOPIC, &json); // there is but one shard
        }
    }
}
