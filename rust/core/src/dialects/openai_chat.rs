//! OpenAI Chat Completions (`POST /v1/chat/completions`).
//!
//! Source: OpenAI API reference, "Chat Completions" and "Streaming". Compatible vendors deviate by leaving fields out,
//! never by adding meaning to these, so absence is always tolerated.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{Completeness, EventClass};
use crate::failure::Failure;
use crate::json::{JsonError, Object};

/// Path behind a provider's base URL.
pub const PATH: &str = "/chat/completions";

/// The end mark of a stream.
pub const END_EVENT: &[u8] = b"data: [DONE]\n\n";

/// What the gateway needs of a request body.
#[derive(Debug)]
pub struct Request {
    /// The model the client asks for.
    pub model: String,
    /// Where the model's JSON string (quotes included) lies in the body.
    pub model_span: Range<usize>,
    /// Whether the answer is to be a stream of events.
    pub stream: bool,
    /// How many choices are asked for.
    pub choices: u64,
}

/// Reads a request body.
///
/// # Errors
/// A [`Failure`] that names the field: invalid JSON, a key twice, no model, a `stream` that is not a boolean.
pub fn read_request(body: &[u8], depth_limit: usize) -> Result<Request, Failure> {
    let object = Object::read(body, depth_limit).map_err(|error| match error {
        JsonError::NotAnObject => Failure::invalid_request("the request body must be a JSON object", None),
        other => Failure::invalid_request(format!("could not read the request body: {other}"), None),
    })?;
    let model_value = object
        .get("model")
        .ok_or_else(|| Failure::invalid_request("you must provide a model parameter", Some("model")))?;
    let model = model_value
        .as_text()
        .filter(|model| !model.is_empty())
        .ok_or_else(|| Failure::invalid_request("model must be a non-empty string", Some("model")))?;
    let stream = match object.get("stream") {
        None => false,
        Some(value) if value.is_null() => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| Failure::invalid_request("stream must be true or false", Some("stream")))?
        }
    };
    Ok(Request {
        model,
        model_span: model_value.span,
        stream,
        choices: object.get("n").and_then(|value| value.as_u64()).unwrap_or(1),
    })
}

/// The body with another model name; every other byte as it was.
#[must_use]
pub fn splice_model(body: &[u8], model_span: Range<usize>, model: &str) -> Vec<u8> {
    let name = serde_json::Value::from(model).to_string();
    let mut spliced = Vec::with_capacity(body.len() - model_span.len() + name.len());
    spliced.extend_from_slice(&body[..model_span.start]);
    spliced.extend_from_slice(name.as_bytes());
    spliced.extend_from_slice(&body[model_span.end..]);
    spliced
}

/// Follows a stream event by event.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four independent observations, not a state")]
pub struct StreamReader {
    choices_asked: u64,
    /// One entry per choice index seen: whether its finish reason came.
    finished: Vec<(u32, bool)>,
    /// An event had the field `finish_reason`, if only with null.
    knows_finish_reasons: bool,
    saw_usage: bool,
    saw_end: bool,
    saw_error: bool,
}

/// Choices tracked per stream; OpenAI allows 128.
const CHOICE_LIMIT: usize = 1024;

#[derive(Deserialize)]
struct Chunk<'event> {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<IgnoredAny>,
    #[serde(borrow, default)]
    error: Option<&'event serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: FinishReason,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum FinishReason {
    #[default]
    Absent,
    Null,
    Given,
}

impl<'de> Deserialize<'de> for FinishReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Option::<IgnoredAny>::deserialize(deserializer)?;
        Ok(if given.is_some() { Self::Given } else { Self::Null })
    }
}

/// Which kinds of content a delta has. `Presence` is true for anything but null, `""` and `[]`.
#[derive(Deserialize, Default)]
struct Delta {
    #[serde(default)]
    content: Presence,
    #[serde(default)]
    reasoning_content: Presence,
    #[serde(default)]
    reasoning: Presence,
    #[serde(default)]
    refusal: Presence,
    #[serde(default)]
    tool_calls: Presence,
    #[serde(default)]
    function_call: Presence,
    #[serde(default)]
    audio: Presence,
}

