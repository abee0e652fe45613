//! Gemini's `countTokens`, `embedContent` and `batchEmbedContents` (v1beta): an answer in one piece.
//!
//! Source: Gemini API reference, "Counting tokens" and "Embeddings". The model is in the path, and once more in each
//! request within the body, which has to name the same.

use std::ops::Range;

use super::openai::{self, Request};
use super::{ANSWER_DEPTH_LIMIT, Answer, Flaw, gemini_usage};
use crate::failure::Failure;
use crate::json::{JsonError, Reader, pick, walk};

/// Reads a request body. `model`: what the path says.
///
/// # Errors
/// A [`Failure`]: invalid JSON, a key twice, too deep, no object, another model than the path's.
pub fn read_request(body: &[u8], depth_limit: usize, model: &str) -> Result<Request, Failure> {
    openai::read_object(body, depth_limit)?;
    let mut names = Names { model, spans: Vec::new(), is_other: false };
    // Read once already.
    let _ = walk(body, depth_limit, |reader, key| match key {
        b"model" => names.read(reader),
        b"generateContentRequest" | b"generate_content_request" => names.read_within(reader),
        b"requests" => reader.each(|reader| names.read_within(reader)),
        _ => reader.raw().map(|_| ()),
    });
    if names.is_other {
        let message = "the body names another model than the path: leave it out, or write models/ and the same name";
        return Err(Failure::invalid_request(message, Some("model")));
    }
    Ok(Request::named_elsewhere(model, false).with_resources(names.spans))
}

/// Where the body names the model.
struct Names<'path> {
    model: &'path str,
    spans: Vec<Range<usize>>,
    is_other: bool,
}

impl Names<'_> {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let start = reader.position();
        let value = reader.raw()?;
        let named: Option<String> = serde_json::from_slice(value).ok();
        match named.as_deref().map(|name| name.strip_prefix("models/").unwrap_or(name)) {
            Some(name) if name == self.model.strip_prefix("models/").unwrap_or(self.model) => {
                self.spans.push(start..start + value.len());
            }
            None if value == b"null" => {}
            _ => self.is_other = true,
        }
        Ok(())
    }

    fn read_within(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| match key {
            b"model" => self.read(reader),
            _ => reader.raw().map(|_| ()),
        })
    }
}

/// What an answer says of itself. `None`: it is no JSON object.
#[must_use]
pub fn read_answer(body: &[u8]) -> Option<Answer> {
    let [usage, error] = pick(body, ANSWER_DEPTH_LIMIT, ["usageMetadata", "error"]).ok()?;
    let is_error = error.is_some_and(|error| error != b"null");
    Some(Answer {
        usage: usage.and_then(gemini_usage::read),
        flaw: is_error.then_some(Flaw::Error),
        ..Answer::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::splice::splice;
    use super::*;

    fn renamed(body: &str) -> String {
        let request = read_request(body.as_bytes(), 16, "chat").expect(body);
        let mut changes: Vec<_> = request.rename_resources("gemini-2.5-flash").collect();
        String::from_utf8(splice(body.as_bytes(), &mut changes)).expect("UTF-8")
    }

    #[test]
    fn a_model_is_renamed_wherever_the_body_repeats_it() {
        for (body, sent) in [
            (
                r#"{"requests": [{"model":"models/chat","content":{"model":"kept"}}, {"content":{}, "model" : "chat"}]}"#,
                r#"{"requests": [{"model":"models/gemini-2.5-flash","content":{"model":"kept"}}, {"content":{}, "model" : "models/gemini-2.5-flash"}]}"#,
            ),
            (
                r#"{"generateContentRequest":{"model":"models\/chat","contents":[]}}"#,
                r#"{"generateContentRequest":{"model":"models/gemini-2.5-flash","contents":[]}}"#,
            ),
            (r#"{"model":"models/chat"}"#, r#"{"model":"models/gemini-2.5-flash"}"#),
            (r#"{"contents":[],"model":null}"#, r#"{"contents":[],"model":null}"#),
        ] {
            assert_eq!(renamed(body), sent);
        }
    }

    #[test]
    fn another_model_than_the_paths_is_refused() {
        for body in [
            r#"{"requests":[{"model":"models/chat"},{"model":"models/dearer"}]}"#,
            r#"{"generate_content_request":{"model":"dearer"}}"#,
            r#"{"model":7}"#,
        ] {
            assert_eq!(read_request(body.as_bytes(), 16, "chat").expect_err(body).param, Some("model"));
        }
    }

    #[test]
    fn an_answer_needs_no_candidates() {
        let read = |body: &str| read_answer(body.as_bytes());
        assert_eq!(read(r#"{"totalTokens":7}"#), Some(Answer::default()));
        let answer = read(r#"{"embeddings":[],"usageMetadata":{"promptTokenCount":5}}"#).expect("an object");
        assert_eq!(answer.usage.map(|usage| usage.input()), Some(5));
        assert_eq!(read(r#"{"error":{"code":400}}"#).expect("an object").flaw, Some(Flaw::Error));
        assert_eq!(read("[]"), None);
    }
}
