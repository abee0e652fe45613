//! Events, written as chunks of a chat completion.
//!
//! A tool call's first chunk waits for the event behind its beginning: that may be the signature, which the id carries.

use super::annotations::Annotation;
use super::answer_writer::{THOUGHTS_APART, knows_functions_only, write_logprobs};
use super::call_id::{self, Proof};
use super::{finish, usage_writer};
use crate::dialects::openai_chat::END_EVENT;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::signed_by::CHAT_REASONING;
use crate::neutral::{Begun, Event, Finish};
use crate::translators::Replying;
use crate::translators::web_citation::{WebCitation, characters};
use crate::usage::Usage;

/// A comment, which clients' readers pass over.
const PING: &[u8] = b": ping\n\n";

/// Writes a stream event by event.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    id: Text<'static>,
    model: Text<'static>,
    created_unix_s: u64,
    includes_usage: bool,
    is_legacy: bool,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    is_done: bool,
}

#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, whatever the others are")]
struct Choice {
    index: u32,
    parts: Vec<(u32, Kind)>,
    /// Where each part of words begins, in characters.
    starts: Vec<(u32, u64)>,
    calls: u32,
    /// The call that is open has no arguments yet.
    has_bare_call: bool,
    /// Proofs for the next tool call.
    proofs: Vec<Proof<'static>>,
    waiting: Option<WaitingCall>,
    /// Thoughts were written, so the next ones are set apart.
    has_thoughts: bool,
    refuses: bool,
    /// Characters of words so far.
    said: u64,
    /// Citations of words that are not all said, by part.
    cited: Vec<(u32, WebCitation<'static>)>,
    is_finished: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Text,
    Refusal,
    Thinking,
    /// Thoughts behind others, none of them written yet.
    MoreThinking,
    ToolCall(u32),
}

#[derive(Clone, Debug)]
struct WaitingCall {
    part: u32,
    index: u32,
    id: Text<'static>,
    name: Text<'static>,
}

impl Choice {
    fn start_of(&self, part: u32) -> u64 {
        self.starts.iter().rev().find(|(own, _)| *own == part).map_or(0, |(_, start)| *start)
    }
}

impl StreamWriter {
    /// A writer for an answer to this client.
    #[must_use]
    pub fn new(replying: &Replying<'_>) -> Self {
        Self {
            id: Text::of(replying.fallback_id),
            model: Text::of(replying.fallback_model),
            created_unix_s: replying.now_unix_s,
            includes_usage: replying.includes_usage,
            is_legacy: knows_functions_only(replying),
            choices: Vec::new(),
            usage: None,
            is_done: false,
        }
    }

    /// Writes what an event says, as whole frames.
    pub fn write(&mut self, event: &Event<'_>, written: &mut Vec<u8>) {
        if self.is_done {
            return;
        }
        match event {
            Event::Start { id, model } => {
                if let Some(id) = id {
                    self.id = id.clone().into_owned();
                }
                if let Some(model) = model {
                    self.model = model.clone().into_owned();
                }
                self.choice(0, written);
            }
            Event::Begin { choice, part, kind } => self.begin(*choice, *part, kind, written),
            Event::Piece { choice, part, text } => self.piece(*choice, *part, text, written),
            Event::Signature { choice, part, signature } => self.signature(*choice, *part, signature, written),
            Event::Citation { choice, part, citation } => self.cite(*choice, *part, *citation, written),
            Event::End { choice, part } => {
                let position = self.settled(*choice, written);
                let own = self.choices[position].parts.iter().rev().find(|(own, _)| own == part);
                if matches!(own, Some((_, Kind::ToolCall(_)))) {
                    self.fill_bare_call(position, written);
                }
                self.write_cited(position, Some(*part), written);
            }
            Event::Finish { choice, reason, .. } => {
                let position = self.settled(*choice, written);
                self.fill_bare_call(position, written);
                self.write_cited(position, None, written);
                self.finish(position, *reason, written);
            }
            Event::Logprobs { choice, logprobs } => {
                let position = self.choice(*choice, written);
                self.chunk(position, Some(*logprobs), None, written, |_| {});
            }
            Event::Usage(usage) => self.usage = Some(self.usage.unwrap_or_default().field_wise_max(usage)),
            Event::Ping => written.extend_from_slice(PING),
            Event::Done => self.done(written),
        }
    }

    /// Clients parse what they get: a call without arguments is one with none.
    fn fill_bare_call(&mut self, position: usize, written: &mut Vec<u8>) {
        let choice = &mut self.choices[position];
        if std::mem::take(&mut choice.has_bare_call) {
            let index = choice.calls - 1;
            self.write_arguments(position, index, &Text::of("{}"), written);
        }
    }

