//! What OpenAI's formats have in common: how a request names its model, how an error reads, how models are listed.
//!
//! Source: OpenAI API reference. Compatible vendors deviate by leaving fields out, never by adding meaning to these, so
//! absence is always tolerated.

use std::ops::Range;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::splice::Splice;
use super::{ANSWER_DEPTH_LIMIT, Answer, Flaw, ProviderError, openai_reported_cost};
use crate::failure::Failure;
use crate::json::{JsonError, Object, Value, pick};
use crate::service_tier::ServiceTier;
use crate::usage::Usage;

/// The finish reason of a choice that ended at the limit of output tokens, as JSON.
pub(super) const LENGTH: &str = r#""length""#;

/// What the gateway needs of a request body.
#[derive(Debug)]
pub struct Request {
    /// The model the client asks for.
    pub model: String,
    /// Where the model's JSON string (quotes included) lies in the body; empty where there is none. `None`: the body of
    /// this format names no model.
    model_span: Option<Range<usize>>,
    /// Where else the body says it, as `models/…`.
    resource_spans: Vec<Range<usize>>,
    /// Whether the answer is to be a stream of events.
    pub stream: bool,
    /// How many choices are asked for.
    pub choices: u64,
    /// How many answers may be billed: as many at least, and more where a vendor writes some that it does not send.
    pub billed_choices: u64,
    /// It is to be worked on after the answer to it, which has no token counts then.
    pub is_background: bool,
    /// The longest answer that is asked for, per choice. `None`: the request does not say.
    pub output_tokens: Option<u64>,
    /// The end user, as the body names one.
    pub user: Option<String>,
    /// What makes the provider report a stream's token counts; `None` if it does without it.
    pub usage_splice: Option<Splice>,
    /// The stored object that this request goes on from: an earlier response, or a conversation.
    pub continues: Option<String>,
}

impl Request {
    /// A request in a format whose model is in the path, and whether it streams; one choice, until more is known.
    #[must_use]
    pub fn named_elsewhere(model: &str, stream: bool) -> Self {
        Self {
            model: model.to_owned(),
            model_span: None,
            resource_spans: Vec::new(),
            stream,
            choices: 1,
            billed_choices: 1,
            is_background: false,
            output_tokens: None,
            user: None,
            usage_splice: None,
            continues: None,
        }
    }

    /// The same with the places where the body repeats the model that the path names: JSON strings, `models/…`.
    #[must_use]
    pub(super) fn with_resources(self, spans: Vec<Range<usize>>) -> Self {
        Self { resource_spans: spans, ..self }
    }

    /// What to change so that the body repeats this model where it repeats the path's.
    pub fn rename_resources(&self, model: &str) -> impl Iterator<Item = Splice> {
        self.resource_spans.iter().map(move |span| Splice::text(span.clone(), &format!("models/{model}")))
    }

    /// What to change so that the body names this model; nothing where the path does.
    #[must_use]
    pub fn rename(&self, model: &str) -> Splice {
        let Some(span) = self.model_span.clone() else { return Splice::new(0..0, String::new()) };
        let mut change = Splice::text(span.clone(), model);
        if span.is_empty() {
            change.replacement = format!("\"model\":{},", change.replacement);
        }
        change
    }
}

/// Reads the top-level fields of a request body.
///
/// # Errors
/// A [`Failure`] that says where the JSON breaks: invalid, a key twice, too deep, no object.
pub fn read_object(body: &[u8], depth_limit: usize) -> Result<Object<'_>, Failure> {
    Object::read(body, depth_limit).map_err(|error| match error {
        JsonError::NotAnObject => Failure::invalid_request("the request body must be a JSON object", None),
        other => Failure::invalid_request(format!("could not read the request body: {other}"), None),
    })
}

/// Reads the fields that all of OpenAI's requests share. `default_model`: what the vendor takes when none is named.
///
/// # Errors
/// A [`Failure`] that names the field: no model, a `stream` that is not a boolean.
pub fn read_fields(object: &Object<'_>, default_model: Option<&str>) -> Result<Request, Failure> {
    let (model, model_span) = match (object.get("model"), default_model) {
        (Some(value), _) => {
            let model = value.as_text().filter(|model| !model.is_empty());
            let model =
                model.ok_or_else(|| Failure::invalid_request("model must be a non-empty string", Some("model")))?;
            (model, value.span)
        }
        (None, Some(model)) if !object.is_empty() => {
            let start = object.first_member();
            (model.to_owned(), start..start)
        }
        (None, _) => return Err(Failure::invalid_request("you must provide a model parameter", Some("model"))),
    };
    let stream = match given(object, "stream") {
        None => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| Failure::invalid_request("stream must be true or false", Some("stream")))?
        }
    };
    let text = |key| object.get(key).and_then(|value| value.as_text());
    Ok(Request {
        model,
        model_span: Some(model_span),
        resource_spans: Vec::new(),
        stream,
        choices: object.get("n").and_then(|value| value.as_u64()).unwrap_or(1),
        billed_choices: count_at_most(object, "n"),
        is_background: object.get("background").and_then(|value| value.as_bool()) == Some(true),
        output_tokens: output_tokens(object),
        user: text("user").or_else(|| text("safety_identifier")),
        usage_splice: None,
        continues: None,
    })
}

