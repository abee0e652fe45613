//! OpenAI's chat completion, whole and streamed, after the published API reference.
//!
//! The answer is spliced from constant text, the content escaped beforehand, and the request's model; nothing is built
//! as a tree, because this is the upstream that benchmarks measure against. Reasoning is written as `reasoning_content`,
//! as vendors beside OpenAI do.

use std::fmt::{Arguments, Write};

use super::super::answer::{Answer, EVENT_STREAM, EventKind};
use super::super::behaviour::{LineEnd, Omission};
use super::super::delay::Random;
use super::super::events::{Events, Form};
use super::super::ids::{push_id, unix_seconds};
use super::super::pieces::{Pieces, push_escaped};
use super::super::turn::{Asked, Finish, Turn, Usage};
use super::errors::error_body;

const FINGERPRINT: &str = "fp_ff25b2783a";
/// OpenAI pads stream events against traffic analysis with a string of varying length.
const PADDING: &str = "KhEoTT6u7JgGis";
const ID_LENGTH: usize = 29;

/// Renders one completion.
pub(super) fn chat(turn: &Turn<'_>, asked: &Asked<'_>, random: &mut Random) -> Answer {
    if asked.stream {
        let mut stream = Stream { turn, asked, opening: String::new(), events: events(turn) };
        stream.write(random);
        return stream.events.answer(turn.behaviour, EVENT_STREAM, None, || error_body(500, &turn.behaviour.error));
    }
    Answer::json(turn.status(), whole(turn, random))
}

pub(super) fn events(turn: &Turn<'_>) -> Events {
    Events::new(turn.behaviour, Form::Sse, LineEnd::Lf)
}

fn whole(turn: &Turn<'_>, random: &mut Random) -> String {
    let mut text = String::with_capacity(560 + turn.choices * (140 + turn.said().len()));
    text.push('{');
    head(&mut text, turn, "chat.completion", random);
    text.push_str(",\"choices\":[");
    for index in 0..turn.choices {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{{\"index\":{index},\"message\":{{\"role\":\"assistant\",\"content\":");
        if turn.refused {
            let _ = write!(text, "null,\"refusal\":\"{}\"", turn.said());
        } else if turn.calls.is_empty() {
            let _ = write!(text, "\"{}\",\"refusal\":null", turn.said());
        } else {
            text.push_str("null,\"refusal\":null,\"tool_calls\":[");
            for (place, call) in turn.calls.iter().enumerate() {
                text.push_str(if place == 0 { "{\"id\":\"" } else { ",{\"id\":\"" });
                push_id(&mut text, "call_", ID_LENGTH, random);
                let (name, arguments) = (&call.name, call.arguments.whole());
                let _ = write!(
                    text,
                    "\",\"type\":\"function\",\"function\":{{\"name\":\"{name}\",\"arguments\":\"{arguments}\"}}}}"
                );
            }
            text.push(']');
        }
        if let Some(reasoning) = turn.reasoning {
            let _ = write!(text, ",\"reasoning_content\":\"{}\"", reasoning.whole());
        }
        text.push_str(",\"annotations\":[]},\"logprobs\":null,\"finish_reason\":");
        finish_reason(&mut text, turn);
        text.push('}');
    }
    text.push(']');
    if !turn.behaviour.omits(Omission::Usage) {
        text.push_str(",\"usage\":");
        usage(&mut text, turn.usage);
    }
    let _ = write!(text, ",\"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\"}}");
    text
}

struct Stream<'a> {
    turn: &'a Turn<'a>,
    asked: &'a Asked<'a>,
    /// How every chunk begins.
    opening: String,
    events: Events,
}

