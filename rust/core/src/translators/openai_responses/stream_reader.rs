//! A provider's stream of events.
//!
//! Each delta says which part of which output item it belongs to; a part begins with its first one. Vendors differ in what
//! they announce and repeat, so what a `done` event repeats is read only where no delta came. Failures are not read here:
//! the dialect that follows the stream unread knows them.

use super::answer_reader::{finish, read_answer, read_item};
use super::signature;
use crate::dialects::openai_token_usage;
use crate::json_view::View;
use crate::neutral::{Arguments, Begun, Choice, Event, PartKind};
use crate::usage::Usage;

/// This dialect gives one answer.
const CHOICE: u32 = 0;

/// Reads a stream.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, whatever the others are")]
pub struct StreamReader {
    has_started: bool,
    next_part: u32,
    parts: Vec<Place>,
    has_tool_call: bool,
    has_refusal: bool,
    has_finished: bool,
    usage: Option<Usage>,
}

/// Where a part is in the provider's stream.
#[derive(Clone, Copy, Debug)]
struct Place {
    output_index: u64,
    /// Its index in the item.
    inner: u64,
    family: Family,
    part: u32,
    has_text: bool,
    is_open: bool,
}

/// What lies in a place of its own within an item.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    Content,
    Summary,
    Reasoning,
    ToolCall,
}

/// Events that carry text of a part: the name, what the part is, and which member says where it is and what.
struct TextEvent {
    name: &'static str,
    family: Family,
    inner: &'static str,
    text: &'static str,
    is_whole: bool,
}

const fn text_event(
    name: &'static str,
    family: Family,
    inner: &'static str,
    text: &'static str,
    is_whole: bool,
) -> TextEvent {
    TextEvent { name, family, inner, text, is_whole }
}

const TEXT_EVENTS: [TextEvent; 10] = [
    text_event("response.output_text.delta", Family::Content, "content_index", "delta", false),
    text_event("response.output_text.done", Family::Content, "content_index", "text", true),
    text_event("response.refusal.delta", Family::Content, "content_index", "delta", false),
    text_event("response.refusal.done", Family::Content, "content_index", "refusal", true),
    text_event("response.reasoning_summary_text.delta", Family::Summary, "summary_index", "delta", false),
    text_event("response.reasoning_summary_text.done", Family::Summary, "summary_index", "text", true),
    text_event("response.reasoning_text.delta", Family::Reasoning, "content_index", "delta", false),
    text_event("response.reasoning_text.done", Family::Reasoning, "content_index", "text", true),
    text_event("response.function_call_arguments.delta", Family::ToolCall, "", "delta", false),
    text_event("response.function_call_arguments.done", Family::ToolCall, "", "arguments", true),
];

