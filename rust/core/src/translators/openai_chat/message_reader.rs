//! A request's messages: instructions, and the turns of a conversation.

use std::borrow::Cow;

use super::call_id::{self, Proof};
use super::part_reader::{self, text, wrong};
use super::said;
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::signed_by::CHAT_REASONING;
use crate::neutral::{Arguments, Part, PartKind, Request, Role, Turn, Unexpressed};

/// Reads messages into a request.
pub(super) fn read<'text>(messages: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    if messages.kind() != Kind::Array {
        return Err(wrong("messages", "an array"));
    }
    let mut legacy = LegacyCalls::default();
    for message in messages.elements() {
        let message = Message::read(message, request)?;
        message.add_to(request, &mut legacy)?;
    }
    Ok(())
}

/// Calls of functions before there were tools: they have no ids, and the next result of that name is theirs.
#[derive(Default)]
struct LegacyCalls<'text> {
    unanswered: Vec<(Text<'text>, Text<'text>)>,
}

impl<'text> LegacyCalls<'text> {
    fn id_of_call(&mut self, name: &Text<'text>, turn: usize, part: usize) -> Text<'text> {
        let id = Text::of(&format!("call_{turn}_{part}"));
        self.unanswered.push((name.clone(), id.clone()));
        id
    }

    fn id_of_result(&mut self, name: &Text<'text>, turn: usize) -> Text<'text> {
        match self.unanswered.iter().rposition(|(own, _)| own == name) {
            Some(index) => self.unanswered.remove(index).1,
            None => Text::of(&format!("call_{turn}_0")),
        }
    }
}

/// A message, taken apart.
#[derive(Default)]
struct Message<'text> {
    role: Option<View<'text>>,
    content: Option<View<'text>>,
    name: Option<Text<'text>>,
    refusal: Option<View<'text>>,
    reasoning_content: Option<View<'text>>,
    reasoning: Option<View<'text>>,
    annotations: Option<View<'text>>,
    tool_calls: Option<View<'text>>,
    function_call: Option<View<'text>>,
    tool_call_id: Option<Text<'text>>,
    cache_control: Option<View<'text>>,
}

impl<'text> Message<'text> {
    fn read(message: View<'text>, request: &mut Request<'text>) -> Result<Self, Failure> {
        if message.kind() != Kind::Object {
            return Err(wrong("messages", "an array of objects"));
        }
        let mut read = Self::default();
        for (name, value) in message.members() {
            let value = Some(value).filter(|value| !value.is_null());
            let Some(some) = value else { continue };
            match name.as_ref() {
                "role" => read.role = value,
                "content" => read.content = value,
                "name" => read.name = Some(text(some, "messages.name")?),
                "refusal" => read.refusal = value,
                "reasoning_content" => read.reasoning_content = value,
                "reasoning" => read.reasoning = value,
                "annotations" => read.annotations = value,
                "tool_calls" => read.tool_calls = value,
                "function_call" => read.function_call = value,
                "tool_call_id" => read.tool_call_id = Some(text(some, "messages.tool_call_id")?),
                "cache_control" => read.cache_control = part_reader::mark(value)?,
                // An answer in sound, by the id that only its provider knows.
                _ => note(request, format!("messages.{name}"), name == "audio"),
            }
        }
        Ok(read)
    }

    fn add_to(mut self, request: &mut Request<'text>, legacy: &mut LegacyCalls<'text>) -> Result<(), Failure> {
        let role = self.role.and_then(View::decoded).ok_or_else(|| wrong("messages.role", "a string"))?;
        let turn = request.turns.len();
        let (role, mut parts) = match role.as_ref() {
            "system" | "developer" => (Role::System, part_reader::read(self.content)?),
            "user" => (Role::User, part_reader::read(self.content)?),
            "assistant" => (Role::Assistant, self.read_assistant(request, legacy)?),
            "tool" => {
                let Some(id) = &self.tool_call_id else { return Err(wrong("messages.tool_call_id", "a string")) };
                let (id, _) = call_id::split(id);
                (Role::User, vec![self.read_result(id)?])
            }
            "function" => {
                let Some(name) = &self.name else { return Err(wrong("messages.name", "a string")) };
                let id = legacy.id_of_result(name, turn);
                (Role::User, vec![self.read_result(id)?])
            }
            _ => {
                let message = format!("messages.role is not known: {role}");
                return Err(Failure::invalid_request(message, Some("messages.role")));
            }
        };
        if let Some(last) = parts.last_mut() {
            last.cache_control = last.cache_control.or(self.cache_control);
        }
        if role == Role::System && request.turns.is_empty() {
            request.instructions.append(&mut parts);
        } else {
            request.turns.push(Turn { role, name: self.name, parts });
        }
        Ok(())
    }

