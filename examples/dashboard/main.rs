//! A back end for devices: they speak plain TCP or UDP, people look at a live page over WebSocket, and send commands back.
//!
//! `cargo run --release --features mio --example dashboard -- [ADDRESS] [--devices ADDRESS] [--simulate N]`, then
//! open `http://ADDRESS/`. `--simulate N` starts N devices with it, half of them on TCP, half on UDP.
//!
//! A device sends a line per reading: its name, a space, a number. Over TCP each line ends with a newline, over UDP each
//! datagram is one. What people send to it comes back on the same socket, as a line, or as a datagram. So
//! `while sleep 1; do echo "kitchen $RANDOM"; done | nc HOST 9002` is a device.
//!
//! One event loop owns everything (`board.rs`), so there is no lock. The sockets of devices have threads (`devices.rs`)
//! that post what they read into its mailbox; one that is full makes TCP devices wait, and drops datagrams.

use std::process::ExitCode;
use std::time::Duration;

use sansocket::Config;
use sansocket::mio::Server;

use board::Board;
use shared::{Args, about, announce};

mod board;
mod devices;
#[path = "../shared/mod.rs"]
mod shared;
mod simulator;

fn main() -> ExitCode {
    shared::run(|| {
        let args = Args::parse(&["--devices ADDRESS", "--simulate N"])?;
        let simulated = args.number("--simulate")?.unwrap_or(0);
        // A browser that takes nothing for 10 s is gone, or too slow.
        let config = Config::builder().max_message(1024).write_timeout(Duration::from_secs(10));
        let config = args.deflate.apply(args.limit(config)).build()?;
        let cannot = about(format!("cannot listen at {}", args.address));
        let server = Server::bind(&args.address, config).map_err(cannot)?;
        let address = args.value("--devices").unwrap_or("127.0.0.1:9002");
        let cannot = about(format!("cannot listen at {address}"));
        let devices = devices::listen(address, server.handle()).map_err(cannot)?;
        let handle = server.handle();
        ctrlc::set_handler(move || {
            handle.stop(Duration::ZERO, Duration::from_secs(5));
        })?;
        announce(server.local_addr()?);
        println!("devices on {devices}, TCP and UDP");
        simulator::start(devices, simulated)?;
        server.max_connections(500).run(|_shard| Board::new())?;
        Ok(())
    })
}
