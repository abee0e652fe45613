//! Instructions and turns, written as messages.
//!
//! A provider wants the results of tools right behind the calls, each a message of its own, before anything else the user
//! says, and takes only text in them. So of the user's turns in a row the results come first, then what pictures and
//! documents they had, then the rest.

use super::answer_writer::THOUGHTS_APART;
use super::part_writer::{self, is_written};
use crate::failure::Failure;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::Text;
use crate::neutral::signed_by::CHAT_REASONING;
use crate::neutral::{Arguments, Part, PartKind, Request, Role, Turn};

/// Writes the array of messages.
pub(super) fn write(request: &Request<'_>, into: &mut Vec<u8>) -> Result<(), Failure> {
    let calls_tools = |turn: &Turn<'_>| turn.parts.iter().any(|part| call(part).is_some());
    let is_thought = |turn: &Turn<'_>| turn.parts.iter().any(|part| own_thought(part).is_some());
    // The vendors that want thoughts back want them with calls, of every turn once there is one.
    let returns_thoughts = request.turns.iter().any(calls_tools) && request.turns.iter().any(is_thought);
    let mut messages = Messages { into, is_empty: true, returns_thoughts };
    messages.into.push(b'[');
    if !request.instructions.is_empty() {
        messages.write_plain("system", None, &request.instructions)?;
    }
    let mut turns = request.turns.as_slice();
    while let Some(first) = turns.first() {
        let length = turns.iter().take_while(|turn| turn.role == first.role).count();
        let (run, rest) = turns.split_at(length);
        match first.role {
            Role::User => messages.write_user(run)?,
            // Results are to follow all the calls in a row, so what is said in a row is one message.
            Role::Assistant if run.len() > 1 && run.iter().all(|turn| turn.name.is_none()) => {
                // A stream that is resent may have had pieces with nothing in them.
                let says = |part: &&Part<'_>| !matches!(&part.kind, PartKind::Text { text, .. } if text.is_empty());
                let parts = run.iter().flat_map(|turn| turn.parts.iter().filter(says).cloned()).collect();
                messages.write_assistant(&Turn { role: Role::Assistant, name: None, parts })?;
            }
            Role::Assistant => run.iter().try_for_each(|turn| messages.write_assistant(turn))?,
            Role::System => {
                run.iter().try_for_each(|turn| messages.write_plain("system", turn.name.as_ref(), &turn.parts))?;
            }
        }
        turns = rest;
    }
    messages.into.push(b']');
    Ok(())
}

struct Messages<'into> {
    into: &'into mut Vec<u8>,
    is_empty: bool,
    /// The history has thoughts that this provider gave, and calls.
    returns_thoughts: bool,
}

