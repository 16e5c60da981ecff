//! Close codes: only those that may stand on the wire can be built (RFC 6455 §7.4).

use std::fmt;

use thiserror::Error;

/// The reason for closing a connection; a status code that may stand in a Close frame.
///
/// 1005 ("no code"), 1006 ("no Close frame") and 1015 ("TLS failed") describe what
/// happened *without* a code on the wire, so there is no such `CloseCode`: a Close frame
/// without a code is `None`, a connection that ended without a Close frame is an error.
///
/// ```
/// use sansocket::CloseCode;
///
/// assert_eq!(CloseCode::new(1001), Some(CloseCode::GOING_AWAY));
/// assert_eq!(CloseCode::new(4000).map(u16::from), Some(4000));
/// assert_eq!(CloseCode::new(1006), None);
/// ```
#[doc(alias = "status code")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server stops, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that this endpoint does not take, such as binary.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the content contradicts its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message violates a policy; for when no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension the client needs. For clients
    /// only; [`Connection::close`](crate::Connection::close) of a server refuses it.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition keeps this endpoint from going on.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; come back, after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from its upstream server.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code, if it may stand on the wire: 1000 to 1003, 1007 to 1014 (IANA registry),
    /// 3000 to 3999 (for libraries and frameworks), 4000 to 4999 (for applications).
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }
}

/// Of the 125 bytes that a control frame carries, two are the code's (§5.5, §5.5.1).
const MAX_REASON: usize = 123;

/// The longest beginning of `reason` that a Close frame can carry behind its code: up to 123 bytes,
/// cut between two characters (§5.5.1).
pub(crate) fn reason(reason: &str) -> &str {
    if reason.len() <= MAX_REASON {
        return reason;
    }
    let end = (0..=MAX_REASON).rev().find(|&end| reason.is_char_boundary(end));
    end.and_then(|end| reason.get(..end)).unwrap_or_default()
}

/// A number that is no close code, or must not stand in a Close frame (§7.4).
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("{0} is no close code that may be sent")]
pub struct CloseCodeError(pub(crate) u16);

impl TryFrom<u16> for CloseCode {
    type Error = CloseCodeError;

    fn try_from(code: u16) -> Result<Self, CloseCodeError> {
        Self::new(code).ok_or(CloseCodeError(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CloseCode({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-131, R-132, R-133, CL-09, CL-10: all 65,536
    #[test]
    fn a_code_is_built_exactly_when_it_may_stand_on_the_wire() {
        for code in 0..=u16::MAX {
            let registered =
                [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
            let private = code / 1000 == 3 || code / 1000 == 4;
            let wanted = registered.contains(&code) || private;
            assert_eq!(CloseCode::new(code).map(u16::from), wanted.then_some(code));
            let tried = CloseCode::try_from(code).map(u16::from);
            assert_eq!(tried, if wanted { Ok(code) } else { Err(CloseCodeError(code)) });
        }
        let refused = CloseCodeError(1006).to_string();
        assert_eq!(refused, "1006 is no close code that may be sent");
    }

    // R-122, CL-12
    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        for (unit, len) in [("x", 123), ("é", 122), ("€", 123), ("🎉", 120)] {
            let long = unit.repeat(70_000 / unit.len());
            assert_eq!(reason(&long).len(), len);
            assert!(long.starts_with(reason(&long)));
            let fits = unit.repeat(123 / unit.len());
            assert_eq!(reason(&fits), fits);
        }
        assert_eq!(reason(&format!("{}é", "x".repeat(122))), "x".repeat(122));
        assert_eq!(reason(""), "");
    }
}
