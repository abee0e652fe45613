//! Recorded exchanges come through the neutral form as they were.
//!
//! What the tests expect is worked out from decoded JSON, without a look at how the readers and writers do it. The
//! recordings lie in a folder `shared` beside the clone; without it the tests say so and pass.

#![expect(clippy::disallowed_methods, reason = "tests read recordings")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::json_view::View;
use crate::neutral::{Begun, Event, Finish, Format, ReasoningUnit, Request, Target, check};
use crate::sse::{Splitter, event_data};
use crate::translators::Replying;

const DEPTH_LIMIT: usize = 128;

fn wire() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire");
    if !folder.is_dir() {
        eprintln!("skipped: no recorded data beside this clone");
        return None;
    }
    Some(folder)
}

fn exchanges(wire: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(wire.join("exchanges/openai-chat.jsonl")).expect("recordings");
    text.lines().map(|line| serde_json::from_str(line).expect("a recording is JSON")).collect()
}

/// Files of one recording each, by what the index says of them.
fn files(wire: &Path, direction: &str, is_stream: bool) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(wire.join("INDEX.json")).expect("an index");
    let index: Value = serde_json::from_str(&index).expect("JSON");
    let entries = index["entries"].as_array().expect("entries").iter();
    let wanted = entries.filter(|entry| {
        entry["dialect"] == "openai-chat" && entry["direction"] == direction && entry["streaming"] == is_stream
    });
    let names = wanted.filter_map(|entry| entry["file"].as_str()).filter(|name| !name.contains("exchanges/"));
    names.map(|name| (name.to_owned(), std::fs::read_to_string(wire.join("..").join(name)).expect(name))).collect()
}

const REPLYING: Replying<'_> = Replying {
    fallback_id: "chatcmpl-none",
    fallback_model: "none",
    now_unix_s: 7,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

/// A value that is there.
fn some(value: &Value) -> Option<Value> {
    Some(value).filter(|value| !value.is_null()).cloned()
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value);
    }
}

/// Content as it is written: a lone text as a string, and of each part what the API documents.
fn content(content: &Value) -> Value {
    let Some(parts) = content.as_array() else { return content.clone() };
    let parts: Vec<Value> = parts
        .iter()
        .map(|part| match part["type"].as_str() {
            Some("text") => json!({"type": "text", "text": part["text"]}),
            Some("image_url") => json!({"type": "image_url", "image_url": part["image_url"]}),
            Some("file") => json!({"type": "file", "file": part["file"]}),
            // Mistral's own; OpenAI has files.
            Some("document_url") => json!({"type": "file",
                "file": {"file_data": part["document_url"], "filename": "document.pdf"}}),
            other => panic!("an expectation for {other:?}"),
        })
        .collect();
    match parts.as_slice() {
        [] => json!(""),
        [part] if part["type"] == "text" => part["text"].clone(),
        _ => Value::Array(parts),
    }
}

fn message(message: &Value) -> Value {
    let mut object = Map::new();
    let role = message["role"].as_str().expect("a role");
    object.insert("role".into(), json!(if role == "developer" { "system" } else { role }));
    put(&mut object, "name", some(&message["name"]));
    put(&mut object, "tool_call_id", some(&message["tool_call_id"]));
    put(&mut object, "refusal", some(&message["refusal"]));
    let calls: Vec<_> = message["tool_calls"].as_array().into_iter().flatten().collect();
    let said = content(&message["content"]);
    let is_empty = said == "" && message["content"].is_array();
    object.insert("content".into(), if !calls.is_empty() && is_empty { Value::Null } else { said });
    if !calls.is_empty() {
        // `index` is for streams; Mistral's SDK sends it back.
        let call = |call: &&Value| json!({"id": call["id"], "type": "function", "function": call["function"]});
        object.insert("tool_calls".into(), calls.iter().map(call).collect());
    }
    Value::Object(object)
}

