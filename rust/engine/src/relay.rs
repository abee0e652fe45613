//! Relaying an answer that is not at hand as a whole: events of a stream, or the bytes of a large body.
//!
//! A stream goes out event by event, never half of one, so that an error can follow at any time. It ends as a success
//! only if every choice has its finish reason; a missing end mark is added, anything less ends as an error in the
//! client's own dialect.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use fastgate_core::dialects::openai_chat::{self, StreamReader};
use fastgate_core::dialects::{Completeness, EventClass};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::sse::{Splitter, event_data};

use crate::body::BrokenOff;
use crate::flight::Flight;
use crate::joined::Joined;
use crate::settlement::{Outcome, Settlement};
use crate::snapshot::Secrets;
use crate::worker::RequestId;

/// Buffered chunks are joined up to here; it never waits for more.
const JOIN_LIMIT_BYTES: usize = 64 * 1024;

/// An answer on its way from the provider to the client.
#[derive(Debug)]
pub struct Relay {
    flight: Flight,
    settlement: Settlement,
    request_id: RequestId,
    content: Content,
    is_over: bool,
}

#[derive(Debug)]
enum Content {
    Events(Events),
    /// Bytes that were read already, then the rest.
    Bytes(Option<Bytes>),
}

impl Relay {
    /// Relays a stream of events.
    pub(crate) fn events(flight: Flight, settlement: Settlement, request_id: RequestId, events: Events) -> Self {
        Self { flight, settlement, request_id, content: Content::Events(events), is_over: false }
    }

    /// Relays a body of which `head` was read already.
    pub(crate) fn bytes(flight: Flight, settlement: Settlement, request_id: RequestId, head: Bytes) -> Self {
        Self { flight, settlement, request_id, content: Content::Bytes(Some(head)), is_over: false }
    }

    /// The next piece for the client.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match &mut self.content {
            Content::Bytes(head) => {
                if let Some(head) = head.take() {
                    return Poll::Ready(Some(Ok(head)));
                }
                let next = ready!(self.flight.poll_chunk(context));
                self.is_over = !matches!(next, Some(Ok(_)));
                match &next {
                    Some(Ok(_)) => {}
                    Some(Err(failure)) => self.settlement.settle(Outcome::Failed(failure.cause)),
                    None => self.settlement.settle(Outcome::Answered),
                }
                Poll::Ready(next.map(|chunk| chunk.map_err(|_| BrokenOff)))
            }
            Content::Events(_) => self.poll_events(context).map(|next| next.map(Ok)),
        }
    }

    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Content::Events(events) = &mut self.content else { return Poll::Ready(None) };
        let mut joined = Joined::default();
        loop {
            let failure = match self.flight.poll_chunk(context) {
                Poll::Pending => return joined.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes))),
                Poll::Ready(Some(Ok(chunk))) => {
                    let (whole, failure) = events.take_in(chunk);
                    joined.push(whole);
                    if failure.is_none() {
                        if events.content_seen {
                            self.flight.note_content();
                        }
                        if joined.len() >= JOIN_LIMIT_BYTES {
                            return Poll::Ready(joined.take());
                        }
                        continue;
                    }
                    failure
                }
                Poll::Ready(Some(Err(failure))) => Some(failure),
                Poll::Ready(None) => None,
            };
            self.is_over = true;
            let (closing, outcome) = events.close(failure, self.request_id);
            joined.push(closing);
            self.settlement.settle(outcome);
            return Poll::Ready(joined.take());
        }
    }
}

/// The events of one stream, as they pass.
#[derive(Debug)]
pub(crate) struct Events {
    splitter: Splitter,
    reader: StreamReader,
    /// The beginning of an event whose end has not come yet.
    held: BytesMut,
    event_limit_bytes: usize,
    secrets: Arc<Secrets>,
    content_seen: bool,
}

