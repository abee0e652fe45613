//! Writes contents: turns merged until they alternate, and their parts.

use std::collections::BTreeMap;

use super::content_reader::as_object;
use super::media;
use super::signature;
use crate::failure::Failure;
use crate::json_object::JsonObject;
use crate::json_view::Text;
use crate::neutral::{Arguments, NotAnObject, Part, PartKind, Place, Role, Source, Turn};

/// Writes the elements of `contents`.
pub(super) struct ContentWriter<'a> {
    written: Vec<u8>,
    /// Who speaks in the content that is open.
    open: Option<Role>,
    is_empty: bool,
    /// Pictures and documents that tools gave: they stand behind all results of a turn.
    from_tools: Vec<u8>,
    /// A signature that waits for the part it belongs to.
    pending_signature: Option<&'a str>,
    /// Whether the open turn of the model has a call with a signature: one is enough.
    has_signed_call: bool,
    /// Names of the tools called so far, by the id of the call.
    tools: BTreeMap<&'a str, &'a Text<'a>>,
    /// The model refuses calls without a signature.
    signs_calls: bool,
}

impl<'a> ContentWriter<'a> {
    /// `signs_calls`: calls that another model made get the signature that stands for them.
    pub(super) fn new(signs_calls: bool) -> Self {
        Self {
            written: Vec::new(),
            open: None,
            is_empty: true,
            from_tools: Vec::new(),
            pending_signature: None,
            has_signed_call: false,
            tools: BTreeMap::new(),
            signs_calls,
        }
    }

    /// Writes a turn, or more of the one that is open.
    pub(super) fn turn(&mut self, turn: &'a Turn<'_>) -> Result<(), Failure> {
        let role = if turn.role == Role::Assistant { Role::Assistant } else { Role::User };
        turn.parts.iter().try_for_each(|part| self.part(role, part))
    }

    /// Parts of the user's: instructions where nothing else is said.
    pub(super) fn user(&mut self, parts: &'a [Part<'_>]) -> Result<(), Failure> {
        parts.iter().try_for_each(|part| self.part(Role::User, part))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// The elements, without the brackets around them.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.close();
        self.written
    }

    fn part(&mut self, role: Role, part: &'a Part<'_>) -> Result<(), Failure> {
        let own = part.signature.as_ref().and_then(signature::for_provider);
        match &part.kind {
            // What it thought in words is nothing to Gemini; the proof goes with what came of it.
            PartKind::Thinking(_) => {
                self.keep_signature(role, own);
                return Ok(());
            }
            PartKind::RedactedThinking(thoughts) => {
                self.keep_signature(role, own.or(signature::for_provider(thoughts)));
                return Ok(());
            }
            PartKind::Text { text, .. } if text.is_empty() && role == Role::Assistant && own.is_none() => return Ok(()),
            _ => {}
        }
        self.open(role);
        let own = if role == Role::Assistant { own.or(self.pending_signature.take()) } else { None };
        match &part.kind {
            PartKind::Text { text, .. } | PartKind::Refusal(text) => {
                write_text(text, own, self.next());
            }
            PartKind::Image { source, .. } => media::write(source, "image", own, self.next())?,
            PartKind::Audio(source) => media::write(source, "audio", own, self.next())?,
            PartKind::Video(source) => media::write(source, "video", own, self.next())?,
            PartKind::Document { source: Source::Plain(text), name } => {
                write_text(&Part::titled(name.as_ref(), text), own, self.next());
            }
            PartKind::Document { source, .. } => media::write(source, "application", own, self.next())?,
            PartKind::ToolCall { id, name, arguments } => {
                self.tools.insert(id.escaped(), name);
                let stand_in = (self.signs_calls && !self.has_signed_call).then_some(signature::OF_ANOTHER_MODEL);
                self.has_signed_call = true;
                write_call(id, name, arguments, own.or(stand_in), self.next()).map_err(|NotAnObject| {
                    Place::ToolArguments
                        .failure(format!("the arguments of the tool call {} are no JSON object", id.escaped()))
                })?;
            }
            PartKind::ToolResult { id, name, is_error, content } => {
                let called = self.tools.get(id.escaped()).copied().or(name.as_ref()).ok_or_else(|| {
                    let message = format!("no tool call before has the id {}, to which a result refers", id.escaped());
                    Place::ToolResultId.failure(message)
                })?;
                write_result(id, called, *is_error, content, self.next_result());
                for part in content {
                    write_from_tool(part, &mut self.from_tools)?;
                }
            }
            PartKind::Thinking(_) | PartKind::RedactedThinking(_) => {}
        }
        Ok(())
    }

    /// Keeps a signature for the next part of the model's turn.
    fn keep_signature(&mut self, role: Role, signature: Option<&'a str>) {
        if role == Role::Assistant && signature.is_some() {
            self.open(role);
            self.pending_signature = signature;
        }
    }

    fn open(&mut self, role: Role) {
        if self.open == Some(role) {
            return;
        }
        self.close();
        if !self.written.is_empty() {
            self.written.push(b',');
        }
        let head: &[u8] =
            if role == Role::Assistant { br#"{"role":"model","parts":["# } else { br#"{"role":"user","parts":["# };
        self.written.extend_from_slice(head);
        (self.open, self.is_empty, self.has_signed_call) = (Some(role), true, false);
    }

    fn close(&mut self) {
        if let Some(signature) = self.pending_signature.take() {
            write_text(&Text::default(), Some(signature), self.next());
        }
        if self.open.take().is_some() {
            self.put_from_tools();
            self.written.extend_from_slice(b"]}");
        }
    }

    /// Where the next part is written, behind what tools gave.
    fn next(&mut self) -> &mut Vec<u8> {
        self.put_from_tools();
        self.next_result()
    }

    fn next_result(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.written.push(b',');
        }
        &mut self.written
    }

    fn put_from_tools(&mut self) {
        self.written.append(&mut self.from_tools);
    }
}

