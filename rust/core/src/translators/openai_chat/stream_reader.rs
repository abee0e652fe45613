//! Chunks of a chat completion, read into events.

use super::finish;
use super::said::{self, Said};
use super::stream_calls::StreamCalls;
use crate::dialects::openai_usage;
use crate::json_view::{Text, View};
use crate::neutral::{Begun, Event, Finish, PartsInOrder};
use crate::usage::Usage;

/// More choices are never asked for.
const CHOICE_LIMIT: usize = 1024;

/// Follows a stream chunk by chunk.
#[derive(Clone, Debug, Default)]
pub struct StreamReader {
    has_started: bool,
    id: Option<Text<'static>>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    index: u32,
    parts: PartsInOrder,
    calls: StreamCalls,
    refuses: bool,
    is_finished: bool,
}

impl StreamReader {
    /// Takes in the data of one event, which is not `[DONE]`.
    pub fn read<'text>(&mut self, data: View<'text>, events: &mut Vec<Event<'text>>) {
        let (mut id, mut model, mut choices) = (None, None, Vec::new());
        for (name, value) in data.members() {
            match name.as_ref() {
                "id" => id = value.text().filter(|id| !id.is_empty()),
                "model" => model = value.text().filter(|model| !model.is_empty()),
                "choices" => choices = value.elements(),
                "usage" => self.note_usage(value),
                // Groq's first place for it.
                "x_groq" => value.get("usage").into_iter().for_each(|usage| self.note_usage(usage)),
                _ => {}
            }
        }
        // Azure begins with a chunk about the prompt, which has no id yet.
        if !self.has_started && (id.is_some() || !choices.is_empty()) {
            self.has_started = true;
            self.id = id.clone().map(Text::into_owned);
            events.push(Event::Start { id, model });
        }
        for choice in choices {
            self.read_choice(choice, events);
        }
    }

    /// The stream is at its proper end.
    pub fn end(&mut self, events: &mut Vec<Event<'static>>) {
        for choice in &mut self.choices {
            // Some vendors never say why; that the stream is whole was proved elsewhere.
            choice.finish(Some(finish::with_calls(Finish::Stop, !choice.calls.is_empty())), events);
        }
        events.extend(self.usage.map(Event::Usage));
        events.push(Event::Done);
    }

    fn note_usage(&mut self, usage: View<'_>) {
        if let Some(usage) = openai_usage::read(usage.raw().as_bytes()) {
            self.usage = Some(self.usage.unwrap_or_default().field_wise_max(&usage));
        }
    }

    fn read_choice<'text>(&mut self, choice: View<'text>, events: &mut Vec<Event<'text>>) {
        let (mut index, mut delta, mut reason, mut logprobs) = (0, None, None, None);
        for (name, value) in choice.members() {
            match name.as_ref() {
                "index" => index = value.as_u64().and_then(|index| index.try_into().ok()).unwrap_or(0),
                // A few vendors send the last chunk as a whole answer; it says nothing new.
                "delta" => delta = Some(value),
                "finish_reason" => reason = Some(value),
                "logprobs" => logprobs = said::logprobs(value),
                _ => {}
            }
        }
        let Some(position) = self.position(index) else { return };
        let choice = &mut self.choices[position];
        if let Some(delta) = delta {
            choice.read_delta(delta, self.id.as_ref(), events);
        }
        events.extend(logprobs.map(|logprobs| Event::Logprobs { choice: index, logprobs }));
        let reason = reason.and_then(|reason| finish::read(reason, !choice.calls.is_empty()));
        choice.finish(reason, events);
    }

    fn position(&mut self, index: u32) -> Option<usize> {
        let known = self.choices.iter().position(|choice| choice.index == index);
        known.or_else(|| {
            (self.choices.len() < CHOICE_LIMIT).then(|| {
                self.choices.push(Choice { index, ..Choice::default() });
                self.choices.len() - 1
            })
        })
    }
}

impl Choice {
    fn read_delta<'text>(&mut self, delta: View<'text>, id: Option<&Text<'_>>, events: &mut Vec<Event<'text>>) {
        let (mut content, mut reasoning_content, mut reasoning) = (None, None, None);
        let (mut refusal, mut annotations, mut calls, mut function) = (None, None, None, None);
        for (name, value) in delta.members() {
            let slot = match name.as_ref() {
                "content" => &mut content,
                "reasoning_content" => &mut reasoning_content,
                "reasoning" => &mut reasoning,
                "refusal" => &mut refusal,
                "annotations" => &mut annotations,
                "tool_calls" => &mut calls,
                "function_call" => &mut function,
                _ => continue,
            };
            *slot = Some(value).filter(|value| !value.is_null());
        }
        if let Some((text, proof)) = said::reasoning(reasoning_content, reasoning) {
            self.say(Begun::Thinking, text, events);
            if let Some(proof) = proof {
                self.parts.prove(proof);
            }
        }
        for said in content.map(said::read).unwrap_or_default() {
            match said {
                Said::Words(text) => self.say(Begun::Text, text, events),
                Said::Thought(text) => self.say(Begun::Thinking, text, events),
            }
        }
        if let Some(text) = refusal.and_then(View::text).filter(|text| !text.is_empty()) {
            self.refuses = true;
            self.say(Begun::Refusal, text, events);
        }
        for citation in annotations.map(View::elements).unwrap_or_default() {
            let part = self.parts.of(self.index, Begun::Text, events);
            events.push(Event::Citation { choice: self.index, part, citation });
        }
        for call in calls.map(View::elements).unwrap_or_default() {
            self.calls.read(self.index, call, id, &mut self.parts, events);
        }
        if let Some(function) = function {
            // From before there were tools: one call, without an index.
            self.calls.read_function(self.index, Some(0), None, function, id, &mut self.parts, events);
        }
    }

    fn say<'text>(&mut self, kind: Begun<'text>, text: Text<'text>, events: &mut Vec<Event<'text>>) {
        let part = self.parts.of(self.index, kind, events);
        events.push(Event::Piece { choice: self.index, part, text });
    }

    fn finish(&mut self, reason: Option<Finish>, events: &mut Vec<Event<'_>>) {
        if let Some(reason) = reason
            && !self.is_finished
        {
            self.is_finished = true;
            self.parts.end(self.index, events);
            let reason = finish::with_refusal(reason, self.refuses);
            events.push(Event::Finish { choice: self.index, reason, stop_sequence: None });
        }
    }
}
