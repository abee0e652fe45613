//! A client that sends back what it got: proofs of thoughts come back to the provider that made them, in their order, and
//! so do the thoughts of vendors that want them in words.

use serde_json::{Value, json};

use super::recordings::recordings;
use super::{DEPTH_LIMIT, FORMATS, REPLYING, pairs};
use crate::json_view::View;
use crate::neutral::{Answer, Format, Part, PartKind, Target, check};
use crate::translators::mutated::bodies;
use crate::translators::{normal_answer, normal_request, read_answer, read_request, write_answer, write_request};

/// What a client of this format asks next: the answer as it came, and a result for each call.
fn next_request(client: Format, answer: &Value) -> Value {
    match client {
        Format::OpenaiChat => {
            let message = &answer["choices"][0]["message"];
            let mut messages = vec![json!({"role": "user", "content": "go"}), message.clone()];
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            messages.extend(calls.map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"})));
            json!({"model": "m", "messages": messages})
        }
        Format::OpenaiResponses => {
            let output = answer["output"].as_array().expect("output");
            let mut input = vec![json!({"role": "user", "content": "go"})];
            input.extend(output.iter().cloned());
            let calls = output.iter().filter(|item| item["type"] == "function_call");
            input.extend(
                calls.map(|call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "done"})),
            );
            json!({"model": "m", "input": input})
        }
        Format::Anthropic => {
            let content = answer["content"].as_array().expect("content");
            let calls = content.iter().filter(|block| block["type"] == "tool_use");
            let results: Vec<_> = calls
                .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "done"}))
                .chain([json!({"type": "text", "text": "go on"})])
                .collect();
            json!({"model": "m", "max_tokens": 9, "messages": [
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": content},
                {"role": "user", "content": results},
            ]})
        }
        Format::Gemini => {
            let content = &answer["candidates"][0]["content"];
            let calls = content["parts"].as_array().into_iter().flatten().filter_map(|part| part.get("functionCall"));
            let results: Vec<_> = calls
                .map(|call| json!({"functionResponse": {"id": call["id"], "name": call["name"], "response": {}}}))
                .chain([json!({"text": "go on"})])
                .collect();
            json!({"contents": [
                {"role": "user", "parts": [{"text": "go"}]},
                content,
                {"role": "user", "parts": results},
            ]})
        }
    }
}

/// What a provider wants to have back of a part, in its own words.
fn proof(provider: Format, part: &Part<'_>) -> Option<String> {
    let own = |raw: &str| {
        let (_, own) = raw.split_once(':').expect("a vendor");
        // OpenAI's goes with the id of its item.
        let own = if provider == Format::OpenaiResponses { own.split_once(':').expect("an id").1 } else { own };
        own.to_owned()
    };
    match (&part.kind, &part.signature) {
        (PartKind::Thinking(text), Some(_)) if provider == Format::OpenaiChat => Some(text.escaped().to_owned()),
        (_, Some(signature)) => Some(own(signature.escaped())),
        (PartKind::RedactedThinking(data), None) => Some(own(data.escaped())),
        _ => None,
    }
}

/// What a client can keep of an answer.
fn kept(provider: Format, client: Format, answer: &Answer<'_>) -> Vec<String> {
    let parts = answer.choices.first().map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let is_call = |part: &Part<'_>| matches!(part.kind, PartKind::ToolCall { .. });
    let parts = match (client, provider) {
        // Chat clients have no place but the ids of calls.
        (Format::OpenaiChat, _) => &parts[..parts.iter().rposition(is_call).map_or(0, |last| last + 1)],
        // Thoughts in words go back with calls.
        (_, Format::OpenaiChat) if !parts.iter().any(is_call) => &[],
        _ => parts,
    };
    let is_lost = |part: &&Part<'_>| client == Format::OpenaiChat && matches!(part.kind, PartKind::Text { .. });
    parts.iter().filter(|part| !is_lost(part)).filter_map(|part| proof(provider, part)).collect()
}

