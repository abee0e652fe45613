//! Relaying an answer that is not at hand as a whole: events of a stream, or the bytes of a large body.
//!
//! A stream goes out event by event, never half of one, so that an error can follow at any time. It ends as a success
//! only if every choice has its finish reason; a missing end mark is added, anything less ends as an error in the
//! client's own dialect.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fastgate_core::dialects::{Completeness, EventClass, Reading, StreamReader};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::resilience::Verdict;
use fastgate_core::sse::{Splitter, event_data};
use fastgate_core::usage::Usage;
use tokio::time::Instant;

use crate::body::BrokenOff;
use crate::flight::Flight;
use crate::joined::Joined;
use crate::pings::Pings;
use crate::record::Record;
use crate::settlement::{Outcome, Settlement};
use crate::snapshot::Secrets;
use crate::translation;
use crate::worker::RequestId;

/// Buffered chunks are joined up to here; it never waits for more.
const JOIN_LIMIT_BYTES: usize = 64 * 1024;

/// An answer on its way from the provider to the client.
#[derive(Debug)]
pub struct Relay {
    flight: Flight,
    settlement: Settlement,
    content: Content,
    /// The id of what the stream makes was noted.
    is_noted: bool,
    is_over: bool,
}

#[derive(Debug)]
enum Content {
    Events(Box<Events>),
    /// Bytes that were read already, then the rest.
    Bytes(Option<Bytes>),
}

impl Relay {
    /// Relays a stream of events.
    pub(crate) fn events(flight: Flight, settlement: Settlement, events: Box<Events>) -> Self {
        Self { flight, settlement, content: Content::Events(events), is_noted: false, is_over: false }
    }

    /// Relays a body of which `head` was read already.
    pub(crate) fn bytes(flight: Flight, settlement: Settlement, head: Bytes) -> Self {
        Self { flight, settlement, content: Content::Bytes(Some(head)), is_noted: false, is_over: false }
    }

    /// Whether it ended as a success.
    pub(crate) fn is_success(&self) -> bool {
        self.is_over && self.settlement.record.outcome == Outcome::Answered
    }

    /// The next piece for the client.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        match &mut self.content {
            Content::Bytes(head) => {
                if let Some(head) = head.take().filter(|head| !head.is_empty()) {
                    return Poll::Ready(Some(Ok(head)));
                }
                let next = ready!(self.flight.poll_chunk(context));
                self.is_over = !matches!(next, Some(Ok(_)));
                match &next {
                    Some(Ok(chunk)) => self.settlement.record.content_bytes += chunk.len() as u64,
                    Some(Err(failure)) => self.end(Outcome::Failed(failure.cause)),
                    None => self.end(Outcome::Answered),
                }
                Poll::Ready(next.map(|chunk| chunk.map_err(|_| BrokenOff)))
            }
            Content::Events(_) => self.poll_events(context).map(|next| next.map(Ok)),
        }
    }

    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Content::Events(events) = &mut self.content else { return Poll::Ready(None) };
        let mut joined = Joined::default();
        if let Some(held_back) = events.held_back.take() {
            joined.push(held_back);
        }
        let piece = loop {
            // What was translated has an id, but nobody who keeps it.
            if let Some(id) = events.reader.id().filter(|_| !self.is_noted && events.translation.is_none()) {
                self.settlement.note_made(id, true);
                self.is_noted = true;
            }
            if events.content_seen {
                self.flight.note_content();
                self.settlement.record.note_first_content();
            }
            if joined.len() >= JOIN_LIMIT_BYTES {
                break joined.take();
            }
            let next = match events.broken_off.take() {
                Some(failure) => Poll::Ready(Some(Err(failure))),
                None => self.flight.poll_chunk(context),
            };
            let failure = match next {
                Poll::Pending => match joined.take() {
                    None => return events.poll_ping(context).map(Some),
                    piece => break piece,
                },
                Poll::Ready(Some(Ok(chunk))) => {
                    let (whole, failure) = events.take_in(chunk);
                    joined.push(whole);
                    if failure.is_none() {
                        continue;
                    }
                    failure
                }
                Poll::Ready(Some(Err(failure))) => Some(failure),
                Poll::Ready(None) => None,
            };
            self.is_over = true;
            let (closing, outcome) = events.close(failure, self.settlement.record.id);
            joined.push(closing);
            events.account(&mut self.settlement.record);
            self.end(outcome);
            return Poll::Ready(joined.take());
        };
        events.note_output();
        Poll::Ready(piece)
    }

    /// The provider has had its say: for the exchange, and for the deployment's health.
    fn end(&mut self, outcome: Outcome) {
        let now = Instant::now();
        match outcome {
            Outcome::Answered => self.flight.call.succeed(self.settlement.record.output_tokens(), now),
            Outcome::Failed(cause) => self.flight.call.fail(&Verdict::of_cause(cause), now),
            _ => self.flight.call.fail(&Verdict::of_cause(Cause::ProviderFailed), now),
        }
        self.settlement.settle(outcome);
    }
}

