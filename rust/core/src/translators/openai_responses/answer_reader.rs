//! A provider's answer, whole.

use super::signature;
use crate::dialects::openai_token_usage;
use crate::json_view::{Text, View};
use crate::neutral::{Answer, Arguments, Choice, Finish, Part, PartKind};

/// Statuses of responses that are no answer, or not yet.
const NO_ANSWERS: [&str; 4] = ["failed", "cancelled", "queued", "in_progress"];

/// Why a response is incomplete.
const REASONS: [(&str, Finish); 2] = [("max_output_tokens", Finish::Length), ("content_filter", Finish::ContentFilter)];

/// Reads an answer. `None`: it is no response with an output, or one that failed or is not finished.
///
/// Items of tools that run at the provider are left out: no request from another dialect can ask for them.
#[must_use]
pub fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let status = body.get("status").and_then(View::decoded);
    if status.is_some_and(|status| NO_ANSWERS.contains(&status.as_ref())) {
        return None;
    }
    let output = body.get("output").filter(|output| output.raw().starts_with('['))?;
    let mut choice = Choice::default();
    for item in output.elements() {
        read_item(item, &mut choice);
    }
    let has = |is_it: fn(&PartKind<'_>) -> bool| choice.parts.iter().any(|part| is_it(&part.kind));
    let has_tool_call = has(|kind| matches!(kind, PartKind::ToolCall { .. }));
    let has_refusal = has(|kind| matches!(kind, PartKind::Refusal(_)));
    choice.finish = Some(finish(body, has_tool_call, has_refusal));
    Some(Answer {
        id: body.get("id").and_then(View::text).filter(|id| !id.is_empty()),
        model: body.get("model").and_then(View::text),
        created_unix_s: body.get("created_at").and_then(seconds),
        choices: vec![choice],
        usage: body.get("usage").and_then(|usage| openai_token_usage::read(usage.raw().as_bytes())),
        service_tier: body.get("service_tier").and_then(View::text),
    })
}

/// Some vendors write the time with a fraction.
fn seconds(value: View<'_>) -> Option<u64> {
    value.number()?.split('.').next()?.parse().ok()
}

/// Why a response ended. It says so of incomplete ones alone; else what is in it tells.
pub(super) fn finish(response: View<'_>, has_tool_call: bool, has_refusal: bool) -> Finish {
    if response.get("status").is_some_and(|status| status.is("incomplete")) {
        let reason = response.get("incomplete_details").and_then(|details| details.get("reason"));
        let row = REASONS.iter().find(|(word, _)| reason.is_some_and(|reason| reason.is(word)));
        return row.map_or(Finish::Other, |(_, finish)| *finish);
    }
    match (has_tool_call, has_refusal) {
        (true, _) => Finish::ToolCalls,
        (false, true) => Finish::Refusal,
        (false, false) => Finish::Stop,
    }
}

/// Reads an item of the output into parts.
pub(super) fn read_item<'text>(item: View<'text>, choice: &mut Choice<'text>) {
    let kind = item.get("type").and_then(View::decoded);
    match kind.as_deref() {
        Some("message") => {
            for content in item.get("content").map(View::elements).unwrap_or_default() {
                read_content(content, choice);
            }
        }
        Some("function_call") => {
            let text = |name| item.get(name).and_then(View::text).unwrap_or_default();
            choice.parts.push(Part::new(PartKind::ToolCall {
                id: text("call_id"),
                name: text("name"),
                arguments: Arguments::Text(text("arguments")),
            }));
        }
        Some("reasoning") => {
            let mut thoughts = texts(item, "summary");
            if thoughts.is_empty() {
                thoughts = texts(item, "content");
            }
            let signature = signature::of_item(item);
            if thoughts.is_empty() && signature.is_some() {
                thoughts.push(Text::default());
            }
            let count = thoughts.len();
            choice.parts.extend(thoughts.into_iter().map(|text| Part::new(PartKind::Thinking(text))));
            if let Some(last) = choice.parts.last_mut().filter(|_| count > 0) {
                last.signature = signature;
            }
        }
        _ => {}
    }
}

fn texts<'text>(item: View<'text>, name: &str) -> Vec<Text<'text>> {
    let parts = item.get(name).map(View::elements).unwrap_or_default();
    parts.into_iter().filter_map(|part| part.get("text")?.text()).collect()
}

fn read_content<'text>(content: View<'text>, choice: &mut Choice<'text>) {
    if let Some(text) = content.get("text").and_then(View::text) {
        let is_filled = |list: &View<'_>| !list.elements().is_empty();
        let citations = content.get("annotations").filter(is_filled);
        choice.logprobs = choice.logprobs.or(content.get("logprobs").filter(is_filled));
        choice.parts.push(Part::new(PartKind::Text { text, citations }));
    } else if let Some(text) = content.get("refusal").and_then(View::text) {
        choice.parts.push(Part::new(PartKind::Refusal(text)));
    }
}

#[cfg(test)]
#[path = "answer_reader_tests.rs"]
mod tests;
