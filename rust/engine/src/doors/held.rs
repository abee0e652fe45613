//! An answer's body that holds what its request occupies until its last byte is handed over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::seats::Seat;
use super::watch::Busy;
use crate::body::{BrokenOff, ResponseBody};

/// The body of an answer, with its request's seat.
#[derive(Debug)]
pub(super) struct Held {
    body: ResponseBody,
    _busy: Busy,
    _seat: Option<Seat>,
}

impl Held {
    pub(super) fn new(body: ResponseBody, busy: Busy, seat: Option<Seat>) -> Self {
        Self { body, _busy: busy, _seat: seat }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
