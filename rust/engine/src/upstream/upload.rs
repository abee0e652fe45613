//! A request on its way over an HTTP/1.1 connection.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::Body;

use super::connection::Stream;
use super::request_head::RequestHead;
use crate::upload::UpstreamBody;

/// What is to be sent of one request.
#[derive(Default)]
pub(super) struct Upload {
    /// The head, or what stands between two chunks. Its memory is used again by the next request.
    framing: Vec<u8>,
    framing_sent: usize,
    /// Data that follows it.
    data: Bytes,
    body: Option<UpstreamBody>,
    progress: Progress,
    is_chunked: bool,
    has_chunks: bool,
    is_begun: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Progress {
    /// There is nothing to send, or all of it is out.
    #[default]
    Over,
    /// The body may have more.
    Body,
    /// All of it was taken, and not all of it sent.
    Rest,
    /// The body ended early. Whatever goes out now must not look like its end.
    EndedEarly,
}

/// Why a request does not go out.
#[derive(Debug)]
pub(super) enum UploadError {
    /// Its body broke off, or is refused.
    EndedEarly,
    /// The connection takes no more.
    Connection(io::Error),
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl Upload {
    /// Takes in the next request.
    pub(super) fn begin(&mut self, head: &RequestHead<'_>, body: UpstreamBody) {
        let length_bytes = body.size_hint().exact();
        let mut framing = std::mem::take(&mut self.framing);
        framing.clear();
        head.write(&mut framing, length_bytes);
        *self = Self {
            framing,
            body: Some(body),
            progress: Progress::Body,
            is_chunked: length_bytes.is_none(),
            ..Self::default()
        };
    }

    /// The body, where nothing of the request went out.
    pub(super) fn take_unsent(&mut self) -> Option<UpstreamBody> {
        if self.is_begun { None } else { self.body.take() }
    }

    /// Sends on; ready once all of it is out.
    pub(super) fn poll(&mut self, stream: &mut dyn Stream, context: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        loop {
            // Taken before the head goes out, so that the two go together.
            let is_waiting = self.poll_take(context)?.is_pending();
            if self.progress == Progress::Over {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_write(stream, context))?;
            if is_waiting || self.progress == Progress::Rest {
                ready!(Pin::new(&mut *stream).poll_flush(context))?;
            }
            if is_waiting {
                return Poll::Pending;
            }
            if self.progress == Progress::Rest {
                self.progress = Progress::Over;
            }
        }
    }

    /// Takes the next piece of the body once the last one is out.
    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        match self.progress {
            Progress::EndedEarly => return Poll::Ready(Err(UploadError::EndedEarly)),
            Progress::Body if self.data.is_empty() => {}
            _ => return Poll::Ready(Ok(())),
        }
        let frame = self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context));
        match ready!(frame) {
            Some(Ok(frame)) => {
                self.data = frame.into_data().unwrap_or_default();
                if self.is_chunked && !self.data.is_empty() {
                    self.separate(format_args!("{:x}\r\n", self.data.len()))?;
                    self.has_chunks = true;
                }
            }
            Some(Err(_)) => {
                self.progress = Progress::EndedEarly;
                return Poll::Ready(Err(UploadError::EndedEarly));
            }
            None => {
                if self.is_chunked {
                    self.separate(format_args!("0\r\n\r\n"))?;
                }
                self.progress = Progress::Rest;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the chunk before, and begins another.
    fn separate(&mut self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        if self.has_chunks {
            self.framing.extend_from_slice(b"\r\n");
        }
        self.framing.write_fmt(line)
    }

    fn poll_write(&mut self, stream: &mut dyn Stream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.framing_sent < self.framing.len() || !self.data.is_empty() {
            let framing = &self.framing[self.framing_sent..];
            let slices = [IoSlice::new(framing), IoSlice::new(&self.data)];
            // A stream that takes one slice at a time takes the first, which must not be empty.
            let slices = if framing.is_empty() { &slices[1..] } else { &slices[..] };
            let sent = ready!(Pin::new(&mut *stream).poll_write_vectored(context, slices))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_begun = true;
            let of_framing = sent.min(framing.len());
            self.framing_sent += of_framing;
            self.data.advance(sent - of_framing);
        }
        self.framing.clear();
        self.framing_sent = 0;
        Poll::Ready(Ok(()))
    }
}
