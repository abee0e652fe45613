//! What one answer does, as data: its content, its pace, its shape on the wire, its faults.
//!
//! One flat set of fields serves the constructor, a script's defaults and steps, the `x-mock-fault` header and a model
//! name. Layers are merged field by field as JSON objects before they are read, so the later one wins.

use std::collections::BTreeMap;

use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::delay::Delay;
pub(super) use super::fields::parse_fields;
use super::fields::{header_values, list};
use super::point::Point;

/// The fields of one answer; `docs/mock.md` describes each with an example.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Behaviour {
    pub(super) status: Option<u16>,
    #[serde(deserialize_with = "header_values")]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Value>,
    pub(super) body_base64: Option<String>,
    pub(super) error: ErrorFields,
    pub(super) rate_limits: RateLimits,
    pub(super) content: Option<String>,
    pub(super) content_bytes: Option<usize>,
    pub(super) multi_byte: bool,
    pub(super) chunks: Option<usize>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) reasoning: Option<String>,
    pub(super) signature: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: UsageNumbers,
    pub(super) response_model: Option<String>,
    pub(super) dimensions: Option<usize>,
    #[serde(deserialize_with = "list")]
    pub(super) omit: Vec<Omission>,

    pub(super) latency_ms: Option<Delay>,
    pub(super) first_token_ms: Option<Delay>,
    pub(super) gap_ms: Option<Delay>,
    pub(super) tokens_per_second: Option<f64>,
    pub(super) ping_ms: Option<u64>,

    pub(super) events_per_write: Option<usize>,
    #[serde(deserialize_with = "list")]
    pub(super) split_bytes: Vec<usize>,
    pub(super) line_end: Option<LineEnd>,
    pub(super) comment_every: Option<usize>,
    pub(super) framing: Option<Framing>,
    pub(super) content_length: Option<u64>,
    pub(super) close: Option<Close>,

    pub(super) garbage: Option<Garbage>,
    pub(super) reset: Option<Point>,
    pub(super) cut: Option<Point>,
    pub(super) stall: Option<Point>,
    pub(super) stall_ms: Option<u64>,
    pub(super) error_event: Option<Point>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ErrorFields {
    pub(super) message: Option<String>,
    pub(super) r#type: Option<String>,
    pub(super) param: Option<String>,
    pub(super) code: Option<Value>,
    pub(super) details: Option<Value>,
}

/// What the vendor says of its limits, in headers of its own; Gemini says it in the error alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateLimits {
    pub(super) requests: Option<u64>,
    pub(super) remaining_requests: Option<u64>,
    pub(super) tokens: Option<u64>,
    pub(super) remaining_tokens: Option<u64>,
    pub(super) reset_s: Option<u64>,
    pub(super) retry_after_s: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolCall {
    pub(super) name: String,
    pub(super) arguments: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_field_names, reason = "the vendor's own names")]
pub(super) struct UsageNumbers {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
    pub(super) cached_tokens: u64,
    pub(super) cache_write_tokens: u64,
    pub(super) reasoning_tokens: Option<u64>,
}

/// What a stream leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Omission {
    Role,
    FinishReason,
    Usage,
    Done,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LineEnd {
    #[default]
    Lf,
    Crlf,
}

impl LineEnd {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::Crlf => "\r\n",
        }
    }
}

/// How the end of the body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Framing {
    Length,
    Chunked,
    Close,
}

/// Whether the client is told that the connection closes after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Close {
    Silent,
    Announced,
}

/// Ready-made nonsense with status 200, or bytes that are no HTTP at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Garbage {
    Html,
    InvalidJson,
    Empty,
    NotHttp,
}

impl Behaviour {
    /// Reads merged fields.
    ///
    /// # Errors
    /// Text for the author of the script: an unknown field, or a value out of its range.
    pub(super) fn from_fields(fields: &Map<String, Value>) -> Result<Self, String> {
        let behaviour = Self::deserialize(fields).map_err(|error| {
            // The reader does not say where it was: the first field that fails alone does.
            let alone = |(name, value): (&String, &Value)| {
                let one = Map::from_iter([(name.clone(), value.clone())]);
                Self::deserialize(one).err().map(|error| format!("{name}: {error}"))
            };
            fields.iter().find_map(alone).unwrap_or_else(|| error.to_string())
        })?;
        behaviour.check()?;
        Ok(behaviour)
    }

    fn check(&self) -> Result<(), String> {
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Err("status: want 200 to 599".to_owned());
        }
        if self.tokens_per_second.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err("tokens_per_second: want a number above 0".to_owned());
        }
        if self.split_bytes.contains(&0) || self.events_per_write == Some(0) || self.comment_every == Some(0) {
            return Err("split_bytes, events_per_write and comment_every: want numbers above 0".to_owned());
        }
        if self.ping_ms == Some(0) {
            return Err("ping_ms: want a number above 0".to_owned());
        }
        for (name, instead) in
            [("content-length", "content_length"), ("transfer-encoding", "framing"), ("connection", "close")]
        {
            if self.headers.contains_key(name) {
                return Err(format!("headers: {name} is set by the field {instead}"));
            }
        }
        let content_type = self.content_type.iter().map(|value| ("content-type", value));
        for (name, value) in self.headers.iter().map(|(name, value)| (name.as_str(), value)).chain(content_type) {
            if HeaderName::from_bytes(name.as_bytes()).is_err() || HeaderValue::from_str(value).is_err() {
                return Err(format!("headers: {name:?} has a name or value that HTTP does not allow"));
            }
        }
        Ok(())
    }

    pub(super) fn omits(&self, what: Omission) -> bool {
        self.omit.contains(&what)
    }

    /// Whether any field needs the wire in hand: then the answer is written byte by byte and not by hyper.
    pub(super) fn touches_the_wire(&self) -> bool {
        self.latency_ms.is_some()
            || self.first_token_ms.is_some()
            || !self.split_bytes.is_empty()
            || self.framing.is_some()
            || self.content_length.is_some()
            || self.close.is_some()
            || self.garbage == Some(Garbage::NotHttp)
            || self.reset.is_some()
            || self.cut.is_some()
            || self.stall.is_some()
    }
}

#[cfg(test)]
#[path = "behaviour_tests.rs"]
mod tests;
