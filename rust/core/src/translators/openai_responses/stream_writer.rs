//! A stream of events for the client.
//!
//! Every event is written as frames at once. An item for words or thoughts stays open for more of its kind; whatever else
//! begins closes it. A tool call is announced with what follows its beginning: the proof of the thought behind it, where
//! there is one, has to stand before it.

use super::output_item::{COMPLETED, Cited, Content, IN_PROGRESS, ItemKind, cited, logprobs};
use super::response_object::{Progress, ResponseObject, repeated, status};
use super::signature;
use super::stream_items::{Inner, StreamItem, StreamItems};
use crate::json_view::{Text, View};
use crate::neutral::{Begun, Event, Finish};
use crate::translators::Replying;
use crate::usage::Usage;

/// Nothing, as a comment: this API has no event for it.
const PING: &[u8] = b": ping\n\n";

/// Writes a stream.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    fallback_id: Text<'static>,
    fallback_model: Text<'static>,
    now_unix_s: u64,
    /// What of the request the response repeats; taken when it is created.
    repeated: Option<Vec<u8>>,
    output: StreamItems,
    parts: Vec<PartPlace>,
    waiting: Option<WaitingCall>,
    finish: Option<Finish>,
    refuses: bool,
    usage: Option<Usage>,
    is_done: bool,
}

/// Where a neutral part is.
#[derive(Clone, Copy, Debug)]
struct PartPlace {
    choice: u32,
    part: u32,
    item: usize,
    /// Its index there, once it has one.
    inner: Option<usize>,
    is_ended: bool,
}

/// A tool call that is not announced.
#[derive(Clone, Debug)]
struct WaitingCall {
    choice: u32,
    part: u32,
    kind: ItemKind,
}

impl StreamWriter {
    /// A writer for one stream.
    #[must_use]
    pub fn new(replying: &Replying<'_>) -> Self {
        Self {
            fallback_id: Text::of(replying.fallback_id),
            fallback_model: Text::of(replying.fallback_model),
            now_unix_s: replying.now_unix_s,
            repeated: Some(repeated(replying.request)),
            output: StreamItems::default(),
            parts: Vec::new(),
            waiting: None,
            finish: None,
            refuses: false,
            usage: None,
            is_done: false,
        }
    }

    /// The number of the event that comes next.
    #[must_use]
    pub fn next_sequence_number(&self) -> u64 {
        self.output.next_sequence_number()
    }

    /// Writes the frames of an event behind what is in `written`.
    pub fn write(&mut self, event: &Event<'_>, written: &mut Vec<u8>) {
        if self.is_done {
            return;
        }
        match event {
            Event::Ping => return written.extend_from_slice(PING),
            Event::Usage(usage) => {
                self.usage = Some(self.usage.map_or(*usage, |known| known.field_wise_max(usage)));
                return;
            }
            Event::Start { id, model } => return self.create(id.as_ref(), model.as_ref(), written),
            _ => self.create(None, None, written),
        }
        if let Event::Signature { choice, part, signature } = event {
            return self.signature(*choice, *part, signature, written);
        }
        self.announce(written);
        match event {
            Event::Begin { choice, part, kind } => self.begin(*choice, *part, kind, written),
            Event::Piece { choice, part, text } => self.piece(*choice, *part, text, written),
            Event::Citation { choice, part, citation } => self.citation(*choice, *part, *citation, written),
            Event::End { choice, part } => self.end(*choice, *part, written),
            Event::Logprobs { choice, logprobs: value } => self.output.logprobs(*choice, logprobs(*value), written),
            Event::Finish { choice, reason, .. } => {
                self.finish = self.finish.or(Some(*reason));
                self.output.close_where(status(Some(*reason), self.refuses).0, written, |item| item.choice == *choice);
            }
            Event::Done => self.done(written),
            Event::Start { .. } | Event::Signature { .. } | Event::Usage(_) | Event::Ping => {}
        }
    }

    fn create(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, written: &mut Vec<u8>) {
        let Some(repeated) = self.repeated.take() else { return };
        let (id, model) = (id.unwrap_or(&self.fallback_id), model.unwrap_or(&self.fallback_model));
        self.output.response = ResponseObject::new(id, model, self.now_unix_s, &repeated);
        let progress = Progress { status: IN_PROGRESS, ..Progress::default() };
        self.output.response_frame("response.created", progress, written);
        self.output.response_frame("response.in_progress", progress, written);
    }

