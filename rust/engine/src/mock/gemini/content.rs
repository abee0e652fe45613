//! Gemini's generated content, whole and streamed: as server-sent events, or as the elements of one JSON array.
//!
//! Spliced from constant text, the content escaped beforehand, and the request's model, as OpenAI's chat is.

use std::fmt::{Arguments, Write};

use super::super::answer::{Answer, EventKind};
use super::super::behaviour::{LineEnd, Omission};
use super::super::delay::Random;
use super::super::events::{Events, Form};
use super::super::ids::push_id;
use super::super::pieces::push_escaped;
use super::super::turn::{Finish, Turn};
use super::JSON;
use super::errors::error_body;

const EVENT_STREAM: &str = "text/event-stream";
const ID_LENGTH: usize = 22;
/// What a chunk is expected to need beside its text.
const CHUNK_BYTES: usize = 420;

/// One answer.
pub(super) fn whole(turn: &Turn<'_>, random: &mut Random) -> String {
    let mut text = String::with_capacity(CHUNK_BYTES + turn.choices * (120 + turn.said().len()));
    text.push('{');
    if turn.refused {
        blocked(&mut text, turn);
    } else {
        text.push_str("\"candidates\":[");
        for index in 0..turn.choices {
            text.push_str(if index == 0 { "{\"content\":{\"parts\":[" } else { ",{\"content\":{\"parts\":[" });
            parts(&mut text, turn);
            text.push(']');
            role(&mut text, turn);
            text.push('}');
            if !turn.calls.is_empty() {
                text.push_str(",\"finishMessage\":\"Model generated function call(s).\"");
            }
            finish(&mut text, turn, index);
        }
        text.push(']');
    }
    tail(&mut text, turn, turn.usage.output_tokens, &response_id(random));
    text
}

fn parts(text: &mut String, turn: &Turn<'_>) {
    let mut comma = "";
    if let Some(reasoning) = turn.reasoning {
        let _ = write!(text, "{{\"text\":\"{}\",\"thought\":true}}", reasoning.whole());
        comma = ",";
    }
    for (place, call) in turn.calls.iter().enumerate() {
        let _ = write!(text, "{comma}{{\"functionCall\":{{\"name\":\"{}\",\"args\":{}}}", call.name, call.value);
        // Of parallel calls the first alone is signed.
        signature(text, turn.signature.filter(|_| place == 0));
        text.push('}');
        comma = ",";
    }
    if turn.calls.is_empty() {
        let _ = write!(text, "{comma}{{\"text\":\"{}\"", turn.said());
        signature(text, turn.signature);
        text.push('}');
    }
}

/// A stream of chunks, each an answer with one piece; the last has the reason and no text.
pub(super) fn stream(turn: &Turn<'_>, is_array: bool, random: &mut Random) -> Answer {
    let form = if is_array { Form::Array } else { Form::Sse };
    let events = Events::new(turn.behaviour, form, LineEnd::Crlf);
    let mut stream = Stream { turn, events, id: response_id(random), counted_tokens: 0 };
    stream.write();
    if is_array && !turn.behaviour.omits(Omission::Done) {
        stream.events.end_array();
    }
    let content_type = if is_array { JSON } else { EVENT_STREAM };
    let (fields, limits) = (&turn.behaviour.error, &turn.behaviour.rate_limits);
    stream.events.answer(turn.behaviour, content_type, None, || error_body(503, fields, limits))
}

struct Stream<'a> {
    turn: &'a Turn<'a>,
    events: Events,
    id: String,
    /// What the chunks so far have counted.
    counted_tokens: u64,
}

