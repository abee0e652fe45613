//! Writes answers.

use super::content_writer::{write_call, write_text};
use super::grounding::Chunks;
use super::logprobs;
use super::{finish, media, signature};
use crate::json_object::{JsonObject, write_list};
use crate::json_view::Text;
use crate::neutral::{Answer, Arguments, Choice, Finish, NotAnObject, Part, PartKind};
use crate::translators::Replying;
use crate::usage::Usage;

/// Writes an answer.
#[must_use]
pub fn write_answer(answer: &Answer<'_>, replying: &Replying<'_>) -> Vec<u8> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    body.value("candidates", |into| {
        write_list(into, answer.choices.iter().zip(0_u32..), |(choice, index), into| write_choice(choice, index, into));
    });
    if let Some(usage) = &answer.usage {
        body.value("usageMetadata", |into| write_usage(usage, into));
    }
    let fallback = Text::of(replying.fallback_model);
    body.value("modelVersion", |into| answer.model.as_ref().unwrap_or(&fallback).write(into));
    let fallback = Text::of(replying.fallback_id);
    body.value("responseId", |into| answer.id.as_ref().unwrap_or(&fallback).write(into));
    body.end();
    written
}

fn write_choice(choice: &Choice<'_>, index: u32, written: &mut Vec<u8>) {
    let (mut reason, mut message) = (choice.finish, None);
    let mut parts = Vec::new();
    for part in &choice.parts {
        if let Err(malformed) = write_part(part, &mut parts) {
            (reason, message) = (Some(Finish::MalformedToolCall), Some(malformed));
        }
    }
    let mut chunks = Chunks::default();
    for part in &choice.parts {
        if let PartKind::Text { citations: Some(citations), .. } = &part.kind {
            citations.elements().into_iter().for_each(|citation| chunks.add(citation));
        }
    }
    let mut candidate = JsonObject::begin(written);
    candidate.object("content", |content| {
        content.value("parts", |into| {
            into.push(b'[');
            into.extend_from_slice(&parts);
            into.push(b']');
        });
        content.text("role", "model");
    });
    if let Some(reason) = reason {
        candidate.text("finishReason", finish::word(reason));
    }
    if let Some(message) = message {
        candidate.value("finishMessage", |into| message.write(into));
    }
    candidate.number("index", index);
    chunks.write(&mut candidate);
    if let Some(logprobs) = choice.logprobs {
        candidate.value("logprobsResult", |into| logprobs::write_own(logprobs, into));
    }
    candidate.end();
}

/// Writes a part, with a comma before it unless it is the first.
///
/// # Errors
/// What to say of a call whose arguments are no object, which Gemini itself would not have let through.
fn write_part(part: &Part<'_>, written: &mut Vec<u8>) -> Result<(), Text<'static>> {
    let start = written.len();
    if start > 0 {
        written.push(b',');
    }
    let signature = part.signature.as_ref().map(signature::for_client);
    let signature = signature.as_deref();
    match &part.kind {
        PartKind::Text { text, .. } | PartKind::Refusal(text) => write_text(text, signature, written),
        PartKind::Thinking(text) => write_thought(text, signature, written),
        PartKind::RedactedThinking(thoughts) => write_redacted(thoughts, written),
        PartKind::ToolCall { id, name, arguments } => {
            write_call(id, name, arguments, signature, written).map_err(|NotAnObject| {
                written.truncate(start);
                malformed_call(name, arguments)
            })?;
        }
        PartKind::Image { source, .. } => write_media(source, "image", signature, written, start),
        PartKind::Audio(source) => write_media(source, "audio", signature, written, start),
        PartKind::Video(source) => write_media(source, "video", signature, written, start),
        PartKind::Document { source, .. } => write_media(source, "application", signature, written, start),
        // Models give no results.
        PartKind::ToolResult { .. } => written.truncate(start),
    }
    Ok(())
}

fn write_media(
    source: &crate::neutral::Source<'_>,
    family: &str,
    signature: Option<&str>,
    written: &mut Vec<u8>,
    start: usize,
) {
    if media::write(source, family, signature, written).is_err() {
        written.truncate(start);
    }
}

/// Writes thoughts as a part.
pub(super) fn write_thought(text: &Text<'_>, signature: Option<&str>, written: &mut Vec<u8>) {
    let mut part = JsonObject::begin(written);
    part.value("text", |into| text.write(into));
    part.flag("thought", true);
    media::write_signature(&mut part, signature);
    part.end();
}

/// Writes encrypted thoughts as a part that an SDK sends back as it came.
pub(super) fn write_redacted(thoughts: &Text<'_>, written: &mut Vec<u8>) {
    write_thought(&Text::default(), Some(&signature::redacted_for_client(thoughts)), written);
}

/// What Gemini says where a call can't be read.
pub(super) fn malformed_call(name: &Text<'_>, arguments: &Arguments<'_>) -> Text<'static> {
    let arguments = match arguments {
        Arguments::Text(text) => text.clone(),
        Arguments::Object(view) => Text::of(view.raw()),
    };
    name.after("Malformed function call: ").joined(" with ", &arguments)
}

/// Writes token counts: the prompt's include those of the cache, the candidates' not those of thoughts.
pub(super) fn write_usage(usage: &Usage, written: &mut Vec<u8>) {
    let (prompt, output) = (usage.input(), usage.output());
    let cached = usage
        .cache_read_tokens
        .saturating_add(usage.cache_read_audio_tokens)
        .saturating_add(usage.cache_read_image_tokens);
    let mut counts = JsonObject::begin(written);
    counts.number("promptTokenCount", prompt);
    counts.number("candidatesTokenCount", output.saturating_sub(usage.reasoning_tokens));
    counts.number("totalTokenCount", prompt.saturating_add(output));
    let modalities = [
        (
            "promptTokensDetails",
            prompt,
            usage.input_audio_tokens.saturating_add(usage.cache_read_audio_tokens),
            usage.input_image_tokens.saturating_add(usage.cache_read_image_tokens),
        ),
        ("cacheTokensDetails", cached, usage.cache_read_audio_tokens, usage.cache_read_image_tokens),
        (
            "candidatesTokensDetails",
            output.saturating_sub(usage.reasoning_tokens),
            usage.output_audio_tokens,
            usage.output_image_tokens,
        ),
    ];
    if cached > 0 {
        counts.number("cachedContentTokenCount", cached);
    }
    if usage.reasoning_tokens > 0 {
        counts.number("thoughtsTokenCount", usage.reasoning_tokens);
    }
    for (name, all, audio, image) in modalities {
        if audio > 0 || image > 0 {
            let text = all.saturating_sub(audio).saturating_sub(image);
            let counted = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)];
            counts.value(name, |into| {
                write_list(into, counted.into_iter().filter(|(_, tokens)| *tokens > 0), |(modality, tokens), into| {
                    let mut detail = JsonObject::begin(into);
                    detail.text("modality", modality);
                    detail.number("tokenCount", tokens);
                    detail.end();
                });
            });
        }
    }
    counts.end();
}

#[cfg(test)]
#[path = "answer_writer_tests.rs"]
mod tests;
