//! WebSockets in an HTTP server that already exists: it parses its own requests, and hands one over.
//!
//! `cargo run --release --example embed -- [ADDRESS] [--max-message BYTES]`
//!
//! The server here is as small as can be, and stands for yours. `/` is a page; `/ws` echoes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::Request;
use sansocket::{Buffer, Config, net};
use shared::{Args, Result, about, announce};

mod shared;

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Embedded</title>
<p id=state>connecting<script>
const socket = new WebSocket(`ws://${location.host}/ws`);
const show = text => document.querySelector('#state').textContent = text;
socket.onopen = () => socket.send('the server says hello');
socket.onmessage = event => show(event.data);
socket.onerror = () => show('failed');
socket.onclose = event => show(`closed: ${event.code} ${event.reason}`);
</script>\n";

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&[])?;
        let config = args.limit(Config::builder()).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let listener = TcpListener::bind(&args.address).map_err(cannot)?;
        announce(listener.local_addr()?);
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || {
                if let Err(error) = serve(stream, &config) {
                    eprintln!("{error}");
                }
            });
        }
        Ok(())
    })
}

/// A request as a server of its own making sees it.
struct HttpRequest {
    method: String,
    target: String,
    version: (u8, u8),
    headers: Vec<(String, Vec<u8>)>,
}

fn serve(stream: TcpStream, config: &Config) -> Result {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let http = read_request(&mut reader)?;
    match (http.method.as_str(), http.target.as_str()) {
        (_, "/ws") => serve_websocket(reader, &http, config),
        ("GET", "/") => respond(reader, "200 OK", PAGE),
        ("GET", _) => respond(reader, "404 Not Found", "There is no such page.\n"),
        _ => respond(reader, "405 Method Not Allowed", "Only GET.\n"),
    }
}

/// All that this takes: the request in parts, the response's bytes, and what was read too much.
fn serve_websocket(reader: BufReader<TcpStream>, http: &HttpRequest, config: &Config) -> Result {
    let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let request = Request::new(&http.method, &http.target, http.version, headers, config);
    let response = match &request {
        Ok(request) => match request.subprotocols().next() {
            Some(first) => request.accept().subprotocol(first)?,
            None => request.accept(),
        },
        Err(refused) => refused.response(),
    };
    let mut input = Buffer::new();
    input.extend(reader.buffer());
    let mut stream = reader.into_inner();
    stream.write_all(&response.to_bytes())?;
    if let Err(refused) = request {
        end(stream)?;
        return Err(refused.into());
    }
    let (sender, mut receiver) = net::open(stream, input, config)?;
    while let Some(message) = receiver.recv()? {
        sender.feed(message)?;
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Result<HttpRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let before = head.len();
        reader.by_ref().take(16 * 1024 - before as u64).read_until(b'\n', &mut head)?;
        if head.len() == before {
            return Err("the request ended early, or is too long".into());
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(&head)?;
    let headers = request.headers.iter();
    Ok(HttpRequest {
        method: request.method.unwrap_or_default().into(),
        target: request.path.unwrap_or_default().into(),
        version: (1, request.version.unwrap_or_default()),
        headers: headers.map(|header| (header.name.into(), header.value.into())).collect(),
    })
}

fn respond(reader: BufReader<TcpStream>, status: &str, body: &str) -> Result {
    let mut stream = reader.into_inner();
    let kind = if body.starts_with('<') { "text/html" } else { "text/plain" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    end(stream)?;
    Ok(())
}

/// Ends our side, and waits for the client to end its own: a reset might overtake the response.
fn end(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let (mut discarded, deadline) = ([0; 1024], Instant::now() + Duration::from_secs(1));
    while stream.read(&mut discarded).is_ok_and(|n| n > 0) && Instant::now() < deadline {}
    Ok(())
}
