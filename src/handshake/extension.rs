//! The negotiation of permessage-deflate (RFC 7692 §5, §7.1): offers in, an answer out, nothing else.

use std::fmt;

use super::grammar::extensions;
use crate::deflate::{Agreed, MAX_BITS, Settings};

const NAME: &[u8] = b"permessage-deflate";

/// The parameters of one offer or answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<u8>,
    /// Without a value in an offer, it says that the client knows the parameter.
    pub(super) client_max_window_bits: Option<Option<u8>>,
}

impl Parameters {
    /// Adds one; `None` if it is unknown, there already, or has a value that it cannot have (§7.1).
    fn add(&mut self, name: &[u8], value: Option<&[u8]>) -> Option<()> {
        let taken = match (name, value) {
            (b"server_no_context_takeover", None) => {
                std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            (b"server_max_window_bits", Some(value)) => {
                self.server_max_window_bits.replace(window_bits(value)?).is_some()
            }
            (b"client_max_window_bits", None) => {
                self.client_max_window_bits.replace(None).is_some()
            }
            (b"client_max_window_bits", Some(value)) => {
                self.client_max_window_bits.replace(Some(window_bits(value)?)).is_some()
            }
            _ => return None,
        };
        (!taken).then_some(())
    }
}

/// As they stand in the header.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
            Some(None) => f.write_str("; client_max_window_bits"),
            None => Ok(()),
        }
    }
}

/// 8 to 15, without leading zeros; quoted or not, which is the same (RFC 6455 §9.1).
fn window_bits(value: &[u8]) -> Option<u8> {
    let mut digits = value.iter().filter(|byte| !matches!(byte, b'"' | b'\\'));
    match (digits.next(), digits.next(), digits.next()) {
        (Some(digit @ b'8'..=b'9'), None, None) => Some(digit - b'0'),
        (Some(b'1'), Some(digit @ b'0'..=b'5'), None) => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// All extensions of a header: of each whether it is permessage-deflate, and if its parameters are right, which.
fn parse<'v>(values: impl Iterator<Item = &'v [u8]>) -> Option<Vec<(bool, Option<Parameters>)>> {
    let mut found = Vec::new();
    for value in values {
        extensions(value, &mut |part, value| match part {
            None => found.push((value == Some(NAME), Some(Parameters::default()))),
            Some(name) => {
                if let Some((_, parameters)) = found.last_mut() {
                    *parameters = parameters.and_then(|mut parameters| {
                        parameters.add(name, value).map(|()| parameters)
                    });
                }
            }
        })?;
    }
    Some(found)
}

/// The server's part: the first offer that it can accept, and the answer to it. `None` if there is none, and messages go
/// as they are (§5).
pub(super) fn agree<'v>(
    offers: impl Iterator<Item = &'v [u8]>,
    settings: &Settings,
) -> Option<(Agreed, Parameters)> {
    let offers = parse(offers)?.into_iter();
    offers
        .filter(|(is_deflate, _)| *is_deflate)
        .find_map(|(_, offer)| Some(accept(&offer?, settings)))
}

/// Every offer whose parameters are right can be accepted.
fn accept(offer: &Parameters, settings: &Settings) -> (Agreed, Parameters) {
    let window = offer.server_max_window_bits.unwrap_or(MAX_BITS);
    let sent = settings.sent.filter(|_| !offer.server_no_context_takeover);
    let wanted = settings.received.flatten().filter(|_| !offer.client_no_context_takeover);
    let received = match (wanted, offer.client_max_window_bits) {
        // The client cannot be told of less (§7.1.2.2).
        (Some(..MAX_BITS), None) => None,
        (Some(wanted), Some(Some(hint))) => Some(wanted.min(hint)),
        (wanted, _) => wanted,
    };
    let answer = Parameters {
        server_no_context_takeover: offer.server_no_context_takeover,
        client_no_context_takeover: received.is_none(),
        server_max_window_bits: offer.server_max_window_bits,
        client_max_window_bits: received.filter(|bits| *bits < MAX_BITS).map(Some),
    };
    (Agreed { window, sent: sent.map(|bits| bits.min(window)), received }, answer)
}

/// The client's part: its offers, the one that it likes best first.
#[cfg(feature = "client")]
pub(super) fn offers(settings: Settings) -> impl Iterator<Item = Parameters> {
    let plain = Parameters {
        server_no_context_takeover: remembered(&settings).is_none(),
        client_max_window_bits: Some(None),
        ..Parameters::default()
    };
    let small = remembered(&settings).filter(|bits| *bits < MAX_BITS);
    let small = small.map(|bits| Parameters { server_max_window_bits: Some(bits), ..plain });
    small.into_iter().chain([plain])
}

/// How much a client remembers of what it receives, unless the server is content with less.
#[cfg(feature = "client")]
fn remembered(settings: &Settings) -> Option<u8> {
    settings.received.unwrap_or(Some(MAX_BITS))
}

/// A look at the answer to these offers. `None` if it is not of those that a server may give (§5, §7.1); if it
/// gives none, nothing is agreed on.
#[cfg(feature = "client")]
pub(super) fn verify<'v>(
    answer: impl Iterator<Item = &'v [u8]>,
    settings: &Settings,
) -> Option<Option<Agreed>> {
    let answer = match parse(answer)?.as_slice() {
        [] => return Some(None),
        [(true, Some(answer))] => *answer,
        _ => return None,
    };
    let window = match answer.client_max_window_bits {
        None => MAX_BITS,
        Some(bits) => bits?,
    };
    if remembered(settings).is_none() && !answer.server_no_context_takeover {
        return None;
    }
    // Without, it has accepted the offer that does not ask for it.
    let received = answer.server_max_window_bits.unwrap_or(MAX_BITS);
    Some(Some(Agreed {
        window,
        sent: settings
            .sent
            .filter(|_| !answer.client_no_context_takeover)
            .map(|bits| bits.min(window)),
        received: Some(received).filter(|_| !answer.server_no_context_takeover),
    }))
}
