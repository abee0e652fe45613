//! Gemini's `generateContent` and `streamGenerateContent` (v1beta): what passes through unread.
//!
//! Source: Gemini API reference, "Generating content"; Google API design guide, "Errors". The model and whether the
//! answer streams are in the path, not in the body. Streams are in `gemini_stream`.

use memchr::memmem;

use super::openai::{self, Request};
use super::splice::Splice;
use super::{ANSWER_DEPTH_LIMIT, Answer, Flaw, ProviderError, gemini_usage};
use crate::failure::{Cause, Failure};
use crate::json::{JsonError, Object, Reader, Value, pick, walk_array};
use crate::json_object::{JsonObject, write_list};
use crate::service_tier::ServiceTier;

/// The finish reason of a candidate that ended at the limit of output tokens, as JSON.
pub(super) const MAX_TOKENS: &[u8] = br#""MAX_TOKENS""#;

/// Reads a request body. `model` and `stream`: what the path says.
///
/// # Errors
/// A [`Failure`] that says where the JSON breaks: invalid, a key twice, too deep, no object.
pub fn read_request(body: &[u8], depth_limit: usize, model: &str, stream: bool) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    let mut request = Request::named_elsewhere(model, stream);
    if let Some(config) = generation_config(&object).and_then(|config| config.as_object()) {
        let count = |camel: &str, snake: &str| {
            let field = [camel, snake].into_iter().find_map(|name| openai::given(&config, name))?;
            // What is no count is the largest, since the provider may make anything of it.
            Some(field.as_u64().unwrap_or(u64::MAX))
        };
        request.output_tokens = count("maxOutputTokens", "max_output_tokens");
        let choices = count("candidateCount", "candidate_count");
        request.choices = choices.filter(|choices| *choices != u64::MAX).unwrap_or(1).max(1);
        request.billed_choices = choices.unwrap_or(1).max(1);
    }
    Ok(request)
}

fn generation_config<'text>(object: &Object<'text>) -> Option<Value<'text>> {
    ["generationConfig", "generation_config"].into_iter().find_map(|name| openai::given(object, name))
}

/// What to change in a request that says nothing of the answer's length, so that it asks for so many tokens at most.
/// `None`: the body is no JSON object, or its `generationConfig` is none.
#[must_use]
pub fn bound_output(body: &[u8], tokens: u64) -> Option<Splice> {
    let object = Object::read(body, ANSWER_DEPTH_LIMIT).ok()?;
    let field = format!("\"maxOutputTokens\":{tokens}");
    let Some(config) = generation_config(&object) else {
        return openai::set_field(body, "generationConfig", &format!("{{{field}}}"));
    };
    let members = config.as_object()?;
    let start = config.span.start + members.first_member();
    let comma = if members.is_empty() { "" } else { "," };
    Some(Splice::new(start..start, format!("{field}{comma}")))
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    let [usage, error, candidates, feedback] =
        pick(body, ANSWER_DEPTH_LIMIT, ["usageMetadata", "error", "candidates", "promptFeedback"]).ok()?;
    let has_candidates =
        candidates.is_some_and(|list| list.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii() != b"]"));
    let flaw = if error.is_some_and(|error| error != b"null") {
        Some(Flaw::Error)
    } else {
        (!has_candidates && feedback.is_none()).then_some(Flaw::NoChoices)
    };
    Some(Answer {
        usage: usage.and_then(gemini_usage::read),
        service_tier: usage.and_then(service_tier),
        reported_cost_pusd: None,
        is_truncated: candidates.is_some_and(is_truncated),
        flaw,
    })
}

/// The tier in `usageMetadata`; the usual one is called `standard`.
pub(super) fn service_tier(usage: &[u8]) -> Option<ServiceTier> {
    let [tier] = pick(usage, ANSWER_DEPTH_LIMIT, ["serviceTier"]).ok()?;
    let tier = tier?.to_ascii_lowercase();
    if tier == br#""standard""# { Some(ServiceTier::Default) } else { ServiceTier::from_json(&tier) }
}

/// Whether `promptFeedback` says that the prompt was refused.
pub(super) fn is_blocked(feedback: &[u8]) -> bool {
    let reason = pick(feedback, ANSWER_DEPTH_LIMIT, ["blockReason"]);
    reason.is_ok_and(|[reason]| reason.is_some_and(|reason| reason != b"null"))
}

