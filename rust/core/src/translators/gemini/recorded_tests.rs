//! Every recorded exchange of the dialect through the neutral form and back. What does not come back is listed here by
//! name, with the reason.

#![expect(clippy::disallowed_methods, reason = "tests read recordings")]

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{Answer, Arguments, Begun, Event, Finish, Part, PartKind, Request, Target};
use crate::translators::Replying;
use crate::usage::Usage;

const DEPTH_LIMIT: usize = 128;

const REPLYING: Replying<'static> = Replying {
    fallback_id: "none",
    fallback_model: "none",
    now_unix_s: 0,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

fn wire(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire").join(name);
    let text = std::fs::read_to_string(path);
    if text.is_err() {
        eprintln!("skipped: no recorded data, {name} is not beside this clone");
    }
    text.ok()
}

fn exchanges() -> Option<Vec<Value>> {
    let text = wire("exchanges/gemini.jsonl")?;
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

fn single(names: &[&str]) -> Vec<Value> {
    names.iter().filter_map(|name| wire(name)).map(|text| serde_json::from_str(&text).expect("JSON")).collect()
}

/// Names in camel case, as the writer has them, but for what tools and schemas have within.
fn camel(value: &Value) -> Value {
    const OPAQUE: [&str; 6] =
        ["args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"];
    match value {
        Value::Object(members) => {
            let mut renamed = Map::new();
            for (name, value) in members {
                let mut parts = name.split('_');
                let first = parts.next().unwrap_or_default().to_owned();
                let name = parts.fold(first, |name, part| name + &part[..1].to_ascii_uppercase() + &part[1..]);
                let value = if OPAQUE.contains(&name.as_str()) { value.clone() } else { camel(value) };
                renamed.insert(name, value);
            }
            Value::Object(renamed)
        }
        Value::Array(elements) => elements.iter().map(camel).collect(),
        other => other.clone(),
    }
}

/// Types in lower case, wherever they are a schema's.
fn lower_types(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match value.as_str() {
                    Some(word) if name == "type" => *value = word.to_ascii_lowercase().into(),
                    _ => lower_types(value),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(lower_types),
        _ => {}
    }
}

fn take(value: &mut Value, pointer: &str, name: &str) -> Option<Value> {
    value.pointer_mut(pointer)?.as_object_mut()?.remove(name)
}

/// A request as it has to come back. What was taken out is added to `lost`.
fn expected_request(request: &Value, lost: &mut BTreeSet<String>) -> Value {
    let mut request = camel(request);
    // Only Gemini has them; each is named to the client, and the essential ones are refused before they are written.
    for name in ["cachedContent", "modelArmorConfig", "safetySettings"] {
        if take(&mut request, "", name).is_some() {
            lost.insert(name.to_owned());
        }
    }
    // Text is what everybody answers with.
    if take(&mut request, "/generationConfig", "responseModalities").is_some_and(|it| it != json!(["TEXT"])) {
        lost.insert("generationConfig.responseModalities".to_owned());
    }
    take(&mut request, "/toolConfig", "includeServerSideToolInvocations");
    // The same schema under its younger name.
    if let Some(mut schema) = take(&mut request, "/generationConfig", "responseSchema") {
        lower_types(&mut schema);
        request["generationConfig"]["responseJsonSchema"] = schema;
    }
    take(&mut request, "/systemInstruction", "role");
    if request["generationConfig"] == json!({}) {
        take(&mut request, "", "generationConfig");
    }
    if request["tools"].is_object() {
        request["tools"] = json!([request["tools"]]);
    }
    let mut declarations = Vec::new();
    for tool in request["tools"].as_array().into_iter().flatten() {
        for (name, value) in tool.as_object().expect("a tool") {
            match value.as_array() {
                Some(functions) if name == "functionDeclarations" => declarations.extend(functions.iter().cloned()),
                _ => drop(lost.insert(format!("tools.{name}"))),
            }
        }
    }
    for declaration in &mut declarations {
        let declaration = declaration.as_object_mut().expect("a declaration");
        if let Some(mut schema) = declaration.remove("parameters") {
            lower_types(&mut schema);
            declaration.insert("parametersJsonSchema".to_owned(), schema);
        }
        if declaration.remove("behavior").is_some() {
            lost.insert("tools.functionDeclarations.behavior".to_owned());
        }
    }
    take(&mut request, "", "tools");
    if declarations.is_empty() {
        // It is refused without functions.
        take(&mut request, "", "toolConfig");
    } else {
        request["tools"] = json!([{ "functionDeclarations": declarations }]);
        if request["toolConfig"] == json!({}) {
            take(&mut request, "", "toolConfig");
        }
    }
    let calling = request.pointer_mut("/toolConfig/functionCallingConfig");
    if let Some(calling) = calling
        && calling["mode"] == "VALIDATED"
        && calling.get("allowedFunctionNames").is_none()
    {
        lost.insert("toolConfig.functionCallingConfig.mode".to_owned());
        calling["mode"] = "AUTO".into();
    }
    let contents = request["contents"].as_array().cloned().unwrap_or_default();
    request["contents"] = expected_contents(&contents, lost);
    request
}

fn expected_contents(contents: &[Value], lost: &mut BTreeSet<String>) -> Value {
    let mut merged: Vec<Value> = Vec::new();
    for (turn, content) in contents.iter().enumerate() {
        let role = content["role"].as_str().unwrap_or("user");
        let mut parts = Vec::new();
        for (index, part) in content["parts"].as_array().into_iter().flatten().enumerate() {
            let mut part = part.clone();
            for name in ["videoMetadata", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
                if part.as_object_mut().expect("a part").remove(name).is_some() {
                    lost.insert(format!("contents.parts.{name}"));
                }
            }
            // Nothing to say, and no turn of the model's for it.
            if part == json!({}) || part == json!({"text": ""}) && role == "model" {
                continue;
            }
            if let Some(data) = part.pointer("/inlineData/data").and_then(Value::as_str) {
                part["inlineData"]["data"] = data.replace('-', "+").replace('_', "/").into();
            }
            // A file in Google's own store; its type is lost, but so is the request: nobody else has the file.
            let uri = part.pointer("/fileData/fileUri").and_then(Value::as_str).unwrap_or_default().to_owned();
            if uri.starts_with("https://generativelanguage") || uri.starts_with("gs://") {
                part["fileData"] = json!({"fileUri": uri});
                lost.insert("contents.parts.fileData.mimeType of stored files".to_owned());
            }
            for name in ["functionCall", "functionResponse"] {
                if part.get(name).is_some_and(|call| call.get("id").is_none()) {
                    part[name]["id"] =
                        format!("call_{}_{index}", if name == "functionCall" { turn } else { turn - 1 }).into();
                }
            }
            let behind = take(&mut part, "/functionResponse", "parts");
            parts.push(part);
            for mut part in behind.as_ref().and_then(Value::as_array).into_iter().flatten().cloned() {
                lost.insert("contents.parts.functionResponse.parts, which stand behind it".to_owned());
                let uri = part.pointer("/fileData/fileUri").and_then(Value::as_str).unwrap_or_default().to_owned();
                if uri.starts_with("gs://") || uri.contains("generativelanguage") {
                    part["fileData"] = json!({"fileUri": uri});
                }
                if let Some(data) = part.pointer("/inlineData/data").and_then(Value::as_str) {
                    part["inlineData"]["data"] = data.replace('-', "+").replace('_', "/").into();
                }
                parts.push(part);
            }
        }
        match merged.last_mut() {
            Some(open) if open["role"] == role => open["parts"].as_array_mut().expect("parts").append(&mut parts),
            _ if parts.is_empty() => {}
            _ => merged.push(json!({"role": role, "parts": parts})),
        }
    }
    for content in &mut merged {
        let parts = content["parts"].as_array_mut().expect("parts");
        // Results of one turn stand together; what tools gave beside words follows them.
        if parts.iter().any(|part| part.get("functionResponse").is_some()) {
            let is_result = |part: &&Value| part.get("functionResponse").is_some();
            let behind = parts.iter().rposition(|part| is_result(&part)).unwrap_or(0);
            let (mut results, others): (Vec<Value>, Vec<Value>) =
                parts[..=behind].iter().cloned().partition(|part| is_result(&part));
            results.extend(others);
            results.extend_from_slice(&parts[behind + 1..]);
            *parts = results;
        }
    }
    merged.into()
}

/// As if the history had come through a client of another dialect: signatures with the vendor in front.
fn with_vendor(mut request: Request<'_>) -> Request<'_> {
    for part in request.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        part.signature = part.signature.as_ref().map(signature::of_provider);
    }
    request
}

fn request_and_back(request: &Value) -> (Value, BTreeSet<String>) {
    let body = request.to_string();
    let view = View::read(body.as_bytes(), DEPTH_LIMIT).expect("JSON");
    let normalised = normalise_request(view);
    let view = normalised.as_ref().map_or(view, |body| View::read(body, DEPTH_LIMIT).expect("JSON"));
    let read = with_vendor(read_request(view).expect("a request"));
    let unexpressed = read.unexpressed.iter().map(|field| field.name.to_string()).collect();
    let target = Target { model: "m", output_tokens: None, reasoning: None };
    let written = write_request(&read, &target).expect("writable");
    (serde_json::from_slice(&written).expect("JSON"), unexpressed)
}

#[test]
fn requests_keep_every_field() {
    let Some(exchanges) = exchanges() else { return };
    let mut requests: Vec<Value> = exchanges.iter().map(|exchange| exchange["request"]["json"].clone()).collect();
    requests.extend(single(&[
        "agentgateway/requests/gemini/structured-output.json",
        "agentgateway/requests/gemini/tools.json",
        "agentgateway/requests/policies/gemini_with_system.json",
    ]));
    let mut all_lost = BTreeSet::new();
    for request in &requests {
        let mut lost = BTreeSet::new();
        let expected = expected_request(request, &mut lost);
        let (written, unexpressed) = request_and_back(request);
        assert_eq!(written, expected, "{request}");
        // What is lost is said, but for what is only said in another way.
        for name in lost.iter().filter(|name| !name.contains(' ')) {
            assert!(unexpressed.contains(name), "{name} is lost, and nobody is told: {unexpressed:?}");
        }
        all_lost.extend(lost);
    }
    eprintln!("{} requests; lost: {all_lost:#?}", requests.len());
    assert!(requests.len() > 180);
}

/// An answer as it has to come back.
fn expected_answer(answer: &Value) -> Value {
    let mut answer = camel(answer);
    let id = answer["responseId"].as_str().map(str::to_owned);
    let candidates = answer["candidates"].as_array().cloned().unwrap_or_default();
    let mut expected = Vec::new();
    for (position, candidate) in candidates.iter().enumerate() {
        let mut parts = Vec::new();
        let mut calls = 0;
        for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
            let mut part = part.clone();
            // What ran at Google is said to nobody who could not have asked for it.
            if ["executableCode", "codeExecutionResult"].iter().any(|name| part.get(name).is_some()) {
                continue;
            }
            if part.get("functionCall").is_some() {
                if part["functionCall"].get("id").is_none() {
                    part["functionCall"]["id"] = match &id {
                        Some(id) => format!("call_{id}_{position}_{calls}").into(),
                        None => format!("call_{position}_{calls}").into(),
                    };
                }
                calls += 1;
            }
            parts.push(part);
        }
        // Reasons of one kind are one; see `finish`.
        let reason = match candidate["finishReason"].as_str().expect("a reason") {
            "MODEL_ARMOR" => "SAFETY",
            "UNEXPECTED_TOOL_CALL" => "MALFORMED_FUNCTION_CALL",
            other => other,
        };
        let mut one = json!({"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": position});
        if let Some(logprobs) = candidate.get("logprobsResult") {
            one["logprobsResult"] = logprobs.clone();
            // Numbers that only name tokens in Google's own vocabulary.
            for chosen in one["logprobsResult"]["chosenCandidates"].as_array_mut().expect("chosen") {
                chosen.as_object_mut().expect("a token").remove("tokenId");
            }
            for best in one["logprobsResult"]["topCandidates"].as_array_mut().expect("best") {
                for token in best["candidates"].as_array_mut().expect("candidates") {
                    token.as_object_mut().expect("a token").remove("tokenId");
                }
            }
        }
        let mut chunks: Vec<Value> = Vec::new();
        let pointer = "/groundingMetadata/groundingChunks";
        for chunk in candidate.pointer(pointer).and_then(Value::as_array).into_iter().flatten() {
            let place = ["web", "retrievedContext"].iter().find_map(|name| chunk.get(name)).expect("a place");
            if place.get("uri").is_some() && !chunks.iter().any(|known| known["web"]["uri"] == place["uri"]) {
                chunks.push(json!({"web": {"uri": place["uri"], "title": place["title"].as_str().unwrap_or("")}}));
            }
        }
        if !chunks.is_empty() {
            one["groundingMetadata"] = json!({"groundingChunks": chunks});
        }
        // Lost: avgLogprobs, finishMessage, which words rest on which chunk, safetyRatings, urlContextMetadata have no counterpart.
        expected.push(one);
    }
    if expected.is_empty() && answer.get("promptFeedback").is_some() {
        expected.push(json!({"content": {"parts": [], "role": "model"}, "finishReason": "SAFETY", "index": 0}));
    }
    let mut whole = json!({"candidates": expected, "modelVersion": answer["modelVersion"].take()});
    whole["responseId"] = id.unwrap_or_else(|| "none".to_owned()).into();
    if let Some(usage) = answer.get("usageMetadata").filter(|usage| usage.get("totalTokenCount").is_some()) {
        let mut expected = Map::new();
        let tokens = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let by_tools = tokens("toolUsePromptTokenCount");
        expected.insert("promptTokenCount".to_owned(), (tokens("promptTokenCount") + by_tools).into());
        expected.insert("candidatesTokenCount".to_owned(), tokens("candidatesTokenCount").into());
        expected.insert("totalTokenCount".to_owned(), tokens("totalTokenCount").into());
        for name in ["cachedContentTokenCount", "thoughtsTokenCount"] {
            if tokens(name) > 0 {
                expected.insert(name.to_owned(), tokens(name).into());
            }
        }
        whole["usageMetadata"] = Value::Object(expected);
    }
    whole
}

