//! A transport below that cannot repeat a write after a timeout: half a record may be out.

use std::io::{self, IoSlice};
use std::thread;
use std::time::Duration;

use sansocket::net;
use sansocket::tls::{Rustls, Secure};
use sansocket::{Config, Error, TimedOut};

use crate::authority::{client, server};
use crate::peer::{Peer, REQUEST};
use crate::pipe::{Call, Pipe, Way, over_pipe};

struct Final(Pipe);

over_pipe! {
    Final {
        fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.write(slices)
        }

        fn resumes_writes(&self) -> bool {
            false
        }
    }
}

fn hasty() -> Config {
    Config::builder().write_timeout(Duration::from_millis(200)).build().unwrap()
}

fn stalls(pipe: &Pipe) -> usize {
    pipe.calls().iter().filter(|call| **call == Call::Stall).count()
}

// TL-16, IO-10
#[test]
fn a_record_whose_write_timed_out_is_not_written_again() {
    let mut peer = Peer::over(Pipe::new(Way::Open), client());
    let secure = Secure::server(Final(peer.pipe.clone()), Rustls::server(server()).unwrap());
    let accepting = thread::spawn(move || net::accept(secure, hasty()));
    peer.request();
    let (sender, mut receiver) = accepting.join().unwrap().unwrap();
    peer.pipe.set(Way::Stalled);
    let end = sender.send("never read").unwrap_err();
    assert!(matches!(end, Error::TimedOut(TimedOut::Write)), "{end:?}");
    peer.pipe.set(Way::Open);
    assert!(sender.send("more").is_err() && receiver.recv().is_err());
    assert_eq!(stalls(&peer.pipe), 1);
}

// TL-16: nor an acceptance
#[test]
fn an_acceptance_whose_write_timed_out_is_not_written_again() {
    let mut peer = Peer::over(Pipe::new(Way::Open), client());
    let secure = Secure::server(Final(peer.pipe.clone()), Rustls::server(server()).unwrap());
    let accepting = thread::spawn(move || net::Upgrade::read(secure, hasty()).unwrap());
    std::io::Write::write_all(&mut peer.tls.writer(), REQUEST).unwrap();
    while peer.tls.is_handshaking() {
        peer.take().unwrap();
    }
    let upgrade = accepting.join().unwrap();
    peer.pipe.set(Way::Stalled);
    let response = upgrade.request().accept();
    let end = upgrade.accept(response).map(drop).unwrap_err();
    assert!(matches!(end, Error::TimedOut(TimedOut::Write)), "{end:?}");
    assert_eq!(stalls(&peer.pipe), 1);
}
