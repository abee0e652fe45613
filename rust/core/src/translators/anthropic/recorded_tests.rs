//! What was recorded comes back as it was, but for what is named here.

use serde_json::{Value, json};

use super::testing::{REPLYING, data_of, exchanges, expressed, files, keep, map_signatures, message_of, target, view};
use super::*;
use crate::neutral::{Event, Format, Reasoning, ReasoningUnit, Target, check};

/// A request as its translation reads: what means the same is written in one way, and what is lost is taken out.
fn as_written(request: &Value) -> Value {
    let mut request = request.clone();
    let body = request.as_object_mut().expect("an object");
    // Lost: marks and wishes that no other dialect has.
    body.remove("cache_control");
    // The same as if it weren't there.
    if body.get("stream") == Some(&false.into()) {
        body.remove("stream");
    }
    // Lost: what else a client wants to find with its request.
    if let Some(metadata) = body.get_mut("metadata") {
        *metadata = json!({"user_id": metadata["user_id"]});
    }
    if let Some(format) = body.remove("output_format") {
        body.insert("output_config".into(), json!({ "format": format }));
    }
    if let Some(config) = body.get_mut("output_config").and_then(Value::as_object_mut) {
        // Lost: what a task as a whole may use.
        config.remove("task_budget");
        let (has_effort, is_empty) = (config.contains_key("effort"), config.is_empty());
        if is_empty {
            body.remove("output_config");
        }
        // An effort in other dialects is one of thinking.
        if has_effort && !body.contains_key("thinking") {
            body.insert("thinking".into(), json!({"type": "adaptive"}));
        }
    }
    let is_forced =
        matches!(body.get("tool_choice").map(|choice| &choice["type"]), Some(kind) if kind == "tool" || kind == "any");
    if is_forced {
        // The provider refuses both at once.
        body.remove("thinking");
    }
    if let Some(system) = body.get_mut("system").filter(|system| system.is_string()) {
        *system = json!([{"type": "text", "text": system}]);
    }
    for tool in body.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        // Lost: when a tool is told to the model.
        tool.as_object_mut().expect("an object").remove("defer_loading");
    }
    if body.get("tools").is_none_or(|tools| tools.as_array().is_some_and(Vec::is_empty)) {
        body.remove("tools");
        body.remove("tool_choice");
    }
    let messages = body.remove("messages").expect("messages");
    body.insert("messages".into(), merged(messages.as_array().expect("a list")).into());
    request
}

fn merged(messages: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for message in messages {
        let role = if message["role"] == "assistant" { "assistant" } else { "user" };
        let mut blocks = blocks(&message["content"]);
        match merged.last_mut().filter(|last| last["role"] == role) {
            Some(last) => last["content"].as_array_mut().expect("a list").append(&mut blocks),
            None => merged.push(json!({"role": role, "content": blocks})),
        }
    }
    for message in &mut merged {
        let content = message["content"].as_array_mut().expect("a list");
        content.sort_by_key(|block| block["type"] != "tool_result");
    }
    merged
}

fn blocks(content: &Value) -> Vec<Value> {
    if content.is_string() {
        return vec![json!({"type": "text", "text": content})];
    }
    let mut blocks = content.as_array().expect("a list").clone();
    blocks.retain(|block| block["text"] != "");
    for block in &mut blocks {
        let block = block.as_object_mut().expect("an object");
        if block["type"] == "tool_result" {
            let content = self::blocks(&block["content"]);
            block["content"] = content.into();
            if block.get("is_error") == Some(&false.into()) {
                block.remove("is_error");
            }
        }
    }
    blocks
}

fn recorded_requests() -> Option<Vec<(String, Value)>> {
    let name = |exchange: &Value| exchange["id"].as_str().expect("an id").to_owned();
    let mut requests: Vec<_> =
        exchanges()?.iter().map(|exchange| (name(exchange), exchange["request"]["json"].clone())).collect();
    for (name, text) in files(&["agentgateway/requests/messages"], "json") {
        requests.push((name, serde_json::from_str(&text).expect("JSON")));
    }
    Some(requests)
}

