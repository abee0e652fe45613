//! Bodies as both doors see them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fastgate_core::failure::{Cause, Failure};
use http_body::{Body, Frame, SizeHint};

use crate::arriving::Arriving;
use crate::idempotency::Subscription;
use crate::joined::Joined;
use crate::relay::Relay;

/// A request's body: still on its way (native door) or already read (ASGI door).
#[derive(Debug)]
pub enum RequestBody {
    /// Comes from hyper.
    Arriving(Arriving),
    /// Was read by the server in front.
    Whole(Bytes),
    /// Announced as larger than any body may be, and not read.
    TooLarge,
}

impl RequestBody {
    /// Reads the body once. One frame, the usual case, is not copied.
    ///
    /// # Errors
    /// [`Cause::BodyTooLarge`] beyond `limit_bytes`, before reading where the length is known;
    /// [`Cause::RequestTimeout`] when it comes too slowly; [`Cause::InvalidRequest`] when the client's transfer breaks.
    pub async fn read(self, limit_bytes: usize) -> Result<Bytes, Failure> {
        let mut arriving = match self {
            Self::Whole(bytes) if bytes.len() > limit_bytes => return Err(too_large(limit_bytes)),
            Self::Whole(bytes) => return Ok(bytes),
            Self::TooLarge => return Err(too_large(limit_bytes)),
            Self::Arriving(arriving) => arriving,
        };
        if arriving.size_hint().lower() > limit_bytes as u64 {
            return Err(too_large(limit_bytes));
        }
        let mut joined = Joined::default();
        while let Some(data) = std::future::poll_fn(|context| arriving.poll_data(context)).await {
            let data = data?;
            if joined.len() + data.len() > limit_bytes {
                return Err(too_large(limit_bytes));
            }
            joined.push(data);
        }
        Ok(joined.take().unwrap_or_default())
    }
}

pub(crate) fn too_large(limit_bytes: usize) -> Failure {
    Failure::new(Cause::BodyTooLarge, format!("the request body is larger than the limit of {limit_bytes} bytes"))
}

/// An answer's body: at hand, or relayed from the provider.
#[derive(Debug)]
pub enum ResponseBody {
    /// At hand as a whole.
    Whole(Bytes),
    /// Comes from the provider while it is sent.
    Relay(Box<Relay>),
    /// Is made once for several clients.
    Shared(Box<Subscription>),
}

impl ResponseBody {
    /// The next piece.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Self::Relay(relay) => relay.poll_next(context),
            Self::Shared(subscription) => subscription.poll_next(context),
        }
    }

    /// Whether the answer was a success to its end, as far as it is known.
    pub(crate) fn is_success(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Relay(relay) => relay.is_success(),
            Self::Shared(_) => false,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.poll_next(context).map(|next| next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Relay(_) | Self::Shared(_) => SizeHint::default(),
        }
    }
}

/// The provider broke off in the middle of an answer that has no way to say so; the client's connection is cut too,
/// so that the answer can't be taken for whole.
#[derive(Debug)]
pub struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the provider broke off in the middle of an answer")
    }
}

impl std::error::Error for BrokenOff {}
