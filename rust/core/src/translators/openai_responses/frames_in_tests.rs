//! What a client makes of frames, read plainly and slowly.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::json_view::View;
use crate::sse::{Splitter, event_data};

/// The data of every event in a stream; comments have none.
pub(super) fn data(stream: &[u8]) -> Vec<Value> {
    let (mut splitter, mut rest, mut found) = (Splitter::default(), stream, Vec::new());
    while let Some(border) = splitter.next_border(rest) {
        if let Some(data) = event_data(&rest[..border]).filter(|data| data.as_ref() != b"[DONE]") {
            found.push(serde_json::from_slice(&data).expect("JSON"));
        }
        rest = &rest[border..];
    }
    assert!(rest.is_empty(), "half a frame");
    found
}

/// Follows a stream as a client does, and fails where its frames contradict each other. The response at its end.
pub(super) fn follow(stream: &[u8]) -> Option<Value> {
    let (mut texts, mut items, mut last) = (BTreeMap::<String, String>::new(), BTreeMap::new(), None);
    for (number, event) in data(stream).into_iter().enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
        let kind = event["type"].as_str().expect("a type").to_owned();
        let inner = event.get("content_index").or(event.get("summary_index")).cloned().unwrap_or_default();
        let place = format!("{}/{inner}", event["output_index"]);
        match kind.as_str() {
            "response.created" | "response.in_progress" => assert!(items.is_empty()),
            "response.completed" | "response.incomplete" => {
                assert_eq!(event["response"]["status"], kind["response.".len()..]);
                last = Some(event["response"].clone());
            }
            "response.output_item.added" => {
                assert_eq!(event["output_index"], items.len(), "indexes without a gap");
                items.insert(event["output_index"].as_u64().expect("an index"), event["item"].clone());
            }
            "response.output_item.done" => {
                let item = items.get_mut(&event["output_index"].as_u64().expect("an index")).expect("an added item");
                assert_eq!((&item["id"], &item["type"]), (&event["item"]["id"], &event["item"]["type"]));
                *item = event["item"].clone();
            }
            _ => {
                let item = &items[&event["output_index"].as_u64().expect("an index")];
                assert_eq!(item["id"], event["item_id"]);
            }
        }
        if let Some(delta) = event["delta"].as_str() {
            texts.entry(place).or_default().push_str(delta);
        } else if kind.rsplit_once('.').is_some_and(|(_, last)| last == "done") {
            let whole = ["text", "refusal", "arguments"].iter().find_map(|name| event[name].as_str());
            if let Some(whole) = whole {
                assert_eq!(texts.get(&place).map_or("", String::as_str), whole, "{event}");
            }
        }
    }
    if let Some(response) = &last {
        let items: Vec<Value> = items.into_values().collect();
        assert_eq!(response["output"], json!(items), "items are those that were told");
    }
    last
}

/// Output items by what they say: adjacent ones of a kind joined, ids, phases, empty texts and the
/// provider's own tools left out.
pub(super) fn said(output: &Value, is_of_provider: bool) -> Vec<Value> {
    let mut said: Vec<Value> = Vec::new();
    for item in output.as_array().expect("items") {
        match item["type"].as_str().expect("a type") {
            "message" => {
                let mut contents = item["content"].as_array().expect("contents").clone();
                contents.retain(|content| content["text"] != "");
                for content in &mut contents {
                    let content = content.as_object_mut().expect("a content");
                    content.retain(|name, value| {
                        value.as_array().is_none_or(|list| name != "logprobs" || !list.is_empty())
                    });
                }
                match said.last_mut().and_then(|last| last.get_mut("message")).and_then(Value::as_array_mut) {
                    Some(last) => last.extend(contents),
                    None if contents.is_empty() => {}
                    None => said.push(json!({"message": contents})),
                }
            }
            "function_call" => {
                said.push(json!({"call": item["call_id"], "name": item["name"], "arguments": item["arguments"]}));
            }
            "reasoning" => {
                let list = |name: &str| item[name].as_array().cloned().unwrap_or_default();
                let parts = if list("summary").is_empty() { list("content") } else { list("summary") };
                let texts: Vec<Value> = parts.iter().map(|part| part["text"].clone()).collect();
                let proof = item["encrypted_content"].as_str().filter(|proof| !proof.is_empty());
                let id = item["id"].as_str().expect("an id");
                let proof = proof.map(|own| if is_of_provider { format!("openai:{id}:{own}") } else { own.to_owned() });
                if !texts.is_empty() || proof.is_some() {
                    said.push(json!({"thoughts": texts, "proof": proof}));
                }
            }
            _ => {}
        }
    }
    said
}

pub(super) fn view(text: &str) -> View<'_> {
    View::read_answer(text.as_bytes(), 128).expect("an object")
}

/// Any JSON of the words that this dialect knows.
pub(super) fn any_json() -> impl Strategy<Value = Value> {
    const WORDS: [&str; 44] = [
        "type",
        "role",
        "content",
        "input",
        "output",
        "text",
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "summary",
        "encrypted_content",
        "id",
        "call_id",
        "name",
        "arguments",
        "user",
        "assistant",
        "system",
        "input_text",
        "output_text",
        "refusal",
        "input_image",
        "image_url",
        "data:image/png;base64,AA",
        "input_file",
        "file_data",
        "item",
        "delta",
        "output_index",
        "content_index",
        "response",
        "response.completed",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.function_call_arguments.delta",
        "status",
        "incomplete",
        "usage",
        "annotations",
        "logprobs",
        "model",
        "response.reasoning_summary_text.delta",
    ];
    let word = || prop::sample::select(WORDS.to_vec());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..3).prop_map(Value::from),
        word().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..7).prop_map(|members| Value::Object(
                members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    });
    prop::collection::vec((word(), value), 0..8)
        .prop_map(|members| Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}