    fn read_result(&mut self, id: Text<'text>) -> Result<Part<'text>, Failure> {
        let content = part_reader::read(self.content)?;
        Ok(Part::new(PartKind::ToolResult { id, name: self.name.take(), is_error: false, content }))
    }

    fn read_assistant(
        &self,
        request: &mut Request<'text>,
        legacy: &mut LegacyCalls<'text>,
    ) -> Result<Vec<Part<'text>>, Failure> {
        let mut parts = Vec::new();
        let thoughts = said::reasoning(self.reasoning_content, self.reasoning);
        parts.extend(thoughts.map(said::thought));
        parts.append(&mut part_reader::read(self.content)?);
        if let Some(annotations) = self.annotations.filter(|list| !list.elements().is_empty()) {
            let words = parts.iter_mut().find_map(|part| match &mut part.kind {
                PartKind::Text { citations, .. } => Some(citations),
                _ => None,
            });
            if let Some(citations) = words {
                *citations = Some(annotations);
            }
        }
        if let Some(refusal) = self.refusal {
            parts.push(Part::new(PartKind::Refusal(text(refusal, "messages.refusal")?)));
        }
        if let Some(calls) = self.tool_calls {
            if calls.kind() != Kind::Array {
                return Err(wrong("messages.tool_calls", "an array"));
            }
            for call in calls.elements() {
                read_call(call, request, &mut parts)?;
            }
        }
        if let Some(call) = self.function_call {
            let (name, arguments) = read_function(call)?;
            let id = legacy.id_of_call(&name, request.turns.len(), parts.len());
            parts.push(Part::new(PartKind::ToolCall { id, name, arguments }));
        }
        Ok(parts)
    }
}

/// Reads a tool call with the thoughts before it that its id proves.
fn read_call<'text>(
    call: View<'text>,
    request: &mut Request<'text>,
    parts: &mut Vec<Part<'text>>,
) -> Result<(), Failure> {
    if call.get("type").is_some_and(|kind| kind.is("custom")) {
        note(request, "messages.tool_calls.custom".into(), true);
        return Ok(());
    }
    let id = call.get("id").map(|id| text(id, "messages.tool_calls.id")).transpose()?.unwrap_or_default();
    let function = call.get("function").ok_or_else(|| wrong("messages.tool_calls.function", "an object"))?;
    let (name, arguments) = read_function(function)?;
    let (id, proofs) = call_id::split(&id);
    let has_calls = parts.iter().any(|part| matches!(part.kind, PartKind::ToolCall { .. }));
    let is_one = proofs.iter().filter(|proof| !matches!(proof, Proof::Call(_))).count() == 1;
    let mut signature = None;
    let mut before = Vec::new();
    for proof in proofs {
        match proof {
            Proof::Call(own) => signature = Some(own),
            Proof::Redacted(data) => before.push(Part::new(PartKind::RedactedThinking(data))),
            Proof::Thought(proof) => match parts.first_mut() {
                // Whose thoughts they are is sure only where there is one proof for them.
                Some(Part { kind: PartKind::Thinking(_), signature, .. })
                    if is_one && !has_calls && signature.as_ref().is_none_or(is_of_chat) =>
                {
                    *signature = Some(proof);
                }
                _ => before.push(Part { signature: Some(proof), ..Part::new(PartKind::Thinking(Text::default())) }),
            },
        }
    }
    let start = if has_calls { parts.len() } else { 0 };
    parts.splice(start..start, before);
    parts.push(Part { signature, ..Part::new(PartKind::ToolCall { id, name, arguments }) });
    Ok(())
}

/// Whether it only says where thoughts came from.
fn is_of_chat(proof: &Text<'_>) -> bool {
    proof.escaped() == CHAT_REASONING
}

fn read_function(function: View<'_>) -> Result<(Text<'_>, Arguments<'_>), Failure> {
    let name = function.get("name").ok_or_else(|| wrong("messages.tool_calls.function.name", "a string"))?;
    let arguments = match function.get("arguments") {
        None => Arguments::Text(Text::default()),
        Some(object) if object.kind() == Kind::Object => Arguments::Object(object),
        Some(other) => Arguments::Text(text(other, "messages.tool_calls.function.arguments")?),
    };
    Ok((text(name, "messages.tool_calls.function.name")?, arguments))
}

/// Notes a field that no other dialect has, once.
pub(super) fn note(request: &mut Request<'_>, name: String, is_essential: bool) {
    if !request.unexpressed.iter().any(|one| one.name == name) {
        request.unexpressed.push(Unexpressed { name: Cow::Owned(name), is_essential });
    }
}
