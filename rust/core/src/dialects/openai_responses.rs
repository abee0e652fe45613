//! OpenAI Responses (`POST /v1/responses`).
//!
//! Source: OpenAI API reference, "Responses" and "Streaming events". A stream is made of typed events and ends with the
//! one that carries the finished response; there is no `[DONE]`, though some compatible vendors add one.

use memchr::memmem;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::openai::{self, Request, given};
use super::{Answer, Completeness, EventClass, openai_reported_cost, openai_token_usage};
use crate::failure::Failure;
use crate::service_tier::{self, ServiceTier};
use crate::usage::Usage;

/// Reads a request body.
///
/// # Errors
/// A [`Failure`] that names the field: invalid JSON, a key twice, no model, a field of the wrong kind.
pub fn read_request(body: &[u8], depth_limit: usize) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    let mut request = openai::read_fields(&object, None)?;
    if let Some(previous) = given(&object, "previous_response_id") {
        let id = previous.as_text().ok_or_else(|| {
            let message = "previous_response_id must be a string";
            Failure::invalid_request(message, Some("previous_response_id"))
        })?;
        request.continues = Some(id);
    } else if let Some(conversation) = given(&object, "conversation") {
        let id =
            conversation.as_text().or_else(|| conversation.as_object()?.get("id")?.as_text()).ok_or_else(|| {
                let message = "conversation must be an id, or an object with one";
                Failure::invalid_request(message, Some("conversation"))
            })?;
        request.continues = Some(id);
    }
    Ok(request)
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    let answer = openai::read_answer(body, Some(openai::List::Output), openai_token_usage::read)?;
    let is_truncated = memmem::find(body, INCOMPLETE.as_bytes()).is_some()
        && serde_json::from_slice::<Response<'_>>(body).is_ok_and(|response| response.is_truncated());
    Some(Answer { is_truncated, ..answer })
}

/// Status of a response that ended before it was finished, as JSON.
const INCOMPLETE: &str = r#""incomplete""#;
/// Why: the limit of output tokens, as JSON.
const OUTPUT_LIMIT: &str = r#""max_output_tokens""#;

#[derive(Deserialize)]
struct Event<'event> {
    r#type: String,
    #[serde(default)]
    sequence_number: Option<u64>,
    #[serde(borrow, default)]
    response: Option<Response<'event>>,
    #[serde(borrow, default)]
    delta: Option<&'event RawValue>,
}

#[derive(Deserialize)]
struct Response<'event> {
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    usage: Option<&'event RawValue>,
    #[serde(default, deserialize_with = "service_tier::deserialize")]
    service_tier: Option<ServiceTier>,
    #[serde(borrow, default)]
    status: Option<&'event RawValue>,
    #[serde(borrow, default)]
    incomplete_details: Option<&'event RawValue>,
}

#[derive(Deserialize)]
struct Incomplete<'event> {
    #[serde(borrow, default)]
    reason: Option<&'event RawValue>,
}

impl Response<'_> {
    /// Whether it ended at the limit of output tokens.
    fn is_truncated(&self) -> bool {
        let reason = |details: &RawValue| {
            let details = serde_json::from_str::<Incomplete<'_>>(details.get()).ok()?;
            Some(details.reason?.get() == OUTPUT_LIMIT)
        };
        self.status.is_some_and(|status| status.get() == INCOMPLETE)
            && self.incomplete_details.and_then(reason) == Some(true)
    }
}

/// Follows a stream event by event.
#[derive(Clone, Debug, Default)]
pub struct StreamReader {
    end: Option<End>,
    id: Option<String>,
    usage: Option<Usage>,
    reported_cost_pusd: Option<i64>,
    is_truncated: bool,
    service_tier: Option<ServiceTier>,
    content_bytes: u64,
    next_sequence_number: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Finished,
    Failed,
}

impl StreamReader {
    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> EventClass {
        if data.trim_ascii() == b"[DONE]" {
            return EventClass::End;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            if is_error(data) {
                self.end = Some(End::Failed);
            }
            return EventClass::Error;
        };
        if let Some(number) = event.sequence_number {
            self.next_sequence_number = number.saturating_add(1);
        }
        if let Some(response) = event.response {
            self.is_truncated |= response.is_truncated();
            self.id = self.id.take().or(response.id);
            if let Some(usage) = response.usage.map(|usage| usage.get().as_bytes()) {
                self.usage = openai_token_usage::read(usage).or(self.usage);
                self.reported_cost_pusd = openai_reported_cost::read(usage).or(self.reported_cost_pusd);
            }
            self.service_tier = response.service_tier.or(self.service_tier);
        }
        // Quotes are not content.
        self.content_bytes += event.delta.map_or(0, |delta| (delta.get().len() as u64).saturating_sub(2));
        match event.r#type.as_str() {
            "response.completed" | "response.incomplete" | "response.cancelled" => {
                self.end = Some(End::Finished);
                EventClass::Usage
            }
            "response.failed" | "error" => {
                self.end = Some(End::Failed);
                EventClass::Error
            }
            "response.created" | "response.queued" | "response.in_progress" => EventClass::Preamble,
            kind => match kind.rsplit_once('.') {
                // Items and parts are announced before they have content.
                Some((_, "added")) => EventClass::Preamble,
                _ => EventClass::Content,
            },
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        match self.end {
            Some(End::Finished) => Completeness::Complete,
            Some(End::Failed) => Completeness::Failed,
            None => Completeness::Cut,
        }
    }

    /// The response's id, once an event has told it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
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

