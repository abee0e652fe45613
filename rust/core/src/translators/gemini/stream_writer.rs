//! Writes streams: an answer for each event that has something to say. Calls are gathered until they are whole, since
//! Gemini has no pieces of them; reasons and token counts come in the last answer, without which a stream is cut.

use super::answer_writer::{malformed_call, write_redacted, write_thought, write_usage};
use super::content_writer::{write_call, write_text};
use super::grounding::Chunks;
use super::{finish, logprobs, signature};
use crate::dialects::gemini::error_body;
use crate::dialects::gemini_stream::ArrayWriter;
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::{Arguments, Begun, Event, Finish};
use crate::translators::Replying;
use crate::usage::Usage;

/// Writes a stream, event by event.
#[derive(Clone, Debug)]
pub struct StreamWriter {
    id: Text<'static>,
    model: Text<'static>,
    array: Option<ArrayWriter>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    is_done: bool,
}

#[derive(Clone, Debug, Default)]
struct Choice {
    index: u32,
    /// Parts that have not ended, by number.
    open: Vec<(u32, Open)>,
    finish: Option<Finish>,
    chunks: Chunks,
    /// What to say of a call that can't be read.
    malformed: Option<Text<'static>>,
}

#[derive(Clone, Debug)]
enum Open {
    Words,
    Thinking,
    Call { id: Text<'static>, name: Text<'static>, arguments: String, signature: Option<Text<'static>> },
}

impl StreamWriter {
    /// A writer for one stream.
    #[must_use]
    pub fn new(replying: &Replying<'_>) -> Self {
        Self {
            id: Text::of(replying.fallback_id),
            model: Text::of(replying.fallback_model),
            array: replying.is_json_array.then(ArrayWriter::default),
            choices: Vec::new(),
            usage: None,
            is_done: false,
        }
    }

