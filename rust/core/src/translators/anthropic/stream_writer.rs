//! Streams, as a client of Anthropic's reads them.
//!
//! Blocks are numbered in the order in which they are written, and one is open at a time. A block is announced with the
//! first thing that is in it, so none is empty; a tool call with whatever comes next, because a proof of its thought stands
//! before it. Why the answer ended is written at its proper end alone: until then the stream looks cut.

use super::answer_writer::{message_id, tool_call_id};
use super::block_writer::write_citation;
use super::finish;
use super::usage_writer::write_usage;
use crate::json_object::JsonObject;
use crate::json_view::Text;
use crate::neutral::{Begun, Event, Finish};
use crate::translators::Replying;
use crate::usage::Usage;

/// Writes a stream event by event. Of several choices the first: Anthropic knows no others.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    id: Text<'static>,
    model: Text<'static>,
    fallback_id: String,
    has_started: bool,
    /// Parts that have begun, in order.
    parts: Vec<(u32, Block)>,
    /// The index of the block that is open.
    open: Option<u32>,
    next_index: u32,
    /// Proofs of words that are not all said.
    late_proofs: Vec<Text<'static>>,
    calls_tools: bool,
    refuses: bool,
    finish: Option<Finish>,
    stop_sequence: Option<Text<'static>>,
    usage: Usage,
}

/// The block that a part becomes.
#[derive(Clone, Debug)]
struct Block {
    kind: Kind,
    /// Once it is announced.
    index: Option<u32>,
}

#[derive(Clone, Debug)]
enum Kind {
    Text,
    Thinking,
    Redacted(Text<'static>),
    ToolCall { id: Text<'static>, name: Text<'static> },
}

impl StreamWriter {
    /// A writer for the answer to one request.
    #[must_use]
    pub fn new(replying: &Replying<'_>) -> Self {
        Self {
            id: message_id(None, replying.fallback_id),
            model: Text::of(replying.fallback_model),
            fallback_id: replying.fallback_id.to_owned(),
            has_started: false,
            parts: Vec::new(),
            open: None,
            next_index: 0,
            late_proofs: Vec::new(),
            calls_tools: false,
            refuses: false,
            finish: None,
            stop_sequence: None,
            usage: Usage::default(),
        }
    }

    /// Writes what an event comes to, whole frames.
    pub fn write(&mut self, event: &Event<'_>, written: &mut Vec<u8>) {
        if !matches!(event, Event::Start { .. } | Event::Usage(_) | Event::Signature { .. }) {
            self.announce_tool_call(written);
        }
        match event {
            Event::Start { id, model } => self.learn(id.as_ref(), model.as_ref()),
            Event::Usage(usage) => self.usage = self.usage.field_wise_max(usage),
            Event::Ping => {
                self.start(written);
                frame(written, "ping", |_| {});
            }
            Event::Begin { choice: 0, part, kind } => self.begin(*part, kind, written),
            Event::Piece { choice: 0, part, text } => self.piece(*part, text, written),
            Event::Signature { choice: 0, part, signature } => self.sign(*part, signature, written),
            Event::Citation { choice: 0, part, citation } => {
                let mut cited = Vec::new();
                write_citation(*citation, &mut cited);
                if !cited.is_empty()
                    && let Some(index) = self.index_of(*part, written)
                {
                    delta(written, index, "citations_delta", |delta| delta.literal("citation", &cited));
                }
            }
            Event::End { choice: 0, part } => {
                let index = self.block(*part).and_then(|block| block.index);
                if index.is_some() && index == self.open {
                    self.close(written);
                }
            }
            Event::Finish { choice: 0, reason, stop_sequence } => {
                self.finish = Some(*reason);
                self.stop_sequence = stop_sequence.clone().map(Text::into_owned);
            }
            Event::Done => self.end(written),
            _ => {}
        }
    }

    fn learn(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>) {
        if id.is_some() {
            self.id = message_id(id, &self.fallback_id).into_owned();
        }
        if let Some(model) = model {
            self.model = model.clone().into_owned();
        }
    }

    /// Writes the start of the stream, once, with the input that is known by now.
    fn start(&mut self, written: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        frame(written, "message_start", |event| {
            event.object("message", |message| {
                message.value("id", |written| self.id.write(written));
                message.text("type", "message");
                message.text("role", "assistant");
                message.value("model", |written| self.model.write(written));
                message.literal("content", b"[]");
                message.literal("stop_reason", b"null");
                message.literal("stop_sequence", b"null");
                message.object("usage", |usage| write_usage(usage, &self.usage, None));
            });
        });
    }

    fn begin(&mut self, part: u32, kind: &Begun<'_>, written: &mut Vec<u8>) {
        self.start(written);
        if self.block(part).is_some() {
            return;
        }
        let kind = match kind {
            Begun::Text => Kind::Text,
            Begun::Refusal => {
                self.refuses = true;
                Kind::Text
            }
            Begun::Thinking => Kind::Thinking,
            Begun::RedactedThinking(data) => Kind::Redacted(data.clone().into_owned()),
            Begun::ToolCall { id, name } => {
                self.calls_tools = true;
                let id = if id.is_empty() {
                    Text::of(&tool_call_id(&self.fallback_id, self.parts.len()))
                } else {
                    id.clone().into_owned()
                };
                Kind::ToolCall { id, name: name.clone().into_owned() }
            }
        };
        let is_whole = matches!(kind, Kind::Redacted(_));
        self.parts.push((part, Block { kind, index: None }));
        if is_whole {
            self.index_of(part, written);
        }
    }