    /// Whether it ended at the limit of output tokens.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
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
        openai::typed_error_event(failure, request_id, self.next_sequence_number)
    }
}

/// An error object without a type, as vendors that speak chat as well write it.
fn is_error(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Untyped {
        #[serde(default)]
        error: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Untyped>(data).is_ok_and(|event| event.error.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(events: &[&str]) -> (Vec<EventClass>, StreamReader) {
        let mut reader = StreamReader::default();
        (events.iter().map(|event| reader.read(event.as_bytes())).collect(), reader)
    }

    const CREATED: &str =
        r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress"},"sequence_number":0}"#;
    const ITEM: &str = r#"{"type":"response.output_item.added","item":{"type":"message"},"sequence_number":1}"#;
    const TEXT: &str = r#"{"type":"response.output_text.delta","delta":"a","sequence_number":2}"#;
    const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":3,"output_tokens":1}},"sequence_number":3}"#;

    #[test]
    fn a_stream_is_complete_when_its_response_is() {
        use EventClass::{Content, End, Error, Preamble, Usage};
        let (found, reader) = classes(&[CREATED, ITEM, TEXT, COMPLETED, "[DONE]"]);
        assert_eq!(found, [Preamble, Preamble, Content, Usage, End]);
        assert_eq!((reader.completeness(), reader.id()), (Completeness::Complete, Some("resp_1")));
        let expected = crate::usage::Usage { input_tokens: 3, output_tokens: 1, ..Default::default() };
        assert_eq!((reader.usage(), reader.content_bytes()), (Some(expected), 1));
        assert_eq!(classes(&[CREATED, TEXT]).1.completeness(), Completeness::Cut);
        assert_eq!(classes(&[CREATED, TEXT, "[DONE]"]).1.completeness(), Completeness::Cut);
        let incomplete = r#"{"type":"response.incomplete","response":{"id":"resp_1"}}"#;
        assert_eq!(classes(&[TEXT, incomplete]).1.completeness(), Completeness::Complete);
        for failed in [
            r#"{"type":"response.failed","response":{"id":"resp_1","error":{"code":"server_error"}}}"#,
            r#"{"type":"error","code":"server_error","message":"no"}"#,
            r#"{"error":{"message":"no"}}"#,
        ] {
            let (found, reader) = classes(&[CREATED, failed]);
            assert_eq!((found[1], reader.completeness()), (Error, Completeness::Failed), "{failed}");
        }
        assert_eq!(classes(&["<html>"]).0, [Error]);
    }

    #[test]
    fn it_is_truncated_where_it_ended_at_the_limit_of_output() {
        let of = |status: &str, reason: &str| {
            format!(
                r#"{{"id":"resp_1","status":"{status}","incomplete_details":{{"reason":"{reason}"}},"usage":{{"input_tokens":3,"cost":0.25}}}}"#
            )
        };
        for (response, is_truncated) in [
            (of("incomplete", "max_output_tokens"), true),
            (of("incomplete", "content_filter"), false),
            (of("completed", "max_output_tokens"), false),
            (
                r#"{"status":"incomplete","incomplete_details":"max_output_tokens","usage":{"cost":0.25}}"#.to_owned(),
                false,
            ),
            (
                r#"{"status":"incomplete","incomplete_details":null,"why":"max_output_tokens","usage":{"cost":0.25}}"#
                    .to_owned(),
                false,
            ),
        ] {
            let answer = read_answer(response.as_bytes()).expect("an object");
            assert_eq!(
                (answer.is_truncated, answer.reported_cost_pusd),
                (is_truncated, Some(250_000_000_000)),
                "{response}"
            );
            let event = format!(r#"{{"type":"response.incomplete","response":{response}}}"#);
            let reader = classes(&[CREATED, TEXT, &event]).1;
            assert_eq!((reader.is_truncated(), reader.reported_cost_pusd()), (is_truncated, Some(250_000_000_000)));
        }
    }

    #[test]
    fn an_error_goes_on_with_the_numbers_of_the_stream() {
        let reader = classes(&[CREATED, TEXT]).1;
        let failure = Failure::new(crate::failure::Cause::StreamCut, "cut");
        let event = String::from_utf8(reader.error_event(&failure, "fgr_1")).expect("UTF-8");
        let data = event.strip_prefix("event: error\ndata: ").expect("an event").trim_end();
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(data["sequence_number"], 3);
        assert_eq!((&data["type"], &data["code"]), (&"error".into(), &"stream_cut".into()));
        assert_eq!(data["error"]["request_id"], "fgr_1");
    }

    #[test]
    fn reads_what_a_request_continues() {
        let read = |rest: &str| read_request(format!(r#"{{"model":"m"{rest}}}"#).as_bytes(), 16);
        let continues = |rest: &str| read(rest).expect(rest).continues;
        assert_eq!(continues(""), None);
        assert_eq!(continues(r#","previous_response_id":null,"stream":true"#), None);
        assert_eq!(continues(r#","previous_response_id":"resp_1""#).as_deref(), Some("resp_1"));
        assert_eq!(continues(r#","conversation":"conv_1""#).as_deref(), Some("conv_1"));
        assert_eq!(continues(r#","conversation":{"id":"conv_1"}"#).as_deref(), Some("conv_1"));
        assert_eq!(read(r#","conversation":7"#).expect_err("a number").param, Some("conversation"));
        assert_eq!(read(r#","previous_response_id":7"#).expect_err("a number").param, Some("previous_response_id"));
    }
}