/// How many a field asks for, at least one. What is no count is the largest, since a provider may make anything of it.
pub(super) fn count_at_most(object: &Object<'_>, name: &str) -> u64 {
    given(object, name).map_or(1, |value| value.as_u64().unwrap_or(u64::MAX)).max(1)
}

/// The longest answer that is asked for. Of several fields the largest: which of them counts is up to the provider, and
/// so is what it makes of one that is no count.
fn output_tokens(object: &Object<'_>) -> Option<u64> {
    ["max_completion_tokens", "max_tokens", "max_output_tokens"]
        .iter()
        .filter_map(|name| Some(given(object, name)?.as_u64().unwrap_or(u64::MAX)))
        .max()
}

/// What to change so that a top-level field has this value. `None`: the body is no JSON object.
pub(super) fn set_field(body: &[u8], name: &str, value: &str) -> Option<Splice> {
    let object = Object::read(body, ANSWER_DEPTH_LIMIT).ok()?;
    if let Some(found) = object.get(name) {
        return Some(Splice::new(found.span, value.to_owned()));
    }
    let start = object.first_member();
    let comma = if object.is_empty() { "" } else { "," };
    Some(Splice::new(start..start, format!("\"{name}\":{value}{comma}")))
}

/// A field's value; `null` is how SDKs write "left out".
#[must_use]
pub fn given<'text>(object: &Object<'text>, key: &str) -> Option<Value<'text>> {
    object.get(key).filter(|value| !value.is_null())
}

/// Where an answer says what it has to say.
#[derive(Clone, Copy)]
pub(super) enum List {
    Choices,
    Output,
}

/// What an answer says of itself, its `usage` read with the given reader. `None`: it is no JSON object. `said_in`: the list
/// without which it is no answer.
pub(super) fn read_answer(
    body: &[u8],
    said_in: Option<List>,
    read_usage: impl FnOnce(&[u8]) -> Option<Usage>,
) -> Option<Answer> {
    let fields = ["usage", "service_tier", "error", "choices", "output"];
    let [usage, service_tier, error, choices, output] = pick(body, ANSWER_DEPTH_LIMIT, fields).ok()?;
    let is_empty = |list: &[u8]| list.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii() == b"]");
    let has_no_list = match said_in {
        Some(List::Choices) => choices.is_none(),
        Some(List::Output) => output.is_none(),
        None => false,
    };
    let flaw = if error.is_some_and(|error| error != b"null") {
        Some(Flaw::Error)
    } else {
        (has_no_list || choices.is_some_and(is_empty)).then_some(Flaw::NoChoices)
    };
    Some(Answer {
        usage: usage.and_then(read_usage),
        service_tier: service_tier.and_then(ServiceTier::from_json),
        reported_cost_pusd: usage.and_then(openai_reported_cost::read),
        is_truncated: choices.is_some_and(is_truncated),
        flaw,
    })
}

/// Whether one of some choices, a JSON array, ended at the limit of output tokens.
fn is_truncated(choices: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Choice<'text> {
        #[serde(borrow, default)]
        finish_reason: Option<&'text RawValue>,
    }
    // Within text the quotes would be escaped, so hardly any answer but a truncated one is read a second time.
    memmem::find(choices, LENGTH.as_bytes()).is_some()
        && serde_json::from_slice::<Vec<Choice<'_>>>(choices)
            .is_ok_and(|choices| choices.iter().any(|it| it.finish_reason.is_some_and(|reason| reason.get() == LENGTH)))
}

/// Something that a provider keeps: a response, a file, a batch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The name later requests refer to it by.
    pub id: Option<String>,
    /// The model that made it.
    pub model: Option<String>,
    conversation: Option<Conversation>,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Conversation {
    id: Option<String>,
}

impl Kept {
    /// Reads a JSON answer; nothing is kept by one that is no object.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Its id, and those of what came with it: the conversation of a response, the files of a batch.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let conversation = self.conversation.as_ref().and_then(|conversation| conversation.id.as_deref());
        let others = [conversation, self.output_file_id.as_deref(), self.error_file_id.as_deref()];
        self.id.as_deref().into_iter().chain(others.into_iter().flatten())
    }
}

/// An error as the body of an answer.
#[must_use]
pub fn error_body(failure: &Failure, request_id: &str) -> Vec<u8> {
    error_json(failure, request_id).to_string().into_bytes()
}

/// A provider's error for a client of this format, whichever format the provider wrote it in.
#[must_use]
pub fn error_of_provider(status: u16, error: &ProviderError, request_id: &str) -> Vec<u8> {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        400..500 => "invalid_request_error",
        _ => "server_error",
    };
    let code = error.code.as_deref().or(error.kind.as_deref());
    serde_json::json!({
        "error": {
            "message": error.message(status), "type": kind, "param": null, "code": code, "request_id": request_id,
        }
    })
    .to_string()
    .into_bytes()
}

