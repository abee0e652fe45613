//! What translating costs: `cargo bench -p fastgate-core --bench translation`.
//!
//! A request of 1 KB and its answer of 600 B from each dialect to each other; one event of a stream; a conversation of
//! 1 MB with 200 tool calls.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fastgate_core::json_view::View;
use fastgate_core::neutral::{Format, Target, check};
use fastgate_core::translators::{self, Replying, StreamReader, StreamWriter};
use serde_json::{Value, json};

const DEPTH_LIMIT: usize = 64;
const TARGET: Target<'_> = Target { model: "a-model-of-the-provider", output_tokens: None, reasoning: None };
const REPLYING: Replying<'_> = Replying {
    fallback_id: "fgr_0123456789abcdef",
    fallback_model: "chat",
    now_unix_s: 1_767_225_600,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

fn words(bytes: usize) -> String {
    "Something that somebody has to say about \"this\".\n".repeat(bytes / 50 + 1)
}

fn requests() -> [(&'static str, Format, Value); 4] {
    let text = words(850);
    [
        (
            "chat",
            Format::OpenaiChat,
            json!({"model": "chat", "temperature": 0.2, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]}),
        ),
        (
            "responses",
            Format::OpenaiResponses,
            json!({"model": "chat", "temperature": 0.2, "instructions": "Be brief.",
            "input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]}),
        ),
        (
            "anthropic",
            Format::Anthropic,
            json!({"model": "chat", "max_tokens": 500, "temperature": 0.2,
            "system": "Be brief.", "messages": [{"role": "user", "content": text}]}),
        ),
        (
            "gemini",
            Format::Gemini,
            json!({"systemInstruction": {"parts": [{"text": "Be brief."}]},
            "generationConfig": {"temperature": 0.2}, "contents": [{"role": "user", "parts": [{"text": text}]}]}),
        ),
    ]
}

fn answers() -> [(&'static str, Format, Value); 3] {
    let text = words(300);
    [
        (
            "chat",
            Format::OpenaiChat,
            json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260}}),
        ),
        (
            "anthropic",
            Format::Anthropic,
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": 200, "output_tokens": 60}}),
        ),
        (
            "gemini",
            Format::Gemini,
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]},
            "finishReason": "STOP", "index": 0}], "modelVersion": "m", "responseId": "r",
            "usageMetadata": {"promptTokenCount": 200, "candidatesTokenCount": 60, "totalTokenCount": 260}}),
        ),
    ]
}

/// A client's request, translated as an exchange does it, and the answer back.
fn whole(request: &[u8], answer: &[u8], client: Format, provider: Format) -> usize {
    let written = translate_request(request, client, provider);
    let Ok(view) = View::read_answer(answer, DEPTH_LIMIT) else { return 0 };
    let mut room = None;
    let view = translators::normal_answer(provider, view, &mut room);
    let Some(answer) = translators::read_answer(provider, view) else { return 0 };
    written + translators::write_answer(client, &answer, &REPLYING).len()
}

fn translate_request(request: &[u8], client: Format, provider: Format) -> usize {
    let Ok(view) = View::read(request, DEPTH_LIMIT) else { return 0 };
    let mut room = None;
    let view = translators::normal_request(client, view, &mut room);
    let Ok(request) = translators::read_request(client, view) else { return 0 };
    let Ok(losses) = check(&request, client, provider) else { return 0 };
    translators::write_request(provider, &request, &TARGET).map_or(0, |written| written.len() + losses.len())
}

fn exchanges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate");
    for (client, client_format, request) in requests() {
        let request = request.to_string();
        for (provider, provider_format, answer) in answers() {
            let answer = answer.to_string();
            let name = format!("{client} to {provider}, {} B and {} B", request.len(), answer.len());
            let carry =
                || whole(black_box(request.as_bytes()), black_box(answer.as_bytes()), client_format, provider_format);
            assert!(carry() > 1000, "{name}");
            group.bench_function(name, |bencher| bencher.iter(carry));
        }
    }
    group.finish();
}

fn conversation(criterion: &mut Criterion) {
    let text = words(2_400);
    let turns = (0..200).flat_map(|turn| {
        let id = format!("call_{turn}");
        let call = json!({"id": id, "type": "function", "function": {"name": "look", "arguments": json!({"for": text}).to_string()}});
        [json!({"role": "assistant", "content": null, "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": id, "content": text})]
    });
    let messages: Vec<Value> = std::iter::once(json!({"role": "user", "content": "Look."})).chain(turns).collect();
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    let body = json!({"model": "chat", "messages": messages, "tools": [tool]}).to_string();
    let mut group = criterion.benchmark_group("translate");
    for (provider, format) in [("anthropic", Format::Anthropic), ("gemini", Format::Gemini)] {
        let carry = || translate_request(black_box(body.as_bytes()), Format::OpenaiChat, format);
        assert!(carry() > 900_000);
        let name = format!("200 tool calls, {} KB, chat to {provider}", body.len() / 1000);
        group.bench_function(name, |bencher| bencher.iter(carry));
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let event = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words"}}"#;
    let begun = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let mut group = criterion.benchmark_group("translate");
    for (client, format) in
        [("chat", Format::OpenaiChat), ("responses", Format::OpenaiResponses), ("gemini", Format::Gemini)]
    {
        let mut reader = StreamReader::new(Format::Anthropic);
        let mut writer = StreamWriter::new(format, &REPLYING);
        let mut written = Vec::new();
        let mut carry = |data: &str| {
            written.clear();
            let mut events = Vec::new();
            if let Ok(view) = View::read_answer(data.as_bytes(), DEPTH_LIMIT) {
                reader.read(view, &mut events);
            }
            for event in &events {
                writer.write(event, &mut written);
            }
            written.len()
        };
        carry(begun);
        assert!(carry(event) > 20, "{client}");
        group.bench_function(format!("one event, anthropic to {client}"), |bencher| {
            bencher.iter(|| carry(black_box(event)));
        });
    }
    group.finish();
}

criterion_group!(benches, exchanges, conversation, events);
criterion_main!(benches);
