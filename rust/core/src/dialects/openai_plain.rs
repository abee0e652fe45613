//! OpenAI's moderations, embeddings, images and audio: a `model`, an answer in one piece, or a stream of typed events.
//!
//! Source: OpenAI API reference, "Embeddings", "Moderations", "Images" and "Audio" with their streaming events. A
//! stream ends with one `….completed` or `….done` event for each image, transcript or recording.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::openai::{self, Request};
use super::{Answer, Completeness, EventClass, openai_reported_cost, openai_token_usage, openai_usage};
use crate::failure::Failure;
use crate::usage::Usage;

/// Reads a request body.
///
/// # Errors
/// A [`Failure`] that names the field: invalid JSON, a key twice, no model, a `stream` that is not a boolean.
pub fn read_request(body: &[u8], depth_limit: usize, default_model: Option<&str>) -> Result<Request, Failure> {
    let object = openai::read_object(body, depth_limit)?;
    openai::read_fields(&object, default_model)
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    openai::read_answer(body, None, read_usage)
}

/// Embeddings count as chat does, everything younger as Responses do; some vendors of embeddings tell the total alone.
fn read_usage(usage: &[u8]) -> Option<Usage> {
    #[derive(Deserialize)]
    struct Total {
        r#type: Option<String>,
        total_tokens: u64,
    }
    openai_token_usage::read(usage).or_else(|| openai_usage::read(usage)).or_else(|| {
        let total: Total = serde_json::from_slice(usage).ok()?;
        total.r#type.is_none().then(|| Usage { input_tokens: total.total_tokens, ..Usage::default() })
    })
}

#[derive(Deserialize)]
struct Event<'event> {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    error: Option<IgnoredAny>,
    #[serde(borrow, default)]
    usage: Option<&'event RawValue>,
}

/// Follows a stream event by event.
#[derive(Clone, Debug)]
pub struct StreamReader {
    asked: u64,
    finished: u64,
    events: u64,
    usage: Option<Usage>,
    reported_cost_pusd: Option<i64>,
    saw_error: bool,
}

impl StreamReader {
    /// A reader for the answer to a request for `asked` images, transcripts or recordings.
    #[must_use]
    pub fn new(asked: u64) -> Self {
        Self { asked, finished: 0, events: 0, usage: None, reported_cost_pusd: None, saw_error: false }
    }

    /// Takes in the data of one event.
    pub fn read(&mut self, data: &[u8]) -> EventClass {
        if data.trim_ascii() == b"[DONE]" {
            return EventClass::End;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return EventClass::Error };
        self.events += 1;
        match event.r#type.as_deref() {
            _ if event.error.is_some() => {
                self.saw_error = true;
                EventClass::Error
            }
            Some("error") => {
                self.saw_error = true;
                EventClass::Error
            }
            Some(
                "image_generation.completed" | "image_edit.completed" | "transcript.text.done" | "speech.audio.done",
            ) => {
                self.finished += 1;
                let reported = event.usage.and_then(|usage| openai_reported_cost::read(usage.get().as_bytes()));
                self.reported_cost_pusd = reported.or(self.reported_cost_pusd);
                if let Some(mut usage) = event.usage.and_then(|usage| read_usage(usage.get().as_bytes())) {
                    // What a speech model puts out is sound.
                    if event.r#type.as_deref() == Some("speech.audio.done") {
                        usage.output_audio_tokens += std::mem::take(&mut usage.output_tokens);
                    }
                    self.usage = Some(usage);
                }
                EventClass::Content
            }
            Some(_) => EventClass::Content,
            None => EventClass::Preamble,
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        if self.saw_error {
            Completeness::Failed
        } else if self.finished >= self.asked.max(1) {
            Completeness::Complete
        } else {
            Completeness::Cut
        }
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

    /// An error as the last event of this stream.
    #[must_use]
    pub fn error_event(&self, failure: &Failure, request_id: &str) -> Vec<u8> {
        openai::typed_error_event(failure, request_id, self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_counted() {
        let read = |usage: &str| read_answer(format!(r#"{{"usage":{usage}}}"#).as_bytes()).expect("an object").usage;
        let input = |input_tokens| Some(Usage { input_tokens, ..Usage::default() });
        assert_eq!(read(r#"{"prompt_tokens":8,"total_tokens":8}"#), input(8));
        assert_eq!(read(r#"{"total_tokens":18}"#), input(18));
        assert_eq!((read("null"), read(r#"{"type":"duration","seconds":3}"#)), (None, None));
        assert_eq!(read_answer(b"<html>"), None);
        let mut reader = StreamReader::new(1);
        reader.read(br#"{"type":"speech.audio.done","usage":{"input_tokens":2,"output_tokens":9,"cost":1e-6}}"#);
        assert_eq!(reader.reported_cost_pusd(), Some(1_000_000));
        let spoken = Usage { input_tokens: 2, output_audio_tokens: 9, ..Usage::default() };
        assert_eq!(reader.usage(), Some(spoken));
    }

    fn completeness(events: &[&str], asked: u64) -> Completeness {
        let mut reader = StreamReader::new(asked);
        for event in events {
            reader.read(event.as_bytes());
        }
        reader.completeness()
    }

    #[test]
    fn a_stream_is_complete_when_all_that_was_asked_for_is() {
        let partial = r#"{"type":"image_generation.partial_image","b64_json":"x"}"#;
        let image = r#"{"type":"image_generation.completed","b64_json":"x","usage":{"total_tokens":3}}"#;
        assert_eq!(completeness(&[partial, image], 1), Completeness::Complete);
        assert_eq!(completeness(&[partial, image], 2), Completeness::Cut);
        assert_eq!(completeness(&[partial], 1), Completeness::Cut);
        assert_eq!(
            completeness(&[r#"{"type":"transcript.text.done","text":"x"}"#, "[DONE]"], 1),
            Completeness::Complete
        );
        assert_eq!(completeness(&[r#"{"type":"speech.audio.delta","audio":"x"}"#, "[DONE]"], 1), Completeness::Cut);
        assert_eq!(completeness(&[r#"{"type":"speech.audio.done"}"#], 1), Completeness::Complete);
        assert_eq!(completeness(&[r#"{"type":"error","message":"no"}"#], 1), Completeness::Failed);
        assert_eq!(completeness(&[image, r#"{"error":{"message":"no"}}"#], 1), Completeness::Failed);
    }
}
