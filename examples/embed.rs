//! WebSockets in an HTTP server that already exists: it parses its own requests, and hands one over.
//!
//! `cargo run --release --example embed -- [ADDRESS] [--max-message BYTES] [--deflate]`
//!
//! The server here is as small as can be, and stands for yours. `/` is a page; `/ws` echoes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use sansocket::handshake::{Incoming, Request};
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
        let config = args.deflate.apply(args.limit(Config::builder())).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let listener = TcpListener::bind(&args.address).map_err(cannot)?;
        announce(listener.local_addr()?);
        for stream in listener.incoming() {
            if let Err(error) = stream.and_then(|stream| spawn(stream, config.clone())) {
                // Out of file descriptors or threads, perhaps: some will be given back.
                eprintln!("cannot accept: {error}");
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    })
}

fn spawn(stream: TcpStream, config: Config) -> io::Result<()> {
    let serve = move || {
        if let Err(error) = serve(stream, &config) {
            eprintln!("{error}");
        }
    };
    thread::Builder::new().spawn(serve).map(drop)
}

/// A request as a server of its own making sees it.
struct HttpRequest {
    method: String,
    target: String,
    version: (u8, u8),
    headers: Vec<(String, Vec<u8>)>,
}

fn serve(stream: TcpStream, config: &Config) -> Result {
    let mut reader = BufReader::new(stream);
    let http = match read_request(&mut reader) {
        Ok(http) => http,
        Err(error) => {
            respond(reader, "400 Bad Request", "This is no HTTP request.\n")?;
            return Err(error);
        }
    };
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
    let request = Request::new(&http.method, &http.target, http.version, headers, config)
        .and_then(Incoming::upgrade);
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
    let connection = response.open(config)?;
    let (sender, mut receiver) = net::open_connection(stream, connection, input, config)?;
    while let Some(message) = receiver.recv()? {
        sender.feed(message)?;
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Result<HttpRequest> {
    let (mut head, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(10));
    while !head.ends_with(b"\r\n\r\n") {
        // The deadline is that of the whole head, however its bytes dribble in.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err("the request took too long".into());
        }
        reader.get_ref().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let arrived = reader.fill_buf()?;
        let line = arrived.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let n = line.unwrap_or(arrived.len());
        head.extend_from_slice(arrived.get(..n).unwrap_or_default());
        reader.consume(n);
        // A line ends in CR LF: servers disagree about anything else.
        if head.ends_with(b"\n") && !head.ends_with(b"\r\n") {
            return Err("a line of the request ends in a bare LF".into());
        }
        if n == 0 || head.len() > 16 * 1024 {
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
