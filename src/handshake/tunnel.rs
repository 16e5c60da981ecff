//! A tunnel through an HTTP proxy, without a socket or a clock (RFC 9110 §9.3.6).

use super::Exchange;
use super::client::{Error, find_answer_end, parse};
use super::exchange::Stage;
use crate::buffer::Buffer;
use crate::config::{Config, Role};

/// Interim responses that a proxy may send before its answer.
const MAX_INTERIM: u8 = 16;

/// One CONNECT, from its first byte to the end of the answer's head.
#[derive(Debug)]
pub(crate) struct Tunnel {
    exchange: Exchange,
    config: Config,
    interim: u8,
}

impl Tunnel {
    /// To `authority`, a host and a port, with the value of `Proxy-Authorization`, if any.
    pub(crate) fn new(authority: &str, authorization: Option<&str>, config: &Config) -> Self {
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(value) = authorization {
            request.extend(["Proxy-Authorization: ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        let exchange = Exchange::new(Role::Client, request.into_bytes(), config);
        Self { exchange, config: config.clone(), interim: 0 }
    }

    /// Whether the tunnel is open. The bytes behind the answer in `input` are the other end's.
    pub(crate) fn next(&mut self, input: &mut Buffer) -> Result<bool, Error> {
        self.exchange.hear(!input.unread().is_empty());
        loop {
            let Some(end) = find_answer_end(input, &self.config)? else {
                return Ok(false);
            };
            let (status, head) = parse(input.unread().get(..end).unwrap_or_default())?;
            input.consume(end);
            match status {
                100..=199 if self.interim < MAX_INTERIM => self.interim += 1,
                200..=299 => {
                    self.exchange.enter(Stage::Deciding);
                    return Ok(true);
                }
                _ => return Err(Error::ProxyRefused { status, head: Box::new(head) }),
            }
        }
    }

    pub(crate) fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // DI-05
    #[test]
    fn a_tunnel_is_open_after_any_2xx_and_nothing_else() {
        for (answer, opens) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 200 Connection established\r\n\r\n", true),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
                true,
            ),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
            ("SSH-2.0\r\n\r\n", false),
        ] {
            let mut tunnel = Tunnel::new("h:80", None, &Config::default());
            assert_eq!(tunnel.exchange().pending(), b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
            let mut input = Buffer::new();
            input.extend(answer.as_bytes());
            input.extend(b"first");
            match tunnel.next(&mut input) {
                Ok(opened) => {
                    assert_eq!((opened, opens), (opens, answer.contains(" 20")), "{answer}")
                }
                Err(_) => assert!(!opens, "{answer}"),
            }
            if opens {
                assert_eq!(input.unread(), b"first");
            }
        }
    }

    // DI-05
    #[test]
    fn an_answer_without_end_is_too_large() {
        let mut tunnel = Tunnel::new("h:80", None, &Config::default());
        let mut input = Buffer::new();
        input.extend(b"HTTP/1.1 200 OK\r\n");
        while input.unread().len() <= 64 << 10 {
            match tunnel.next(&mut input) {
                Ok(opened) => assert!(!opened),
                Err(error) => return assert!(matches!(error, Error::HeadTooLarge), "{error}"),
            }
            input.extend(&[b'x'; 1000]);
        }
        unreachable!("64 KiB of a head");
    }
}
