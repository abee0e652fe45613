//! OpenAI's embeddings, after the published API reference.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use super::super::answer::Answer;
use super::super::pieces::push_escaped;
use super::super::reply::Reply;
use super::super::script::plain_model;
use super::super::vector::{push_vector, unit_vector};

/// What `text-embedding-3-small` answers with.
const DIMENSIONS: usize = 1536;

#[derive(Debug, Deserialize)]
pub(super) struct EmbeddingsRequest {
    model: String,
    input: Value,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

impl EmbeddingsRequest {
    /// One vector per string or token list; one alone for a single string or a flat list of tokens.
    fn inputs(&self) -> Vec<&Value> {
        match &self.input {
            Value::Array(items) if !items.iter().all(Value::is_number) => items.iter().collect(),
            single => vec![single],
        }
    }
}

/// Unit vectors that depend on their input alone: the same text has the same vector in every run.
pub(super) fn embeddings(reply: &Reply, request: &EmbeddingsRequest) -> Answer {
    let behaviour = &reply.behaviour;
    let dimensions = request.dimensions.or(behaviour.dimensions).unwrap_or(DIMENSIONS).clamp(1, 16_384);
    let mut body = String::from("{\"object\":\"list\",\"data\":[");
    let mut tokens = 0;
    for (index, input) in request.inputs().into_iter().enumerate() {
        let text = input.to_string();
        tokens += text.len() as u64 / 4 + 1;
        let vector = unit_vector(&text, dimensions);
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(body, "{comma}{{\"object\":\"embedding\",\"index\":{index},\"embedding\":");
        if request.encoding_format.as_deref() == Some("base64") {
            let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
            let _ = write!(body, "\"{}\"", STANDARD.encode(bytes));
        } else {
            push_vector(&mut body, &vector);
        }
        body.push('}');
    }
    body.push_str("],\"model\":\"");
    push_escaped(&mut body, behaviour.response_model.as_deref().unwrap_or_else(|| plain_model(&request.model)));
    let prompt = behaviour.usage.prompt_tokens.unwrap_or(tokens);
    let _ = write!(body, "\",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{prompt}}}}}");
    Answer::json(behaviour.status.unwrap_or(200), body)
}

#[cfg(test)]
mod tests {
    use super::super::super::behaviour::Behaviour;
    use super::*;

    fn embed(text: &str) -> Value {
        let request: EmbeddingsRequest = serde_json::from_str(text).expect("valid");
        let answer = embeddings(&Reply::new(Behaviour::default()), &request);
        serde_json::from_slice(&answer.body).expect("valid")
    }

    #[test]
    fn one_vector_per_input_in_the_format_asked_for() {
        let floats = embed(r#"{"model":"m","input":["a","b"],"dimensions":4}"#);
        assert_eq!(floats["data"].as_array().map(Vec::len), Some(2));
        let vector: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).expect("floats");
        assert!((vector.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
        let encoded = embed(r#"{"model":"m","input":"a","dimensions":4,"encoding_format":"base64"}"#);
        let bytes = STANDARD.decode(encoded["data"][0]["embedding"].as_str().expect("text")).expect("base64");
        let expected: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(bytes, expected);
        assert_eq!(embed(r#"{"model":"m","input":[1,2,3],"dimensions":2}"#)["data"].as_array().map(Vec::len), Some(1));
    }
}
