//! An HTTP/1.1 connection to a provider, exclusive to one exchange at a time and driven by it.
//!
//! Our own, since every request is one: a head that is mostly copied, one buffer that is used again, no task, no channel
//! and no wake-up between the two. `fastgate_core::http1` decides what bytes mean; this moves them.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use fastgate_core::http1::{AnswerHead, ChunkedReader, Framing, Step};
use http::{HeaderName, HeaderValue, Response, StatusCode, response};
use tokio::io::AsyncReadExt;

use super::connection::{BrokenBody, SendError, Stream};
use super::counts::OpenConnection;
use super::request_head::RequestHead;
use super::upload::{Upload, UploadError};
use crate::spare_headers;
use crate::upload::UpstreamBody;

/// Largest head of an answer.
pub(super) const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// Room for what is read at once, at first; more for an answer that fills it.
const READ_BYTES: usize = 8 * 1024;
const READ_LIMIT_BYTES: usize = 128 * 1024;

pub(crate) struct Http1 {
    stream: Box<dyn Stream>,
    upload: Upload,
    received: BytesMut,
    /// How much of it was searched for the end of a line, in vain.
    searched: usize,
    /// Room to make for the next read.
    read_bytes: usize,
    state: State,
    _open: OpenConnection,
}

/// Where the reading is.
enum State {
    /// Nothing is awaited: another request may be sent.
    Idle,
    Head,
    /// So many bytes are missing.
    Length {
        left: u64,
        is_persistent: bool,
    },
    Chunks {
        reader: ChunkedReader,
        is_persistent: bool,
    },
    UntilClose,
    /// Nothing more can come.
    Over,
}

impl Http1 {
    pub(super) fn new(stream: Box<dyn Stream>, open: OpenConnection) -> Self {
        Self {
            stream,
            upload: Upload::default(),
            received: BytesMut::new(),
            searched: 0,
            read_bytes: READ_BYTES,
            state: State::Idle,
            _open: open,
        }
    }