impl Stream<'_> {
    fn write(&mut self) {
        let turn = self.turn;
        self.events.text.reserve((turn.pieces + 2) * CHUNK_BYTES * turn.choices);
        if turn.refused {
            self.events.open(None);
            self.events.text.push('{');
            blocked(&mut self.events.text, turn);
            tail(&mut self.events.text, turn, 0, &self.id);
            self.events.close(EventKind::Content);
            return;
        }
        if let Some(reasoning) = turn.reasoning {
            for place in 0..reasoning.len() {
                self.chunk(None, format_args!("\"text\":\"{}\",\"thought\":true", reasoning.piece(place)));
            }
        }
        for (place, call) in turn.calls.iter().enumerate() {
            let mut signed = String::new();
            signature(&mut signed, turn.signature.filter(|_| place == 0));
            let call = format_args!("\"functionCall\":{{\"name\":\"{}\",\"args\":{}}}{signed}", call.name, call.value);
            self.chunk(None, call);
        }
        if turn.calls.is_empty() {
            for place in 0..turn.pieces {
                self.chunk(Some(place), format_args!("\"text\":\"{}\"", turn.text.piece(place)));
            }
        }
        for index in 0..turn.choices {
            let mut signed = String::new();
            signature(&mut signed, turn.signature.filter(|_| turn.calls.is_empty()));
            self.one(index, EventKind::Finish, turn.usage.output_tokens, format_args!("\"text\":\"\"{signed}"));
        }
    }

    /// The same part for every candidate; text counts as it comes, what else there is at the end.
    fn chunk(&mut self, piece: Option<usize>, part: Arguments<'_>) {
        for index in 0..self.turn.choices {
            self.counted_tokens += u64::from(piece.is_some());
            let counted = self.turn.usage.reasoning_tokens + self.counted_tokens;
            self.one(index, EventKind::Content, counted.min(self.turn.usage.output_tokens), part);
        }
    }

    fn one(&mut self, index: usize, kind: EventKind, output_tokens: u64, part: Arguments<'_>) {
        self.events.open(None);
        let text = &mut self.events.text;
        let _ = write!(text, "{{\"candidates\":[{{\"content\":{{\"parts\":[{{{part}}}]");
        role(text, self.turn);
        text.push('}');
        if kind == EventKind::Finish {
            finish(text, self.turn, index);
        } else {
            let _ = write!(text, ",\"index\":{index}}}");
        }
        text.push(']');
        tail(text, self.turn, output_tokens, &self.id);
        self.events.close(kind);
    }
}

fn role(text: &mut String, turn: &Turn<'_>) {
    if !turn.behaviour.omits(Omission::Role) {
        text.push_str(",\"role\":\"model\"");
    }
}

fn signature(text: &mut String, signature: Option<&str>) {
    if let Some(signature) = signature {
        let _ = write!(text, ",\"thoughtSignature\":\"{signature}\"");
    }
}

/// The reason and the end of a candidate.
fn finish(text: &mut String, turn: &Turn<'_>, index: usize) {
    if !turn.behaviour.omits(Omission::FinishReason) {
        text.push_str(",\"finishReason\":\"");
        push_escaped(
            text,
            match turn.finish {
                Finish::Stop | Finish::ToolCalls => "STOP",
                Finish::Length => "MAX_TOKENS",
                Finish::ContentFilter | Finish::Refusal => "SAFETY",
                Finish::Told(reason) => reason,
            },
        );
        text.push('"');
    }
    let _ = write!(text, ",\"index\":{index}}}");
}

/// Google refuses by blocking the prompt: no candidate, and a reason.
fn blocked(text: &mut String, turn: &Turn<'_>) {
    let said = turn.text.whole();
    let _ = write!(text, "\"promptFeedback\":{{\"blockReason\":\"SAFETY\",\"blockReasonMessage\":\"{said}\"}}");
}

/// Usage, model and id: the end of every answer and chunk.
fn tail(text: &mut String, turn: &Turn<'_>, output_tokens: u64, id: &str) {
    if !turn.behaviour.omits(Omission::Usage) {
        let (input, reasoning) = (turn.usage.input_tokens, turn.usage.reasoning_tokens.min(output_tokens));
        let _ = write!(text, ",\"usageMetadata\":{{\"promptTokenCount\":{input}");
        // Google counts thoughts beside the candidates, not among them.
        if output_tokens > reasoning {
            let _ = write!(text, ",\"candidatesTokenCount\":{}", output_tokens - reasoning);
        }
        let _ = write!(text, ",\"totalTokenCount\":{}", input + output_tokens);
        let cached = turn.usage.cached_tokens;
        if cached > 0 {
            let details = format_args!("[{{\"modality\":\"TEXT\",\"tokenCount\":{cached}}}]");
            let _ = write!(text, ",\"cachedContentTokenCount\":{cached},\"cacheTokensDetails\":{details}");
        }
        let _ = write!(text, ",\"promptTokensDetails\":[{{\"modality\":\"TEXT\",\"tokenCount\":{input}}}]");
        if reasoning > 0 {
            let _ = write!(text, ",\"thoughtsTokenCount\":{reasoning}");
        }
        text.push('}');
    }
    text.push_str(",\"modelVersion\":\"");
    push_escaped(text, turn.model);
    let _ = write!(text, "\",\"responseId\":\"{id}\"}}");
}

fn response_id(random: &mut Random) -> String {
    let mut id = String::new();
    push_id(&mut id, "", ID_LENGTH, random);
    id
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