impl Stream<'_> {
    fn write(&mut self, random: &mut Random) {
        let turn = self.turn;
        self.opening.push('{');
        head(&mut self.opening, turn, "chat.completion.chunk", random);
        let _ = write!(
            self.opening,
            ",\"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":["
        );
        self.events.text.reserve((turn.pieces + 4) * (self.opening.len() + 120) * turn.choices);

        if !turn.behaviour.omits(Omission::Role) {
            let content = if turn.calls.is_empty() { "\"\",\"refusal\":null" } else { "null" };
            let delta = format_args!("\"role\":\"assistant\",\"content\":{content}");
            self.every_choice(EventKind::Role, delta);
        }
        if let Some(reasoning) = turn.reasoning {
            self.pieces("reasoning_content", reasoning, reasoning.len());
        }
        if turn.calls.is_empty() {
            self.pieces(if turn.refused { "refusal" } else { "content" }, turn.text, turn.pieces);
        } else {
            self.calls(random);
        }
        if !turn.behaviour.omits(Omission::FinishReason) {
            self.every_choice(EventKind::Finish, format_args!(""));
        }
        if self.asked.usage_in_stream && !turn.behaviour.omits(Omission::Usage) {
            self.events.open(None);
            self.events.text.push_str(&self.opening);
            self.events.text.push_str("],\"usage\":");
            usage(&mut self.events.text, turn.usage);
            self.close(EventKind::Usage);
        }
        if !turn.behaviour.omits(Omission::Done) {
            self.events.event(EventKind::Done, None, "[DONE]");
        }
    }

    fn pieces(&mut self, field: &str, pieces: &Pieces, count: usize) {
        for place in 0..count {
            self.every_choice(EventKind::Content, format_args!("\"{field}\":\"{}\"", pieces.piece(place)));
        }
    }

    /// Each call opens with its id and name; its arguments follow in pieces.
    fn calls(&mut self, random: &mut Random) {
        for index in 0..self.turn.choices {
            for (place, call) in self.turn.calls.iter().enumerate() {
                let (mut id, name) = (String::new(), &call.name);
                push_id(&mut id, "call_", ID_LENGTH, random);
                let function = format_args!("\"function\":{{\"name\":\"{name}\",\"arguments\":\"\"}}");
                let delta = format_args!(
                    "\"tool_calls\":[{{\"index\":{place},\"id\":\"{id}\",\"type\":\"function\",{function}}}]"
                );
                self.delta(index, EventKind::Content, delta);
                for piece in 0..call.arguments.len() {
                    let arguments = call.arguments.piece(piece);
                    let delta = format_args!(
                        "\"tool_calls\":[{{\"index\":{place},\"function\":{{\"arguments\":\"{arguments}\"}}}}]"
                    );
                    self.delta(index, EventKind::Content, delta);
                }
            }
        }
    }

    fn every_choice(&mut self, kind: EventKind, delta: Arguments<'_>) {
        for index in 0..self.turn.choices {
            self.delta(index, kind, delta);
        }
    }

    fn delta(&mut self, index: usize, kind: EventKind, delta: Arguments<'_>) {
        self.events.open(None);
        let text = &mut self.events.text;
        text.push_str(&self.opening);
        let _ = write!(text, "{{\"index\":{index},\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":");
        if kind == EventKind::Finish {
            finish_reason(text, self.turn);
        } else {
            text.push_str("null");
        }
        text.push_str("}]");
        if self.asked.usage_in_stream {
            text.push_str(",\"usage\":null");
        }
        self.close(kind);
    }

    fn close(&mut self, kind: EventKind) {
        if self.asked.unpadded {
            self.events.text.push('}');
        } else {
            let length = 4 + self.events.len() * 5 % (PADDING.len() - 3);
            let _ = write!(self.events.text, ",\"obfuscation\":\"{}\"}}", &PADDING[..length]);
        }
        self.events.close(kind);
    }
}

fn head(text: &mut String, turn: &Turn<'_>, object: &str, random: &mut Random) {
    text.push_str("\"id\":\"");
    push_id(text, "chatcmpl-", ID_LENGTH, random);
    let _ = write!(text, "\",\"object\":\"{object}\",\"created\":{},\"model\":\"", unix_seconds());
    push_escaped(text, turn.model);
    text.push('"');
}

pub(super) fn reason(finish: Finish<'_>) -> &str {
    match finish {
        Finish::Stop | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_calls",
        Finish::ContentFilter => "content_filter",
        Finish::Told(reason) => reason,
    }
}

fn finish_reason(text: &mut String, turn: &Turn<'_>) {
    if turn.behaviour.omits(Omission::FinishReason) {
        text.push_str("null");
        return;
    }
    text.push('"');
    push_escaped(text, reason(turn.finish));
    text.push('"');
}

fn usage(text: &mut String, usage: Usage) {
    let Usage { input_tokens, cached_tokens, output_tokens, reasoning_tokens, .. } = usage;
    let _ = write!(
        text,
        "{{\"prompt_tokens\":{input_tokens},\"completion_tokens\":{output_tokens},\"total_tokens\":{},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_tokens},\"audio_tokens\":0}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_tokens},\"audio_tokens\":0,\
         \"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}}",
        input_tokens + output_tokens,
    );
}
