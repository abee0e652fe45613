//! What the tests of this folder share: recordings, a plain slow reading of streams, arbitrary JSON.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::json_view::View;
use crate::neutral::{ReasoningUnit, Target};
pub(super) use crate::translators::REPLYING;

pub(super) fn target(reasoning: Option<ReasoningUnit>) -> Target<'static> {
    Target { model: "claude", output_tokens: None, reasoning }
}

pub(super) fn view(text: &str) -> View<'_> {
    View::read_answer(text.as_bytes(), 128).expect(text)
}

fn wire(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire").join(name)
}

/// The recorded exchanges; none, which is said, where they are not beside this clone.
#[expect(clippy::disallowed_methods, reason = "tests read recordings")]
pub(super) fn exchanges() -> Option<Vec<Value>> {
    let Ok(text) = std::fs::read_to_string(wire("exchanges/anthropic-messages.jsonl")) else {
        eprintln!("skipped: no recorded data beside this clone");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a recording is JSON")).collect())
}

/// The texts of recorded files in these folders that end so.
#[expect(clippy::disallowed_methods, reason = "tests read recordings")]
pub(super) fn files(folders: &[&str], extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in folders.iter().filter_map(|folder| std::fs::read_dir(wire(folder)).ok()).flatten() {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|own| own == extension) {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a text")));
        }
    }
    found
}

/// The events of a stream, their data as JSON.
pub(super) fn data_of(stream: &str) -> Vec<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
}

/// The message that a stream makes, as an SDK would put it together.
pub(super) fn message_of(stream: &str) -> Value {
    let mut message = Value::Null;
    let add = |field: &mut Value, more: &Value| {
        let whole = field.as_str().unwrap_or_default().to_owned() + more.as_str().unwrap_or_default();
        *field = whole.into();
    };
    for event in data_of(stream) {
        let index = usize::try_from(event["index"].as_u64().unwrap_or(0)).expect("small");
        match event["type"].as_str().expect("a type") {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                let content = message["content"].as_array_mut().expect("a list");
                assert_eq!(content.len(), index, "indexes follow each other");
                content.push(event["content_block"].clone());
            }
            "content_block_delta" => {
                let (block, delta) = (&mut message["content"][index], &event["delta"]);
                match delta["type"].as_str().expect("a type") {
                    "text_delta" => add(&mut block["text"], &delta["text"]),
                    "thinking_delta" => add(&mut block["thinking"], &delta["thinking"]),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => add(&mut block["json"], &delta["partial_json"]),
                    "citations_delta" => {
                        if !block["citations"].is_array() {
                            block["citations"] = json!([]);
                        }
                        block["citations"].as_array_mut().expect("a list").push(delta["citation"].clone());
                    }
                    other => panic!("{other}"),
                }
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().expect("an object") {
                    message[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().into_iter().flatten() {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    message
}

/// Keeps some members of an object.
pub(super) fn keep(object: &Value, names: &[&str]) -> Map<String, Value> {
    let members = object.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| names.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Blocks of an answer as they come back: without what Anthropic's own tools did and without empty words.
pub(super) fn expressed(content: &Value) -> Vec<Value> {
    let mut blocks = Vec::new();
    for block in content.as_array().expect("a list") {
        let mut block = block.clone();
        match block["type"].as_str().expect("a type") {
            "text" if block["text"] == "" => continue,
            "text" if block["citations"].as_array().is_some_and(Vec::is_empty) || block["citations"].is_null() => {
                block.as_object_mut().expect("an object").remove("citations");
            }
            "tool_use" => {
                block.as_object_mut().expect("an object").remove("caller");
            }
            "text" | "thinking" | "redacted_thinking" => {}
            _ => continue,
        }
        blocks.push(block);
    }
    blocks
}

/// Changes every signature within.
pub(super) fn map_signatures(value: &mut Value, change: &impl Fn(&str) -> String) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| map_signatures(element, change)),
        Value::Object(members) => {
            let is_redacted = members.get("type").is_some_and(|kind| kind == "redacted_thinking");
            for (name, value) in members {
                match value.as_str().filter(|text| !text.is_empty()) {
                    Some(text) if name == "signature" || (is_redacted && name == "data") => {
                        *value = change(text).into();
                    }
                    _ => map_signatures(value, change),
                }
            }
        }
        _ => {}
    }
}

const NAMES: &[&str] = &[
    "type",
    "role",
    "content",
    "text",
    "messages",
    "model",
    "system",
    "tools",
    "name",
    "input_schema",
    "tool_choice",
    "id",
    "input",
    "tool_use_id",
    "source",
    "media_type",
    "data",
    "url",
    "thinking",
    "signature",
    "citations",
    "usage",
    "max_tokens",
    "budget_tokens",
    "output_config",
    "format",
    "effort",
    "schema",
    "message",
    "index",
    "delta",
    "content_block",
    "partial_json",
    "stop_reason",
    "stop_sequence",
    "citation",
    "title",
    "is_error",
    "metadata",
    "input_tokens",
    "output_tokens",
    "cache_control",
    "stop_sequences",
    "error",
];
const WORDS: &[&str] = &[
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "user",
    "assistant",
    "system",
    "base64",
    "url",
    "file",
    "content",
    "auto",
    "any",
    "tool",
    "none",
    "enabled",
    "adaptive",
    "disabled",
    "json_schema",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
    "text_delta",
    "thinking_delta",
    "signature_delta",
    "input_json_delta",
    "citations_delta",
    "end_turn",
    "gemini:x",
    "anthropic:y",
    "image/png",
    "text/plain",
    "eA==",
    "",
    " ",
    "\u{7f}\"\\\n",
    "high",
    "message",
    "custom",
    "char_location",
];

/// Any JSON object, mostly of the names and words of this dialect.
pub(super) fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        6 => proptest::sample::select(WORDS).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => (0_u64..5000).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    let members = |inner: BoxedStrategy<Value>| {
        proptest::collection::vec((proptest::sample::select(NAMES), inner), 0..6).prop_map(|members| {
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
        })
    };
    let any = leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner.boxed()).prop_map(Value::Object),
        ]
    });
    members(any.boxed()).prop_map(Value::Object)
}

/// A request that has all it must have, with anything within.
pub(super) fn any_request() -> impl Strategy<Value = Value> {
    let role = proptest::sample::select(&["user", "assistant", "system"][..]);
    let message = (role, proptest::collection::vec(any_object(), 0..4)).prop_map(|(role, content)| {
        let mut content: Vec<_> = content;
        content.push(json!({"type": "text", "text": "a"}));
        json!({"role": role, "content": content})
    });
    (any_object(), proptest::collection::vec(message, 0..4)).prop_map(|(mut request, messages)| {
        request["model"] = "m".into();
        request["messages"] = messages.into();
        request
    })
}
