//! A server in a process of its own, and what the system says of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE};

/// On threads, and on an event loop.
pub(crate) const BOTH: [&str; 2] = ["echo", "event_loop"];

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(example: &str) -> Self {
        Self::spawn(Command::new(path(example)), &[])
    }

    /// With arguments of its own.
    pub(crate) fn start_with(example: &str, args: &[&str]) -> Self {
        Self::spawn(Command::new(path(example)), args)
    }

    /// With no more than this many open files.
    pub(crate) fn start_with_files(example: &str, limit: usize) -> Self {
        Self::start_limited(example, &format!("-n {limit}"))
    }

    /// With a limit as `ulimit` takes it.
    pub(crate) fn start_limited(example: &str, limit: &str) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        command.arg("-c").arg(script).arg(path(example));
        Self::spawn(command, &[])
    }

    fn spawn(mut command: Command, args: &[&str]) -> Self {
        command.arg("127.0.0.1:0").args(args).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ws://").unwrap().parse().unwrap();
        Self { child, address }
    }

    /// How many files are open when it has started and nobody is connected.
    pub(crate) fn idle(&self) -> usize {
        self.assert_serves();
        let mut files = self.files();
        loop {
            thread::sleep(Duration::from_millis(100));
            match self.files() {
                same if same == files => return files,
                other => files = other,
            }
        }
    }

    pub(crate) fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// The processor time it has used, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until no more files are open than these.
    pub(crate) fn wait_for_files(&self, at_most: usize) {
        let start = Instant::now();
        while self.files() > at_most {
            assert!(start.elapsed() < PATIENCE, "{} files are open", self.files());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn assert_serves(&self) {
        let mut client = Client::open(self.address);
        client.assert_echoes();
        client.close();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is what the test will have said.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `cargo test` has built the examples, next to the tests.
fn path(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples").join(example);
    assert!(path.exists(), "first: cargo build --all-features --examples");
    path
}
