//! rustls as an [`Engine`]: its unbuffered connections, which read and write memory of ours.

mod step;

use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::rustls::client::UnbufferedClientConnection;
use ::rustls::pki_types::ServerName;
use ::rustls::server::UnbufferedServerConnection;
use ::rustls::{ClientConfig, CommonState, ServerConfig};

use super::Engine;
use step::{Side, Step, Then};

/// The header of a record (RFC 8446 §5.1).
const HEADER: usize = 5;

/// The most that is kept: a message of the handshake, of at most 64 KiB, and the headers of its records.
const MAX_KEPT: usize = 96 * 1024;

/// A connection of rustls.
pub struct Rustls {
    side: Box<dyn Side>,
    records: Records,
}

/// The records between the calls.
#[derive(Default)]
struct Records {
    /// An unfinished record, or an unfinished message of the handshake in several. rustls counts on finding it in
    /// front of what it is given, whether something has arrived or is to be sealed.
    kept: Vec<u8>,
    /// To be sent ahead of everything else.
    own: Vec<u8>,
    /// Opened while something was sealed.
    plain: Vec<u8>,
    is_closed: bool,
    /// Our close_notify is sealed.
    closing: bool,
    failed: bool,
}

impl Rustls {
    /// A server's side.
    ///
    /// # Errors
    ///
    /// The configuration does not work: `InvalidInput`.
    pub fn server(config: Arc<ServerConfig>) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config).map_err(unusable)?;
        Self::start(Box::new(connection))
    }

    /// A client's side, for the server with that name: the name is sent, and the certificate has to be for it.
    ///
    /// # Errors
    ///
    /// The configuration does not work: `InvalidInput`.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let connection = UnbufferedClientConnection::new(config, name).map_err(unusable)?;
        Self::start(Box::new(connection))
    }

    fn start(side: Box<dyn Side>) -> io::Result<Self> {
        let mut engine = Self { side, records: Records::default() };
        engine.process(&mut [], &mut |_| {})?;
        Ok(engine)
    }

    /// The state of the connection: the version, the cipher suite, the peer's certificates, the protocol of ALPN.
    #[must_use]
    pub fn state(&self) -> &CommonState {
        self.side.state()
    }

    /// Has the traffic keys updated, the peer's too (RFC 8446 §4.6.3): the request goes out ahead of the next record.
    /// rustls does so by itself before it has to be.
    ///
    /// # Errors
    ///
    /// It is not TLS 1.3, or the handshake is not done.
    pub fn refresh_traffic_keys(&mut self) -> io::Result<()> {
        match self.records.failed {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => self.act(Then::Refresh),
        }
    }

    /// Processes records from the front of `incoming` until more are needed. How many bytes that were.
    fn process(&mut self, incoming: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        let mut done = 0;
        loop {
            let rest = incoming.get_mut(done..).unwrap_or_default();
            let (n, step) = match self.records.closing {
                false => self.side.step(rest, &mut Then::Nothing, &mut self.records, plain),
                // With debug assertions rustls panics if it is to send an alert behind a close_notify.
                true => catch_unwind(AssertUnwindSafe(|| {
                    self.side.step(rest, &mut Then::Nothing, &mut self.records, plain)
                }))
                .unwrap_or_else(|_| (0, Step::Failed(io::ErrorKind::InvalidData.into()))),
            };
            done += n;
            match step {
                Step::Again => {}
                Step::Done | Step::Blocked => return Ok(done),
                Step::Failed(error) | Step::Refused(error) => {
                    self.fail();
                    return Err(error);
                }
            }
        }
    }

    /// Processes the bytes that are kept.
    fn process_kept(&mut self, plain: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut kept = mem::take(&mut self.records.kept);
        let done = self.process(&mut kept, plain)?;
        kept.drain(..done.min(kept.len()));
        self.records.keep(kept)
    }

    /// Does something for which the handshake has to be over. Records of rustls itself go first.
    fn act(&mut self, mut then: Then<'_>) -> io::Result<()> {
        let (mut kept, mut opened, mut done) = (mem::take(&mut self.records.kept), Vec::new(), 0);
        let step = loop {
            let rest = kept.get_mut(done..).unwrap_or_default();
            let open = &mut |bytes: &[u8]| opened.extend_from_slice(bytes);
            let (n, step) = self.side.step(rest, &mut then, &mut self.records, open);
            done += n;
            match step {
                Step::Again => {}
                step => break step,
            }
        };
        kept.drain(..done.min(kept.len()));
        self.records.keep(kept)?;
        self.records.plain.append(&mut opened);
        match step {
            Step::Failed(error) => {
                self.fail();
                Err(error)
            }
            Step::Done => Ok(()),
            Step::Refused(error) => Err(error),
            Step::Again | Step::Blocked => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Appends what rustls has to say, and then may say more.
    fn say(&mut self, sealed: &mut Vec<u8>) -> io::Result<()> {
        if !self.records.failed && self.side.state().wants_write() {
            let mut opened = Vec::new();
            let processed = self.process_kept(&mut |bytes| opened.extend_from_slice(bytes));
            self.records.plain.append(&mut opened);
            processed?;
        }
        sealed.append(&mut self.records.own);
        self.records.own = Vec::new();
        match self.records.failed {
            true => Err(io::ErrorKind::BrokenPipe.into()),
            false => Ok(()),
        }
    }

    /// Keeps the alert for the peer, and does no more.
    fn fail(&mut self) {
        self.records.failed = true;
        // It is asked for before anything is looked at that has arrived.
        while self.side.state().wants_write() {
            let (_, step) =
                self.side.step(&mut [], &mut Then::Nothing, &mut self.records, &mut |_| {});
            if !matches!(step, Step::Again) {
                break;
            }
        }
        self.records.kept = Vec::new();
    }
}

impl Records {
    fn keep(&mut self, rest: Vec<u8>) -> io::Result<()> {
        if rest.len() > MAX_KEPT {
            self.failed = true;
            let reason = "a message of the TLS handshake is in too many records";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.kept = if rest.is_empty() { Vec::new() } else { rest };
        Ok(())
    }

    /// How many bytes the first record that is kept is short of; all that there are, if it is whole.
    fn missing(&self) -> usize {
        let len = match self.kept.as_slice() {
            [_, _, _, high, low, ..] => HEADER + usize::from(u16::from_be_bytes([*high, *low])),
            _ => HEADER,
        };
        match len.saturating_sub(self.kept.len()) {
            0 => usize::MAX,
            missing => missing,
        }
    }
}

impl Engine for Rustls {
    fn open(&mut self, records: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if self.records.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !self.records.plain.is_empty() {
            plain(&mem::take(&mut self.records.plain));
        }
        let mut rest = records;
        while !self.records.kept.is_empty() && !rest.is_empty() {
            let (first, others) = rest.split_at_mut(self.records.missing().min(rest.len()));
            self.records.kept.extend_from_slice(first);
            self.process_kept(plain)?;
            rest = others;
        }
        if !rest.is_empty() {
            // Whole records are opened where they lie.
            let done = self.process(rest, plain)?;
            self.records.keep(rest.get(done..).unwrap_or_default().to_vec())?;
        }
        Ok(())
    }

    fn seal(&mut self, plain: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
        self.say(records)?;
        match plain {
            [] => Ok(()),
            plain => self.act(Then::Encrypt(plain, records)),
        }
    }

    fn close(&mut self, records: &mut Vec<u8>) -> io::Result<()> {
        self.say(records)?;
        self.records.closing = true;
        self.act(Then::Close(records))
    }

    fn wants_write(&self) -> bool {
        !self.records.own.is_empty() || self.side.state().wants_write()
    }

    fn is_handshaking(&self) -> bool {
        self.side.state().is_handshaking()
    }

    fn is_closed(&self) -> bool {
        self.records.is_closed
    }
}

impl fmt::Debug for Rustls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rustls")
            .field("version", &self.state().protocol_version())
            .finish_non_exhaustive()
    }
}

fn unusable(error: ::rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