impl Delta {
    fn has_content(&self) -> bool {
        [
            &self.content,
            &self.reasoning_content,
            &self.reasoning,
            &self.refusal,
            &self.tool_calls,
            &self.function_call,
            &self.audio,
        ]
        .iter()
        .any(|presence| presence.0)
    }
}

#[derive(Default)]
struct Presence(bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(!matches!(raw.get(), "null" | "\"\"" | "[]" | "{}")))
    }
}

impl StreamReader {
    /// A reader for the answer to a request for `choices` choices.
    #[must_use]
    pub fn new(choices: u64) -> Self {
        Self {
            choices_asked: choices,
            finished: Vec::new(),
            knows_finish_reasons: false,
            saw_usage: false,
            saw_end: false,
            saw_error: false,
        }
    }

    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> EventClass {
        if data.trim_ascii() == b"[DONE]" {
            self.saw_end = true;
            return EventClass::End;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else {
            return EventClass::Error;
        };
        if chunk.error.is_some_and(|error| error.get() != "null") {
            self.saw_error = true;
            return EventClass::Error;
        }
        let mut class = EventClass::Preamble;
        let choices = chunk.choices.unwrap_or_default();
        self.saw_usage |= chunk.usage.is_some();
        if choices.is_empty() && chunk.usage.is_some() {
            return EventClass::Usage;
        }
        for choice in choices {
            let is_finished = choice.finish_reason == FinishReason::Given;
            if is_finished || choice.delta.is_some_and(|delta| delta.has_content()) {
                class = EventClass::Content;
            }
            self.knows_finish_reasons |= choice.finish_reason != FinishReason::Absent;
            self.note(choice.index, is_finished);
        }
        class
    }

    fn note(&mut self, index: u32, is_finished: bool) {
        if let Some((_, finished)) = self.finished.iter_mut().find(|(seen, _)| *seen == index) {
            *finished |= is_finished;
        } else if self.finished.len() < CHOICE_LIMIT {
            self.finished.push((index, is_finished));
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let all_finished = !self.finished.is_empty() && self.finished.iter().all(|(_, finished)| *finished);
        if self.saw_error {
            Completeness::Failed
        } else if self.saw_end && (all_finished || self.ended_without_reasons()) {
            Completeness::Complete
        } else if all_finished && self.finished.len() as u64 >= self.choices_asked {
            Completeness::EndMarkMissing
        } else {
            Completeness::Cut
        }
    }

    /// Some vendors never write the field `finish_reason` (Snowflake Cortex, as recorded): there the token counts
    /// before the end mark are the proof that the answer was whole.
    fn ended_without_reasons(&self) -> bool {
        !self.knows_finish_reasons && self.saw_usage
    }
}

/// An error as the body of an answer.
#[must_use]
pub fn error_body(failure: &Failure, request_id: &str) -> Vec<u8> {
    error_json(failure, request_id).into_bytes()
}

/// An error as the last event of a stream.
#[must_use]
pub fn error_event(failure: &Failure, request_id: &str) -> Vec<u8> {
    format!("data: {}\n\n", error_json(failure, request_id)).into_bytes()
}

fn error_json(failure: &Failure, request_id: &str) -> String {
    serde_json::json!({
        "error": {
            "message": failure.message,
            "type": failure.cause.row().kind,
            "param": failure.param,
            "code": failure.code(),
            "request_id": request_id,
        }
    })
    .to_string()
}

/// The answer to `GET /v1/models`.
#[must_use]
pub fn models_body<'name>(names: impl Iterator<Item = &'name str>, created_unix_s: u64) -> Vec<u8> {
    let data: Vec<_> = names.map(|name| model_json(name, created_unix_s)).collect();
    serde_json::json!({"object": "list", "data": data}).to_string().into_bytes()
}

/// The answer to `GET /v1/models/{model}`.
#[must_use]
pub fn model_body(name: &str, created_unix_s: u64) -> Vec<u8> {
    model_json(name, created_unix_s).to_string().into_bytes()
}

fn model_json(name: &str, created_unix_s: u64) -> serde_json::Value {
    serde_json::json!({"id": name, "object": "model", "created": created_unix_s, "owned_by": "fastgate"})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(events: &[&str], choices: u64) -> (Vec<EventClass>, Completeness) {
        let mut reader = StreamReader::new(choices);
        (events.iter().map(|event| reader.read(event.as_bytes())).collect(), reader.completeness())
    }

    const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    const TOOL: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#;
    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"total_tokens":3}}"#;
    const ERROR: &str = r#"{"error":{"message":"overloaded"}}"#;

    #[test]
    fn classifies_events() {
        use EventClass::{Content, End, Error, Preamble, Usage};
        let (found, completeness) = classes(&[ROLE, TEXT, TOOL, STOP, USAGE, "[DONE]"], 1);
        assert_eq!(found, [Preamble, Content, Content, Content, Usage, End]);
        assert_eq!(completeness, Completeness::Complete);
        assert_eq!(classes(&[r#"{"choices":[],"prompt_filter_results":[]}"#], 1).0, [Preamble]);
        assert_eq!(classes(&["<html>", ERROR], 1).0, [Error, Error]);
    }

    #[test]
    fn a_stream_is_complete_when_every_choice_is() {
        let second = |finish: &str| format!(r#"{{"choices":[{{"index":1,"delta":{{}},"finish_reason":{finish}}}]}}"#);
        assert_eq!(classes(&[TEXT, STOP], 1).1, Completeness::EndMarkMissing);
        assert_eq!(classes(&[TEXT, STOP], 2).1, Completeness::Cut);
        assert_eq!(classes(&[TEXT, STOP, "[DONE]"], 2).1, Completeness::Complete);
        assert_eq!(classes(&[STOP, &second("null"), "[DONE]"], 2).1, Completeness::Cut);
        assert_eq!(classes(&[STOP, &second("\"length\"")], 2).1, Completeness::EndMarkMissing);
        assert_eq!(classes(&[TEXT, "[DONE]"], 1).1, Completeness::Cut);
        assert_eq!(classes(&["[DONE]"], 1).1, Completeness::Cut);
        // A vendor that never writes finish reasons closes with token counts.
        assert_eq!(classes(&[TEXT, USAGE, "[DONE]"], 1).1, Completeness::Complete);
        assert_eq!(classes(&[TEXT, USAGE], 1).1, Completeness::Cut);
        assert_eq!(classes(&[ROLE, TEXT, USAGE, "[DONE]"], 1).1, Completeness::Cut);
        assert_eq!(classes(&[TEXT, ERROR, "[DONE]"], 1).1, Completeness::Failed);
    }

    #[test]
    fn reads_and_splices_requests() {
        let body = br#"{ "messages":[], "model" : "chat", "stream":true,"n":2, "user":"u1" }"#;
        let request = read_request(body, 16).expect("valid");
        assert_eq!((request.model.as_str(), request.stream, request.choices), ("chat", true, 2));
        let spliced = splice_model(body, request.model_span, "gpt-\"4\"");
        assert_eq!(spliced, br#"{ "messages":[], "model" : "gpt-\"4\"", "stream":true,"n":2, "user":"u1" }"#);
        for (body, param) in [
            (r#"{"messages":[]}"#, Some("model")),
            (r#"{"model":7}"#, Some("model")),
            (r#"{"model":"a","stream":"yes"}"#, Some("stream")),
            (r#"{"model":"a","model":"b"}"#, None),
            ("[]", None),
        ] {
            assert_eq!(read_request(body.as_bytes(), 16).expect_err(body).param, param, "{body}");
        }
    }
}
