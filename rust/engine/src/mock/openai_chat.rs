//! OpenAI's chat completion, whole and streamed, after the published API reference.
//!
//! The answer is spliced from constant text, the content escaped beforehand, and the request's model; nothing is built
//! as a tree, because this is the upstream that benchmarks measure against.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::answer::{Answer, EVENT_STREAM, EventKind, Mark};
use super::behaviour::{LineEnd, Omission};
use super::delay::Random;
use super::openai::{error_body, push_id, unix_seconds};
use super::reply::{Reply, push_escaped};
use super::script::plain_model;

const FINGERPRINT: &str = "fp_ff25b2783a";
/// OpenAI pads stream events against traffic analysis with a string of varying length.
const PADDING: &str = "KhEoTT6u7JgGis";
const MAX_CHOICES: usize = 128;

/// The request's fields that change the answer; the rest is skipped without being stored.
#[derive(Debug, Deserialize)]
pub(super) struct ChatRequest<'a> {
    #[serde(borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<usize>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    tools: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    tool_choice: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
    #[serde(default)]
    include_obfuscation: Option<bool>,
}

impl ChatRequest<'_> {
    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    fn wants_tools(&self) -> bool {
        self.tools.as_ref().is_some_and(|tools| !tools.is_empty())
            && self.tool_choice.as_ref().is_none_or(|choice| choice != "none")
    }
}

/// One answer being written: what every part of it needs to know.
struct Writer<'a> {
    reply: &'a Reply,
    request: &'a ChatRequest<'a>,
    pieces: usize,
    tools: bool,
    finish: &'a str,
    prompt_tokens: u64,
    completion_tokens: u64,
    text: String,
    marks: Vec<Mark>,
}

/// Renders the answer to `request`, whose body had `body_bytes` bytes.
pub(super) fn chat(reply: &Reply, request: &ChatRequest<'_>, body_bytes: usize, random: &mut Random) -> Answer {
    let behaviour = &reply.behaviour;
    let limit = request.max_completion_tokens.or(request.max_tokens).unwrap_or(usize::MAX);
    let tools = !behaviour.tool_calls.is_empty() && request.wants_tools();
    let pieces = reply.pieces().min(limit);
    let usual = if tools {
        "tool_calls"
    } else if pieces < reply.pieces() {
        "length"
    } else {
        "stop"
    };
    let choices = request.n.unwrap_or(1).clamp(1, MAX_CHOICES);
    let written = if tools { 8 * behaviour.tool_calls.len() } else { pieces };
    let mut writer = Writer {
        reply,
        request,
        pieces,
        tools,
        finish: behaviour.finish_reason.as_deref().unwrap_or(usual),
        prompt_tokens: behaviour.usage.prompt_tokens.unwrap_or(body_bytes as u64 / 4),
        completion_tokens: behaviour.usage.completion_tokens.unwrap_or((written * choices) as u64),
        text: String::new(),
        marks: Vec::new(),
    };
    let status = behaviour.status.unwrap_or(200);
    if request.streams() {
        writer.events(choices, random);
        let mut answer = Answer::stream(status, EVENT_STREAM.into(), writer.text.into(), writer.marks);
        if let Some(point) = behaviour.error_event {
            let end = blank_line(behaviour.line_end);
            answer.end_with_error(point, &format!("data: {}{end}", error_body(500, &behaviour.error)));
        }
        return answer;
    }
    writer.whole(choices, random);
    Answer::json(status, writer.text)
}

