//! What providers and clients really sent: nothing of it is lost on its way through the neutral form.
//!
//! The recordings lie in a folder `shared` beside the clone; without it the tests say so and pass.

#![expect(clippy::disallowed_methods, reason = "a test reads recordings")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::frames_in_tests::{data, follow, said, view};
use super::{read_answer, read_request, write_answer, write_request};
use crate::json_view::View;
use crate::neutral::{Format, Target};
use crate::translators::{Replying, StreamTranslator};

const DEPTH_LIMIT: usize = 128;

fn read(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire").join(name);
    let text = std::fs::read_to_string(path).ok();
    if text.is_none() {
        eprintln!("skipped: no recorded data, {name} is not beside this clone");
    }
    text
}

fn exchanges() -> Vec<Value> {
    let text = read("exchanges/openai-responses.jsonl").unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a recording is JSON")).collect()
}

/// What the round trip says in other words, or not at all, on both sides alike.
fn plain_request(mut request: Value) -> Value {
    let object = request.as_object_mut().expect("an object");
    object.retain(|name, value| !value.is_null() && (name != "tools" || value != &json!([])));
    // `store` is always false, encrypted reasoning always wanted of models that reason.
    for name in ["store", "truncation", "include"] {
        object.remove(name);
    }
    if object.get("stream") == Some(&json!(false)) || object.get("background") == Some(&json!(false)) {
        object.remove("stream");
    }
    if let Some(input) = object.get_mut("input") {
        let items = match input.take() {
            Value::String(text) => vec![json!({"role": "user", "content": text})],
            Value::Array(items) => items,
            other => vec![other],
        };
        *input = items.into_iter().filter_map(plain_item).collect();
    }
    if let Some(Value::Array(tools)) = object.get_mut("tools") {
        for tool in tools {
            let tool = tool.as_object_mut().expect("a tool");
            // Said, where the client leaves it to the API's own default.
            tool.retain(|_, value| !value.is_null());
            tool.entry("strict").or_insert(json!(false));
            tool.remove("defer_loading");
        }
    }
    if object.get("text").is_some_and(|text| text["format"]["type"] == "text") {
        object.remove("text");
    }
    object.remove("text").map(|mut text| {
        text.as_object_mut().expect("text").remove("verbosity");
        object.insert("text".into(), text)
    });
    if let Some(reasoning) = object.get_mut("reasoning").and_then(Value::as_object_mut) {
        reasoning.retain(|name, value| name != "context" && !value.is_null());
        if reasoning.is_empty() {
            object.remove("reasoning");
        }
    }
    request
}

/// An item without what is for the client's bookkeeping, or the provider's hints.
fn plain_item(mut item: Value) -> Option<Value> {
    let object = item.as_object_mut().expect("an item");
    if object.get("type") == Some(&json!("reasoning")) {
        // A client's proofs are its provider's own, and have no vendor's mark here: none goes to another.
        return None;
    }
    object.retain(|name, value| !matches!(name.as_str(), "id" | "status" | "phase" | "namespace") && !value.is_null());
    if object.get("type") == Some(&json!("message")) {
        object.remove("type");
    }
    for name in ["content", "output"] {
        let Some(Value::Array(parts)) = object.get_mut(name) else { continue };
        for part in parts.iter_mut() {
            let part = part.as_object_mut().expect("a part");
            for own in ["annotations", "logprobs", "prompt_cache_breakpoint"] {
                part.remove(own);
            }
            // Data is data, whichever member has it; the API wants a name for it.
            let is_data = |url: &Value| url.as_str().is_some_and(|url| url.starts_with("data:"));
            if part.get("file_url").is_some_and(is_data) {
                let url = part.remove("file_url").unwrap_or_default();
                part.insert("file_data".into(), url);
            }
            if part.contains_key("file_data") {
                part.entry("filename").or_insert(json!("document.txt"));
            }
        }
        if let [part] = parts.as_slice()
            && matches!(part["type"].as_str(), Some("input_text" | "output_text"))
        {
            let text = part["text"].clone();
            object.insert(name.into(), text);
        }
    }
    Some(item)
}

