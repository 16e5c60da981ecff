//! From a request to an open connection, or to an answer that opens none: as the application says.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::app::{Answer, App, Verdict};
use super::client::{Client, Handshake, Stage, Taken};
use super::common::Common;
use super::table::Id;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::handshake::{Incoming, Response};
#[cfg(feature = "rustls")]
use crate::tls::{http_refusal, spoke_http};

impl<S> Client<S> {
    pub(super) fn shake_hands<A: App<State = S>>(
        &mut self,
        id: Id,
        input: &mut Buffer,
        app: &mut A,
        common: &Common,
    ) {
        self.refuse_full();
        let Stage::Handshake(handshake) = &mut self.stage else {
            return;
        };
        let was_silent = handshake.acceptor.pending().is_empty();
        match handshake.acceptor.next(input) {
            Ok(None) => {}
            Ok(Some(Incoming::Upgrade(request))) => {
                let verdict = app.request(id, handshake.from, &request);
                self.decide(verdict, common);
            }
            Ok(Some(Incoming::Http(head))) => match app.http(handshake.from, &head) {
                Answer::Respond(response) => {
                    handshake.reported = true; // it knows
                    handshake.respond(response);
                }
                Answer::Reject => {
                    if let Some(error) = handshake.acceptor.reject() {
                        handshake.report(app, &error.into());
                    }
                }
                Answer::Take(serve) => handshake.taken = Some(Taken { head, serve }),
            },
            // A refusal is pending, now. From then on it is the same again.
            Err(error) if was_silent && !handshake.acceptor.pending().is_empty() => {
                handshake.report(app, &error.into());
            }
            Err(_) => {}
        }
    }

    /// Answers a client for which there is no room, once it can be told: a TLS handshake has the deadline of any other, and
    /// ends with the stream.
    pub(super) fn refuse_full(&mut self) {
        if let Stage::Handshake(handshake) = &mut self.stage {
            if handshake.is_refusal && !self.socket.is_handshaking() {
                let _ = handshake.acceptor.respond(Response::full()); // once
            }
        }
    }

    /// Answers a client that speaks plain HTTP where TLS is to be spoken.
    #[cfg(feature = "rustls")]
    pub(super) fn refuse_http<A: App<State = S>>(&mut self, app: &mut A) {
        if let Stage::Handshake(handshake) = &mut self.stage {
            // One for which there is no room is told that, in the clear.
            if !handshake.is_refusal {
                handshake.respond(http_refusal());
                handshake.report(app, &spoke_http().into());
            }
        }
    }

    /// Answers a request.
    pub(super) fn decide(&mut self, verdict: Verdict<S>, common: &Common) {
        let Stage::Handshake(handshake) = &mut self.stage else {
            return;
        };
        handshake.deciding = None;
        let (response, state) = match verdict {
            _ if common.stopping => (Response::unavailable("the server is stopping\n"), None),
            Verdict::Accept(response, state) => (response, Some(state)),
            Verdict::Refuse(response) => {
                handshake.reported = true; // it knows
                (response, None)
            }
            Verdict::Later => {
                let timeout = common.config.handshake_timeout.into();
                // Too late to be told is never.
                handshake.deciding = Some(common.now.checked_add(timeout).unwrap_or(common.now));
                return;
            }
        };
        match state {
            None => handshake.respond(response),
            Some(state) => match handshake.acceptor.accept(response) {
                Ok(connection) => {
                    self.stage = Stage::Open { connection, state: Some(state) };
                    self.flags.opening = true;
                    self.flags.undecoded = true; // frames of a client in a hurry
                }
                Err(_) => handshake.respond(Response::no_answer()),
            },
        }
    }
}

impl Handshake {
    /// Tells the application why it is not let in, once.
    pub(super) fn report<A: App>(&mut self, app: &mut A, error: &Error) {
        if !std::mem::replace(&mut self.reported, true) {
            refused(app, self.from, error);
        }
    }

    /// Answers without opening a connection.
    pub(super) fn respond(&mut self, response: Response) {
        if self.acceptor.respond(response).is_err() {
            // An acceptance. There was no other answer before.
            let _ = self.acceptor.respond(Response::no_answer());
        }
    }
}

/// A panic in there is no reason to serve nobody any more.
pub(super) fn refused<A: App>(app: &mut A, from: SocketAddr, error: &Error) {
    let _ = catch_unwind(AssertUnwindSafe(|| app.refused(from, error)));
}