impl Writer<'_> {
    fn whole(&mut self, choices: usize, random: &mut Random) {
        self.text.reserve(560 + choices * (140 + self.reply.first(self.pieces).len()));
        self.text.push('{');
        self.head("chat.completion", random);
        self.text.push_str(",\"choices\":[");
        for index in 0..choices {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(self.text, "{comma}{{\"index\":{index},\"message\":{{\"role\":\"assistant\",\"content\":");
            if self.tools {
                self.text.push_str("null,\"tool_calls\":[");
                for (place, call) in self.reply.behaviour.tool_calls.iter().enumerate() {
                    self.text.push_str(if place == 0 { "{\"id\":\"" } else { ",{\"id\":\"" });
                    push_id(&mut self.text, "call_", random);
                    self.text.push_str("\",\"type\":\"function\",\"function\":{\"name\":\"");
                    push_escaped(&mut self.text, &call.name);
                    self.text.push_str("\",\"arguments\":\"");
                    push_escaped(&mut self.text, &call.arguments);
                    self.text.push_str("\"}}");
                }
                self.text.push(']');
            } else {
                let _ = write!(self.text, "\"{}\"", self.reply.first(self.pieces));
            }
            self.text.push_str(",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":");
            self.finish_reason();
            self.text.push('}');
        }
        self.text.push(']');
        if !self.reply.behaviour.omits(Omission::Usage) {
            self.text.push_str(",\"usage\":");
            self.usage();
        }
        let _ = write!(self.text, ",\"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\"}}");
    }

    fn events(&mut self, choices: usize, random: &mut Random) {
        let mut opening = String::from("data: {");
        std::mem::swap(&mut self.text, &mut opening);
        self.head("chat.completion.chunk", random);
        let _ =
            write!(self.text, ",\"service_tier\":\"default\",\"system_fingerprint\":\"{FINGERPRINT}\",\"choices\":[");
        std::mem::swap(&mut self.text, &mut opening);
        self.text.reserve((self.pieces + 4) * (opening.len() + 120) * choices);

        let content = if self.tools { "null" } else { "\"\"" };
        if !self.reply.behaviour.omits(Omission::Role) {
            for index in 0..choices {
                let delta = format_args!("\"role\":\"assistant\",\"content\":{content},\"refusal\":null");
                self.delta(&opening, index, delta, EventKind::Role);
            }
        }
        if self.tools {
            self.tool_events(&opening, choices, random);
        } else {
            let reply = self.reply;
            for place in 0..self.pieces {
                for index in 0..choices {
                    let delta = format_args!("\"content\":\"{}\"", reply.piece(place));
                    self.delta(&opening, index, delta, EventKind::Content);
                }
            }
        }
        if !self.reply.behaviour.omits(Omission::FinishReason) {
            for index in 0..choices {
                self.delta(&opening, index, format_args!(""), EventKind::Finish);
            }
        }
        if self.includes_usage() && !self.reply.behaviour.omits(Omission::Usage) {
            self.comment();
            self.text.push_str(&opening);
            self.text.push_str("],\"usage\":");
            self.usage();
            self.padding();
            self.end(EventKind::Usage);
        }
        if !self.reply.behaviour.omits(Omission::Done) {
            self.comment();
            self.text.push_str("data: [DONE]");
            self.end(EventKind::Done);
        }
    }

    /// Each call opens with its id and name; its arguments follow in pieces of a few characters.
    fn tool_events(&mut self, opening: &str, choices: usize, random: &mut Random) {
        const PIECE_CHARACTERS: usize = 5;
        for index in 0..choices {
            for (place, call) in self.reply.behaviour.tool_calls.iter().enumerate() {
                let (mut id, mut name) = (String::new(), String::new());
                push_id(&mut id, "call_", random);
                push_escaped(&mut name, &call.name);
                let function = format_args!("\"function\":{{\"name\":\"{name}\",\"arguments\":\"\"}}");
                let delta = format_args!(
                    "\"tool_calls\":[{{\"index\":{place},\"id\":\"{id}\",\"type\":\"function\",{function}}}]"
                );
                self.delta(opening, index, delta, EventKind::Content);
                let characters: Vec<char> = call.arguments.chars().collect();
                for piece in characters.chunks(PIECE_CHARACTERS) {
                    let mut arguments = String::new();
                    push_escaped(&mut arguments, &piece.iter().collect::<String>());
                    let delta = format_args!(
                        "\"tool_calls\":[{{\"index\":{place},\"function\":{{\"arguments\":\"{arguments}\"}}}}]"
                    );
                    self.delta(opening, index, delta, EventKind::Content);
                }
            }
        }
    }

    fn delta(&mut self, opening: &str, index: usize, delta: std::fmt::Arguments<'_>, kind: EventKind) {
        self.comment();
        self.text.push_str(opening);
        let _ = write!(self.text, "{{\"index\":{index},\"delta\":{{{delta}}},\"logprobs\":null,\"finish_reason\":");
        if kind == EventKind::Finish {
            self.finish_reason();
        } else {
            self.text.push_str("null");
        }
        self.text.push_str("}]");
        if self.includes_usage() {
            self.text.push_str(",\"usage\":null");
        }
        self.padding();
        self.end(kind);
    }

    fn end(&mut self, kind: EventKind) {
        self.text.push_str(blank_line(self.reply.behaviour.line_end));
        self.marks.push(Mark { end: self.text.len(), kind });
    }

    fn comment(&mut self) {
        let behaviour = &self.reply.behaviour;
        if behaviour.comment_every.is_some_and(|every| self.marks.len().is_multiple_of(every)) {
            self.text.push_str(": mock ping");
            self.text.push_str(blank_line(behaviour.line_end));
        }
    }

    fn padding(&mut self) {
        let wanted = self.request.stream_options.as_ref().and_then(|options| options.include_obfuscation);
        if wanted == Some(false) {
            self.text.push('}');
        } else {
            let length = 4 + self.marks.len() * 5 % (PADDING.len() - 3);
            let _ = write!(self.text, ",\"obfuscation\":\"{}\"}}", &PADDING[..length]);
        }
    }

    fn includes_usage(&self) -> bool {
        self.request.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true)
    }

    fn head(&mut self, object: &str, random: &mut Random) {
        self.text.push_str("\"id\":\"");
        push_id(&mut self.text, "chatcmpl-", random);
        let _ = write!(self.text, "\",\"object\":\"{object}\",\"created\":{},\"model\":\"", unix_seconds());
        let model = self.reply.behaviour.response_model.as_deref();
        push_escaped(&mut self.text, model.unwrap_or_else(|| plain_model(&self.request.model)));
        self.text.push('"');
    }

    fn finish_reason(&mut self) {
        if self.reply.behaviour.omits(Omission::FinishReason) {
            self.text.push_str("null");
            return;
        }
        self.text.push('"');
        push_escaped(&mut self.text, self.finish);
        self.text.push('"');
    }

    fn usage(&mut self) {
        let (prompt, completion) = (self.prompt_tokens, self.completion_tokens);
        let numbers = &self.reply.behaviour.usage;
        let _ = write!(
            self.text,
            "{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion},\"total_tokens\":{},\
             \"prompt_tokens_details\":{{\"cached_tokens\":{},\"audio_tokens\":0}},\
             \"completion_tokens_details\":{{\"reasoning_tokens\":{},\"audio_tokens\":0,\
             \"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}}}",
            prompt + completion,
            numbers.cached_tokens,
            numbers.reasoning_tokens,
        );
    }
}

const fn blank_line(line_end: LineEnd) -> &'static str {
    match line_end {
        LineEnd::Lf => "\n\n",
        LineEnd::Crlf => "\r\n\r\n",
    }
}
