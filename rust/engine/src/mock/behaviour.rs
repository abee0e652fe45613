//! What one answer does, as data: its content, its pace, its shape on the wire, its faults.
//!
//! One flat set of fields serves the constructor, a script's defaults and steps, the `x-mock-fault` header and a model
//! name. Layers are merged field by field as JSON objects before they are read, so the later one wins.

use std::collections::BTreeMap;

use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};
use serde_json::{Map, Value};

use super::delay::Delay;

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
    pub(super) content: Option<String>,
    pub(super) content_bytes: Option<usize>,
    pub(super) multi_byte: bool,
    pub(super) chunks: Option<usize>,
    pub(super) tool_calls: Vec<ToolCall>,
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
    pub(super) line_end: LineEnd,
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
    pub(super) reasoning_tokens: u64,
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

/// A place in an answer. Events are counted with role, finish, usage and `[DONE]`; a JSON body is one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    BeforeHeaders,
    AfterHeaders,
    BeforeContent,
    Events(usize),
    InsideEvent(usize),
    Bytes(usize),
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        match (name.trim(), number) {
            ("before_headers", None) => Some(Self::BeforeHeaders),
            ("after_headers", None) => Some(Self::AfterHeaders),
            ("before_content", None) => Some(Self::BeforeContent),
            ("events", Some(number)) => Some(Self::Events(number.trim().parse().ok()?)),
            ("inside_event", Some(number)) => number.trim().parse().ok().filter(|k| *k > 0).map(Self::InsideEvent),
            ("bytes", Some(number)) => Some(Self::Bytes(number.trim().parse().ok()?)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "point {text:?}: want before_headers, after_headers, before_content, events:K, inside_event:K (from 1) or bytes:N"
            ))
        })
    }
}

impl Behaviour {
    /// Reads merged fields.
    ///
    /// # Errors
    /// Text for the author of the script: an unknown field, or a value out of its range.
    pub(super) fn from_fields(fields: Map<String, Value>) -> Result<Self, String> {
        let behaviour: Self = serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
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

/// Reads a fault as a header or a model name carries it: a JSON object, or `field=value;field=value` where a dot goes
/// one level down (`headers.retry-after=2`) and a value is JSON if it parses as such, a string otherwise.
///
/// # Errors
/// Text that says which part is wrong.
pub(super) fn parse_fields(text: &str) -> Result<Map<String, Value>, String> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| error.to_string());
    }
    let mut fields = Map::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').map_or((part, "true"), |(name, value)| (name.trim(), value.trim()));
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        match name.split_once('.') {
            None => fields.insert(name.to_owned(), value),
            Some((outer, inner)) => fields
                .entry(outer)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()
                .ok_or_else(|| format!("{outer} is given both whole and by part"))?
                .insert(inner.to_owned(), value),
        };
    }
    Ok(fields)
}

/// A list, one value, or a comma-separated string: the last two are what the short form can write.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(deserializer)? {
        Value::Array(items) => items,
        Value::String(text) => {
            let read = |item: &str| serde_json::from_str(item).unwrap_or_else(|_| Value::String(item.to_owned()));
            text.split(',').map(|item| read(item.trim())).collect()
        }
        single => vec![single],
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

/// Header values may be written as numbers.
fn header_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, Value>::deserialize(deserializer)?;
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Behaviour, String> {
        Behaviour::from_fields(parse_fields(text)?)
    }

    #[test]
    fn short_form_reads_what_json_reads() {
        let short =
            read("status=429; headers.retry-after=2; error.code=rate_limit_exceeded; omit=done,usage").expect("reads");
        let json = read(
            r#"{"status":429,"headers":{"Retry-After":"2"},"error":{"code":"rate_limit_exceeded"},"omit":["done","usage"]}"#,
        )
        .expect("reads");
        assert_eq!(format!("{short:?}"), format!("{json:?}"));
        assert_eq!(short.headers["retry-after"], "2");
        assert_eq!(short.omit, [Omission::Done, Omission::Usage]);
    }

    #[test]
    fn points_read_and_refuse() {
        assert_eq!(read("cut=inside_event:3").expect("reads").cut, Some(Point::InsideEvent(3)));
        assert_eq!(read("reset=bytes:0").expect("reads").reset, Some(Point::Bytes(0)));
        for wrong in ["cut=inside_event:0", "cut=events", "stall=later", "reset=bytes:-1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for wrong in [
            "statsu=503",
            "status=99",
            "split_bytes=1,0",
            "tokens_per_second=0",
            "headers.bad name=1",
            r#"{"headers":{"a":"x\r\ny"}}"#,
            "headers.Content-Length=3",
            "garbage=pdf",
            "error=1;error.code=2",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn split_sizes_come_as_number_text_or_list() {
        assert_eq!(read("split_bytes=7").expect("reads").split_bytes, [7]);
        assert_eq!(read("split_bytes=1,7").expect("reads").split_bytes, [1, 7]);
        assert_eq!(read(r#"{"split_bytes":[1,7]}"#).expect("reads").split_bytes, [1, 7]);
    }
}
