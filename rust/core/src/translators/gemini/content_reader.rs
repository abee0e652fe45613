//! Reads contents: turns and their parts, of requests and of answers.
//!
//! Older clients give calls and results no ids, so calls get one from where they stand, the same each time a history is
//! sent. A result without an id is that of the first call of its name still open in the last turn that has one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::fields::{Fields, list, text, wrong};
use super::media;
use super::signature::{self, Sent};
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Arguments, Part, PartKind, Role, Turn, Unexpressed};

/// Parts of tools that run at Google: no other vendor can go on from them.
const OF_SERVER_TOOLS: [(&str, &str); 4] = [
    ("executableCode", "contents.parts.executableCode"),
    ("codeExecutionResult", "contents.parts.codeExecutionResult"),
    ("toolCall", "contents.parts.toolCall"),
    ("toolResponse", "contents.parts.toolResponse"),
];

/// What is said about a part, and whether the answer would be another without it.
const MARKS: [(&str, &str, bool); 3] = [
    ("videoMetadata", "contents.parts.videoMetadata", true),
    ("mediaResolution", "contents.parts.mediaResolution", false),
    ("partMetadata", "contents.parts.partMetadata", false),
];

#[derive(Default)]
pub(super) struct ContentReader<'text> {
    /// Calls without a result, oldest first, by the tool's name as it is written.
    open_calls: BTreeMap<&'text str, Vec<OpenCall<'text>>>,
    /// Turns of the user's so far.
    turns: usize,
    pub(super) unexpressed: Vec<Unexpressed<'text>>,
}

struct OpenCall<'text> {
    /// How many turns of the user's were before it.
    turn: usize,
    id: Text<'text>,
}

impl<'text> ContentReader<'text> {
    /// Reads one of `contents`, the `index`th. Clients that got a stream send each of its events back as a content, so what
    /// the model said in a row is one turn.
    pub(super) fn add(
        &mut self,
        index: usize,
        content: View<'text>,
        turns: &mut Vec<Turn<'text>>,
    ) -> Result<(), Failure> {
        let turn = self.turn(index, content)?;
        match turns.last_mut() {
            Some(last) if (last.role, turn.role) == (Role::Assistant, Role::Assistant) => go_on(last, turn.parts),
            _ => turns.push(turn),
        }
        Ok(())
    }