/// The request that is expected for a recorded one.
fn expected_request(request: &Value) -> Value {
    let mut object = Map::new();
    object.insert("model".into(), json!("target"));
    let messages = request["messages"].as_array().expect("messages");
    let leading = messages.iter().take_while(|one| one["role"] == "system" || one["role"] == "developer").count();
    let mut written: Vec<Value> = messages[leading..].iter().map(message).collect();
    // Vendors with thoughts in this field want them back once there are calls, and of turns with calls something.
    let thoughts = |message: &Value| some(&message["reasoning_content"]).filter(|thoughts| thoughts != "");
    let calls = |message: &Value| message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
    if messages.iter().any(|message| thoughts(message).is_some()) && messages.iter().any(calls) {
        for (written, sent) in written.iter_mut().zip(&messages[leading..]) {
            let returned = thoughts(sent).or(calls(sent).then(|| json!("")));
            put(written.as_object_mut().expect("an object"), "reasoning_content", returned);
        }
    }
    // Instructions before the first turn are one message, nameless.
    let instructions: Vec<Value> = messages[..leading].iter().map(|one| content(&one["content"])).collect();
    match instructions.as_slice() {
        [] => {}
        [one] => written.insert(0, json!({"role": "system", "content": one})),
        _ => {
            let parts: Vec<_> = instructions.iter().map(|text| json!({"type": "text", "text": text})).collect();
            written.insert(0, json!({"role": "system", "content": parts}));
        }
    }
    object.insert("messages".into(), Value::Array(written));
    // In the order of their fields, which is that of the alphabet once a request was decoded.
    let functions = request["functions"].as_array().into_iter().flatten();
    let of_tools = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    let tools: Vec<_> =
        functions.chain(of_tools).map(|function| json!({"type": "function", "function": function})).collect();
    if !tools.is_empty() {
        object.insert("tools".into(), Value::Array(tools));
        put(&mut object, "tool_choice", some(&request["tool_choice"]).or(some(&request["function_call"])));
        put(&mut object, "parallel_tool_calls", some(&request["parallel_tool_calls"]));
        if object.get("tool_choice") == Some(&json!("any")) {
            object.insert("tool_choice".into(), json!("required"));
        }
    }
    for name in [
        "response_format",
        "temperature",
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "stop",
        "n",
        "user",
        "service_tier",
        "reasoning_effort",
        "metadata",
    ] {
        put(&mut object, name, some(&request[name]));
    }
    put(&mut object, "reasoning_effort", some(&request["reasoning"]["effort"]));
    // Groq's words for what comes without a word.
    for (name, word) in [("reasoning_effort", "default"), ("service_tier", "on_demand")] {
        if object.get(name) == Some(&json!(word)) {
            object.remove(name);
        }
    }
    put(&mut object, "max_completion_tokens", some(&request["max_tokens"]).or(some(&request["max_completion_tokens"])));
    if request["logprobs"] == true {
        object.insert("logprobs".into(), json!(true));
        put(&mut object, "top_logprobs", some(&request["top_logprobs"]));
    }
    if request["stream"] == true {
        object.insert("stream".into(), json!(true));
        object.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Value::Object(object)
}

/// Fields of recorded requests that only their vendor has, or that say what is done anyway.
const LOST: [&str; 8] =
    ["messages.prefix", "thinking", "clear_thinking", "reasoning_format", "provider", "models", "preset", "transforms"];

/// Why recorded requests are not for every provider.
const REFUSED: [&str; 3] = ["web_search_options", "tools.openrouter:web_search", "messages.content"];

#[test]
fn requests() {
    let Some(wire) = wire() else { return };
    let mut all: Vec<(String, Value)> = exchanges(&wire)
        .into_iter()
        .map(|exchange| (exchange["id"].to_string(), exchange["request"]["json"].clone()))
        .collect();
    let files = files(&wire, "request", false).into_iter();
    all.extend(files.map(|(name, text)| (name, serde_json::from_str(&text).expect("JSON"))));
    let (mut compared, mut refused) = (0, 0);
    for (id, recorded) in &all {
        let body = recorded.to_string();
        let view = View::read(body.as_bytes(), DEPTH_LIMIT).expect(id);
        let request = match read_request(view) {
            Ok(request) => request,
            Err(failure) => panic!("{id}: {failure:?}"),
        };
        if let Err(failure) = check(&request, Format::OpenaiChat, Format::OpenaiChat) {
            assert!(REFUSED.iter().any(|why| failure.message.starts_with(why)), "{id}: {failure:?}");
            refused += 1;
            continue;
        }
        for lost in &request.unexpressed {
            assert!(LOST.contains(&lost.name.as_ref()), "{id}: {lost:?}");
        }
        let target = Target { model: "target", output_tokens: None, reasoning: Some(ReasoningUnit::Words) };
        let written = write_request(&request, &target).expect(id);
        let written: Value = serde_json::from_slice(&written).expect(id);
        assert_eq!(written, expected_request(recorded), "{id}");
        assert_arguments_are_the_same(recorded, &request);
        compared += 1;
    }
    assert!(compared > 450 && refused > 3, "{compared} compared, {refused} refused");
}

/// Byte by byte, which comparing JSON would not show for objects.
fn assert_arguments_are_the_same(recorded: &Value, request: &Request<'_>) {
    let messages = recorded["messages"].as_array().into_iter().flatten();
    let calls = messages.flat_map(|message| message["tool_calls"].as_array().into_iter().flatten());
    let expected: Vec<_> = calls.map(|call| call["function"]["arguments"].as_str().expect("a string")).collect();
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let read: Vec<_> = parts
        .filter_map(|part| match &part.kind {
            crate::neutral::PartKind::ToolCall { arguments, .. } => {
                let mut written = Vec::new();
                arguments.write_text(&mut written);
                Some(serde_json::from_slice::<String>(&written).expect("a string"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(read, expected);
}

/// Everything of an answer that counts, whole or put together from chunks.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcome {
    id: String,
    model: String,
    choices: BTreeMap<u64, Said>,
    /// Prompt, completion, cached, reasoning.
    usage: Option<[u64; 4]>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    refusal: String,
    calls: Vec<(String, String, String)>,
    finish: String,
    annotations: Vec<Value>,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn counts(usage: &Value) -> Option<[u64; 4]> {
    let count = |value: &Value| value.as_u64();
    let details = &usage["prompt_tokens_details"]["cached_tokens"];
    let (hits, own) = (&usage["prompt_cache_hit_tokens"], &usage["cached_tokens"]);
    let cached = count(details).or(count(hits)).or(count(own)).or(count(&usage["num_cached_tokens"]));
    let reasoning = count(&usage["completion_tokens_details"]["reasoning_tokens"]).unwrap_or(0);
    let (prompt, mut completion) = (count(&usage["prompt_tokens"])?, count(&usage["completion_tokens"])?);
    if reasoning > 0 && count(&usage["total_tokens"]) == Some(prompt + completion + reasoning) {
        completion += reasoning;
    }
    Some([prompt, completion, cached.unwrap_or(0), reasoning])
}

impl Outcome {
    /// Takes in a chunk, or a whole answer.
    fn add(&mut self, chunk: &Value) {
        for (slot, name) in [(&mut self.id, "id"), (&mut self.model, "model")] {
            if slot.is_empty() {
                text(&chunk[name]).clone_into(slot);
            }
        }
        for usage in [&chunk["usage"], &chunk["x_groq"]["usage"]] {
            self.usage = counts(usage).or(self.usage);
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let said = self.choices.entry(choice["index"].as_u64().expect("an index")).or_default();
            said.add(if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] });
            if !text(&choice["finish_reason"]).is_empty() {
                text(&choice["finish_reason"]).clone_into(&mut said.finish);
            }
        }
    }

    /// As clients of every dialect have to see it.
    fn normal(mut self) -> Self {
        for (slot, fallback) in [(&mut self.id, REPLYING.fallback_id), (&mut self.model, REPLYING.fallback_model)] {
            if slot.is_empty() {
                fallback.clone_into(slot);
            }
        }
        for said in self.choices.values_mut() {
            said.finish = match said.finish.as_str() {
                // Snowflake writes no reasons.
                "stop" | "eos" | "" if !said.calls.is_empty() => "tool_calls".into(),
                "eos" | "" => "stop".into(),
                "function_call" => "tool_calls".into(),
                other => other.into(),
            };
        }
        self
    }
}

impl Said {
    fn add(&mut self, delta: &Value) {
        self.text += text(&delta["content"]);
        let thoughts = if delta["reasoning_content"].is_null() { "reasoning" } else { "reasoning_content" };
        self.thoughts += text(&delta[thoughts]);
        self.refusal += text(&delta["refusal"]);
        self.annotations.extend(delta["annotations"].as_array().into_iter().flatten().cloned());
        for (position, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().map_or(position, |index| usize::try_from(index).expect("small"));
            if self.calls.len() <= index {
                self.calls.resize_with(index + 1, Default::default);
            }
            let (id, name, arguments) = &mut self.calls[index];
            *id += text(&call["id"]);
            *name += text(&call["function"]["name"]);
            *arguments += text(&call["function"]["arguments"]);
        }
        let function = &delta["function_call"];
        if !text(&function["name"]).is_empty() {
            let own = |name| text(&function[name]).to_owned();
            self.calls.push((String::new(), own("name"), own("arguments")));
        }
    }
}

#[test]
fn answers() {
    let Some(wire) = wire() else { return };
    let mut all: Vec<(String, Value)> = exchanges(&wire)
        .into_iter()
        .filter(|exchange| exchange["response"]["json"].is_object())
        .map(|exchange| (exchange["id"].to_string(), exchange["response"]["json"].clone()))
        .collect();
    for (name, text) in files(&wire, "response", false) {
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => all.push((name, value)),
            Err(_) => assert!(View::read_answer(text.as_bytes(), DEPTH_LIMIT).is_err(), "{name}"),
        }
    }
    for (name, text) in files(&wire, "exchange-stub", false) {
        let stub: Value = serde_json::from_str(&text).expect("JSON");
        all.push((name, stub["response"]["jsonBody"].clone()));
    }
    let mut compared = 0;
    for (id, recorded) in &all {
        let body = recorded.to_string();
        let answer = read_answer(View::read_answer(body.as_bytes(), DEPTH_LIMIT).expect(id));
        let Some(answer) = answer else {
            assert!(!recorded["choices"].is_array(), "{id}");
            continue;
        };
        let written: Value = serde_json::from_slice(&write_answer(&answer, &REPLYING)).expect(id);
        let (mut expected, mut found) = (Outcome::default(), Outcome::default());
        expected.add(recorded);
        found.add(&written);
        for (said, own) in expected.choices.values_mut().zip(found.choices.values()) {
            for ((id, ..), (made, ..)) in said.calls.iter_mut().zip(&own.calls).filter(|((id, ..), _)| id.is_empty()) {
                made.clone_into(id);
            }
        }
        assert_eq!(found, expected.normal(), "{id}");
        assert_eq!(written["created"], recorded["created"], "{id}");
        assert_eq!(written["service_tier"], recorded["service_tier"], "{id}");
        assert_eq!(written["choices"].as_array().map(Vec::len), recorded["choices"].as_array().map(Vec::len), "{id}");
        compared += 1;
    }
    assert!(compared > 370, "{compared} compared");
}

/// The data of each event of a stream that is one.
fn chunks(stream: &str) -> Vec<String> {
    let (mut splitter, mut rest) = (Splitter::default(), stream.as_bytes());
    let mut chunks = Vec::new();
    while let Some(border) = splitter.next_border(rest) {
        if let Some(data) = event_data(&rest[..border]) {
            chunks.push(String::from_utf8(data.into_owned()).expect("UTF-8"));
        }
        rest = &rest[border..];
    }
    chunks
}

#[test]
fn streams() {
    let Some(wire) = wire() else { return };
    let recorded = exchanges(&wire)
        .into_iter()
        .filter_map(|exchange| Some((exchange["id"].to_string(), chunks(exchange["response"]["sse"].as_str()?))));
    let files = files(&wire, "response", true).into_iter().map(|(name, text)| {
        let is_lines = Path::new(&name).extension().is_some_and(|extension| extension == "jsonl");
        (name, if is_lines { text.lines().map(str::to_owned).collect() } else { chunks(&text) })
    });
    let mut compared = 0;
    for (id, chunks) in recorded.chain(files) {
        let chunks: Vec<_> = chunks.into_iter().filter(|chunk| chunk != "[DONE]").collect();
        let (mut expected, mut reader, mut writer) =
            (Outcome::default(), StreamReader::default(), StreamWriter::new(&REPLYING));
        let (mut events, mut written) = (Vec::new(), Vec::new());
        for chunk in &chunks {
            let Ok(view) = View::read_answer(chunk.as_bytes(), DEPTH_LIMIT) else { continue };
            expected.add(&serde_json::from_str(chunk).expect("JSON"));
            let before = events.len();
            reader.read(view, &mut events);
            assert_says_at_once(chunk, &events[before..]);
        }
        let mut ends = Vec::new();
        reader.end(&mut ends);
        events.extend(ends);
        if expected.choices.is_empty() {
            continue;
        }
        assert_eq!(of_events(&events), expected.clone().normal().choices, "{id}");
        for event in &events {
            writer.write(event, &mut written);
        }
        let written = String::from_utf8(written).expect("UTF-8");
        assert!(written.ends_with("\n\ndata: [DONE]\n\n"), "{id}");
        let mut found = Outcome::default();
        for chunk in self::chunks(&written).iter().filter(|chunk| *chunk != "[DONE]") {
            found.add(&serde_json::from_str(chunk).expect("JSON"));
        }
        assert_eq!(found, expected.normal(), "{id}");
        compared += 1;
    }
    assert!(compared > 97, "{compared} compared");
}

/// Nothing waits for a later chunk.
fn assert_says_at_once(chunk: &str, events: &[Event<'_>]) {
    let value: Value = serde_json::from_str(chunk).expect("JSON");
    let delta = &value["choices"][0]["delta"];
    let pieces = events.iter().filter(|event| matches!(event, Event::Piece { .. })).count();
    let expected = usize::from(!text(&delta["content"]).is_empty());
    assert!(pieces >= expected, "{chunk}");
}

/// What events say, choice by choice.
fn of_events(events: &[Event<'_>]) -> BTreeMap<u64, Said> {
    let mut choices: BTreeMap<u64, Said> = BTreeMap::new();
    let mut kinds: BTreeMap<(u32, u32), (&Begun<'_>, usize)> = BTreeMap::new();
    for event in events {
        match event {
            Event::Begin { choice, part, kind } => {
                let said = choices.entry(u64::from(*choice)).or_default();
                kinds.insert((*choice, *part), (kind, said.calls.len()));
                if let Begun::ToolCall { id, name } = kind {
                    let decoded = |text: &crate::json_view::Text<'_>| text.decoded().expect("text").into_owned();
                    said.calls.push((decoded(id), decoded(name), String::new()));
                }
            }
            Event::Piece { choice, part, text } => {
                let said = choices.entry(u64::from(*choice)).or_default();
                let (kind, call) = kinds[&(*choice, *part)];
                let into = match kind {
                    Begun::Text => &mut said.text,
                    Begun::Refusal => &mut said.refusal,
                    Begun::Thinking => &mut said.thoughts,
                    Begun::ToolCall { .. } => &mut said.calls[call].2,
                    Begun::RedactedThinking(_) => panic!("pieces of what is whole"),
                };
                into.push_str(&text.decoded().expect("text"));
            }
            Event::Citation { choice, citation, .. } => {
                let said = choices.entry(u64::from(*choice)).or_default();
                said.annotations.push(serde_json::from_str(citation.raw()).expect("JSON"));
            }
            Event::Finish { choice, reason, .. } => {
                let finish = &mut choices.entry(u64::from(*choice)).or_default().finish;
                assert!(finish.is_empty(), "two ends");
                *finish = match reason {
                    Finish::Stop => "stop",
                    Finish::ToolCalls => "tool_calls",
                    Finish::Length => "length",
                    Finish::ContentFilter => "content_filter",
                    other => panic!("{other:?} was not recorded"),
                }
                .into();
            }
            _ => {}
        }
    }
    choices
}
