//! Requests to count a prompt's tokens, and the answers to them: Anthropic's `count_tokens` and Gemini's `countTokens`.
//!
//! Sources: Anthropic API reference, "Count tokens in a Message"; Gemini API reference, "Counting tokens". What shapes the
//! answer alone is no part of a prompt, so it is left out before anybody could refuse it. OpenAI's chat has no such call:
//! what is written for it is what the gateway itself counts.

use crate::failure::Failure;
use crate::json_object::JsonObject;
use crate::json_view::View;
use crate::neutral::{Format, Request, Sampling, Target};

/// What Anthropic's call takes of a request; it refuses all else.
const ANTHROPIC_FIELDS: [&str; 7] =
    ["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];

/// The request whose prompt is to be counted: Gemini's clients may send a whole one within.
#[must_use]
pub fn counted(format: Format, body: View<'_>) -> View<'_> {
    let within = || body.get("generateContentRequest").or_else(|| body.get("generate_content_request"));
    if format == Format::Gemini { within().unwrap_or(body) } else { body }
}

/// Leaves what is no part of a prompt out of a request.
pub fn keep_prompt(request: &mut Request<'_>) {
    request.sampling = Sampling::default();
    request.stop.clear();
    (request.max_output_tokens, request.choices, request.logprobs) = (None, None, None);
    (request.user, request.metadata, request.service_tier) = (None, None, None);
    request.stream = false;
}

/// Writes a request to count, after [`keep_prompt`].
///
/// # Errors
/// A [`Failure`] that names what can't be said there.
pub fn write_request(format: Format, request: &Request<'_>, target: &Target<'_>) -> Result<Vec<u8>, Failure> {
    let written = super::write_request(format, request, target)?;
    Ok(match format {
        Format::OpenaiChat | Format::OpenaiResponses => written,
        Format::Anthropic => only(&written, &ANTHROPIC_FIELDS),
        Format::Gemini => within(&written, target.model),
    })
}

/// An object with these members of another.
fn only(object: &[u8], fields: &[&str]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(object.len());
    let mut body = JsonObject::begin(&mut kept);
    for (name, value) in View::known(object).map(View::members).unwrap_or_default() {
        if let Some(field) = fields.iter().find(|field| **field == name) {
            body.literal(field, value.raw().as_bytes());
        }
    }
    body.end();
    kept
}

/// A request within the one to count it, which has to name the model once more.
fn within(request: &[u8], model: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(request.len() + 128);
    let mut body = JsonObject::begin(&mut written);
    body.object("generateContentRequest", |counted| {
        counted.text("model", &format!("models/{model}"));
        for (name, value) in View::known(request).map(View::members).unwrap_or_default() {
            counted.literal(&name, value.raw().as_bytes());
        }
    });
    body.end();
    written
}

/// The tokens that a provider counted; `None` if it does not say.
#[must_use]
pub fn read_answer(format: Format, body: View<'_>) -> Option<u64> {
    body.get(field(format)?)?.as_u64()
}

/// Tells a client how many tokens there are.
#[must_use]
pub fn write_answer(format: Format, tokens: u64) -> Vec<u8> {
    let mut written = Vec::new();
    let mut body = JsonObject::begin(&mut written);
    if let Some(field) = field(format) {
        body.number(field, tokens);
    }
    body.end();
    written
}

/// What a format calls the number; `None`: it has no such call.
const fn field(format: Format) -> Option<&'static str> {
    match format {
        Format::Anthropic => Some("input_tokens"),
        Format::Gemini => Some("totalTokens"),
        Format::OpenaiChat | Format::OpenaiResponses => None,
    }
}

#[cfg(test)]
#[path = "token_counts_tests.rs"]
mod tests;