impl Drop for Relay {
    /// A client that leaves pays for what was received.
    fn drop(&mut self) {
        if let Content::Events(events) = &self.content {
            events.account(&mut self.settlement.record);
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
    /// The client did not ask for the token counts that the provider was asked for.
    splices_usage: bool,
    secrets: Arc<Secrets>,
    content_seen: bool,
    /// What came before the first content and with it, while it was not sure that it would come.
    held_back: Option<Bytes>,
    /// What ended the stream in the same breath.
    broken_off: Option<Failure>,
    /// The data of an error event that came before any content.
    early_error: Option<Bytes>,
    /// Into the client's dialect, where it is another.
    translation: Option<Box<Translating>>,
}

/// A stream that goes out in other words.
#[derive(Debug)]
struct Translating {
    stream: translation::Stream,
    pings: Pings,
}

/// A stream that broke before its first content, when nothing of it had gone out.
#[derive(Debug)]
pub(crate) struct BrokenEarly {
    pub(crate) failure: Failure,
    /// The data of the provider's error event, if that was it.
    pub(crate) error_event: Option<Bytes>,
}

impl Events {
    /// A stream that `reader` follows and whose events are at most `event_limit_bytes` long.
    pub(crate) fn new(
        reader: StreamReader,
        event_limit_bytes: usize,
        splices_usage: bool,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self {
            splitter: Splitter::default(),
            reader,
            held: BytesMut::new(),
            event_limit_bytes,
            splices_usage,
            secrets,
            content_seen: false,
            held_back: None,
            broken_off: None,
            early_error: None,
            translation: None,
        }
    }

    /// What goes out is in another dialect, with a sign of life after each silence of `ping_every`.
    pub(crate) fn translate(&mut self, stream: translation::Stream, ping_every: Duration) {
        let pings = Pings::new(ping_every, Instant::now());
        self.translation = Some(Box::new(Translating { stream, pings }));
    }

    /// Reads up to the first content and keeps what came back, so that another deployment may still answer.
    ///
    /// # Errors
    /// What broke the stream before that.
    pub(crate) async fn hold(&mut self, flight: &mut Flight) -> Result<(), BrokenEarly> {
        let mut joined = Joined::default();
        let broken = |failure| Err(BrokenEarly { failure, error_event: None });
        while let Some(chunk) = std::future::poll_fn(|context| flight.poll_chunk(context)).await {
            let (whole, failure) = match chunk {
                Ok(chunk) => self.take_in(chunk),
                Err(failure) => return broken(failure),
            };
            joined.push(whole);
            if let Some(error_event) = self.early_error.take() {
                let failure = Failure::new(Cause::ProviderFailed, "the provider reported an error before any content");
                return Err(BrokenEarly { failure, error_event: Some(error_event) });
            }
            if self.content_seen || joined.len() > self.event_limit_bytes {
                self.held_back = joined.take();
                self.broken_off = failure;
                return Ok(());
            }
            if let Some(failure) = failure {
                return broken(failure);
            }
        }
        if self.completeness_with_tail() == Completeness::Cut {
            return broken(cut());
        }
        self.held_back = joined.take();
        Ok(())
    }

    /// The token counts reported so far, and what the provider says they cost, in picodollars.
    pub(crate) fn billed(&self) -> (Option<Usage>, Option<i64>) {
        (self.reader.usage(), self.reader.reported_cost_pusd())
    }

    /// Whether the stream may end here, an event without its empty line taken in.
    fn completeness_with_tail(&self) -> Completeness {
        let mut reader = self.reader.clone();
        if let Some(data) = event_data(&self.held) {
            reader.read(&data);
        }
        reader.completeness()
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
        let mut removed = Removed::default();
        let mut failure = None;
        let mut has_error = false;
        while let Some(length) = self.splitter.next_border(&pending[scanned..]) {
            scanned += length;
            let (class, unasked) = self.read(&pending[whole_bytes..scanned]);
            has_error |= class == EventClass::Error;
            if class == EventClass::End && self.reader.completeness() == Completeness::Cut {
                // The end mark of an unfinished answer is kept back: clients would take the answer for whole.
                failure = Some(cut());
                break;
            }
            if let Some(unasked) = unasked {
                removed.push(whole_bytes + unasked.start..whole_bytes + unasked.end);
            }
            whole_bytes = scanned;
            if self.translation.as_ref().is_some_and(|translation| translation.stream.is_broken()) {
                failure = Some(Failure::new(Cause::ProviderFailed, "the provider sent an event that can't be read"));
                break;
            }
        }
        if failure.is_none() && pending.len() - whole_bytes > self.event_limit_bytes {
            let message = format!("an event of the provider's stream is larger than {} bytes", self.event_limit_bytes);
            failure = Some(Failure::new(Cause::ProviderFailed, message));
        }
        if failure.is_none() {
            self.held.extend_from_slice(&pending[whole_bytes..]);
        }
        if let Some(translation) = &mut self.translation {
            return (translation.stream.take(), failure);
        }
        (self.clean(removed.from(pending.slice(..whole_bytes)), has_error), failure)
    }

    /// Providers quote credentials in errors; nothing else of a stream is touched.
    fn clean(&self, events: Bytes, has_error: bool) -> Bytes {
        if has_error { self.secrets.remove_from(events) } else { events }
    }

    /// What an event means, and which of its bytes the client did not ask for.
    fn read(&mut self, event: &[u8]) -> (EventClass, Option<Range<usize>>) {
        let Some(data) = event_data(event) else { return (EventClass::Preamble, None) };
        let Reading { class, null_usage } = self.reader.read(&data);
        self.content_seen |= class == EventClass::Content;
        if class == EventClass::Error && !self.content_seen {
            self.early_error.get_or_insert_with(|| Bytes::copy_from_slice(&data));
        }
        if let Some(translation) = &mut self.translation {
            let stream = &mut translation.stream;
            if class == EventClass::Error { stream.read_error(&data) } else { stream.read(&data) }
        }
        let unasked = match (class, null_usage) {
            _ if !self.splices_usage => None,
            (EventClass::Usage, _) => Some(0..event.len()),
            (_, Some(member)) => offset_in(event, &data).map(|data| data + member.start..data + member.end),
            _ => None,
        };
        (class, unasked)
    }

    /// Whether content is among what was read.
    pub(crate) fn has_content(&self) -> bool {
        self.content_seen
    }

    /// Something went out.
    fn note_output(&mut self) {
        if let Some(translation) = &mut self.translation {
            translation.pings.note_output();
        }
    }

    /// A sign of life, once it is due. A stream that passes as it is has its provider's own.
    fn poll_ping(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let Some(translation) = &mut self.translation else { return Poll::Pending };
        ready!(translation.pings.poll_due(context));
        Poll::Ready(translation.stream.ping())
    }

    /// Notes what was received.
    fn account(&self, record: &mut Record) {
        (record.usage, record.reported_cost_pusd) = self.billed();
        record.is_truncated = self.reader.is_truncated();
        record.service_tier = self.reader.service_tier();
        record.content_bytes = self.reader.content_bytes();
    }

    /// What is still to be sent once the provider has stopped, and how the exchange ended.
    fn close(&mut self, failure: Option<Failure>, request_id: RequestId) -> (Bytes, Outcome) {
        let tail = self.held.split().freeze();
        if self.translation.is_some() {
            return self.close_translated(&tail, failure, request_id);
        }
        let mut closing = BytesMut::new();
        // A last event without its empty line still counts when it says something whole.
        if !tail.is_empty() {
            let (class, unasked) = self.read(&tail);
            let is_kept = match class {
                EventClass::Error => self.reader.completeness() == Completeness::Failed,
                EventClass::End => self.reader.completeness() != Completeness::Cut,
                _ => true,
            };
            if is_kept {
                let mut removed = Removed::default();
                if let Some(unasked) = unasked {
                    removed.push(unasked);
                }
                closing.extend_from_slice(&self.secrets.remove_from(removed.from(tail)));
            }
        }
        match self.reader.completeness() {
            Completeness::Complete => return (closing.freeze(), Outcome::Answered),
            Completeness::Failed => return (closing.freeze(), Outcome::ProviderError),
            Completeness::EndMarkMissing => {
                if !closing.is_empty() {
                    closing.extend_from_slice(b"\n\n");
                }
                closing.extend_from_slice(self.reader.end_event());
                return (closing.freeze(), Outcome::Answered);
            }
            Completeness::Cut => {}
        }
        if !closing.is_empty() {
            closing.extend_from_slice(b"\n\n");
        }
        let failure = failure.unwrap_or_else(cut);
        closing.extend_from_slice(&self.reader.error_event(&failure, request_id.as_str()));
        (closing.freeze(), Outcome::Failed(failure.cause))
    }
}

impl Events {
    fn close_translated(&mut self, tail: &[u8], failure: Option<Failure>, request_id: RequestId) -> (Bytes, Outcome) {
        if !tail.is_empty() {
            self.read(tail);
        }
        let completeness = self.reader.completeness();
        let Some(translation) = self.translation.as_mut().map(|translation| &mut translation.stream) else {
            return (Bytes::new(), Outcome::Answered);
        };
        let (closing, outcome) = match completeness {
            Completeness::Complete | Completeness::EndMarkMissing => (translation.end(), Outcome::Answered),
            Completeness::Failed => (translation.fail(None, request_id.as_str()), Outcome::ProviderError),
            Completeness::Cut => {
                let failure = failure.unwrap_or_else(cut);
                let closing = translation.fail(Some(&failure), request_id.as_str());
                (closing, Outcome::Failed(failure.cause))
            }
        };
        (self.secrets.remove_from(closing), outcome)
    }
}

/// Parts of a text that are left out, in order.
#[derive(Default)]
struct Removed(Vec<Range<usize>>);

impl Removed {
    fn push(&mut self, part: Range<usize>) {
        self.0.push(part);
    }

    /// The text without the parts; not copied if there are none.
    fn from(self, text: Bytes) -> Bytes {
        if self.0.is_empty() {
            return text;
        }
        let mut kept = BytesMut::with_capacity(text.len());
        let mut at = 0;
        for part in self.0 {
            kept.extend_from_slice(&text[at..part.start]);
            at = part.end;
        }
        kept.extend_from_slice(&text[at..]);
        kept.freeze()
    }
}

/// Where `data` lies in the event, unless it was put together from several lines.
fn offset_in(event: &[u8], data: &[u8]) -> Option<usize> {
    let offset = (data.as_ptr() as usize).checked_sub(event.as_ptr() as usize)?;
    (offset + data.len() <= event.len()).then_some(offset)
}

fn cut() -> Failure {
    Failure::new(Cause::StreamCut, "the provider ended the stream before the answer was complete")
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