#[test]
fn requests_keep_every_field() {
    let Some(requests) = recorded_requests() else { return };
    let (mut kept, mut refused) = (0, 0);
    for (name, request) in requests {
        // As a client of another dialect holds what this provider signed.
        let mut signed = request.clone();
        map_signatures(&mut signed, &|signature| format!("{SIGNED}{signature}"));
        let text = signed.to_string();
        let neutral = read_request(view(&text)).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        if neutral.unexpressed.iter().any(|field| field.is_essential) {
            assert!(check(&neutral, Format::Anthropic, Format::Gemini).is_err(), "{name}");
            refused += 1;
            continue;
        }
        let is_adaptive = |reasoning: &Reasoning<'_>| reasoning.budget_tokens.is_none_or(|budget| budget < 0);
        let in_words = neutral.reasoning.as_ref().is_some_and(is_adaptive);
        let target = Target {
            model: request["model"].as_str().expect("a name"),
            ..target(Some(if in_words { ReasoningUnit::Words } else { ReasoningUnit::Tokens }))
        };
        let written = write_request(&neutral, &target).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written, as_written(&request), "{name}");
        kept += 1;
    }
    assert!(kept > 130 && refused > 20, "{kept} kept, {refused} refused");
}

/// What other dialects can say of usage.
const COUNTS: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "service_tier",
];

fn assert_usage(written: &Value, recorded: &Value, name: &str) {
    for (count, value) in keep(recorded, &COUNTS) {
        assert_eq!(written[&count], value, "{name}: {count}");
    }
    let thinking = recorded["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0);
    assert_eq!(written["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0), thinking, "{name}");
}

fn unsigned(mut message: Value) -> Value {
    map_signatures(&mut message, &|signature| signature.strip_prefix(SIGNED).expect("signed").to_owned());
    message
}

#[test]
fn answers_keep_every_field() {
    let Some(exchanges) = exchanges() else { return };
    let mut answers: Vec<_> = exchanges
        .iter()
        .filter(|exchange| exchange["response"]["json"].is_object())
        .map(|exchange| (exchange["id"].to_string(), exchange["response"]["json"].to_string()))
        .collect();
    answers.extend(files(&["gomodel/anthropic", "agentgateway/response/anthropic"], "json"));
    let mut kept = 0;
    for (name, text) in answers {
        let recorded: Value = serde_json::from_str(&text).expect("JSON");
        let Some(answer) = read_answer(view(&text)) else {
            assert!(!recorded["content"].is_array(), "{name}");
            continue;
        };
        let written = write_answer(&answer, &REPLYING);
        let written = unsigned(serde_json::from_slice(&written).expect("JSON"));
        for field in ["id", "type", "role", "model", "stop_reason", "stop_sequence"] {
            assert_eq!(written[field], recorded[field], "{name}: {field}");
        }
        assert_eq!(expressed(&written["content"]), expressed(&recorded["content"]), "{name}");
        assert_usage(&written["usage"], &recorded["usage"], &name);
        kept += 1;
    }
    assert!(kept > 165, "{kept} kept");
}

#[test]
fn streams_say_the_same() {
    let Some(exchanges) = exchanges() else { return };
    let mut streams: Vec<_> = exchanges
        .iter()
        .filter_map(|exchange| Some((exchange["id"].to_string(), exchange["response"]["sse"].as_str()?.to_owned())))
        .collect();
    streams.extend(files(&["gomodel/anthropic", "agentgateway/response/anthropic"], "sse"));
    for (name, stream) in &streams {
        let recorded = message_of(stream);
        let data: Vec<_> = data_of(stream).iter().map(Value::to_string).collect();
        let (mut reader, mut writer) = (StreamReader::default(), StreamWriter::new(&REPLYING));
        let mut written = Vec::new();
        let mut events: Vec<Event<'_>> = Vec::new();
        for data in &data {
            reader.read(view(data), &mut events);
            events.drain(..).for_each(|event| writer.write(&event, &mut written));
        }
        assert!(!String::from_utf8_lossy(&written).contains("message_delta"), "{name} is not cut without its end");
        let mut rest = Vec::new();
        reader.end(&mut rest);
        for event in &rest {
            writer.write(event, &mut written);
        }
        let written = unsigned(message_of(std::str::from_utf8(&written).expect("UTF-8")));
        for field in ["model", "stop_reason", "stop_sequence"] {
            assert_eq!(written[field], recorded[field], "{name}: {field}");
        }
        // A vendor's id gets Anthropic's prefix.
        assert!(written["id"].as_str().is_some_and(|id| id.ends_with(recorded["id"].as_str().expect("an id"))));
        assert_eq!(expressed(&written["content"]), expressed(&recorded["content"]), "{name}");
        let mut counts = recorded["usage"].clone();
        // Streams don't name the tier at their end; the SDKs don't look for it at their start.
        counts.as_object_mut().expect("an object").remove("service_tier");
        assert_usage(&written["usage"], &counts, name);
    }
    assert!(streams.len() > 28, "{} streams", streams.len());
}
