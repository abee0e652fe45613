//! Answers that are none: prompts that were blocked, filters, refusals. Whatever the provider calls it, each client's SDK
//! gets the word at which its users look, whole or in a stream, and never a plain end.

use serde_json::Value;

use super::{DEPTH_LIMIT, FORMATS, REPLYING};
use crate::json_view::View;
use crate::neutral::Format;
use crate::sse::EventReader;
use crate::translators::{StreamTranslator, normal_answer, read_answer, write_answer};

/// What a provider says, whole and as the events of a stream, and what each client gets, in the order of [`FORMATS`].
struct Case {
    provider: Format,
    answer: &'static str,
    events: &'static [&'static str],
    given: [&'static str; 4],
}

const CASES: [Case; 8] = [
    Case {
        provider: Format::Gemini,
        answer: r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#,
        events: &[
            r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#,
        ],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::Gemini,
        answer: r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Half"}]},"finishReason":"RECITATION","index":0}]}"#,
        events: &[
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Half"}]},"finishReason":"RECITATION","index":0}]}"#,
        ],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::OpenaiChat,
        answer: r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"I won't."},"finish_reason":"stop"}]}"#,
        events: &[
            r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":""}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{"refusal":"I won't."}}]}"#,
            r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
        given: ["stop I won't.", "completed I won't.", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::OpenaiChat,
        answer: r#"{"id":"c","choices":[{"index":0,"finish_reason":"content_filter"}]}"#,
        events: &[r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::OpenaiResponses,
        answer: r#"{"id":"r","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"I won't."}]}]}"#,
        events: &[
            r#"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#,
            r#"{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I won't."}"#,
            r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}"#,
        ],
        given: ["stop I won't.", "completed I won't.", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::OpenaiResponses,
        answer: r#"{"id":"r","status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
        events: &[
            r#"{"type":"response.incomplete","response":{"id":"r","status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}}"#,
        ],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::Anthropic,
        answer: r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"Half"}],"stop_reason":"refusal"}"#,
        events: &[
            r#"{"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":4,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Half"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":2}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
    Case {
        provider: Format::Anthropic,
        answer: r#"{"id":"m","type":"message","role":"assistant","content":[],"stop_reason":"refusal"}"#,
        events: &[
            r#"{"type":"message_start","message":{"id":"m","content":[]}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#,
            r#"{"type":"message_stop"}"#,
        ],
        given: ["content_filter", "incomplete content_filter", "refusal", "SAFETY"],
    },
];

/// The word that a client finds in an answer; behind it why, where that has a place of its own.
fn word_in(client: Format, answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (word, why) = match client {
        Format::OpenaiChat => {
            let choice = &answer["choices"][0];
            let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            (text(&choice["finish_reason"]), text(&message["refusal"]))
        }
        Format::OpenaiResponses => {
            let reason = text(&answer["incomplete_details"]["reason"]);
            let refusal = text(&answer["output"][0]["content"][0]["refusal"]);
            (text(&answer["status"]), reason + &refusal)
        }
        Format::Anthropic => (text(&answer["stop_reason"]), String::new()),
        Format::Gemini => (text(&answer["candidates"][0]["finishReason"]), String::new()),
    };
    format!("{word} {why}").trim().to_owned()
}

/// The same in the frames of a stream.
fn word_in_stream(client: Format, stream: &[u8]) -> String {
    let mut words: Vec<String> = Vec::new();
    let take = |event: crate::sse::Event| {
        let Ok(data) = serde_json::from_slice::<Value>(&event.data) else { return };
        let answer = match client {
            Format::OpenaiResponses => &data["response"],
            Format::Anthropic => &data["delta"],
            Format::OpenaiChat | Format::Gemini => &data,
        };
        words.push(word_in(client, answer));
    };
    EventReader::new(1 << 20).feed(stream, take).expect("small events");
    match client {
        // Why comes before the word.
        Format::OpenaiChat => {
            words.retain(|word| !word.is_empty());
            words.reverse();
            words.join(" ")
        }
        _ => words.into_iter().rfind(|word| !word.is_empty()).unwrap_or_default(),
    }
}

#[test]
fn every_client_gets_its_word_for_it() {
    for case in &CASES {
        for (client, given) in FORMATS.into_iter().zip(case.given).filter(|(client, _)| *client != case.provider) {
            let name = format!("{} from {:?} to {client:?}", case.answer, case.provider);
            let body = View::read_answer(case.answer.as_bytes(), DEPTH_LIMIT).expect(&name);
            let mut room = None;
            let answer = read_answer(case.provider, normal_answer(case.provider, body, &mut room)).expect(&name);
            let written = write_answer(client, &answer, &REPLYING);
            assert_eq!(word_in(client, &serde_json::from_slice(&written).expect("JSON")), given, "{name}");
            let mut translator = StreamTranslator::new(case.provider, client, &REPLYING);
            let mut written = Vec::new();
            for data in case.events {
                translator.read(View::read_answer(data.as_bytes(), DEPTH_LIMIT).expect(&name), &mut written);
            }
            translator.end(&mut written);
            assert_eq!(word_in_stream(client, &written), given, "{name}, in a stream");
        }
    }
}