fn answer_and_back(answer: &Value) -> Value {
    let body = answer.to_string();
    let view = View::read_answer(body.as_bytes(), DEPTH_LIMIT).expect("JSON");
    let normalised = normalise_answer(view);
    let view = normalised.as_ref().map_or(view, |body| View::read_answer(body, DEPTH_LIMIT).expect("JSON"));
    let mut written: Value =
        serde_json::from_slice(&write_answer(&read_answer(view).expect("an answer"), &REPLYING)).expect("JSON");
    // Text in detail is what is left of the whole: the sums are checked, kinds are `gemini_usage`'s.
    if let Some(usage) = written.get_mut("usageMetadata").and_then(Value::as_object_mut) {
        usage.retain(|name, _| name.ends_with("Count"));
    }
    written
}

#[test]
fn answers_keep_what_others_can_say() {
    let Some(exchanges) = exchanges() else { return };
    let answers = exchanges.iter().map(|exchange| exchange["response"]["json"].clone());
    let mut answers: Vec<Value> = answers.filter(Value::is_object).collect();
    answers.extend(single(&[
        "agentgateway/response/vertex-gemini/blocked.json",
        "agentgateway/response/vertex-gemini/reasoning.json",
        "agentgateway/response/vertex-gemini/tool.json",
    ]));
    let mut answered = 0;
    for answer in &answers {
        if answer.get("error").is_some() {
            let body = answer.to_string();
            assert_eq!(read_answer(View::read_answer(body.as_bytes(), DEPTH_LIMIT).expect("JSON")), None);
            continue;
        }
        assert_eq!(answer_and_back(answer), expected_answer(answer), "{answer}");
        answered += 1;
    }
    assert!(answered > 170, "{answered}");
}

