//! What there is at the beginning of a connection, and at its end: one that is idle has neither.

use crate::close::CloseCode;
use crate::end::End;
use crate::error::Error;
use crate::handshake::Request;
use crate::message::Close;

#[derive(Default)]
pub(super) struct Edges(Option<Box<Inner>>);

#[derive(Default)]
struct Inner {
    request: Option<Request>,
    /// The peer's Close: its code, its reason, and whether a message was under way.
    close: Option<(Option<CloseCode>, String, bool)>,
    end: Option<End>,
}

impl Edges {
    pub(super) fn new(request: Option<Request>) -> Self {
        let inner = |request| Box::new(Inner { request: Some(request), ..Inner::default() });
        Self(request.map(inner))
    }

    pub(super) fn request(&self) -> Option<&Request> {
        self.0.as_ref()?.request.as_ref()
    }

    pub(super) fn take_request(&mut self) -> Option<Request> {
        let request = self.0.as_mut()?.request.take();
        self.forget_request();
        request
    }

    /// It has had its time.
    pub(super) fn forget_request(&mut self) {
        if !self.has_ended() {
            self.0 = None;
        }
    }

    pub(super) fn close(&self) -> Option<Close<'_>> {
        let (code, reason, mid_message) = self.0.as_ref()?.close.as_ref()?;
        Some(Close { code: *code, reason, mid_message: *mid_message })
    }

    /// Notes the peer's Close, which is an end.
    pub(super) fn set_close(&mut self, close: &Close<'_>) {
        let Close { code, reason, mid_message } = *close;
        self.set_end(End::Closed);
        self.0.get_or_insert_default().close = Some((code, reason.to_owned(), mid_message));
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.end.is_some())
    }

    /// Notes the first end.
    pub(super) fn set_end(&mut self, end: End) {
        self.0.get_or_insert_default().end.get_or_insert(end);
    }

    /// How it ended.
    pub(super) fn result(&self) -> Result<(), Error> {
        let end = self.0.as_ref().and_then(|inner| inner.end.clone());
        end.map_or(Ok(()), End::into_result)
    }
}
