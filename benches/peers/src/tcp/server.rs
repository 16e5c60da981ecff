//! The servers, each a process of its own on the first core.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::system;
use crate::adapters::{BROADCASTERS, MAX_MESSAGE, SERVERS};

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
    /// Echoes it on one of two event loops, on two cores.
    Two,
}

impl Role {
    /// The role as a command of this program, and as a flag of uWebSockets' server.
    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Echo => ("serve", None),
            Self::Broadcast => ("broadcast", Some("--broadcast")),
            Self::Topics => ("topics", Some("--topics")),
            Self::Threads => ("threads", Some("--threads")),
            Self::Two => ("serve", Some("--two")),
        }
    }
}

#[derive(Clone)]
enum Program {
    /// This one.
    Own,
    /// An example of ours, where it was built.
    Example(PathBuf),
    /// uWebSockets, where it was built.
    Uws(PathBuf),
}

/// All there are, ours first. Builds those that are programs of their own.
pub fn all() -> Result<Vec<Server>, String> {
    let event_loop = Program::Example(build_example("event_loop")?);
    let tokio = Program::Example(build_example("tokio_echo")?);
    let uws = build_uws().map(Program::Uws);
    if let Err(error) = &uws {
        eprintln!("without uWebSockets: {error}");
    }
    let mut servers = vec![];
    for role in [Role::Echo, Role::Broadcast, Role::Topics, Role::Threads, Role::Two] {
        let server = |name: &str, program: &Program| Server {
            name: name.to_owned(),
            program: program.clone(),
            role,
        };
        match role {
            Role::Echo | Role::Broadcast => {
                servers.push(server("sansocket event loop", &event_loop));
                servers.push(server("sansocket tokio", &tokio));
            }
            Role::Topics | Role::Threads => {
                servers.push(server("sansocket event loop", &Program::Own));
            }
            Role::Two => servers.push(server("sansocket event loop", &event_loop)),
        }
        let own = match role {
            Role::Echo => SERVERS,
            Role::Broadcast => BROADCASTERS,
            _ => &[],
        };
        servers.extend(own.iter().map(|(name, _)| server(name, &Program::Own)));
        servers.extend(uws.as_ref().ok().map(|uws| server("uWebSockets (C++)", uws)));
    }
    Ok(servers)
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

fn build_uws() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("UWS_ECHO") {
        return Ok(path.into());
    }
    let path = target().join("uws-echo");
    if !path.exists() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("uws/build.sh");
        let status = Command::new(script).arg(&path).stdout(Stdio::null()).status();
        if !status.map_err(|error| error.to_string())?.success() {
            return Err("uws/build.sh failed".to_owned());
        }
    }
    Ok(path)
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
    pub fn start(&self) -> Result<Running, String> {
        self.launch().map_err(|error| format!("cannot start {}: {error}", self.name))
    }

    fn launch(&self) -> io::Result<Running> {
        // Whoever gets a free port can be quick enough to use it.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = match &self.program {
            Program::Own => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args([self.role.words().0, &self.name, &address.to_string()]);
                command
            }
            Program::Example(path) => {
                let mut command = Command::new(path);
                command.arg(address.to_string()).args(["--max-message", &MAX_MESSAGE.to_string()]);
                match self.role {
                    Role::Broadcast => _ = command.arg("--broadcast"),
                    Role::Two => _ = command.args(["--shards", "2"]),
                    _ => {}
                }
                command
            }
            Program::Uws(path) => {
                let mut command = Command::new(path);
                command.arg(address.port().to_string());
                command.args(self.role.words().1);
                command
            }
        };
        let has_two = self.role == Role::Two;
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
