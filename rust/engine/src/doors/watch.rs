//! What a client's connection may take its time for: the handshake of TLS, a head, the next request, taking an answer.
//!
//! One lazy timer per connection: reading and writing note no time unless they have to wait. hyper's own timer covers
//! heads only and cannot tell an idle connection from a slow head.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fastgate_core::tables::ClientTimes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::lazy_timer::LazyTimer;

/// After a refusal the rest of a request is read and dropped for this long: closing at once would reset the
/// connection, and the client could lose the answer.
const LINGER: Duration = Duration::from_secs(2);

/// What an HTTP/1.1 client is told that did not finish a head in time.
const HEAD_TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\n\
    connection: close\r\ncontent-length: 130\r\n\r\n\
    {\"error\":{\"message\":\"the request's headers came too slowly\",\"type\":\"invalid_request_error\",\
    \"param\":null,\"code\":\"request_timeout\"}}";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Nothing has come yet.
    Opening,
    /// Between two requests.
    Idle,
    /// A request's head has begun (HTTP/1.1).
    Head,
    /// At least one request is being answered.
    Busy,
}

/// What one connection is doing, as its transport and its requests tell.
#[derive(Debug)]
pub(super) struct Watch {
    times: ClientTimes,
    /// Requests come one at a time, and heads as text.
    is_http1: bool,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    active: Cell<u32>,
    /// Since when the client has taken nothing of what is to be written.
    stalled_since: Cell<Option<Instant>>,
    /// A request's body has not come whole: see [`LINGER`].
    pub(super) unread: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn new(times: ClientTimes, is_http1: bool) -> Rc<Self> {
        Rc::new(Self {
            times,
            is_http1,
            phase: Cell::new(Phase::Opening),
            since: Cell::new(Instant::now()),
            active: Cell::new(0),
            stalled_since: Cell::new(None),
            unread: Arc::default(),
        })
    }

    /// A request has come; its answer is on its way until the guard is dropped.
    pub(super) fn begin(self: &Rc<Self>, has_body: bool) -> Busy {
        self.unread.store(has_body, Ordering::Relaxed);
        if self.active.replace(self.active.get() + 1) == 0 {
            self.enter(Phase::Busy);
        }
        Busy(Rc::clone(self))
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// When the client's time is up; `None` while it is not the client that is waited for.
    fn deadline(&self) -> Option<Instant> {
        let after = |since: Instant, ms| since + Duration::from_millis(ms);
        let since = self.since.get();
        let waiting = match self.phase.get() {
            Phase::Opening | Phase::Head => Some(after(since, self.times.head_ms)),
            Phase::Idle => Some(after(since, self.times.keep_alive_ms)),
            Phase::Busy => self.is_http1.then(|| after(since, self.times.exchange_ms)),
        };
        let stalled = self.stalled_since.get().map(|since| after(since, self.times.write_gap_ms));
        waiting.into_iter().chain(stalled).min()
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Rc<Watch>);

impl Drop for Busy {
    fn drop(&mut self) {
        let watch = &self.0;
        watch.active.set(watch.active.get() - 1);
        if watch.active.get() == 0 {
            watch.enter(Phase::Idle);
        }
    }
}

/// A client's transport that fails once the client's time is up.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    watch: Rc<Watch>,
    timer: RefCell<LazyTimer>,
    closing_since: Option<Instant>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Watched<T> {
    pub(super) fn new(stream: T, watch: Rc<Watch>) -> Self {
        Self { stream, watch, timer: RefCell::default(), closing_since: None }
    }

    /// Ready once `deadline` has passed.
    fn poll_until(&self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        self.timer.borrow_mut().poll_until(deadline, context).map(|_| ())
    }

    /// Fails once the client's time is up.
    fn poll_over<R>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        let Some(deadline) = self.watch.deadline() else { return Poll::Pending };
        ready!(self.poll_until(deadline, context));
        if self.watch.is_http1 && self.watch.phase.get() == Phase::Head {
            // Nothing has been written for this request yet, and what does not fit now is not worth waiting for.
            let _ = Pin::new(&mut self.stream).poll_write(context, HEAD_TIMED_OUT);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn note_write<R>(&mut self, written: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.watch.stalled_since.set(None);
            return written;
        }
        if self.watch.stalled_since.get().is_none() {
            self.watch.stalled_since.set(Some(Instant::now()));
        }
        self.poll_over(context)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.stream).poll_read(context, buffer)?.is_pending() {
            return self.poll_over(context);
        }
        let is_waiting = matches!(self.watch.phase.get(), Phase::Opening | Phase::Idle);
        if is_waiting && self.watch.is_http1 && buffer.filled().len() > before {
            self.watch.enter(Phase::Head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() && self.watch.phase.get() == Phase::Idle {
            // hyper still waits for the read that found nothing while the answer was made, and does not read again.
            let _ = self.poll_over::<()>(context);
        }
        self.note_write(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing_since.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.closing_since = Some(Instant::now());
        }
        let Some(since) = self.closing_since.filter(|_| self.watch.unread.load(Ordering::Relaxed)) else {
            return Poll::Ready(Ok(()));
        };
        let mut scratch = [0; 8192];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && since.elapsed() < LINGER => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return self.poll_until(since + LINGER, context).map(Ok),
            }
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