    fn begin(&mut self, choice: u32, part: u32, kind: &Begun<'_>, written: &mut Vec<u8>) {
        let position = self.settled(choice, written);
        if matches!(kind, Begun::ToolCall { .. }) {
            self.fill_bare_call(position, written);
        }
        let choice = &mut self.choices[position];
        let kind = match kind {
            Begun::Text => {
                choice.starts.push((part, choice.said));
                Kind::Text
            }
            Begun::Refusal => {
                choice.refuses = true;
                Kind::Refusal
            }
            Begun::Thinking if choice.has_thoughts => Kind::MoreThinking,
            Begun::Thinking => Kind::Thinking,
            Begun::RedactedThinking(data) => {
                choice.proofs.push(Proof::Redacted(data.clone().into_owned()));
                return;
            }
            Begun::ToolCall { id, name } => {
                let index = choice.calls;
                choice.calls += 1;
                choice.has_bare_call = true;
                let (id, name) = (id.clone().into_owned(), name.clone().into_owned());
                choice.waiting = Some(WaitingCall { part, index, id, name });
                Kind::ToolCall(index)
            }
        };
        choice.parts.push((part, kind));
    }

    fn piece(&mut self, choice: u32, part: u32, text: &Text<'_>, written: &mut Vec<u8>) {
        let position = self.settled(choice, written);
        let choice = &mut self.choices[position];
        let Some((_, kind)) = choice.parts.iter_mut().rev().find(|(own, _)| *own == part) else { return };
        if text.is_empty() {
            return;
        }
        let (name, apart) = match *kind {
            Kind::Text => {
                choice.said += characters(text);
                ("content", "")
            }
            Kind::Refusal => ("refusal", ""),
            Kind::Thinking | Kind::MoreThinking => {
                let apart = if *kind == Kind::MoreThinking { THOUGHTS_APART } else { "" };
                *kind = Kind::Thinking;
                choice.has_thoughts = true;
                ("reasoning_content", apart)
            }
            Kind::ToolCall(index) => {
                choice.has_bare_call &= index + 1 != choice.calls;
                self.write_arguments(position, index, text, written);
                return;
            }
        };
        self.chunk(position, None, None, written, |delta| {
            delta.value(name, |into| match apart {
                "" => text.write(into),
                apart => Text::of(apart).joined("", text).write(into),
            });
        });
    }

    fn write_arguments(&self, position: usize, index: u32, text: &Text<'_>, written: &mut Vec<u8>) {
        let write = |function: &mut JsonObject<'_>| function.value("arguments", |into| text.write(into));
        self.call_chunk(position, index, None, written, write);
    }

    fn signature(&mut self, choice: u32, part: u32, signature: &Text<'_>, written: &mut Vec<u8>) {
        let position = self.choice(choice, written);
        let choice = &mut self.choices[position];
        if choice.waiting.as_ref().is_some_and(|call| call.part == part) {
            choice.proofs.push(Proof::Call(signature.clone().into_owned()));
            self.write_waiting(position, written);
            return;
        }
        let kind = choice.parts.iter().rev().find(|(own, _)| *own == part).map(|(_, kind)| *kind);
        let is_carried = signature.escaped() != CHAT_REASONING;
        if is_carried && matches!(kind, Some(Kind::Thinking | Kind::MoreThinking)) {
            choice.proofs.push(Proof::Thought(signature.clone().into_owned()));
        }
    }

    /// A citation that says which words it is about is written at once, any other when its part is whole.
    fn cite(&mut self, choice: u32, part: u32, citation: View<'_>, written: &mut Vec<u8>) {
        let position = self.settled(choice, written);
        for annotation in Annotation::all(citation) {
            match annotation {
                Annotation::Web(web) => self.choices[position].cited.push((part, web.into_owned())),
                said => {
                    let start = self.choices[position].start_of(part);
                    self.chunk(position, None, None, written, |delta| {
                        delta.value("annotations", |into| {
                            write_list(into, [said], |one, into| one.write((start, start), into));
                        });
                    });
                }
            }
        }
    }