    /// Writes what an event has to say, in whole frames.
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
            }
            Event::Begin { choice, part, kind } => self.begin(*choice, *part, kind, written),
            Event::Piece { choice, part, text } => self.piece(*choice, *part, text, written),
            Event::Signature { choice, part, signature } => self.sign(*choice, *part, signature, written),
            Event::End { choice, part } => {
                let open = &mut self.choice(*choice).open;
                if let Some(at) = open.iter().position(|(number, _)| number == part) {
                    let (_, ended) = open.remove(at);
                    self.end_part(*choice, ended, written);
                }
            }
            Event::Finish { choice, reason, .. } => {
                self.choice(*choice).finish = Some(*reason);
                self.end_parts(*choice, written);
            }
            Event::Logprobs { choice, logprobs } => self.logprobs(*choice, *logprobs, written),
            Event::Usage(usage) => {
                let before = self.usage.unwrap_or_default();
                self.usage = Some(before.field_wise_max(usage));
            }
            Event::Ping => self.ping(written),
            Event::Done => self.done(written),
            Event::Citation { choice, citation, .. } => self.choice(*choice).chunks.add(*citation),
        }
    }

    /// The stream broke: writes an error as its last event, or element.
    pub fn fail(&mut self, failure: &Failure, request_id: &str, written: &mut Vec<u8>) {
        self.is_done = true;
        if let Some(array) = &mut self.array {
            return array.error(failure, request_id, written);
        }
        written.extend_from_slice(b"data: ");
        written.extend_from_slice(&error_body(failure, request_id));
        written.extend_from_slice(b"\r\n\r\n");
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or(self.choices.len());
        if at == self.choices.len() {
            self.choices.push(Choice { index, ..Choice::default() });
        }
        &mut self.choices[at]
    }

    fn open(&mut self, choice: u32, part: u32) -> Option<&mut Open> {
        let open = &mut self.choice(choice).open;
        open.iter_mut().find(|(number, _)| *number == part).map(|(_, open)| open)
    }

    fn begin(&mut self, choice: u32, part: u32, kind: &Begun<'_>, written: &mut Vec<u8>) {
        let begun = match kind {
            Begun::Text | Begun::Refusal => Open::Words,
            Begun::Thinking => Open::Thinking,
            Begun::RedactedThinking(thoughts) => {
                self.part(choice, written, |into| write_redacted(thoughts, into));
                return;
            }
            Begun::ToolCall { id, name } => Open::Call {
                id: id.clone().into_owned(),
                name: name.clone().into_owned(),
                arguments: String::new(),
                signature: None,
            },
        };
        self.choice(choice).open.push((part, begun));
    }

    fn piece(&mut self, choice: u32, part: u32, text: &Text<'_>, written: &mut Vec<u8>) {
        match self.open(choice, part) {
            Some(Open::Call { arguments, .. }) => arguments.push_str(text.escaped()),
            Some(Open::Thinking) => self.part(choice, written, |into| write_thought(text, None, into)),
            Some(Open::Words) | None => self.part(choice, written, |into| write_text(text, None, into)),
        }
    }

    fn sign(&mut self, choice: u32, part: u32, own: &Text<'_>, written: &mut Vec<u8>) {
        let none = Text::default();
        let signature = signature::for_client(own);
        match self.open(choice, part) {
            Some(Open::Call { signature, .. }) => *signature = Some(own.clone().into_owned()),
            Some(Open::Thinking) => self.part(choice, written, |into| write_thought(&none, Some(&signature), into)),
            Some(Open::Words) | None => self.part(choice, written, |into| write_text(&none, Some(&signature), into)),
        }
    }

    fn end_part(&mut self, choice: u32, ended: Open, written: &mut Vec<u8>) {
        let Open::Call { id, name, arguments, signature } = ended else { return };
        // Pieces are escaped already, and `after` copies.
        let arguments = Arguments::Text(Text::default().after(&arguments));
        let signature = signature.as_ref().map(signature::for_client);
        let mut call = Vec::new();
        if write_call(&id, &name, &arguments, signature.as_deref(), &mut call).is_ok() {
            self.part(choice, written, |into| into.extend_from_slice(&call));
        } else {
            self.choice(choice).malformed = Some(malformed_call(&name, &arguments));
        }
    }

    fn end_parts(&mut self, choice: u32, written: &mut Vec<u8>) {
        for (_, open) in std::mem::take(&mut self.choice(choice).open) {
            self.end_part(choice, open, written);
        }
    }

    fn logprobs(&mut self, choice: u32, openai: View<'_>, written: &mut Vec<u8>) {
        self.frame(written, |body| {
            body.value("candidates", |into| {
                into.push(b'[');
                let mut candidate = JsonObject::begin(into);
                write_content(&mut candidate, |into| write_text(&Text::default(), None, into));
                candidate.number("index", choice);
                candidate.value("logprobsResult", |into| logprobs::write_own(openai, into));
                candidate.end();
                into.push(b']');
            });
        });
    }

    /// An answer that adds nothing: SDKs of this dialect take a comment for data.
    fn ping(&mut self, written: &mut Vec<u8>) {
        match &mut self.array {
            Some(array) => array.ping(written),
            None => self.part(0, written, |into| write_text(&Text::default(), None, into)),
        }
    }

    fn done(&mut self, written: &mut Vec<u8>) {
        self.choices.sort_by_key(|choice| choice.index);
        for index in self.choices.iter().map(|choice| choice.index).collect::<Vec<_>>() {
            self.end_parts(index, written);
        }
        let mut choices = std::mem::take(&mut self.choices);
        if choices.is_empty() {
            choices.push(Choice::default());
        }
        let usage = self.usage;
        self.frame(written, |body| {
            body.value("candidates", |into| write_list(into, &choices, write_finish));
            if let Some(usage) = &usage {
                body.value("usageMetadata", |into| write_usage(usage, into));
            }
        });
        self.is_done = true;
        if let Some(array) = &mut self.array {
            array.end(written);
        }
    }

    /// An answer with one part.
    fn part(&mut self, choice: u32, written: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.frame(written, |body| {
            body.value("candidates", |into| {
                into.push(b'[');
                let mut candidate = JsonObject::begin(into);
                write_content(&mut candidate, write);
                candidate.number("index", choice);
                candidate.end();
                into.push(b']');
            });
        });
    }

    fn frame(&mut self, written: &mut Vec<u8>, fill: impl FnOnce(&mut JsonObject<'_>)) {
        match &mut self.array {
            Some(array) => array.begin_element(written),
            None => written.extend_from_slice(b"data: "),
        }
        let mut body = JsonObject::begin(written);
        fill(&mut body);
        body.value("modelVersion", |into| self.model.write(into));
        body.value("responseId", |into| self.id.write(into));
        body.end();
        if self.array.is_none() {
            written.extend_from_slice(b"\r\n\r\n");
        }
    }
}

fn write_content(candidate: &mut JsonObject<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    candidate.object("content", |content| {
        content.value("parts", |into| {
            into.push(b'[');
            write(into);
            into.push(b']');
        });
        content.text("role", "model");
    });
}

fn write_finish(choice: &Choice, written: &mut Vec<u8>) {
    let reason =
        if choice.malformed.is_some() { Finish::MalformedToolCall } else { choice.finish.unwrap_or(Finish::Stop) };
    let mut candidate = JsonObject::begin(written);
    write_content(&mut candidate, |into| write_text(&Text::default(), None, into));
    candidate.text("finishReason", finish::word(reason));
    if let Some(message) = &choice.malformed {
        candidate.value("finishMessage", |into| message.write(into));
    }
    candidate.number("index", choice.index);
    choice.chunks.write(&mut candidate);
    candidate.end();
}

#[cfg(test)]
#[path = "stream_writer_tests.rs"]
mod tests;