/// Adjacent messages of the model are one turn, and come back as one.
fn joined(request: &mut Value) {
    let Some(items) = request["input"].as_array_mut() else { return };
    let text_of = |content: &Value| match content {
        Value::String(text) => vec![json!({"type": "output_text", "text": text})],
        other => other.as_array().cloned().unwrap_or_default(),
    };
    let mut index = 1;
    while index < items.len() {
        let is_model = |item: &Value| item["role"] == "assistant";
        if is_model(&items[index - 1]) && is_model(&items[index]) {
            let more = text_of(&items.remove(index)["content"]);
            let mut parts = text_of(&items[index - 1]["content"]);
            parts.extend(more);
            items[index - 1]["content"] = parts.into();
        } else {
            index += 1;
        }
    }
}

/// Instructions before the conversation are one thing, wherever they stand.
fn instructions_first(request: &mut Value) {
    let mut found = Vec::new();
    found.extend(request.as_object_mut().expect("an object").remove("instructions"));
    let items = request["input"].as_array_mut().expect("items");
    while items.first().is_some_and(|item| matches!(item["role"].as_str(), Some("system" | "developer"))) {
        let content = items.remove(0)["content"].clone();
        match content {
            Value::Array(parts) => found.extend(parts.into_iter().map(|part| part["text"].clone())),
            text => found.push(text),
        }
    }
    request["instructions"] = found.into();
}

#[test]
fn requests_come_back_whole() {
    let files = ["cache_control", "input-media", "instructions", "parallel-tool-call"];
    let files = files.iter().filter_map(|name| read(&format!("agentgateway/requests/responses/{name}.json")));
    let mut requests: Vec<Value> = files.map(|text| serde_json::from_str(&text).expect("JSON")).collect();
    requests.extend(exchanges().into_iter().map(|exchange| exchange["request"]["json"].clone()));
    let (mut lost, mut compared, mut refused) = (BTreeSet::new(), 0, BTreeMap::<String, usize>::new());
    for sent in &requests {
        let body = sent.to_string();
        let view = View::read(body.as_bytes(), DEPTH_LIMIT).expect("an object");
        let request = read_request(view).unwrap_or_else(|failure| panic!("{failure:?}: {body}"));
        lost.extend(request.unexpressed.iter().filter(|one| !one.is_essential).map(|one| one.name.to_string()));
        if let Some(essential) = request.unexpressed.iter().find(|one| one.is_essential) {
            *refused.entry(essential.name.to_string()).or_default() += 1;
            continue;
        }
        let model = sent["model"].as_str().expect("a model");
        let target = Target { model, output_tokens: None, reasoning: None };
        let written = write_request(&request, &target).expect("a request");
        let (mut back, mut sent) =
            (plain_request(serde_json::from_slice(&written).expect("JSON")), plain_request(sent.clone()));
        for request in [&mut back, &mut sent] {
            instructions_first(request);
            joined(request);
        }
        for name in ["prompt_cache_options", "provider"] {
            sent.as_object_mut().expect("an object").remove(name);
        }
        assert_eq!(back, sent, "sent (right) and back (left)");
        compared += 1;
    }
    eprintln!("{compared} requests compared, {refused:?} refused");
    if compared > 0 {
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), LOST);
    }
}

/// Fields that other dialects have no place for, and that may be left out.
const LOST: [&str; 9] = [
    "include.code_interpreter_call.outputs",
    // Marks of this vendor's own prompt cache.
    "input.content.prompt_cache_breakpoint",
    // Of tools that are found by a search, which is refused itself.
    "input.namespace",
    "input.phase",
    "prompt_cache_options",
    // OpenRouter's.
    "provider",
    "reasoning.context",
    "text.verbosity",
    "tools.defer_loading",
];

const REPLYING: Replying<'_> = Replying {
    fallback_id: "none",
    fallback_model: "none",
    now_unix_s: 1_800_000_000,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

/// Usage, with what the API leaves out of it where it is nothing.
fn usage(response: &Value) -> Value {
    let count = |pointer: &str| response["usage"].pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let pointers = [
        "/input_tokens",
        "/input_tokens_details/cached_tokens",
        "/input_tokens_details/cache_write_tokens",
        "/output_tokens",
        "/output_tokens_details/reasoning_tokens",
    ];
    pointers.iter().map(|pointer| count(pointer)).collect()
}

