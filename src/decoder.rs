//! One direction: bytes in, frames undone, events out.
//!
//! A whole, unfragmented frame takes the fast path, see `whole`: header, unmask, hand out, no state
//! touched. The general machine serves everything else. Whatever the segmentation of the input, the
//! events are the same, and every fault is found at the first byte that proves it.
//!
//! Once the peer has closed or has failed, the decoder is inert: it reports the same end for ever.

mod found;
mod header;
#[cfg(feature = "deflate")]
mod inflate;
mod whole;

#[cfg(feature = "deflate")]
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::close::CloseCode;
use crate::config::{Agreement, Config, Role};
#[cfg(feature = "deflate")]
use crate::deflate::Inflation;
use crate::error::ProtocolError;
use crate::frame::Opcode;
use crate::mask;
use crate::message::{Close, Event, Message};
use crate::utf8;
pub(crate) use found::Found;
use header::Header;

#[derive(Debug)]
pub(crate) struct Decoder {
    /// Whether the peer's frames must be masked; if not, they must not be.
    masked: bool,
    state: State,
    max_message: usize,
    rest: Rest,
    /// The kind of the fragmented message under way.
    message: Option<Opcode>,
    /// Whether that is compressed.
    #[cfg(feature = "deflate")]
    compressed: bool,
    /// If compression was agreed on.
    #[cfg(feature = "deflate")]
    inflation: Option<Arc<Inflation>>,
    /// How much of the message under way is known to be text.
    text: usize,
    empty_fragments: u8,
    /// Whether a frame header, or a control frame, lies in the caller's buffer in part.
    pub(crate) partial: bool,
    /// The peer's side of the stream has ended.
    pub(crate) eof: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two messages, where the fast path begins.
    Ready,
    /// Within a frame or a fragmented message.
    Busy,
    /// The peer's Close frame, or the end of its stream, was seen.
    Ended,
    Failed,
}

/// What is still to come.
#[derive(Debug)]
enum Rest {
    /// The next frame.
    Any,
    /// The rest of a data frame.
    Frame(Frame),
    /// Nothing: this error, apart, since it is large, and rare.
    Failure(Box<ProtocolError>),
}

/// A data frame of which some payload is still to come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    remaining: usize,
    /// Turned so that it fits the next byte.
    key: [u8; 4],
}

/// What came of a frame.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// It was the last of a message, or a control frame.
    Found(T),
    /// More of its message is to come.
    Fragment,
    /// It is not whole yet, or nothing will come any more.
    Nothing,
}

impl Decoder {
    pub(crate) fn new(role: Role, config: &Config, agreement: Option<&Agreement>) -> Self {
        #[cfg(not(feature = "deflate"))]
        let _ = agreement;
        Self {
            masked: role == Role::Server,
            state: State::Ready,
            max_message: config.max_message,
            rest: Rest::Any,
            message: None,
            #[cfg(feature = "deflate")]
            compressed: false,
            #[cfg(feature = "deflate")]
            inflation: agreement.map(Agreement::inflation),
            text: 0,
            empty_fragments: 0,
            partial: false,
            eof: false,
        }
    }