    fn turn(&mut self, index: usize, content: View<'text>) -> Result<Turn<'text>, Failure> {
        let fields = Fields::read(content, "contents")?;
        let role = match fields.get("role") {
            None => Role::User,
            Some(role) if role.is("user") || role.is("function") || role.is("") => Role::User,
            Some(role) if role.is("model") => Role::Assistant,
            Some(_) => return Err(wrong("contents.role", "user or model")),
        };
        if role == Role::User {
            self.turns += 1;
        }
        Ok(Turn { role, name: None, parts: self.parts(index, &fields)? })
    }

    /// Reads `systemInstruction`: a content, or its text alone.
    pub(super) fn instructions(&mut self, value: View<'text>) -> Result<Vec<Part<'text>>, Failure> {
        match value.text() {
            Some(text) => Ok(vec![Part::text(text)]),
            None => self.parts(0, &Fields::read(value, "systemInstruction")?),
        }
    }

    fn parts(&mut self, turn: usize, content: &Fields<'text>) -> Result<Vec<Part<'text>>, Failure> {
        let Some(parts) = content.get("parts") else { return Ok(Vec::new()) };
        let parts = list(parts, "contents.parts")?;
        let mut read = Vec::with_capacity(parts.len());
        for (index, part) in parts.into_iter().enumerate() {
            read.extend(self.part(turn, index, part)?);
        }
        Ok(read)
    }

    fn part(&mut self, turn: usize, index: usize, part: View<'text>) -> Result<Option<Part<'text>>, Failure> {
        let fields = Fields::read(part, "contents.parts")?;
        let is_thought = fields.flag("thought", "contents.parts.thought")? == Some(true);
        let mut signature = None;
        let mut kind = None;
        for (name, value) in fields.iter() {
            match name {
                "text" => {
                    let text = text(value, "contents.parts.text")?;
                    let words = PartKind::Text { text: text.clone(), citations: None };
                    kind = Some(if is_thought { PartKind::Thinking(text) } else { words });
                }
                "inlineData" => kind = Some(media::read_inline(value)?),
                "fileData" => kind = Some(media::read_file(value)?),
                "functionCall" => kind = Some(self.call(turn, index, value)?),
                "functionResponse" => kind = Some(self.result(turn, index, value)?),
                "thought" => {}
                "thoughtSignature" => {
                    signature = Some(signature::of_client(text(value, "contents.parts.thoughtSignature")?));
                }
                other => self.note(other)?,
            }
        }
        Ok(match (kind, signature) {
            (_, Some(Sent::Redacted(thoughts))) => Some(Part::new(PartKind::RedactedThinking(thoughts))),
            (Some(kind), Some(Sent::Signature(signature))) => {
                Some(Part { signature: Some(signature), ..Part::new(kind) })
            }
            (None, Some(Sent::Signature(signature))) if !is_of_server_tool(&fields) => {
                Some(Part { signature: Some(signature), ..Part::text(Text::default()) })
            }
            (kind, _) => kind.map(Part::new),
        })
    }

    /// What has no counterpart elsewhere, or is unknown.
    fn note(&mut self, name: &str) -> Result<(), Failure> {
        let tool = OF_SERVER_TOOLS.iter().find(|(own, _)| *own == name).map(|(_, path)| (*path, true));
        let mark = MARKS.iter().find(|(own, ..)| *own == name).map(|(_, path, is_essential)| (*path, *is_essential));
        let Some((path, is_essential)) = tool.or(mark) else {
            let message = format!("contents.parts has a part of an unknown type: {name}");
            return Err(Failure::invalid_request(message, Some("contents.parts")));
        };
        self.add_unexpressed(path, is_essential);
        Ok(())
    }

    pub(super) fn add_unexpressed(&mut self, name: impl Into<Cow<'text, str>>, is_essential: bool) {
        let name = name.into();
        if !self.unexpressed.iter().any(|known| known.name == name) {
            self.unexpressed.push(Unexpressed { name, is_essential });
        }
    }

    fn call(&mut self, turn: usize, index: usize, value: View<'text>) -> Result<PartKind<'text>, Failure> {
        let fields = Fields::read(value, "contents.parts.functionCall")?;
        let name = fields.get("name").ok_or_else(|| wrong("contents.parts.functionCall.name", "a string"))?;
        let id = fields.text("id", "contents.parts.functionCall.id")?.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| made_id(turn, index));
        self.open_calls.entry(name.raw()).or_default().push(OpenCall { turn: self.turns, id: id.clone() });
        let name = text(name, "contents.parts.functionCall.name")?;
        Ok(PartKind::ToolCall { id, name, arguments: read_arguments(fields.get("args"))? })
    }

    fn result(&mut self, turn: usize, index: usize, value: View<'text>) -> Result<PartKind<'text>, Failure> {
        let fields = Fields::read(value, "contents.parts.functionResponse")?;
        let name = fields.get("name").ok_or_else(|| wrong("contents.parts.functionResponse.name", "a string"))?;
        let id = fields.text("id", "contents.parts.functionResponse.id")?.filter(|id| !id.is_empty());
        let id = self.close_call(name.raw(), id).unwrap_or_else(|| made_id(turn, index));
        let (mut content, mut is_error) = (Vec::new(), false);
        if let Some(response) = fields.get("response") {
            if response.kind() != Kind::Object {
                return Err(wrong("contents.parts.functionResponse.response", "an object"));
            }
            let (text, failed) = read_response(response);
            content.push(Part::text(text));
            is_error = failed;
        }
        if let Some(parts) = fields.get("parts") {
            for part in list(parts, "contents.parts.functionResponse.parts")? {
                content.extend(self.part(turn, index, part)?);
            }
        }
        for name in ["willContinue", "scheduling"] {
            if fields.get(name).is_some() {
                self.add_unexpressed(format!("contents.parts.functionResponse.{name}"), false);
            }
        }
        let name = Some(text(name, "contents.parts.functionResponse.name")?);
        Ok(PartKind::ToolResult { id, name, is_error, content })
    }

    /// The id of the call that a result belongs to.
    fn close_call(&mut self, name: &str, id: Option<Text<'text>>) -> Option<Text<'text>> {
        let Some(calls) = self.open_calls.get_mut(name) else { return id };
        let at = if let Some(id) = &id {
            calls.iter().position(|call| call.id == *id)
        } else {
            let last = calls.last().map(|call| call.turn);
            calls.iter().position(|call| Some(call.turn) == last)
        };
        at.map(|at| calls.remove(at).id).or(id)
    }
}

/// More of what the model says: words that were cut apart are joined, and get the signature that came behind them.
fn go_on<'text>(turn: &mut Turn<'text>, parts: Vec<Part<'text>>) {
    // A stream has pieces with nothing in them, the last above all.
    let says = |part: &Part<'_>| {
        let is_empty = matches!(&part.kind, PartKind::Text { text, citations: None } if text.is_empty());
        part.signature.is_some() || !is_empty
    };
    let mut parts = parts.into_iter().filter(says).peekable();
    if parts.peek().is_some() {
        turn.parts.retain(says);
    }
    let first = parts.next().and_then(|first| match turn.parts.last_mut() {
        Some(last) => join(last, first),
        None => Some(first),
    });
    turn.parts.extend(first.into_iter().chain(parts));
}

/// Joins two parts, or gives the second back.
fn join<'text>(last: &mut Part<'text>, part: Part<'text>) -> Option<Part<'text>> {
    match (&mut last.kind, &part.kind) {
        _ if last.signature.is_some() => return Some(part),
        (PartKind::Thinking(text), PartKind::Thinking(more))
        | (PartKind::Text { text, citations: None }, PartKind::Text { text: more, citations: None }) => {
            *text = text.joined("", more);
        }
        _ => return Some(part),
    }
    last.signature = part.signature;
    None
}

/// A part whose own data is left out must not leave its signature behind.
fn is_of_server_tool(fields: &Fields<'_>) -> bool {
    OF_SERVER_TOOLS.iter().any(|(name, _)| fields.get(name).is_some())
}

fn made_id(turn: usize, index: usize) -> Text<'static> {
    Text::of(&format!("call_{turn}_{index}"))
}

/// What a call is made with; nothing is an empty object.
pub(super) fn read_arguments(arguments: Option<View<'_>>) -> Result<Arguments<'_>, Failure> {
    match arguments {
        None => Ok(Arguments::Text(Text::of("{}"))),
        Some(object) if object.kind() == Kind::Object => Ok(Arguments::Object(object)),
        Some(_) => Err(wrong("contents.parts.functionCall.args", "an object")),
    }
}

/// What a tool said, and whether it failed. `{"result": "…"}` and `{"error": "…"}` are how texts are said here; anything
/// else is itself what the tool said.
fn read_response(response: View<'_>) -> (Text<'_>, bool) {
    if let [(name, value)] = response.members().as_slice() {
        let is_error = name == "error";
        if is_error || name == "result" {
            match value.text() {
                // A text that is an object would come back as one.
                Some(text) if as_object(&text).is_none() => return (text, is_error),
                None if is_error && value.kind() == Kind::Object => return (Text::of(value.raw()), true),
                _ => {}
            }
        }
    }
    (Text::of(response.raw()), false)
}

/// A text that is a JSON object, as it is written.
pub(super) fn as_object(text: &Text<'_>) -> Option<String> {
    if !text.escaped().trim_start_matches(|it: char| it.is_ascii_whitespace()).starts_with(['{', '\\']) {
        return None;
    }
    let decoded = text.decoded()?;
    View::read(decoded.as_bytes(), DEPTH_LIMIT).ok().map(|view| view.raw().to_owned())
}

/// What is nested deeper is left a text.
const DEPTH_LIMIT: usize = 128;