impl Messages<'_> {
    fn begin(&mut self, role: &str, name: Option<&Text<'_>>) -> JsonObject<'_> {
        if !std::mem::take(&mut self.is_empty) {
            self.into.push(b',');
        }
        let mut message = JsonObject::begin(self.into);
        message.text("role", role);
        if let Some(name) = name {
            message.value("name", |into| name.write(into));
        }
        message
    }

    /// A message of content alone.
    fn write_plain(&mut self, role: &str, name: Option<&Text<'_>>, parts: &[Part<'_>]) -> Result<(), Failure> {
        let parts: Vec<_> = parts.iter().filter(|part| is_written(part)).collect();
        let mut message = self.begin(role, name);
        let mut written = Ok(());
        message.value("content", |into| written = part_writer::write_content(&parts, into));
        message.end();
        written
    }

    fn write_user(&mut self, turns: &[Turn<'_>]) -> Result<(), Failure> {
        let mut beside = Vec::new();
        for part in turns.iter().flat_map(|turn| &turn.parts) {
            if let PartKind::ToolResult { id, content, is_error, .. } = &part.kind {
                let failed = is_error.then(|| Part::failed(content));
                let content = failed.as_deref().unwrap_or(content);
                let is_text = |part: &&Part<'_>| matches!(part.kind, PartKind::Text { .. });
                let texts: Vec<_> = content.iter().filter(is_text).collect();
                beside.extend(content.iter().filter(|part| !is_text(part) && is_written(part)).cloned());
                let mut message = self.begin("tool", None);
                message.value("tool_call_id", |into| id.write(into));
                let mut written = Ok(());
                message.value("content", |into| written = part_writer::write_content(&texts, into));
                message.end();
                written?;
            }
        }
        if !beside.is_empty() {
            self.write_plain("user", None, &beside)?;
        }
        for turn in turns {
            // A turn of results alone is said already; one without parts was empty from the start.
            if turn.parts.is_empty() || turn.parts.iter().any(is_written) {
                self.write_plain("user", turn.name.as_ref(), &turn.parts)?;
            }
        }
        Ok(())
    }

    fn write_assistant(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let texts: Vec<_> = turn.parts.iter().filter(|part| matches!(part.kind, PartKind::Text { .. })).collect();
        let refusal = turn.parts.iter().find_map(|part| match &part.kind {
            PartKind::Refusal(text) => Some(text),
            _ => None,
        });
        let calls: Vec<_> = turn.parts.iter().filter_map(call).collect();
        // Thoughts alone can't be said.
        if texts.is_empty() && refusal.is_none() && calls.is_empty() && !turn.parts.is_empty() {
            return Ok(());
        }
        let returns_thoughts = self.returns_thoughts;
        let mut message = self.begin("assistant", turn.name.as_ref());
        let mut written = Ok(());
        if texts.is_empty() && (refusal.is_some() || !calls.is_empty()) {
            message.literal("content", b"null");
        } else {
            message.value("content", |into| written = part_writer::write_content(&texts, into));
        }
        if let Some(refusal) = refusal {
            message.value("refusal", |into| refusal.write(into));
        }
        if returns_thoughts {
            write_thoughts(turn, !calls.is_empty(), &mut message);
        }
        if !calls.is_empty() {
            message.value("tool_calls", |into| {
                write_list(into, calls, |(id, name, arguments), into| write_call(id, name, arguments, into));
            });
        }
        message.end();
        written
    }
}

/// Thoughts that a vendor of this format gave in `reasoning_content`.
fn own_thought<'part, 'text>(part: &'part Part<'text>) -> Option<&'part Text<'text>> {
    match &part.kind {
        PartKind::Thinking(text) if part.signature.as_ref().is_some_and(|own| own.escaped() == CHAT_REASONING) => {
            Some(text)
        }
        _ => None,
    }
}

/// Writes a turn's thoughts where they came from. A turn with calls that has none says so: `DeepSeek` and Moonshot refuse
/// a history in which one lacks the field.
fn write_thoughts(turn: &Turn<'_>, calls_tools: bool, message: &mut JsonObject<'_>) {
    let thoughts = turn.parts.iter().filter_map(own_thought).cloned();
    match thoughts.reduce(|before, text| before.joined(THOUGHTS_APART, &text)) {
        Some(thoughts) => message.value("reasoning_content", |into| thoughts.write(into)),
        None if calls_tools => message.text("reasoning_content", ""),
        None => {}
    }
}

type Call<'part, 'text> = (&'part Text<'text>, &'part Text<'text>, &'part Arguments<'text>);

fn call<'part, 'text>(part: &'part Part<'text>) -> Option<Call<'part, 'text>> {
    match &part.kind {
        PartKind::ToolCall { id, name, arguments } => Some((id, name, arguments)),
        _ => None,
    }
}

/// Writes an element of `tool_calls`.
pub(super) fn write_call(id: &Text<'_>, name: &Text<'_>, arguments: &Arguments<'_>, into: &mut Vec<u8>) {
    let mut call = JsonObject::begin(into);
    call.value("id", |into| id.write(into));
    call.text("type", "function");
    call.value("function", |into| write_function(name, arguments, into));
    call.end();
}

/// Writes the function of a call.
pub(super) fn write_function(name: &Text<'_>, arguments: &Arguments<'_>, into: &mut Vec<u8>) {
    let mut function = JsonObject::begin(into);
    function.value("name", |into| name.write(into));
    function.value("arguments", |into| arguments.write_text(into));
    function.end();
}
