//! Streams, as Anthropic sends them.

use super::SIGNED;
use super::fields::Fields;
use super::finish;
use crate::dialects::anthropic_usage::Counts;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Begun, Event};

/// Follows a stream event by event. Anthropic knows one choice.
#[derive(Clone, Debug, Default)]
pub struct StreamReader {
    counts: Counts,
    /// Blocks that are open, by Anthropic's index: the part of each, or none for what has no counterpart.
    open: Vec<(u64, Option<u32>)>,
    next_part: u32,
    is_finished: bool,
}

impl StreamReader {
    /// Takes in the data of one event.
    pub fn read<'t>(&mut self, data: View<'t>, events: &mut Vec<Event<'t>>) {
        let fields = Fields::of(data);
        let kind = fields.get("type").and_then(View::decoded).unwrap_or_default();
        let index = fields.get("index").and_then(View::as_u64).unwrap_or(0);
        match kind.as_ref() {
            "message_start" => self.start(&fields, events),
            "content_block_start" => self.begin(index, &fields, events),
            "content_block_delta" => self.go_on(index, &fields, events),
            "content_block_stop" => {
                if let Some(at) = self.open.iter().position(|(open, _)| *open == index)
                    && let (_, Some(part)) = self.open.remove(at)
                {
                    events.push(Event::End { choice: 0, part });
                }
            }
            "message_delta" => self.finish(&fields, events),
            "ping" => events.push(Event::Ping),
            // The end is said by whoever knows that the stream is whole; what is new may be ignored.
            _ => {}
        }
    }

    /// The stream is at its proper end.
    pub fn end(&mut self, events: &mut Vec<Event<'static>>) {
        for part in self.open.drain(..).filter_map(|(_, part)| part) {
            events.push(Event::End { choice: 0, part });
        }
        events.extend(self.counts.usage().map(Event::Usage));
        events.push(Event::Done);
    }

    fn start<'t>(&mut self, fields: &Fields<'t>, events: &mut Vec<Event<'t>>) {
        let Some(message) = fields.get("message").map(Fields::of) else { return };
        let text = |name: &str| message.get(name).and_then(View::text);
        events.push(Event::Start { id: text("id"), model: text("model") });
        if let Some(usage) = message.get("usage") {
            self.counts.take_in(usage.raw().as_bytes());
            // Input that may have been told with what was cached would be counted twice.
            let usage = self.counts.usage().filter(|_| self.counts.knows_cached());
            events.extend(usage.map(Event::Usage));
        }
    }

    fn begin<'t>(&mut self, index: u64, fields: &Fields<'t>, events: &mut Vec<Event<'t>>) {
        let Some(block) = fields.get("content_block").map(Fields::of) else { return };
        let kind = block.get("type").and_then(View::decoded).unwrap_or_default();
        let text = |name: &str| block.get(name).and_then(View::text).unwrap_or_default();
        let (begun, first) = match kind.as_ref() {
            "text" => (Begun::Text, text("text")),
            "thinking" => (Begun::Thinking, text("thinking")),
            "redacted_thinking" => (Begun::RedactedThinking(text("data").after(SIGNED)), Text::default()),
            "tool_use" => (Begun::ToolCall { id: text("id"), name: text("name") }, whole_input(&block)),
            _ => {
                self.open.push((index, None));
                return;
            }
        };
        let part = self.open_part(index, begun, events);
        if !first.is_empty() {
            events.push(Event::Piece { choice: 0, part, text: first });
        }
        let signature = text("signature");
        if !signature.is_empty() {
            events.push(Event::Signature { choice: 0, part, signature: signature.after(SIGNED) });
        }
        for citation in block.get("citations").map(View::elements).unwrap_or_default() {
            events.push(Event::Citation { choice: 0, part, citation });
        }
    }

    fn go_on<'t>(&mut self, index: u64, fields: &Fields<'t>, events: &mut Vec<Event<'t>>) {
        let Some(delta) = fields.get("delta").map(Fields::of) else { return };
        let kind = delta.get("type").and_then(View::decoded).unwrap_or_default();
        let text = |name: &str| delta.get(name).and_then(View::text).unwrap_or_default();
        let (begun, piece) = match kind.as_ref() {
            "text_delta" => (Some(Begun::Text), text("text")),
            "thinking_delta" => (Some(Begun::Thinking), text("thinking")),
            "input_json_delta" => (None, text("partial_json")),
            _ => (None, Text::default()),
        };
        let known = self.open.iter().find(|(open, _)| *open == index).map(|(_, part)| *part);
        let part = match (known, begun) {
            (Some(Some(part)), _) => part,
            // A vendor that does not announce its blocks.
            (None, Some(begun)) => self.open_part(index, begun, events),
            _ => return,
        };
        if !piece.is_empty() {
            events.push(Event::Piece { choice: 0, part, text: piece });
        }
        match (kind.as_ref(), delta.get("citation")) {
            ("signature_delta", _) if !text("signature").is_empty() => {
                events.push(Event::Signature { choice: 0, part, signature: text("signature").after(SIGNED) });
            }
            ("citations_delta", Some(citation)) => events.push(Event::Citation { choice: 0, part, citation }),
            _ => {}
        }
    }

    fn finish<'t>(&mut self, fields: &Fields<'t>, events: &mut Vec<Event<'t>>) {
        if let Some(usage) = fields.get("usage") {
            self.counts.take_in(usage.raw().as_bytes());
        }
        let Some(delta) = fields.get("delta").map(Fields::of) else { return };
        if let Some(reason) = delta.get("stop_reason").filter(|_| !self.is_finished) {
            self.is_finished = true;
            let stop_sequence = delta.get("stop_sequence").and_then(View::text);
            events.push(Event::Finish { choice: 0, reason: finish::read(reason), stop_sequence });
        }
    }

    fn open_part<'t>(&mut self, index: u64, kind: Begun<'t>, events: &mut Vec<Event<'t>>) -> u32 {
        let part = self.next_part;
        self.next_part = self.next_part.saturating_add(1);
        self.open.push((index, Some(part)));
        events.push(Event::Begin { choice: 0, part, kind });
        part
    }
}

/// What a tool is called with, where that is told at once and not in pieces.
fn whole_input(block: &Fields<'_>) -> Text<'static> {
    match block.get("input") {
        Some(input) if input.kind() == Kind::Object && !input.members().is_empty() => Text::of(input.raw()),
        _ => Text::default(),
    }
}

#[cfg(test)]
#[path = "stream_reader_tests.rs"]
mod tests;