/// What comes back to the provider.
fn returned(provider: Format, client: Format, answer: &Answer<'_>, name: &str) -> Vec<String> {
    let given = write_answer(client, answer, &REPLYING);
    let next = next_request(client, &serde_json::from_slice(&given).expect("JSON")).to_string();
    let body = View::read(next.as_bytes(), DEPTH_LIMIT).expect(name);
    let (mut room, mut room_after) = (None, None);
    let request = read_request(client, normal_request(client, body, &mut room)).expect(name);
    let losses = check(&request, client, provider).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
    let target = Target { model: "m", output_tokens: None, reasoning: None };
    let written = write_request(provider, &request, &target).expect(name);
    let body = View::read(&written, DEPTH_LIMIT).expect(name);
    let request = read_request(provider, normal_request(provider, body, &mut room_after)).expect(name);
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    let own = |part: &Part<'_>| match (&part.kind, &part.signature) {
        (PartKind::Thinking(text), _) if provider == Format::OpenaiChat => Some(text.escaped().to_owned()),
        (_, Some(signature)) => Some(signature.escaped().to_owned()),
        (PartKind::RedactedThinking(data), None) => Some(data.escaped().to_owned()),
        _ => None,
    };
    let returned: Vec<_> = parts.filter_map(own).collect();
    // What comes back is not said to be lost, where all of it does.
    let thoughts = answer
        .choices
        .iter()
        .flat_map(|choice| &choice.parts)
        .filter(|part| matches!(part.kind, PartKind::Thinking(_) | PartKind::RedactedThinking(_)));
    let are_proved = thoughts.clone().all(|part| proof(provider, part).is_some());
    let fields = ["messages.reasoning_content", "input", "messages.content", "contents.parts"];
    // Citations have the same names.
    let cites = |part: &Part<'_>| matches!(part.kind, PartKind::Text { citations: Some(_), .. });
    let has_citations = answer.choices.iter().flat_map(|choice| &choice.parts).any(cites);
    if are_proved && !has_citations && client != Format::OpenaiChat && thoughts.count() > 0 {
        assert!(!losses.iter().any(|loss| fields.contains(&loss.as_ref())), "{name}: {losses:?}");
    }
    returned
}

#[test]
fn proofs_come_back_to_whom_they_came_from() {
    let mut counts = Vec::new();
    for provider in FORMATS {
        let Some(recordings) = recordings(provider) else { return };
        for client in FORMATS.into_iter().filter(|client| *client != provider) {
            let (mut answers, mut proofs) = (0, 0);
            for recorded in &recordings.answers {
                let name = format!("{} from {provider:?} by {client:?}", recorded.name);
                let body = View::read_answer(recorded.body.as_bytes(), DEPTH_LIMIT).expect(&name);
                let mut room = None;
                let Some(answer) = read_answer(provider, normal_answer(provider, body, &mut room)) else { continue };
                let kept = kept(provider, client, &answer);
                if kept.is_empty() {
                    continue;
                }
                assert_eq!(returned(provider, client, &answer, &name), kept, "{name}");
                answers += 1;
                proofs += kept.len();
            }
            counts.push(format!("{provider:?} by {client:?}: {proofs} of {answers} answers"));
        }
    }
    assert_eq!(counts, PINNED, "{counts:#?}");
}

const PINNED: [&str; 12] = [
    "OpenaiChat by OpenaiResponses: 2 of 2 answers",
    "OpenaiChat by Anthropic: 2 of 2 answers",
    "OpenaiChat by Gemini: 2 of 2 answers",
    "OpenaiResponses by OpenaiChat: 22 of 22 answers",
    "OpenaiResponses by Anthropic: 62 of 50 answers",
    "OpenaiResponses by Gemini: 62 of 50 answers",
    "Anthropic by OpenaiChat: 0 of 0 answers",
    "Anthropic by OpenaiResponses: 21 of 21 answers",
    "Anthropic by Gemini: 21 of 21 answers",
    "Gemini by OpenaiChat: 92 of 92 answers",
    "Gemini by OpenaiResponses: 122 of 122 answers",
    "Gemini by Anthropic: 122 of 122 answers",
];

/// The same without recordings: invented answers, with thoughts of each kind before calls.
#[test]
fn proofs_of_an_invented_answer_come_back() {
    for (provider, client) in pairs() {
        let text = bodies(provider)[1].to_string();
        let body = View::read_answer(text.as_bytes(), DEPTH_LIMIT).expect("JSON");
        let (name, mut room) = (format!("{provider:?} by {client:?}"), None);
        let answer = read_answer(provider, normal_answer(provider, body, &mut room)).expect("an answer");
        let kept = kept(provider, client, &answer);
        assert!(!kept.is_empty(), "{name}");
        assert_eq!(returned(provider, client, &answer, &name), kept, "{name}");
    }
}
