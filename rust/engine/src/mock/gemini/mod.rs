//! Gemini's dialect: what is asked, and who answers it. After the published API reference and recorded exchanges.

mod content;
mod embeddings;
mod errors;

use std::borrow::Cow;

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

/// What may stand behind the colon of a path.
pub(super) const OPERATIONS: [&str; 5] =
    ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"];
const JSON: &str = "application/json; charset=UTF-8";
const MODELS: [&str; 4] = ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001", "mock"];

/// The fields that change an answer; the rest is skipped without being stored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(default, alias = "generation_config")]
    generation_config: Option<GenerationConfig>,
    #[serde(default)]
    tools: Option<Vec<IgnoredAny>>,
    #[serde(default, alias = "tool_config")]
    tool_config: Option<ToolConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(default, alias = "max_output_tokens")]
    max_output_tokens: Option<usize>,
    #[serde(default, alias = "candidate_count")]
    candidate_count: Option<usize>,
    #[serde(default, alias = "thinking_config")]
    thinking_config: Option<ThinkingConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThinkingConfig {
    #[serde(default, alias = "include_thoughts")]
    include_thoughts: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    #[serde(default, alias = "function_calling_config")]
    function_calling_config: Option<FunctionCallingConfig>,
}

#[derive(Debug, Deserialize)]
struct FunctionCallingConfig {
    #[serde(default)]
    mode: Option<String>,
}

/// Reads what changes the answer.
pub(super) fn read<'a>(model: &'a str, operation: &str, body: &[u8]) -> Result<Asked<'a>, String> {
    let request = serde_json::from_slice::<Request>(body).map_err(|error| error.to_string())?;
    let config = request.generation_config;
    let config = config.as_ref();
    let mode = request.tool_config.and_then(|config| config.function_calling_config).and_then(|config| config.mode);
    let thinking = config.and_then(|config| config.thinking_config.as_ref());
    Ok(Asked {
        model: Cow::Borrowed(model),
        stream: operation == "streamGenerateContent",
        tools: request.tools.is_some_and(|tools| !tools.is_empty()) && mode.as_deref() != Some("NONE"),
        reasoning: thinking.and_then(|thinking| thinking.include_thoughts) == Some(true),
        limit_tokens: config.and_then(|config| config.max_output_tokens),
        choices: config.and_then(|config| config.candidate_count),
        body_bytes: body.len(),
        ..Asked::default()
    })
}

/// Answers one operation on a model; `is_array` says how a stream is framed.
pub(super) fn answer(
    reply: &Reply,
    (operation, is_array): (&str, bool),
    asked: Result<&Asked<'_>, &str>,
    body: &[u8],
    random: &mut Random,
) -> Result<Answer, Refused> {
    let asked = asked.map_err(|error| Refused::unread(error.to_owned()))?;
    let turn = Turn::new(reply, asked);
    match operation {
        "streamGenerateContent" => Ok(content::stream(&turn, is_array, random)),
        "countTokens" => {
            let count = turn.usage.input_tokens;
            let details = json!([{"modality": "TEXT", "tokenCount": count}]);
            Ok(whole(turn.status(), &json!({"totalTokens": count, "promptTokensDetails": details})))
        }
        "embedContent" => embeddings::one(&turn, body),
        "batchEmbedContents" => embeddings::many(&turn, body),
        _ => Ok(json_text(turn.status(), content::whole(&turn, random))),
    }
}

/// The list of models, and one of them.
pub(super) fn models((method, path): (&Method, &str)) -> Result<Answer, Refused> {
    match (method, path.strip_prefix("/models/")) {
        (&Method::GET, Some(id)) => Ok(whole(200, &model(id))),
        (&Method::GET, None) if path == "/models" => {
            let models: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
            Ok(whole(200, &json!({"models": models})))
        }
        _ => Err(Refused { status: 404, message: format!("{method} {path} is not found for API version v1beta.") }),
    }
}

fn model(id: &str) -> Value {
    let methods = if id.contains("embedding") { &OPERATIONS[2..] } else { &OPERATIONS[..3] };
    json!({"name": format!("models/{id}"), "version": "001", "displayName": id, "description": "A mock of this model.",
        "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536, "supportedGenerationMethods": methods,
        "temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2})
}

pub(super) fn error(status: u16, fields: &ErrorFields, limits: &RateLimits) -> Answer {
    json_text(status, errors::error_body(status, fields, limits))
}

fn json_text(status: u16, text: String) -> Answer {
    Answer::whole(status, JSON.into(), text.into())
}

fn whole(status: u16, body: &Value) -> Answer {
    json_text(status, body.to_string())
}