    /// Whether another request may be sent. What comes unasked, an end among it, makes a connection useless.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut room = [0];
        let mut context = Context::from_waker(Waker::noop());
        matches!(self.state, State::Idle) && pin!(self.stream.read(&mut room)).poll(&mut context).is_pending()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        head: &RequestHead<'_>,
        body: UpstreamBody,
    ) -> Result<response::Parts, SendError> {
        self.upload.begin(head, body);
        self.state = State::Head;
        std::future::poll_fn(|context| self.poll_head(context)).await
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<Result<response::Parts, SendError>> {
        let uploaded = self.upload.poll(&mut *self.stream, context);
        if matches!(uploaded, Poll::Ready(Err(UploadError::EndedEarly))) {
            return Poll::Ready(Err(SendError::new("the request body ended early")));
        }
        loop {
            match self.read_head() {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(reason) => return Poll::Ready(Err(SendError::new(reason))),
            }
            let error = match self.poll_receive(context) {
                Poll::Ready(Ok(0)) => io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection"),
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(error)) => error,
                // What can't be sent has no answer, unless one is there already.
                Poll::Pending => match uploaded {
                    Poll::Ready(Err(UploadError::Connection(error))) => error,
                    _ => return Poll::Pending,
                },
            };
            return Poll::Ready(Err(self.unanswered(&error)));
        }
    }

    fn unanswered(&mut self, error: &io::Error) -> SendError {
        // A request that crosses the closing on the wire is answered with a reset: which of the two is seen first is chance.
        let is_end = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        );
        let is_connection_closed = is_end && self.received.is_empty();
        let unsent = if is_connection_closed { self.upload.take_unsent() } else { None };
        SendError { reason: error.to_string(), is_connection_closed, unsent }
    }

    /// The head of the answer, once all of it is there.
    fn read_head(&mut self) -> Result<Option<response::Parts>, String> {
        loop {
            // A line that is not whole makes no head whole: one that drips in is not read again with every drop.
            if memchr::memchr(b'\n', &self.received[self.searched..]).is_none() {
                self.searched = self.received.len();
                return self.partial_head();
            }
            self.searched = self.received.len();
            let mut fields = smallvec::SmallVec::<[_; 24]>::new();
            let read = AnswerHead::read(&self.received, |name, value| {
                fields.push((HeaderName::from_bytes(name.as_bytes()), value));
            });
            let Some(head) = read.map_err(|error| error.to_string())? else { return self.partial_head() };
            self.searched = 0;
            let bytes = self.received.split_to(head.length).freeze();
            if head.status == 101 {
                return Err("it changed to a protocol that nobody asked for".to_owned());
            }
            // `100 Continue` and its kind come before the answer.
            if head.status < 200 {
                continue;
            }
            let mut headers = spare_headers::take(fields.len());
            for (name, value) in fields.drain(..) {
                let value = HeaderValue::from_maybe_shared(bytes.slice(value));
                let (Ok(name), Ok(value)) = (name, value) else { return Err("its answer is not HTTP".to_owned()) };
                headers.append(name, value);
            }
            let mut parts = Response::new(()).into_parts().0;
            parts.status = StatusCode::from_u16(head.status).map_err(|error| error.to_string())?;
            parts.headers = headers;
            self.state = match head.framing {
                Framing::Length(left) => State::Length { left, is_persistent: head.is_persistent },
                Framing::Chunked => {
                    State::Chunks { reader: ChunkedReader::default(), is_persistent: head.is_persistent }
                }
                Framing::UntilClose => State::UntilClose,
            };
            return Ok(Some(parts));
        }
    }

    fn partial_head(&self) -> Result<Option<response::Parts>, String> {
        let is_too_large = self.received.len() > HEAD_LIMIT_BYTES;
        if is_too_large { Err("the head of its answer is too large".to_owned()) } else { Ok(None) }
    }

    /// The next piece of the answer's body; `None` at its proper end.
    pub(super) fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        // An answer may begin before its request is whole. Whether the rest of that goes out changes nothing about it.
        let is_uploaded = matches!(self.upload.poll(&mut *self.stream, context), Poll::Ready(Ok(())));
        loop {
            let (length, is_persistent) = match &mut self.state {
                State::Length { left: 0, is_persistent } => (None, *is_persistent),
                State::Length { left, .. } => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(self.received.len());
                    *left -= length as u64;
                    (Some(length), false)
                }
                State::Chunks { reader, is_persistent } => match reader.step(&self.received) {
                    Ok(Step::Data { skipped, length }) => {
                        self.received.advance(skipped);
                        (Some(length), false)
                    }
                    Ok(Step::More) => {
                        self.received.clear();
                        (Some(0), false)
                    }
                    Ok(Step::End { skipped }) => {
                        self.received.advance(skipped);
                        (None, *is_persistent)
                    }
                    Err(_) => return self.break_off(),
                },
                State::UntilClose => (Some(self.received.len()), false),
                State::Idle | State::Head | State::Over => return Poll::Ready(None),
            };
            match length {
                Some(0) => {}
                Some(length) => return Poll::Ready(Some(Ok(self.received.split_to(length).freeze()))),
                None => {
                    let is_clean = is_persistent && is_uploaded && self.received.is_empty();
                    self.state = if is_clean { State::Idle } else { State::Over };
                    self.read_bytes = READ_BYTES;
                    return Poll::Ready(None);
                }
            }
            match ready!(self.poll_receive(context)) {
                Ok(0) if matches!(self.state, State::UntilClose) => {
                    self.state = State::Over;
                    return Poll::Ready(None);
                }
                Ok(0) | Err(_) => return self.break_off(),
                Ok(_) => {}
            }
        }
    }

    fn break_off(&mut self) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        self.state = State::Over;
        Poll::Ready(Some(Err(BrokenBody)))
    }

    /// Reads what has arrived: how many bytes, 0 at the end.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Room where all earlier pieces are gone is used again, without asking for memory.
        self.received.reserve(self.read_bytes);
        let room = self.received.capacity() - self.received.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.received)).poll(context));
        if read.as_ref().is_ok_and(|count| *count == room) {
            self.read_bytes = (2 * self.read_bytes).min(READ_LIMIT_BYTES);
        }
        Poll::Ready(read)
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