/// What a stream says in all.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    signatures: usize,
    finish: Option<String>,
    usage: Option<Usage>,
}

/// The stream read slowly, without the translator.
fn plainly(events: &[Value]) -> Said {
    let mut said = Said::default();
    for event in events {
        if let Some(candidate) = event["candidates"].get(0) {
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                if let Some(text) = part["text"].as_str() {
                    if part["thought"] == true { said.thoughts += text } else { said.text += text }
                }
                if let Some(call) = part.get("functionCall") {
                    said.calls.push((call["name"].as_str().expect("a name").to_owned(), call["args"].clone()));
                }
                // Those of tools that ran at Google go with them.
                let is_ours = part.get("text").is_some() || part.get("functionCall").is_some();
                said.signatures += usize::from(is_ours && part.get("thoughtSignature").is_some());
            }
            said.finish = candidate["finishReason"].as_str().map(str::to_owned).or(said.finish);
        }
        if event.get("usageMetadata").is_some() {
            said.usage = crate::dialects::gemini_usage::read(event["usageMetadata"].to_string().as_bytes());
        }
    }
    said
}

/// The same from neutral events.
fn neutrally(data: &[Value]) -> (Said, Vec<Vec<u8>>) {
    let (mut reader, mut writer) = (StreamReader::default(), StreamWriter::new(&REPLYING));
    let mut said = Said::default();
    let mut kinds: Vec<Begun<'static>> = Vec::new();
    let mut frames = Vec::new();
    let mut take = |event: &Event<'_>| {
        let mut written = Vec::new();
        writer.write(event, &mut written);
        frames.push(written);
        match event {
            Event::Begin { part, kind, .. } => {
                assert_eq!(*part as usize, kinds.len(), "parts are numbered in order");
                kinds.push(match kind {
                    Begun::ToolCall { id, name } => {
                        let name = name.decoded().expect("text").into_owned();
                        said.calls.push((name, Value::Null));
                        Begun::ToolCall { id: id.clone().into_owned(), name: Text::default() }
                    }
                    Begun::Thinking => Begun::Thinking,
                    _ => Begun::Text,
                });
            }
            Event::Piece { part, text, .. } => {
                let text = text.decoded().expect("text");
                match &kinds[*part as usize] {
                    Begun::ToolCall { .. } => {
                        said.calls.last_mut().expect("a call").1 = serde_json::from_str(&text).expect("JSON");
                    }
                    Begun::Thinking => said.thoughts += &text,
                    _ => said.text += &text,
                }
            }
            Event::Signature { signature, .. } => {
                assert!(signature.escaped().starts_with("gemini:"));
                said.signatures += 1;
            }
            Event::Finish { reason, .. } => said.finish = Some(finish::word(*reason).to_owned()),
            Event::Usage(usage) => said.usage = Some(*usage),
            _ => {}
        }
    };
    for data in data {
        let body = data.to_string();
        let mut events = Vec::new();
        reader.read(View::read_answer(body.as_bytes(), DEPTH_LIMIT).expect("JSON"), &mut events);
        events.iter().for_each(&mut take);
    }
    let mut events = Vec::new();
    reader.end(&mut events);
    assert_eq!(events.last(), Some(&Event::Done));
    events.iter().for_each(&mut take);
    (said, frames)
}

