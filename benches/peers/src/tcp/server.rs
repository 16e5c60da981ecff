//! The servers, each a process of its own on the first core.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::system;
use crate::adapters::sansocket::PING_AFTER;
use crate::adapters::{self, BROADCASTERS, MAX_MESSAGE, SERVERS, WORKERS};
use crate::tls;

/// A server that can be started.
#[derive(Clone)]
pub struct Server {
    pub name: String,
    program: Program,
    pub role: Role,
}

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Echo,
    /// Sends it to everybody.
    Broadcast,
    /// Publishes it to the topic of its connection: connection n is subscribed to topic n % 1000.
    Topics,
    /// Echoes it by way of another thread.
    Threads,
    /// Echoes it on one of two event loops, or in a task on one of two threads, on two cores.
    Two,
    /// Echoes it compressed.
    Deflate,
    /// Echoes it with TLS.
    Tls,
}

impl Role {
    /// The role as a command of this program.
    fn command(self) -> &'static str {
        match self {
            Self::Echo | Self::Two => "serve",
            Self::Broadcast => "broadcast",
            Self::Topics => "topics",
            Self::Threads => "threads",
            Self::Deflate => "serve-deflate",
            Self::Tls => "serve-tls",
        }
    }
}

#[derive(Clone)]
enum Program {
    /// This one.
    Own,
    /// Another one, which takes an address, or a port on 127.0.0.1, and more words.
    Address(PathBuf, Vec<String>),
    Port(PathBuf, Vec<String>),
    /// The same, where an interpreter runs a file.
    Script(PathBuf, PathBuf),
}

/// The servers of these roles, ours first. Builds those that are programs of their own.
pub fn all(roles: &[Role]) -> Result<Vec<Server>, String> {
    let mut servers = vec![];
    let mut add = |role, name: &str, program| {
        servers.push(Server { name: name.to_owned(), program, role });
    };
    for role in [Role::Echo, Role::Broadcast, Role::Topics, Role::Threads, Role::Two] {
        if !roles.contains(&role) {
            continue;
        }
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let example = |name, more: &[&str]| {
            let limit = words(&["--max-message", &MAX_MESSAGE.to_string()]);
            build_example(name).map(|path| Program::Address(path, [limit, words(more)].concat()))
        };
        let (own, flags) = match role {
            Role::Echo => {
                add(role, "sansocket event loop", example("event_loop", &[])?);
                (SERVERS.to_vec(), words(&[]))
            }
            Role::Broadcast => {
                add(role, "sansocket event loop", example("event_loop", &["--broadcast"])?);
                add(role, "sansocket tokio", example("tokio_echo", &["--broadcast"])?);
                (BROADCASTERS.to_vec(), words(&["--broadcast"]))
            }
            Role::Two => {
                add(role, "sansocket event loop", example("event_loop", &["--shards", "2"])?);
                (adapters::in_tasks(), words(&["--two"]))
            }
            Role::Topics => (adapters::TOPICS.to_vec(), words(&["--topics"])),
            _ => (adapters::THREADS.to_vec(), words(&["--threads"])),
        };
        own.iter().for_each(|(name, _)| add(role, name, Program::Own));
        if let Some(uws) = uws("uws-echo", "UWS_ECHO", &[]) {
            add(role, "uWebSockets (C++)", Program::Port(uws, flags));
        }
    }
    for role in [Role::Deflate, Role::Tls].into_iter().filter(|role| roles.contains(role)) {
        let own = match role {
            Role::Deflate => adapters::compressed::SERVERS,
            _ => adapters::secure::SERVERS,
        };
        own.iter().for_each(|(name, _)| add(role, name, Program::Own));
        if let Some(uws) = uws("uws-echo-full", "UWS_ECHO_FULL", &["--full"]) {
            let [cert, key] = tls::files().map(|path| path.display().to_string());
            let variants: &[(&str, &[&str])] = match role {
                Role::Deflate => &[
                    ("uWebSockets (C++), shared", &["--deflate", "shared"]),
                    ("uWebSockets (C++), dedicated", &["--deflate", "dedicated"]),
                ],
                _ => &[
                    ("uWebSockets (C++)", &["--tls", &cert, &key]),
                    ("uWebSockets (C++), low memory", &["--tls-low-memory", &cert, &key]),
                ],
            };
            for (name, words) in variants {
                let words = words.iter().map(|&word| word.to_owned()).collect();
                add(role, name, Program::Port(uws.clone(), words));
            }
        }
        if role == Role::Deflate {
            for (name, interpreter, file) in interpreted() {
                add(role, name, Program::Script(interpreter, file));
            }
        }
    }
    Ok(servers)
}

