//! OpenAI's dialect: what is asked, and who answers it.
//!
//! Written here once more on purpose: the mock judges the gateway's readers and writers and shares none of them.

mod chat;
mod completions;
mod embeddings;
mod errors;
mod media;
mod objects;
mod responses;

use std::borrow::Cow;
use std::fmt::Write;

use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::answer::Answer;
use super::behaviour::{ErrorFields, RateLimits};
use super::delay::Random;
use super::dialect::Refused;
use super::reply::Reply;
use super::turn::{Asked, Turn};

const MODELS: [&str; 4] = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "mock"];

/// How long the requests of answers were that are asked for again.
const STORED_REQUEST_BYTES: usize = 40;

/// The fields that change an answer, of chat, Completions and Responses; the rest is skipped without being stored.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<usize>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default, alias = "max_output_tokens")]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    tools: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    reasoning: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
    #[serde(default)]
    include_obfuscation: Option<bool>,
}

/// Reads what changes the answer.
pub(super) fn read<'a>(path: &str, body: &'a [u8]) -> Result<Asked<'a>, String> {
    let request = serde_json::from_slice::<Request<'a>>(body).map_err(|error| error.to_string())?;
    let offered = request.tools.is_some_and(|tools| !tools.is_empty());
    let options = request.stream_options.as_ref();
    Ok(Asked {
        model: request.model,
        stream: request.stream == Some(true),
        tools: offered && request.tool_choice.is_none_or(|choice| choice != "none"),
        reasoning: path == "/chat/completions"
            || request.reasoning.is_some_and(|reasoning| !reasoning["summary"].is_null()),
        limit_tokens: request.max_completion_tokens.or(request.max_tokens),
        choices: request.n,
        usage_in_stream: options.and_then(|options| options.include_usage) == Some(true),
        unpadded: options.and_then(|options| options.include_obfuscation) == Some(false),
        body_bytes: body.len(),
        stop: None,
    })
}

/// Answers one operation.
pub(super) fn answer(
    reply: &Reply,
    (method, path): (&Method, &str),
    asked: Result<&Asked<'_>, &str>,
    body: &[u8],
    random: &mut Random,
) -> Result<Answer, Refused> {
    let json = || serde_json::from_slice::<Value>(body).map_err(|error| Refused::unread(error.to_string()));
    let body_bytes = if body.is_empty() { STORED_REQUEST_BYTES } else { body.len() };
    let unnamed = Asked { body_bytes, ..Asked::default() };
    let asked_or_not = asked.unwrap_or(&unnamed);
    let turn = Turn::new(reply, asked_or_not);
    match (method.as_str(), path) {
        ("POST", "/chat/completions") => {
            let asked = asked.map_err(|error| Refused::unread(error.to_owned()))?;
            Ok(chat::chat(&turn, asked, random))
        }
        ("POST", "/embeddings") => match serde_json::from_slice(body) {
            Ok(request) => Ok(embeddings::embeddings(reply, &request)),
            Err(error) => Err(Refused::unread(error.to_string())),
        },
        ("POST", "/responses") => Ok(responses::responses(&turn, &json()?, random)),
        ("POST", "/completions") => {
            json()?;
            Ok(completions::completions(&turn, asked_or_not, random))
        }
        ("GET", "/models") => Ok(models()),
        _ => objects::objects(&turn, method, path, body, random)
            .ok_or_else(|| Refused { status: 404, message: format!("Invalid URL ({method} {path})") }),
    }
}

pub(super) fn error(status: u16, fields: &ErrorFields) -> Answer {
    Answer::json(status, errors::error_body(status, fields))
}

pub(super) fn rate_limit_headers(limits: &RateLimits) -> Vec<(&'static str, String)> {
    errors::rate_limit_headers(limits)
}

fn models() -> Answer {
    let mut body = String::from("{\"object\":\"list\",\"data\":[");
    for (index, id) in MODELS.into_iter().enumerate() {
        let _ = write!(body, "{}{}", if index == 0 { "" } else { "," }, model(id));
    }
    body.push_str("]}");
    Answer::json(200, body)
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_715_367_049, "owned_by": "mock"})
}

/// A JSON answer built as a tree: nothing is measured against these.
fn whole(turn: &Turn<'_>, body: &Value) -> Answer {
    Answer::json(turn.status(), body.to_string())
}

/// The inside of a JSON string back to text.
fn plain(escaped: &str) -> Value {
    serde_json::from_str(&format!("\"{escaped}\"")).unwrap_or_default()
}
