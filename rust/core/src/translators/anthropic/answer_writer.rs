//! Answers, as a client of Anthropic's reads them.

use super::block_writer::BlockWriter;
use super::finish;
use super::usage_writer::write_usage;
use crate::json_object::JsonObject;
use crate::json_view::Text;
use crate::neutral::{Answer, Part, PartKind};
use crate::translators::Replying;

/// Writes an answer. Of several choices the first: Anthropic knows no others.
#[must_use]
pub fn write_answer(answer: &Answer<'_>, replying: &Replying<'_>) -> Vec<u8> {
    let choice = answer.choices.first();
    let parts = choice.map_or(&[][..], |choice| &choice.parts);
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    body.value("id", |written| message_id(answer.id.as_ref(), replying.fallback_id).write(written));
    body.text("type", "message");
    body.text("role", "assistant");
    body.value("model", |written| match &answer.model {
        Some(model) => model.write(written),
        None => Text::of(replying.fallback_model).write(written),
    });
    body.value("content", |written| {
        let mut blocks = BlockWriter::begin(written);
        for (index, part) in parts.iter().enumerate() {
            blocks.answer_part(part, || tool_call_id(replying.fallback_id, index));
        }
        blocks.end();
    });
    let has = |is_one: fn(&PartKind<'_>) -> bool| parts.iter().any(|part: &Part<'_>| is_one(&part.kind));
    let calls_tools = has(|kind| matches!(kind, PartKind::ToolCall { .. }));
    let refuses = has(|kind| matches!(kind, PartKind::Refusal(_)));
    body.text("stop_reason", finish::write(choice.and_then(|choice| choice.finish), calls_tools, refuses));
    body.value("stop_sequence", |written| match choice.and_then(|choice| choice.stop_sequence.as_ref()) {
        Some(stop) => stop.write(written),
        None => written.extend_from_slice(b"null"),
    });
    body.object("usage", |usage| {
        write_usage(usage, &answer.usage.unwrap_or_default(), answer.service_tier.as_ref());
    });
    body.end();
    written
}

/// The provider's id with Anthropic's prefix, or one made of a word.
pub(super) fn message_id<'text>(id: Option<&Text<'text>>, fallback_id: &str) -> Text<'text> {
    match id.filter(|id| !id.is_empty()) {
        Some(id) if id.escaped().starts_with("msg_") => id.clone(),
        Some(id) => id.after("msg_"),
        None => Text::of(fallback_id).after("msg_"),
    }
}

/// An id for a tool call whose provider gave none.
pub(super) fn tool_call_id(fallback_id: &str, part: usize) -> String {
    format!("toolu_{fallback_id}_{part}")
}

#[cfg(test)]
#[path = "answer_writer_tests.rs"]
mod tests;