    fn piece(&mut self, part: u32, text: &Text<'_>, written: &mut Vec<u8>) {
        if self.block(part).is_none() {
            self.begin(part, &Begun::Text, written);
        }
        let (kind, name) = match self.block(part).map(|block| &block.kind) {
            Some(Kind::Text) => ("text_delta", "text"),
            Some(Kind::Thinking) => ("thinking_delta", "thinking"),
            Some(Kind::ToolCall { .. }) => ("input_json_delta", "partial_json"),
            Some(Kind::Redacted(_)) | None => return,
        };
        if text.is_empty() {
            return;
        }
        if let Some(index) = self.index_of(part, written) {
            delta(written, index, kind, |delta| delta.value(name, |written| text.write(written)));
        }
    }

    /// A proof goes into its own thoughts, or into an empty thought before words and tool calls; after them where it
    /// comes too late.
    fn sign(&mut self, part: u32, signature: &Text<'_>, written: &mut Vec<u8>) {
        let own = match self.block(part) {
            Some(Block { kind: Kind::Thinking, .. }) => self.index_of(part, written),
            Some(Block { kind: Kind::Redacted(_), .. }) => return,
            // More words, or where they are from, may follow.
            Some(Block { kind: Kind::Text, index: Some(index) }) if Some(*index) == self.open => {
                self.late_proofs.push(signature.clone().into_owned());
                return;
            }
            Some(_) | None => None,
        };
        self.start(written);
        match own {
            Some(index) => write_signature(written, index, signature),
            None => self.write_proof(signature, written),
        }
    }

    /// An empty thought with a proof.
    fn write_proof(&mut self, signature: &Text<'_>, written: &mut Vec<u8>) {
        let index = self.open_block(&Kind::Thinking, written);
        write_signature(written, index, signature);
        self.close(written);
    }

    fn end(&mut self, written: &mut Vec<u8>) {
        self.start(written);
        self.close(written);
        let reason = finish::write(self.finish, self.calls_tools, self.refuses);
        frame(written, "message_delta", |event| {
            event.object("delta", |delta| {
                delta.text("stop_reason", reason);
                delta.value("stop_sequence", |written| match &self.stop_sequence {
                    Some(stop) => stop.write(written),
                    None => written.extend_from_slice(b"null"),
                });
            });
            event.object("usage", |usage| write_usage(usage, &self.usage, None));
        });
        frame(written, "message_stop", |_| {});
    }

    fn block(&self, part: u32) -> Option<&Block> {
        self.parts.iter().rev().find(|(own, _)| *own == part).map(|(_, block)| block)
    }

    /// Announces the tool call that has begun last, unless it is.
    fn announce_tool_call(&mut self, written: &mut Vec<u8>) {
        if let Some((part, Block { kind: Kind::ToolCall { .. }, index: None })) = self.parts.last() {
            let part = *part;
            self.index_of(part, written);
        }
    }

    /// The index of a part's block, which is announced if need be.
    fn index_of(&mut self, part: u32, written: &mut Vec<u8>) -> Option<u32> {
        let at = self.parts.iter().rposition(|(own, _)| *own == part)?;
        if let Some(index) = self.parts[at].1.index {
            return Some(index);
        }
        let kind = self.parts[at].1.kind.clone();
        let index = self.open_block(&kind, written);
        self.parts[at].1.index = Some(index);
        Some(index)
    }

    fn open_block(&mut self, kind: &Kind, written: &mut Vec<u8>) -> u32 {
        self.close(written);
        let index = self.next_index;
        self.next_index = self.next_index.saturating_add(1);
        self.open = Some(index);
        frame(written, "content_block_start", |event| {
            event.number("index", index);
            event.object("content_block", |block| match kind {
                Kind::Text => {
                    block.text("type", "text");
                    block.text("text", "");
                }
                Kind::Thinking => {
                    block.text("type", "thinking");
                    block.text("thinking", "");
                    block.text("signature", "");
                }
                Kind::Redacted(data) => {
                    block.text("type", "redacted_thinking");
                    block.value("data", |written| data.write(written));
                }
                Kind::ToolCall { id, name } => {
                    block.text("type", "tool_use");
                    block.value("id", |written| id.write(written));
                    block.value("name", |written| name.write(written));
                    block.literal("input", b"{}");
                }
            });
        });
        index
    }

    fn close(&mut self, written: &mut Vec<u8>) {
        if let Some(index) = self.open.take() {
            frame(written, "content_block_stop", |event| event.number("index", index));
            for proof in std::mem::take(&mut self.late_proofs) {
                self.write_proof(&proof, written);
            }
        }
    }
}

fn write_signature(written: &mut Vec<u8>, index: u32, signature: &Text<'_>) {
    delta(written, index, "signature_delta", |delta| delta.value("signature", |written| signature.write(written)));
}

fn delta(written: &mut Vec<u8>, index: u32, kind: &str, fill: impl FnOnce(&mut JsonObject<'_>)) {
    frame(written, "content_block_delta", |event| {
        event.number("index", index);
        event.object("delta", |delta| {
            delta.text("type", kind);
            fill(delta);
        });
    });
}

fn frame(written: &mut Vec<u8>, kind: &str, fill: impl FnOnce(&mut JsonObject<'_>)) {
    written.extend_from_slice(b"event: ");
    written.extend_from_slice(kind.as_bytes());
    written.extend_from_slice(b"\ndata: ");
    let mut event = JsonObject::begin(written);
    event.text("type", kind);
    fill(&mut event);
    event.end();
    written.extend_from_slice(b"\n\n");
}

#[cfg(test)]
#[path = "stream_writer_tests.rs"]
mod tests;