/// The error object in its envelope.
pub(super) fn error_json(failure: &Failure, request_id: &str) -> serde_json::Value {
    serde_json::json!({
        "error": {
            "message": failure.message,
            "type": failure.cause.row().kind,
            "param": failure.param,
            "code": failure.code(),
            "request_id": request_id,
        }
    })
}

/// An error as the last event of a stream of typed events. The vendor writes the error flat in its reference and
/// nested on the wire; both are here, since SDKs raise on the nested one and people read the flat one.
#[must_use]
pub fn typed_error_event(failure: &Failure, request_id: &str, sequence_number: u64) -> Vec<u8> {
    let mut event = error_json(failure, request_id);
    event["type"] = "error".into();
    event["code"] = failure.code().into();
    event["message"] = failure.message.as_str().into();
    event["param"] = failure.param.into();
    event["sequence_number"] = sequence_number.into();
    format!("event: error\ndata: {event}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::splice::splice;
    use super::*;

    fn read(body: &str, default_model: Option<&str>) -> Result<Request, Failure> {
        read_fields(&read_object(body.as_bytes(), 16)?, default_model)
    }

    fn rename(body: &str, default_model: Option<&str>) -> String {
        let request = read(body, default_model).expect(body);
        String::from_utf8(splice(body.as_bytes(), &mut [request.rename("new")])).expect("UTF-8")
    }

    #[test]
    fn choices_that_may_be_billed_are_never_taken_for_fewer() {
        let asked = |fields: &str| read(&format!(r#"{{"model":"m"{fields}}}"#), None).expect("valid").billed_choices;
        assert_eq!([asked(""), asked(r#","n":null"#), asked(r#","n":0"#), asked(r#","n":3"#)], [1, 1, 1, 3]);
        assert_eq!([asked(r#","n":2.0"#), asked(r#","n":"2""#)], [u64::MAX; 2]);
    }

    #[test]
    fn the_longest_answer_asked_for_is_never_taken_for_less() {
        let asked = |fields: &str| read(&format!(r#"{{"model":"m"{fields}}}"#), None).expect("valid").output_tokens;
        assert_eq!(asked(""), None);
        assert_eq!(asked(r#","max_tokens":null,"max_output_tokens":7"#), Some(7));
        assert_eq!(asked(r#","max_tokens":100,"max_completion_tokens":5"#), Some(100));
        for absurd in ["-1", "1e3", "\"9\"", "18446744073709551616"] {
            assert_eq!(asked(&format!(r#","max_tokens":{absurd}"#)), Some(u64::MAX), "{absurd}");
        }
    }

    #[test]
    fn an_answer_is_truncated_where_a_choice_is() {
        let is_truncated = |body: &str| read_answer(body.as_bytes(), None, |_| None).expect(body).is_truncated;
        let choice = |reason: &str| format!(r#"{{"message":{{"content":"a"}},"finish_reason":{reason}}}"#);
        assert!(is_truncated(&format!(r#"{{"choices":[{}, {}]}}"#, choice("\"stop\""), choice(" \"length\" "))));
        for whole in [choice("\"stop\""), choice("null"), choice("7"), r#"{"text":"a"}"#.to_owned()] {
            assert!(!is_truncated(&format!(r#"{{"choices":[{whole}]}}"#)), "{whole}");
        }
        // The word elsewhere, escaped or not, is none of it.
        for other in [
            r#"{"choices":[{"message":{"content":"\"finish_reason\":\"length\""},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"message":{"length":1},"logprobs":["length"],"finish_reason":"stop"}]}"#,
            r#"{"choices":"length","finish_reason":"length"}"#,
            r#"{"finish_reason":"length"}"#,
        ] {
            assert!(!is_truncated(other), "{other}");
        }
    }

    #[test]
    fn reads_the_ids_of_what_is_kept() {
        let ids = |body: &str| Kept::read(body.as_bytes()).ids().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(ids(r#"{"id":"resp_1","object":"response","conversation":{"id":"conv_1"}}"#), ["resp_1", "conv_1"]);
        assert_eq!(ids(r#"{"id":"batch_1","output_file_id":"file-2","error_file_id":null}"#), ["batch_1", "file-2"]);
        assert!(ids("[]").is_empty() && ids(r#"{"object":"list"}"#).is_empty());
    }

    #[test]
    fn a_model_left_out_is_the_vendors_default_and_can_be_renamed() {
        assert_eq!(read(r#"{"input":"x"}"#, Some("usual")).expect("valid").model, "usual");
        assert_eq!(rename(r#" {"input":"x"}"#, Some("usual")), r#" {"model":"new","input":"x"}"#);
        assert_eq!(read("{}", Some("usual")).expect_err("nothing").param, Some("model"));
        assert_eq!(rename(r#"{"model":"old"}"#, Some("usual")), r#"{"model":"new"}"#);
        // A null can't be told from a name by a splice that keeps every other byte, and no SDK sends it.
        assert_eq!(read(r#"{"model":null}"#, Some("usual")).expect_err("null").param, Some("model"));
    }
}