fn assert_same(back: &Value, answer: &Value, request: Option<&Value>) {
    let output = (said(&back["output"], false), said(&answer["output"], true));
    assert_eq!(output.0, output.1);
    assert_eq!(usage(back), usage(answer));
    assert_eq!((&back["model"], &back["incomplete_details"]), (&answer["model"], &answer["incomplete_details"]));
    let id = answer["id"].as_str().unwrap_or_default();
    let id = format!("resp_{}", if id.is_empty() { "none" } else { id.strip_prefix("resp_").unwrap_or(id) });
    assert_eq!(back["id"], id);
    for (name, value) in request.and_then(Value::as_object).into_iter().flatten().filter(|(_, value)| !value.is_null())
    {
        if ["tools", "tool_choice", "instructions", "text", "reasoning", "temperature", "top_p"]
            .contains(&name.as_str())
        {
            assert_eq!(&back[name], value, "what a client asked is repeated");
        }
    }
}

#[test]
fn answers_come_back_whole() {
    let files = ["agentgateway/response/responses/basic.json", "gomodel/openai/responses.json"];
    let mut answers: Vec<(Value, Value)> = files
        .iter()
        .filter_map(|name| read(name))
        .map(|text| (json!({}), serde_json::from_str(&text).expect("JSON")))
        .collect();
    answers.extend(
        exchanges()
            .into_iter()
            .filter(|exchange| exchange["response"]["status"] == 200 && exchange["response"]["json"].is_object())
            .map(|exchange| (exchange["request"]["json"].clone(), exchange["response"]["json"].clone())),
    );
    let (mut compared, mut unfinished) = (0, 0);
    for (request, answer) in &answers {
        let (text, request_text) = (answer.to_string(), request.to_string());
        let Some(read) = read_answer(view(&text)) else {
            assert!(["queued", "in_progress"].contains(&answer["status"].as_str().expect("a status")), "{text}");
            unfinished += 1;
            continue;
        };
        let written = write_answer(&read, &Replying { request: Some(view(&request_text)), ..REPLYING });
        let back = serde_json::from_slice(&written).expect("JSON");
        assert_same(&back, answer, Some(request));
        assert_eq!(back["created_at"].as_f64(), answer["created_at"].as_f64().map(f64::trunc));
        compared += 1;
    }
    eprintln!("{compared} answers compared, {unfinished} unfinished");
    assert!(compared == 0 || compared > 100);
}

#[test]
fn streams_come_back_whole() {
    let files = ["gomodel/xai/responses_stream.sse", "agentgateway/response/responses/stream-image.sse"];
    let mut streams: Vec<String> = files.iter().filter_map(|name| read(name)).collect();
    streams.extend(exchanges().iter().filter_map(|exchange| Some(exchange["response"]["sse"].as_str()?.to_owned())));
    let mut compared = 0;
    for stream in &streams {
        let data = data(format!("{}\n\n", stream.trim_end()).as_bytes());
        let last = data.iter().rfind(|event| event["type"] == "response.completed");
        let Some(answer) = last.map(|event| &event["response"]) else { continue };
        let written = translate(&data);
        let back = follow(&written).expect("an end");
        // Some vendors leave thoughts out of the last event that they streamed before.
        let mut answer = answer.clone();
        let items = data.iter().filter(|event| event["type"] == "response.output_item.done");
        // In the order of their places, which is not everywhere that of their ends.
        let items: BTreeMap<u64, Value> =
            items.map(|event| (event["output_index"].as_u64().expect("an index"), event["item"].clone())).collect();
        answer["output"] = items.into_values().collect();
        assert_same(&back, &answer, None);
        compared += 1;
    }
    eprintln!("{compared} streams compared");
    assert!(compared == 0 || compared > 25);
}

/// Frames of a stream whose events were read and written one by one.
fn translate(data: &[Value]) -> Vec<u8> {
    let responses = Format::OpenaiResponses;
    let (mut translator, mut written) = (StreamTranslator::new(responses, responses, &REPLYING), Vec::new());
    for event in data {
        translator.read(view(&event.to_string()), &mut written);
    }
    translator.end(&mut written);
    written
}

#[test]
fn a_refusal_without_announcements_is_read() {
    let Some(stream) = read("agentgateway/response/responses/stream-refusal.sse") else { return };
    let back = follow(&translate(&data(format!("{}\n\n", stream.trim_end()).as_bytes()))).expect("an end");
    let expected = json!([{"message": [{"type": "refusal", "refusal": "I cannot help with that."}]}]);
    assert_eq!(json!(said(&back["output"], false)), expected);
}
