//! Bodies made of the dialect's own names and of values that fit them, or don't.

use serde_json::{Map, Value, json};

const NAMES: [&str; 44] = [
    "contents",
    "parts",
    "role",
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "mimeType",
    "data",
    "file_data",
    "fileUri",
    "functionCall",
    "function_response",
    "name",
    "args",
    "response",
    "id",
    "tools",
    "functionDeclarations",
    "parameters",
    "type",
    "properties",
    "items",
    "nullable",
    "toolConfig",
    "functionCallingConfig",
    "mode",
    "allowedFunctionNames",
    "generationConfig",
    "thinkingConfig",
    "thinkingLevel",
    "responseSchema",
    "stopSequences",
    "candidates",
    "content",
    "finishReason",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "responseId",
    "promptFeedback",
    "logprobsResult",
    "chosenCandidates",
    "topCandidates",
];
const TEXTS: [&str; 12] =
    ["user", "model", "STOP", "MAX_TOKENS", "STRING", "OBJECT", "ANY", "image/png", "data:,", "YQ==", "f", "é\"\u{1f}"];

/// The same for the same choices.
pub(super) fn object(choices: &[u16]) -> Value {
    let mut choices = choices.iter().map(|choice| usize::from(*choice));
    let mut members = Map::new();
    for name in ["contents", "candidates", "tools", "generationConfig", "promptFeedback", "usageMetadata"] {
        if choices.next().is_some_and(|choice| choice % 3 > 0) {
            members.insert(name.to_owned(), value(&mut choices, 5));
        }
    }
    Value::Object(members)
}

fn value(choices: &mut impl Iterator<Item = usize>, depth: usize) -> Value {
    let Some(choice) = choices.next() else { return Value::Null };
    let size = choice / 8 % 4;
    match choice % 8 {
        0 => TEXTS[choice / 8 % TEXTS.len()].into(),
        1 => json!(choice / 8),
        2 => json!(choice % 16 > 8),
        3 => Value::Null,
        4 | 5 if depth > 0 => (0..size).map(|_| value(choices, depth - 1)).collect(),
        _ if depth > 0 => {
            let mut members = Map::new();
            for _ in 0..=size {
                let name = NAMES[choices.next().unwrap_or(0) % NAMES.len()];
                members.insert(name.to_owned(), value(choices, depth - 1));
            }
            Value::Object(members)
        }
        _ => json!({}),
    }
}