#[test]
fn streams_say_the_same() {
    let Some(exchanges) = exchanges() else { return };
    let mut streams = 0;
    for stream in exchanges.iter().filter_map(|exchange| exchange["response"]["sse"].as_str()) {
        let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
        let events: Vec<Value> = data.map(|data| serde_json::from_str(data).expect("JSON")).collect();
        let (said, frames) = neutrally(&events);
        let expected = plainly(&events);
        assert_eq!(said, expected);
        assert!(said.finish.is_some() && said.usage.is_some());
        // Written anew, and read once more.
        let written = String::from_utf8(frames.concat()).expect("UTF-8");
        let data = written.split("\r\n\r\n").filter(|frame| !frame.is_empty());
        let again: Vec<Value> = data
            .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").expect("data")).expect("JSON"))
            .collect();
        assert_eq!(plainly(&again), expected);
        streams += 1;
    }
    assert_eq!(streams, 10);
}

#[test]
fn a_history_through_another_dialect_keeps_its_signatures() {
    let call = |signature: Option<&str>| Part {
        signature: signature.map(Text::of),
        ..Part::new(PartKind::ToolCall {
            id: Text::of("a"),
            name: Text::of("f"),
            arguments: Arguments::Text(Text::of("{}")),
        })
    };
    let answer = br#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}},
        "thoughtSignature":"Cs="}]},"finishReason":"STOP"}]}"#;
    let answer: Answer<'_> = read_answer(View::read_answer(answer, 16).expect("JSON")).expect("an answer");
    let choice = &answer.choices[0];
    assert_eq!(choice.finish, Some(Finish::ToolCalls));
    assert_eq!(choice.parts[0].signature, call(Some("gemini:Cs=")).signature);
}
