//! Which dialect a request is in, by its path first and its headers next, and the dialect's own way to do each thing.
//!
//! The only place that knows all dialects; they do not know each other.

use std::borrow::Cow;

use http::{HeaderMap, Method, request::Parts};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::behaviour::{ErrorFields, RateLimits};
use super::delay::Random;
use super::reply::Reply;
use super::turn::Asked;
use super::{anthropic, gemini, openai};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) dialect: Dialect,
    pub(super) method: &'a Method,
    /// Without `/v1` or `/v1beta`.
    pub(super) path: &'a str,
    query: &'a str,
    /// Gemini's: the model of the path, and what is to be done with it.
    operation: Option<(Cow<'a, str>, &'a str)>,
}

/// What the mock itself refuses.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) message: String,
}

impl Refused {
    /// A body that could not be read.
    pub(super) fn unread(message: String) -> Self {
        Self { status: 400, message }
    }
}

/// The path behind its version.
pub(super) fn without_version(path: &str) -> &str {
    let versions = ["/v1beta", "/v1alpha", "/v1"];
    let rest = versions.iter().find_map(|version| path.strip_prefix(version).filter(|rest| rest.starts_with('/')));
    rest.unwrap_or(path)
}

/// `gemini-2.5-pro` and `generateContent` of `/models/gemini-2.5-pro:generateContent`, whatever stands before.
fn operation(path: &str) -> Option<(Cow<'_, str>, &str)> {
    let (before, operation) = path.rsplit_once(':')?;
    let start = before.find("/models/")? + "/models/".len();
    gemini::OPERATIONS
        .contains(&operation)
        .then(|| (percent_decode_str(&before[start..]).decode_utf8_lossy(), operation))
}

impl<'a> Route<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        let given = parts.uri.path();
        let path = without_version(given);
        let operation = operation(path);
        let has = |name: &str| HeaderMap::contains_key(&parts.headers, name);
        let dialect = if operation.is_some() || given.len() > path.len() + "/v1".len() {
            Dialect::Gemini
        } else if path == "/messages" || path.starts_with("/messages/") || has("anthropic-version") {
            Dialect::Anthropic
        } else if has("x-goog-api-key") {
            Dialect::Gemini
        } else {
            Dialect::OpenAi
        };
        Self { dialect, method: &parts.method, path, query: parts.uri.query().unwrap_or_default(), operation }
    }

    /// Reads what changes the answer; `None` if there is no body to read.
    pub(super) fn read<'b>(&'b self, body: &'b [u8]) -> Option<Result<Asked<'b>, String>> {
        if self.method != Method::POST {
            return None;
        }
        Some(match (self.dialect, &self.operation) {
            (Dialect::OpenAi, _) => openai::read(self.path, body),
            (Dialect::Anthropic, _) => anthropic::read(body),
            (Dialect::Gemini, Some((model, operation))) => gemini::read(model, operation, body),
            (Dialect::Gemini, None) => return None,
        })
    }

    /// Answers; `asked` is what [`Self::read`] gave.
    pub(super) fn answer(
        &self,
        reply: &Reply,
        asked: Option<&Result<Asked<'_>, String>>,
        body: &[u8],
        random: &mut Random,
    ) -> Result<Answer, Refused> {
        let asked = match asked {
            Some(Ok(asked)) => Ok(asked),
            Some(Err(error)) => Err(error.as_str()),
            None => Err("the request has no body"),
        };
        let operation = (self.method, self.path);
        match self.dialect {
            Dialect::OpenAi => openai::answer(reply, operation, asked, body, random),
            Dialect::Anthropic => anthropic::answer(reply, operation, asked, random),
            Dialect::Gemini => match &self.operation {
                Some((_, operation)) if self.method == Method::POST => {
                    let is_array = !self.query.split('&').any(|pair| pair == "alt=sse");
                    gemini::answer(reply, (operation, is_array), asked, body, random)
                }
                _ => gemini::models(operation),
            },
        }
    }
}

impl Dialect {
    /// An error as this vendor writes it.
    pub(super) fn error(self, status: u16, fields: &ErrorFields, limits: &RateLimits, random: &mut Random) -> Answer {
        match self {
            Self::OpenAi => openai::error(status, fields),
            Self::Anthropic => anthropic::error(status, fields, random),
            Self::Gemini => gemini::error(status, fields, limits),
        }
    }

    /// The headers in which this vendor tells its limits.
    pub(super) fn rate_limit_headers(self, limits: &RateLimits) -> Vec<(&'static str, String)> {
        match self {
            Self::OpenAi => openai::rate_limit_headers(limits),
            Self::Anthropic => anthropic::rate_limit_headers(limits, super::ids::unix_seconds()),
            Self::Gemini => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(uri: &str, header: Option<&'static str>) -> (Dialect, String, Option<(String, String)>) {
        let mut request = http::Request::builder().method("POST").uri(uri);
        if let Some(header) = header {
            request = request.header(header, "x");
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let route = Route::of(&parts);
        let operation = route.operation.map(|(model, operation)| (model.into_owned(), operation.to_owned()));
        (route.dialect, route.path.to_owned(), operation)
    }

    #[test]
    fn a_path_names_its_dialect_and_headers_decide_the_rest() {
        for (uri, header, dialect, path) in [
            ("/v1/chat/completions", None, Dialect::OpenAi, "/chat/completions"),
            ("/chat/completions", None, Dialect::OpenAi, "/chat/completions"),
            ("/v1/messages?beta=true", None, Dialect::Anthropic, "/messages"),
            ("/messages/count_tokens", None, Dialect::Anthropic, "/messages/count_tokens"),
            ("/v1/models", None, Dialect::OpenAi, "/models"),
            ("/v1/models", Some("anthropic-version"), Dialect::Anthropic, "/models"),
            ("/v1/models", Some("x-goog-api-key"), Dialect::Gemini, "/models"),
            ("/v1beta/models", None, Dialect::Gemini, "/models"),
            ("/v1/models/g:generateContent", None, Dialect::Gemini, "/models/g:generateContent"),
            ("/v1/models/ft:gpt-4o", None, Dialect::OpenAi, "/models/ft:gpt-4o"),
            ("/v1betamax", None, Dialect::OpenAi, "/v1betamax"),
        ] {
            let (found, rest, _) = route(uri, header);
            assert_eq!((found, rest.as_str()), (dialect, path), "{uri}");
        }
    }

    #[test]
    fn geminis_model_is_in_the_path() {
        let named = |uri: &str| route(uri, None).2.expect("an operation");
        let expected = |model: &str, operation: &str| (model.to_owned(), operation.to_owned());
        assert_eq!(named("/v1beta/models/g-2.5:countTokens?key=k"), expected("g-2.5", "countTokens"));
        let fault = "/v1/models/g%40mock-fault:status%3D503:streamGenerateContent";
        assert_eq!(named(fault), expected("g@mock-fault:status=503", "streamGenerateContent"));
        let project = "/v1/projects/p/locations/l/publishers/google/models/g:generateContent";
        assert_eq!(named(project), expected("g", "generateContent"));
    }
}
