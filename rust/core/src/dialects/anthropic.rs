//! Anthropic Messages (`POST /v1/messages`).
//!
//! Source: Anthropic API reference, "Messages", "Streaming messages", "Errors". A stream is made of typed events:
//! `message_start`, blocks of content, `message_delta` with the reason why it ended, `message_stop`. Compatible vendors
//! leave fields out, so absence is always tolerated; event types that are not known here are to be ignored, says Anthropic.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::{self, Request, given};
use super::{ANSWER_DEPTH_LIMIT, Answer, Completeness, EventClass, Flaw, ProviderError, anthropic_usage};
use crate::failure::Failure;
use crate::json::pick;
use crate::service_tier::ServiceTier;
use crate::usage::Usage;

/// An event that keeps the connection open and means nothing.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// Why an answer ended that ended at the limit of output tokens, as JSON.
const MAX_TOKENS: &str = r#""max_tokens""#;

/// Reads a request body.
///
/// # Errors
/// A [`Failure`] that names the field: invalid JSON, a key twice, no model, a `stream` that is not a boolean.
pub fn read_request(body: &[u8], depth_limit: usize) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    let mut request = openai::read_fields(&object, None)?;
    (request.choices, request.billed_choices, request.is_background) = (1, 1, false);
    // What is no count is the largest, since the provider may make anything of it.
    request.output_tokens = given(&object, "max_tokens").map(|value| value.as_u64().unwrap_or(u64::MAX));
    request.user = given(&object, "metadata").and_then(|metadata| metadata.as_object()?.get("user_id")?.as_text());
    Ok(request)
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    let fields = ["type", "error", "usage", "stop_reason", "content", "input_tokens"];
    let [kind, error, usage, stop_reason, content, counted] = pick(body, ANSWER_DEPTH_LIMIT, fields).ok()?;
    let is_error = kind == Some(br#""error""#) || error.is_some_and(|error| error != b"null");
    Some(Answer {
        usage: usage.and_then(anthropic_usage::read),
        service_tier: usage.and_then(service_tier),
        reported_cost_pusd: None,
        is_truncated: stop_reason == Some(MAX_TOKENS.as_bytes()),
        flaw: if is_error { Some(Flaw::Error) } else { (content.or(counted).is_none()).then_some(Flaw::NoChoices) },
    })
}

fn service_tier(usage: &[u8]) -> Option<ServiceTier> {
    let [tier] = pick(usage, ANSWER_DEPTH_LIMIT, ["service_tier"]).ok()?;
    tier.and_then(ServiceTier::from_json)
}

#[derive(Deserialize)]
struct Event<'event> {
    #[serde(borrow)]
    r#type: &'event RawValue,
    #[serde(borrow, default)]
    message: Option<Message<'event>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'event>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'event>>,
    #[serde(borrow, default)]
    usage: Option<&'event RawValue>,
}

#[derive(Deserialize)]
struct Message<'event> {
    #[serde(borrow, default)]
    usage: Option<&'event RawValue>,
}

/// A block that begins: most are empty then, and filled by deltas.
#[derive(Deserialize)]
struct Block<'event> {
    #[serde(borrow, default)]
    r#type: Option<&'event RawValue>,
    #[serde(borrow, default)]
    text: Option<&'event RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'event RawValue>,
    #[serde(borrow, default)]
    data: Option<&'event RawValue>,
    #[serde(borrow, default)]
    name: Option<&'event RawValue>,
}

#[derive(Deserialize)]
struct Delta<'event> {
    #[serde(borrow, default)]
    text: Option<&'event RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'event RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'event RawValue>,
    #[serde(borrow, default)]
    stop_reason: Option<&'event RawValue>,
}

/// Bytes of strings as they are written, without their quotes.
fn length(strings: &[Option<&RawValue>]) -> u64 {
    let length = |string: &&RawValue| string.get().strip_prefix('"').map_or(0, |rest| rest.len() as u64 - 1);
    strings.iter().flatten().map(length).sum()
}

