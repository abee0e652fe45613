//! Tokens of a chat request as OpenAI counts them: its messages, its tools, and what the format adds to them.
//!
//! Text is exact. The rest is what OpenAI published by measuring, not a specification: 3 tokens a message, 1 for a name,
//! 3 before the reply, a fixed sum per tool and parameter. Images are taken as one high-detail picture of 1024 × 1024
//! (or as low detail where the part says so); audio and files, whose size in tokens no request tells, as nothing.
//! Source: OpenAI cookbook, "How to count tokens with tiktoken", sections 6 and 7; OpenAI's vision guide.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Every reply is primed with `<|start|>assistant<|message|>`.
pub const REPLY_TOKENS: u64 = 3;

const MESSAGE_TOKENS: u64 = 3;
const NAME_TOKENS: u64 = 1;
const FUNCTION_TOKENS: u64 = 7;
const FUNCTIONS_END_TOKENS: u64 = 12;
const PARAMETERS_TOKENS: u64 = 3;
const PARAMETER_TOKENS: u64 = 3;
const ENUM_ITEM_TOKENS: u64 = 3;
/// What the items of an enumeration take together less than their sum.
const ENUM_DISCOUNT_TOKENS: u64 = 3;
const LOW_DETAIL_IMAGE_TOKENS: u64 = 85;
const HIGH_DETAIL_IMAGE_TOKENS: u64 = 765;

/// Counts the tokens of a text.
pub type Count<'vocabulary> = &'vocabulary dyn Fn(&str) -> u64;

/// The parts of a request that become tokens, as raw JSON: what a cache of counts goes by.
#[derive(Debug, Deserialize)]
pub struct Parts<'body> {
    /// One JSON value each, as they stand in the body.
    #[serde(borrow, default)]
    pub messages: Vec<&'body RawValue>,
    /// The whole array.
    #[serde(borrow, default)]
    pub tools: Option<&'body RawValue>,
}

impl<'body> Parts<'body> {
    /// Finds them in a request body.
    ///
    /// # Errors
    /// The body is not a JSON object with an array of messages; the text never quotes it.
    pub fn read(body: &'body [u8]) -> Result<Self, String> {
        // serde takes an array for the fields in order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err("not a chat request: no JSON object".into());
        }
        serde_json::from_slice(body)
            .map_err(|error| format!("not a chat request: line {}, column {}", error.line(), error.column()))
    }

    /// Tokens of the whole prompt.
    #[must_use]
    pub fn tokens(&self, count: Count<'_>) -> u64 {
        let messages: u64 = self.messages.iter().map(|message| message_tokens(message.get(), count)).sum();
        messages + self.tools.map_or(0, |tools| tools_tokens(tools.get(), count)) + REPLY_TOKENS
    }
}

/// Tokens of one message, given as JSON.
#[must_use]
pub fn message_tokens(message: &str, count: Count<'_>) -> u64 {
    let Ok(Value::Object(fields)) = serde_json::from_str(message) else { return MESSAGE_TOKENS };
    let values = fields.iter().map(|(name, value)| match (name.as_str(), value) {
        ("name", Value::String(text)) => NAME_TOKENS + count(text),
        ("content", Value::Array(parts)) => parts.iter().map(|part| part_tokens(part, count)).sum(),
        (_, value) => texts(value, count),
    });
    MESSAGE_TOKENS + values.sum::<u64>()
}

/// Tokens of the `tools` array, given as JSON; 0 where it is empty.
#[must_use]
pub fn tools_tokens(tools: &str, count: Count<'_>) -> u64 {
    let Ok(Value::Array(tools)) = serde_json::from_str(tools) else { return 0 };
    let functions = tools.iter().map(|tool| tool.get("function").unwrap_or(tool));
    let sum: u64 = functions.map(|function| function_tokens(function, count)).sum();
    if tools.is_empty() { 0 } else { sum + FUNCTIONS_END_TOKENS }
}

fn part_tokens(part: &Value, count: Count<'_>) -> u64 {
    match part.get("type").and_then(Value::as_str) {
        Some("image_url") => match part.pointer("/image_url/detail").and_then(Value::as_str) {
            Some("low") => LOW_DETAIL_IMAGE_TOKENS,
            _ => HIGH_DETAIL_IMAGE_TOKENS,
        },
        Some("input_audio" | "file") => 0,
        Some(kind) => part.get(kind).map_or(0, |text| texts(text, count)),
        None => texts(part, count),
    }
}

/// Tokens of every string in a value; keys are format, not text.
fn texts(value: &Value, count: Count<'_>) -> u64 {
    match value {
        Value::String(text) => count(text),
        Value::Array(elements) => elements.iter().map(|element| texts(element, count)).sum(),
        Value::Object(fields) => fields.values().map(|field| texts(field, count)).sum(),
        _ => 0,
    }
}

fn function_tokens(function: &Value, count: Count<'_>) -> u64 {
    let line = format!("{}:{}", text_of(function, "name"), description_of(function));
    let parameters = function.get("parameters").map_or(0, |parameters| properties_tokens(parameters, count));
    FUNCTION_TOKENS + count(&line) + parameters
}

/// Tokens of a schema's properties, those of nested objects and of arrays' items by the same rule.
fn properties_tokens(schema: &Value, count: Count<'_>) -> u64 {
    let nested = schema.get("items").map_or(0, |items| properties_tokens(items, count));
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|all| !all.is_empty()) else {
        return nested;
    };
    let sum: u64 = properties
        .iter()
        .map(|(name, property)| {
            let line = format!("{name}:{}:{}", text_of(property, "type"), description_of(property));
            let choices = property.get("enum").and_then(Value::as_array).map_or(0, |choices| {
                let items: u64 = choices.iter().map(|choice| ENUM_ITEM_TOKENS + texts(choice, count)).sum();
                items.saturating_sub(ENUM_DISCOUNT_TOKENS)
            });
            PARAMETER_TOKENS + count(&line) + choices + properties_tokens(property, count)
        })
        .sum();
    nested + PARAMETERS_TOKENS + sum
}

fn text_of<'value>(value: &'value Value, field: &str) -> &'value str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn description_of(value: &Value) -> &str {
    let description = text_of(value, "description");
    description.strip_suffix('.').unwrap_or(description)
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
