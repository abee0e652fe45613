//! Gemini's embeddings, one and many.

use serde::Deserialize;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::dialect::Refused;
use super::super::turn::Turn;
use super::super::vector::{push_vector, unit_vector};
use super::json_text;

/// What `gemini-embedding-001` answers with.
const DIMENSIONS: usize = 3072;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    content: Content,
    #[serde(default, alias = "output_dimensionality")]
    output_dimensionality: Option<usize>,
    /// Newer SDKs put the dimensions here.
    #[serde(default, alias = "embed_content_config")]
    embed_content_config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default, alias = "output_dimensionality")]
    output_dimensionality: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Many {
    requests: Vec<One>,
}

/// `:embedContent`.
pub(super) fn one(turn: &Turn<'_>, body: &[u8]) -> Result<Answer, Refused> {
    let request = serde_json::from_slice(body).map_err(|error| Refused::unread(error.to_string()))?;
    let mut text = String::from("{\"embedding\":");
    push_embedding(&mut text, turn, &request);
    text.push('}');
    Ok(json_text(turn.status(), text))
}

/// `:batchEmbedContents`.
pub(super) fn many(turn: &Turn<'_>, body: &[u8]) -> Result<Answer, Refused> {
    let many: Many = serde_json::from_slice(body).map_err(|error| Refused::unread(error.to_string()))?;
    let mut text = String::from("{\"embeddings\":[");
    for (index, request) in many.requests.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        push_embedding(&mut text, turn, request);
    }
    text.push_str("]}");
    Ok(json_text(turn.status(), text))
}

fn push_embedding(target: &mut String, turn: &Turn<'_>, request: &One) {
    let config = request.embed_content_config.as_ref();
    let asked = request.output_dimensionality.or(config.and_then(|config| config.output_dimensionality));
    let dimensions = asked.or(turn.behaviour.dimensions).unwrap_or(DIMENSIONS).clamp(1, 16_384);
    let said: String = request.content.parts.iter().filter_map(|part| part.text.as_deref()).collect();
    target.push_str("{\"values\":");
    push_vector(target, &unit_vector(&Value::String(said).to_string(), dimensions));
    target.push('}');
}
