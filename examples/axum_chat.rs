//! The chat room of the example `chat`, with axum: who has no name in a cookie does not get in.
//!
//! `cargo run --release --features hyper --example axum_chat -- [ADDRESS] [--max-message BYTES] [--deflate]`, then open
//! `http://ADDRESS/` in several tabs. `/?name=Ann` logs in as Ann. Ctrl-C closes every WebSocket with 1001.
//!
//! The page and its messages are those of the example `chat`: `join NAME` and `say TEXT` come, `welcome NAME`,
//! `said NAME TEXT` and `here NAME NAME..` go. The name is that of the cookie, whatever is joined with.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use sansocket::handshake::{self, ResponseError};
use sansocket::hyper::{Stream, upgrade};
use sansocket::tokio::{Connections, HandlerResult, Receiver, Sender};
use sansocket::{CloseCode, Config, Message, Prepared};
use shared::{Args, about, announce};
use tokio::net::TcpListener;

mod shared;

const PAGE: &str = include_str!("chat.html");

/// Characters; the page has the same limits.
const MAX_NAME: usize = 24;
const MAX_TEXT: usize = 500;

#[derive(Clone)]
struct App {
    config: Arc<Config>,
    connections: Connections<Stream>,
    room: Arc<Mutex<Room>>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = serve().await;
    shared::run(|| result)
}

async fn serve() -> shared::Result {
    let args = Args::parse(&[])?;
    let config = Config::builder().max_message(8 * 1024).write_timeout(Duration::from_secs(10));
    let config = Arc::new(args.deflate.apply(args.limit(config)).build()?);
    let cannot = about(format!("cannot listen at {}", args.address));
    let listener = TcpListener::bind(&args.address).await.map_err(cannot)?;
    announce(listener.local_addr()?);
    let connections = Connections::new().max_connections(256);
    let app = App { config, connections: connections.clone(), room: Arc::default() };
    let router = Router::new()
        .route("/", get(page))
        .route("/ws", any(chat)) // in HTTP/2 it is no GET
        .with_state(app);
    let stop = async move {
        if shared::tokio_signal().await.is_ok() {
            connections.stop(Duration::ZERO, Duration::from_secs(5)).await;
        }
    };
    // In HTTP/2 nobody else does: there the socket stays axum's.
    let listener = listener.tap_io(|tcp| _ = tcp.set_nodelay(true));
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}

/// The page, and with it the cookie. A real server asks for a password, and makes a cookie that nobody can guess.
async fn page(request: Request) -> Result<Response, Response> {
    let query = request.uri().query().unwrap_or_default();
    let wish = query.split('&').find_map(|pair| pair.strip_prefix("name="));
    let name = wish.filter(|name| is_name(name)).unwrap_or("Guest");
    let response = handshake::Response::new(200)?
        .header("Set-Cookie", &format!("name={name}; HttpOnly; SameSite=Strict"))?
        .header("Cache-Control", "no-store")?
        .body("text/html; charset=utf-8", PAGE)?;
    Ok(response.into_http())
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn chat(State(app): State<App>, mut request: Request) -> Result<Response, Response> {
    let upgrade = upgrade(&mut request, &*app.config)?;
    let request = upgrade.request();
    let Some(name) = request.cookie("name").filter(|name| is_name(name)).map(str::to_owned) else {
        let response = request.reject(401)?.header("WWW-Authenticate", "Cookie")?;
        return Ok(upgrade.reject(response)?);
    };
    let response = match request.accept().subprotocol("chat") {
        Err(ResponseError::NotOffered) => request.accept(),
        chosen => chosen?,
    };
    let App { connections, room, .. } = app;
    Ok(upgrade.on_upgrade_in(&connections, response, |sender, receiver| async move {
        let id = lock(&room).enter(name, sender.clone());
        let result = listen(sender, receiver, id, &room).await;
        lock(&room).leave(id);
        result
    })?)
}

async fn listen(
    sender: Sender<Stream>,
    mut receiver: Receiver<Stream>,
    id: u64,
    room: &Mutex<Room>,
) -> HandlerResult {
    while let Some(message) = receiver.recv().await? {
        let Message::Text(text) = message else {
            sender.close(CloseCode::UNSUPPORTED_DATA, "text only")?;
            continue;
        };
        match text.split_once(' ') {
            Some(("join", _)) => lock(room).welcome(id),
            Some(("say", text)) if text.chars().count() <= MAX_TEXT => lock(room).say(id, text),
            _ => sender.feed("sorry I understand \"join NAME\" and \"say TEXT\".").await?,
        }
    }
    Ok(())
}

#[derive(Default)]
struct Room {
    members: BTreeMap<u64, (String, Sender<Stream>)>,
    last_id: u64,
}

fn lock(room: &Mutex<Room>) -> MutexGuard<'_, Room> {
    room.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Room {
    fn enter(&mut self, name: String, sender: Sender<Stream>) -> u64 {
        self.last_id += 1;
        self.members.insert(self.last_id, (name, sender));
        self.last_id
    }

    fn leave(&mut self, id: u64) {
        self.members.remove(&id);
        self.tell_all(&self.here());
    }

    fn welcome(&self, id: u64) {
        if let Some((name, sender)) = self.members.get(&id) {
            tell(sender, &Prepared::new(&format!("welcome {name}")));
            self.tell_all(&self.here());
        }
    }

    fn say(&self, id: u64, text: &str) {
        if let Some((name, _)) = self.members.get(&id) {
            let line = text.replace(char::is_control, " ");
            self.tell_all(&Prepared::new(&format!("said {name}\t{line}")));
        }
    }

    fn here(&self) -> Prepared {
        let names: Vec<_> = self.members.values().map(|(name, _)| &**name).collect();
        Prepared::new(&format!("here {}", names.join("\t")))
    }

    fn tell_all(&self, news: &Prepared) {
        for (_, sender) in self.members.values() {
            tell(sender, news);
        }
    }
}

/// Nobody waits here: a member that reads too slowly is out when its queue is full.
fn tell(sender: &Sender<Stream>, news: &Prepared) {
    if sender.try_send_prepared(news).is_err() {
        let _ = sender.close(CloseCode::TRY_AGAIN_LATER, "too slow");
    }
}
