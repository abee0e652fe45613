//! OpenAI Chat Completions (`POST /v1/chat/completions`) and their predecessor, Completions (`POST /v1/completions`),
//! whose choices have a `text` in place of a message and which are otherwise the same.
//!
//! Source: OpenAI API reference, "Chat Completions", "Completions" and "Streaming". Compatible vendors deviate by leaving
//! fields out, never by adding meaning to these, so absence is always tolerated.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai::{self, Request};
use super::splice::Splice;
use super::{Answer, Completeness, EventClass, Reading, openai_reported_cost, openai_usage};
use crate::failure::Failure;
use crate::json::{Object, Value};
use crate::service_tier::{self, ServiceTier};
use crate::usage::Usage;

/// The end mark of a stream.
pub const END_EVENT: &[u8] = b"data: [DONE]\n\n";

/// Reads a request body.
///
/// # Errors
/// A [`Failure`] that names the field: invalid JSON, a key twice, no model, a `stream` that is not a boolean.
pub fn read_request(body: &[u8], depth_limit: usize) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    read_fields(&object)
}

/// Reads a request body of Completions, where each prompt of a list has `n` choices of its own.
///
/// # Errors
/// As [`read_request`].
pub fn read_completions_request(body: &[u8], depth_limit: usize) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    let mut request = read_fields(&object)?;
    // All of them are billed, though only `n` are sent.
    request.billed_choices = request.billed_choices.max(openai::count_at_most(&object, "best_of"));
    // A list of numbers is one prompt in tokens.
    if let Some((prompts, false)) = object.get("prompt").and_then(|prompt| prompt.as_elements()) {
        request.choices = request.choices.saturating_mul(prompts.max(1));
        request.billed_choices = request.billed_choices.saturating_mul(prompts.max(1));
    }
    Ok(request)
}

fn read_fields(object: &Object<'_>) -> Result<Request, Failure> {
    let mut request = openai::read_fields(object, None)?;
    if request.stream {
        request.usage_splice = ask_for_usage(object);
    }
    Ok(request)
}

/// What to change so that `stream_options.include_usage` is true.
fn ask_for_usage(object: &Object<'_>) -> Option<Splice> {
    const ASKED: &str = r#""include_usage":true"#;
    let Some(options) = object.get("stream_options") else {
        // Behind the brace that opens the object; it has other members, `stream` at least.
        let start = object.first_member();
        return Some(Splice::new(start..start, format!(r#""stream_options":{{{ASKED}}},"#)));
    };
    if options.is_null() {
        return Some(Splice::new(options.span, format!("{{{ASKED}}}")));
    }
    // Not an object: the provider refuses it, in words of its own.
    let members = options.as_object()?;
    match members.get("include_usage") {
        Some(Value { span, .. }) if members.get("include_usage").and_then(|value| value.as_bool()) != Some(true) => {
            Some(Splice::new(options.span.start + span.start..options.span.start + span.end, "true".into()))
        }
        Some(_) => None,
        None => {
            let start = options.span.start + members.first_member();
            let comma = if members.is_empty() { "" } else { "," };
            Some(Splice::new(start..start, format!("{ASKED}{comma}")))
        }
    }
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    openai::read_answer(body, Some(openai::List::Choices), openai_usage::read)
}

/// A field as it is written, `null` included.
#[derive(Default)]
struct Raw<'text>(Option<&'text RawValue>);

impl<'de: 'text, 'text> Deserialize<'de> for Raw<'text> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self(Some(raw)))
    }
}

impl Raw<'_> {
    fn is_null(&self) -> bool {
        self.0.is_some_and(|raw| raw.get() == "null")
    }
}

/// Follows a stream event by event.
#[derive(Clone, Debug)]
pub struct StreamReader {
    choices_asked: u64,
    /// One entry per choice index seen, with its finish reason once that came.
    finished: Vec<(u32, FinishReason)>,
    /// An event had the field `finish_reason`, if only with null.
    knows_finish_reasons: bool,
    usage: Option<Usage>,
    reported_cost_pusd: Option<i64>,
    service_tier: Option<ServiceTier>,
    content_bytes: u64,
    saw_end: bool,
    saw_error: bool,
}

/// Choices tracked per stream; OpenAI allows 128.
const CHOICE_LIMIT: usize = 1024;

#[derive(Deserialize)]
struct Chunk<'event> {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(borrow, default)]
    usage: Raw<'event>,
    #[serde(default, deserialize_with = "service_tier::deserialize")]
    service_tier: Option<ServiceTier>,
    #[serde(borrow, default)]
    error: Option<&'event RawValue>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    text: Length,
    #[serde(default)]
    finish_reason: FinishReason,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum FinishReason {
    #[default]
    Absent,
    Null,
    Given,
    /// The limit of output tokens.
    Length,
}

