//! Anthropic's message, whole and streamed.
//!
//! Spliced from constant text, the content escaped beforehand, and the request's model, as OpenAI's chat is: this is an
//! upstream that benchmarks measure against.

use std::fmt::{Arguments, Write};

use super::super::answer::{Answer, EVENT_STREAM, EventKind};
use super::super::behaviour::{LineEnd, Omission};
use super::super::delay::Random;
use super::super::events::{Events, Form};
use super::super::ids::push_id;
use super::super::pieces::push_escaped;
use super::super::turn::{Asked, Finish, Turn};
use super::errors::error_body;

const ID_LENGTH: usize = 22;
/// Anthropic pads events against traffic analysis with blanks before their last brace.
const PADDING: &str = "              ";
/// Called by the model itself, and not by code that it runs.
const DIRECT: &str = "\"caller\":{\"type\":\"direct\"}";
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
const PING_CRLF: &str = "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n";

/// Renders one message.
pub(super) fn message(turn: &Turn<'_>, asked: &Asked<'_>, random: &mut Random) -> Answer {
    if !asked.stream {
        return Answer::json(turn.status(), whole(turn, asked, random));
    }
    let events = Events::new(turn.behaviour, Form::Sse, LineEnd::Lf);
    let mut stream = Stream { turn, asked, events, blocks: 0 };
    stream.write(random);
    let error = || error_body(529, &turn.behaviour.error, None);
    let mut answer = stream.events.answer(turn.behaviour, EVENT_STREAM, Some("error"), error);
    answer.ping = if turn.behaviour.line_end == Some(LineEnd::Crlf) { PING_CRLF } else { PING };
    answer
}

fn whole(turn: &Turn<'_>, asked: &Asked<'_>, random: &mut Random) -> String {
    let mut text = String::with_capacity(560 + turn.said().len());
    text.push('{');
    head(&mut text, turn, random);
    text.push_str(",\"content\":[");
    let mut comma = "";
    if let Some(reasoning) = turn.reasoning {
        let (thinking, signature) = (reasoning.whole(), turn.signature.unwrap_or_default());
        let _ = write!(text, "{{\"type\":\"thinking\",\"thinking\":\"{thinking}\",\"signature\":\"{signature}\"}}");
        comma = ",";
    }
    for call in turn.calls {
        let _ = write!(text, "{comma}{{\"type\":\"tool_use\",\"id\":\"");
        push_id(&mut text, "toolu_01", ID_LENGTH, random);
        let _ = write!(text, "\",\"name\":\"{}\",\"input\":{},{DIRECT}}}", call.name, call.value);
        comma = ",";
    }
    if turn.calls.is_empty() && turn.pieces > 0 {
        let _ = write!(text, "{comma}{{\"type\":\"text\",\"text\":\"{}\"}}", turn.said());
    }
    text.push_str("],");
    ending(&mut text, turn, asked);
    if !turn.behaviour.omits(Omission::Usage) {
        text.push_str(",\"usage\":");
        usage(&mut text, turn, Some(turn.usage.output_tokens));
    }
    text.push('}');
    text
}

struct Stream<'a> {
    turn: &'a Turn<'a>,
    asked: &'a Asked<'a>,
    events: Events,
    blocks: usize,
}

