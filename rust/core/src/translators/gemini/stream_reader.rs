//! Reads streams: each event is an answer with what was added, and calls come whole.
//!
//! A candidate's last event has its finish reason, but models have been seen to write one in every event, so reasons and
//! token counts are told where the stream ends.

use super::answer_reader::{citations_of, is_blocked, logprobs_of, made_id, parts_of, read_part, signature_of};
use super::fields::Fields;
use super::finish;
use super::grounding::Told;
use crate::dialects::gemini_usage;
use crate::json_view::{Text, View};
use crate::neutral::{Arguments, Begun, Event, Finish, PartKind, PartsInOrder};
use crate::usage::Usage;

/// Candidates that are followed; the API allows 8.
const CHOICE_LIMIT: usize = 1024;

/// Follows a stream, event by event.
#[derive(Clone, Debug, Default)]
pub struct StreamReader {
    has_begun: bool,
    id: Option<Text<'static>>,
    choices: Vec<Choice>,
    is_blocked: bool,
    usage: Option<Usage>,
    is_done: bool,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    index: u32,
    parts: PartsInOrder,
    calls: usize,
    finish: Option<Finish>,
    told: Told,
}

impl StreamReader {
    /// Takes in the data of one event, after [`super::normalise_answer`].
    pub fn read<'text>(&mut self, data: View<'text>, events: &mut Vec<Event<'text>>) {
        let fields = Fields::of(data);
        if !std::mem::replace(&mut self.has_begun, true) {
            let id = fields.get("responseId").and_then(View::text);
            self.id = id.clone().map(Text::into_owned);
            events.push(Event::Start { id, model: fields.get("modelVersion").and_then(View::text) });
        }
        let usage = fields.get("usageMetadata").and_then(|usage| gemini_usage::read(usage.raw().as_bytes()));
        self.usage = usage.or(self.usage);
        self.is_blocked |= fields.get("promptFeedback").is_some_and(is_blocked);
        let candidates = fields.get("candidates").map(View::elements).unwrap_or_default();
        for (position, candidate) in candidates.into_iter().enumerate() {
            let candidate = Fields::of(candidate);
            let index = candidate.get("index").and_then(View::as_u64).unwrap_or(position as u64);
            if let Some(at) = self.choice(index) {
                self.read_candidate(at, &candidate, events);
            }
        }
    }

    /// The stream is at its proper end.
    pub fn end(&mut self, events: &mut Vec<Event<'static>>) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        if self.choices.is_empty() && self.is_blocked {
            self.choices.push(Choice { finish: Some(Finish::ContentFilter), ..Choice::default() });
        }
        for choice in &mut self.choices {
            choice.parts.end(choice.index, events);
            if let Some(reason) = choice.finish.take() {
                events.push(Event::Finish { choice: choice.index, reason, stop_sequence: None });
            }
        }
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
    }

    /// Where the candidate of this index is kept.
    fn choice(&mut self, index: u64) -> Option<usize> {
        let index = u32::try_from(index).ok()?;
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return Some(at);
        }
        if self.choices.len() == CHOICE_LIMIT {
            return None;
        }
        self.choices.push(Choice { index, ..Choice::default() });
        Some(self.choices.len() - 1)
    }

    fn read_candidate<'text>(&mut self, at: usize, candidate: &Fields<'text>, events: &mut Vec<Event<'text>>) {
        let (id, choice) = (self.id.as_ref(), &mut self.choices[at]);
        for part in parts_of(candidate) {
            let fields = Fields::of(part);
            let kind = read_part(&fields, || made_id(id, u64::from(choice.index), choice.calls));
            if let Some(kind) = kind {
                choice.read_part(kind, signature_of(&fields), events);
            }
        }
        for citation in citations_of(candidate).map(View::elements).unwrap_or_default() {
            // Grounding belongs to words; where none are open, it is not known to which.
            if let Some(part) = choice.parts.open_words().filter(|_| choice.told.is_new(citation)) {
                events.push(Event::Citation { choice: choice.index, part, citation });
            }
        }
        if let Some(logprobs) = logprobs_of(candidate) {
            events.push(Event::Logprobs { choice: choice.index, logprobs });
        }
        if let Some(reason) = candidate.get("finishReason") {
            choice.finish = Some(finish::read(reason, choice.calls > 0));
        }
    }
}

impl Choice {
    fn read_part<'text>(
        &mut self,
        kind: PartKind<'text>,
        signature: Option<Text<'static>>,
        events: &mut Vec<Event<'text>>,
    ) {
        let choice = self.index;
        match kind {
            PartKind::Text { text, .. } => self.words(Begun::Text, text, signature, events),
            PartKind::Thinking(text) => self.words(Begun::Thinking, text, signature, events),
            PartKind::ToolCall { id, name, arguments } => {
                let begun = Begun::ToolCall { id, name };
                let part = self.parts.begin_tool_call(choice, self.calls as u64, begun, events);
                self.calls += 1;
                // Before the arguments: some dialects need it for what begins the call.
                events.extend(signature.map(|signature| Event::Signature { choice, part, signature }));
                let text = match arguments {
                    Arguments::Text(text) => text,
                    Arguments::Object(object) => Text::of(object.raw()),
                };
                events.push(Event::Piece { choice, part, text });
                self.parts.end(choice, events);
            }
            // Nobody streams pictures to clients of other dialects.
            _ => {}
        }
    }

    fn words<'text>(
        &mut self,
        begun: Begun<'text>,
        text: Text<'text>,
        signature: Option<Text<'static>>,
        events: &mut Vec<Event<'text>>,
    ) {
        let choice = self.index;
        if text.is_empty() && signature.is_none() {
            return;
        }
        let part = self.parts.of(choice, begun, events);
        if !text.is_empty() {
            events.push(Event::Piece { choice, part, text });
        }
        events.extend(signature.map(|signature| Event::Signature { choice, part, signature }));
    }
}

#[cfg(test)]
#[path = "stream_reader_tests.rs"]
mod tests;