    fn begin(&mut self, choice: u32, part: u32, kind: &Begun<'_>, written: &mut Vec<u8>) {
        let goes_on = |last: &&StreamItem| {
            let is_kind = match &last.item.kind {
                ItemKind::Message(_) => matches!(kind, Begun::Text | Begun::Refusal),
                ItemKind::Reasoning { encrypted_content: None, .. } => *kind == Begun::Thinking,
                _ => false,
            };
            is_kind && last.choice == choice && !last.is_done
        };
        let open = self.output.items.last().filter(goes_on).map(|_| self.output.items.len() - 1);
        if open.is_none() {
            self.output.close_where(COMPLETED, written, |item| item.choice == choice && item.is_idle());
        }
        self.refuses |= *kind == Begun::Refusal;
        let (item, inner) = match kind {
            Begun::ToolCall { id, name } => {
                let (call_id, name) = (id.escaped().to_owned(), name.escaped().to_owned());
                let kind = ItemKind::FunctionCall { call_id, name, arguments: String::new() };
                self.waiting = Some(WaitingCall { choice, part, kind });
                return;
            }
            Begun::RedactedThinking(data) => return self.proof(choice, &signature::of_redacted(data), written),
            // Thoughts get their part with their first words: there may be none, only a proof.
            Begun::Thinking => {
                let new = ItemKind::Reasoning { summary: Vec::new(), encrypted_content: None };
                (open.unwrap_or_else(|| self.output.open(choice, new, written)), None)
            }
            Begun::Text | Begun::Refusal => {
                let new = ItemKind::Message(Vec::new());
                let item = open.unwrap_or_else(|| self.output.open(choice, new, written));
                let content = Content { is_refusal: *kind == Begun::Refusal, ..Content::default() };
                (item, Some(self.output.open_inner(item, Inner::Content(content), written)))
            }
        };
        self.parts.push(PartPlace { choice, part, item, inner, is_ended: false });
    }

    /// Announces a tool call that waits.
    fn announce(&mut self, written: &mut Vec<u8>) {
        if let Some(WaitingCall { choice, part, kind }) = self.waiting.take() {
            let item = self.output.open(choice, kind, written);
            self.parts.push(PartPlace { choice, part, item, inner: None, is_ended: false });
        }
    }

    fn place(&mut self, choice: u32, part: u32) -> Option<&mut PartPlace> {
        self.parts.iter_mut().rfind(|place| (place.choice, place.part) == (choice, part))
    }

    fn piece(&mut self, choice: u32, part: u32, text: &Text<'_>, written: &mut Vec<u8>) {
        let Some(mut place) = self.place(choice, part).copied().filter(|_| !text.is_empty()) else { return };
        let is_reasoning = |item: &StreamItem| matches!(item.item.kind, ItemKind::Reasoning { .. });
        if place.inner.is_none() && self.output.items.get(place.item).is_some_and(is_reasoning) {
            place.inner = Some(self.output.open_inner(place.item, Inner::Summary, written));
            self.place(choice, part).into_iter().for_each(|own| own.inner = place.inner);
        }
        self.output.delta(place.item, place.inner.unwrap_or(0), text.escaped(), written);
    }

    fn citation(&mut self, choice: u32, part: u32, citation: View<'_>, written: &mut Vec<u8>) {
        let Some(place) = self.place(choice, part).copied() else { return };
        match (place.inner, cited(citation)) {
            (Some(inner), Some(Cited::Said(annotation))) => {
                self.output.annotation(place.item, inner, annotation, written);
            }
            (Some(inner), Some(Cited::OfPart(web))) => self.output.cite(place.item, inner, web),
            _ => {}
        }
    }

    fn signature(&mut self, choice: u32, part: u32, signature: &Text<'_>, written: &mut Vec<u8>) {
        let waits = self.waiting.as_ref().is_some_and(|call| (call.choice, call.part) == (choice, part));
        if !waits {
            self.announce(written);
            let place = self.place(choice, part).copied();
            let item = place.and_then(|place| self.output.items.get_mut(place.item)).filter(|item| !item.is_done);
            if let (Some(place), Some(item)) = (place, item)
                && let ItemKind::Reasoning { encrypted_content: encrypted_content @ None, .. } = &mut item.item.kind
            {
                *encrypted_content = Some(signature.escaped().to_owned());
                if place.is_ended {
                    self.output.close(place.item, COMPLETED, written);
                }
                return;
            }
        }
        self.proof(choice, signature, written);
        self.announce(written);
    }

    /// A reasoning item that has nothing but a proof.
    fn proof(&mut self, choice: u32, encrypted: &Text<'_>, written: &mut Vec<u8>) {
        let encrypted_content = Some(encrypted.escaped().to_owned());
        let item = self.output.open(choice, ItemKind::Reasoning { summary: Vec::new(), encrypted_content }, written);
        self.output.close(item, COMPLETED, written);
    }

    fn end(&mut self, choice: u32, part: u32, written: &mut Vec<u8>) {
        let Some(place) = self.place(choice, part) else { return };
        place.is_ended = true;
        let place = *place;
        if let Some(inner) = place.inner {
            self.output.close_inner(place.item, inner, written);
        }
        let kind = self.output.items.get(place.item).map(|item| &item.item.kind);
        let is_whole = match kind {
            Some(ItemKind::FunctionCall { .. }) => true,
            Some(ItemKind::Reasoning { encrypted_content, .. }) => encrypted_content.is_some(),
            Some(ItemKind::Message(_)) | None => false,
        };
        if is_whole {
            self.output.close(place.item, COMPLETED, written);
        }
    }

    fn done(&mut self, written: &mut Vec<u8>) {
        self.is_done = true;
        let (status, reason) = status(self.finish, self.refuses);
        self.output.close_where(status, written, |_| true);
        let kind = if status == COMPLETED { "response.completed" } else { "response.incomplete" };
        let progress = Progress { status, reason, completed_unix_s: None, usage: self.usage };
        self.output.response_frame(kind, progress, written);
    }
}

#[cfg(test)]
#[path = "stream_writer_tests.rs"]
mod tests;
