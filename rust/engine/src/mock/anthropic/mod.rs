//! Anthropic's dialect: what is asked, and who answers it. After the published API reference and recorded exchanges.

mod errors;
mod message;

use std::borrow::Cow;

use http::Method;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::answer::Answer;
use super::behaviour::{ErrorFields, RateLimits};
use super::delay::Random;
use super::dialect::Refused;
use super::ids::push_id;
use super::reply::Reply;
use super::turn::{Asked, Turn};

const MODELS: [(&str, &str); 3] =
    [("claude-sonnet-4-5", "Claude Sonnet 4.5"), ("claude-haiku-4-5", "Claude Haiku 4.5"), ("mock", "Mock")];

/// The fields that change an answer; the rest is skipped without being stored.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    tools: Option<Vec<IgnoredAny>>,
    #[serde(borrow, default)]
    tool_choice: Option<Choice<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Choice<'a>>,
    #[serde(default)]
    stop_sequences: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// Reads what changes the answer.
pub(super) fn read(body: &[u8]) -> Result<Asked<'_>, String> {
    let request = serde_json::from_slice::<Request<'_>>(body).map_err(|error| error.to_string())?;
    let offered = request.tools.is_some_and(|tools| !tools.is_empty());
    Ok(Asked {
        model: request.model,
        stream: request.stream == Some(true),
        tools: offered && request.tool_choice.is_none_or(|choice| choice.r#type != "none"),
        reasoning: request.thinking.is_some_and(|thinking| thinking.r#type != "disabled"),
        limit_tokens: request.max_tokens,
        stop: request.stop_sequences.unwrap_or_default().into_iter().next().map(Cow::Owned),
        body_bytes: body.len(),
        ..Asked::default()
    })
}

/// Answers one operation.
pub(super) fn answer(
    reply: &Reply,
    (method, path): (&Method, &str),
    asked: Result<&Asked<'_>, &str>,
    random: &mut Random,
) -> Result<Answer, Refused> {
    let mut answer = match (method.as_str(), path) {
        ("POST", "/messages") => {
            let asked = asked.map_err(|error| Refused::unread(error.to_owned()))?;
            if asked.limit_tokens.is_none() {
                return Err(Refused::unread("max_tokens: Field required".to_owned()));
            }
            message::message(&Turn::new(reply, asked), asked, random)
        }
        ("POST", "/messages/count_tokens") => {
            let turn = Turn::new(reply, asked.map_err(|error| Refused::unread(error.to_owned()))?);
            Answer::json(turn.status(), json!({"input_tokens": turn.usage.input_tokens}).to_string())
        }
        ("GET", "/models") => models(),
        ("GET", path) if path.starts_with("/models/") => {
            let id = &path["/models/".len()..];
            let name = MODELS.iter().find(|(known, _)| *known == id).map_or(id, |(_, name)| name);
            Answer::json(200, model(id, name).to_string())
        }
        _ => return Err(Refused { status: 404, message: "Not Found".to_owned() }),
    };
    answer.headers.push(("request-id", request_id(random)));
    Ok(answer)
}

pub(super) fn error(status: u16, fields: &ErrorFields, random: &mut Random) -> Answer {
    let id = request_id(random);
    let mut answer = Answer::json(status, errors::error_body(status, fields, Some(&id)));
    answer.headers.push(("request-id", id));
    answer
}

pub(super) fn rate_limit_headers(limits: &RateLimits, now_s: u64) -> Vec<(&'static str, String)> {
    errors::rate_limit_headers(limits, now_s)
}

fn request_id(random: &mut Random) -> String {
    let mut id = String::new();
    push_id(&mut id, "req_011C", 20, random);
    id
}

fn models() -> Answer {
    let data: Vec<Value> = MODELS.iter().map(|(id, name)| model(id, name)).collect();
    let (first, last) = (MODELS[0].0, MODELS[MODELS.len() - 1].0);
    Answer::json(200, json!({"data": data, "has_more": false, "first_id": first, "last_id": last}).to_string())
}

fn model(id: &str, name: &str) -> Value {
    json!({"type": "model", "id": id, "display_name": name, "created_at": "2025-09-29T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000})
}