/// Writes words as a part.
pub(super) fn write_text(text: &Text<'_>, signature: Option<&str>, written: &mut Vec<u8>) {
    let mut part = JsonObject::begin(written);
    part.value("text", |into| text.write(into));
    media::write_signature(&mut part, signature);
    part.end();
}

/// Writes a call as a part, or nothing.
pub(super) fn write_call(
    id: &Text<'_>,
    name: &Text<'_>,
    arguments: &Arguments<'_>,
    signature: Option<&str>,
    written: &mut Vec<u8>,
) -> Result<(), NotAnObject> {
    let start = written.len();
    let mut outcome = Ok(());
    let mut part = JsonObject::begin(written);
    part.object("functionCall", |call| {
        if !id.is_empty() {
            call.value("id", |into| id.write(into));
        }
        call.value("name", |into| name.write(into));
        call.value("args", |into| outcome = arguments.write_object(into));
    });
    media::write_signature(&mut part, signature);
    part.end();
    if outcome.is_err() {
        written.truncate(start);
    }
    outcome
}

fn write_result(id: &Text<'_>, name: &Text<'_>, is_error: bool, content: &[Part<'_>], written: &mut Vec<u8>) {
    let mut words: Option<Text<'_>> = None;
    for part in content {
        if let PartKind::Text { text, .. } | PartKind::Refusal(text) = &part.kind {
            words = Some(words.map_or_else(|| text.clone(), |before| before.joined("\n", text)));
        }
    }
    let words = words.unwrap_or_default();
    let object = as_object(&words);
    let mut part = JsonObject::begin(written);
    part.object("functionResponse", |result| {
        if !id.is_empty() {
            result.value("id", |into| id.write(into));
        }
        result.value("name", |into| name.write(into));
        match object {
            Some(object) if !is_error => result.literal("response", object.as_bytes()),
            object => result.object("response", |response| {
                let key = if is_error { "error" } else { "result" };
                match object {
                    Some(object) => response.literal(key, object.as_bytes()),
                    None => response.value(key, |into| words.write(into)),
                }
            }),
        }
    });
    part.end();
}

/// Writes what a tool gave beside words, with the comma before it.
fn write_from_tool(part: &Part<'_>, written: &mut Vec<u8>) -> Result<(), Failure> {
    let (source, family) = match &part.kind {
        PartKind::Image { source, .. } => (source, "image"),
        PartKind::Audio(source) => (source, "audio"),
        PartKind::Video(source) => (source, "video"),
        PartKind::Document { source, .. } => (source, "application"),
        _ => return Ok(()),
    };
    written.push(b',');
    media::write(source, family, None, written)
}