impl FinishReason {
    fn is_given(self) -> bool {
        matches!(self, Self::Given | Self::Length)
    }
}

impl<'de> Deserialize<'de> for FinishReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match <&RawValue>::deserialize(deserializer)?.get() {
            "null" => Self::Null,
            openai::LENGTH => Self::Length,
            _ => Self::Given,
        })
    }
}

/// How long each kind of content in a delta is written.
#[derive(Deserialize, Default)]
struct Delta {
    #[serde(default)]
    content: Length,
    #[serde(default)]
    reasoning_content: Length,
    #[serde(default)]
    reasoning: Length,
    #[serde(default)]
    refusal: Length,
    #[serde(default)]
    tool_calls: Length,
    #[serde(default)]
    function_call: Length,
    #[serde(default)]
    audio: Length,
}

impl Delta {
    /// Bytes of content, JSON's quotes not counted; 0 for none.
    fn content_bytes(&self) -> u64 {
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
        .map(|length| length.0)
        .sum()
    }
}

/// Nothing for null, `""`, `[]` and `{}`.
#[derive(Default)]
struct Length(u64);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(if raw == "null" { 0 } else { (raw.len() as u64).saturating_sub(2) }))
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
            usage: None,
            reported_cost_pusd: None,
            service_tier: None,
            content_bytes: 0,
            saw_end: false,
            saw_error: false,
        }
    }

    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> Reading {
        if data.trim_ascii() == b"[DONE]" {
            self.saw_end = true;
            return EventClass::End.into();
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else {
            return EventClass::Error.into();
        };
        if chunk.error.is_some_and(|error| error.get() != "null") {
            self.saw_error = true;
            return EventClass::Error.into();
        }
        let usage = chunk.usage.0.filter(|_| !chunk.usage.is_null());
        if let Some(usage) = usage.map(|usage| usage.get().as_bytes()) {
            self.usage = openai_usage::read(usage).or(self.usage);
            self.reported_cost_pusd = openai_reported_cost::read(usage).or(self.reported_cost_pusd);
        }
        self.service_tier = chunk.service_tier.or(self.service_tier);
        let choices = chunk.choices.unwrap_or_default();
        if choices.is_empty() && usage.is_some() {
            return EventClass::Usage.into();
        }
        let mut class = EventClass::Preamble;
        for choice in choices {
            let content_bytes = choice.text.0 + choice.delta.map_or(0, |delta| delta.content_bytes());
            self.content_bytes += content_bytes;
            if choice.finish_reason.is_given() || content_bytes > 0 {
                class = EventClass::Content;
            }
            self.knows_finish_reasons |= choice.finish_reason != FinishReason::Absent;
            self.note(choice.index, choice.finish_reason);
        }
        let null_usage = chunk.usage.0.filter(|_| chunk.usage.is_null());
        Reading { class, null_usage: null_usage.and_then(|null| member_around(data, null.get())) }
    }

    /// The token counts reported last.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// What it costs in picodollars, as the provider told last.
    #[must_use]
    pub fn reported_cost_pusd(&self) -> Option<i64> {
        self.reported_cost_pusd
    }

    /// Whether a choice ended at the limit of output tokens.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.finished.iter().any(|(_, reason)| *reason == FinishReason::Length)
    }

    /// The service tier told last.
    #[must_use]
    pub fn service_tier(&self) -> Option<ServiceTier> {
        self.service_tier
    }

    /// Bytes of content so far, as written in JSON: what an estimate goes by where no counts came.
    #[must_use]
    pub fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    fn note(&mut self, index: u32, reason: FinishReason) {
        if let Some((_, known)) = self.finished.iter_mut().find(|(seen, _)| *seen == index) {
            *known = if reason.is_given() { reason } else { *known };
        } else if self.finished.len() < CHOICE_LIMIT {
            self.finished.push((index, reason));
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let all_finished = !self.finished.is_empty() && self.finished.iter().all(|(_, reason)| reason.is_given());
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
        !self.knows_finish_reasons && self.usage.is_some()
    }
}

/// The member of `data` whose value is `value`, a slice of it, and one comma beside it.
fn member_around(data: &[u8], value: &str) -> Option<Range<usize>> {
    let start = (value.as_ptr() as usize).checked_sub(data.as_ptr() as usize)?;
    let before_key = data.get(..start)?.trim_ascii_end().strip_suffix(b":")?.trim_ascii_end();
    let before_key = before_key.strip_suffix(b"\"usage\"")?.trim_ascii_end();
    let end = start + value.len();
    if let Some(before_comma) = before_key.strip_suffix(b",") {
        return Some(before_comma.len()..end);
    }
    let comma = data[end..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|offset| end + offset)?;
    (data[comma] == b',').then_some(before_key.len()..comma + 1)
}

