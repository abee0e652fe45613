//! Reads answers.

use super::content_reader::read_arguments;
use super::fields::Fields;
use super::{finish, media, signature};
use crate::dialects::gemini_usage;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Answer, Arguments, Choice, Finish, Part, PartKind};

/// Reads an answer, after [`super::normalise_answer`]. `None`: no answer of this dialect, but an error perhaps.
#[must_use]
pub fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let fields = Fields::of(body);
    if fields.get("error").is_some() {
        return None;
    }
    let candidates = fields.get("candidates");
    let feedback = fields.get("promptFeedback");
    if candidates.is_none() && feedback.is_none() {
        return None;
    }
    let id = fields.get("responseId").and_then(View::text);
    let mut choices: Vec<(u64, Choice<'_>)> = Vec::new();
    for (position, candidate) in candidates.map(View::elements).unwrap_or_default().into_iter().enumerate() {
        let candidate = Fields::of(candidate);
        let index = candidate.get("index").and_then(View::as_u64).unwrap_or(position as u64);
        choices.push((index, read_choice(&candidate, index, id.as_ref())));
    }
    choices.sort_by_key(|(index, _)| *index);
    let mut choices: Vec<_> = choices.into_iter().map(|(_, choice)| choice).collect();
    if choices.is_empty() && feedback.is_some_and(is_blocked) {
        choices.push(Choice { finish: Some(Finish::ContentFilter), ..Choice::default() });
    }
    let usage = fields.get("usageMetadata");
    Some(Answer {
        id,
        model: fields.get("modelVersion").and_then(View::text),
        created_unix_s: None,
        choices,
        usage: usage.and_then(|usage| gemini_usage::read(usage.raw().as_bytes())),
        service_tier: usage.and_then(|usage| Fields::of(usage).get("serviceTier")).and_then(View::text),
    })
}

/// Whether `promptFeedback` says that the prompt was refused.
pub(super) fn is_blocked(feedback: View<'_>) -> bool {
    Fields::of(feedback).get("blockReason").is_some()
}

fn read_choice<'text>(candidate: &Fields<'text>, index: u64, response: Option<&Text<'_>>) -> Choice<'text> {
    let mut parts = Vec::new();
    let mut calls = 0;
    for part in parts_of(candidate) {
        let fields = Fields::of(part);
        let signature = signature_of(&fields);
        let Some(kind) = read_part(&fields, || made_id(response, index, calls)) else { continue };
        calls += usize::from(matches!(kind, PartKind::ToolCall { .. }));
        parts.push(Part { signature, ..Part::new(kind) });
    }
    let words = parts.iter_mut().rev().find_map(|part| match &mut part.kind {
        PartKind::Text { citations, .. } => Some(citations),
        _ => None,
    });
    if let (Some(words), Some(citations)) = (words, citations_of(candidate)) {
        *words = Some(citations);
    }
    Choice {
        parts,
        finish: candidate.get("finishReason").map(|reason| finish::read(reason, calls > 0)),
        stop_sequence: None,
        logprobs: logprobs_of(candidate),
    }
}

/// The parts of a candidate.
pub(super) fn parts_of<'text>(candidate: &Fields<'text>) -> Vec<View<'text>> {
    let content = candidate.get("content").map(Fields::of);
    content.and_then(|content| content.get("parts")).map(View::elements).unwrap_or_default()
}

/// A part's signature, with the vendor in front.
pub(super) fn signature_of(part: &Fields<'_>) -> Option<Text<'static>> {
    let signature = part.get("thoughtSignature")?.text().filter(|signature| !signature.is_empty())?;
    Some(signature::of_provider(&signature))
}

/// Citations, which are in OpenAI's form once the answer is normalised.
pub(super) fn citations_of<'text>(candidate: &Fields<'text>) -> Option<View<'text>> {
    candidate.get("groundingMetadata").filter(|citations| !citations.elements().is_empty())
}

/// Log probabilities, which are in OpenAI's form once the answer is normalised.
pub(super) fn logprobs_of<'text>(candidate: &Fields<'text>) -> Option<View<'text>> {
    candidate.get("logprobsResult").filter(|logprobs| logprobs.get("content").is_some())
}

/// What a part of an answer is; `None` where nobody else has the like: tools that ran at Google.
pub(super) fn read_part<'text>(
    part: &Fields<'text>,
    made_id: impl FnOnce() -> Text<'static>,
) -> Option<PartKind<'text>> {
    if let Some(text) = part.get("text") {
        let text = text.text()?;
        let is_thought = part.get("thought").and_then(View::as_bool) == Some(true);
        return Some(if is_thought { PartKind::Thinking(text) } else { PartKind::Text { text, citations: None } });
    }
    if let Some(call) = part.get("functionCall").filter(|call| call.kind() == Kind::Object) {
        let call = Fields::of(call);
        let id = call.get("id").and_then(View::text).filter(|id| !id.is_empty());
        let arguments = read_arguments(call.get("args")).unwrap_or_else(|_| Arguments::Text(Text::of("{}")));
        return Some(PartKind::ToolCall {
            id: match id {
                Some(id) => id,
                None => made_id(),
            },
            name: call.get("name").and_then(View::text).unwrap_or_default(),
            arguments,
        });
    }
    if let Some(data) = part.get("inlineData") {
        return media::read_inline(data).ok();
    }
    if let Some(file) = part.get("fileData") {
        return media::read_file(file).ok();
    }
    // An empty part that carries a signature.
    let is_bare = part.iter().all(|(name, _)| name == "thoughtSignature" || name == "thought");
    (is_bare && part.get("thoughtSignature").is_some())
        .then(|| PartKind::Text { text: Text::default(), citations: None })
}

/// An id for a call that got none, unlike those of other answers in the same conversation.
pub(super) fn made_id(response: Option<&Text<'_>>, choice: u64, call: usize) -> Text<'static> {
    let own = Text::of(&format!("{choice}_{call}"));
    match response {
        Some(response) => response.after("call_").joined("_", &own),
        None => own.after("call_"),
    }
}

#[cfg(test)]
#[path = "answer_reader_tests.rs"]
mod tests;
