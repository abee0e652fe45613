//! A request's body on its way in, and how long it may take.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::tables::ClientTimes;
use http_body::{Body, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::lazy_timer::LazyTimer;

/// A body that a client is still sending.
#[derive(Debug)]
pub struct Arriving {
    incoming: Incoming,
    gap: Duration,
    whole: Duration,
    /// Cleared once the body was read to its end: its connection may carry another request.
    unread: Arc<AtomicBool>,
    /// None while nothing had to be waited for, which is the usual case and costs no look at the clock.
    patience: Option<Box<Patience>>,
}

impl Arriving {
    /// Within these times; `unread` is cleared when it has come whole.
    #[must_use]
    pub fn new(incoming: Incoming, times: ClientTimes, unread: Arc<AtomicBool>) -> Self {
        let (gap, whole) = (Duration::from_millis(times.body_gap_ms), Duration::from_millis(times.body_ms));
        Self { incoming, gap, whole, unread, patience: None }
    }

    /// The next piece; `None` at the proper end.
    ///
    /// # Errors
    /// [`Cause::RequestTimeout`] when it comes too slowly; [`Cause::InvalidRequest`] when the client's transfer breaks.
    pub(crate) fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            let frame = match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    let (gap, whole) = (self.gap, self.whole);
                    let patience = self.patience.get_or_insert_with(|| Box::new(Patience::new()));
                    return patience.poll_over(gap, whole, context).map(|failure| Some(Err(failure)));
                }
            };
            if let Some(patience) = &mut self.patience {
                patience.waits_since = None;
            }
            let Some(frame) = frame else {
                self.unread.store(false, Ordering::Relaxed);
                return Poll::Ready(None);
            };
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => return Poll::Ready(Some(Ok(data))),
                // Trailers.
                Ok(Err(_)) => {}
                Err(_) => {
                    let failure = Failure::invalid_request("the request body broke off", None);
                    return Poll::Ready(Some(Err(failure)));
                }
            }
        }
    }

    /// How long it is, as far as the client has said.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Nothing more will come.
    pub(crate) fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }
}

/// How long the rest of a body is waited for. What the gateway itself takes to pass pieces on is no gap of the client's.
#[derive(Debug)]
struct Patience {
    started: Instant,
    waits_since: Option<Instant>,
    timer: LazyTimer,
}

impl Patience {
    fn new() -> Self {
        Self { started: Instant::now(), waits_since: None, timer: LazyTimer::default() }
    }

    fn poll_over(&mut self, gap: Duration, whole: Duration, context: &mut Context<'_>) -> Poll<Failure> {
        let waits_since = *self.waits_since.get_or_insert_with(Instant::now);
        let deadline = (waits_since + gap).min(self.started + whole);
        let now = ready!(self.timer.poll_until(deadline, context));
        let so_far = (now - self.started).as_millis();
        let message = format!("the request body had not come whole after {so_far} ms, or came too slowly");
        Poll::Ready(Failure::new(Cause::RequestTimeout, message))
    }
}
