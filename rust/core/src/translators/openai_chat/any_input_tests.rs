//! Whatever comes, nothing panics, and what is written is JSON.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{Begun, Event, Finish, Target};
use crate::sse::{Splitter, event_data};
use crate::translators::Replying;
use crate::usage::Usage;

const REPLYING: Replying<'_> = Replying {
    fallback_id: "i",
    fallback_model: "m",
    now_unix_s: 1,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

/// Names and words of the format, so that what is made is often nearly right.
const WORDS: [&str; 44] = [
    "model",
    "messages",
    "role",
    "content",
    "type",
    "text",
    "image_url",
    "url",
    "file",
    "file_data",
    "input_audio",
    "data",
    "format",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "tool_call_id",
    "tools",
    "tool_choice",
    "reasoning_content",
    "refusal",
    "annotations",
    "stop",
    "choices",
    "delta",
    "message",
    "index",
    "finish_reason",
    "usage",
    "prompt_tokens",
    "function_call",
    "logprobs",
    "user",
    "assistant",
    "tool",
    "system",
    "url_citation",
    "data:image/png;base64,aa",
    "{}",
    "a~sig~thought=b",
    "thinking",
    "data:é",
];

fn value() -> impl Strategy<Value = Value> {
    let word = || proptest::sample::select(&WORDS[..]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..9).prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((word(), inner), 0..6).prop_map(|members| {
                Value::from(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Messages, an answer or a chunk that begin well.
fn body() -> impl Strategy<Value = String> {
    let of = |name: &'static str| {
        proptest::collection::vec(value(), 0..4).prop_map(move |list| serde_json::json!({"model": "m", name: list}))
    };
    let message = (proptest::sample::select(&["user", "assistant", "tool", "system"][..]), value(), value()).prop_map(
        |(role, content, more)| {
            let mut message = serde_json::json!({"role": role, "content": content, "tool_call_id": "a"});
            if let (Some(message), Value::Object(more)) = (message.as_object_mut(), more) {
                message.extend(more.into_iter().filter(|(name, _)| name != "role"));
            }
            message
        },
    );
    let messages = proptest::collection::vec(message, 0..4)
        .prop_map(|messages| serde_json::json!({"model": "m", "messages": messages}));
    let choice = (value(), value()).prop_map(
        |(said, reason)| serde_json::json!({"choices": [{"delta": said, "message": said, "finish_reason": reason}]}),
    );
    prop_oneof![of("messages"), of("choices"), messages, choice, value()].prop_map(|value| value.to_string())
}

fn assert_is_json(written: &[u8]) {
    assert!(serde_json::from_slice::<Value>(written).is_ok(), "{}", String::from_utf8_lossy(written));
}

/// The chunks of a stream; a ping is a comment, and the end mark no chunk.
fn chunks(mut written: &[u8]) -> Vec<Value> {
    let (mut splitter, mut chunks) = (Splitter::default(), Vec::new());
    while let Some(border) = splitter.next_border(written) {
        if let Some(data) = event_data(&written[..border]).filter(|data| data.as_ref() != b"[DONE]") {
            chunks.push(serde_json::from_slice(&data).expect("JSON"));
        }
        written = &written[border..];
    }
    assert!(written.is_empty(), "a frame without its end");
    chunks
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let text = || ".{0,3}".prop_map(|text| Text::of(&text));
    let begun = prop_oneof![
        Just(Begun::Text),
        Just(Begun::Refusal),
        Just(Begun::Thinking),
        text().prop_map(Begun::RedactedThinking),
        (text(), text()).prop_map(|(id, name)| Begun::ToolCall { id, name }),
    ];
    let reason = proptest::sample::select(&[Finish::Stop, Finish::ToolCalls, Finish::Refusal, Finish::Other][..]);
    let any_view = || {
        proptest::sample::select(&["{\"a\":\n1}", "{}"][..])
            .prop_map(|text| View::read_answer(text.as_bytes(), 8).expect("an object"))
    };
    let event = (0_u32..3, 0_u32..4).prop_flat_map(move |(choice, part)| {
        prop_oneof![
            text().prop_map(|id| Event::Start { id: Some(id), model: None }),
            begun.clone().prop_map(move |kind| Event::Begin { choice, part, kind }),
            text().prop_map(move |text| Event::Piece { choice, part, text }),
            text().prop_map(move |signature| Event::Signature { choice, part, signature }),
            any_view().prop_map(move |citation| Event::Citation { choice, part, citation }),
            Just(Event::End { choice, part }),
            reason.clone().prop_map(move |reason| Event::Finish { choice, reason, stop_sequence: None }),
            any_view().prop_map(move |logprobs| Event::Logprobs { choice, logprobs }),
            any::<u64>().prop_map(|output_tokens| Event::Usage(Usage { output_tokens, ..Usage::default() })),
            Just(Event::Ping),
        ]
    });
    prop_oneof![20 => event, 1 => Just(Event::Done)]
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(body in body()) {
        let Ok(view) = View::read_answer(body.as_bytes(), 64) else { return Ok(()) };
        if let Ok(request) = read_request(view) {
            let target = Target { model: "m", output_tokens: None, reasoning: None };
            if let Ok(written) = write_request(&request, &target) {
                assert_is_json(&written);
            }
        }
        if let Some(answer) = read_answer(view) {
            assert_is_json(&write_answer(&answer, &REPLYING));
        }
        let (mut reader, mut events, mut ends) = (StreamReader::default(), Vec::new(), Vec::new());
        reader.read(view, &mut events);
        reader.end(&mut ends);
        let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
        for event in events.iter().chain(&ends) {
            writer.write(event, &mut written);
        }
        chunks(&written);
    }

    #[test]
    fn events_in_any_order_are_chunks(events in proptest::collection::vec(event(), 0..40)) {
        let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
        for event in &events {
            writer.write(event, &mut written);
        }
        let is_done = events.contains(&Event::Done);
        prop_assert_eq!(written.ends_with(b"data: [DONE]\n\n"), is_done);
        let (mut ends, mut begun) = (Vec::new(), Vec::new());
        for chunk in chunks(&written) {
            for choice in chunk["choices"].as_array().into_iter().flatten() {
                let index = &choice["index"];
                if !choice["finish_reason"].is_null() {
                    prop_assert!(!ends.contains(index), "two ends of choice {}", index);
                    ends.push(index.clone());
                }
                for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                    let own = (index.clone(), call["index"].clone());
                    prop_assert_eq!(call["id"].is_string(), !begun.contains(&own), "a call begins once, and first");
                    begun.push(own);
                }
            }
        }
        prop_assert!(!is_done || !ends.is_empty());
    }
}