impl Block<'_> {
    /// Whether a user would miss it already: whatever is not waiting for its text.
    fn has_content(&self) -> bool {
        let waits = matches!(self.r#type.map(RawValue::get), Some(r#""text""# | r#""thinking""#) | None);
        !waits || length(&[self.text, self.thinking]) > 0
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    AtLimit,
    Otherwise,
}

/// Follows a stream event by event.
#[derive(Clone, Debug, Default)]
pub struct StreamReader {
    counts: anthropic_usage::Counts,
    service_tier: Option<ServiceTier>,
    content_bytes: u64,
    ended: Option<Ended>,
    saw_end: bool,
    saw_error: bool,
}

impl StreamReader {
    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> EventClass {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            self.saw_error |= is_error(data);
            return EventClass::Error;
        };
        let usage = event.message.and_then(|message| message.usage).or(event.usage);
        if let Some(usage) = usage.map(|usage| usage.get().as_bytes()) {
            self.counts.take_in(usage);
            self.service_tier = service_tier(usage).or(self.service_tier);
        }
        match event.r#type.get() {
            r#""content_block_delta""# => {
                self.content_bytes +=
                    event.delta.map_or(0, |delta| length(&[delta.text, delta.thinking, delta.partial_json]));
                EventClass::Content
            }
            r#""content_block_start""# => {
                let Some(block) = event.content_block else { return EventClass::Preamble };
                self.content_bytes += length(&[block.text, block.thinking, block.data, block.name]);
                if block.has_content() { EventClass::Content } else { EventClass::Preamble }
            }
            r#""message_delta""# => {
                if let Some(reason) = event.delta.and_then(|delta| delta.stop_reason) {
                    self.ended = Some(if reason.get() == MAX_TOKENS { Ended::AtLimit } else { Ended::Otherwise });
                }
                EventClass::Usage
            }
            r#""message_stop""# => {
                self.saw_end = true;
                EventClass::End
            }
            r#""error""# => {
                self.saw_error = true;
                EventClass::Error
            }
            _ => EventClass::Preamble,
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        match (self.saw_error, self.ended, self.saw_end) {
            (true, ..) => Completeness::Failed,
            (_, Some(_), true) => Completeness::Complete,
            (_, Some(_), false) => Completeness::EndMarkMissing,
            (_, None, _) => Completeness::Cut,
        }
    }

    /// The token counts reported so far.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.counts.usage()
    }

    /// What it costs in picodollars: Anthropic does not say.
    #[must_use]
    pub fn reported_cost_pusd(&self) -> Option<i64> {
        None
    }

    /// Whether it ended at the limit of output tokens.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.ended == Some(Ended::AtLimit)
    }

    /// The service tier told last.
    #[must_use]
    pub fn service_tier(&self) -> Option<ServiceTier> {
        self.service_tier
    }

    /// Bytes of content so far, as written in JSON.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// An error as the last event of this stream.
    #[must_use]
    pub fn error_event(&self, failure: &Failure, request_id: &str) -> Vec<u8> {
        error_event(failure, request_id)
    }
}

/// An error object without a type, as gateways before the provider write it.
fn is_error(data: &[u8]) -> bool {
    pick(data, ANSWER_DEPTH_LIMIT, ["error"]).is_ok_and(|[error]| error.is_some_and(|error| error != b"null"))
}

/// The end mark of a stream, where nothing else is missing.
#[must_use]
pub fn end_event() -> &'static [u8] {
    b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
}

/// An error as the last event of a stream.
#[must_use]
pub fn error_event(failure: &Failure, request_id: &str) -> Vec<u8> {
    format!("event: error\ndata: {}\n\n", error_json(failure, request_id)).into_bytes()
}

/// An error as the body of an answer.
#[must_use]
pub fn error_body(failure: &Failure, request_id: &str) -> Vec<u8> {
    error_json(failure, request_id).to_string().into_bytes()
}

/// Anthropic's word for an error, by the status it comes with; anything else is an `api_error`, or the client's.
const ERROR_TYPES: [(u16, &str); 10] = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (503, "overloaded_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
];

fn error_type(status: u16) -> &'static str {
    let known = ERROR_TYPES.iter().find(|(own, _)| *own == status).map(|(_, kind)| *kind);
    known.unwrap_or(if (400..500).contains(&status) { "invalid_request_error" } else { "api_error" })
}

/// A provider's error for a client of this format, whichever format the provider wrote it in.
#[must_use]
pub fn error_of_provider(status: u16, error: &ProviderError, request_id: &str) -> Vec<u8> {
    serde_json::json!({
        "type": "error",
        "error": {
            "type": error_type(status),
            "message": error.message(status),
            "code": error.code.as_deref().or(error.kind.as_deref()),
        },
        "request_id": request_id,
    })
    .to_string()
    .into_bytes()
}

/// The error object in its envelope. Anthropic has no codes: the gateway's stands beside the type.
fn error_json(failure: &Failure, request_id: &str) -> serde_json::Value {
    serde_json::json!({
        "type": "error",
        "error": {
            "type": error_type(failure.cause.row().status),
            "message": failure.message,
            "code": failure.code(),
            "param": failure.param,
        },
        "request_id": request_id,
    })
}

#[cfg(test)]
#[path = "anthropic_tests.rs"]
mod tests;