impl Stream<'_> {
    fn write(&mut self, random: &mut Random) {
        let turn = self.turn;
        self.events.text.reserve((turn.pieces + 8) * 160);
        if !turn.behaviour.omits(Omission::Role) {
            self.start(random);
        }
        if turn.reasoning.is_none() && turn.calls.is_empty() && turn.pieces == 0 {
            self.ping();
        }
        if let Some(reasoning) = turn.reasoning {
            self.open_block(
                EventKind::Part,
                format_args!("\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
            );
            for place in 0..reasoning.len() {
                let thinking = reasoning.piece(place);
                self.delta(format_args!("\"type\":\"thinking_delta\",\"thinking\":\"{thinking}\""));
            }
            let signature = turn.signature.unwrap_or_default();
            self.delta(format_args!("\"type\":\"signature_delta\",\"signature\":\"{signature}\""));
            self.close_block();
        }
        for call in turn.calls {
            let (mut id, name) = (String::new(), &call.name);
            push_id(&mut id, "toolu_01", ID_LENGTH, random);
            // Name and id are content already.
            let block = format_args!("\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"{name}\",\"input\":{{}}");
            self.open_block(EventKind::Content, block);
            self.delta(format_args!("\"type\":\"input_json_delta\",\"partial_json\":\"\""));
            for piece in 0..call.arguments.len() {
                let json = call.arguments.piece(piece);
                self.delta(format_args!("\"type\":\"input_json_delta\",\"partial_json\":\"{json}\""));
            }
            self.close_block();
        }
        if turn.calls.is_empty() && turn.pieces > 0 {
            self.open_block(EventKind::Part, format_args!("\"type\":\"text\",\"text\":\"\""));
            for place in 0..turn.pieces {
                self.delta(format_args!("\"type\":\"text_delta\",\"text\":\"{}\"", turn.text.piece(place)));
            }
            self.close_block();
        }
        if !turn.behaviour.omits(Omission::FinishReason) {
            self.finish();
        }
        if !turn.behaviour.omits(Omission::Done) {
            self.events.open(Some("message_stop"));
            self.events.text.push_str("{\"type\":\"message_stop\"");
            self.close(EventKind::Done);
        }
    }

    fn start(&mut self, random: &mut Random) {
        self.events.open(Some("message_start"));
        let text = &mut self.events.text;
        text.push_str("{\"type\":\"message_start\",\"message\":{");
        head(text, self.turn, random);
        text.push_str(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"stop_details\":null");
        if !self.turn.behaviour.omits(Omission::Usage) {
            text.push_str(",\"usage\":");
            usage(text, self.turn, None);
        }
        text.push('}');
        self.close(EventKind::Role);
    }

    fn ping(&mut self) {
        self.events.event(EventKind::Part, Some("ping"), "{\"type\": \"ping\"}");
    }

    fn open_block(&mut self, kind: EventKind, block: Arguments<'_>) {
        self.events.open(Some("content_block_start"));
        let index = self.blocks;
        let _ = write!(
            self.events.text,
            "{{\"type\":\"content_block_start\",\"index\":{index},\"content_block\":{{{block}}}"
        );
        self.close(kind);
        if index == 0 {
            self.ping();
        }
    }

    fn delta(&mut self, delta: Arguments<'_>) {
        self.events.open(Some("content_block_delta"));
        let index = self.blocks;
        let _ = write!(self.events.text, "{{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{{{delta}}}");
        self.close(EventKind::Content);
    }

    fn close_block(&mut self) {
        self.events.open(Some("content_block_stop"));
        let _ = write!(self.events.text, "{{\"type\":\"content_block_stop\",\"index\":{}", self.blocks);
        self.close(EventKind::Part);
        self.blocks += 1;
    }

    fn finish(&mut self) {
        self.events.open(Some("message_delta"));
        let text = &mut self.events.text;
        text.push_str("{\"type\":\"message_delta\",\"delta\":{");
        ending(text, self.turn, self.asked);
        text.push('}');
        if !self.turn.behaviour.omits(Omission::Usage) {
            let (uncached, numbers) = (uncached(self.turn), self.turn.usage);
            let _ = write!(
                text,
                ",\"usage\":{{\"input_tokens\":{uncached},\"cache_creation_input_tokens\":{},\
                 \"cache_read_input_tokens\":{},\"output_tokens\":{}}}",
                numbers.cache_write_tokens, numbers.cached_tokens, numbers.output_tokens,
            );
        }
        self.close(EventKind::Finish);
    }

    /// Pads and closes the object and its event.
    fn close(&mut self, kind: EventKind) {
        self.events.text.push_str(&PADDING[..self.events.len() * 5 % PADDING.len()]);
        self.events.text.push('}');
        self.events.close(kind);
    }
}

fn head(text: &mut String, turn: &Turn<'_>, random: &mut Random) {
    text.push_str("\"model\":\"");
    push_escaped(text, turn.model);
    text.push_str("\",\"id\":\"");
    push_id(text, "msg_01", ID_LENGTH, random);
    text.push_str("\",\"type\":\"message\",\"role\":\"assistant\"");
}

/// Why the message ends, as fields of it or of its delta.
fn ending(text: &mut String, turn: &Turn<'_>, asked: &Asked<'_>) {
    let reason = match turn.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ToolCalls => "tool_use",
        Finish::ContentFilter | Finish::Refusal => "refusal",
        Finish::Told(reason) => reason,
    };
    if turn.behaviour.omits(Omission::FinishReason) {
        text.push_str("\"stop_reason\":null");
    } else {
        text.push_str("\"stop_reason\":\"");
        push_escaped(text, reason);
        text.push('"');
    }
    match asked.stop.as_deref().filter(|_| reason == "stop_sequence") {
        Some(stop) => {
            text.push_str(",\"stop_sequence\":\"");
            push_escaped(text, stop);
            text.push('"');
        }
        None => text.push_str(",\"stop_sequence\":null"),
    }
    if reason == "refusal" {
        text.push_str(",\"stop_details\":{\"type\":\"refusal\",\"category\":null,\"explanation\":null}");
    } else if !asked.stream {
        text.push_str(",\"stop_details\":null");
    }
}

/// Anthropic's input leaves out what the cache read or wrote.
fn uncached(turn: &Turn<'_>) -> u64 {
    turn.usage.input_tokens.saturating_sub(turn.usage.cached_tokens + turn.usage.cache_write_tokens)
}

/// Usage; a stream that begins has counted one token and no thought.
fn usage(text: &mut String, turn: &Turn<'_>, output_tokens: Option<u64>) {
    let (uncached, written, read) = (uncached(turn), turn.usage.cache_write_tokens, turn.usage.cached_tokens);
    let _ = write!(
        text,
        "{{\"input_tokens\":{uncached},\"cache_creation_input_tokens\":{written},\"cache_read_input_tokens\":{read},\
         \"cache_creation\":{{\"ephemeral_5m_input_tokens\":{written},\"ephemeral_1h_input_tokens\":0}},\
         \"output_tokens\":{},\"service_tier\":\"standard\",\"inference_geo\":\"not_available\"",
        output_tokens.unwrap_or(1),
    );
    if output_tokens.is_some() && turn.usage.reasoning_tokens > 0 {
        let _ = write!(text, ",\"output_tokens_details\":{{\"thinking_tokens\":{}}}", turn.usage.reasoning_tokens);
    }
    text.push('}');
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
