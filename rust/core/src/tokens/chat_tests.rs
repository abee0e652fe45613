use serde_json::json;

use super::*;
use crate::tokens::{Encoding, Vocabulary};

fn tokens(body: &Value) -> u64 {
    let vocabulary = Vocabulary::shared(Encoding::O200kBase);
    Parts::read(body.to_string().as_bytes()).unwrap().tokens(&|text| vocabulary.count(text))
}

/// One token a byte: what a body adds to its text shows.
fn bytes(body: &Value) -> u64 {
    Parts::read(body.to_string().as_bytes()).unwrap().tokens(&|text| text.len() as u64)
}

#[test]
fn the_cookbooks_examples() {
    // Both checked there against the API's own `prompt_tokens` for gpt-4o.
    let messages = json!([
        {"role": "system", "content": "You are a helpful assistant that can answer to questions about the weather."},
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ]);
    let tools = json!([{"type": "function", "function": {
        "name": "get_current_weather",
        "description": "Get the current weather in a given location",
        "parameters": {"type": "object", "required": ["location"], "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {"type": "string", "description": "The unit of temperature to return",
                     "enum": ["celsius", "fahrenheit"]},
        }},
    }}]);
    assert_eq!(tokens(&json!({"messages": messages, "tools": tools})), 101);
}

#[test]
fn what_the_format_adds() {
    assert_eq!(bytes(&json!({"model": "m"})), 3);
    assert_eq!(bytes(&json!({"messages": [{"role": "user", "content": "12345"}]})), 3 + 4 + 5 + 3);
    assert_eq!(bytes(&json!({"messages": [{"role": "user", "name": "bob", "content": null}]})), 3 + 4 + 1 + 3 + 3);
    let parts = json!([{"type": "text", "text": "12345"}, {"type": "refusal", "refusal": "no"}]);
    assert_eq!(bytes(&json!({"messages": [{"role": "user", "content": parts}]})), 3 + 4 + 7 + 3);
    let calls = json!([{"id": "", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    assert_eq!(bytes(&json!({"messages": [{"role": "assistant", "tool_calls": calls}]})), 3 + 9 + 8 + 1 + 2 + 3);
    assert_eq!(bytes(&json!({"messages": [], "tools": []})), 3);
}

#[test]
fn pictures_count_as_pictures_and_never_as_their_base64() {
    let picture = |detail: &str| json!({"type": "image_url", "image_url": {"url": "data:x", "detail": detail}});
    let parts = json!([picture("low"), picture("high"), picture("auto")]);
    let audio = json!({"type": "input_audio", "input_audio": {"data": "A".repeat(10_000), "format": "wav"}});
    assert_eq!(bytes(&json!({"messages": [{"content": parts}, {"content": [audio]}]})), 3 + 85 + 2 * 765 + 3 + 3);
}

#[test]
fn nested_parameters_follow_the_rule_of_flat_ones() {
    let leaf = json!({"type": "object", "properties": {"b": {"type": "t", "description": "d."}}});
    let schema = json!({"properties": {"a": {"type": "array", "items": leaf}}});
    let tool = json!({"type": "function", "function": {"name": "f", "description": "", "parameters": schema}});
    let (outer, inner) = (3 + 3 + "a:array:".len() as u64, 3 + 3 + "b:t:d".len() as u64);
    assert_eq!(bytes(&json!({"messages": [], "tools": [tool]})), 7 + "f:".len() as u64 + outer + inner + 12 + 3);
}

#[test]
fn what_is_no_request_is_said_without_quoting_it() {
    let error = Parts::read(br#"{"messages": "secret"}"#).unwrap_err();
    assert_eq!(error, "not a chat request: line 1, column 21");
    assert!(Parts::read(b"[").is_err() && Parts::read(b"\xff").is_err());
}
