//! Whole chat completions, written for clients.

use super::annotations::Annotation;
use super::call_id::{self, Proof};
use super::message_writer::{write_call, write_function};
use super::request_writer::service_tier;
use super::{finish, usage_writer};
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Answer, Choice, Finish, Part, PartKind};
use crate::translators::Replying;
use crate::translators::web_citation::characters;

/// Between two thoughts.
pub(super) const THOUGHTS_APART: &str = "\n\n";

/// Writes an answer.
#[must_use]
pub fn write_answer(answer: &Answer<'_>, replying: &Replying<'_>) -> Vec<u8> {
    let mut written = Vec::with_capacity(1024);
    let mut object = JsonObject::begin(&mut written);
    write_text_or(&mut object, "id", answer.id.as_ref(), replying.fallback_id);
    object.text("object", "chat.completion");
    object.number("created", answer.created_unix_s.unwrap_or(replying.now_unix_s));
    write_text_or(&mut object, "model", answer.model.as_ref(), replying.fallback_model);
    let is_legacy = knows_functions_only(replying);
    object.value("choices", |into| {
        write_list(into, answer.choices.iter().enumerate(), |(index, choice), into| {
            write_choice(choice, index, is_legacy, into);
        });
    });
    if let Some(usage) = &answer.usage {
        object.value("usage", |into| usage_writer::write(usage, into));
    }
    if let Some(tier) = &answer.service_tier {
        match service_tier(tier) {
            Some(tier) => object.text("service_tier", tier),
            // A vendor's own.
            None => object.value("service_tier", |into| tier.write(into)),
        }
    }
    object.end();
    written
}

/// Whether the client asked in the words from before there were tools, and knows no others.
pub(super) fn knows_functions_only(replying: &Replying<'_>) -> bool {
    replying.request.is_some_and(|request| request.get("functions").is_some() && request.get("tools").is_none())
}

fn write_text_or(object: &mut JsonObject<'_>, name: &str, text: Option<&Text<'_>>, otherwise: &str) {
    match text {
        Some(text) => object.value(name, |into| text.write(into)),
        None => object.text(name, otherwise),
    }
}

fn write_choice(choice: &Choice<'_>, index: usize, is_legacy: bool, into: &mut Vec<u8>) {
    let calls = calls(&choice.parts);
    let mut object = JsonObject::begin(into);
    object.number("index", index);
    object.object("message", |message| {
        message.text("role", "assistant");
        write_words(&choice.parts, !calls.is_empty(), message);
        match calls.first() {
            Some((_, Part { kind: PartKind::ToolCall { name, arguments, .. }, .. })) if is_legacy => {
                message.value("function_call", |into| write_function(name, arguments, into));
            }
            Some(_) => message.value("tool_calls", |into| {
                write_list(into, &calls, |(id, part), into| {
                    if let PartKind::ToolCall { name, arguments, .. } = &part.kind {
                        write_call(id, name, arguments, into);
                    }
                });
            }),
            None => {}
        }
    });
    object.value("logprobs", |into| write_logprobs(choice.logprobs, into));
    let reason = finish::with_calls(choice.finish.unwrap_or(Finish::Stop), !calls.is_empty());
    let refuses = choice.parts.iter().any(|part| matches!(part.kind, PartKind::Refusal(_)));
    object.text("finish_reason", finish::word(reason, refuses, is_legacy));
    object.end();
}

/// Log probabilities; those of Responses are the list alone.
pub(super) fn write_logprobs(logprobs: Option<View<'_>>, into: &mut Vec<u8>) {
    match logprobs {
        Some(list) if list.kind() == Kind::Array => {
            let mut object = JsonObject::begin(into);
            object.literal("content", list.raw().as_bytes());
            object.literal("refusal", b"null");
            object.end();
        }
        Some(own) => into.extend_from_slice(own.raw().as_bytes()),
        None => into.extend_from_slice(b"null"),
    }
}

/// Tool calls, each with the id that carries its proofs.
fn calls<'part, 'text>(parts: &'part [Part<'text>]) -> Vec<(Text<'text>, &'part Part<'text>)> {
    let (mut calls, mut proofs) = (Vec::new(), Vec::new());
    for part in parts {
        if let PartKind::ToolCall { id, .. } = &part.kind {
            proofs.extend(part.signature.clone().map(Proof::Call));
            calls.push((call_id::join(id, &proofs), part));
            proofs.clear();
        } else {
            proofs.extend(Proof::of_thought(part));
        }
    }
    calls
}

fn write_words(parts: &[Part<'_>], has_calls: bool, message: &mut JsonObject<'_>) {
    let (mut words, mut refusal, mut thoughts) = (None, None, None);
    let (mut citations, mut said) = (Vec::new(), 0);
    for part in parts {
        match &part.kind {
            PartKind::Text { text, citations: own } => {
                join(&mut words, "", text);
                let place = (said, said + characters(text));
                said = place.1;
                citations.extend(own.map(Annotation::all).unwrap_or_default().into_iter().map(|one| (one, place)));
            }
            PartKind::Refusal(text) => join(&mut refusal, "", text),
            PartKind::Thinking(text) if !text.is_empty() => join(&mut thoughts, THOUGHTS_APART, text),
            _ => {}
        }
    }
    match &words {
        Some(words) => message.value("content", |into| words.write(into)),
        None if has_calls || refusal.is_some() => message.literal("content", b"null"),
        // Clients take the text of an answer without looking whether it is there.
        None => message.text("content", ""),
    }
    match &refusal {
        Some(refusal) => message.value("refusal", |into| refusal.write(into)),
        None => message.literal("refusal", b"null"),
    }
    if let Some(thoughts) = &thoughts {
        message.value("reasoning_content", |into| thoughts.write(into));
    }
    if !citations.is_empty() {
        message.value("annotations", |into| {
            write_list(into, &citations, |(annotation, words), into| annotation.write(*words, into));
        });
    }
}

fn join<'text>(all: &mut Option<Text<'text>>, separator: &str, text: &Text<'text>) {
    *all = Some(match all.take() {
        Some(before) => before.joined(separator, text),
        None => text.clone(),
    });
}