impl Events {
    /// A stream of `choices` choices whose events are at most `event_limit_bytes` long.
    pub(crate) fn new(choices: u64, event_limit_bytes: usize, secrets: Arc<Secrets>) -> Self {
        Self {
            splitter: Splitter::default(),
            reader: StreamReader::new(choices),
            held: BytesMut::new(),
            event_limit_bytes,
            secrets,
            content_seen: false,
        }
    }

    /// Takes in a chunk and gives back the events that are whole now, and why no more may follow.
    fn take_in(&mut self, chunk: Bytes) -> (Bytes, Option<Failure>) {
        let (pending, mut scanned) = if self.held.is_empty() {
            (chunk, 0)
        } else {
            let scanned = self.held.len();
            self.held.extend_from_slice(&chunk);
            (self.held.split().freeze(), scanned)
        };
        let mut whole_bytes = 0;
        let mut has_error = false;
        while let Some(length) = self.splitter.next_border(&pending[scanned..]) {
            scanned += length;
            let class = self.read(&pending[whole_bytes..scanned]);
            has_error |= class == EventClass::Error;
            if class == EventClass::End && self.reader.completeness() == Completeness::Cut {
                // The end mark of an unfinished answer is kept back: clients would take the answer for whole.
                return (self.clean(pending.slice(..whole_bytes), has_error), Some(cut()));
            }
            whole_bytes = scanned;
        }
        if pending.len() - whole_bytes > self.event_limit_bytes {
            let message = format!("an event of the provider's stream is larger than {} bytes", self.event_limit_bytes);
            let failure = Failure::new(Cause::ProviderFailed, message);
            return (self.clean(pending.slice(..whole_bytes), has_error), Some(failure));
        }
        self.held.extend_from_slice(&pending[whole_bytes..]);
        (self.clean(pending.slice(..whole_bytes), has_error), None)
    }

    /// Providers quote credentials in errors; nothing else of a stream is touched.
    fn clean(&self, events: Bytes, has_error: bool) -> Bytes {
        if has_error { self.secrets.remove_from(events) } else { events }
    }

    fn read(&mut self, event: &[u8]) -> EventClass {
        let Some(data) = event_data(event) else { return EventClass::Preamble };
        let class = self.reader.read(&data);
        self.content_seen |= class == EventClass::Content;
        class
    }

    /// What is still to be sent once the provider has stopped, and how the exchange ended.
    fn close(&mut self, failure: Option<Failure>, request_id: RequestId) -> (Bytes, Outcome) {
        let mut closing = BytesMut::new();
        let tail = self.held.split().freeze();
        // A last event without its empty line still counts when it says something whole.
        if !tail.is_empty() {
            let is_kept = match self.read(&tail) {
                EventClass::Error => self.reader.completeness() == Completeness::Failed,
                EventClass::End => self.reader.completeness() != Completeness::Cut,
                _ => true,
            };
            if is_kept {
                closing.extend_from_slice(&self.secrets.remove_from(tail));
            }
        }
        match self.reader.completeness() {
            Completeness::Complete => return (closing.freeze(), Outcome::Answered),
            Completeness::Failed => return (closing.freeze(), Outcome::ProviderError),
            Completeness::EndMarkMissing => {
                if !closing.is_empty() {
                    closing.extend_from_slice(b"\n\n");
                }
                closing.extend_from_slice(openai_chat::END_EVENT);
                return (closing.freeze(), Outcome::Answered);
            }
            Completeness::Cut => {}
        }
        if !closing.is_empty() {
            closing.extend_from_slice(b"\n\n");
        }
        let failure = failure.unwrap_or_else(cut);
        closing.extend_from_slice(&openai_chat::error_event(&failure, request_id.as_str()));
        (closing.freeze(), Outcome::Failed(failure.cause))
    }
}

fn cut() -> Failure {
    Failure::new(Cause::StreamCut, "the provider ended the stream before the answer was complete")
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