/// An error as the last event of a stream.
#[must_use]
pub fn error_event(failure: &Failure, request_id: &str) -> Vec<u8> {
    format!("data: {}\n\n", openai::error_json(failure, request_id)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::splice::splice;
    use super::*;

    fn classes(events: &[&str], choices: u64) -> (Vec<EventClass>, Completeness) {
        let mut reader = StreamReader::new(choices);
        (events.iter().map(|event| reader.read(event.as_bytes()).class).collect(), reader.completeness())
    }

    const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
    const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    const TOOL: &str = r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}"#;
    const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":3}}"#;
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
    fn asks_for_usage_where_the_client_did_not() {
        for (body, asked) in [
            (
                r#"{ "model":"a","stream":true}"#,
                r#"{ "stream_options":{"include_usage":true},"model":"a","stream":true}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options": null}"#,
                r#"{"model":"a","stream":true,"stream_options": {"include_usage":true}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{ }}"#,
                r#"{"model":"a","stream":true,"stream_options":{ "include_usage":true}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{"x":1}}"#,
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":true,"x":1}}"#,
            ),
            (
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":false}}"#,
                r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            let request = read_request(body.as_bytes(), 16).expect(body);
            let spliced = splice(body.as_bytes(), &mut [request.usage_splice.expect(body)]);
            assert_eq!(String::from_utf8_lossy(&spliced), asked);
        }
        for body in [
            r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"model":"a","stream":true,"stream_options":7}"#,
            r#"{"model":"a"}"#,
        ] {
            assert!(read_request(body.as_bytes(), 16).expect(body).usage_splice.is_none(), "{body}");
        }
    }

    #[test]
    fn finds_the_null_usage_that_asking_brings() {
        for (data, without) in [
            (r#"{"choices":[],"usage":null}"#, r#"{"choices":[]}"#),
            (r#"{"usage" : null , "choices":[]}"#, r#"{ "choices":[]}"#),
            (r#"{"choices":[] , "usage":null,"x":"usage"}"#, r#"{"choices":[] ,"x":"usage"}"#),
        ] {
            let found = StreamReader::new(1).read(data.as_bytes()).null_usage.expect(data);
            assert_eq!(format!("{}{}", &data[..found.start], &data[found.end..]), without);
        }
        assert_eq!(StreamReader::new(1).read(USAGE.as_bytes()).null_usage, None);
    }

    #[test]
    fn counts_what_was_streamed() {
        let mut reader = StreamReader::new(1);
        reader.read(TEXT.as_bytes());
        assert_eq!((reader.usage(), reader.content_bytes()), (None, 1));
        reader.read(USAGE.as_bytes());
        assert_eq!(reader.usage().map(|usage| usage.input_tokens), Some(3));
    }

    #[test]
    fn notes_the_limit_of_output_and_what_it_costs() {
        let mut reader = StreamReader::new(2);
        for event in [TEXT, STOP] {
            reader.read(event.as_bytes());
        }
        assert_eq!((reader.is_truncated(), reader.reported_cost_pusd()), (false, None));
        let length = r#"{"choices":[{"index":1,"delta":{"content":"length"},"finish_reason":"length"}]}"#;
        assert_eq!(reader.read(length.as_bytes()).class, EventClass::Content);
        reader.read(br#"{"choices":[],"usage":{"prompt_tokens":3,"cost":0.5}}"#);
        reader.read(USAGE.as_bytes());
        assert!(reader.is_truncated());
        assert_eq!(reader.reported_cost_pusd(), Some(500_000_000_000));
    }

    #[test]
    fn a_completion_has_text() {
        use EventClass::{Content, Preamble};
        let text = r#"{"choices":[{"index":0,"text":"a","logprobs":null,"finish_reason":null}]}"#;
        let empty = r#"{"choices":[{"index":0,"text":"","finish_reason":null}]}"#;
        let stop = r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#;
        assert_eq!(classes(&[empty, text, stop], 1), (vec![Preamble, Content, Content], Completeness::EndMarkMissing));
        let choices = |prompt: &str| {
            let body = format!(r#"{{"model":"m","n":2,"prompt":{prompt}}}"#);
            read_completions_request(body.as_bytes(), 16).expect(prompt).choices
        };
        assert_eq!(
            [choices("\"a\""), choices(r#"["a","b","c"]"#), choices("[1,2,3]"), choices("[[1],[2]]")],
            [2, 6, 2, 4]
        );
    }

    #[test]
    fn reads_and_splices_requests() {
        let body = br#"{ "messages":[], "model" : "chat", "stream":true,"n":2, "user":"u1" }"#;
        let request = read_request(body, 16).expect("valid");
        assert_eq!((request.model.as_str(), request.stream, request.choices), ("chat", true, 2));
        assert_eq!(request.user.as_deref(), Some("u1"));
        let spliced = splice(body, &mut [request.rename("gpt-\"4\"")]);
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
