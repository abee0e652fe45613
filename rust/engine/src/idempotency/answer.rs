//! One answer that several clients may be reading: whoever leads writes it, everybody reads at a pace of their own.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Response, response};
use parking_lot::Mutex;

use super::store::{Slot, Store};
use crate::body::{BrokenOff, ResponseBody};

/// What of an answer that is not kept may wait for its slowest reader.
const UNKEPT_LIMIT_BYTES: usize = 1024 * 1024;

/// An answer, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Answer(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    head: Option<response::Parts>,
    chunks: Vec<Bytes>,
    /// Bytes in `chunks`.
    length: usize,
    /// It is kept from its first byte on, so that others may join.
    is_kept: bool,
    end: Option<End>,
    /// The next chunk of each reader; `None` for one that has gone.
    readers: Vec<Option<usize>>,
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Whole,
    BrokenOff,
}

impl State {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Frees what no reader is going to ask for, where nobody new can come.
    fn trim(&mut self) {
        if self.is_kept {
            return;
        }
        let read = self.readers.iter().flatten().min().copied().unwrap_or(self.chunks.len());
        for chunk in &mut self.chunks[..read] {
            self.length -= std::mem::take(chunk).len();
        }
    }
}

impl Answer {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { is_kept: true, ..State::default() })))
    }

    /// A reader from the first byte on; `None` if it is no longer there.
    pub(super) fn subscribe(self: &Arc<Self>) -> Option<Subscription> {
        let mut state = self.0.lock();
        if !state.is_kept {
            return None;
        }
        state.readers.push(Some(0));
        let reader = state.readers.len() - 1;
        Some(Subscription { answer: Arc::clone(self), reader, was_whole: state.end.is_some() })
    }

    /// Nobody new can come any more; how many bytes that frees sooner or later.
    pub(super) fn let_go(&self) -> usize {
        let mut state = self.0.lock();
        if !std::mem::replace(&mut state.is_kept, false) {
            return 0;
        }
        let length = state.length;
        state.trim();
        state.wake();
        length
    }
}

/// The duty to bring an answer to its end.
#[derive(Debug)]
pub(crate) struct Lead {
    answer: Arc<Answer>,
    slot: Slot,
    store: Arc<Store>,
}

impl Lead {
    pub(super) fn new(answer: Arc<Answer>, slot: Slot, store: Arc<Store>) -> Self {
        Self { answer, slot, store }
    }

    /// Makes what an exchange answers readable for all.
    pub(crate) async fn follow(self, response: Response<ResponseBody>) {
        let (head, mut body) = response.into_parts();
        let is_success = head.status.is_success();
        self.begin(head);
        while let Some(chunk) = std::future::poll_fn(|context| body.poll_next(context)).await {
            // Dropped here, it tells its readers that it broke off.
            let Ok(chunk) = chunk else { return };
            if !self.push(chunk) {
                return;
            }
            std::future::poll_fn(|context| self.poll_room(context)).await;
        }
        self.finish(is_success && body.is_success());
    }

    fn begin(&self, head: response::Parts) {
        let mut state = self.answer.0.lock();
        state.head = Some(head);
        state.wake();
    }

    /// Adds a piece. False: nobody reads it, and nobody can come.
    fn push(&self, chunk: Bytes) -> bool {
        let length = chunk.len();
        let is_kept = {
            let mut state = self.answer.0.lock();
            state.length += length;
            state.chunks.push(chunk);
            state.wake();
            state.is_kept
        };
        // The store's lock is never taken inside an answer's.
        if is_kept {
            self.store.grow(&self.slot, length);
        }
        let state = self.answer.0.lock();
        state.is_kept || state.readers.iter().flatten().next().is_some()
    }

    /// Whether the next piece may be asked for.
    fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.answer.0.lock();
        state.trim();
        if state.is_kept || state.length < UNKEPT_LIMIT_BYTES {
            return Poll::Ready(());
        }
        state.waiting.push(context.waker().clone());
        Poll::Pending
    }

    /// The answer is whole. Only a success is kept.
    fn finish(&self, is_success: bool) {
        self.end(End::Whole);
        if is_success {
            self.store.keep(&self.slot);
        } else {
            self.store.forget(&self.slot);
        }
    }

    fn end(&self, end: End) {
        let mut state = self.answer.0.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.wake();
        }
    }
}

impl Drop for Lead {
    /// An answer that broke off may be asked for again.
    fn drop(&mut self) {
        let is_over = self.answer.0.lock().end.is_some();
        if !is_over {
            self.end(End::BrokenOff);
            self.store.forget(&self.slot);
        }
    }
}

/// One reader of an answer.
#[derive(Debug)]
pub struct Subscription {
    answer: Arc<Answer>,
    reader: usize,
    /// It was there as a whole before this reader came.
    pub(crate) was_whole: bool,
}

impl Subscription {
    /// Status and headers; an error if the answer broke off before it had any.
    pub(crate) fn poll_head(&self, context: &mut Context<'_>) -> Poll<Result<response::Parts, BrokenOff>> {
        let mut state = self.answer.0.lock();
        match (&state.head, state.end) {
            (Some(head), _) => Poll::Ready(Ok(head.clone())),
            (None, Some(_)) => Poll::Ready(Err(BrokenOff)),
            (None, None) => {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut state = self.answer.0.lock();
        let Some(next) = state.readers[self.reader] else { return Poll::Ready(None) };
        if let Some(chunk) = state.chunks.get(next).cloned() {
            state.readers[self.reader] = Some(next + 1);
            if !state.is_kept {
                state.trim();
                state.wake();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.end {
            None => {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
            Some(end) => {
                state.readers[self.reader] = None;
                Poll::Ready((end == End::BrokenOff).then_some(Err(BrokenOff)))
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.answer.0.lock();
        state.readers[self.reader] = None;
        state.trim();
        state.wake();
    }
}
