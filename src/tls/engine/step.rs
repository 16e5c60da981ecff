//! One step of a connection of rustls, which says by its state what it wants done.

use std::io;

use ::rustls::CommonState;
use ::rustls::client::UnbufferedClientConnection;
use ::rustls::server::UnbufferedServerConnection;
use ::rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use super::Records;

/// Room for a record beside its plaintext, and for a key update ahead of it.
const OVERHEAD: usize = 256;

/// The part of both sides that differs in nothing but its type.
pub(super) trait Side: Send {
    fn step(
        &mut self,
        incoming: &mut [u8],
        then: &mut Then<'_>,
        records: &mut Records,
        plain: &mut dyn FnMut(&[u8]),
    ) -> (usize, Step);
    fn state(&self) -> &CommonState;
}

macro_rules! side {
    ($connection:ident) => {
        impl Side for $connection {
            fn step(
                &mut self,
                incoming: &mut [u8],
                then: &mut Then<'_>,
                records: &mut Records,
                plain: &mut dyn FnMut(&[u8]),
            ) -> (usize, Step) {
                step(self.process_tls_records(incoming), then, records, plain)
            }

            fn state(&self) -> &CommonState {
                self
            }
        }
    };
}

side!(UnbufferedServerConnection);
side!(UnbufferedClientConnection);

/// The purpose of a step, once data may be sent.
pub(super) enum Then<'t> {
    Nothing,
    Encrypt(&'t [u8], &'t mut Vec<u8>),
    Close(&'t mut Vec<u8>),
    Refresh,
}

pub(super) enum Step {
    Again,
    /// More records are needed, or the purpose is served.
    Done,
    /// Nothing can be sent, now or ever.
    Blocked,
    /// The purpose cannot be served, and all else goes on.
    Refused(io::Error),
    Failed(io::Error),
}

/// Does what rustls asks for. How many bytes of what it was given it has done with.
fn step<D>(
    UnbufferedStatus { discard, state, .. }: UnbufferedStatus<'_, '_, D>,
    then: &mut Then<'_>,
    records: &mut Records,
    plain: &mut dyn FnMut(&[u8]),
) -> (usize, Step) {
    let mut done = discard;
    let step = match state {
        Err(error) => Step::Failed(invalid(error)),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Step::Again,
                Some(Err(error)) => break Step::Failed(invalid(error)),
                Some(Ok(record)) => {
                    done += record.discard;
                    plain(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let encoded = append(&mut records.own, OVERHEAD, |space| {
                data.encode(space).map_err(|error| match error {
                    EncodeError::InsufficientSize(size) => Some(size),
                    EncodeError::AlreadyEncoded => None,
                })
            });
            if encoded { Step::Again } else { Step::Blocked }
        }
        // It is in our memory, and in its order.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Step::Again
        }
        Ok(ConnectionState::PeerClosed) => {
            records.is_closed = true;
            Step::Again
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match then {
            Then::Nothing => Step::Done,
            Then::Encrypt(data, sealed) => {
                let room = data.len() + OVERHEAD;
                let encrypt = |space: &mut [u8]| traffic.encrypt(data, space).map_err(size);
                if append(sealed, room, encrypt) { Step::Done } else { Step::Blocked }
            }
            Then::Close(sealed) => {
                let close = |space: &mut [u8]| traffic.queue_close_notify(space).map_err(size);
                if append(sealed, OVERHEAD, close) { Step::Done } else { Step::Blocked }
            }
            // Once.
            Then::Refresh => match traffic.refresh_traffic_keys() {
                Ok(()) => Step::Done,
                Err(error) => Step::Refused(invalid(error)),
            },
        },
        Ok(ConnectionState::Closed) => {
            records.is_closed = true;
            Step::Blocked
        }
        Ok(ConnectionState::BlockedHandshake) => match then {
            Then::Nothing => Step::Done,
            _ => Step::Blocked,
        },
        // A copy of it could be sent again (RFC 8446 §8).
        Ok(ConnectionState::ReadEarlyData(_)) => Step::Failed(io::Error::new(
            io::ErrorKind::InvalidData,
            "early data could be a replay, and is not accepted",
        )),
        Ok(_) => Step::Blocked,
    };
    (done, step)
}

fn size(error: EncryptError) -> Option<InsufficientSizeError> {
    match error {
        EncryptError::InsufficientSize(size) => Some(size),
        EncryptError::EncryptExhausted => None,
    }
}

/// Appends what `write` writes, into room that is grown if it has to be. Whether it could.
fn append(
    records: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> bool {
    let start = records.len();
    records.resize(start + room, 0);
    let written = match write(records.get_mut(start..).unwrap_or_default()) {
        Err(Some(InsufficientSizeError { required_size })) => {
            records.resize(start + required_size, 0);
            write(records.get_mut(start..).unwrap_or_default())
        }
        written => written,
    };
    records.truncate(start + *written.as_ref().unwrap_or(&0));
    written.is_ok()
}

fn invalid(error: ::rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