impl StreamReader {
    /// Reads the data of one event.
    pub fn read<'text>(&mut self, data: View<'text>, events: &mut Vec<Event<'text>>) {
        let kind = data.get("type").and_then(View::decoded).unwrap_or_default();
        if let Some(event) = TEXT_EVENTS.iter().find(|event| event.name == kind) {
            return self.read_text(event, data, events);
        }
        let output_index = data.get("output_index").and_then(View::as_u64).unwrap_or(0);
        match kind.as_ref() {
            "response.created" | "response.queued" | "response.in_progress" => self.start(data, events),
            "response.output_item.added" => {
                if let Some(item) = data.get("item").filter(|item| is_kind(*item, "function_call")) {
                    self.begin_tool_call(item, output_index, events);
                }
            }
            "response.output_text.annotation.added" => {
                let inner = data.get("content_index").and_then(View::as_u64).unwrap_or(0);
                if let (Some(place), Some(citation)) =
                    (self.place(output_index, inner, Family::Content), data.get("annotation"))
                {
                    events.push(Event::Citation { choice: CHOICE, part: place.part, citation });
                }
            }
            "response.content_part.done" => {
                let inner = data.get("content_index").and_then(View::as_u64).unwrap_or(0);
                self.close(events, |place| {
                    (place.output_index, place.inner, place.family) == (output_index, inner, Family::Content)
                });
            }
            "response.output_item.done" => {
                if let Some(item) = data.get("item") {
                    self.end_item(item, output_index, events);
                }
            }
            "response.completed" | "response.incomplete" => {
                self.start(data, events);
                if let Some(response) = data.get("response").filter(|_| !self.has_finished) {
                    self.finish(response, events);
                }
            }
            _ => {}
        }
    }

    /// The stream is at its proper end.
    pub fn end(&mut self, events: &mut Vec<Event<'static>>) {
        self.close(events, |_| true);
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
    }

    fn start<'text>(&mut self, data: View<'text>, events: &mut Vec<Event<'text>>) {
        if let Some(response) = data.get("response").filter(|_| !self.has_started) {
            let text = |name| response.get(name).and_then(View::text).filter(|text| !text.is_empty());
            events.push(Event::Start { id: text("id"), model: text("model") });
            self.has_started = true;
        }
    }

    fn finish<'text>(&mut self, response: View<'text>, events: &mut Vec<Event<'text>>) {
        self.close(events, |_| true);
        if self.next_part == 0 {
            // Some vendors stream nothing but the end.
            let answer = read_answer(response).unwrap_or_default();
            answer.choices.into_iter().for_each(|choice| self.whole(choice, events));
        }
        let usage = response.get("usage").and_then(|usage| openai_token_usage::read(usage.raw().as_bytes()));
        self.usage = usage.or(self.usage);
        let reason = finish(response, self.has_tool_call, self.has_refusal);
        events.push(Event::Finish { choice: CHOICE, reason, stop_sequence: None });
        self.has_finished = true;
    }

    fn read_text<'text>(&mut self, event: &TextEvent, data: View<'text>, events: &mut Vec<Event<'text>>) {
        let index = |name| data.get(name).and_then(View::as_u64).unwrap_or(0);
        let (output_index, inner) = (index("output_index"), index(event.inner));
        let text = data.get(event.text).and_then(View::text).unwrap_or_default();
        let known = self.place(output_index, inner, event.family).map(|place| (place.part, place.has_text));
        let is_repeated = event.is_whole && known.is_some_and(|(_, has_text)| has_text);
        if !is_repeated && !text.is_empty() {
            let part = match (known, event.family) {
                (Some((part, _)), _) => part,
                // A call whose item never came has no name: nothing can call it.
                (None, Family::ToolCall) => return,
                (None, _) => self.begin_text(event, output_index, inner, events),
            };
            self.place(output_index, inner, event.family).into_iter().for_each(|place| place.has_text = true);
            events.push(Event::Piece { choice: CHOICE, part, text });
        }
        let logprobs = data.get("logprobs").filter(|list| !list.elements().is_empty());
        if let Some(logprobs) = logprobs.filter(|_| !event.is_whole || !is_repeated) {
            events.push(Event::Logprobs { choice: CHOICE, logprobs });
        }
    }

    fn begin_text(&mut self, event: &TextEvent, output_index: u64, inner: u64, events: &mut Vec<Event<'_>>) -> u32 {
        let kind = match event.family {
            Family::Summary | Family::Reasoning => Begun::Thinking,
            _ if event.name.starts_with("response.refusal") => Begun::Refusal,
            _ => Begun::Text,
        };
        self.has_refusal |= kind == Begun::Refusal;
        // Thoughts end where the next ones of their item begin; the last wait for the item's proof.
        self.close(events, |place| place.output_index == output_index);
        self.begin(Some((output_index, inner, event.family)), kind, events)
    }

    fn begin<'text>(
        &mut self,
        place: Option<(u64, u64, Family)>,
        kind: Begun<'text>,
        events: &mut Vec<Event<'text>>,
    ) -> u32 {
        let part = self.next_part;
        self.next_part += 1;
        events.push(Event::Begin { choice: CHOICE, part, kind });
        if let Some((output_index, inner, family)) = place {
            self.parts.push(Place { output_index, inner, family, part, has_text: false, is_open: true });
        }
        part
    }

    fn begin_tool_call<'text>(&mut self, item: View<'text>, output_index: u64, events: &mut Vec<Event<'text>>) {
        let text = |name| item.get(name).and_then(View::text).unwrap_or_default();
        let kind = Begun::ToolCall { id: text("call_id"), name: text("name") };
        self.has_tool_call = true;
        let part = self.begin(Some((output_index, 0, Family::ToolCall)), kind, events);
        let arguments = text("arguments");
        if !arguments.is_empty() {
            self.place(output_index, 0, Family::ToolCall).into_iter().for_each(|place| place.has_text = true);
            events.push(Event::Piece { choice: CHOICE, part, text: arguments });
        }
    }

    /// An item is whole: what of it never came in pieces is read from here.
    fn end_item<'text>(&mut self, item: View<'text>, output_index: u64, events: &mut Vec<Event<'text>>) {
        let known = self.parts.iter().rfind(|place| place.output_index == output_index).copied();
        match known {
            None => {
                let mut choice = Choice::default();
                read_item(item, &mut choice);
                self.whole(choice, events);
            }
            Some(place) => {
                if let Some(signature) = signature::of_item(item) {
                    events.push(Event::Signature { choice: CHOICE, part: place.part, signature });
                }
                let arguments = item.get("arguments").and_then(View::text).filter(|text| !text.is_empty());
                if let Some(text) = arguments.filter(|_| place.family == Family::ToolCall && !place.has_text) {
                    events.push(Event::Piece { choice: CHOICE, part: place.part, text });
                }
            }
        }
        self.close(events, |place| place.output_index == output_index);
    }

    /// Parts that came whole.
    fn whole<'text>(&mut self, choice: Choice<'text>, events: &mut Vec<Event<'text>>) {
        for part in choice.parts {
            let (kind, text, citations) = match part.kind {
                PartKind::Text { text, citations } => (Begun::Text, text, citations),
                PartKind::Refusal(text) => (Begun::Refusal, text, None),
                PartKind::Thinking(text) => (Begun::Thinking, text, None),
                PartKind::ToolCall { id, name, arguments: Arguments::Text(text) } => {
                    (Begun::ToolCall { id, name }, text, None)
                }
                _ => continue,
            };
            let is_tool_call = matches!(kind, Begun::ToolCall { .. });
            if text.is_empty() && !is_tool_call && part.signature.is_none() {
                continue;
            }
            self.has_tool_call |= is_tool_call;
            self.has_refusal |= kind == Begun::Refusal;
            let part_number = self.begin(None, kind, events);
            if !text.is_empty() {
                events.push(Event::Piece { choice: CHOICE, part: part_number, text });
            }
            for citation in citations.map(View::elements).unwrap_or_default() {
                events.push(Event::Citation { choice: CHOICE, part: part_number, citation });
            }
            if let Some(signature) = part.signature {
                events.push(Event::Signature { choice: CHOICE, part: part_number, signature });
            }
            events.push(Event::End { choice: CHOICE, part: part_number });
        }
        events.extend(choice.logprobs.map(|logprobs| Event::Logprobs { choice: CHOICE, logprobs }));
    }

    fn place(&mut self, output_index: u64, inner: u64, family: Family) -> Option<&mut Place> {
        self.parts
            .iter_mut()
            .rfind(|place| (place.output_index, place.inner, place.family) == (output_index, inner, family))
    }

    fn close(&mut self, events: &mut Vec<Event<'_>>, is_meant: impl Fn(&Place) -> bool) {
        for place in self.parts.iter_mut().filter(|place| place.is_open && is_meant(place)) {
            place.is_open = false;
            events.push(Event::End { choice: CHOICE, part: place.part });
        }
    }
}

fn is_kind(item: View<'_>, kind: &str) -> bool {
    item.get("type").is_some_and(|own| own.is(kind))
}

#[cfg(test)]
#[path = "stream_reader_tests.rs"]
mod tests;
