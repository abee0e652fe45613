//! Whole chat completions, read into the neutral form.

use super::finish;
use super::said::{self, Said};
use crate::dialects::openai_usage;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Answer, Arguments, Choice, Part, PartKind};

/// Reads an answer. `None`: it has no choices, so it is none.
#[must_use]
pub fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let mut answer = Answer::default();
    let mut choices = None;
    for (name, value) in body.members() {
        match name.as_ref() {
            "id" => answer.id = value.text().filter(|id| !id.is_empty()),
            "model" => answer.model = value.text().filter(|model| !model.is_empty()),
            "created" => answer.created_unix_s = value.as_u64(),
            "choices" if value.kind() == Kind::Array => choices = Some(value.elements()),
            "usage" => answer.usage = openai_usage::read(value.raw().as_bytes()),
            "service_tier" => answer.service_tier = value.text(),
            _ => {}
        }
    }
    let mut choices = choices?;
    choices.sort_by_key(|choice| choice.get("index").and_then(View::as_u64));
    for (index, choice) in choices.into_iter().enumerate() {
        let choice = read_choice(choice, index, answer.id.as_ref());
        answer.choices.push(choice);
    }
    Some(answer)
}

fn read_choice<'text>(choice: View<'text>, index: usize, answer_id: Option<&Text<'text>>) -> Choice<'text> {
    let mut parts = Vec::new();
    // A filtered choice may have no message at all.
    if let Some(message) = choice.get("message") {
        read_message(message, index, answer_id, &mut parts);
    }
    let has = |is_one: fn(&PartKind<'_>) -> bool| parts.iter().any(|part| is_one(&part.kind));
    let has_calls = has(|kind| matches!(kind, PartKind::ToolCall { .. }));
    let refuses = has(|kind| matches!(kind, PartKind::Refusal(_)));
    let finish = choice.get("finish_reason").and_then(|reason| finish::read(reason, has_calls));
    Choice {
        finish: finish.map(|finish| finish::with_refusal(finish, refuses)),
        stop_sequence: None,
        logprobs: choice.get("logprobs").and_then(said::logprobs),
        parts,
    }
}

fn read_message<'text>(
    message: View<'text>,
    index: usize,
    answer_id: Option<&Text<'text>>,
    parts: &mut Vec<Part<'text>>,
) {
    let thoughts = said::reasoning(message.get("reasoning_content"), message.get("reasoning"));
    parts.extend(thoughts.map(said::thought));
    let mut citations = message.get("annotations").filter(|list| !list.elements().is_empty());
    for said in message.get("content").map(said::read).unwrap_or_default() {
        parts.push(Part::new(match said {
            Said::Words(text) => PartKind::Text { text, citations: citations.take() },
            Said::Thought(text) => PartKind::Thinking(text),
        }));
    }
    let refusal = message.get("refusal").and_then(View::text).filter(|text| !text.is_empty());
    parts.extend(refusal.map(|text| Part::new(PartKind::Refusal(text))));
    let calls = message.get("tool_calls").map(View::elements).unwrap_or_default();
    let calls = calls.into_iter().filter_map(|call| Some((call.get("id").and_then(View::text), call.get("function")?)));
    let legacy = message.get("function_call").map(|function| (None, function));
    for (position, (id, function)) in calls.chain(legacy).enumerate() {
        let Some(name) = function.get("name").and_then(View::text).filter(|name| !name.is_empty()) else { continue };
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| made_id(answer_id, index as u64, position));
        parts.push(Part::new(PartKind::ToolCall { id, name, arguments: read_arguments(function) }));
    }
}

fn read_arguments(function: View<'_>) -> Arguments<'_> {
    match function.get("arguments") {
        Some(object) if object.kind() == Kind::Object => Arguments::Object(object),
        Some(other) => Arguments::Text(other.text().unwrap_or_default()),
        None => Arguments::Text(Text::default()),
    }
}

/// An id for a call without one: of its own among all answers, as far as their ids are.
pub(super) fn made_id(answer_id: Option<&Text<'_>>, choice: u64, position: usize) -> Text<'static> {
    let end = Text::of(&format!("{choice}_{position}"));
    match answer_id {
        Some(id) => id.joined("_", &end).into_owned(),
        None => end.after("call_"),
    }
}