    /// Writes citations of a part that is whole; of all parts, if none is named.
    fn write_cited(&mut self, position: usize, part: Option<u32>, written: &mut Vec<u8>) {
        let choice = &mut self.choices[position];
        let is_meant = |own: u32| part.is_none_or(|part| part == own);
        let (whole, rest) = std::mem::take(&mut choice.cited).into_iter().partition(|(own, _)| is_meant(*own));
        choice.cited = rest;
        let whole: Vec<(u32, WebCitation<'_>)> = whole;
        if whole.is_empty() {
            return;
        }
        let choice = &self.choices[position];
        self.chunk(position, None, None, written, |delta| {
            delta.value("annotations", |into| {
                write_list(into, &whole, |(part, web), into| {
                    web.write_chat((choice.start_of(*part), choice.said), into);
                });
            });
        });
    }

    fn finish(&mut self, position: usize, reason: Finish, written: &mut Vec<u8>) {
        if std::mem::replace(&mut self.choices[position].is_finished, true) {
            return;
        }
        self.chunk(
            position,
            None,
            Some(finish::word(reason, self.choices[position].refuses, self.is_legacy)),
            written,
            |_| {},
        );
    }

    fn done(&mut self, written: &mut Vec<u8>) {
        self.choice(0, written);
        for position in 0..self.choices.len() {
            self.write_waiting(position, written);
            self.fill_bare_call(position, written);
            self.write_cited(position, None, written);
            self.finish(position, finish::with_calls(Finish::Stop, self.choices[position].calls > 0), written);
        }
        if let (true, Some(usage)) = (self.includes_usage, self.usage) {
            self.frame(written, |chunk| {
                chunk.literal("choices", b"[]");
                chunk.value("usage", |into| usage_writer::write(&usage, into));
            });
        }
        written.extend_from_slice(END_EVENT);
        self.is_done = true;
    }

    /// The place of a choice; a new one is told its role.
    fn choice(&mut self, index: u32, written: &mut Vec<u8>) -> usize {
        if let Some(position) = self.choices.iter().position(|choice| choice.index == index) {
            return position;
        }
        let position = self.choices.len();
        self.choices.push(Choice { index, ..Choice::default() });
        self.chunk(position, None, None, written, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        });
        position
    }

    /// The same, with nothing waiting.
    fn settled(&mut self, index: u32, written: &mut Vec<u8>) -> usize {
        let position = self.choice(index, written);
        self.write_waiting(position, written);
        position
    }

    fn write_waiting(&mut self, position: usize, written: &mut Vec<u8>) {
        let choice = &mut self.choices[position];
        let Some(call) = choice.waiting.take() else { return };
        let id = call_id::join(&call.id, &std::mem::take(&mut choice.proofs));
        self.call_chunk(position, call.index, Some(&id), written, |function| {
            function.value("name", |into| call.name.write(into));
            function.text("arguments", "");
        });
    }

    /// A chunk about a tool call; `id` for the first.
    fn call_chunk(
        &self,
        position: usize,
        index: u32,
        id: Option<&Text<'_>>,
        written: &mut Vec<u8>,
        fill: impl FnOnce(&mut JsonObject<'_>),
    ) {
        if self.is_legacy {
            // There is room for one.
            if index == 0 {
                self.chunk(position, None, None, written, |delta| delta.object("function_call", fill));
            }
            return;
        }
        self.chunk(position, None, None, written, |delta| {
            delta.value("tool_calls", |into| {
                into.push(b'[');
                let mut call = JsonObject::begin(into);
                call.number("index", index);
                if let Some(id) = id {
                    call.value("id", |into| id.write(into));
                    call.text("type", "function");
                }
                call.object("function", fill);
                call.end();
                into.push(b']');
            });
        });
    }

    fn chunk(
        &self,
        position: usize,
        logprobs: Option<View<'_>>,
        finish_reason: Option<&str>,
        written: &mut Vec<u8>,
        fill: impl FnOnce(&mut JsonObject<'_>),
    ) {
        let index = self.choices[position].index;
        self.frame(written, |chunk| {
            chunk.value("choices", |into| {
                into.push(b'[');
                let mut choice = JsonObject::begin(into);
                choice.number("index", index);
                choice.object("delta", fill);
                choice.value("logprobs", |into| write_logprobs(logprobs, into));
                choice.text_or_null("finish_reason", finish_reason);
                choice.end();
                into.push(b']');
            });
            if self.includes_usage {
                chunk.literal("usage", b"null");
            }
        });
    }

    fn frame(&self, written: &mut Vec<u8>, fill: impl FnOnce(&mut JsonObject<'_>)) {
        written.extend_from_slice(b"data: ");
        let start = written.len();
        let mut chunk = JsonObject::begin(written);
        chunk.value("id", |into| self.id.write(into));
        chunk.text("object", "chat.completion.chunk");
        chunk.number("created", self.created_unix_s);
        chunk.value("model", |into| self.model.write(into));
        fill(&mut chunk);
        chunk.end();
        // What is copied may be laid out over lines, and a line ends what an event's data line has.
        written[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        written.extend_from_slice(b"\n\n");
    }
}