fn is_truncated(candidates: &[u8]) -> bool {
    let mut is_truncated = false;
    // Within text the quotes would be escaped, so hardly any answer but a truncated one is read a second time.
    if memmem::find(candidates, MAX_TOKENS).is_some() {
        // It was read before, and is valid.
        let _ = walk_array(candidates, ANSWER_DEPTH_LIMIT, |reader| {
            reader.object(|reader, key| {
                let value = reader.raw()?;
                is_truncated |= key == b"finishReason" && value == MAX_TOKENS;
                Ok(())
            })
        });
    }
    is_truncated
}

/// Takes a part, and returns how many bytes of content it has, as written in JSON; none for a signature alone.
pub(super) fn content_bytes(reader: &mut Reader<'_>) -> Result<u64, JsonError> {
    let mut bytes = 0_u64;
    reader.object(|reader, key| {
        let value = reader.raw()?;
        match key {
            b"thought" | b"thoughtSignature" | b"videoMetadata" | b"partMetadata" => {}
            // Quotes and braces are not content.
            _ if value != b"null" => bytes = bytes.saturating_add((value.len() as u64).saturating_sub(2)),
            _ => {}
        }
        Ok(())
    })?;
    Ok(bytes)
}

/// A whole number.
pub(super) fn whole(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Google's name for an HTTP status (google.rpc.Code); what is not here goes by its hundreds.
const STATUSES: [(u16, &str); 12] = [
    (400, "INVALID_ARGUMENT"),
    (401, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (408, "DEADLINE_EXCEEDED"),
    (409, "ABORTED"),
    (429, "RESOURCE_EXHAUSTED"),
    (500, "INTERNAL"),
    (501, "UNIMPLEMENTED"),
    (502, "UNAVAILABLE"),
    (503, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED"),
];

fn status_word(status: u16) -> &'static str {
    let by_hundreds = if status < 500 { "INVALID_ARGUMENT" } else { "INTERNAL" };
    STATUSES.iter().find(|(known, _)| *known == status).map_or(by_hundreds, |(_, word)| word)
}

/// An error as the body of an answer.
#[must_use]
pub fn error_body(failure: &Failure, request_id: &str) -> Vec<u8> {
    let status = failure.cause.row().status;
    let mut written = Vec::with_capacity(512);
    let mut body = JsonObject::begin(&mut written);
    body.object("error", |error| {
        error.number("code", status);
        error.text("message", &failure.message);
        error.text("status", status_word(status));
        error.value("details", |into| write_details(failure, request_id, into));
    });
    body.end();
    written
}

/// A provider's error for a client of this format, whichever format the provider wrote it in.
#[must_use]
pub fn error_of_provider(status: u16, error: &ProviderError, request_id: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(512);
    let mut body = JsonObject::begin(&mut written);
    body.object("error", |object| {
        object.number("code", status);
        object.text("message", &error.message(status));
        object.text("status", status_word(status));
        object.value("details", |into| {
            let reason = error.code.as_deref().or(error.kind.as_deref()).unwrap_or("provider_error");
            write_list(into, [reason], |reason, into| write_info(into, reason, request_id));
        });
    });
    body.end();
    written
}

fn write_info(written: &mut Vec<u8>, reason: &str, request_id: &str) {
    let mut info = JsonObject::begin(written);
    info.text("@type", "type.googleapis.com/google.rpc.ErrorInfo");
    info.text("reason", &reason.to_ascii_uppercase());
    info.text("domain", "fastgate");
    info.object("metadata", |metadata| metadata.text("request_id", request_id));
    info.end();
}

/// Details by their types in google.rpc: what went wrong, the field at fault, when to ask again.
fn write_details(failure: &Failure, request_id: &str, written: &mut Vec<u8>) {
    let is_invalid = failure.cause == Cause::InvalidRequest;
    let field = failure.param.filter(|_| is_invalid);
    let kinds = [Some("ErrorInfo"), field.map(|_| "BadRequest"), failure.retry_after_s.map(|_| "RetryInfo")];
    write_list(written, kinds.into_iter().flatten(), |kind, into| {
        if kind == "ErrorInfo" {
            return write_info(into, failure.code(), request_id);
        }
        let mut detail = JsonObject::begin(into);
        detail.text("@type", &format!("type.googleapis.com/google.rpc.{kind}"));
        match kind {
            "BadRequest" => detail.value("fieldViolations", |into| {
                write_list(into, field, |field, into| {
                    let mut violation = JsonObject::begin(into);
                    violation.text("field", field);
                    violation.text("description", &failure.message);
                    violation.end();
                });
            }),
            _ => detail.text("retryDelay", &format!("{}s", failure.retry_after_s.unwrap_or(0))),
        }
        detail.end();
    });
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
