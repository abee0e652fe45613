//! OpenAI's models list, error object, ids and embeddings, after the published API reference.
//!
//! Written here once more on purpose: the mock judges the gateway's writers and shares none of them.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use super::answer::Answer;
use super::behaviour::ErrorFields;
use super::delay::Random;
use super::reply::{Reply, push_escaped};
use super::script::plain_model;

/// What `text-embedding-3-small` answers with.
const DIMENSIONS: usize = 1536;

pub(super) fn models() -> Answer {
    let mut body = String::from("{\"object\":\"list\",\"data\":[");
    for (index, id) in ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "mock"].into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"id\":\"{id}\",\"object\":\"model\",\"created\":1715367049,\"owned_by\":\"mock\"}}"
        );
    }
    body.push_str("]}");
    Answer::json(200, body)
}

/// The error object, with the type and code that OpenAI gives this status unless `fields` says otherwise.
pub(super) fn error_body(status: u16, fields: &ErrorFields) -> String {
    let (kind, code, message) = match status {
        400 => ("invalid_request_error", None, "The mock provider was told to refuse this request."),
        401 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided: mock."),
        403 => ("invalid_request_error", Some("unsupported_country_region_territory"), "Not supported here."),
        404 => {
            ("invalid_request_error", Some("model_not_found"), "The model does not exist or you have no access to it.")
        }
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for the mock provider."),
        _ => ("server_error", None, "The mock provider was told to fail."),
    };
    let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
    let error = serde_json::json!({"error": {
        "message": fields.message.as_deref().unwrap_or(message),
        "type": fields.r#type.as_deref().unwrap_or(kind),
        "param": text(fields.param.as_deref()),
        "code": fields.code.clone().unwrap_or_else(|| text(code)),
    }});
    error.to_string()
}

/// `prefix` and 29 letters and digits, as OpenAI's ids look.
pub(super) fn push_id(target: &mut String, prefix: &str, random: &mut Random) {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    target.push_str(prefix);
    let mut bits = 0;
    for index in 0..29 {
        if index % 10 == 0 {
            bits = random.next();
        }
        #[expect(clippy::cast_possible_truncation, reason = "a remainder below 62")]
        target.push(ALPHABET[(bits % 62) as usize] as char);
        bits /= 62;
    }
}

pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

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
            for (place, value) in vector.iter().enumerate() {
                let _ = write!(body, "{}{value}", if place == 0 { "[" } else { "," });
            }
            body.push(']');
        }
        body.push('}');
    }
    body.push_str("],\"model\":\"");
    push_escaped(&mut body, behaviour.response_model.as_deref().unwrap_or_else(|| plain_model(&request.model)));
    let prompt = behaviour.usage.prompt_tokens.unwrap_or(tokens);
    let _ = write!(body, "\",\"usage\":{{\"prompt_tokens\":{prompt},\"total_tokens\":{prompt}}}}}");
    Answer::json(behaviour.status.unwrap_or(200), body)
}

#[expect(clippy::cast_possible_truncation, reason = "embeddings are single precision")]
fn unit_vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a: enough to tell texts apart.
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut random = Random::new(seed, 0);
    let values: Vec<f64> = (0..dimensions).map(|_| 2.0 * random.unit() - 1.0).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.into_iter().map(|value| (value / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::behaviour::Behaviour;
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

    #[test]
    fn an_error_has_openais_four_fields() {
        let fields = ErrorFields { code: Some("insufficient_quota".into()), ..ErrorFields::default() };
        let error: Value = serde_json::from_str(&error_body(429, &fields)).expect("valid");
        assert_eq!(error["error"]["code"], "insufficient_quota");
        assert_eq!(error["error"]["type"], "requests");
        assert_eq!(error["error"]["param"], Value::Null);
    }
}