    /// The message that was found; this is where text is checked as a whole.
    #[inline]
    pub(crate) fn message<'b>(
        &mut self,
        found: &Found,
        input: &'b Buffer,
    ) -> Result<Message<'b>, ProtocolError> {
        let payload = found.payload(input);
        if found.kind != Opcode::Text {
            return Ok(Message::Binary(payload));
        }
        match utf8::whole(payload) {
            Some(text) => Ok(Message::Text(text)),
            None => Err(self.fail(ProtocolError::InvalidText)),
        }
    }

    /// Makes an event of what was found.
    #[inline]
    pub(crate) fn event<'b>(
        &mut self,
        found: &Found,
        input: &'b Buffer,
    ) -> Result<Event<'b>, ProtocolError> {
        match found.is_message() {
            true => self.message(found, input).map(Event::Message),
            false => self.control_event(found, input),
        }
    }

    fn control_event<'b>(
        &mut self,
        found: &Found,
        input: &'b Buffer,
    ) -> Result<Event<'b>, ProtocolError> {
        let payload = found.payload(input);
        match found.kind {
            Opcode::Ping => Ok(Event::Ping(payload)),
            Opcode::Pong => Ok(Event::Pong(payload)),
            _ => match close(payload, found.mid_message) {
                Ok(close) => Ok(Event::Close(close)),
                Err(error) => Err(self.fail(error)),
            },
        }
    }

    /// The peer's stream has ended.
    pub(crate) fn end(&mut self) {
        if !self.has_ended() {
            self.state = State::Ended;
        }
    }

    /// Whether nothing will come any more: after a Close, a failure or the end of the stream.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended | State::Failed)
    }

    pub(crate) fn is_mid_message(&self) -> bool {
        self.state == State::Busy
    }

    /// The general machine, for one frame.
    pub(crate) fn step(&mut self, input: &mut Buffer) -> Result<Step<Found>, ProtocolError> {
        #[cfg(feature = "deflate")]
        input.drop_inflated();
        if self.has_ended() {
            input.clear();
            return match &self.rest {
                Rest::Failure(error) => Err(**error),
                _ => Ok(Step::Nothing),
            };
        }
        let frame = match self.rest {
            Rest::Frame(frame) => frame,
            _ => match self.header(input.unread(), input.message().len()) {
                Ok(Some(header)) if header.opcode.is_control() => {
                    return Ok(self.control(&header, input));
                }
                Ok(Some(header)) => self.begin(&header, input),
                Ok(None) => {
                    input.want(0);
                    return Ok(Step::Nothing);
                }
                Err(error) => return Err(self.fail(error)),
            },
        };
        match self.payload(frame, input) {
            Ok(true) if frame.fin => self.end_message(input).map(Step::Found),
            Ok(true) => Ok(Step::Fragment),
            Ok(false) => Ok(Step::Nothing),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// A control frame, if it lies in the buffer whole.
    fn control(&mut self, header: &Header, input: &mut Buffer) -> Step<Found> {
        let missing = (header.len + header.payload).saturating_sub(input.unread().len());
        if missing > 0 {
            input.want(missing);
            return Step::Nothing;
        }
        let start = input.position() + header.len;
        let payload = start..start + header.payload;
        let bytes = input.unread_mut().get_mut(header.len..);
        if let Some(bytes) = bytes.and_then(|bytes| bytes.get_mut(..header.payload)) {
            mask::apply(bytes, header.key);
        }
        input.consume(header.len + header.payload);
        input.note_frame(header.len + header.payload);
        let mid_message = self.is_mid_message();
        if header.opcode == Opcode::Close {
            input.end_message();
            self.state = State::Ended;
        }
        Step::Found(Found::new(header.opcode, payload, mid_message))
    }

    fn begin(&mut self, header: &Header, input: &mut Buffer) -> Frame {
        input.consume(header.len);
        input.begin_frame(header.len.saturating_add(header.payload));
        self.state = State::Busy;
        if header.opcode != Opcode::Continuation {
            self.message = Some(header.opcode);
            #[cfg(feature = "deflate")]
            {
                self.compressed = header.rsv1;
            }
        }
        if header.payload == 0 && !header.fin {
            self.empty_fragments += 1;
        }
        let Header { fin, payload, key, .. } = *header;
        Frame { fin, remaining: payload, key }
    }

    /// Takes what has arrived of a frame's payload; whether that was all of it.
    fn payload(&mut self, mut frame: Frame, input: &mut Buffer) -> Result<bool, ProtocolError> {
        let arrived = input.unread().len().min(frame.remaining);
        if let Some(bytes) = input.unread_mut().get_mut(..arrived) {
            mask::apply(bytes, frame.key);
        }
        input.take_into_message(arrived);
        frame.remaining -= arrived;
        frame.key = mask::skip(frame.key, arrived);
        let whole = frame.remaining == 0;
        self.go_on(if whole { Rest::Any } else { Rest::Frame(frame) });
        // A complete message is checked as a whole when it is handed out.
        let is_text = self.message == Some(Opcode::Text) && !self.is_compressed();
        if is_text && !(whole && frame.fin) {
            let unchecked = input.message().get(self.text..).unwrap_or_default();
            self.text += utf8::prefix(unchecked).ok_or(ProtocolError::InvalidText)?;
        }
        if whole {
            input.end_frame();
        } else {
            input.want(frame.remaining);
        }
        Ok(whole)
    }

    /// What was to come before is no failure, after which nothing comes: there is nothing to drop.
    fn go_on(&mut self, rest: Rest) {
        std::mem::forget(std::mem::replace(&mut self.rest, rest));
    }

    fn end_message(&mut self, input: &mut Buffer) -> Result<Found, ProtocolError> {
        let kind = self.message.take().unwrap_or(Opcode::Binary);
        self.state = State::Ready;
        self.text = 0;
        self.empty_fragments = 0;
        let found = Found::new(kind, input.end_message(), false);
        #[cfg(feature = "deflate")]
        if self.compressed {
            return self.inflate(found, input);
        }
        Ok(found)
    }

    /// Whether compression was agreed on.
    pub(crate) fn may_be_compressed(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.inflation.is_some();
        #[cfg(not(feature = "deflate"))]
        false
    }

    /// Whether the message under way is compressed.
    fn is_compressed(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.compressed;
        #[cfg(not(feature = "deflate"))]
        false
    }

    /// The most that a message may be long on the wire.
    fn max_payload(&self, rsv1: bool) -> usize {
        #[cfg(feature = "deflate")]
        if rsv1 || self.message.is_some() && self.compressed {
            return self.max_compressed();
        }
        let _ = rsv1;
        self.max_message
    }

    #[inline]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.set_failed(error);
        error
    }

    #[cold]
    #[inline(never)]
    fn set_failed(&mut self, error: ProtocolError) {
        self.state = State::Failed;
        self.rest = Rest::Failure(Box::new(error));
    }
}

/// The body of a Close frame (§5.5.1): nothing, or a code and a reason.
fn close(payload: &[u8], mid_message: bool) -> Result<Close<'_>, ProtocolError> {
    let (code, reason) = match payload {
        [] => (None, payload),
        [_] => return Err(ProtocolError::TruncatedCloseCode),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let known = CloseCode::new(code).ok_or(ProtocolError::InvalidCloseCode(code))?;
            (Some(known), reason)
        }
    };
    let reason = utf8::whole(reason).ok_or(ProtocolError::InvalidCloseReason)?;
    Ok(Close { code, reason, mid_message })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    // FR-24: each byte once as it comes, and never from the beginning
    #[test]
    fn text_in_pieces_is_checked_from_where_the_check_ended() {
        let mut decoder = Decoder::new(Role::Server, &Config::default(), None);
        let mut input = Buffer::new();
        input.extend(b"\x81\x8a\0\0\0\0");
        let mut checked = vec![];
        for byte in "aé€🎉".bytes().take(9) {
            input.extend(&[byte]);
            assert!(matches!(decoder.step(&mut input), Ok(Step::Nothing)));
            checked.push(decoder.text);
        }
        assert_eq!(checked, [1, 1, 3, 3, 3, 6, 6, 6, 6]);
    }
}