/// The servers in other languages, with what `.ci/interop/install` has installed for its clients.
fn interpreted() -> Vec<(&'static str, PathBuf, PathBuf)> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = std::env::var_os("INTEROP_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| package.join("../../target/interop-home"));
    let python = home.join("venv/bin/python3");
    let mut found = vec![];
    match home.join("node_modules/ws").exists() {
        true => found.push(("ws (Node)", "node".into(), package.join("scripts/echo.cjs"))),
        false => eprintln!("without ws (Node): run .ci/interop/install, or set INTEROP_HOME"),
    }
    match python.exists() {
        true => found.push(("websockets (Python)", python, package.join("scripts/echo.py"))),
        false => eprintln!("without websockets (Python): the same"),
    }
    found
}

/// An example of the main crate, optimised in the same way as this program.
fn build_example(name: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os(name.to_uppercase()) {
        return Ok(path.into());
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--release", "--example", name, "--features", "mio,tokio"]);
    cargo.args(["--message-format", "json"]);
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target().join("main"));
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "thin");
    cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    cargo.stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let executables = messages.split("\"executable\":\"").skip(1);
    let path = executables.filter_map(|rest| rest.split('"').next()).last();
    path.map(PathBuf::from).ok_or_else(|| format!("cannot build the example {name}"))
}

/// uWebSockets, where it was built, with what these flags of `build.sh` ask for.
fn uws(name: &str, variable: &str, flags: &[&str]) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    let path = target().join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("uws");
    let script = source.join("build.sh");
    let changed = |file: &Path| file.metadata().and_then(|metadata| metadata.modified()).ok();
    let newest = changed(&script).max(changed(&source.join("echo.cpp")));
    if changed(&path) < newest {
        let status = Command::new(script).arg(&path).args(flags).stdout(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("without uWebSockets: uws/build.sh failed");
            return None;
        }
    }
    Some(path)
}

/// Where this program lies.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map(PathBuf::from).unwrap_or_default()
}

/// A server that runs. It is killed when this is dropped.
pub struct Running {
    pub address: SocketAddr,
    process: Child,
}

impl Server {
    /// Whether it is set up for as little memory as can be, whatever else that costs.
    pub fn is_for_crowds(&self) -> bool {
        self.name.contains("4 KiB") || self.name.contains("low memory")
    }

    pub fn start(&self) -> Result<Running, String> {
        self.launch(&[]).map_err(|error| format!("cannot start {}: {error}", self.name))
    }

    /// The same for a server that is to give memory back after two seconds of silence, if it is ours.
    pub fn start_impatient(&self) -> Result<Running, String> {
        let environment = [(PING_AFTER, "2")];
        self.launch(&environment).map_err(|error| format!("cannot start {}: {error}", self.name))
    }

    fn launch(&self, environment: &[(&str, &str)]) -> io::Result<Running> {
        // Whoever gets a free port can be quick enough to use it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = address.port().to_string();
        let mut command = match &self.program {
            Program::Own => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([self.role.command(), &self.name, &address.to_string()]);
                command
            }
            Program::Address(path, words) => {
                let mut command = Command::new(path);
                command.arg(address.to_string()).args(words);
                command
            }
            Program::Port(path, words) => {
                let mut command = Command::new(path);
                command.arg(port).args(words);
                command
            }
            Program::Script(interpreter, file) => {
                let mut command = Command::new(interpreter);
                command.arg(file).args([port, MAX_MESSAGE.to_string()]);
                command
            }
        };
        command.envs(environment.iter().copied());
        let has_two = self.role == Role::Two;
        if has_two {
            command.env(WORKERS, "2");
        }
        let pin = move || if has_two { system::unpin() } else { system::pin(0) };
        // SAFETY: a system call, no memory.
        unsafe { command.pre_exec(pin) };
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running { address, process };
        let start = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if start.elapsed() > Duration::from_secs(5) {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }
}

impl Running {
    /// Nanoseconds that its threads have computed so far.
    pub fn cpu_time(&self) -> u64 {
        system::cpu_time(self.process.id())
    }

    /// The same with threads that have ended, less exactly.
    pub fn coarse_cpu_time(&self) -> u64 {
        system::coarse_cpu_time(self.process.id())
    }

    pub fn resident(&self) -> u64 {
        system::resident(self.process.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
